"""A book as EPUB 3.3: one file a chapter, notes that pop up, and the same bytes from the same book.

Written over zipfile. docs/decisions.md says why no library does it.
"""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from magnetgen.magnets.book import Book, Chapter
from magnetgen.magnets.epub_pictures import Picture, Pictures, picture
from magnetgen.magnets.xhtml import Found, Writer
from magnetgen.magnets.xmltext import children, classes, clean, safe_url
from magnetgen.magnets.xmltext import text as xml_text
from magnetgen.mailframe import RIGHT_TO_LEFT

if TYPE_CHECKING:
    import jinja2
    from selectolax.lexbor import LexborNode as Node

FOLDER = "EPUB"
NO_DATE = "2000-01-01"
"""Of a book without a date: the time of the build would make other bytes each time."""
DEEPEST = 3
"""Headings below h3 are not in the table of contents."""

_TEMPLATES = Path(__file__).parent / "epub_templates"
_TAG = re.compile(r"<[^>]*>")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


class Entry(Struct):
    """A line of the table of contents with those below it."""

    label: str
    target: str
    below: list[Entry] = []


class Text(Struct):
    """A file with words. kind: as `epub:type` names it, or empty."""

    name: str
    title: str
    body: str
    kind: str = ""
    entries: list[tuple[int, str, str]] = []


class Part(Struct, frozen=True):
    """What becomes one file: a chapter, or a piece of the text that has its chapters in its headings."""

    title: str
    anchor: str
    nodes: list[Any]
    shift: int


def epub(book: Book, root: Path, cover: bytes | None) -> bytes:
    """The EPUB's bytes. root: the site's folder, where pictures lie; cover: PNG or JPEG, else the book's own picture.

    A picture that is missing, remote or broken gives its words; nothing that a writer's HTML holds is an error.
    """
    pictures = Pictures(root)
    front = _cover(book, pictures, cover)
    texts = _texts(book, pictures)
    env = _environment()
    look = _Look(book, env)
    files: list[tuple[str, bytes]] = [
        ("nav.xhtml", look.page("nav.xhtml", texts=texts, tree=_tree(texts, book.title), cover=front)),
        ("style.css", look.style()),
        ("title.xhtml", look.page("title.xhtml")),
    ]
    if front:
        files.append(("cover.xhtml", look.page("cover.xhtml", cover=front, alt=_cover_words(book))))
        files.append((front.name, front.data))
    files += [(text.name, look.page("chapter.xhtml", text=text)) for text in texts]
    files += [(item.name, item.data) for item in pictures.all]
    package = look.page("package.opf", texts=texts, cover=front, pictures=pictures, modes=_modes(front, pictures))
    return _zipped([("package.opf", package), *sorted(files)])


class _Look:
    """What all files of a book have in common."""

    def __init__(self, book: Book, env: jinja2.Environment) -> None:
        self._env = env
        self._book = book
        language = book.language if _LANGUAGE.fullmatch(book.language) else "en"
        day = book.date[:10]
        self._common = {
            "book": book,
            "title": clean(book.title).strip() or clean(book.name),
            "lang": language,
            "rtl": language.split("-")[0].lower() in RIGHT_TO_LEFT,
            "identifier": uuid.uuid5(uuid.NAMESPACE_URL, f"{book.url}#{book.name}").urn,
            "date": day if _DAY.fullmatch(day) else "",
            "modified": f"{day if _DAY.fullmatch(day) else NO_DATE}T00:00:00Z",
            "contents": book.words.get("book_contents", "Contents"),
            "url": safe_url(book.url),
        }

    def page(self, template: str, **views: Any) -> bytes:
        return clean(self._env.get_template(template).render(self._common | views)).encode()

    def style(self) -> bytes:
        brand, ink = (
            c if _COLOR.fullmatch(c) else d for c, d in ((self._book.brand, "#444"), (self._book.ink, "#fff"))
        )
        css = (_TEMPLATES / "style.css").read_text("utf-8")
        return css.replace("var(--brand)", brand).replace("var(--ink)", ink).encode()


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _cover(book: Book, pictures: Pictures, made: bytes | None) -> Picture | None:
    if made is not None:
        return picture(made, "cover")
    found = pictures.take(book.cover) if book.cover else None
    return Picture(f"cover.{found.name.rpartition('.')[2]}", found.kind, found.data, found.moves) if found else None


def _cover_words(book: Book) -> str:
    return book.cover_alt or book.words.get("book_cover", "Cover of {title}").replace("{title}", book.title)


def _modes(cover: Picture | None, pictures: Pictures) -> dict[str, bool]:
    """What readers who do not see or hear should know: schema.org's accessibility terms."""
    return {
        "visual": bool(cover or pictures.all),
        "described": pictures.described,
        "moves": any(item.moves for item in (*pictures.all, *([cover] if cover else []))),
    }


# --- chapters -------------------------------------------------------------------------------------------------


def _texts(book: Book, pictures: Pictures) -> list[Text]:
    """Every file of the text, with its links leading to the file where their anchor is."""
    from selectolax.lexbor import LexborHTMLParser

    writer = Writer(pictures.element)
    texts: list[Text] = []
    trees = []  # the nodes live as long as their tree does
    for chapter in book.chapters:
        tree = LexborHTMLParser(f"<body>{clean(chapter.html)}")
        trees.append(tree)
        writer.begin()
        nodes = children(tree.body) if tree.body else []
        notes = _Notes(nodes)
        parts = list(_parts(chapter, notes.rest))
        for number, part in enumerate(parts, 1):
            text = _text(writer, part, f"chapter-{len(texts) + 1}.xhtml", book)
            text.body += notes.of(writer, last=number == len(parts))
            texts.append(text)
    for text in texts:
        text.body = writer.finish(text.body, text.name)
    return [*texts, _ending(book)] if book.ending else texts


def _parts(chapter: Chapter, nodes: list[Node]) -> Iterator[Part]:
    """The chapter, or one part for each of its h2 if it has no title; words before the first are one, too."""
    if chapter.title.strip():
        yield Part(clean(chapter.title), chapter.id, nodes, 0)
        return
    cuts = [at for at, node in enumerate(nodes) if node.tag == "h2"]
    if cuts and not _says(nodes[: cuts[0]]):
        cuts = cuts[1:]  # an empty page would be the first that readers see
    for start, end in zip([0, *cuts], [*cuts, len(nodes)], strict=True):
        piece = nodes[start:end]
        if any(n.is_element_node or (n.text_content or "").strip() for n in piece):
            yield Part("", chapter.id if start == 0 else "", piece, -1)


def _says(nodes: list[Node]) -> bool:
    """Whether there are words or pictures in what is written of these nodes."""
    return bool(_TAG.sub("", Writer(lambda *_: "picture").nodes(nodes)).strip())


def _text(writer: Writer, part: Part, name: str, book: Book) -> Text:
    writer.open(name)
    anchor = writer.anchor(part.anchor)
    body = writer.nodes(part.nodes, part.shift)
    if part.title:
        body = f'<h1 id="{anchor or writer.anchor(f"{name} title")}">{escape(part.title)}</h1>\n{body}'
        first = [(1, part.title, name)]
    else:
        body = (f'<div id="{anchor}">{body}</div>' if anchor else body).strip()
        first = []
    entries = first + [(h.level, h.text, _target(name, h, part)) for h in writer.headings if h.level <= DEEPEST]
    title = part.title or next((label for _, label, _ in entries if label), "") or book.title
    return Text(name, clean(title), body, "chapter", [entry for entry in entries if entry[1]])


def _target(name: str, heading: Found, part: Part) -> str:
    """A heading that begins its file is reached by the file alone."""
    return name if not part.title and heading.level == 1 else f"{name}#{heading.id}"


def _ending(book: Book) -> Text:
    """The closing page: what to do next."""
    assert book.ending is not None
    end = book.ending
    title, url = clean(end.title).strip() or clean(end.label), safe_url(end.url)
    body = f"<h1>{escape(title)}</h1>\n" if title else ""
    body += f"<p>{xml_text(end.text)}</p>\n" if end.text.strip() else ""
    if url:
        body += (
            f'<p class="actions"><a class="button" href="{escape(url)}">{xml_text(end.label) or escape(url)}</a></p>'
        )
    return Text("ending.xhtml", title or book.title, body, "", [(1, title, "ending.xhtml")] if title else [])


class _Notes:
    """The notes at the end of a text, each given to the file that refers to it first, where it can pop up."""

    def __init__(self, nodes: list[Node]) -> None:
        self.rest: list[Node] = []
        self._notes: dict[str, tuple[int, Node]] = {}
        for node in nodes:
            items = _notes_in(node)
            if not items:
                self.rest.append(node)
            for item in items:
                name = item.attributes.get("id") or f"note {len(self._notes)}"
                self._notes[name] = len(self._notes) + 1, item

    def of(self, writer: Writer, last: bool) -> str:
        """The notes of the file that was just written; the last file takes those that nothing refers to, too."""
        headings = list(writer.headings)
        made, at = "", 0
        while True:
            while at < len(writer.noted):  # a note may refer to others
                made += self._note(writer, writer.noted[at])
                at += 1
            if not (last and self._notes):
                break
            writer.noted.append(next(iter(self._notes)))
        writer.headings = headings
        return f'\n<section class="footnotes" epub:type="footnotes">\n{made}</section>' if made else ""

    def _note(self, writer: Writer, name: str) -> str:
        if name not in self._notes:
            return ""
        number, item = self._notes.pop(name)
        backs = [a for a in item.css("a") if {"footnote-back", "footnote-backref"} & set(classes(a))]
        back = (backs[0].attributes.get("href") or "").lstrip("#") if backs else ""
        for old in backs:
            old.decompose()
        anchor = writer.anchor(name)
        link = f'<a{writer.link(back)} epub:type="backlink" role="doc-backlink">{number}.</a> ' if back else ""
        inner = re.sub(r"\s+</p>$", "</p>", writer.nodes(children(item)).strip())
        inner = f"<p>{link}{inner[3:]}" if inner.startswith("<p>") else f"<p>{link}</p>{inner}" if link else inner
        own = f' id="{anchor}"' if anchor else ""
        return f'<aside{own} epub:type="footnote" role="doc-footnote">{inner}</aside>\n'


def _notes_in(node: Node) -> list[Node]:
    if node.tag != "div" or not {"footnotes", "footnote"} & set(classes(node)):
        return []
    return [item for item in node.css("ol > li") if item.parent and item.parent.parent == node]


# --- the table of contents --------------------------------------------------------------------------------------


def _tree(texts: list[Text], title: str) -> list[Entry]:
    """All headings, each below the last one that is higher."""
    top: list[Entry] = []
    open_: list[tuple[int, list[Entry]]] = [(0, top)]
    for level, label, target in (entry for text in texts for entry in text.entries):
        while open_[-1][0] >= level:
            open_.pop()
        entry = Entry(clean(label), target, [])
        open_[-1][1].append(entry)
        open_.append((level, entry.below))
    return top or [Entry(clean(title), texts[0].name if texts else "title.xhtml", [])]


# --- the container ------------------------------------------------------------------------------------------------

_CONTAINER = b"""<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""


def _zipped(files: list[tuple[str, bytes]]) -> bytes:
    """The container: `mimetype` first and as it is, then the rest, all of one time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        _put(archive, "mimetype", b"application/epub+zip", zipfile.ZIP_STORED)
        _put(archive, "META-INF/container.xml", _CONTAINER)
        for name, data in files:
            _put(archive, f"{FOLDER}/{name}", data)
    return out.getvalue()


def _put(archive: zipfile.ZipFile, name: str, data: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.create_system = 3  # the same on every system
    info.external_attr = 0o644 << 16
    info.compress_type = how
    archive.writestr(info, data, compresslevel=9)
