"""Netlify: static files, functions, and Blobs as the store."""

from __future__ import annotations

from magnetgen.diagnostics import Report
from magnetgen.targets import Product, Site, Target, headers


def _make(site: Site, report: Report) -> Product:
    return Product(files={"_headers": _headers(site), "_redirects": _redirects(site)})


def _headers(site: Site) -> bytes:
    lines = ["/*", *(f"  {name}: {value}" for name, value in headers.security(site))]
    for path, value in headers.caching(site):
        lines += [path, f"  Cache-Control: {value}"]
    return ("\n".join(lines) + "\n").encode()


def _redirects(site: Site) -> bytes:
    return "".join(f"{redirect.alias} {redirect.url} 301\n" for redirect in site.redirects).encode()


TARGET = Target("netlify", headers=True, redirects=10_000, make=_make)
