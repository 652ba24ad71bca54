"""Magnets → files for leads alone, in .magnetgen/magnets/, and pictures of books for everybody.

A file's name says what it was made from: an unchanged book is there already, and a preview and a build with other
addresses do not take each other's place.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from hashlib import blake2b, sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from magnetgen import cache, places
from magnetgen.diagnostics import Diagnostic, Report, Span, error
from magnetgen.links import Links
from magnetgen.magnetmeta import BOOKS
from magnetgen.magnets import offers
from magnetgen.magnets.book import Book
from magnetgen.magnets.chapters import Writer, Written
from magnetgen.magnets.privacy import FOLDER
from magnetgen.model import Asset, Gift, Magnet, MediaFile
from magnetgen.pages import PageReader
from magnetgen.plan import Plan
from magnetgen.text import slug
from magnetgen.theme import Theme

COVER_WIDTHS = (960, 480)
PAGE_WIDTHS = (720, 360)
"""Pixels: twice and once what the theme shows."""
LOOKED_AT = 12
"""Pages after the cover among which those are chosen that the landing page shows."""


class Shown(Struct, frozen=True):
    """Pictures of a book: its cover, some inside pages with their numbers, and a card for social networks."""

    cover: MediaFile
    card: MediaFile
    inside: tuple[tuple[int, MediaFile], ...] = ()


class Made(Struct, frozen=True):
    """What a magnet has come to. parts and tasks: see chapters.Written."""

    gift: Gift
    shown: Shown | None = None
    written: Written | None = None


class _Kept(Struct, frozen=True):
    """What is remembered of a book that was made: files with their sizes, and what was said of it."""

    assets: tuple[Asset, ...]
    shown: Shown | None
    diagnostics: tuple[Diagnostic, ...]


def make(plan: Plan, theme: Theme, report: Report, anew: bool = False) -> dict[str, Made]:
    """Every magnet that some form gives, by name. `anew`: also what is there already. Faults go to the report."""
    wanted = {form.spec.magnet for form in plan.forms.values()} & plan.magnets.keys()
    if not wanted:
        return {}
    links = Links(plan)
    writer = Writer(plan, theme, PageReader(plan.root, plan.config), links, report)
    made: dict[str, Made] = {}
    for name in sorted(wanted):
        magnet = plan.magnets[name]
        if magnet.kind in BOOKS:
            made[name] = _book(plan, writer, magnet, report, anew)
        elif magnet.kind == "webinar":
            made[name] = _webinar(plan, theme, magnet)
        else:
            made[name] = Made(offers.gift(plan, links, magnet, report))
    report.extend(offers.twice(plan, {name: done.gift for name, done in made.items()}))
    return made


# --- books -------------------------------------------------------------------------------------------------------


def _book(plan: Plan, writer: Writer, magnet: Magnet, report: Report, anew: bool) -> Made:
    written = writer.book(magnet)
    book = written.book
    if not written.is_sound:
        return Made(Gift(), None, written)
    page = plan.by_source.get(magnet.source)
    is_shown = page is not None and page.markdown is not None
    stem = f"{FOLDER}/{magnet.name}.{_key(written, magnet, is_shown)}"
    kept = None if anew else _remembered(plan.root, stem)
    if kept is None:
        kept = _typeset(plan, magnet, book, stem, is_shown)
        if kept.assets:
            cache.write_checked(plan.root / f"{stem}.mpk", msgspec.msgpack.encode(kept))
    report.extend(kept.diagnostics)
    return Made(Gift(kept.assets), kept.shown, written)


def _key(written: Written, magnet: Magnet, is_shown: bool) -> str:
    """A digest of all that goes into a book's files."""
    state = blake2b(cache.code_stamp(), digest_size=6)
    state.update(msgspec.msgpack.encode((written.book, magnet.formats, magnet.preview, is_shown)))
    for file in written.pictures:
        state.update(f"{file.source}\0{file.digest}\0".encode())
    return state.hexdigest()


def _remembered(root: Path, stem: str) -> _Kept | None:
    """What was made under this name, if all of it is still there as it was."""
    kept = cache.load(root / f"{stem}.mpk", _Kept)
    if kept is None:
        return None
    shown = kept.shown
    pictures = (shown.cover, shown.card, *(picture for _, picture in shown.inside)) if shown else ()
    sizes = {file.source: file.size for picture in pictures for file in (picture, *picture.smaller)}
    try:
        pictured = all((root / file).stat().st_size == size for file, size in sizes.items())
        # What leads receive is told to the handler with its digest.
        whole = all(sha256((root / asset.file).read_bytes()).hexdigest() == asset.sha256 for asset in kept.assets)
    except OSError:
        return None
    return kept if pictured and whole else None


def _typeset(plan: Plan, magnet: Magnet, book: Book, stem: str, is_shown: bool) -> _Kept:
    """Make the files, and pictures where a page is to show them. What typesetting refuses is a diagnostic."""
    from magnetgen.magnets import typeset  # only sites with books need them

    root = plan.root
    try:
        done = typeset.pdf(book, root)
        (cover,) = typeset.pictures(book, root, [1], COVER_WIDTHS[0])
        shown = _shown(book, root, magnet, stem, cover, done.pages) if is_shown else None
        files = {"pdf": done.pdf} if "pdf" in magnet.formats else {}
        if "epub" in magnet.formats:
            from magnetgen.magnets import epub

            files["epub"] = epub.epub(book, root, cover)
    except typeset.TypesetError as refused:
        hint = "the book cannot be made as long as this stands in it"
        found = error("magnet-typesetting", str(refused), magnet.source, Span(1), hint)
        return _Kept((), None, (found,))
    warnings = tuple(_warned(plan, magnet, text) for text in done.warnings)
    assets = tuple(asset(root, magnet, form, files[form], f"{stem}.{form}") for form in magnet.formats)
    return _Kept(assets, shown, warnings)


def _shown(book: Book, root: Path, magnet: Magnet, stem: str, cover: bytes, count: int) -> Shown:
    """Pictures of a book of `count` pages for its landing page. Raises TypesetError."""
    from magnetgen.magnets import typeset

    # Neither the contents nor the closing call: they are the same in every book.
    first = 3 if book.toc and count > 3 else 2
    last = count - 1 if book.ending and count > first + 1 and book.kind in ("ebook", "guide") else count
    numbers = range(first, min(last, first + LOOKED_AT - 1) + 1) if magnet.preview else range(0)
    pictures = dict(zip(numbers, typeset.pictures(book, root, numbers, PAGE_WIDTHS[0]), strict=True)) if numbers else {}
    return Shown(
        _picture(root, f"{stem}.cover", cover, COVER_WIDTHS),
        _card(root, f"{stem}.card.png", typeset.card(book, root)),
        tuple(
            (number, _picture(root, f"{stem}.page-{number}", pictures[number], PAGE_WIDTHS))
            for number in _fullest(pictures, magnet.preview)
        ),
    )


def _fullest(pictures: dict[int, bytes], count: int) -> list[int]:
    """The numbers of the pages with most to see on them, in order."""
    return sorted(sorted(pictures, key=lambda number: (-_liveliness(pictures[number]), number))[:count])


def _liveliness(png: bytes) -> float:
    """How much colour there is on a page, and a little of how much ink: pictures before tables before plain text."""
    from PIL import Image, ImageChops, ImageStat

    with Image.open(io.BytesIO(png)) as page:
        red, green, blue = page.convert("RGB").resize((90, 128)).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    least = ImageChops.darker(ImageChops.darker(red, green), blue)
    colour, light = ImageStat.Stat(ImageChops.subtract(most, least)).mean[0], ImageStat.Stat(least).mean[0]
    return round(4 * colour + 255 - light, 3)


def _warned(plan: Plan, magnet: Magnet, text: str) -> Diagnostic:
    place = Span(places.document(plan.root, magnet.source).body_line)
    return Diagnostic("magnet-typesetting", "warning", text, magnet.source, place, "")


def asset(root: Path, magnet: Magnet, form: str, data: bytes, file: str) -> Asset:
    """A file for leads, as it is written. form: pdf, epub, ics."""
    cache.write_atomically(root / file, data)
    first = magnet.formats[0] if magnet.formats else form
    name = f"{slug(magnet.title) or magnet.name}.{form}"
    return Asset(
        magnet.name if form == first else f"{magnet.name}.{form}", file, name, len(data), sha256(data).hexdigest()
    )


def _picture(root: Path, stem: str, png: bytes, widths: Iterable[int]) -> MediaFile:
    """A page as WebP, in one size and smaller ones."""
    from PIL import Image

    files = []
    with Image.open(io.BytesIO(png)) as opened:
        page = opened.convert("RGB")
    for width in widths:
        height = round(page.height * width / page.width)
        out = io.BytesIO()
        page.resize((width, height), Image.Resampling.LANCZOS).save(out, "WEBP", quality=82, method=4)
        files.append(_public(root, f"{stem}-{width}.webp", out.getvalue(), width, height))
    return msgspec.structs.replace(files[0], smaller=tuple(files[1:]))


def _card(root: Path, file: str, png: bytes) -> MediaFile:
    """Never shown as it is: cards are made of it."""
    return msgspec.structs.replace(_public(root, file, png, 1200, 630), path="")


def _public(root: Path, file: str, data: bytes, width: int, height: int) -> MediaFile:
    """A picture that the site shows. Its name in the output is its content's."""
    cache.write_atomically(root / file, data)
    digest = blake2b(data, digest_size=5).hexdigest()
    name, _, rest = file.rsplit("/", 1)[1].partition(".")
    kind, _, suffix = rest.partition(".")[2].rpartition(".")
    return MediaFile(file, f"/media/magnets/{name}-{kind}.{digest}.{suffix}", digest, len(data), width, height)


# --- webinars ----------------------------------------------------------------------------------------------------


def _webinar(plan: Plan, theme: Theme, magnet: Magnet) -> Made:
    from magnetgen.magnets import calendar

    event = offers.event(plan, magnet)
    data = calendar.ics(event)
    stem = f"{FOLDER}/{magnet.name}.{blake2b(data, digest_size=6).hexdigest()}"
    holes = {
        "join_url": magnet.join_url,
        "event_time": calendar.spoken_time(event, theme.date),
        "google_url": calendar.google_url(event),
        "outlook_url": calendar.outlook_url(event),
    }
    return Made(Gift((asset(plan.root, magnet, "ics", data, f"{stem}.ics"),), holes=holes))
