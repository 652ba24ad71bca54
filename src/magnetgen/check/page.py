"""Rules for one page's HTML: what the theme and the writer's own HTML made of it together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any

from magnetgen.diagnostics import Diagnostic, Span, error

_TITLE = re.compile(r"<title>(.*?)</title>", re.S)
_CANONICAL = re.compile(r'<link\s[^>]*rel="?canonical"?[^>]*>')
_HREF = re.compile(r'href="([^"]*)"')
_LANG = re.compile(r"<html\b[^>]*\slang=\"?[A-Za-z]")
_VIEWPORT = re.compile(r'<meta\s[^>]*name="?viewport"?')
_NOINDEX = re.compile(r'<meta\s[^>]*name="?robots"?[^>]*noindex')
_H1 = re.compile(r"<h1[\s>]")
_JSONLD = re.compile(r'<script type="application/ld\+json">(.*?)</script>', re.S)
_IN_CODE = re.compile(r"<(pre|script|style|textarea)\b.*?</\1>|<!--.*?-->", re.S)

REQUIRED: dict[str, tuple[str, ...]] = {
    "BlogPosting": ("headline", "author", "datePublished", "dateModified", "mainEntityOfPage", "publisher"),
    "Article": ("headline", "author", "datePublished", "dateModified", "mainEntityOfPage", "publisher"),
    "BreadcrumbList": ("itemListElement",),
    "ListItem": ("position", "name", "item"),
    "Organization": ("name",),
    "Person": ("name",),
    "WebSite": ("name", "url"),
    "Event": ("name", "startDate", "location"),
    "Product": ("name", "offers"),
    "Offer": ("price", "priceCurrency"),
    "FAQPage": ("mainEntity",),
    "Question": ("name", "acceptedAnswer"),
    "Answer": ("text",),
}
"""Properties without which search engines ignore the thing (their own pages on structured data, 2026)."""

REFUSED = ("AggregateRating", "Review", "HowTo")
"""Types that magnetgen cannot know to be true, or that no one reads any more."""


def check_page(html: str, *, path: str, url: str, noindex: bool, known: str = "") -> Iterator[Diagnostic]:
    """The faults of a page's HTML. `path`: the file to name; `url`: what its canonical must be.

    known: structured data of magnetgen's own, which is right by construction; a theme may add to it.
    """
    if _is_regular(html, url, noindex, known):
        return
    head, _, body = html.partition("</head>")
    place = Span(1)
    hint = "a template of the theme or of templates/ leaves it out: start from lodestone's base.html"
    title = _TITLE.search(head)
    if title is None or not title[1].strip():
        yield error("head-title", "the page has no <title>", path, place, hint)
    canonical = _CANONICAL.search(head)
    address = _HREF.search(canonical[0]) if canonical else None
    if address is None or unescape(address[1]) != url:
        yield error("head-canonical", f"the page's canonical address must be {url}", path, place, hint)
    if not _LANG.search(head):
        yield error("head-lang", "the page does not say its language", path, place, hint)
    if not _VIEWPORT.search(head):
        yield error("head-viewport", "the page has no viewport for phones", path, place, hint)
    if noindex and not _NOINDEX.search(head):
        yield error("head-noindex", "the page must not be indexed and does not say so", path, place, hint)
    count = len(_H1.findall(_IN_CODE.sub("", body)))
    if count != 1:
        raw = "the page's title is its one h1: raw HTML in the text must not have another" if count else hint
        yield error("body-h1", f"the page has {count} <h1>, and needs exactly one", path, place, raw)
    for script in _JSONLD.findall(html.replace(known, "", 1) if known else html):
        yield from _json_ld(script, path)


def _is_regular(html: str, url: str, noindex: bool, known: str) -> bool:
    """Whether the page is written just as lodestone writes it: plain searches, a third of the time of patterns."""
    head = html.find("</head>")
    title = html.find("<title>")
    return (
        html.startswith('<!doctype html>\n<html lang="')
        and -1 < title < head
        and not html.startswith("</title>", title + 7)
        and -1 < html.find(f'<link rel="canonical" href="{escape(url)}">') < head
        and -1 < html.find('<meta name="viewport"') < head
        and (not noindex or -1 < html.find('<meta name="robots" content="noindex">') < head)
        and html.count("<h1", head) == 1
        and html.count("application/ld+json") == (1 if known else 0)
        and known in html
    )


def _json_ld(script: str, path: str) -> Iterator[Diagnostic]:
    try:
        data = json.loads(script)
    except ValueError as exc:
        yield error("jsonld-syntax", f"structured data that is not JSON: {exc}", path, Span(1), "see docs/seo.md")
        return
    for thing in _things(data):
        kind = thing["@type"]
        if kind in REFUSED or "aggregateRating" in thing:
            yield error(
                "jsonld-refused", f"structured data may not claim {kind} here", path, Span(1), "see docs/seo.md"
            )
        missing = [name for name in REQUIRED.get(kind, ()) if not thing.get(name)]
        if missing:
            yield error("jsonld-missing", f"{kind} lacks {', '.join(missing)}", path, Span(1), "see docs/seo.md")


def _things(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, list):
        for item in data:
            yield from _things(item)
    elif isinstance(data, dict):
        if isinstance(data.get("@type"), str):
            yield data
        for value in data.values():
            if isinstance(value, dict | list):
                yield from _things(value)
