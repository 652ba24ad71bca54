"""Security headers and caching, for every host that sends headers of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magnetgen import magnets, policy
from magnetgen.targets import Site

Header = tuple[str, str]

IMMUTABLE = "public, max-age=31536000, immutable"
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_FRESH = {"feed.xml": 600, "sitemap.xml": 3600, "robots.txt": 3600, "llms.txt": 3600}
"""Seconds for which machines may keep a file. Pages are asked for again each time, which is these hosts' default."""


def security(site: Site) -> list[Header]:
    """The headers of every static file."""
    found = [
        ("Content-Security-Policy", policy.text(sources(site))),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        ("Permissions-Policy", PERMISSIONS),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    if site.plan.config.base_url.startswith("https:"):
        found.append(("Strict-Transport-Security", "max-age=31536000"))
    return found


def file(site: Site) -> bytes:
    """`_headers`, as Netlify and Cloudflare read it: where several rules fit, all of them apply."""
    lines = ["/*", *(f"  {name}: {value}" for name, value in security(site))]
    for path, value in caching(site):
        lines += [path, f"  Cache-Control: {value}"]
    return ("\n".join(lines) + "\n").encode()


def sources(site: Site) -> policy.Sources:
    """What the pages need, and where their forms lead: handler and thank-you pages, each by its origin."""
    return policy.union((site.sources, {"form-action": form_origins(site.forms)}))


def form_origins(forms: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the handler and of the pages that its answers lead to."""
    urls = [forms["public_url"], *(form[key] for form in forms["forms"].values() for key in ("next", "confirmed"))]
    return tuple(sorted({policy.origin(url) for url in urls}))


def caching(site: Site) -> Iterator[tuple[str, str]]:
    """(path, Cache-Control) beyond what the hosts do by themselves. `*` at the end stands for anything."""
    if is_immutable(site):
        yield "/media/*", IMMUTABLE
    for name in sorted(site.sizes):
        if seconds := _FRESH.get("sitemap.xml" if name.startswith("sitemap-") else name):
            yield f"/{name}", f"public, max-age={seconds}"


def is_immutable(site: Site) -> bool:
    """Whether all below /media/ is named by its content: a page may stand there, too."""
    own = [job for job in site.plan.jobs if job.file.startswith("media/")]
    named = ("media/", f"{magnets.FOLDER}/")
    return bool(own) and all(
        job.kind == "card" or (job.kind == "media" and job.source.startswith(named)) for job in own
    )
