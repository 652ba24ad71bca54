"""HTML → the plain-text part of a mail: paragraphs, lists, quotes; every link with its address. Nothing is wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from msgspec import Struct

RULE = "-" * 24
_SPACE = re.compile(r"[ \t\r\n\f]+")
_AROUND_BREAK = re.compile(r" *\n *")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_UNSEEN = {"script", "style", "template", "title", "head"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "center", "dd", "details", "div", "dl", "dt", "figcaption", "figure",
    "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
    "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class _Node(Struct):
    tag: str
    attrs: dict[str, str]
    children: list[_Node | str]


class _Tree(HTMLParser):
    """A tree of what is open; a closing tag without its opening one is passed over."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("", {}, [])
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, {name: value or "" for name, value in attrs}, [])
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        depth = next((i for i in range(len(self._open) - 1, 0, -1) if self._open[i].tag == tag), 0)
        if depth:
            del self._open[depth:]

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def plain_text(markup: str) -> str:
    """The text of a mail's HTML; ends in a line break."""
    tree = _Tree()
    tree.feed(markup)
    tree.close()
    return "\n\n".join(_blocks(tree.root)) + "\n"


def _blocks(node: _Node) -> Iterator[str]:
    """The blocks inside a node; loose words between them are a block, too."""
    run: list[_Node | str] = []
    for child in node.children:
        if isinstance(child, str) or child.tag not in _BLOCKS:
            run.append(child)
            continue
        yield from _paragraph(run)
        run = []
        yield from _block(child)
    yield from _paragraph(run)


def _paragraph(run: list[_Node | str]) -> Iterator[str]:
    text = _inline(run)
    if text:
        yield text


def _block(node: _Node) -> Iterator[str]:
    if node.tag == "hr":
        yield RULE
    elif node.tag == "pre":
        yield "".join(_letters(node)).strip("\n")
    elif node.tag in ("ul", "ol"):
        yield "\n".join(_items(node))
    elif node.tag == "blockquote":
        quoted = "\n\n".join(_blocks(node))
        yield "\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))
    elif node.tag == "table":
        yield "\n".join(_rows(node))
    elif "actions" in node.attrs.get("class", "").split():
        yield "\n".join(_button(child) for child in node.children if isinstance(child, _Node))
    else:
        yield from _blocks(node)


def _items(node: _Node) -> Iterator[str]:
    start = node.attrs.get("start", "1")
    number = int(start) if start.isdecimal() else 1
    for child in node.children:
        if isinstance(child, _Node) and child.tag == "li":
            mark = f"{number}. " if node.tag == "ol" else "- "
            inside = [line for block in _blocks(child) for line in block.split("\n")]
            yield mark + f"\n{' ' * len(mark)}".join(inside)
            number += 1


def _rows(node: _Node) -> Iterator[str]:
    for child in node.children:
        if not isinstance(child, _Node):
            continue
        if child.tag == "tr":
            cells = (cell for cell in child.children if isinstance(cell, _Node))
            yield " | ".join(" ".join(" ".join(_blocks(cell)).split("\n")) for cell in cells)
        else:
            yield from _rows(child)


def _button(link: _Node) -> str:
    """What the button says, and its address on a line of its own, where nothing breaks it."""
    words = _inline(link.children)
    return f"{words.rstrip(':')}:\n{link.attrs.get('href', '')}" if words else link.attrs.get("href", "")


def _inline(run: list[_Node | str]) -> str:
    text = "".join(_words(run))
    return _AROUND_BREAK.sub("\n", text).strip(" \n")


def _words(run: list[_Node | str], ends: bool = True) -> Iterator[str]:
    """The words of a run. `\\n` is a line break that was meant; `ends`: nothing stands behind the run."""
    for index, child in enumerate(run):
        rest = run[index + 1 :]
        last = _breaks(rest) or (ends and not "".join(_words(rest)).strip())
        if isinstance(child, str):
            yield _SPACE.sub(" ", child)
        elif child.tag == "br":
            yield "\n"
        elif child.tag == "img":
            yield child.attrs.get("alt", "")
        elif child.tag == "a":
            yield _link(child, last)
        elif child.tag in _BLOCKS:
            yield " ".join(_blocks(child))
        elif child.tag not in _UNSEEN:
            yield "".join(_words(child.children, last))


def _breaks(rest: list[_Node | str]) -> bool:
    return bool(rest) and isinstance(rest[0], _Node) and rest[0].tag == "br"


def _link(node: _Node, last: bool) -> str:
    """`words: address` where nothing follows, else `words (address)`: a full stop behind would join the address."""
    words, address = _inline(node.children), node.attrs.get("href", "").removeprefix("mailto:")
    if not words or not address or address.startswith("#"):
        return words or address
    if words in (address, address.removeprefix("https://").rstrip("/")):
        return address
    return f"{words.rstrip(':')}: {address}" if last else f"{words} ({address})"


def _letters(node: _Node) -> Iterator[str]:
    """All text as it stands."""
    for child in node.children:
        if isinstance(child, str):
            yield child
        elif child.tag == "br":
            yield "\n"
        else:
            yield from _letters(child)
