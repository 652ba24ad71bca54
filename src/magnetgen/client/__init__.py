"""The scripts of a page: attribution and form help. Small, inlined, and never needed for a form to work."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_COMMENT_LINE = re.compile(r"^\s*//.*\n", re.M)
_INDENT = re.compile(r"^\s+", re.M)


@cache
def script(name: str) -> str:
    """A script as it goes into pages: `attribution`, `form` or `download`, comment lines and indentation removed."""
    source = (Path(__file__).parent / f"{name}.js").read_text("utf-8")
    return _INDENT.sub("", _COMMENT_LINE.sub("", source)).strip()


def page_script() -> str:
    """What every page carries."""
    return script("attribution") + "\n" + script("form")
