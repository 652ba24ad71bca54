"""Front matter and YAML, strictly: nothing is guessed, nothing lost, and every fault has a place.

Scalars stay text; the schema gives them their types. So `no` in a title is the word "no", and `12:30:00` is not
45000. Only below free keys (`extra`) the types of YAML 1.2's core schema apply. What YAML 1.1 would read
otherwise is a warning.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler
from msgspec import Struct

from magnetgen.diagnostics import Diagnostic, Span, error, warning

MAX_DEPTH = 32
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_OWN_TAGS = ("!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TAB_INDENT = re.compile(r"^( *)\t", re.M)
_KEY_LINE = re.compile(r"^[A-Za-z_][\w-]*:( |$)")
_SURPRISE = re.compile(
    r"(?P<bool>[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)|(?P<time>[0-9]+(:[0-5]?[0-9])+)|(?P<octal>0[0-7]+)"
)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MOJIBAKE = re.compile(r"[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
                       r"\u2013\u2014\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]+")  # fmt: skip

Path = tuple[str | int, ...]


class Fault(Exception):
    """A document that cannot be read; carries the diagnostics, nothing else."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics


class Document(Struct):
    """A file with front matter. `line` is where the front matter's YAML begins, `body_line` where the body does."""

    path: str
    data: dict[str, Any]
    body: str = ""
    node: yaml.MappingNode | None = None
    line: int = 1
    body_line: int = 1
    diagnostics: list[Diagnostic] = []

    def span(self, path: Path, key: bool = False) -> Span:
        """The place of the value at `path` (of its key with `key`, or where the value is empty)."""
        node: yaml.Node | None = self.node
        found = _Place(self.node, None) if self.node else None
        for step in path:
            found = _descend(node, step) if node is not None else None
            if found is None:
                break
            node = found.value
        if found is None or (found.key is None and not path):
            return Span(self.line)
        mark = found.key if key or found.value is None or _is_empty(found.value) else found.value
        return self._span_of(mark or found.value or found.key)

    def _span_of(self, node: yaml.Node | None) -> Span:
        if node is None:
            return Span(self.line)
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Span(self.line + start.line, start.column + 1, max(1, length))


class _Place(Struct):
    value: yaml.Node | None
    key: yaml.Node | None


def _descend(node: yaml.Node, step: str | int) -> _Place | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == step:
                return _Place(value, key)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return _Place(node.value[step], None)
    return None


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style


def decode(data: bytes, path: str) -> str:
    """Bytes to text: UTF-8, byte order mark removed, line ends as `\\n`."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Fault(error("not-utf8", "this file is UTF-16, not UTF-8", path, Span(1), "save it as UTF-8"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        offset = exc.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        before = data[:offset].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        span = Span(before.count("\n") + 1, len(before) - before.rfind("\n"))
        meant = data[offset : offset + 1].decode("cp1252", "replace")
        raise Fault(
            error(
                "not-utf8",
                f"byte 0x{data[offset]:02X} is not UTF-8",
                path,
                span,
                f'in Windows-1252 it would be "{meant}": save the file as UTF-8',
            )
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def mojibake(text: str, path: str) -> list[Diagnostic]:
    """UTF-8 that was once read as Windows-1252, such as `â€™` for an apostrophe: a warning for each."""
    if text.isascii():
        return []
    found = []
    for match in _MOJIBAKE.finditer(text):
        meant, length = _undo_cp1252(match[0])
        if meant:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            wrong = match[0][:length]
            found.append(
                warning(
                    "mojibake",
                    f'"{wrong}" looks like a character that was decoded wrongly',
                    path,
                    Span(line, column, length),
                    f'it should probably be "{meant}": replace it, and save the file as UTF-8',
                )
            )
    return found


def _undo_cp1252(text: str) -> tuple[str, int]:
    """The characters that were meant, and how much of the text they explain."""
    for length in range(len(text), 1, -1):
        try:
            raw = b"".join(c.encode("latin-1" if "\x80" <= c <= "\x9f" else "cp1252") for c in text[:length])
            meant = raw.decode("utf-8")
        except UnicodeError:
            continue
        return meant, length
    return "", 0


class StrictHandler(YAMLHandler):
    """python-frontmatter's handler with the strict reader; its boundaries are used with their positions."""

    def bounds(self, text: str, path: str) -> tuple[int, int, int] | None:
        """(start of the YAML, its end, start of the body), or None without front matter."""
        if self.FM_BOUNDARY.match(text) is None:
            return None
        start = text.find("\n") + 1 or len(text)
        closing = self.FM_BOUNDARY.search(text, start)
        if closing is None:
            raise Fault(_unclosed(text, path))
        return start, closing.start(), text.find("\n", closing.start()) + 1 or len(text)

    def read(self, text: str, path: str, free: frozenset[str]) -> Document:
        bounds = self.bounds(text, path)
        if bounds is None:
            return Document(path, {}, text)
        start, end, body = bounds
        doc = parse(text[start:end], path, line=2, free=free)
        doc.body = text[body:]
        doc.body_line = text.count("\n", 0, body) + 1
        return doc


_HANDLER = StrictHandler()


def read(text: str, path: str, free: frozenset[str] = frozenset({"extra"})) -> Document:
    """A decoded file → its front matter and body. `free`: top-level keys whose values are typed by YAML itself."""
    return _HANDLER.read(text, path, free)


def body(text: str, path: str) -> str:
    """A decoded file's text without its front matter, which is not read."""
    bounds = _HANDLER.bounds(text, path)
    return text[bounds[2] :] if bounds else text


def _unclosed(text: str, path: str) -> Diagnostic:
    last = 1
    for number, line in enumerate(text.split("\n")[1:], 2):
        if not (_KEY_LINE.match(line) or line.startswith((" ", "-", "#"))):
            break
        last = number
    return error(
        "front-matter-unclosed",
        "the front matter that begins here never ends",
        path,
        Span(1, 1, 3),
        f"add a line with only --- after line {last}",
    )


def parse(text: str, path: str, line: int = 1, free: frozenset[str] = frozenset()) -> Document:
    """YAML text → a Document without body. Raises Fault. `line`: where the text begins in its file."""
    try:
        node = _Loader(text).get_single_node()
    except yaml.YAMLError as exc:
        raise Fault(_syntax(exc, text, path, line)) from None
    if node is None:
        return Document(path, {}, line=line)
    if not isinstance(node, yaml.MappingNode):
        raise Fault(
            error(
                "yaml-syntax",
                "expected lines of `key: value`",
                path,
                Span(line + node.start_mark.line, node.start_mark.column + 1),
                "put a space after the colon: `title: My page`",
            )
        )
    reader = _Reader(path, line)
    data = reader.mapping(node, free, 0)
    if reader.errors:
        raise Fault(*reader.errors, *reader.warnings)
    return Document(path, data, node=node, line=line, diagnostics=reader.warnings)


class _Reader:
    """Nodes to values; notes duplicate keys, foreign tags, runaway aliases and YAML 1.1 surprises."""

    def __init__(self, path: str, line: int) -> None:
        self.path, self.line = path, line
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.budget = 100_000

    def mapping(self, node: yaml.MappingNode, free: frozenset[str] | None, depth: int) -> dict[str, Any]:
        """`free`: keys whose values are typed here; None: all are."""
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self._error("yaml-syntax", "a key must be plain text", key_node, "quote the key")
                continue
            if key in out:
                self._error("yaml-duplicate-key", f'the key "{key}" is given twice', key_node, "keep one of the two")
            typed = free is None or key in free
            out[key] = self.value(value_node, typed, depth + 1)
        return out

    def value(self, node: yaml.Node, typed: bool, depth: int) -> Any:
        self.budget -= 1
        if depth > MAX_DEPTH or self.budget < 0:
            self._error("yaml-syntax", "nested or repeated too deeply", node, "write it out more simply")
            return None
        if node.tag and node.tag not in _OWN_TAGS:
            self._error("yaml-syntax", f"unknown tag {node.tag}", node, "quote the value if it begins with !")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, None if typed else frozenset(), depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, typed, depth + 1) for item in node.value]
        assert isinstance(node, yaml.ScalarNode)
        text: str = node.value
        if node.style:
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text[0] in "0123456789yYnNoO" and (match := _SURPRISE.fullmatch(text)):
            self._surprise(node, match)
        return core_scalar(text) if typed else text

    def _surprise(self, node: yaml.ScalarNode, match: re.Match[str]) -> None:
        kinds = {"bool": "true or false", "time": "a number of seconds", "octal": "an octal number"}
        kind = next(name for name in kinds if match[name])
        hint = f'quote it: "{match[0]}"' + ("; or write true or false" if kind == "bool" else "")
        self.warnings.append(
            warning(
                "yaml-ambiguous",
                f"`{match[0]}` is read as written; other tools read it as {kinds[kind]}",
                self.path,
                self._span(node),
                hint,
            )
        )

    def _error(self, code: str, message: str, node: yaml.Node, hint: str) -> None:
        self.errors.append(error(code, message, self.path, self._span(node), hint))

    def _span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Span(self.line + start.line, start.column + 1, max(1, length))


def core_scalar(text: str) -> str | int | float | bool:
    """A plain scalar by YAML 1.2's core schema; a number that is not one stays text."""
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.fullmatch(text) and len(text) < 19:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _syntax(exc: yaml.YAMLError, text: str, path: str, line: int) -> Diagnostic:
    """A parser's complaint in a writer's words."""
    mark = getattr(exc, "problem_mark", None)
    lines = text.split("\n")
    tab = _TAB_INDENT.search(text)
    if tab:
        row = text.count("\n", 0, tab.start())
        return error(
            "yaml-tab",
            "a tab used to indent",
            path,
            Span(line + row, len(tab[1]) + 1),
            "YAML takes spaces only: replace the tab by two spaces",
        )
    if mark is None:
        position = getattr(exc, "position", 0) or 0
        row = text.count("\n", 0, position)
        column = position - text.rfind("\n", 0, position)
        message = "a control character"
        return error("yaml-syntax", message, path, Span(line + row, max(1, column)), "delete the character")
    opened = getattr(exc, "context_mark", None)
    if opened is not None and any(word in str(exc.context) for word in ("quoted scalar", "flow")):  # type: ignore[attr-defined]
        mark = opened  # what was left open tells more than where the text ended
    row, column = mark.line, mark.column
    source = lines[row] if row < len(lines) else ""
    problem = getattr(exc, "problem", None) or "not valid YAML"
    colon = re.match(r"(\s*(?:- )?[\w-]+:\s+)([^\"'\[{|>#].*?)\s*$", source)
    if "mapping values are not allowed" in problem and colon and ": " in colon[2] + " ":
        at = len(colon[1])
        quoted = colon[2].replace("\\", "\\\\").replace('"', '\\"')
        return error(
            "yaml-colon",
            "a value with a colon needs quotes",
            path,
            Span(line + row, at + 1, len(colon[2])),
            f'{colon[1].strip()} "{quoted}"',
        )
    if row >= len(lines) or (not source.strip() and row > 0):  # the mark stands behind what was left open
        row = max(i for i in range(min(row, len(lines))) if lines[i].strip() or i == 0)
        column = 0
    context = getattr(exc, "context", None)
    message = f"{problem} ({context})" if context else str(problem)
    return error("yaml-syntax", message, path, Span(line + row, column + 1), _syntax_hint(message, source))


def _syntax_hint(message: str, source: str) -> str:
    if "quoted scalar" in message:
        return "a quotation mark is left open"
    if "flow sequence" in message or "flow mapping" in message:
        return "a bracket is left open"
    if "alias" in message or "anchor" in message or "cannot start any token" in message:
        return "quote the value: it begins with a character that YAML uses itself (* & @ ` % ! |)"
    if "could not find expected ':'" in message:
        return "put `key: value` on this line, or indent it below the line before"
    return "quote the value, or check that keys stand exactly below each other"
