"""What a page loads and runs, and the Content-Security-Policy that allows just that.

Inline scripts and styles are allowed by their SHA-256, so nothing needs `unsafe-inline`. A policy for several pages is
the union of what each of them needs.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from html import unescape
from urllib.parse import urlsplit

Sources = Mapping[str, tuple[str, ...]]
"""Directive → what it allows, sorted: `'self'`, `data:`, origins, hashes."""

BLOCKED = "blocked"
"""Among what a page needs: attributes with scripts, which no policy of ours allows."""

TURNSTILE = "https://challenges.cloudflare.com"

_ALWAYS: Sources = {
    "default-src": ("'none'",),
    "img-src": ("'self'",),
    "font-src": ("'self'",),
    "media-src": ("'self'",),
    "manifest-src": ("'self'",),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
}
_ORDER = (
    "default-src", "script-src", "style-src", "img-src", "font-src", "media-src", "manifest-src", "connect-src",
    "frame-src", "object-src", "worker-src", "form-action", "base-uri", "frame-ancestors",
)  # fmt: skip
_NOT_IN_PAGES = ("frame-ancestors",)
"""Browsers ignore it in a `<meta>`, and say so."""

_REST = r"""((?:"[^"]*"|'[^']*'|[^>"'])*)>)"""
_COMMENT = r"<(?:!--(?:-?>|.*?-->|.*$)|"
_TAG = re.compile(_COMMENT + r"([a-zA-Z][\w:-]*)" + _REST, re.S)
_LOADING = re.compile(
    _COMMENT + r"(audio|button|embed|form|iframe|image|img|input|link|object|script|source|style|textarea|title|track|video)"
    r"(?=[\s/>])" + _REST,
    re.S | re.I,
)  # fmt: skip
"""The tags that matter by their names."""
_ANYWHERE = tuple(
    re.compile(pattern)
    for pattern in (r"style\s*=", r"S(?:tyle|TYLE)\s*=", r"on[a-zA-Z]+\s*=", r"O[nN][a-zA-Z]+\s*=",
                    r"javascript:", r"J(?:ava[sS]cript|AVASCRIPT):")
)  # fmt: skip
"""What matters on any tag. Each begins with a letter, which is looked for much faster than a class of them."""
_ATTR = re.compile(r"""([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_END = {name: re.compile(rf"</{name}\s*>", re.I) for name in ("script", "style", "textarea", "title")}
_CSS_URL = re.compile(r"""url\(\s*["']?((?:https?:)?//[^"')\s]+|data:)|@import\s+["']((?:https?:)?//[^"']+)""", re.I)
_RUNS = re.compile(r"|module|importmap|speculationrules|(?:text|application)/(?:x-)?(?:java|ecma)script[\d.]*", re.I)
_LINKS = {"stylesheet": "style-src", "icon": "img-src", "apple-touch-icon": "img-src", "manifest": "manifest-src",
          "modulepreload": "script-src"}  # fmt: skip
_PRELOADS = {"font": "font-src", "image": "img-src", "script": "script-src", "style": "style-src"}
_SOURCES = {
    ("script", "src"): "script-src",
    ("img", "src"): "img-src",
    ("input", "src"): "img-src",
    ("image", "href"): "img-src",
    ("video", "src"): "media-src",
    ("video", "poster"): "img-src",
    ("audio", "src"): "media-src",
    ("source", "src"): "media-src",
    ("track", "src"): "media-src",
    ("iframe", "src"): "frame-src",
    ("embed", "src"): "object-src",
    ("object", "data"): "object-src",
    ("form", "action"): "form-action",
    ("button", "formaction"): "form-action",
}


def needs(html: str, own: str) -> Sources:
    """What a page needs. `own`: the site's origin, which pages are to call `'self'`."""
    found: dict[str, set[str]] = {}
    for directive, source in _needs(html.replace("\r\n", "\n"), own):
        found.setdefault(directive, set()).add(source)
    return {directive: tuple(sorted(sources)) for directive, sources in found.items()}


def _needs(html: str, own: str) -> Iterator[tuple[str, str]]:
    tags, at = _TAG if _has_more(html) else _LOADING, 0
    while match := tags.search(html, at):
        at = match.end()
        if match[1] is None:  # a comment
            continue
        name, attrs = match[1].lower(), _attrs(match[2])
        yield from _attribute_needs(name, attrs, own)
        if name not in _END:
            continue
        end = _END[name].search(html, at)
        text = html[at : end.start() if end else len(html)]
        at = end.end() if end else len(html)
        if name == "style":
            yield "style-src", digest(text)
            yield from _css_needs(text, own)
        elif name == "script" and "src" not in attrs and _RUNS.fullmatch(attrs.get("type", "").strip()):
            yield "script-src", digest(text)


def _has_more(html: str) -> bool:
    """Whether there may be more to see than tags that load. Most pages have nothing of it, and are read faster then."""
    hits = (match for pattern in _ANYWHERE for match in pattern.finditer(html))
    return any(html[match.start() - 1 : match.start()] in ("", " ", "\n", "\t", '"', "'", "/", "=") for match in hits)


@lru_cache(maxsize=4096)
def _attrs(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTR.findall(text):
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found


def _attribute_needs(name: str, attrs: Mapping[str, str], own: str) -> Iterator[tuple[str, str]]:
    for key, value in attrs.items():
        directive = _SOURCES.get((name, key.removeprefix("xlink:")))
        if directive and (source := _source(value, own)):
            yield directive, source
            if directive in ("script-src", "form-action") and source != "'self'":
                yield "connect-src", source  # a script reports to where it comes from; a form is sent by fetch
        elif key == "srcset":
            yield from (("img-src", s) for part in value.split(",") if (s := _source(part, own)))
        elif key.startswith("on") or (key == "href" and value.strip().lower().startswith("javascript:")):
            yield BLOCKED, key
        elif key == "style":
            yield "style-src", "'unsafe-hashes'"
            yield "style-src", digest(value)
            yield from _css_needs(value, own)
    if name == "link":
        for word in attrs.get("rel", "").lower().split():
            directive = _PRELOADS.get(attrs.get("as", "")) if word == "preload" else _LINKS.get(word)
            if directive and (source := _source(attrs.get("href", ""), own)):
                yield directive, source
    if name == "script" and attrs.get("src", "").startswith(TURNSTILE + "/"):
        yield "frame-src", TURNSTILE


@lru_cache(maxsize=256)
def _css_needs(css: str, own: str) -> tuple[tuple[str, str], ...]:
    """Addresses in a stylesheet: which of them are fonts, only their use tells."""
    found = []
    for url, imported in _CSS_URL.findall(css):
        if source := _source(url or imported, own):
            found += [(kind, source) for kind in (("style-src",) if imported else ("img-src", "font-src"))]
    return tuple(found)


def _source(url: str, own: str) -> str:
    """What a policy calls the place of an address; empty where it loads nothing."""
    url = url.strip().partition(" ")[0]
    if url.startswith("//"):
        url = "https:" + url
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme == "data":
        return "data:"
    if parts.scheme in ("http", "https") and parts.netloc:
        found = origin(url)
        return "'self'" if found == own else found
    return "'self'" if not parts.scheme and url and not url.startswith("#") else ""


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


@lru_cache(maxsize=256)
def digest(text: str) -> str:
    """An inline script or style as a policy names it."""
    return f"'sha256-{b64encode(sha256(text.encode(errors='replace')).digest()).decode()}'"


def union(parts: Iterable[Sources]) -> Sources:
    """What all of them need together."""
    found: dict[str, set[str]] = {}
    for part in parts:
        for directive, sources in part.items():
            found.setdefault(directive, set()).update(sources)
    return {directive: tuple(sorted(sources)) for directive, sources in found.items()}


def text(sources: Sources, in_page: bool = False) -> str:
    """The policy. `in_page`: for a `<meta>` instead of a header."""
    allowed = union((_ALWAYS, sources, {"frame-ancestors": ("'none'",)}))
    names = [*_ORDER, *sorted(allowed.keys() - {*_ORDER, BLOCKED})]
    if in_page:
        names = [name for name in names if name not in _NOT_IN_PAGES]
    return "; ".join(f"{name} {' '.join(allowed[name])}" for name in names if allowed.get(name))


def joined(one: str, other: str) -> str:
    """Two policies as one, which allows what either does."""
    both = union(map(_parsed, (one, other)))
    return text({name: tuple(s for s in sources if s != "'none'") or sources for name, sources in both.items()})


def _parsed(policy: str) -> Sources:
    parts = [directive.split() for directive in policy.split(";")]
    return {name: tuple(sources) for name, *sources in filter(None, parts)}


def into_page(html: str, own: str, more: Sources) -> str:
    """The page with a policy of its own in its head, before anything that the policy speaks of."""
    policy = text(union((needs(html, own), more)), in_page=True)
    tags = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="strict-origin-when-cross-origin">\n'
    )
    return _HEAD.sub(lambda match: match[0] + tags, html, count=1)


_HEAD = re.compile(r"<head\b[^>]*>\n?(?:<meta charset=[^>]*>\n?)?", re.I)
