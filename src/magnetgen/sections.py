"""The text of a landing page → its sections. docs/landing-pages.md describes the kinds for writers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from msgspec import Struct

from magnetgen.markdown import plain
from magnetgen.text import did_you_mean, listing
from magnetgen.views import ItemView, SectionView

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

KINDS = (
    "hero", "features", "steps", "stats", "testimonials", "logos", "pricing", "faq", "comparison", "team", "video",
    "form", "prose",
)  # fmt: skip
EMBED = "mg-embed"
"""Stands for an embedded form while the text is taken apart; see `render`."""

_BREAK = re.compile(r"<br\s*/?>|\n")
_LEADING_STRONG = re.compile(r"\s*<strong>(.*?)</strong>[.:]?\s*(?:<br\s*/?>)?\s*", re.S)
_SIGNATURE = re.compile(r"\s*(?:—|–|--|―)\s*(.+)", re.S)
_HEADING = re.compile(r"h[1-6]")
_VIDEO_FILES = (".mp4", ".webm", ".ogv")


class Misfit(Struct, frozen=True):
    """A section that is not what its class says. index: of its heading among all of the page's."""

    code: str
    message: str
    hint: str
    index: int


class _Part:
    def __init__(self, heading: LexborNode | None, nodes: list[LexborNode], index: int = -1) -> None:
        self.heading, self.nodes, self.index = heading, nodes, index


Shape = Callable[["list[LexborNode]"], "tuple[str, list[ItemView]] | None"]


def split(html: str, title: str) -> tuple[tuple[SectionView, ...], list[Misfit]]:
    """The sections of a page's HTML, the first of them the hero with the page's title; and what does not fit."""
    parts = _parts(html)
    misfits: list[Misfit] = []
    sections = [SectionView("hero", "", Markup(escape(title)), _html(parts[0].nodes))]
    sections += [_section(part, misfits) for part in parts[1:]]
    return tuple(sections), misfits


def top_level(html: str) -> list[LexborNode]:
    """The outermost elements of a fragment. Texts between them are white space in what Markdown makes."""
    from selectolax.lexbor import LexborHTMLParser  # only sites with landing pages need a parser

    body = LexborHTMLParser(f"<body>{html}").body
    return [node for node in body.iter() if node.is_element_node] if body else []


def after_first_third(html: str, insert: str) -> str:
    """The text with a piece put in between two of its blocks, about a third down, never behind a heading."""
    nodes = top_level(html)
    lengths = [len(node.text()) for node in nodes]
    total, so_far = sum(lengths), 0
    for number, (node, length) in enumerate(zip(nodes, lengths, strict=True)):
        so_far += length
        if so_far * 3 >= total and not _HEADING.fullmatch(node.tag or ""):
            return "\n".join((_html(nodes[: number + 1]), insert, _html(nodes[number + 1 :])))
    return html + insert


def _parts(html: str) -> list[_Part]:
    parts = [_Part(None, [])]
    seen = 0
    for node in top_level(html):
        if node.tag == "h2":
            parts.append(_Part(node, [], seen))
        else:
            parts[-1].nodes.append(node)
        seen += 1 if _HEADING.fullmatch(node.tag or "") else len(node.css("h1, h2, h3, h4, h5, h6"))
    return parts


def _section(part: _Part, misfits: list[Misfit]) -> SectionView:
    heading = part.heading
    assert heading is not None
    classes = tuple((heading.attributes.get("class") or "").split())
    title = Markup(_inner(heading))
    label = plain(str(title))
    kind = next((c for c in classes if c in KINDS), None)
    if kind is None and classes:
        hint = did_you_mean(classes[0], KINDS) + f"Kinds: {listing(KINDS, 20)}"
        misfits.append(Misfit("section-unknown", f'there is no section kind "{classes[0]}"', hint, part.index))
    kind = kind or _guess(part.nodes)
    body, items = "", None
    shape = _SHAPES.get(kind)
    if shape:
        found = shape(part.nodes)
        if found is None:
            misfits.append(
                Misfit(
                    "section-shape", f'"{label}" is not written as {kind}, and shown as text', _WANTED[kind], part.index
                )
            )
            kind = "prose"
        else:
            body, items = found
    rest = tuple(c for c in classes if c != kind)
    return SectionView(
        kind=kind,
        id=heading.attributes.get("id") or "",
        title=title,
        body=Markup(body) if items is not None else _html(part.nodes),
        classes=rest,
        items=tuple(items or ()),
    )


def _guess(nodes: list[LexborNode]) -> str:
    if nodes and all(_is_quote(node) for node in nodes):
        return "testimonials"
    questions = [node for node in nodes if node.tag == "h3"]
    if questions and nodes[0].tag == "h3" and all(plain(_inner(n)).endswith("?") for n in questions):
        return "faq"
    return "prose"


# --- shapes: nodes → (HTML before the items, items), or None where they do not fit -----------------------------


def _named(nodes: list[LexborNode], lists: tuple[str, ...] = ("ul", "ol")) -> tuple[str, list[ItemView]] | None:
    """A list whose items begin in bold, or `###` headings with text."""
    for index, node in enumerate(nodes):
        if node.tag in lists:
            items = [_named_item(li) for li in node.iter() if li.tag == "li"]
            found = [item for item in items if item]
            if items and len(found) == len(items):
                # What stands behind the list belongs to the section's text.
                return _html(nodes[:index]) + _html(nodes[index + 1 :]), found
    return _headed(nodes)


def _named_item(node: LexborNode) -> ItemView | None:
    inner = _inner(node).strip()
    lead = re.match(r"<p>(.*?)</p>", inner, re.S)
    first, rest = (lead[1], inner[lead.end() :]) if lead else (inner, "")
    match = _LEADING_STRONG.match(first)
    if match is None:
        return None
    text = first[match.end() :].strip()
    body = f"<p>{text}</p>{rest}" if lead and text else text + rest
    return ItemView(Markup(match[1].strip().rstrip(".:")), Markup(body))


def _headed(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    """`### Name` and what follows each."""
    groups: list[tuple[LexborNode, list[LexborNode]]] = []
    before: list[LexborNode] = []
    for node in nodes:
        if node.tag == "h3":
            groups.append((node, []))
        elif groups:
            groups[-1][1].append(node)
        else:
            before.append(node)
    if not groups:
        return None
    return _html(before), [ItemView(Markup(_inner(head)), _html(rest)) for head, rest in groups]


def _steps(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    return _named(nodes, ("ol",))


def _testimonials(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    quotes = [node for node in nodes if _is_quote(node)]
    items = [_quote(node) for node in quotes]
    found = [item for item in items if item]
    if not items or len(found) != len(items):
        return None
    return _html([node for node in nodes if not _is_quote(node)]), found


def _is_quote(node: LexborNode) -> bool:
    """Words of somebody: a callout has the same tag and is none."""
    return node.tag == "blockquote" and "callout" not in (node.attributes.get("class") or "").split()


def _quote(node: LexborNode) -> ItemView | None:
    """The last line, `— Name, role, company`, says who speaks."""
    paragraphs = [child for child in node.iter() if child.tag == "p"]
    if not paragraphs:
        return None
    lines = _BREAK.split(_inner(paragraphs[-1]).strip())
    signature = _SIGNATURE.fullmatch(lines[-1])
    if signature is None:
        return None
    name, _, role = signature[1].partition(",")
    said = "<br>".join(line for line in lines[:-1] if line.strip())
    body = _html([child for child in node.iter() if child.mem_id != paragraphs[-1].mem_id])
    return ItemView(Markup(name.strip()), body + Markup(f"<p>{said}</p>" if said else ""), plain(role))


def _logos(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    for index, node in enumerate(nodes):
        pictures = node.css("img") if node.tag == "p" else []
        if pictures and not node.text().strip():
            items = [ItemView(Markup(""), Markup(""), image=Markup(_logo(picture))) for picture in pictures]
            return _html(nodes[:index]) + _html(nodes[index + 1 :]), items
    return None


def _logo(picture: LexborNode) -> str:
    parent = picture.parent
    return str((parent if parent is not None and parent.tag == "a" else picture).html)


def _pricing(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    """`### Plan`, then a paragraph that is the price."""
    found = _grouped(nodes)
    if found is None:
        return None
    before, groups = found
    items = []
    for head, rest in groups:
        if not rest or rest[0].tag != "p":
            return None
        items.append(ItemView(Markup(_inner(head)), _html(rest[1:]), plain(_inner(rest[0]))))
    return before, items


def _team(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    found = _grouped(nodes)
    if found is None:
        return None
    items = []
    for head, rest in found[1]:
        portrait = next((n for n in rest if n.tag == "p" and n.css("img") and not n.text().strip()), None)
        others = [n for n in rest if portrait is None or n.mem_id != portrait.mem_id]
        image = _html(portrait.css("img")[:1]) if portrait is not None else Markup("")
        items.append(ItemView(Markup(_inner(head)), _html(others), image=image))
    return found[0], items


def _grouped(nodes: list[LexborNode]) -> tuple[str, list[tuple[LexborNode, list[LexborNode]]]] | None:
    starts = [i for i, node in enumerate(nodes) if node.tag == "h3"]
    if not starts:
        return None
    ends = [*starts[1:], len(nodes)]
    return _html(nodes[: starts[0]]), [(nodes[a], nodes[a + 1 : b]) for a, b in zip(starts, ends, strict=True)]


def _comparison(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    return (_html(nodes), []) if any(node.css_first("table") for node in nodes) else None


def _video(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    """A link alone in its paragraph: a file of the site is played in place, another page's film is linked to."""
    out, found = [], False
    for node in nodes:
        link = node.css_first("a") if node.tag == "p" else None
        if link is None or node.text().strip() != link.text().strip():
            out.append(node.html or "")
            continue
        found = True
        address = link.attributes.get("href") or ""
        if posixpath.splitext(urlsplit(address).path)[1].lower() in _VIDEO_FILES:
            label = escape(link.text().strip())
            out.append(f'<video controls preload="metadata" src="{escape(address)}" aria-label="{label}"></video>')
        else:
            out.append(f'<p class="actions"><a class="button" href="{escape(address)}">{_inner(link)}</a></p>')
    return ("\n".join(out), []) if found else None


def _form(nodes: list[LexborNode]) -> tuple[str, list[ItemView]] | None:
    html = _html(nodes)
    return (html, []) if f"<{EMBED}" in html else None


_SHAPES: dict[str, Shape] = {
    "features": _named,
    "steps": _steps,
    "stats": _named,
    "testimonials": _testimonials,
    "logos": _logos,
    "pricing": _pricing,
    "faq": _headed,
    "comparison": _comparison,
    "team": _team,
    "video": _video,
    "form": _form,
}
_WANTED = {
    "features": "a list of `**Name.** text`, or `### Name` with text below",
    "steps": "a numbered list of `1. **Name.** text`, or `### Name` with text below",
    "stats": "a list of `**47%** of …`, or `### 47%` with text below",
    "testimonials": "quotes (`>`) whose last line is `— Name, role, company`",
    "logos": "pictures in one paragraph",
    "pricing": "`### Plan`, the price as the next paragraph, then a list and a button",
    "faq": "`### Question?` and its answer",
    "comparison": "a table",
    "team": "`### Name`, a picture, text",
    "video": "a link to a video, alone in its paragraph",
    "form": "an embedded form: `![Get it](form:NAME)`",
}


def _inner(node: LexborNode) -> str:
    return node.inner_html or ""


def _html(nodes: Iterable[LexborNode]) -> Markup:
    return Markup("\n".join(node.html or "" for node in nodes))
