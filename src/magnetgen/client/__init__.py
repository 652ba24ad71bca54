"""The scripts of a page: attribution and form help. Small, inlined, and never needed for a form to work.

A page that shows a form with a challenge has one script more, and that form cannot be sent without it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_COMMENT_LINE = re.compile(r"^\s*//.*\n", re.M)
_INDENT = re.compile(r"^\s+", re.M)


@cache
def script(name: str) -> str:
    """A script as it goes into pages, by its file's name: comment lines and indentation removed."""
    source = (Path(__file__).parent / f"{name}.js").read_text("utf-8")
    return _INDENT.sub("", _COMMENT_LINE.sub("", source)).strip()


def page_script() -> str:
    """What every page carries."""
    return script("attribution") + "\n" + script("form")


_ANSWERS = {"proof-of-work": "proof", "turnstile": "turnstile"}


def challenge_script(kinds: frozenset[str]) -> str:
    """What a page with challenges of these kinds carries besides, in a scope of its own."""
    answers = (script(name) for kind, name in _ANSWERS.items() if kind in kinds)
    return "\n{let solvers={};\n" + "\n".join([*answers, script("challenge")]) + "\n}"
