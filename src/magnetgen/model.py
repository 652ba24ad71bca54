"""The frozen types that one stage hands to the next.

They are msgspec structs: immutable, quick to make (10,000 pages pass through here) and stored in the
cache as they are, without pickle. What a template sees is in `views`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from magnetgen.diagnostics import Diagnostic
from magnetgen.forms.contract import FormSpec


class Source(Struct, frozen=True):
    """A file of the site as found on disk. `path` is relative to the site, with `/`."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0

    @property
    def stamp(self) -> tuple[int, int, int, int]:
        """What changes when the file does, even where its time was set back."""
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode)


class Skipped(Struct, frozen=True):
    """A file that is not published, and why."""

    path: str
    reason: str


class Heading(Struct, frozen=True):
    level: int
    id: str
    text: str
    classes: tuple[str, ...] = ()


class Ref(Struct, frozen=True):
    """An address in a fragment's HTML: `html[start:end]` is the escaped attribute value.

    kind: `link` or `image`; `tag_start:tag_end` is the whole tag, so that an image can be given its size and a
    `form:` image be replaced by the form.
    """

    kind: str
    target: str
    start: int
    end: int
    tag_start: int
    tag_end: int


class Fragment(Struct, frozen=True):
    """Markdown turned into HTML, its addresses still as the writer wrote them."""

    html: str
    headings: tuple[Heading, ...]
    refs: tuple[Ref, ...]


class Page(Struct, frozen=True):
    """What is known of one content file without rendering it: all that other pages need of it.

    path: URL below the site's base, `/posts/x/`. Dates are ISO 8601 with offset; `date_ts` and `expires_ts` are
    seconds since the epoch. digest: of the file and of what the settings add to it. `anchors` are the ids in its body; `links` and `images` are the addresses as written, in order, without repetition.
    markdown: its text, where that stands in no file; card: a picture made for social networks.
    """

    source: str
    path: str
    layout: str
    title: str
    description: str
    has_description: bool = False
    date: str | None = None
    date_ts: float | None = None
    updated: str | None = None
    expires_ts: float | None = None
    draft: bool = False
    digest: bytes = b""
    collection: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tag_slugs: tuple[str, ...] = ()
    image: str | None = None
    image_alt: str = ""
    repeats_image: bool = False
    author: str | None = None
    form: str | None = None
    inline_form: FormSpec | None = None
    cta: str | None = None
    inline_cta: bool = False
    noindex: bool = False
    weight: int = 0
    lang: str = ""
    translation_key: str | None = None
    toc: bool = False
    extra: dict[str, Any] = {}
    anchors: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    words: int = 0
    markdown: str | None = None
    card: str = ""


class Mail(Struct, frozen=True):
    """A mail that the site words itself. `form`: whose it is, or empty for all forms; empty texts: as the default has it."""

    source: str
    kind: str
    form: str
    subject: str
    sender: str
    has_body: bool


class Magnet(Struct, frozen=True):
    """A lead magnet: what its front matter says, and its body as a page that is never published.

    Moments are ISO 8601 with offset; `start_ts`, `end_ts` seconds since the epoch; valid_for: seconds, 0: as usual.
    cover, chapters, file and codes: as written, from the file's folder. makes_form, makes_page: whether
    it may bring these along.
    """

    name: str
    kind: str
    title: str
    body: Page
    subtitle: str = ""
    description: str = ""
    author: str = ""
    date: str = ""
    cover: str = ""
    cover_alt: str = ""
    formats: tuple[str, ...] = ()
    paper: str = ""
    toc: bool = False
    chapters: tuple[str, ...] = ()
    cta: str | None = None
    preview: int = 0
    inside: tuple[str, ...] = ()
    faq: tuple[tuple[str, str], ...] = ()
    valid_for: int = 0
    makes_form: bool = True
    makes_page: bool = True
    start: str = ""
    end: str = ""
    start_ts: float = 0.0
    end_ts: float = 0.0
    timezone: str = ""
    join_url: str = ""
    code: str = ""
    codes: str = ""
    url: str = ""
    label: str = ""
    file: str = ""

    @property
    def source(self) -> str:
        return self.body.source

    @property
    def gives(self) -> str:
        """What a lead gets, as mails and pages tell it apart: file, webinar, code or link."""
        if self.kind == "webinar":
            return "webinar"
        if self.code or self.codes:
            return "code"
        return "link" if self.url else "file"

    @property
    def is_written(self) -> bool:
        """Whether there is Markdown of it, and not only a file that is given as it is."""
        return self.source.endswith((".md", ".markdown"))


class Asset(Struct, frozen=True):
    """A file that leads receive. id: its name in forms.json; file: its path from the site's folder; name: what it is
    saved as. size in bytes; sha256 in hexadecimal.
    """

    id: str
    file: str
    name: str
    size: int
    sha256: str


class Gift(Struct, frozen=True):
    """What a magnet has come to: its files, single-use codes, and what its mail can be filled with."""

    assets: tuple[Asset, ...] = ()
    codes: tuple[str, ...] = ()
    holes: dict[str, str] = {}


class Parsed(Struct, frozen=True):
    """What became of one content file: a page or a form, or only diagnostics.

    kind: page, form, block, magnet, email. path: the URL that the file has or would have, so that a link to a file
    that cannot be read is no second fault. draft: as far as that could be read.
    """

    source: str
    kind: str
    path: str
    page: Page | None = None
    form: FormSpec | None = None
    mail: Mail | None = None
    magnet: Magnet | None = None
    draft: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()


class MediaFile(Struct, frozen=True):
    """A file of media/, or one beside a page. `path` is its URL below the base; width and height in CSS pixels.

    smaller: the same picture in smaller sizes, for screens that need no more.
    """

    source: str
    path: str
    digest: str
    size: int
    width: int | None = None
    height: int | None = None
    smaller: tuple[MediaFile, ...] = ()
