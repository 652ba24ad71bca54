"""The shape of a lead magnet's front matter: content/magnets/NAME.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from magnetgen.model import Magnet, Page
from magnetgen.schema import (
    Author,
    Language,
    Moment,
    NameOrOff,
    Strict,
    TextList,
    TimeZone,
    Title,
    one_or_list,
    refuse,
)

KINDS = ("ebook", "checklist", "guide", "template", "webinar", "discount", "trial", "file", "link", "chapter")
BOOKS = ("ebook", "guide", "checklist", "template")
"""Kinds that are typeset from their Markdown."""

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_DURATION = re.compile(r"(\d{1,4})\s*(minute|hour|day|week)s?")
SHORTEST, LONGEST = 600, 366 * 86_400
"""Seconds that a download's link may live: scanners and slow mailboxes take some minutes."""


def _duration(value: Any) -> Any:
    """`45 minutes`, `7 days` → seconds."""
    match = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise refuse(
            "duration-invalid", f'"{value}" is not a length of time', "write it as 45 minutes, 72 hours or 7 days"
        )
    return int(match[1]) * _UNITS[match[2]]


def _life(value: Any) -> Any:
    seconds = _duration(value)
    if not SHORTEST <= seconds <= LONGEST:
        message = f'a link cannot be valid for "{value}"'
        raise refuse("duration-invalid", message, "10 minutes to 366 days; 7 days suit most")
    return seconds


def _meeting(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 9000:
        raise refuse("date-invalid", f"nobody meets in the year {moment.year}", "write it as 2026-12-04 16:00")
    return moment


def _session(value: Any) -> Any:
    seconds = _duration(value)
    if not 0 < seconds <= 31 * 86_400:
        raise refuse("duration-invalid", f'a webinar cannot take "{value}"', "write it as 45 minutes or 2 hours")
    return seconds


def _address(value: Any) -> Any:
    """An address as it goes over the wire. A fault does not repeat it: it may be one that only leads are to learn."""
    if not isinstance(value, str) or not value:
        return value
    hint = "write it as https://example.com/page"
    try:
        parts = urlsplit(value.strip())
        host = (parts.hostname or "").encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        host, port, parts = "", "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s@{}]", value.strip()):
        raise refuse("magnet-url", "this is not a whole address", hint)
    rest = urlunsplit(("", "", parts.path, parts.query, parts.fragment))
    return f"{parts.scheme}://{host}{port}{quote(rest, safe=_IN_ADDRESS)}"


def _label(value: Any) -> Any:
    if isinstance(value, str) and "{{" in value:
        raise refuse("mail-hole-syntax", "a button's text has no holes", "take the braces out")
    return value


def _code(value: Any) -> Any:
    if isinstance(value, str) and value and not re.fullmatch(r"\S(?:.{0,62}\S)?", value.strip()):
        raise refuse("magnet-code", "a code has at most 64 characters, in one line", "shorten it")
    return value


def _pages(value: Any) -> Any:
    return 0 if value in ("false", False) else value


_LENGTH: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\d+\s*(minute|hour|day|week)s?$",
    "examples": ["72 hours", "7 days"],
}
Session = Annotated[int, BeforeValidator(_session), WithJsonSchema(_LENGTH)]
Life = Annotated[int, BeforeValidator(_life), WithJsonSchema(_LENGTH)]
Address = Annotated[str, BeforeValidator(_address)]
_IN_ADDRESS = "%/:?#[]!$&'()*+,;=~-._"
"""What stands in an address as it is: what RFC 3986 gives a meaning, and what is encoded already."""
Formats = Annotated[
    list[Literal["pdf", "epub"]],
    Field(min_length=1),
    BeforeValidator(one_or_list, json_schema_input_type=str | list[Literal["pdf", "epub"]]),
]


class Question(Strict):
    """One question of the magnet's landing page."""

    question: Annotated[str, Field(min_length=1)]
    """As a visitor would ask it."""
    answer: Annotated[str, Field(min_length=1)]
    """Markdown."""


class MagnetMeta(Strict):
    """Front matter of content/magnets/NAME.md; the body is what a lead receives, and nobody else."""

    title: Title
    """Of the thing that is given."""
    kind: Literal["ebook", "checklist", "guide", "template", "webinar", "discount", "trial", "file", "link", "chapter"]
    """What it is. `chapter` is a part of other magnets' books, and given to nobody by itself."""
    subtitle: str = ""
    """A second line on the cover and on the landing page."""
    description: str = ""
    """What it is good for, for everybody to read: on the landing page and in search results."""
    author: Author | None = None
    """Name, or `{name, url}`; without it, the site's."""
    date: Moment | None = None
    """Day of this edition, in the book's data; of a webinar, the day on which its time was last changed."""
    lang: Language | None = None
    """Without it, the site's language."""
    cover: str = ""
    """Picture for the cover; without it, one is drawn."""
    cover_alt: str = ""
    """What the picture shows."""
    formats: Formats | None = None
    """`pdf`, `epub` or both; without it, `pdf`. With both, the link gives the PDF, and a second one the EPUB."""
    paper: Literal["a5", "a4", "letter"] | None = None
    """Without it, `a5` for ebooks and guides, `a4` for checklists and templates."""
    draft: bool = False
    """Not to be had yet: only the preview, and builds with `--drafts`, know of it."""
    toc: bool | None = None
    """A table of contents; without it, ebooks and guides have one."""
    chapters: TextList = []
    """Files whose texts follow the body, as paths from this file: posts, pages, or magnets of the kind `chapter`."""
    cta: NameOrOff | None = None
    """Call to action on the book's last page, `false` for none; without it, the site itself."""
    preview: (
        Annotated[int, BeforeValidator(_pages, json_schema_input_type=int | Literal[False]), Field(ge=0, le=6)] | None
    ) = None
    """How many inside pages the landing page shows, `false` for none; without it, 2."""
    inside: TextList = []
    """What is inside, for the landing page; without it, the book's headings."""
    faq: list[Question] = []
    """Questions and answers for the landing page."""
    valid_for: Life | None = None
    """How long the link to it works, such as `7 days`; without it, 72 hours."""
    form: bool = True
    """`false`: no form is made for it. Forms that give it name it themselves, as `magnet`."""
    page: bool = True
    """`false`: no landing page is made for it."""
    start: Annotated[Moment, AfterValidator(_meeting)] | None = None
    """When a webinar begins, in its time zone."""
    duration: Session | None = None
    """How long a webinar takes, such as `45 minutes`; without it, an hour."""
    timezone: TimeZone | None = None
    """Of a webinar's `start`; without it, the site's."""
    join_url: Address = ""
    """Where a webinar is joined. It stands in the mail and nowhere else."""
    code: Annotated[str, BeforeValidator(_code)] = ""
    """One code for everybody who asks."""
    codes: str = ""
    """A file beside this one with one code a line: each is given away once."""
    url: Address = ""
    """Where a link or a trial leads, or where a code is to be used. Only leads learn of it."""
    label: Annotated[str, BeforeValidator(_label)] = ""
    """Text of the button that leads to `url`."""
    file: str = ""
    """A file beside this one that is given as it is."""

    @model_validator(mode="after")
    def _of_its_kind(self) -> MagnetMeta:
        allowed = _ALLOWED[self.kind]
        for name in sorted(self.model_fields_set - _COMMON - allowed):
            if getattr(self, name) not in ("", None, []):
                takes = ", ".join(sorted(allowed)) or "no keys of its own"
                raise refuse(
                    "magnet-key",
                    f"a magnet of the kind {self.kind} has no use for `{name}`",
                    f"it takes {takes}",
                    at=name,
                )
        for needed, hint in _NEEDED.get(self.kind, ()):
            if not any(getattr(self, name) for name in needed):
                raise refuse(
                    "magnet-incomplete",
                    f"a magnet of the kind {self.kind} needs {' or '.join(needed)}",
                    hint,
                    at="kind",
                )
        if self.code and self.codes:
            raise refuse("magnet-key", "either one `code` for all, or `codes`", "take one of the two out", at="codes")
        return self


_COMMON = frozenset(
    {
        "title",
        "kind",
        "draft",
        "subtitle",
        "description",
        "author",
        "lang",
        "cover",
        "cover_alt",
        "inside",
        "faq",
        "valid_for",
        "form",
        "page",
    }
)
_OF_BOOKS = frozenset({"date", "formats", "paper", "toc", "chapters", "cta", "preview"})
_OF_OFFERS = frozenset({"code", "codes", "url", "label"})
_ALLOWED: dict[str, frozenset[str]] = {
    **dict.fromkeys(BOOKS, _OF_BOOKS),
    "webinar": frozenset({"date", "start", "duration", "timezone", "join_url"}),
    "discount": _OF_OFFERS,
    "trial": _OF_OFFERS,
    "link": frozenset({"url", "label"}),
    "file": frozenset({"file"}),
    "chapter": frozenset(),
}
_NEEDED: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "webinar": (
        (("start",), "add `start: 2026-12-04 16:00`"),
        (("join_url",), "add `join_url: https://…`: only the mail tells it"),
    ),
    "discount": ((("code", "codes"), "add `code: SPRING20`, or `codes: codes.txt` with a code a line"),),
    "trial": ((("url",), "add `url: https://…`, where the trial begins"),),
    "link": ((("url",), "add `url: https://…`, where it leads"),),
    "file": ((("file",), "add `file: NAME.zip`, and put the file beside this one"),),
}

_HOUR = 3600


def magnet(meta: MagnetMeta, name: str, body: Page, zone: ZoneInfo) -> Magnet:
    """What is known of a lead magnet. `zone`: the site's, for times without one."""
    is_book, long = meta.kind in BOOKS, meta.kind in ("ebook", "guide")
    own_zone = ZoneInfo(meta.timezone) if meta.timezone else zone
    start = (meta.start if meta.start.tzinfo else meta.start.replace(tzinfo=own_zone)) if meta.start else None
    # Added as an instant: a webinar does not grow an hour because the clocks change.
    end = (start.astimezone(UTC) + timedelta(seconds=meta.duration or _HOUR)).astimezone(own_zone) if start else None
    return Magnet(
        name=name,
        kind=meta.kind,
        title=" ".join(meta.title.split()),
        body=body,
        subtitle=meta.subtitle,
        description=meta.description,
        author=meta.author.name if meta.author else "",
        date=meta.date.date().isoformat() if meta.date else "",
        cover=meta.cover,
        cover_alt=meta.cover_alt,
        formats=tuple(name for name in ("pdf", "epub") if name in (meta.formats or ("pdf",))) if is_book else (),
        paper=(meta.paper or ("a5" if long else "a4")) if is_book else "",
        toc=long if meta.toc is None else meta.toc,
        chapters=tuple(meta.chapters),
        cta=meta.cta,
        preview=(2 if meta.preview is None else meta.preview) if is_book else 0,
        inside=tuple(meta.inside),
        faq=tuple((entry.question, entry.answer) for entry in meta.faq),
        valid_for=meta.valid_for or 0,
        makes_form=meta.form,
        makes_page=meta.page,
        start=start.isoformat() if start else "",
        end=end.isoformat() if end else "",
        start_ts=start.timestamp() if start else 0.0,
        end_ts=end.timestamp() if end else 0.0,
        timezone=own_zone.key if meta.kind == "webinar" else "",
        join_url=meta.join_url,
        code=meta.code,
        codes=meta.codes,
        url=meta.url,
        label=meta.label,
        file=meta.file,
    )
