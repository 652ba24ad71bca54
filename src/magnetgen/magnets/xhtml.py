"""A text's HTML as strict XHTML: what a reading system opens without a fault, whatever the writer's own HTML was.

Only known elements with known attributes pass, each where the standard has a place for it. Anything else gives its
words, or nothing at all: scripts, forms, frames, styles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from magnetgen.magnets.xmltext import children, classes, clean, safe_url, text, words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode as Node

MAX_DEPTH = 80
"""Elements within elements. What lies deeper is given as its text."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_NAME = re.compile(r"[A-Za-z_]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_INTEGER = re.compile(r"-?[0-9]{1,6}")
_PLACEHOLDER = re.compile(' href="\x01([^\x02]*)\x02"')

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INLINE = frozenset((
    "abbr", "b", "bdi", "cite", "code", "em", "i", "kbd", "mark", "q", "s", "samp", "small", "span",
    "strong", "sub", "sup", "u", "var",
))  # fmt: skip
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "header", "hgroup", "legend", "li", "main", "menu", "nav",
    "ol", "p", "pre", "search", "section", "summary", "table", "ul",
))  # fmt: skip
_RENAMED = {"strike": "s", "tt": "code", "acronym": "abbr", "dfn": "i", "menu": "ul"}
_DROPPED = frozenset((
    "base", "button", "canvas", "col", "colgroup", "datalist", "embed", "form", "frame", "frameset", "head",
    "input", "link", "meta", "object", "optgroup", "option", "param", "rp", "script", "select", "source",
    "style", "template", "textarea", "title", "track",
))  # fmt: skip
_PLAYERS = frozenset(("iframe", "video", "audio"))
_DIRECTIONS = ("ltr", "rtl", "auto")
_SCOPES = ("row", "col", "rowgroup", "colgroup")


class Found(Struct, frozen=True):
    """A heading as it stands in a file: its level there, its id and its text."""

    level: int
    id: str
    text: str


class Writer:
    """Writes the files of one book. Ids and links belong to the whole of it; `finish` puts the links right at the end.

    picture: from a path and the words for it to an `img` element, or empty where there is no such picture.
    """

    def __init__(self, picture: Callable[[str, dict[str, str]], str]) -> None:
        self._picture = picture
        self._chapter = 0
        self._anchors: dict[tuple[int, str], tuple[str, str]] = {}
        self._used: dict[str, set[str]] = {}
        self._file = ""
        self._in_link = self._in_label = False
        self.headings: list[Found] = []
        self.noted: list[str] = []

    def begin(self) -> None:
        """Begin a chapter: a link leads to its own anchor of a name first, and else to the book's first one."""
        self._chapter += 1

    def open(self, file: str) -> None:
        """Begin a file: its headings and the notes that it refers to are gathered anew."""
        self._file = file
        self.headings, self.noted = [], []

    def anchor(self, name: str) -> str:
        """An id for this file, made of any name; empty if the chapter has that name already."""
        if not name or (self._chapter, name) in self._anchors:
            return ""
        safe = _UNSAFE.sub(lambda m: f"_{ord(m[0]):x}", clean(name)) or "a"
        safe = safe if _NAME.match(safe) else f"a-{safe}"
        used = self._used.setdefault(self._file, set())
        unique, number = safe, 2
        while unique in used:
            unique, number = f"{safe}-{number}", number + 1
        used.add(unique)
        self._anchors[self._chapter, name] = (self._file, unique)
        return unique

    def link(self, name: str) -> str:
        """` href="…"` to an anchor of the book, to be finished."""
        return f' href="\x01{self._chapter} {text(name)}\x02"'

    def finish(self, markup: str, file: str) -> str:
        """The markup of a file with every inner link leading where its anchor is; without one, it leads nowhere."""
        near = {f"{chapter} {text(name)}": place for (chapter, name), place in self._anchors.items()}
        far = {text(name): place for (_, name), place in reversed(self._anchors.items())}

        def resolved(match: re.Match[str]) -> str:
            place = near.get(match[1]) or far.get(match[1].partition(" ")[2])
            if place is None:
                return ""
            return f' href="{"" if place[0] == file else place[0]}#{place[1]}"'

        return _PLACEHOLDER.sub(resolved, markup)

    def nodes(self, nodes: Iterable[Node], shift: int = 0, phrasing: bool = False, depth: int = 0) -> str:
        """Elements and texts in a row. shift: added to the levels of headings. phrasing: where only words may stand."""
        return "".join(self._node(node, shift, phrasing, depth) for node in nodes)

    def _node(self, node: Node, shift: int, phrasing: bool, depth: int) -> str:
        if node.is_text_node:
            return text(node.text_content or "")
        tag = _RENAMED.get((node.tag or "").lower(), (node.tag or "").lower())
        if depth > MAX_DEPTH:
            return text(words(node))

        def inside(only_words: bool = phrasing) -> str:
            return self.nodes(children(node), shift, only_words, depth + 1)

        if tag in _HEADINGS:
            return inside(True) + " " if phrasing else self._heading(node, tag, shift, inside)
        if tag in _BLOCKS:
            return inside(True) + " " if phrasing else self._block(node, tag, shift, depth)
        if tag in _INLINE:
            return f"<{tag}{self._common(node)}>{inside(True)}</{tag}>"
        if tag in ("ins", "del"):
            return f"<{tag}{self._common(node)}>{inside()}</{tag}>"
        if tag == "hr":
            return " " if phrasing else "<hr/>"
        if tag in ("br", "wbr"):
            return f"<{tag}/>"
        if tag == "a":
            return self._link(node, phrasing, inside)
        if tag == "img":
            return self._picture(node.attributes.get("src") or "", {k: v or "" for k, v in node.attributes.items()})
        if tag in ("label", "input"):
            return self._box(node, tag, inside)
        if tag == "ruby":
            return self._ruby(node, shift, depth)
        if tag in _PLAYERS:
            return self._player(node)
        if tag in ("svg", "math"):
            return text(_name_of_drawing(node))
        return "" if tag in _DROPPED else inside()

    def _heading(self, node: Node, tag: str, shift: int, inside: Callable[..., str]) -> str:
        inner = inside(True)
        if not inner.strip():
            return ""
        level = min(6, max(1, _HEADINGS[tag] + shift))
        name = node.attributes.get("id") or f"{self._file} heading {len(self.headings)}"
        unique = self.anchor(name) or self.anchor(f"{self._file} heading {len(self.headings)}")
        label = "".join(clean(child.text() or "") for child in children(node) if not _is_reference(child))
        self.headings.append(Found(level, unique, " ".join(label.split())))
        return f'<h{level} id="{unique}"{self._common(node, with_id=False)}>{inner}</h{level}>'

    def _block(self, node: Node, tag: str, shift: int, depth: int) -> str:
        inner = children(node)

        def inside(only_words: bool = False) -> str:
            return self.nodes(inner, shift, only_words, depth + 1)

        if tag in ("p", "pre"):
            return f"<{tag}{self._common(node)}>{inside(True)}</{tag}>"
        if tag == "blockquote":
            return f"<blockquote{self._common(node)}>{inside()}</blockquote>"
        if tag in ("ul", "ol"):
            return self._list(node, tag, inner, shift, depth)
        if tag == "dl":
            return self._definitions(node, inner, shift, depth)
        if tag == "table":
            return self._table(node, shift, depth)
        if tag == "figure":
            return self._figure(node, inner, shift, depth)
        if tag == "summary":
            return f'<p class="summary">{inside(True)}</p>'
        return f"<div{self._common(node)}>{inside()}</div>"

    def _list(self, node: Node, tag: str, inner: list[Node], shift: int, depth: int) -> str:
        """What stands between the items becomes one."""
        items: list[str] = []
        for child in inner:
            made = self.nodes(children(child) if child.tag == "li" else [child], shift, False, depth + 1)
            if child.tag == "li":
                value = _only(child, "value", _INTEGER) if tag == "ol" else ""
                items.append(f"<li{self._common(child)}{value}>{made}</li>")
            elif made.strip():
                items.append(f"<li>{made}</li>")
        own = self._common(node)
        if tag == "ol":
            own += _only(node, "start", _INTEGER)
            kind = node.attributes.get("type")
            own += f' type="{kind}"' if kind in ("1", "a", "A", "i", "I") else ""
        return f"<{tag}{own}>\n" + "\n".join(items) + f"\n</{tag}>" if items else ""

    def _definitions(self, node: Node, inner: list[Node], shift: int, depth: int) -> str:
        """Terms and what they mean; where a list is not made of these in turn, its parts stand one below the other."""
        parts = [n for n in inner if n.is_element_node]
        order = "".join({"dt": "t", "dd": "d"}.get(n.tag or "", "x") for n in parts)
        if not re.fullmatch("(?:t+d+)+", order):
            return f"<div{self._common(node)}>{self.nodes(inner, shift, False, depth + 1)}</div>"
        out = "".join(
            f"<{n.tag}{self._common(n)}>{self.nodes(children(n), shift, n.tag == 'dt', depth + 1)}</{n.tag}>"
            for n in parts
        )
        return f"<dl{self._common(node)}>{out}</dl>"

    def _table(self, node: Node, shift: int, depth: int) -> str:
        """One caption, one head, and rows that have cells."""
        parts: dict[str, list[str]] = {"thead": [], "tbody": []}
        caption = ""
        for child in node.iter():
            if child.tag == "caption" and not caption:
                caption = f"<caption>{self.nodes(children(child), shift, True, depth + 1)}</caption>"
            elif child.tag in ("thead", "tbody", "tfoot"):
                head = child.tag == "thead" and not parts["tbody"]
                rows = [self._row(row, head, shift, depth) for row in child.iter() if row.tag == "tr"]
                parts["thead" if head else "tbody"] += filter(None, rows)
        made = "".join(f"<{name}>\n{''.join(rows)}</{name}>\n" for name, rows in parts.items() if rows)
        return f"<table{self._common(node)}>{caption}\n{made}</table>" if made else ""

    def _row(self, row: Node, head: bool, shift: int, depth: int) -> str:
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        out = ""
        for cell in cells:
            own = self._common(cell) + _only(cell, "colspan", _NUMBER) + _only(cell, "rowspan", _NUMBER)
            scope = cell.attributes.get("scope")
            if cell.tag == "th" and (head or scope in _SCOPES):
                own += f' scope="{scope if scope in _SCOPES else "col"}"'
            out += f"<{cell.tag}{own}>{self.nodes(children(cell), shift, cell.tag == 'th', depth + 3)}</{cell.tag}>"
        return f"<tr>{out}</tr>\n" if out else ""

    def _figure(self, node: Node, inner: list[Node], shift: int, depth: int) -> str:
        """A caption has its place at the end; a second one is text."""
        place = next((at for at, n in enumerate(inner) if n.tag == "figcaption"), len(inner))
        out = self.nodes(inner[:place] + inner[place + 1 :], shift, False, depth + 1)
        for caption in inner[place : place + 1]:
            made = self.nodes(children(caption), shift, False, depth + 1)
            out += f"<figcaption{self._common(caption)}>{made}</figcaption>"
        return f"<figure{self._common(node)}>{out}</figure>"

    def _link(self, node: Node, phrasing: bool, inside: Callable[..., str]) -> str:
        if self._in_link:
            return inside()
        self._in_link = True
        inner, own = inside(), self._common(node)
        self._in_link = False
        target = (node.attributes.get("href") or "").strip()
        if target.startswith("#") and len(target) > 1:
            own += self.link(target[1:])
            parent = node.parent
            if "footnote-ref" in classes(node) or (parent and "footnote-reference" in classes(parent)):
                self.noted.append(target[1:])
                own += ' epub:type="noteref" role="doc-noteref"'
            return f"<a{own}>{inner}</a>"
        target = text(safe_url(target))
        if target:
            return f'<a{own} href="{target}">{inner}</a>'
        around = "span" if phrasing else "div" if "<" in inner else "span"
        return f"<{around}{own}>{inner}</{around}>" if own else inner

    def _box(self, node: Node, tag: str, inside: Callable[..., str]) -> str:
        """A task's box: one that can be ticked, where the reading system lets it. No other field is one of a book."""
        if tag == "input":
            if (node.attributes.get("type") or "").lower() != "checkbox" or self._in_link:
                return ""
            ticked = ' checked="checked"' if "checked" in node.attributes else ""
            return f'<input type="checkbox"{ticked}/>'
        boxes = [n for n in node.css("input") if n.attributes.get("type") == "checkbox"]
        if self._in_label or self._in_link or len(boxes) != 1:
            return inside(True)
        self._in_label = True
        inner = inside(True)
        self._in_label = False
        return f"<label>{inner}</label>"

    def _ruby(self, node: Node, shift: int, depth: int) -> str:
        """Words with their reading beside them."""
        parts = [n for n in children(node) if n.tag != "rp"]
        made = ""
        ready = False
        for part in parts:
            inner = self.nodes(children(part) if part.tag in ("rt", "rb") else [part], shift, True, depth + 1)
            if part.tag == "rt" and not ready:
                return self.nodes(parts, shift, True, depth + 1)
            made += f"<rt>{inner}</rt>" if part.tag == "rt" else inner
            ready = part.tag != "rt" and (ready or bool(inner.strip()))
        return f"<ruby>{made}</ruby>" if made.endswith("</rt>") else self.nodes(parts, shift, True, depth + 1)

    def _player(self, node: Node) -> str:
        """What plays on a page is a link in a book."""
        sources = [node, *node.css("source")]
        target = next(filter(None, (safe_url(n.attributes.get("src") or "") for n in sources)), "")
        name = node.attributes.get("title") or node.attributes.get("aria-label") or target
        if not target or self._in_link:
            return ""
        return f'<a href="{text(target)}">{text(name)}</a>'

    def _common(self, node: Node, with_id: bool = True) -> str:
        """The attributes that any element may have: id, class, title, language and direction."""
        found = {k.lower(): v or "" for k, v in node.attributes.items()}
        out = ""
        unique = self.anchor(found["id"]) if with_id and found.get("id") else ""
        if unique:
            out += f' id="{unique}"'
        if found.get("class", "").strip():
            out += f' class="{text(" ".join(found["class"].split()))}"'
        if found.get("title"):
            out += f' title="{text(found["title"])}"'
        if _LANGUAGE.fullmatch(found.get("lang", "")):
            out += f' lang="{found["lang"]}" xml:lang="{found["lang"]}"'
        if found.get("dir", "").lower() in _DIRECTIONS:
            out += f' dir="{found["dir"].lower()}"'
        return out


def _is_reference(node: Node) -> bool:
    return node.tag == "sup" and ("footnote-reference" in classes(node) or node.css_first("a.footnote-ref") is not None)


def _only(node: Node, name: str, shape: re.Pattern[str]) -> str:
    value = (node.attributes.get(name) or "").strip()
    return f' {name}="{value}"' if shape.fullmatch(value) else ""


def _name_of_drawing(node: Node) -> str:
    """What a drawing or a formula within the text says of itself."""
    label = node.attributes.get("aria-label") or node.attributes.get("alttext")
    title = node.css_first("title")
    if label:
        return label
    if node.tag == "math":
        return words(node)
    return words(title) if title is not None else ""
