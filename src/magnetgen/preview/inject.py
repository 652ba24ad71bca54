"""What the preview adds to a page on its way to the browser: a state, a script, and nothing to the file itself."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

TAG = "magnetgen-preview"

_STYLE = re.compile(r"(<style\b[^>]*>).*?</style>", re.S | re.I)
_BODY_END = re.compile(r"</body\s*>", re.I)
_META = re.compile(r"<meta\b[^>]*>", re.I)
_IS_POLICY = re.compile(r"""http-equiv\s*=\s*["']?content-security-policy["'\s>/]""", re.I)
_CONTENT = re.compile(r"""(\bcontent\s*=\s*)("[^"]*"|'[^']*')""", re.I)
_COMMENT_LINE = re.compile(r"^\s*//.*\n", re.M)
_INDENT = re.compile(r"^\s+", re.M)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.S)


@cache
def script() -> str:
    """The client, with its stylesheet inside: a constructed stylesheet, which no policy of a page forbids."""
    folder = Path(__file__).parent / "client"
    css = " ".join(_CSS_COMMENT.sub("", (folder / "preview.css").read_text("utf-8")).split())
    source = (folder / "preview.js").read_text("utf-8").replace('"@css@"', json.dumps(css))
    return _INDENT.sub("", _COMMENT_LINE.sub("", source)).strip()


@cache
def script_hash() -> str:
    return f"'sha256-{base64.b64encode(sha256(script().encode()).digest()).decode()}'"


def digest(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def shape(text: str) -> str:
    """A digest of all but what stands in `<style>`: pages that share it differ in their looks only."""
    return digest(_STYLE.sub(r"\1", text))


def into(text: str, state: Mapping[str, object]) -> str:
    """The page with the client at its end, and its own policy widened by just that."""
    data = html.escape(json.dumps(state, ensure_ascii=False), quote=True)
    piece = f'<{TAG} hidden data-state="{data}"></{TAG}><script>{script()}</script>'
    text = _META.sub(lambda match: _meta(match[0]), text)
    ends = list(_BODY_END.finditer(text))
    at = ends[-1].start() if ends else len(text)
    return text[:at] + piece + text[at:]


def _meta(tag: str) -> str:
    if not _IS_POLICY.search(tag):
        return tag
    return _CONTENT.sub(lambda m: f'{m[1]}"{html.escape(widened(html.unescape(m[2][1:-1])))}"', tag, count=1)


def widened(policy: str) -> str:
    """A Content-Security-Policy that lets the client's script run, and lets it ask the preview."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        name, *values = part.split() or [""]
        if name:
            directives.setdefault(name.lower(), values)  # of two with one name, the first counts
    # 'unsafe-inline' without hashes lets the script run, and a hash would switch it off for the page's own.
    for name in ("script-src-elem", "script-src"):
        if name in directives:
            _widen(directives, name, script_hash())
    if "script-src" not in directives and "script-src-elem" not in directives and "default-src" in directives:
        directives["script-src"] = list(directives["default-src"])
        _widen(directives, "script-src", script_hash())
    if "connect-src" in directives or "default-src" in directives:
        directives.setdefault("connect-src", list(directives.get("default-src", ())))
        _widen(directives, "connect-src", "'self'")
    return "; ".join(" ".join((name, *values)) for name, values in directives.items())


def _widen(directives: dict[str, list[str]], name: str, value: str) -> None:
    values = [v for v in directives[name] if v.lower() != "'none'"]
    strict = any(v.startswith(("'sha", "'nonce-", "'strict-dynamic'")) for v in values)
    if value in values or (value.startswith("'sha") and "'unsafe-inline'" in values and not strict):
        return
    directives[name] = [*values, value]
