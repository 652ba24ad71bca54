"""HTML → nodes: what a page of paper can show, as plain JSON that the typesetter reads.

A node is a text, or an object with its type in `t` and its content in `c`. In a line of text: em, strong, del, mark, sup, sub,
small, code (`s`), a (`url` or `to`), br, img, note, again (a second mark of one note) and id. Blocks: p, h (`l`: 1 to 6),
ul, ol (`start`) and tasks (items `i`, of tasks with `done`), dl, quote, callout (`k`, `title`), pre (`s`), table, img, action,
hr and id. Tags that are not known are their content; forms, scripts and players are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

Node = dict[str, Any]
Item = str | Node

MAX_BLOCKS = 6
MAX_INLINES = 10
"""Lists in lists, and styles in styles. What is deeper is shown at this depth: the typesetter's stack is short."""
MAX_TAGS = 150
"""Below so many tags only the text is read."""
CALLOUTS = ("note", "tip", "important", "warning", "caution")

_SPACE = re.compile(r"[ \t\n\r\f]+")
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_LEFT_OUT = {
    "applet", "base", "button", "canvas", "datalist", "dialog", "embed", "fieldset", "form", "frame", "head", "input", "link",
    "map", "meta", "meter", "noscript", "object", "option", "progress", "script", "select", "style", "template", "textarea",
    "title", "track",
}  # fmt: skip
_PLAYERS = {"audio": "a recording", "iframe": "an embedded page", "svg": "an inline drawing", "video": "a film"}
_STYLES = {
    "b": "strong", "cite": "em", "del": "del", "dfn": "em", "em": "em", "i": "em", "mark": "mark", "s": "del", "small": "small",
    "strike": "del", "strong": "strong", "sub": "sub", "sup": "sup", "var": "em",
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "code"),
}  # fmt: skip
INLINES = frozenset((
    "a", "again", "br", "code", "del", "em", "id", "img", "mark", "note", "small", "strong", "sub", "sup",
))  # fmt: skip
"""What stands in a line of text. Of these an id and an img may be blocks, too."""
_LINES = {"a", "em", "strong", "del", "mark", "sup", "sub", "small"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "center", "dd", "details", "dir", "div", "dl", "dt", "figcaption", "figure",
    "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li", "main", "menu", "nav", "ol", "p", "picture",
    "pre", "search", "section", "summary", "table", "ul",
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """nodes: blocks. warnings: sentences about what is left out, each once."""

    nodes: list[Item]
    warnings: tuple[str, ...]


def read(html: str) -> Reading:
    """The nodes of a fragment of HTML. Any text is taken; nothing is fetched or opened."""
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(f"<body>{html}").body
    if body is None:
        return Reading([], ())
    reader = _Reader(_notes(body))
    nodes = reader.flow(body, 0, 0)
    return Reading(nodes, tuple(dict.fromkeys(reader.warnings)))


def clean(text: str) -> str:
    """A text without characters that no page can show: control characters and broken halves of others."""
    return _NEVER.sub("", text)


def plain(items: Iterable[Item]) -> str:
    """The text of nodes without their notes."""
    return _SPACE.sub(" ", "".join(_texts(items))).strip()


def _texts(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        elif item["t"] == "br":
            yield " "
        elif item["t"] in ("code", "pre"):
            yield item["s"]
        elif item["t"] == "img":
            yield item["alt"]
        elif item["t"] not in ("note", "again"):
            for part in parts(item):
                yield from _texts(part)
                if item["t"] not in _LINES:
                    yield " "


def parts(node: Node) -> Iterator[list[Item]]:
    """Every list of nodes that is directly in a node."""
    for name in ("title", "term", "c"):
        if name in node:
            yield node[name]
    for item in node.get("i", ()):
        yield from parts(item)
    for row in (*node.get("head", ()), *node.get("rows", ())):
        for cell in row:
            yield cell["c"]


def _notes(body: LexborNode) -> dict[str, LexborNode]:
    """id → the item that holds a note's text. Both engines gather them at the end."""
    found = body.css("div.footnotes > ol > li[id], div.footnote > ol > li[id]")
    return {node.attributes["id"] or "": node for node in found}


def _classes(node: LexborNode) -> list[str]:
    return (node.attributes.get("class") or "").split()


def _children(node: LexborNode) -> Iterator[LexborNode]:
    return node.iter(include_text=True)


@dataclass
class _Reader:
    notes: dict[str, LexborNode]
    warnings: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    open_notes: list[str] = field(default_factory=list)
    after_space: bool = True
    """Whether the line so far ends in a space, which a second one would join."""

    # --- blocks -------------------------------------------------------------------------------------------------

    def flow(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        """A node's children as blocks; texts between them are paragraphs. depth: of containers; tags: of the tree."""
        return self.blocks(_children(node), depth, tags)

    def blocks(self, children: Iterable[LexborNode], depth: int, tags: int) -> list[Item]:
        out: list[Item] = []
        line: list[Item] = []
        self.after_space = True
        for child in children:
            if child.is_element_node and child.tag in _BLOCKS:
                self._paragraph(line, out)
                line = []
                out += self._block(child, depth, tags + 1)
                self.after_space = True
            else:
                line += self.inline(child, 0, tags + 1)
        self._paragraph(line, out)
        return out

    def _paragraph(self, line: list[Item], out: list[Item]) -> None:
        """A line of text as a paragraph; pictures that stand alone in it are blocks."""
        line = trimmed(line)
        self.after_space = True
        if not line:
            return
        said = [item for item in line if item != " " and not (isinstance(item, dict) and item["t"] in ("br", "id"))]
        if said and all(isinstance(item, dict) and item["t"] == "img" for item in said):
            out += [item for item in line if isinstance(item, dict) and item["t"] != "br"]
        elif all(isinstance(item, dict) and item["t"] == "id" for item in line):
            out += line
        else:
            out.append({"t": "p", "c": line})

    def _block(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        tag = node.tag or ""
        if tags > MAX_TAGS:
            text = _SPACE.sub(" ", clean(node.text())).strip()
            return [{"t": "p", "c": [text]}] if text else []
        name = node.attributes.get("id")
        if re.fullmatch("h[1-6]", tag):
            return self._heading(node, int(tag[1]), name or "", tags)
        out: list[Item] = [{"t": "id", "id": name}] if name else []
        classes = _classes(node)
        if tag == "hr":
            return [*out, {"t": "hr"}]
        if tag == "div" and ("footnotes" in classes or "footnote" in classes):
            return []
        if tag == "p" and "actions" in classes:
            return out + self._actions(node, tags)
        if tag == "pre":
            code = unicodedata.normalize("NFC", clean(node.text())).strip("\r\n")
            return [*out, {"t": "pre", "s": code.expandtabs(4)}] if code.strip() else out
        if tag == "figure":
            return out + self._figure(node, depth, tags)
        if tag == "summary":
            line = self._line(node, tags)
            return [*out, {"t": "p", "c": [{"t": "strong", "c": line}]}] if line else out
        if depth >= MAX_BLOCKS or tag not in ("ul", "ol", "menu", "dir", "dl", "blockquote", "table"):
            return out + (self._cells(node, depth, tags) if tag == "table" else self.flow(node, depth, tags))
        if tag == "dl":
            return out + self._definitions(node, depth, tags)
        if tag == "blockquote":
            return out + self._quote(node, classes, depth, tags)
        if tag == "table":
            return out + self._table(node, depth, tags)
        return out + self._list(node, depth, tags)

    def _heading(self, node: LexborNode, level: int, name: str, tags: int) -> list[Item]:
        line = self._line(node, tags)
        if not plain(line):
            return [{"t": "id", "id": name}] if name else []
        return [{"t": "h", "l": level, "id": name, "c": line}]

    def _line(self, node: LexborNode, tags: int) -> list[Item]:
        """A node's content as one line of text."""
        self.after_space = True
        line = [item for child in _children(node) for item in self.inline(child, 0, tags + 1)]
        self.after_space = True
        return trimmed(line)

    def _actions(self, node: LexborNode, tags: int) -> list[Item]:
        out: list[Item] = []
        for item in self._line(node, tags):
            if isinstance(item, dict) and item["t"] == "a":
                out.append({**item, "t": "action"})
            elif item != " ":
                out.append({"t": "p", "c": [item]})
        return out

    def _figure(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        caption = node.css_first("figcaption")
        inside = self.blocks((child for child in _children(node) if child.tag != "figcaption"), depth, tags)
        line = self._line(caption, tags) if caption is not None else []
        pictures = [item for item in inside if isinstance(item, dict) and item["t"] == "img"]
        if len(pictures) == 1 and line:
            pictures[0]["c"] = line
        elif line:
            inside.append({"t": "p", "c": [{"t": "small", "c": line}]})
        return inside

    def _quote(self, node: LexborNode, classes: list[str], depth: int, tags: int) -> list[Item]:
        kind = next((name for name in CALLOUTS if name in classes), "") if "callout" in classes else ""
        if not kind:
            inside = self.flow(node, depth + 1, tags)
            return [{"t": "quote", "c": inside}] if inside else []
        title = next((child for child in node.iter() if "callout-title" in _classes(child)), None)
        line = self._line(title, tags) if title is not None else []
        same = title.mem_id if title is not None else None
        inside = self.blocks((child for child in _children(node) if child.mem_id != same), depth + 1, tags)
        return [{"t": "callout", "k": kind, "title": line or [kind.capitalize()], "c": inside}]

    def _list(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        items: list[Node] = []
        stray: list[LexborNode] = []
        for child in _children(node):
            if child.tag == "li":
                inside = self.flow(child, depth + 1, tags + 1)
                item: Node = {"c": inside}
                if name := child.attributes.get("id"):
                    inside.insert(0, {"t": "id", "id": name})
                if "task" in _classes(child):
                    box = child.css_first("input")
                    item["done"] = box is not None and "checked" in box.attributes
                items.append(item)
            elif child.is_element_node or child.text_content:
                stray.append(child)
        rest = self.blocks(stray, depth, tags) if stray else []
        if not items:
            return rest
        loose = any(inner.tag == "p" for child in node.iter() for inner in child.iter())
        if all(_is_tight(item["c"]) for item in items):
            for item in items:
                item["c"] = _tight(item["c"])
        kind = "tasks" if any("done" in item for item in items) else "ol" if node.tag == "ol" else "ul"
        out: Node = {"t": kind, "i": items, "tight": not loose}
        start = node.attributes.get("start") or ""
        if kind == "ol":
            out["start"] = int(start) if re.fullmatch(r"\d{1,9}", start) else 1
        return [out, *rest]

    def _definitions(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        entries: list[Node] = []
        parts = [inner for child in node.iter() for inner in (child.iter() if child.tag == "div" else (child,))]
        for child in parts:
            if child.tag == "dt" or not entries:
                entries.append({"term": self._line(child, tags + 1), "c": []})
            else:
                entries[-1]["c"] += self.flow(child, depth + 1, tags + 1)
        return [{"t": "dl", "i": entries}] if entries else []

    def _cells(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        """A table that stands too deep: its cells one after the other."""
        return [item for row, _ in _rows(node) for cell in row.iter() for item in self.flow(cell, depth, tags + 3)]

    def _table(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        head: list[list[Node]] = []
        rows: list[list[Node]] = []
        for row, in_head in _rows(node):
            cells = [
                {
                    "c": _tight(self.flow(cell, max(depth + 1, MAX_BLOCKS - 1), tags + 3)),
                    "align": next((a for a in ("left", "center", "right") if f"align-{a}" in _classes(cell)), "left"),
                    "span": _span(cell.attributes.get("colspan") or ""),
                    "th": cell.tag == "th",
                }
                for cell in row.iter()
                if cell.tag in ("td", "th")
            ]
            if cells:
                on_top = in_head or (not rows and not head and all(cell["th"] for cell in cells))
                (head if on_top and not rows else rows).append(cells)
        width = min(max((sum(cell["span"] for cell in row) for row in head + rows), default=0), 40)
        if not width:
            return []
        for filled in head + rows:
            _fill(filled, width)
        if not rows:
            head, rows = [], head
        caption = next((child for child in node.iter() if child.tag == "caption"), None)
        line = self._line(caption, tags) if caption is not None else []
        return [{"t": "table", "columns": width, "head": head, "rows": rows, "c": line}]

    # --- inlines ------------------------------------------------------------------------------------------------

    def inline(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        """A node in a line of text. Blocks in it are set one after the other."""
        if node.is_text_node:
            return self._text(node.text_content or "")
        tag = node.tag or ""
        if not node.is_element_node or tag in _LEFT_OUT or tag in _PLAYERS:
            if tag in _PLAYERS:
                self.warnings.append(f"{_PLAYERS[tag]} cannot be printed and is left out")
            return []
        if tags > MAX_TAGS:
            return self._text(clean(node.text()))
        if tag == "br":
            self.after_space = True
            return [{"t": "br"}]
        if tag == "wbr":
            return ["\u200b"]
        if tag == "img":
            return self._picture(node)
        if tag in ("sup", "a") and (mark := self._note(node, tags)) is not None:
            return mark
        name = node.attributes.get("id")
        out: list[Item] = [{"t": "id", "id": name}] if name and tag != "sup" else []
        if tag in _BLOCKS and not self.after_space:
            self.after_space = True
            out.append({"t": "br"})
        inside = self._inside(node, depth, tags)
        style = _STYLES.get(tag)
        if tag == "q":
            return [*out, "“", *inside, "”"]
        if tag == "abbr" and inside:
            return out + inside
        if not inside or all(isinstance(item, str) and not item.strip() for item in inside):
            return out + inside
        if tag == "a":
            return out + self._link(node, inside)
        if style is None or depth >= MAX_INLINES:
            return out + inside
        return [*out, {"t": "code", "s": plain(inside)} if style == "code" else {"t": style, "c": inside}]

    def _inside(self, node: LexborNode, depth: int, tags: int) -> list[Item]:
        deeper = depth + 1 if node.tag in _STYLES or node.tag == "a" else depth
        return [item for child in _children(node) for item in self.inline(child, deeper, tags + 1)]

    def _text(self, text: str) -> list[Item]:
        text = _SPACE.sub(" ", unicodedata.normalize("NFC", clean(text)))
        if self.after_space:
            text = text.removeprefix(" ")
        if not text:
            return []
        self.after_space = text.endswith(" ")
        return [text]

    def _link(self, node: LexborNode, inside: list[Item]) -> list[Item]:
        if "footnote-back" in _classes(node) or "footnote-backref" in _classes(node):
            return []
        target = clean(node.attributes.get("href") or "").strip()
        if target.startswith("#") and len(target) > 1:
            return [{"t": "a", "to": target[1:], "c": inside}]
        if re.match(r"(?i)(?:https?|mailto|tel):", target):
            if len(inside) == 1 and isinstance(inside[0], dict) and inside[0]["t"] == "img":
                return [{**inside[0], "url": target}]
            return [{"t": "a", "url": target, "c": inside}]
        return inside

    def _note(self, node: LexborNode, tags: int) -> list[Item] | None:
        """The mark of a note with the note; None where this is another `sup`."""
        link = node.css_first("a[href^='#']") if node.tag == "sup" else None
        name = (link.attributes.get("href") or "")[1:] if link is not None else ""
        if name not in self.notes:
            return None
        if name in self.open_notes:
            return []
        self.after_space = False
        if name in self.used:
            return [{"t": "again", "id": name}]
        if len(self.open_notes) >= 2:
            return []
        self.used.add(name)
        self.open_notes.append(name)
        inside = _tight(self.flow(self.notes[name], MAX_BLOCKS - 2, tags))
        self.open_notes.pop()
        self.after_space = False
        return [{"t": "note", "id": name, "c": inside}] if inside else []

    def _picture(self, node: LexborNode) -> list[Item]:
        alt = clean(node.attributes.get("alt") or "").strip()
        source = clean(node.attributes.get("src") or "").strip()
        if not source:
            return []
        if re.match(r"(?i)(?:[a-z][a-z0-9+.-]*:|//)", source):
            where = source if len(source) <= 100 else source[:100] + "…"
            self.warnings.append(f"the picture {where} is not in the site's folder: its description is printed instead")
            return [{"t": "em", "c": [f"[{alt}]"]}] if alt else []
        if "alt" not in node.attributes:
            self.warnings.append(f"the picture {source} has no description: readers who listen miss it")
        self.after_space = False
        width = node.attributes.get("width") or ""
        return [{"t": "img", "src": source, "alt": alt, "width": int(width) if re.fullmatch(r"\d{1,5}", width) else 0}]


def _rows(table: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """A table's own rows, not those of tables in it, and whether each is of its head."""
    for child in table.iter():
        if child.tag == "tr":
            yield child, False
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from ((row, child.tag == "thead") for row in child.iter() if row.tag == "tr")


def _span(value: str) -> int:
    return max(1, min(int(value), 40)) if re.fullmatch(r"\d{1,4}", value) else 1


def _fill(row: list[Node], width: int) -> None:
    """Exactly as many columns as the table has: cells that are too many go, missing ones are empty."""
    used, kept = 0, 0
    for cell in row:
        if used >= width:
            break
        cell["span"] = min(cell["span"], width - used)
        used += cell["span"]
        kept += 1
    del row[kept:]
    row += [{"c": [], "align": "left", "span": 1, "th": False} for _ in range(width - used)]


def _is_tight(blocks: list[Item]) -> bool:
    """Whether an item is one paragraph, with lists below it at most."""
    kinds = [item["t"] for item in blocks if isinstance(item, dict) and item["t"] != "id"]
    return kinds.count("p") <= 1 and all(kind in ("p", "ul", "ol", "tasks") for kind in kinds)


def _tight(blocks: list[Item]) -> list[Item]:
    """Blocks whose only paragraph is set as a line."""
    if not _is_tight(blocks):
        return blocks
    return [
        inner
        for item in blocks
        for inner in (item["c"] if isinstance(item, dict) and item["t"] == "p" else [item])
    ]  # fmt: skip


def trimmed(line: list[Item]) -> list[Item]:
    """A line without spaces and breaks at its ends."""
    while line and isinstance(line[0], dict) and line[0]["t"] == "br":
        line = line[1:]
        if line and isinstance(line[0], str):
            line = [line[0].lstrip(" "), *line[1:]]
    while line:
        last = line[-1]
        if isinstance(last, str):
            rest = last.rstrip(" \u00a0")
            if rest:
                return [*line[:-1], rest]
        elif last["t"] != "br":
            if last["t"] in ("em", "strong", "del", "mark", "small", "a") and last["c"]:
                inside = trimmed(last["c"])
                return [*line[:-1], {**last, "c": inside}] if inside else line[:-1]
            return line
        line = line[:-1]
    return line
