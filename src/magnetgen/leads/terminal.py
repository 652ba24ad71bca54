"""Text for a terminal: made harmless, measured in columns, cut to fit."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

GAP = "  "
ELLIPSIS = "…"
TINTS = {
    "confirmed": "32",
    "pending": "33",
    "held": "33",
    "unsubscribed": "2",
    "quarantined": "31",
    "done": "32",
    "due": "33",
    "leased": "33",
    "dead": "31",
}
"""A state's colour, as the parameter of an SGR sequence."""
_JOINERS = "\u200c\u200d"
_HARMFUL = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")


def visible(text: object, newlines: bool = False) -> str:
    """A value that somebody sent, as it may be printed: nothing in it moves the cursor, colours, or turns the line."""
    return "".join(_harmless(char, newlines) for char in str(text))


def _harmless(char: str, newlines: bool) -> str:
    if char.isascii() and char.isprintable():
        return char
    if char in "\n\t":
        return char if newlines and char == "\n" else " "
    if char not in _JOINERS and unicodedata.category(char) in _HARMFUL:
        return "\N{REPLACEMENT CHARACTER}"
    return char


def width(text: str) -> int:
    """Columns that a terminal gives to a text; of an emoji that is put together, at most that many."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """As much as fits, with a sign where something is missing."""
    if width(text) <= columns:
        return text
    kept, left = "", columns - 1
    for char in text:
        left -= _columns(char)
        if left < 0:
            break
        kept += char
    return kept.rstrip() + ELLIPSIS if columns > 0 else ""


def pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def columns() -> int | None:
    """How wide the terminal is, or COLUMNS says; None where nobody looks, and nothing needs to be cut."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, 20)
    return None


def has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tinted(text: str, state: str, colour: bool) -> str:
    """A text in the colour of a state."""
    return f"\x1b[{TINTS[state]}m{text}\x1b[0m" if colour and state in TINTS else text


def say(*lines: str) -> None:
    """Print to stdout; what its encoding does not have becomes a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


@dataclass(frozen=True)
class Column:
    """`least`: what it may be cut to; None: never cut. `spare`: it goes before others are cut. `state`: has colours."""

    title: str
    least: int | None = None
    spare: bool = False
    right: bool = False
    state: bool = False


def table(heads: Sequence[Column], rows: Sequence[Sequence[str]], total: int | None, colour: bool) -> list[str]:
    """Lines that fit into `total` columns; cells below each other where they do not fit beside each other."""
    widths = _fitted(heads, rows, total)
    if widths is None:
        return _stacked(heads, rows, total or 0, colour)
    titles = _line(heads, [head.title for head in heads], widths, False)
    lines = [f"\x1b[1m{titles}\x1b[0m" if colour else titles]
    return lines + [_line(heads, row, widths, colour) for row in rows]


def _fitted(heads: Sequence[Column], rows: Sequence[Sequence[str]], total: int | None) -> list[int] | None:
    widths = [max(width(head.title), *(width(row[n]) for row in rows)) for n, head in enumerate(heads)]
    if total is None or _excess(widths, total) <= 0:
        return widths
    for number, head in enumerate(heads):
        if head.spare:
            _cut(widths, number, head, total)
            if _excess(widths, total) > 0:
                widths[number] = 0
    for number, head in reversed(list(enumerate(heads))):
        if head.least is not None and not head.spare:
            _cut(widths, number, head, total)
    return widths if _excess(widths, total) <= 0 else None


def _excess(widths: Sequence[int], total: int) -> int:
    shown = [columns for columns in widths if columns]
    return sum(shown) + len(GAP) * (len(shown) - 1) - total


def _cut(widths: list[int], number: int, head: Column, total: int) -> None:
    """Narrow one column as far as is needed and allowed."""
    least = max(head.least or 0, width(head.title))
    if (excess := _excess(widths, total)) > 0:
        widths[number] = max(widths[number] - excess, min(least, widths[number]))


def _line(heads: Sequence[Column], row: Sequence[str], widths: Sequence[int], colour: bool) -> str:
    cells = []
    for head, text, columns in zip(heads, row, widths, strict=True):
        if columns:
            shown = cut(text, columns)
            shown = " " * (columns - width(shown)) + shown if head.right else pad(shown, columns)
            cells.append(_coloured(head, shown, colour))
    return GAP.join(cells).rstrip()


def _coloured(head: Column, shown: str, colour: bool) -> str:
    return tinted(shown, shown.partition(" ")[0], colour and head.state)


def _stacked(heads: Sequence[Column], rows: Sequence[Sequence[str]], total: int, colour: bool) -> list[str]:
    label = max(width(head.title) for head in heads)
    lines = []
    for row in rows:
        lines.append(cut(row[0], total))
        for head, text in zip(heads[1:], row[1:], strict=True):
            if text:
                shown = cut(text, total - label - 2 * len(GAP))
                lines.append(f"{GAP}{pad(head.title, label)}{GAP}{_coloured(head, shown, colour)}")
    return lines
