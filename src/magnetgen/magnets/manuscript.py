"""A book → what the typesetter reads: levels without gaps, links that lead somewhere, pictures, words that can break."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from magnetgen.colors import inks
from magnetgen.magnets.book import Book
from magnetgen.magnets.figures import Figure, figure, settle
from magnetgen.magnets.nodes import Item, Node, clean, parts, plain, read

WORDS = {
    "book_contents": "Contents",
    "book_cover": "Cover of {title}",
    "book_links": "Links in this book",
    "book_done": "Done",
    "book_open": "To do",
}
"""What the typesetter says itself, where the theme has no other words."""
PAPERS = {"a5": (148.0, 210.0), "a4": (210.0, 297.0), "letter": (215.9, 279.4)}
"""Millimetres."""
MEASURE = 0.67
"""A line's share of a page's width, at the least."""
COVER_SLACK = 0.08
"""How far a picture's proportions may be from the page's, and still be the whole cover."""
TOC_LINES = (33, 44)
"""What a small and a large page of contents hold. If there is more to name, it names chapters only."""
LONG, PIECE = 25, 20
"""A word of so many letters may break at its signs, one of twice as many after each so many letters."""
_NAMES = {"t", "id", "to", "url", "file", "src", "lang", "region", "brand", "ink", "accent", "kind", "k", "align"}
"""What is not printed: types, places, addresses, files."""

_WORD = re.compile(rf"\S{{{LONG},}}")
_SIGNS = re.compile(r"([/._\-?&=#@:,;+|\\])(?=\w)")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_](?:[A-Za-z]{4}[-_])?([A-Za-z]{2}))?(?:[-_].*)?")


@dataclass
class Manuscript:
    """data: what the template reads. figures: its files by name; sources: where they are from. folder: where all of it is set. headings: (level, text). links: (address, text)."""

    data: dict[str, Any]
    figures: dict[str, Figure]
    headings: list[tuple[int, str]]
    sources: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    folder: Path = Path()


def manuscript(book: Book, root: Path, cover_only: bool = False) -> Manuscript:
    """All of a book but what depends on fonts, or only what its cover shows. Raises FigureError where a picture cannot be read."""
    width, height = PAPERS.get(book.paper, PAPERS["a5"])
    out = Manuscript({}, {}, [])
    body: list[Item] = []
    for chapter in () if cover_only else book.chapters:
        found = read(chapter.html)
        own = bool(_said(chapter.title))
        if own:
            body.append({"t": "h", "l": 1, "id": chapter.id, "c": [_said(chapter.title)]})
        elif chapter.id:
            body.append({"t": "id", "id": chapter.id})
        for node in _all(found.nodes):
            if node["t"] == "h":
                node["l"] -= 0 if own else 1
        body += found.nodes
        out.warnings += (f"{chapter.title or chapter.id}: {text}" for text in found.warnings)
    _levels(body, out)
    names = _anchors(body)
    body = _linked(body, names)
    out.data = {
        **_front(book),
        "width": width,
        "height": height,
        "toc_depth": 2 if _contents_lines(out.headings) <= TOC_LINES[height > 250] else 1,
        "cover": None,
    }
    if book.cover:
        _cover(book, root, width, height, out)
    files: dict[str, str] = {}
    for node in _all(body):
        if node["t"] == "img":
            _place(node, root, width / 25.4, files, out)
        elif node["t"] == "table":
            _measure(node)
    body = settle(body, width / 25.4 * 72 * MEASURE)
    out.data |= {"body": body, "links": _printed_links(body)}
    _breakable(body, 0)
    return out


def _front(book: Book) -> dict[str, Any]:
    """Everything but the text, and what is derived of it."""
    found = _LANGUAGE.fullmatch(book.language.strip())
    brand = book.brand if re.fullmatch("#(?:[0-9a-fA-F]{3}){1,2}", book.brand) else "#0b6e4f"
    ink = book.ink if re.fullmatch("#(?:[0-9a-fA-F]{3}){1,2}", book.ink) else "#ffffff"
    return {
        "kind": book.kind,
        "title": _said(book.title) or _said(book.name) or "Untitled",
        "cover_title": _set(book.title) or _set(book.name) or "Untitled",
        "subtitle": _set(book.subtitle),
        "author": _set(book.author),
        "publisher": _set(book.publisher),
        "url": book.url if re.match("https?://", book.url) else "",
        "site": _set(shown(book.url)),
        "lang": found[1].lower() if found else "en",
        "region": found[2].upper() if found and found[2] else None,
        "date": _day(book.date),
        "brand": brand,
        "ink": ink,
        "accent": inks(brand)[0],
        "toc": book.toc,
        "words": {**WORDS, **{name: _said(text) for name, text in book.words.items()}},
        "ending": {
            "title": _set(book.ending.title) or _set(book.ending.label) or _set(book.title) or "…",
            "text": _set(book.ending.text),
            "label": _set(book.ending.label) or _set(shown(book.ending.url)),
            "url": book.ending.url,
            "shown": _parted(shown(book.ending.url), LONG),
        }
        if book.ending
        else None,
    }


def _contents_lines(headings: list[tuple[int, str]]) -> float:
    return sum({1: 1.5, 2: 1.0}.get(level, 0) * (1 + len(text) // 56) for level, text in headings)


def says(items: list[Item]) -> bool:
    """Whether there is a word or a sign to read, besides pictures: a heading has to say something."""
    if any(item["t"] == "code" and item["s"].strip() for item in _all(items)):
        return True
    found = "".join(texts([item for item in items if isinstance(item, str)])) + "".join(
        text for item in _all(items) for text in item.get("c", ()) if isinstance(text, str)
    )
    return any(not c.isspace() and unicodedata.category(c)[0] != "C" for c in found)


def shown(url: str) -> str:
    """An address as it is printed: without its scheme, `www.` and a last slash."""
    return re.sub(r"^(?:https?://(?:www\.)?|mailto:|tel:)|/$", "", clean(url).strip())


def _said(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", clean(text))).strip()


def _set(text: str) -> str:
    """A text of the front matter, with places to break at."""
    return _parted(_said(text), LONG)


def _day(text: str) -> list[int] | None:
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return None
    return [day.year, day.month, day.day]


def _all(items: list[Item]) -> Iterator[Node]:
    """Every node of a tree, in the order of the text."""
    for item in items:
        if isinstance(item, dict):
            yield item
            for part in parts(item):
                yield from _all(part)


def _levels(body: list[Item], out: Manuscript) -> None:
    """Headings go down one level at a time: readers who listen find their way by them. Only those of the text itself count:
    one in a list or a quotation is a bold line.
    """
    at = 0
    own = {id(item) for item in body}
    for node in _all(body):
        if node["t"] == "h" and id(node) not in own:
            node["t"] = "p"
            node["c"] = [*([{"t": "id", "id": node["id"]}] if node["id"] else []), {"t": "strong", "c": node["c"]}]
        elif node["t"] == "h":
            at = node["l"] = max(1, min(node["l"], at + 1))
            node["s"] = plain(node["c"])
            if not says(node["c"]):
                node["c"] = [*node["c"], node["s"] if says([node["s"]]) else "…"]
            out.headings.append((at, node["s"]))


def _anchors(body: list[Item]) -> set[str]:
    """The ids that something can lead to. A second element of one id loses it; a second note of one, as two chapters may have,
    gets one of its own.
    """
    names: set[str] = set()
    notes: dict[str, str] = {}
    for node in _all(body):
        name = node.get("id")
        if name and node["t"] == "again":
            node["id"] = notes.get(name, name)
        elif name and node["t"] == "note":
            node["id"] = notes[name] = f"mg-note-{len(names)}" if name in names or name.startswith("mg-") else name
            names.add(node["id"])
        elif name and (name in names or name.startswith("mg-")):
            node["id"] = ""
        elif name:
            names.add(name)
    return names


def _linked(items: list[Item], names: set[str]) -> list[Item]:
    """Links to places that do not exist are their text."""
    out: list[Item] = []
    for item in items:
        if isinstance(item, str):
            out.append(item)
            continue
        for name in ("title", "term", "c"):
            if name in item:
                item[name] = _linked(item[name], names)
        for inner in item.get("i", ()):
            for name in ("term", "c"):
                if name in inner:
                    inner[name] = _linked(inner[name], names)
        for row in (*item.get("head", ()), *item.get("rows", ())):
            for cell in row:
                cell["c"] = _linked(cell["c"], names)
        if item["t"] in ("a", "action") and "to" in item and item["to"] not in names:
            out += item["c"] if item["t"] == "a" else [{"t": "p", "c": item["c"]}]
        elif item["t"] == "again" and item["id"] not in names:
            continue
        elif item["t"] != "id" or item["id"]:
            out.append(item)
    return out


def _printed_links(body: list[Item]) -> list[Node]:
    """Addresses for readers of paper, each once: those that the text does not show."""
    links: dict[str, Node] = {}
    for node in _all(body):
        url = node.get("url")
        if url and node["t"] == "a":
            # A hyphen at the end of a line would be taken for one of the address.
            node["address"] = plain(node["c"]).removeprefix("mailto:").lower().startswith(shown(url).lower()[:12]) or (
                plain(node["c"]).lower().startswith("http")
            )
        if not url or url in links or not url.startswith("http") or node["t"] not in ("a", "action"):
            continue
        text, address = plain(node["c"]), shown(url)
        if not text or text.rstrip("/") in (url.rstrip("/"), address):
            continue
        node["mark"] = len(links)
        links[url] = {"c": [text], "url": url, "s": _parted(address, LONG)}
    return list(links.values())


def _cover(book: Book, root: Path, width: float, height: float, out: Manuscript) -> None:
    picture = figure(root, book.cover, width / 25.4)
    out.figures[f"cover.{picture.suffix}"] = picture
    out.sources[f"cover.{picture.suffix}"] = book.cover
    shape = picture.height / picture.width if picture.width else 0.0
    whole = bool(shape) and abs(shape / (height / width) - 1) <= COVER_SLACK
    out.data["cover"] = {"file": f"cover.{picture.suffix}", "whole": whole, "shape": shape}
    out.data["cover_alt"] = _said(book.cover_alt) or out.data["words"]["book_cover"].replace(
        "{title}", out.data["title"]
    )


def _place(node: Node, root: Path, inches: float, files: dict[str, str], out: Manuscript) -> None:
    """A picture of the text: its file, and its width in points if it is not to fill the measure."""
    source = node["src"]
    if source not in files:
        picture = figure(root, source, inches)
        files[source] = f"{len(files)}.{picture.suffix}"
        out.figures[files[source]] = picture
        out.sources[files[source]] = source
    node["file"] = files[source]
    known = out.figures[node["file"]]
    # A pixel of a screen is 0.75 points. Pictures without a width of their own fill the measure if they nearly do.
    node["points"] = 0.75 * (node["width"] or known.width)
    node["wide"], node["high"] = known.size(node["width"])


def _measure(table: Node) -> None:
    """How wide the columns are beside each other: by their longest word, and less by how much they say. A long cell may go
    over two pages.
    """
    widths = [1.0] * table["columns"]
    longest = max(6, 60 // table["columns"])
    for row in (*table["head"], *table["rows"]):
        at = 0
        for cell in row:
            text = plain(cell["c"])
            cell["long"] = len(text) > 400
            if cell["span"] == 1:
                word = min(max(map(len, text.split()), default=1), longest)
                widths[at] = max(widths[at], word + 1, min(len(text), 3 * longest) ** 0.5 * 3.2)
            at += cell["span"]
    table["widths"] = widths


def _breakable(items: list[Item], columns: int) -> None:
    """Long words get places to break at, in narrow columns sooner. The texts of the tree are replaced in place."""
    longest = LONG if columns < 4 else max(8, 60 // columns)

    def change(text: str) -> str:
        return _parted(text, longest)

    joined: list[Item] = []
    for item in items:
        if isinstance(item, str) and joined and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    items[:] = joined
    for number, item in enumerate(items):
        if isinstance(item, str):
            items[number] = change(item)
            continue
        if item["t"] in ("code", "pre"):
            item["s"] = _parted(item["s"], min(longest, 40))
        inner = item.get("columns", columns)
        for part in parts(item):
            _breakable(part, inner)


def _parted(text: str, longest: int) -> str:
    if len(text) < longest:
        return text

    def word(match: re.Match[str]) -> str:
        found = match[0] if match[0].isalpha() else _SIGNS.sub("\\1\u200b", match[0])
        if len(match[0]) < 2 * longest:
            return found
        piece = min(PIECE, longest)
        return "\u200b".join(
            "\u200b".join(part[at : at + piece] for at in range(0, len(part), piece)) for part in found.split("\u200b")
        )

    pattern = _WORD if longest == LONG else re.compile(rf"\S{{{longest},}}")
    return pattern.sub(word, text)


def texts(value: Any) -> Iterator[str]:
    """Every text of the template's data that is printed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in _NAMES:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The template's data with every text changed that is printed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: inner if name in _NAMES else changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [changed(inner, change) for inner in value]
    return value
