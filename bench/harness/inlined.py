"""The stylesheet and script that every page carries: magnetgen's own, so all tools write the same bytes."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What the theme writes before its stylesheet when a site names no colour of its own.
PALETTE = ":root{--brand:#0b6e4f;--on-brand:#ffffff;--brand-ink:#0b6e4f;--brand-ink-dark:#48927b}"
SCRIPTS = ("attribution.js", "form.js")
_COMMENT = re.compile(r"^\s*/\*.*?\*/|^\s*//[^\n]*$", re.S | re.M)
_LINE_EDGES = re.compile(r"\s*\n\s*")


def stylesheet() -> str:
    return PALETTE + _squeezed(ROOT / "themes/lodestone/static/style.css")


def script() -> str:
    return "\n".join(_squeezed(ROOT / "src/magnetgen/client" / name) for name in SCRIPTS)


def _squeezed(file: Path) -> str:
    """Without comments and indentation, as magnetgen inlines it too."""
    return _LINE_EDGES.sub("\n", _COMMENT.sub("", file.read_text(encoding="utf-8"))).strip()
