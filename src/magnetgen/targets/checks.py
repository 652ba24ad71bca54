"""Faults that keep a site from working on a host: its address, its forms, the files that are too large for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from magnetgen import places
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, error, warning
from magnetgen.plan import Plan
from magnetgen.targets import Site

MEGABYTE = 1_000_000
_EXAMPLES = ("example.com", "example.org", "example.net")
_OWN_ENDS = (".example", ".invalid", ".local", ".localhost", ".test")


def handler_path(plan: Plan) -> str | None:
    """The path that magnetgen's own handler answers below, on this host: `/api`. None: it is not this host's part."""
    handler = plan.config.handler
    if handler.provider != "magnetgen":
        return None
    url = handler.url.rstrip("/")
    if "://" not in url:
        return plan.url(url.lstrip("/")).rstrip("/")
    parts = urlsplit(url)
    return parts.path if f"{parts.scheme}://{parts.netloc}" == plan.config.origin and parts.path else None


def address(plan: Plan, at_root: bool = True) -> Iterator[Diagnostic]:
    """Faults of base_url. `at_root`: the host serves the output from `/`, so a path would be the wrong place."""
    url, place = plan.config.base_url, places.setting(plan.root, "base_url")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if at_root and plan.config.prefix != "/":
        hint = f"use an address without a path, such as {plan.config.origin}, or serve the folder yourself"
        message = f"this host serves the site from /, and base_url says {plan.config.prefix}"
        yield error("target-base-path", message, *place, hint)
    if is_example(host) or host == "localhost" or _is_number(host):
        hint = "set base_url to where the site will be: links, mails and forms lead there"
        yield warning("target-base-example", f"{host} is no address that visitors can reach", *place, hint)
    elif parts.scheme == "http":
        hint = f"write https:{url.partition(':')[2]}"
        yield warning("target-base-http", "base_url begins with http:, and this host serves https", *place, hint)


def is_example(host: str) -> bool:
    """Whether it is one of the names that are nobody's."""
    return any(host == name or host.endswith(f".{name}") for name in _EXAMPLES) or host.endswith(_OWN_ENDS)


def _is_number(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def handler_elsewhere(plan: Plan, host: str) -> Iterator[Diagnostic]:
    """On a host without functions, forms need a handler elsewhere."""
    handler = plan.config.handler
    if handler_path(plan) is None and handler.provider != "netlify-forms":
        return
    if not plan.forms:
        return
    names = ", ".join(sorted(plan.forms))
    hint = (
        "set handler.url to the absolute address of a handler that runs elsewhere, such as "
        "https://leads.example.com/api, or choose a target that runs one: netlify, cloudflare, lambda, selfhost"
    )
    if handler.provider == "netlify-forms":
        hint = "set handler.provider to magnetgen with an absolute handler.url, or to external"
    message = f"{host} runs no form handler, and these forms would be sent to nobody: {names}"
    yield error("form-without-handler", message, *places.setting(plan.root, "handler", "url"), hint)


def netlify_forms(plan: Plan) -> Iterator[Diagnostic]:
    """Netlify's forms are taken by Netlify only."""
    if plan.config.handler.provider == "netlify-forms" and plan.forms:
        names = ", ".join(sorted(plan.forms))
        place = places.setting(plan.root, "handler", "provider")
        hint = "set handler.provider to magnetgen, or deploy to Netlify"
        yield error("form-without-handler", f"only Netlify takes netlify-forms: {names}", *place, hint)


def large_files(site: Site, limit: int, host: str) -> Iterator[Diagnostic]:
    """Files of the output that the host does not take. `limit`: bytes."""
    sources = {job.file: job.source for job in site.plan.jobs}
    for file, size in sorted(site.sizes.items()):
        if size > limit:
            hint = f"{host} takes files up to {megabytes(limit)}: make it smaller, or link to it elsewhere"
            message = f"/{file} has {megabytes(size)}"
            yield error("file-too-large", message, sources.get(file) or CONFIG_FILE, None, hint)


def megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"
