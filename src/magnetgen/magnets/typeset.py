"""A book → a PDF for everybody (PDF/UA-1), pictures of its pages, and a card for social networks. Typst sets them."""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnetgen.magnets.book import Book
from magnetgen.magnets.figures import FigureError
from magnetgen.magnets.manuscript import Manuscript, changed, manuscript, says, texts

if TYPE_CHECKING:
    from typst import Compiler, Fonts, TypstError

HERE = Path(__file__).parent
MISSING = "□"
_NO_GLYPH = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")
_USUAL = re.compile("[\n -~\u00a0-\u017f\u2010-\u2027\u2030-\u203a\u20ac\u2190-\u2193\u2212\u2022\u200b]+")
"""What Libertinus Serif has for certain: texts of these alone need no question."""


class TypesetError(Exception):
    """A book that cannot be set. Its words are a sentence for the writer."""


class _NoGlyphError(TypesetError):
    """No font shows a piece of the text."""


@dataclass(frozen=True)
class Faces:
    """Fonts of a theme. folders: with TTF or OTF files; text, headings, mono: names of families, or empty: the built-in ones."""

    folders: tuple[Path, ...] = ()
    text: str = ""
    headings: str = ""
    mono: str = ""


@dataclass(frozen=True)
class Typeset:
    """pdf: PDF 1.7 by PDF/UA-1. headings: (level, text), as in the outline. warnings: sentences for the writer."""

    pdf: bytes
    pages: int
    headings: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]


def pdf(book: Book, root: Path, faces: Faces = Faces()) -> Typeset:
    """The book as PDF: the same bytes for the same book. root: the site's folder. Raises TypesetError."""
    with _prepared(book, root, faces) as (compiler, text):
        made, warned = _readable(compiler, text)
        pages = int(_places(compiler)["count"])
        return Typeset(made[0], pages, tuple(text.headings), tuple(dict.fromkeys((*text.warnings, *warned))))


def pictures(book: Book, root: Path, pages: Sequence[int], width: int, faces: Faces = Faces()) -> list[bytes]:
    """Pages of the book as PNG, `width` pixels wide, from the same typesetting. pages: from 1, the cover; others than it has are
    left out. Raises TypesetError.
    """
    only = all(page == 1 for page in pages)
    with _prepared(book, root, faces, cover_only=only) as (compiler, text):
        if not only:
            _shorten(compiler, text, max(pages))
        made = _pages(compiler, text, width, cover=only)
    return [made[page - 1] for page in pages if 1 <= page <= len(made)]


def card(book: Book, root: Path, faces: Faces = Faces()) -> bytes:
    """A PNG of 1200×630 pixels: the cover beside the title on the brand's colour. Raises TypesetError."""
    with _prepared(book, root, faces, cover_only=True) as (compiler, text):
        folder = text.folder
        (folder / "cover-page.png").write_bytes(_pages(compiler, text, 720, cover=True)[0])
        (folder / "card.typ").write_bytes((HERE / "card.typ").read_bytes())
        inputs = {"data": "book.json", "cover": "cover-page.png"}
        made, _ = _compiled(compiler, text, inputs, input=folder / "card.typ", format="png", ppi=72.0)
        return made[0]


def _places(compiler: Compiler) -> dict[str, Any]:
    """count: of pages. headings: the page of each that is in the contents."""
    found: dict[str, Any] = json.loads(compiler.query("<mg-pages>", field="value", one=True))
    return found


def _shorten(compiler: Compiler, text: Manuscript, last: int) -> None:
    """Leave out the chapters and sections that begin well after a page: the typesetter draws all pages or none, and drawing
    takes longer than setting. The contents still name everything.
    """
    from typst import TypstError

    try:
        pages = _places(compiler)["headings"]
    except TypstError as exc:
        raise TypesetError(_culprit(text) or _sentence(exc)) from None
    body = text.data["body"]
    headings = [at for at, node in enumerate(body) if isinstance(node, dict) and node["t"] == "h"]
    cut = next((at for at, page in zip(headings, pages, strict=False) if page > last + 1), None)
    if cut is None:
        return
    named = [(body[at]["l"], body[at]["s"]) for at in headings]
    if text.data["links"]:
        named.append((1, text.data["words"]["book_links"]))
    contents = [
        {"l": level, "s": said, "page": str(page)}
        for (level, said), page in zip(named, pages, strict=True)
        if level <= text.data["toc_depth"]
    ]
    text.data |= {"body": body[:cut], "links": [], "ending": None, "contents": contents}
    _hand_over(text)


def _pages(compiler: Compiler, text: Manuscript, width: int, cover: bool) -> list[bytes]:
    inputs = {"data": "book.json", "part": "cover" if cover else "book"}
    made, _ = _compiled(compiler, text, inputs, format="png", ppi=width / (text.data["width"] / 25.4))
    return made


@contextmanager
def _prepared(book: Book, root: Path, faces: Faces, cover_only: bool = False) -> Iterator[tuple[Compiler, Manuscript]]:
    """A compiler in a folder of its own, with everything that the template reads."""
    from typst import Compiler

    fonts, families = _fonts(faces.folders)
    try:
        text = manuscript(book, root, cover_only)
    except FigureError as exc:
        raise TypesetError(str(exc)) from None
    for wanted in filter(None, (faces.text, faces.headings, faces.mono)):
        if wanted not in families:
            raise TypesetError(
                f'there is no font "{wanted}": the theme\'s fonts and the built-in ones are {", ".join(families)}'
            )
    text.data = _showable(text, fonts)
    text.data["faces"] = {
        "text": [faces.text or "Libertinus Serif", "Libertinus Serif"],
        "headings": [faces.headings or faces.text or "Libertinus Serif", "Libertinus Serif"],
        "mono": faces.mono or "DejaVu Sans Mono",
    }
    with tempfile.TemporaryDirectory(prefix="magnetgen-book-") as place:
        text.folder = folder = Path(place)
        (folder / "book.typ").write_bytes((HERE / "book.typ").read_bytes())
        _hand_over(text)
        for name, picture in text.figures.items():
            (folder / name).write_bytes(picture.data)
        yield Compiler(folder / "book.typ", root=folder, font_paths=fonts, sys_inputs={"data": "book.json"}), text


@cache
def _fonts(folders: tuple[Path, ...]) -> tuple[Fonts, tuple[str, ...]]:
    """Typst's own fonts and the theme's; never the machine's, which would make other books elsewhere."""
    from typst import Fonts

    fonts = Fonts(include_system_fonts=False, font_paths=[str(folder) for folder in folders])
    return fonts, tuple(fonts.families())


def _compiled(
    compiler: Compiler, text: Manuscript, inputs: dict[str, str], **how: Any
) -> tuple[list[bytes], list[str]]:
    from typst import TypstError

    try:
        made, warned = compiler.compile_with_warnings(sys_inputs=inputs, **how)
    except TypstError as exc:
        if _NO_GLYPH.search(exc.message):
            raise _NoGlyphError(_sentence(exc)) from None
        raise TypesetError(_culprit(text) or _sentence(exc)) from None
    assert made is not None
    return made if isinstance(made, list) else [made], [f"the typesetter says: {warning.message}" for warning in warned]


def _readable(compiler: Compiler, text: Manuscript) -> tuple[list[bytes], list[str]]:
    """The PDF by PDF/UA-1. A font may have a letter and a mark, but not the letter with this mark: then first marks go, and
    where that is not enough everything that is unusual.
    """
    inputs = {"data": "book.json"}
    unusual = set().union(*(_USUAL.sub("", found) for found in texts(text.data)))
    marks = {ord(c): "" for c in unusual if unicodedata.category(c)[0] in "MC"}
    for table in (marks, dict.fromkeys(map(ord, unusual), MISSING)):
        try:
            return _compiled(compiler, text, inputs, pdf_standards="ua-1")
        except _NoGlyphError:
            text.data = _without(text.data, table)
            _hand_over(text)
            listed = " ".join(f"U+{code:04X}" for code in sorted(table)[:20])
            text.warnings.append(
                f"some letters with marks cannot be shown and are replaced, with these signs: {listed}"
            )
    return _compiled(compiler, text, inputs, pdf_standards="ua-1")


def _culprit(text: Manuscript) -> str:
    """The picture that the typesetter cannot read, in a sentence: it does not say itself which one it is."""
    from typst import Compiler, TypstError

    for name, source in text.sources.items():
        try:
            Compiler(b"#image(sys.inputs.name)", root=text.folder, sys_inputs={"name": name}).compile()
        except TypstError as exc:
            return f"the picture {source} cannot be set: {' '.join(exc.message.split())}. Export it again"
    return ""


def _sentence(fault: TypstError) -> str:
    """What went wrong, in a line, without the template's source."""
    hints = "".join(f" ({hint})" for hint in fault.hints[:1])
    return f"the book cannot be set: {' '.join(fault.message.split())}{hints}"


def _showable(text: Manuscript, fonts: Fonts) -> dict[str, Any]:
    """The template's data without characters that no font has: pictures of feelings are left out, letters leave a box."""
    asked = set().union(*(_USUAL.sub("", found) for found in texts(text.data)))
    missing = _missing("".join(sorted(asked)), fonts) if asked else ""
    if not missing:
        return text.data
    table = {ord(c): "" if _is_ornament(c) else MISSING for c in missing}
    listed = " ".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in missing[:20])
    more = f" and {len(missing) - 20} others" if len(missing) > 20 else ""
    text.warnings.append(
        f"no font has {listed}{more}: letters are shown as {MISSING}, emoji left out. A theme can ship a font for them"
    )
    text.headings = [(level, label.translate(table)) for level, label in text.headings]
    return _without(text.data, table)


def _without(data: dict[str, Any], table: dict[int, str]) -> dict[str, Any]:
    """The template's data with some characters replaced. What has to say something still does."""
    data = dict(changed(data, lambda found: found.translate(table)))
    for node in data["body"]:
        if isinstance(node, dict) and node["t"] == "h" and not says(node["c"]):
            node["c"], node["s"] = [*node["c"], MISSING], node["s"] or MISSING
    for owner, name in ((data, "title"), (data, "cover_title"), (data["ending"] or {}, "title")):
        if name in owner and not says([owner[name]]):
            owner[name] = MISSING
    return data


def _hand_over(text: Manuscript) -> None:
    (text.folder / "book.json").write_text(json.dumps(text.data, ensure_ascii=False), "utf-8")


def _missing(characters: str, fonts: Fonts) -> str:
    """Those that no font has. Typst refuses them by name where everybody has to be able to read a text."""
    from typst import TypstError, compile

    probe = (
        b'#set document(title: "x", date: none)\n#set text(font: "Libertinus Serif")\n'
        b"#for c in sys.inputs.c.codepoints() { par(c) }"
    )
    try:
        compile(probe, font_paths=fonts, sys_inputs={"c": characters}, pdf_standards="ua-1")
    except TypstError as exc:
        found = (_ESCAPE.sub(lambda m: chr(int(m[1], 16)), text) for text in _NO_GLYPH.findall(exc.diagnostic))
        return "".join(sorted(set("".join(found)) & set(characters)))
    return ""


def _is_ornament(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk", "Cf", "Mn", "Me", "Cn", "Co")
