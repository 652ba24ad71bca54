"""The whole site at once: what is published, lists, forms, translations, related posts. Its outputs: jobs.py."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from magnetgen import places
from magnetgen.config import SiteConfig
from magnetgen.diagnostics import PRIVATE, Diagnostic, Report, error
from magnetgen.forms.contract import NEWSLETTER, FormSpec
from magnetgen.media import card_size
from magnetgen.model import Gift, Magnet, Mail, MediaFile, Page, Parsed, Skipped
from magnetgen.pages import resolve_file
from magnetgen.policy import Sources
from magnetgen.text import fold
from magnetgen.text import quote_path as quote

RELATED = 3


NEVER = "never published: only those who asked for it receive it"


class Publish(Struct, frozen=True):
    """What decides whether a page is published. `now`: seconds since the epoch."""

    now: float
    drafts: bool = False
    future: bool = False


class Listing(Struct, frozen=True):
    """A list of posts: of a collection or of a tag. `base`: URL of its first page; `intro`: its own page, if any.

    changed: when the newest of them changed, ISO 8601.
    """

    kind: str
    name: str
    title: str
    base: str
    pages: tuple[Page, ...]
    intro: Page | None = None
    changed: str | None = None

    def path(self, number: int) -> str:
        return self.base if number == 1 else f"{self.base}page/{number}/"


class Form(Struct, frozen=True):
    """A form of the site, with the URLs (below the base) of its pages.

    source: the file that declares it, if any. home: where links to the form lead: a landing page that shows it,
    else a page of its own.
    """

    spec: FormSpec
    source: str
    page: Page | None
    home: str
    next: str
    confirmed: str


class Card(Struct, frozen=True):
    """A picture for social networks: from a picture (`source`) or from a title. Width and height in pixels."""

    path: str
    width: int
    height: int
    source: str = ""
    title: str = ""


class Job(Struct, frozen=True):
    """One output. kind says who makes it; `path` is its URL below the base; the rest is the kind's own."""

    kind: str
    path: str
    source: str = ""
    name: str = ""
    number: int = 1

    @property
    def file(self) -> str:
        """The output file, relative to the output folder."""
        return (self.path + "index.html" if self.path.endswith("/") else self.path).lstrip("/")


class Plan(Struct):
    """Everything that rendering needs to know beyond a page's own text.

    magnets: what forms can give, by name; chapters: parts of books that nobody is given alone, by file; gifts: what
    the magnets have come to, by name.
    page_policy: where pages carry their Content-Security-Policy themselves, what it allows besides what they need.
    """

    root: Path
    config: SiteConfig
    pages: tuple[Page, ...] = ()
    by_source: dict[str, Page] = {}
    media: dict[str, MediaFile] = {}
    unreadable: dict[str, str] = {}
    unread: frozenset[str] = frozenset()
    unpublished: dict[str, str] = {}
    hidden: dict[str, str] = {}
    blocks: dict[str, Page] = {}
    forms: dict[str, Form] = {}
    magnets: dict[str, Magnet] = {}
    chapters: dict[str, Magnet] = {}
    gifts: dict[str, Gift] = {}
    mails: tuple[Mail, ...] = ()
    collections: dict[str, Listing] = {}
    tags: dict[str, Listing] = {}
    translations: dict[str, tuple[Page, ...]] = {}
    cards: dict[str, Card] = {}
    paths: dict[str, str] = {}
    jobs: tuple[Job, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    now: float = 0.0
    since: float | None = None
    until: float | None = None
    positions: dict[str, dict[str, int]] = {}
    preview: bool = False
    page_policy: Sources | None = None
    memo: dict[str, dict[str, Any]] = {}

    def url(self, path: str) -> str:
        """A path below the base as it stands in a page."""
        return self.config.prefix + quote(path.lstrip("/"))

    def absolute(self, path: str) -> str:
        return self.config.base_url + quote(path.lstrip("/"))

    def media_for(self, source: str) -> MediaFile | None:
        return self.media.get(source)

    def indexable(self) -> list[Job]:
        """The pages that search engines are to know: canonical, 200, not `noindex`."""
        return [
            job
            for job in self.jobs
            if job.kind in ("home", "list")
            or (job.kind == "page" and not self.by_source[job.source].noindex and job.path != "/404.html")
        ]

    def card_for(self, page: Page | None) -> Card | None:
        """The page's own card, else the site's."""
        return (self.cards.get(page.source) if page else None) or self.cards.get("")

    def related(self, page: Page) -> tuple[Page, ...]:
        """Neighbours in the list of the page's rarest tag, then in its collection: stable, and cheap at any size."""
        lists = sorted((self.tags[name] for name in page.tag_slugs), key=lambda t: len(t.pages))
        if page.collection in self.collections:
            lists.append(self.collections[page.collection])
        found: dict[str, Page] = {}
        for listing in lists:
            at = self.positions[listing.base][page.source]
            near = (at + 1, at - 1, at + 2, at - 2, at + 3, at - 3)
            for index in near:
                if len(found) < RELATED and 0 <= index < len(listing.pages):
                    found.setdefault(listing.pages[index].source, listing.pages[index])
        return tuple(found.values())


def make(
    root: Path,
    config: SiteConfig,
    parsed: Iterable[Parsed],
    media: Iterable[MediaFile],
    publish: Publish,
    report: Report,
) -> Plan:
    """The plan, and every fault that shows only with the whole site in view."""
    plan = Plan(root, config, media={file.source: file for file in media}, preview=publish.drafts or publish.future)
    files = sorted(parsed, key=lambda p: p.source)
    plan.pages, plan.skipped = _published(files, publish, report)
    plan.now = publish.now
    instants = [t for f in files if f.page for t in (f.page.date_ts, f.page.expires_ts) if t is not None]
    instants += [f.magnet.end_ts for f in files if f.magnet is not None and f.magnet.end_ts]
    plan.since = max((t for t in instants if t <= publish.now), default=None)
    plan.until = min((t for t in instants if t > publish.now), default=None)
    private = (Skipped(file.source, NEVER) for file in plan.media.values() if is_magnet(file.source))
    plan.skipped += tuple(private)
    plan.by_source = {page.source: page for page in plan.pages}
    held_back = {s.path: s.reason for s in plan.skipped}
    unread = [f for f in files if f.page is None and f.path and f.kind == "page"]
    plan.unreadable = {f.source: f.path for f in unread if f.source not in held_back}
    paths = {f.source: f.page.path if f.page else f.path for f in files if f.kind == "page"}
    plan.hidden = {fold(paths[source]): reason for source, reason in held_back.items() if paths.get(source)}
    plan.unread = frozenset(f.path for f in files if f.kind != "page" and f.page is None and f.diagnostics)
    plan.unpublished = {s.path: s.reason for s in plan.skipped}
    plan.blocks = {f.path.removeprefix("block:"): f.page for f in files if f.kind == "block" and f.page}
    plan.magnets = _magnets(files, plan.media)
    plan.chapters = {f.source: f.magnet for f in files if f.magnet is not None and f.magnet.kind == "chapter"}
    plan.mails = tuple(f.mail for f in files if f.mail is not None)
    plan.forms = _forms(plan, files, report)
    _settle_newsletter(plan)
    plan.forms = _at_home(plan)
    _hide_thanks(plan)
    plan.collections = _collections(plan.pages)
    plan.tags = _tags(plan.pages)
    plan.positions = {
        lst.base: {page.source: i for i, page in enumerate(lst.pages)}
        for lst in (*plan.collections.values(), *plan.tags.values())
    }
    plan.translations = _translations(plan.pages)
    plan.cards = _cards(plan)
    return plan


def put(plan: Plan, pages: Iterable[Page], media: Iterable[MediaFile]) -> None:
    """Pages whose texts have come since the plan was made, in the place of what stood for them; and pictures."""
    later = {page.source: page for page in pages}
    plan.pages = tuple(later.get(page.source, page) for page in plan.pages)
    plan.by_source = {page.source: page for page in plan.pages}
    plan.media = plan.media | {file.source: file for file in media}
    plan.cards = _cards(plan)


def _published(files: list[Parsed], publish: Publish, report: Report) -> tuple[tuple[Page, ...], tuple[Skipped, ...]]:
    """Which pages go out, which not and why."""
    pages, skipped = [], []
    for file in files:
        held_back = file.draft and not publish.drafts
        if file.diagnostics:
            report.extend(_as_warnings(file.diagnostics) if held_back else file.diagnostics)
        page = file.page
        if file.kind == "magnet":
            skipped.append(Skipped(file.source, "draft" if held_back else NEVER))
        elif file.kind == "email":
            skipped.append(Skipped(file.source, "a mail: not a page"))
        elif file.kind != "page" or page is None:
            if held_back:
                skipped.append(Skipped(file.source, "draft"))
        else:
            reason = why_held_back(page, publish)
            if reason:
                skipped.append(Skipped(page.source, reason))
            else:
                pages.append(page)
    return tuple(pages), tuple(skipped)


def why_held_back(page: Page, publish: Publish) -> str:
    """Why a page is not published; empty if it is."""
    if page.draft and not publish.drafts:
        return "draft"
    if page.date_ts is not None and page.date_ts > publish.now and not publish.future:
        return f"future date ({page.date})"
    if page.expires_ts is not None and page.expires_ts <= publish.now:
        return "expired"
    return ""


def is_magnet(source: str) -> bool:
    return source.startswith(PRIVATE)


def _as_warnings(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [Diagnostic(d.code, "warning", d.message, d.path, d.span, d.hint) for d in found]


def _magnets(files: list[Parsed], media: dict[str, MediaFile]) -> dict[str, Magnet]:
    """Those written in Markdown, and any other file in content/magnets/, which is given as it is."""
    found = {f.magnet.name: f.magnet for f in files if f.magnet is not None and f.magnet.kind != "chapter"}
    # A list of codes is nothing to be given away whole.
    parts = {resolve_file(m.source, name) for m in found.values() for name in (m.codes, m.file) if name}
    for source in media:
        if is_magnet(source) and source not in parts:
            name = posixpath.splitext(posixpath.basename(source))[0]
            file = Page(source, "", "magnet", posixpath.basename(source), "")
            found.setdefault(name, Magnet(name, "file", file.title, file, file=file.title))
    return found


def _forms(plan: Plan, files: list[Parsed], report: Report) -> dict[str, Form]:
    """Declared in content/forms/ (or else the built-in newsletter), and those of single pages."""
    found: dict[str, Form] = {}
    declared = False
    for file in files:
        if file.kind == "form":
            declared = True
        if file.form is not None:
            found[file.form.name] = _form(file.form, file.source, file.page)
    for page in plan.pages:
        if page.inline_form is not None:
            other = found.setdefault(page.inline_form.name, _form(page.inline_form, page.source, None))
            if other.source != page.source:
                place = places.key(plan.root, plan.config, page.source, "form")
                message = f'the form of this page would be called "{other.spec.name}", as the one in {other.source}'
                report.add(error("form-name", message, *place, f"write `form: {other.spec.name}`, or rename that file"))
    if not declared and (not found or any(_names_newsletter(page) for page in plan.pages)):
        found.setdefault(NEWSLETTER.name, _form(NEWSLETTER, "", None))
    return found


def _names_newsletter(page: Page) -> bool:
    name = NEWSLETTER.name
    return page.form == name or f"form:{name}" in page.links or f"form:{name}" in page.images


def _hide_thanks(plan: Plan) -> None:
    """A page of the site that serves as a thank-you page is for leads, not for search engines."""
    paths = {form.spec.thanks.partition("#")[0] for form in plan.forms.values() if form.spec.thanks}
    if paths:
        plan.pages = tuple(
            msgspec.structs.replace(page, noindex=True) if page.path in paths else page for page in plan.pages
        )
        plan.by_source = {page.source: page for page in plan.pages}


def _settle_newsletter(plan: Plan) -> None:
    """Posts of a site that says nothing of `defaults` end in a form: the newsletter, or what the site has instead."""
    name = NEWSLETTER.name
    if plan.config.defaults is not None or name in plan.forms or f"form:{name}" in plan.unread:
        return
    declared = sorted(name for name, form in plan.forms.items() if form.page is not None)
    instead = declared[0] if declared else None  # None: all have faults of their own
    plan.pages = tuple(
        msgspec.structs.replace(page, form=instead) if page.form == name and page.layout == "post" else page
        for page in plan.pages
    )
    plan.by_source = {page.source: page for page in plan.pages}


def _form(spec: FormSpec, source: str, page: Page | None) -> Form:
    base = f"/forms/{spec.name}/"
    return Form(spec, source, page, base, spec.thanks or base + "thanks/", base + "confirmed/")


def _at_home(plan: Plan) -> dict[str, Form]:
    """Each form with its home: the landing page that shows it, if there is one."""
    homes: dict[str, str] = {}
    for page in sorted(plan.pages, key=lambda p: p.path):
        if page.layout == "landing":
            embedded = [image[5:] for image in page.images if image.startswith("form:")]
            for name in ([page.form] if page.form else []) + embedded:
                homes.setdefault(name, page.path)
    return {name: msgspec.structs.replace(f, home=homes.get(name, f.home)) for name, f in plan.forms.items()}


def post_order(page: Page) -> tuple[int, float, str]:
    """By weight, then newest first; undated ones last."""
    return (page.weight, -page.date_ts if page.date_ts is not None else float("inf"), page.source)


def _newest(pages: list[Page]) -> str | None:
    dates = [date for page in pages if (date := page.updated or page.date)]
    return max(dates, key=datetime.fromisoformat, default=None)


def _collections(pages: tuple[Page, ...]) -> dict[str, Listing]:
    members: dict[str, list[Page]] = {}
    for page in pages:
        if page.collection:
            members.setdefault(page.collection, []).append(page)
    intros = {page.path: page for page in pages if page.layout != "post"}
    found = {}
    for name, posts in sorted(members.items()):
        intro = intros.get(f"/{name}/")
        title = intro.title if intro else name.replace("-", " ").capitalize()
        found[name] = Listing(
            "collection", name, title, f"/{name}/", tuple(sorted(posts, key=post_order)), intro, _newest(posts)
        )
    return found


def _tags(pages: tuple[Page, ...]) -> dict[str, Listing]:
    members: dict[str, list[Page]] = {}
    labels: dict[str, Counter[str]] = {}
    for page in pages:
        for name, tag in zip(page.tag_slugs, page.tags, strict=True):
            members.setdefault(name, []).append(page)
            labels.setdefault(name, Counter())[tag] += 1
    found = {}
    for name, tagged in sorted(members.items()):
        label = min(labels[name], key=lambda text, of=labels[name]: (-of[text], text))  # type: ignore[misc]
        found[name] = Listing(
            "tag", name, label, f"/tags/{name}/", tuple(sorted(tagged, key=post_order)), changed=_newest(tagged)
        )
    return found


def _translations(pages: tuple[Page, ...]) -> dict[str, tuple[Page, ...]]:
    """Key → the pages that say the same, one a language: the first by its file's name."""
    groups: dict[str, dict[str, Page]] = {}
    for page in sorted(pages, key=lambda p: (p.lang, p.source)):
        if page.translation_key:
            groups.setdefault(page.translation_key, {}).setdefault(page.lang, page)
    return {key: tuple(group.values()) for key, group in groups.items() if len(group) > 1}


def _cards(plan: Plan) -> dict[str, Card]:
    """page's source → card, where it has one of its own; `""` → the site's."""
    cards: dict[str, Card] = {}
    by_file: dict[str, Card | None] = {}

    def of_picture(file: str) -> Card | None:
        if file not in by_file:
            found = None if is_magnet(file) else plan.media.get(file)
            raster = found and found.width and found.height and not file.endswith(".svg")
            by_file[file] = None
            if found and raster and found.width and found.height:
                width, height = card_size(found.width, found.height)
                by_file[file] = Card(f"/media/cards/{found.digest}.jpg", width, height, source=file)
        return by_file[file]

    site = of_picture(resolve_file("magnetgen.yaml", plan.config.image)) if plan.config.image else None
    cards[""] = site or Card(_text_card_path(plan, plan.config.title), 1200, 630, title=plan.config.title)
    for page in plan.pages:
        picture = page.card or page.image
        card = of_picture(resolve_file(page.source, picture)) if picture else None
        if card is None and (plan.config.social_cards or page.markdown) and not page.noindex:
            card = Card(_text_card_path(plan, page.title), 1200, 630, title=page.title)
        if card is not None:
            cards[page.source] = card
    return cards


def _text_card_path(plan: Plan, title: str) -> str:
    from hashlib import blake2b

    brand = str(plan.config.theme.get("brand", ""))
    name = blake2b(f"{title}\0{plan.config.title}\0{brand}".encode(), digest_size=5).hexdigest()
    return f"/media/cards/{name}.png"
