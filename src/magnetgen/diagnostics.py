"""Faults in content are values: a Diagnostic says what, where, and how to mend it; a Report gathers them all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

ERROR = "error"
WARNING = "warning"


class Span(Struct, frozen=True):
    """A place in a file: 1-based line, 1-based column in code points, length in code points."""

    line: int
    column: int = 1
    length: int = 1


class Diagnostic(Struct, frozen=True):
    """One fault. `path` is relative to the site, with `/`. `span` is None only where a file has no lines."""

    code: str
    severity: str
    message: str
    path: str
    span: Span | None = None
    hint: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        span = self.span or Span(0, 0)
        return (self.path, span.line, span.column, self.code, self.message)


def error(code: str, message: str, path: str, span: Span | None = None, hint: str = "") -> Diagnostic:
    return Diagnostic(code, ERROR, message, path, span or Span(1), hint)


def warning(code: str, message: str, path: str, span: Span | None = None, hint: str = "") -> Diagnostic:
    return Diagnostic(code, WARNING, message, path, span, hint)


class Report:
    """All diagnostics of a run, each once."""

    def __init__(self) -> None:
        self._found: set[Diagnostic] = set()

    def add(self, *diagnostics: Diagnostic) -> None:
        self._found.update(diagnostics)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        self._found.update(diagnostics)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(self._found, key=lambda d: d.sort_key))

    @property
    def errors(self) -> int:
        return sum(d.severity == ERROR for d in self._found)

    @property
    def warnings(self) -> int:
        return len(self._found) - self.errors

    def fails(self, strict: bool = False) -> bool:
        """Whether these faults keep a build from being written; `strict`: warnings too."""
        return bool(self._found) if strict else self.errors > 0


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The shape that `--format json` prints; others' scripts read it."""
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "path": diagnostic.path,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "hint": diagnostic.hint,
    }


PRIVATE = "content/magnets/"
"""Where files lie that only leads receive."""


class TextRenderer:
    """Diagnostics for people: place, message, the line itself with the place marked, hint."""

    def __init__(self, root: Path, color: bool = False) -> None:
        self._root = root
        self._color = color
        self._lines: dict[str, list[str]] = {}

    def render(self, diagnostic: Diagnostic) -> str:
        span = diagnostic.span
        place = diagnostic.path + (f":{span.line}:{span.column}" if span else "")
        label = f"{diagnostic.severity}[{diagnostic.code}]"
        tint = "31" if diagnostic.severity == ERROR else "33"
        out = [f"{self._paint(place, '1')} {self._paint(label, tint)} {diagnostic.message}", *self.excerpt(diagnostic)]
        if diagnostic.hint:
            out.append(f"  {self._paint('hint:', '36')} {diagnostic.hint}")
        return "\n".join(out)

    def excerpt(self, diagnostic: Diagnostic) -> list[str]:
        """The line with its number, and below it the mark; empty where there is nothing to see."""
        span = diagnostic.span
        line = self._line(diagnostic.path, span.line) if span else None
        if span is None or line is None or not line.strip():
            return []
        tint = "31" if diagnostic.severity == ERROR else "33"
        width = 100
        start = max(0, span.column - 1 - width // 2) if len(line) > width else 0
        shown = line[start : start + width].replace("\t", " ")
        length = max(1, min(span.length, len(shown) - (span.column - 1 - start)))
        mark = " " * (span.column - 1 - start) + "^" * length
        return [f"{span.line:>5} | {shown}", f"      | {self._paint(mark, tint)}"]

    def _line(self, path: str, number: int) -> str | None:
        if path.startswith(PRIVATE) and not path.endswith((".md", ".markdown")):
            return None  # a code or a key: reports are read by others, too
        if path not in self._lines:
            try:
                file = (self._root / path).resolve()
                inside = file.is_relative_to(self._root.resolve())  # a link out of the site is refused, and not read
                text = file.read_bytes().decode("utf-8-sig", "replace") if inside else ""
            except (OSError, RuntimeError):
                text = ""
            self._lines[path] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = self._lines[path]
        return lines[number - 1] if 0 < number <= len(lines) else None

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def as_github(diagnostic: Diagnostic, prefix: str = "") -> str:
    """A workflow command of GitHub Actions. `prefix`: the site's folder below the repository's root."""

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def prop(text: str) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    props = [f"file={prop(prefix + diagnostic.path)}"]
    if diagnostic.span:
        props += [f"line={diagnostic.span.line}", f"col={diagnostic.span.column}"]
    props.append(f"title={prop(diagnostic.code)}")
    message = diagnostic.message + (f"\nhint: {diagnostic.hint}" if diagnostic.hint else "")
    return f"::{diagnostic.severity} {','.join(props)}::{data(message)}"


def dump_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
