"""GitHub Pages: static files and nothing else, so pages carry their policy themselves, and forms need a handler elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from magnetgen import places
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, Report, error, warning
from magnetgen.plan import Plan
from magnetgen.targets import Product, Site, Target, checks

FILE_MAX = 100 * 1024 * 1024
SITE_MAX = 1_000_000_000
_HOST = "github.io"


def _make(site: Site, report: Report) -> Product:
    report.extend(checks.address(site.plan, at_root=False))
    report.extend(_address(site.plan))
    report.extend(checks.handler_elsewhere(site.plan, "GitHub Pages"))
    report.extend(checks.large_files(site, FILE_MAX, "GitHub"))
    total = sum(site.sizes.values())
    if total > SITE_MAX:
        message, hint = f"the site has {checks.megabytes(total)}", "GitHub Pages takes sites up to 1 GB"
        report.add(warning("site-too-large", message, CONFIG_FILE, None, hint))
    files = {".nojekyll": b""}
    host = urlsplit(site.plan.config.base_url).hostname or ""
    if not _is_github(host) and site.plan.config.prefix == "/":
        files["CNAME"] = f"{host}\n".encode()
    return Product(files)


def _is_github(host: str) -> bool:
    return host == _HOST or host.endswith(f".{_HOST}")


def _address(plan: Plan) -> Iterator[Diagnostic]:
    """At github.io a site lies at / or at its repository's name."""
    parts = urlsplit(plan.config.base_url)
    host, place = parts.hostname or "", places.setting(plan.root, "base_url")
    folders = [part for part in plan.config.prefix.split("/") if part]
    if host == _HOST or (_is_github(host) and host.count(".") > 2):
        hint = "write https://USER.github.io/REPOSITORY/, or your own domain"
        yield error("target-base-path", f"{host} is nobody's address at GitHub Pages", *place, hint)
    elif len(folders) > 1:
        hint = f"a project's site is at its repository's name: {plan.config.origin}/{folders[0]}/"
        yield error("target-base-path", f"GitHub Pages has no site at {plan.config.prefix}", *place, hint)
    elif parts.port is not None:
        hint = f"write {parts.scheme}://{host}{plan.config.prefix}"
        yield error("target-base-path", f"GitHub Pages answers at no port {parts.port}", *place, hint)
    elif _is_github(host) and not folders and (name := _repository(plan)) and name.lower() != host:
        hint = f"the site of this repository is at https://{host}/{name}/, unless it has a domain of its own"
        yield error("target-base-path", f"the repository {name} is not served from /", *place, hint)


def _repository(plan: Plan) -> str:
    """The name of the repository at GitHub that the site is in; empty where that is not known."""
    import re

    for folder in (plan.root.resolve(), *plan.root.resolve().parents):
        file = folder / ".git" / "config"
        if file.is_file():
            found = re.search(
                r"^\s*url\s*=.*github\.com[:/][^/\s]+/([^/\s]+?)(?:\.git)?/?\s*$",
                file.read_text("utf-8", "replace"),
                re.M,
            )
            return found[1] if found else ""
    return ""


TARGET = Target("github-pages", headers=False, redirects=lambda found: [], make=_make)
