"""What the plan comes to: one job an output, each at a URL of its own."""

from __future__ import annotations

from collections.abc import Iterable

from magnetgen import places
from magnetgen.diagnostics import Diagnostic, Report, error
from magnetgen.pages import MAX_SLUG
from magnetgen.plan import Job, Plan, is_magnet
from magnetgen.text import fold

SITEMAP_URLS = 50_000
"""Addresses in one sitemap file: the protocol's limit."""


def assign(plan: Plan, report: Report) -> None:
    """Give the plan its jobs and URLs; two outputs at one URL are faults."""
    plan.jobs = tuple(_jobs(plan))
    plan.jobs += tuple(_discovery_jobs(plan))
    plan.paths = _claims(plan, report)


def foresee(plan: Plan) -> None:
    """What addresses there will be, for texts that are read before the plan is whole."""
    plan.paths = {fold(job.path): job.path for job in (*_jobs(plan), *_discovery_jobs(plan))}


def _jobs(plan: Plan) -> Iterable[Job]:
    size = plan.config.pagination
    intros = {listing.intro.source for listing in plan.collections.values() if listing.intro}
    for page in plan.pages:
        if page.source not in intros:
            yield Job("page", page.path, page.source)
        for alias in page.aliases:
            yield Job("redirect", alias, page.source)
    for listing in (*plan.collections.values(), *plan.tags.values()):
        for number in range(1, max(1, -(-len(listing.pages) // size)) + 1):
            yield Job(
                "list",
                listing.path(number),
                listing.intro.source if listing.intro and number == 1 else "",
                listing.kind + ":" + listing.name,
                number,
            )
    if not any(page.path == "/" for page in plan.pages):
        yield Job("home", "/")
    if not any(page.path == "/404.html" for page in plan.pages):
        yield Job("404", "/404.html")
    yield from _form_jobs(plan)
    for file in plan.media.values():
        if file.path and not is_magnet(file.source):
            yield Job("media", file.path, file.source)
    for card in {c.path: c for c in plan.cards.values()}.values():
        yield Job("card", card.path, card.source, card.title)


def _form_jobs(plan: Plan) -> Iterable[Job]:
    for form in plan.forms.values():
        yield Job("form", f"/forms/{form.spec.name}/", form.source, form.spec.name)
        if not form.spec.thanks:
            yield Job("thanks", form.next, form.source, form.spec.name)
        if form.spec.double_opt_in and plan.config.handler.provider == "magnetgen":
            yield Job("confirmed", form.confirmed, form.source, form.spec.name)


def _discovery_jobs(plan: Plan) -> Iterable[Job]:
    """Written unless content/ has a file of that name itself."""
    own = {file.path for file in plan.media.values()}
    wanted = ["/feed.xml", "/sitemap.xml", "/robots.txt"]
    parts = -(-len(plan.indexable()) // SITEMAP_URLS)
    wanted += [f"/sitemap-{number}.xml" for number in range(1, parts + 1) if parts > 1]
    if plan.config.seo.llms_txt:
        wanted.append("/llms.txt")
    if plan.config.seo.indexnow_key:
        wanted.append(f"/{plan.config.seo.indexnow_key}.txt")
    for path in wanted:
        if path not in own:
            yield Job("discovery", path)


def _claims(plan: Plan, report: Report) -> dict[str, str]:
    """folded URL → URL, for all that will be written. Two files with one URL: each is told of the others."""
    claims: dict[str, list[Job]] = {}
    for job in plan.jobs:
        claims.setdefault(fold(job.file), []).append(job)
    folders = {folder for file in claims for folder in _parents(file)}
    for file, jobs in claims.items():
        if file in folders:  # `/offer` as a file, and something below /offer/
            jobs = [*jobs, *(job for other, inside in claims.items() if other.startswith(file + "/") for job in inside)]
        if len(jobs) > 1 and len({(j.kind, j.source, j.path, j.name, j.number) for j in jobs}) > 1:
            report.extend(_collision(plan, jobs))
        if len(file.encode()) > MAX_SLUG and any(len(part.encode()) > MAX_SLUG for part in file.split("/")):
            place = places.url(plan.root, jobs[0].source, jobs[0].path)
            message = f"{jobs[0].path} has a part of over {MAX_SLUG} bytes"
            if jobs[0].source:
                report.add(error("url-too-long", message, *place, "give it a shorter `slug`"))
    paths = {fold(job.path): job.path for job in plan.jobs}
    for path in plan.unreadable.values():
        # Its folder's list may be missing only because it is.
        for known in (path, *(f"/{folder}/" for folder in _parents(path.strip("/")))):
            paths.setdefault(fold(known), known)
    return paths


def _parents(path: str) -> Iterable[str]:
    cut = path.rfind("/")
    while cut > 0:
        path = path[:cut]
        yield path
        cut = path.rfind("/")


def _collision(plan: Plan, jobs: list[Job]) -> Iterable[Diagnostic]:
    names = {id(job): job.source or f"the generated {job.name or job.kind}" for job in jobs}
    for job in jobs:
        if not job.source:
            continue
        others = sorted({names[id(other)] for other in jobs if other is not job})
        path, span = places.url(plan.root, job.source, job.path)
        hint = "give one of them another `slug` or `permalink`"
        yield error("url-collision", f"{job.path} is also the URL of {', '.join(others)}", path, span, hint)
