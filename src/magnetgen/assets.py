"""Outputs that are not pages: media files, cards for social networks, feed, sitemap, robots and the like."""

from __future__ import annotations

from magnetgen import media, seo
from magnetgen.colors import on
from magnetgen.plan import Job
from magnetgen.render import Renderer


def card(renderer: Renderer, job: Job) -> bytes:
    """A picture for social networks, from the page's picture (`job.source`) or from a title (`job.name`)."""
    plan = renderer.plan
    if job.source:
        return media.card_from_picture(plan.root, job.source)
    brand = renderer.theme.brand
    return media.card_from_text(job.name, plan.config.title, brand, on(brand))


def discovery(renderer: Renderer, job: Job) -> str:
    """A file for machines, by its name."""
    plan = renderer.plan
    if job.path == "/feed.xml":
        return seo.feed(plan, renderer.feed_content)
    if job.path == "/robots.txt":
        return seo.robots(plan)
    if job.path == "/llms.txt":
        return seo.llms(plan)
    if job.path == "/sitemap.xml":
        return seo.sitemap(plan)
    if job.path.startswith("/sitemap-"):
        return seo.sitemap(plan, int(job.path.removeprefix("/sitemap-").removesuffix(".xml")))
    return f"{plan.config.seo.indexnow_key}\n"
