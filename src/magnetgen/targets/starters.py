"""Files at the site's root that people change: made once, and looked at ever after."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from magnetgen import __version__
from magnetgen.diagnostics import Diagnostic, Span, error, warning
from magnetgen.targets import Site

NOTE = "# Made by magnetgen, and yours from here on: it is never written over.\n"


REQUIREMENTS = "requirements.txt"


def requirements() -> str:
    """What a host's build, and a workflow, install."""
    return (
        f"{NOTE}# What builds elsewhere install. A tag of a repository will do: magnetgen @ git+https://HOST/OWNER/REPO@TAG\n"
        f"magnetgen=={__version__}\n"
    )


def read_toml(root: Path, name: str) -> tuple[Mapping[str, Any] | None, str, Diagnostic | None]:
    """(data, text, fault) of a file that is there; no data where there is none, or it is not TOML."""
    try:
        text = (root / name).read_text("utf-8-sig")  # some editors put a mark there, and the hosts' tools take it
        return tomllib.loads(text), text, None
    except FileNotFoundError:
        return None, "", None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        found = re.search(r"line (\d+), column (\d+)", str(exc))
        span = Span(int(found[1]), int(found[2])) if found else Span(1)
        message = f"this is not TOML: {str(exc).partition(' (at')[0]}"
        return None, "", error("target-file", message, name, span, "mend it, or delete it to have it made anew")


_JSONC = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.S)


def read_jsonc(root: Path, name: str) -> tuple[Mapping[str, Any] | None, str, Diagnostic | None]:
    """The same of JSON with comments."""
    try:
        text = (root / name).read_text("utf-8-sig")
        data = json.loads(_JSONC.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), text))
        return (data, text, None) if isinstance(data, dict) else (None, text, None)
    except FileNotFoundError:
        return None, "", None
    except ValueError as exc:
        line = getattr(exc, "lineno", 1)
        hint = "mend it, or delete it to have it made anew"
        return None, "", error("target-file", f"this is not JSON: {exc}", name, Span(line), hint)


def folder(site: Site) -> str:
    """The output folder as such a file is to name it: a place outside of the site, for one build, is not kept there."""
    return site.plan.config.build.out if site.out.startswith("/") else site.out


def get(data: Mapping[str, Any], path: Sequence[str]) -> Any:
    """A value by its path; None where there is none."""
    found: Any = data
    for key in path:
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def place(text: str, path: Sequence[str]) -> Span:
    """Where a key stands in TOML or JSON: the line of its name below its table's, else that of its table, else 1."""
    lines = text.splitlines()
    start = 0
    for table in path[:-1]:
        pattern = re.compile(rf"""^\s*(\[+[^\]]*\b{re.escape(table)}\b|"{re.escape(table)}"\s*:)""")
        start = next((n for n, line in enumerate(lines[start:], start) if pattern.search(line)), start)
    key = re.compile(rf"""^\s*["']?{re.escape(path[-1])}["']?\s*[=:]""")
    for number, line in enumerate(lines[start:], start):
        if key.search(line):
            return Span(number + 1, len(line) - len(line.lstrip()) + 1, len(line.strip()))
    return Span(start + 1, 1, len(lines[start]) if lines else 1)


def differs(name: str, text: str, path: Sequence[str], found: Any, wanted: str, fatal: bool) -> Diagnostic:
    """A setting that is not what the build needs."""
    key = ".".join(path)
    said = f"says {found!r}" if found not in (None, "") else "is not set"
    make = error if fatal else warning
    hint = f"set it to {wanted}, or delete {name} to have it made anew"
    return make("target-file-differs", f"{key} {said}, and this build needs {wanted}", name, place(text, path), hint)


def norm(value: Any) -> str:
    """A folder as it is meant, however it is written."""
    return "/".join(part for part in str(value or "").split("/") if part not in ("", "."))
