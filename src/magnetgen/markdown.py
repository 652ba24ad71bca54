"""Markdown → Fragment: one seam, two engines.

The engine makes regular HTML; ids, footnotes, tables and buttons are put right on that HTML by expressions, without
building a tree, and alike for both engines. Addresses stay as written, with their positions, until
the plan knows every URL.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from magnetgen import text
from magnetgen.diagnostics import Span
from magnetgen.model import Fragment, Heading, Ref

RESERVED_IDS = ("mg-main",)
RESERVED_PREFIXES = ("form-", "fn-", "fnref-")
"""Ids of the page around the text, of forms and of footnotes: no heading takes one."""

_HEADING = re.compile(r"<h([1-6])((?:\s[^>]*)?)>(.*?)</h\1>", re.S)
_HEADING_ATTRS = re.compile(r"\s*\{((?:\s*[#.][^\s{}#.]+)+)\s*\}\s*$")
_ID = re.compile(r"\bid=[\"']([^\"']+)[\"']")
_ANY_ID = re.compile(r"<[a-zA-Z][^<>]*?\sid=[\"']?([^\"'\s>]+)")
_OTHER_ID = re.compile(r"<(?!h[1-6]\b)[a-zA-Z][^<>]*?\sid=[\"']?([^\"'\s>]+)")
_CLASS = re.compile(r"\bclass=[\"']([^\"']+)[\"']")
_TAGS = re.compile(r"<[^>]+>")
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.S)
_ONLY_STRONG = re.compile(r"\s*<strong>(?:(?!</?strong>).)*</strong>\s*", re.S)
_BUTTON = re.compile(r'<p><strong>(<a href="[^"]*"(?: title="[^"]*")?)>((?:(?!</a>).)*)</a></strong></p>', re.S)
_ALIGN = re.compile(r'<(t[hd])((?:\s[^>]*?)??)\s*style="text-align:\s*(left|center|right);?"')
_TABLE = re.compile(r"<table>(.*?)</table>", re.S)
_HEADER_CELL = re.compile(r"<th\b[^>]*>(.*?)</th>", re.S)
_TASK = re.compile(
    r'<li>(\s*(?:<p>)?)<input disabled="" type="checkbox"( checked="")?\s*/>\s*(.*?)(?=</p>|</li>|\n?<(?:ul|ol|p|pre|blockquote))',
    re.S,
)
_NOTE = re.compile(
    r'<div class="footnote-definition" id="([^"]*)"><sup class="footnote-definition-label">(\d+)</sup>\n?(.*?)</div>\n?',
    re.S,
)
_NOTE_REF = re.compile(r'<sup class="footnote-reference"><a href="#([^"]*)">')
_NOTE_MARK = re.compile(r'<sup\b[^>]*\bid="[^"]*fnref.*?</sup>', re.S)
_CALLOUT = re.compile(
    r"<blockquote>\s*<p>\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\](?:[ \t]+(.*?))??\s*(?:<br\s*/?>\s*|\n|(?=</p>))(.*?)</p>",
    re.S | re.I,
)
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-z][a-z0-9]*)[^<>]*>", re.I)
_OPAQUE = r"<!--.*?-->|<(?:script|style|textarea|template)\b.*?</(?:script|style|textarea|template)>"
_PLAIN_REF = re.compile(r"<(a|img)\s[^>]*>", re.S)
_CANDIDATE = re.compile(r"\s*([^\s,]+)[^,]*,?")
_RAW_HTML = re.compile(r"<[a-zA-Z!/]")
_RAW_REF = re.compile(
    rf"{_OPAQUE}|<(?P<tag>[a-zA-Z][\w-]*)(?:\s+[^\s=>/\"']+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?)*\s*/?>",
    re.S | re.I,
)
_ADDRESS = re.compile(
    r"\s(href|srcset|src|poster|formaction|action|data)\s*=\s*(\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.I
)

Engine = Callable[[str], str]


PYTHON_MARKDOWN_EXTENSIONS = (
    "abbr", "def_list", "fenced_code", "footnotes", "md_in_html", "tables", "sane_lists", "smarty",
)  # fmt: skip
"""What Python-Markdown has unless the settings name others: `extra` without attribute lists, which would take
braces in headings for attributes.
"""


class EngineError(Exception):
    """The engine cannot be made as the settings want it."""


def engine(name: str, extensions: tuple[str, ...] = (), configs: dict[str, Any] | None = None) -> Engine:
    """A function from Markdown to HTML. Raises EngineError where an extension cannot be used."""
    return _python_markdown(extensions, configs or {}) if name == "python-markdown" else _pyromark()


def _pyromark() -> Engine:
    from pyromark import Markdown

    # Heading attributes are ours: the engine's would turn `## Use {braces}` into an attribute.
    return Markdown(options=_options()).html


def _options() -> Any:
    from pyromark import Options

    return (
        Options.ENABLE_TABLES
        | Options.ENABLE_FOOTNOTES
        | Options.ENABLE_STRIKETHROUGH
        | Options.ENABLE_TASKLISTS
        | Options.ENABLE_SMART_PUNCTUATION
    )


def _python_markdown(extensions: tuple[str, ...], configs: dict[str, Any]) -> Engine:
    import markdown

    chosen = extensions or PYTHON_MARKDOWN_EXTENSIONS
    try:
        converter = markdown.Markdown(extensions=chosen, extension_configs=configs, output_format="html")
    except Exception as exc:  # an extension is anybody's code, and its options are the writer's
        raise EngineError(f"Python-Markdown cannot use these extensions: {exc}") from exc
    return lambda body: converter.reset().convert(body)


def fragment(body: str, render: Engine, id_prefix: str = "") -> Fragment:
    """A page's Markdown → HTML with ids, and all that is to be known of it. `id_prefix`: for pieces of other pages."""
    out = render(body)
    headings: list[Heading] = []
    if "<h" in out:
        out = _headings(out, headings, id_prefix)
    if "<table" in out:
        out = _TABLE.sub(_table, _ALIGN.sub(r'<\1\2 class="align-\3"', out))
    if '<input disabled=""' in out:
        out = _TASK.sub(r'<li class="task">\1<label><input type="checkbox" disabled\2> \3</label>', out)
        out = out.replace(' disabled checked=""', " disabled checked")
    if "<p>[!" in out:
        out = _CALLOUT.sub(_callout, out)
    if 'class="footnote-' in out:
        out = _footnotes(out, id_prefix)
    out = _BUTTON.sub(r'<p class="actions">\1 class="button">\2</a></p>', out)
    out = out.replace(" />", ">")
    refs = _raw_refs(out) if _RAW_HTML.search(body) else _plain_refs(out)
    return Fragment(out, tuple(headings), refs)


def plain(markup: str) -> str:
    """The text of a piece of HTML."""
    return html.unescape(_TAGS.sub("", markup)).strip() if "<" in markup or "&" in markup else markup.strip()


def anchors(frag: Fragment) -> tuple[str, ...]:
    """Every id in the fragment: of headings, footnotes and raw HTML."""
    return tuple(_ANY_ID.findall(frag.html)) if "id=" in frag.html else ()


def first_paragraph(markup: str) -> str:
    """The first real one: with words, not only a picture, not only bold (which writers use as a heading)."""
    for match in _PARAGRAPH.finditer(markup):
        inner = match[1]
        if _ONLY_STRONG.fullmatch(inner):
            continue
        found = plain(_NOTE_MARK.sub("", inner))
        if any(c.isalnum() for c in found):
            return found
    return ""


def _headings(out: str, headings: list[Heading], id_prefix: str) -> str:
    """Ids, `{#id .class}`, and one level down if the text has a level-one heading: the page has its own."""
    shift = 1 if "<h1" in out else 0
    # An id in the writer's own HTML is taken, too.
    seen = {*RESERVED_IDS, *_OTHER_ID.findall(out)} if "id=" in out else set(RESERVED_IDS)

    def replace(match: re.Match[str]) -> str:
        level = min(6, int(match[1]) + shift)
        attrs, inner = match[2], match[3]
        styled = _CLASS.search(attrs)
        classes = tuple(styled[1].split()) if styled else ()
        wanted = given = _ID.search(attrs)
        found = _HEADING_ATTRS.search(inner)
        name = given[1] if given else ""
        if found:
            inner = inner[: found.start()]
            for token in re.findall(r"[#.][^\s{}#.]+", found[1].replace("–", "--")):
                if token[0] == "#":
                    name = token[1:]
                else:
                    classes += (token[1:],)
        label = plain(inner)
        base = name or id_prefix + (text.slug(label) or "section")
        if base.startswith(RESERVED_PREFIXES):
            base = f"h-{base}"
        unique = base
        number = 2
        while unique in seen:
            unique, number = f"{base}-{number}", number + 1
        seen.add(unique)
        headings.append(Heading(level, unique, label, classes))
        rest = attrs.replace(wanted[0], "").rstrip() if wanted else attrs.rstrip()
        if styled:
            rest = rest.replace(styled[0], "").rstrip()
        style = f' class="{html.escape(" ".join(classes))}"' if classes else ""
        return f'<h{level} id="{html.escape(unique)}"{style}{rest}>{inner}</h{level}>'

    return _HEADING.sub(replace, out)


def _table(match: re.Match[str]) -> str:
    """A wide table scrolls by itself: reachable by keyboard, so it needs a name."""
    label = html.escape(", ".join(filter(None, map(plain, _HEADER_CELL.findall(match[1])))) or "Table")
    return f'<div class="table" role="region" tabindex="0" aria-label="{label}"><table>{match[1]}</table></div>'


def _callout(match: re.Match[str]) -> str:
    """A quote that begins with `[!NOTE]`, as on GitHub. Its title: the rest of that line, else the mark's own word."""
    kind, title, text = match[1].lower(), match[2] or "", match[3].strip()
    if not _stands_alone(title):  # what began in the line ends behind it: then it is text, not a title
        title, text = "", f"{title}\n{text}"
    body = f"\n<p>{text}</p>" if text else ""
    label = title or kind.capitalize()
    return f'<blockquote class="callout {kind}">\n<p class="callout-title">{label}</p>{body}'


def _stands_alone(markup: str) -> bool:
    """Whether every tag of a piece of HTML ends in it."""
    tags = [m for m in _OPEN_OR_CLOSE.finditer(markup) if m[2].lower() not in ("img", "br", "input")]
    opened: list[str] = []
    for tag in tags:
        if not tag[1]:
            opened.append(tag[2])
        elif not opened or opened.pop() != tag[2]:
            return False
    return not opened and "<" not in _TAGS.sub("", markup)


def _footnotes(out: str, id_prefix: str) -> str:
    """pulldown-cmark's footnotes gathered at the end, with ids of their own and a way back."""
    notes: list[str] = []
    seen: dict[str, int] = {}

    def anchor(name: str) -> str:
        return f"{id_prefix}fn-{text.slug(html.unescape(name)) or 'note'}"

    def reference(match: re.Match[str]) -> str:
        count = seen[match[1]] = seen.get(match[1], 0) + 1
        back = anchor(match[1]).replace("fn-", "fnref-", 1) + (f"-{count}" if count > 1 else "")
        return f'<sup class="footnote-reference" id="{back}"><a href="#{anchor(match[1])}">'

    def definition(match: re.Match[str]) -> str:
        name = anchor(match[1])
        back = f'<a class="footnote-back" href="#{name.replace("fn-", "fnref-", 1)}" aria-label="{match[2]}">↩</a>'
        inner = match[3].rstrip()
        inner = f"{inner[:-4]} {back}</p>" if inner.endswith("</p>") else f"{inner} {back}"
        notes.append(f'<li id="{name}">{inner}</li>\n')
        return ""

    out = _NOTE.sub(definition, out)
    out = _NOTE_REF.sub(reference, out)
    notes = [_NOTE_REF.sub(reference, note) for note in notes]
    return out + '<div class="footnotes">\n<ol>\n' + "".join(notes) + "</ol>\n</div>\n" if notes else out


def _plain_refs(out: str) -> tuple[Ref, ...]:
    """Links and pictures of a text without HTML of its own."""
    return tuple(ref for match in _PLAIN_REF.finditer(out) for ref in _refs(match[1], match, out))


def _raw_refs(out: str) -> tuple[Ref, ...]:
    """The same where the writer mixed in HTML: any tag with an address, not in comments and scripts."""
    tags = (match for match in _RAW_REF.finditer(out) if match["tag"])
    return tuple(ref for match in tags for ref in _refs(match["tag"].lower(), match, out))


def _refs(tag: str, match: re.Match[str], out: str) -> Iterator[Ref]:
    """Every address of one tag. Only the first of a picture stands for the picture itself."""
    for number, address in enumerate(_ADDRESS.finditer(match[0])):
        group = next(i for i in (3, 4, 5) if address[i] is not None)
        start = match.start() + address.start(group)
        end = match.start() + address.end(group)
        if address[1].lower() == "srcset":
            for part in _CANDIDATE.finditer(out, start, end):
                yield Ref("other", html.unescape(part[1]), part.start(1), part.end(1), match.start(), match.end())
            continue
        image = tag == "img" and number == 0 and "srcset" not in match[0]
        kind = "image" if image else "link" if tag in ("a", "area") else "other"
        yield Ref(kind, html.unescape(out[start:end]), start, end, match.start(), match.end())


_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!>])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", "~": "&#126;"}


def escaped(words: str) -> str:
    """A text as Markdown that means nothing but itself, to both engines, in one line."""
    plain = _SPECIAL.sub(r"\\\1", " ".join(words.split()))
    return "".join(_ENTITIES.get(letter, letter) for letter in plain)


def splice(markup: str, changes: list[tuple[int, int, str]]) -> str:
    """The markup with pieces replaced: (start, end, new), in order, not overlapping."""
    if not changes:
        return markup
    out: list[str] = []
    at = 0
    for start, end, new in changes:
        out += (markup[at:start], new)
        at = end
    out.append(markup[at:])
    return "".join(out)


def attribute(tag: str, name: str) -> str:
    """An attribute's value of a tag's text, unescaped, or empty."""
    match = re.search(rf"\s{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", tag, re.I)
    return html.unescape(next(g for g in match.groups() if g is not None)) if match else ""


def locate(body: str, target: str, kind: str, first_line: int) -> tuple[Span, bool]:
    """Where an address stands in the Markdown, and whether Markdown wrote it (and not raw HTML).

    Only called when there is a fault to show. Spans are in the file: `first_line` is the body's.
    """
    from pyromark import events_with_range

    name = "Image" if kind == "image" else "Link"
    wanted = text.unquote_path(target)
    raw = body.encode()
    for event, where in events_with_range(body, options=_options()):
        start = event.get("Start") if isinstance(event, dict) else None
        inner = start.get(name) if isinstance(start, dict) else None
        if isinstance(inner, dict) and text.unquote_path(inner["dest_url"]) == wanted:
            chunk = raw[where["start"] : where["end"]].decode()
            offset = len(raw[: where["start"]].decode())
            inside = chunk.rfind(inner["dest_url"]) if inner["dest_url"] else -1
            length = len(inner["dest_url"]) if inside >= 0 else len(chunk)
            inside = max(inside, 0)
            return span_at(body, offset + inside, length, first_line), True
    for spelling in (target, wanted, html.escape(target)):
        at = body.find(spelling) if spelling else -1
        if at >= 0:
            return span_at(body, at, len(spelling), first_line), False
    return Span(first_line), True


def span_at(body: str, offset: int, length: int, first_line: int) -> Span:
    """The place of a code-point offset of a body whose first line is `first_line` of its file."""
    line = body.count("\n", 0, offset)
    column = offset - body.rfind("\n", 0, offset)
    return Span(first_line + line, column, max(1, min(length, len(body) - offset)))


def heading_span(body: str, index: int, first_line: int) -> Span:
    """The place of the nth heading (0-based)."""
    from pyromark import events_with_range

    raw = body.encode()
    for event, where in events_with_range(body, options=_options()):
        start = event.get("Start") if isinstance(event, dict) else None
        if isinstance(start, dict) and "Heading" in start:
            if index == 0:
                offset = len(raw[: where["start"]].decode())
                line = body[offset:].split("\n", 1)[0]
                return span_at(body, offset, len(line), first_line)
            index -= 1
    return Span(first_line)
