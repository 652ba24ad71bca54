"""What search engines, social networks and feed readers are told: head, JSON-LD, sitemap, feed, robots.

JSON-LD says only what the page shows (see docs/seo.md); a property that would have to be invented is left out.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any

from markupsafe import Markup

from magnetgen import __version__
from magnetgen.jobs import SITEMAP_URLS
from magnetgen.markdown import plain
from magnetgen.model import Magnet, Page
from magnetgen.pages import resolve_file
from magnetgen.plan import Job, Listing, Plan
from magnetgen.text import truncate
from magnetgen.views import HeadView, LinkView, SectionView

TITLE_LENGTH = 60
Data = dict[str, Any]


def page_title(title: str, site: str) -> str:
    """The page's title, with the site's name behind it where both fit a search result."""
    whole = f"{title} | {site}"
    return title if title == site or len(whole) > TITLE_LENGTH else whole


def head(
    plan: Plan,
    *,
    path: str,
    title: str,
    description: str,
    page: Page | None = None,
    noindex: bool = False,
    jsonld: Iterable[Data] = (),
    previous: str | None = None,
    following: str | None = None,
) -> HeadView:
    """The head of a page at `path`, below the base. `page`: the file behind it, if there is one."""
    config = plan.config
    canonical = plan.absolute(path)
    return HeadView(
        title=page_title(title, config.title),
        description=description,
        canonical=canonical,
        robots="noindex" if noindex else "",
        social=_meta(_open_graph(plan, canonical, title, description, page)),
        alternates=alternates(plan, page),
        jsonld=script(jsonld),
        feed_url=plan.url("/feed.xml"),
        previous=previous,
        next=following,
    )


def _meta(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Open Graph says `property`, Twitter `name`."""
    lines = []
    for key, value in pairs:
        kind = "name" if key.startswith("twitter:") else "property"
        lines.append(f'<meta {kind}="{key}" content="{escape(value)}">')
    return Markup("\n".join(lines))


def _open_graph(plan: Plan, url: str, title: str, description: str, page: Page | None) -> Iterable[tuple[str, str]]:
    article = page is not None and page.layout == "post"
    yield "og:type", "article" if article else "website"
    yield "og:site_name", plan.config.title
    yield "og:title", title
    if description:
        yield "og:description", description
    yield "og:url", url
    yield "og:locale", (page.lang if page else plan.config.language).replace("-", "_")
    card = plan.card_for(page)
    if card:
        yield "og:image", plan.absolute(card.path)
        yield "og:image:width", str(card.width)
        yield "og:image:height", str(card.height)
        own = page is not None and page.source in plan.cards
        yield "og:image:alt", (page.image_alt or title) if page and own else plan.config.title
    if article and page:
        if page.date:
            yield "article:published_time", page.date
            yield "article:modified_time", page.updated or page.date
        for tag in page.tags:
            yield "article:tag", tag
    yield "twitter:card", "summary_large_image"


def alternates(plan: Plan, page: Page | None) -> tuple[tuple[str, str], ...]:
    """hreflang pairs, the page itself among them; x-default is the translation in the site's own language."""
    group = plan.translations.get(page.translation_key or "", ()) if page else ()
    if page not in group:
        return ()
    pairs = [(other.lang, plan.absolute(other.path)) for other in group]
    default = next((o for o in group if o.lang == plan.config.language), group[0])
    return (*pairs, ("x-default", plan.absolute(default.path)))


# --- JSON-LD ---------------------------------------------------------------------------------------------------


def script(graph: Iterable[Data]) -> Markup:
    """The graph as a script element; `<` is escaped, so that no value can end it or open a comment."""
    things = list(graph)
    if not things:
        return Markup("")
    data: Data = (
        {"@context": "https://schema.org", **things[0]}
        if len(things) == 1
        else {
            "@context": "https://schema.org",
            "@graph": things,
        }
    )
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/ld+json">{text}</script>')


def organization(plan: Plan) -> Data:
    """Who publishes the site; the same on every page, so put together once a plan."""
    if "organization" not in plan.memo:
        org = plan.config.organization
        data: Data = {"@type": "Organization", "name": plan.config.publisher, "url": org.url or plan.config.base_url}
        logo = plan.media.get(resolve_file("magnetgen.yaml", org.logo)) if org.logo else None
        if logo:
            data["logo"] = plan.absolute(logo.path)
        if org.same_as:
            data["sameAs"] = org.same_as
        plan.memo["organization"] = data
    return plan.memo["organization"]


def website(plan: Plan) -> Data:
    data: Data = {
        "@type": "WebSite",
        "name": plan.config.title,
        "url": plan.config.base_url,
        "inLanguage": plan.config.language,
    }
    if plan.config.description:
        data["description"] = plan.config.description
    return data


def author(plan: Plan, page: Page) -> Data:
    """The page's author, else the site's, else its organisation."""
    if page.author:
        person: Data = json.loads(page.author)
        return {"@type": "Person", **{k: v for k, v in person.items() if v}}
    if "author" not in plan.memo:
        config = plan.config
        kind = "Person" if config.author else "Organization"
        who = config.author.model_dump() if config.author else {
            "name": config.publisher, "url": config.organization.url or config.base_url
        }  # fmt: skip
        plan.memo["author"] = {"@type": kind, **{k: v for k, v in who.items() if v}}
    return plan.memo["author"]


def blog_posting(plan: Plan, page: Page, image: str | None) -> Data | None:
    """Only with a date: without one the required properties would have to be invented."""
    if not page.date:
        return None
    data: Data = {
        "@type": "BlogPosting",
        "headline": truncate(page.title, 110),
        "description": page.description,
        "author": author(plan, page),
        "datePublished": page.date,
        "dateModified": page.updated or page.date,
        "mainEntityOfPage": plan.absolute(page.path),
        "publisher": organization(plan),
        "inLanguage": page.lang,
    }
    if image:
        data["image"] = image
    if not page.description:
        del data["description"]
    return data


def breadcrumb_list(plan: Plan, crumbs: Iterable[LinkView]) -> Data:
    items = [
        {"@type": "ListItem", "position": number, "name": crumb.label, "item": plan.config.origin + crumb.url}
        for number, crumb in enumerate(crumbs, 1)
    ]
    return {"@type": "BreadcrumbList", "itemListElement": items}


def event(plan: Plan, magnet: Magnet, page: Page, image: str | None) -> Data:
    """A webinar, at the page where a seat is to be had; where it is joined, only those learn who have one."""
    url = plan.absolute(page.path)
    data: Data = {
        "@type": "Event",
        "name": magnet.title,
        "startDate": magnet.start,
        "endDate": magnet.end,
        "eventAttendanceMode": "https://schema.org/OnlineEventAttendanceMode",
        "eventStatus": "https://schema.org/EventScheduled",
        "location": {"@type": "VirtualLocation", "url": url},
        "organizer": organization(plan),
        "url": url,
    }
    if description := magnet.description or page.description:
        data["description"] = description
    if image:
        data["image"] = image
    return data


def faq_page(sections: Iterable[SectionView], answer: Callable[[str], str]) -> Data | None:
    """The questions that the page shows. `answer`: an answer's HTML as it holds outside the page."""
    asked = [
        {
            "@type": "Question",
            "name": plain(str(item.title)),
            "acceptedAnswer": {"@type": "Answer", "text": answer(item.body).strip()},
        }
        for section in sections
        if section.kind == "faq"
        for item in section.items
    ]
    return {"@type": "FAQPage", "mainEntity": asked} if asked else None


# --- files -----------------------------------------------------------------------------------------------------


def robots(plan: Plan) -> str:
    return f"User-agent: *\nAllow: /\n\nSitemap: {plan.absolute('/sitemap.xml')}\n"


def sitemap(plan: Plan, number: int = 0) -> str:
    """Sitemap `number` of several, or the only one, or (0, if there are several) the index of them."""
    jobs = plan.indexable()
    parts = -(-len(jobs) // SITEMAP_URLS)
    if number == 0 and parts > 1:
        maps = (
            f"<sitemap><loc>{escape(plan.absolute(f'/sitemap-{n}.xml'))}</loc></sitemap>\n" for n in range(1, parts + 1)
        )
        return _xml(
            f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{"".join(maps)}</sitemapindex>'
        )
    start = max(0, number - 1) * SITEMAP_URLS
    entries = "".join(_sitemap_entry(plan, job) for job in jobs[start : start + SITEMAP_URLS])
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    return _xml(f"<urlset {spaces}>\n{entries}</urlset>")


def _sitemap_entry(plan: Plan, job: Job) -> str:
    page = plan.by_source.get(job.source) if job.kind == "page" else None
    changed = (page.updated or page.date) if page else _changed(plan, job)
    lastmod = f"<lastmod>{changed}</lastmod>" if changed else ""
    picture = plan.media.get(resolve_file(page.source, page.image)) if page and page.image else None
    image = (
        f"<image:image><image:loc>{escape(plan.absolute(picture.path))}</image:loc></image:image>" if picture else ""
    )
    return f"<url><loc>{escape(plan.absolute(job.path))}</loc>{lastmod}{image}</url>\n"


def listing_of(plan: Plan, job: Job) -> Listing | None:
    kind, _, name = job.name.partition(":")
    return (plan.collections if kind == "collection" else plan.tags).get(name)


def _changed(plan: Plan, job: Job) -> str | None:
    listing = listing_of(plan, job)
    return listing.changed if listing else None


def _instant(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def newest(plan: Plan, count: int) -> list[Page]:
    """The newest dated posts."""
    dated = (page for page in plan.pages if page.layout == "post" and page.date_ts is not None and not page.noindex)
    return heapq.nsmallest(count, dated, key=lambda p: (-(p.date_ts or 0), p.source))


def feed(plan: Plan, content: Callable[[Page], str]) -> str:
    """An Atom feed (RFC 4287) with the posts' whole text, every address absolute. `content`: a page's HTML."""
    pages = newest(plan, plan.config.feed.limit)
    config = plan.config
    changes = [page.updated or page.date or "" for page in pages]
    updated = max(changes, key=_instant) if changes else datetime.fromtimestamp(0, UTC).isoformat()
    home, own = config.base_url, plan.absolute("/feed.xml")
    entries = "".join(_entry(plan, page, content(page)) for page in pages)
    subtitle = f"<subtitle>{escape(config.description)}</subtitle>\n" if config.description else ""
    return _xml(
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{escape(config.language)}">\n'
        f"<id>{escape(home)}</id>\n<title>{escape(config.title)}</title>\n{subtitle}"
        f'<link rel="self" type="application/atom+xml" href="{escape(own)}"/>\n'
        f'<link rel="alternate" type="text/html" href="{escape(home)}"/>\n'
        f"<updated>{updated}</updated>\n<author><name>{escape(_site_author(plan))}</name></author>\n"
        f'<generator version="{__version__}">magnetgen</generator>\n{entries}</feed>'
    )


def _site_author(plan: Plan) -> str:
    return plan.config.author.name if plan.config.author else plan.config.publisher


def _entry(plan: Plan, page: Page, html: str) -> str:
    url = escape(plan.absolute(page.path))
    tags = "".join(f'<category term="{escape(tag)}"/>\n' for tag in page.tags)
    summary = f"<summary>{escape(page.description)}</summary>\n" if page.description else ""
    return (
        f"<entry>\n<id>{url}</id>\n<title>{escape(page.title)}</title>\n"
        f'<link rel="alternate" type="text/html" href="{url}"/>\n'
        f"<published>{page.date}</published>\n<updated>{page.updated or page.date}</updated>\n"
        f"<author><name>{escape(str(author(plan, page)['name']))}</name></author>\n{tags}{summary}"
        f'<content type="html">{escape(_valid_xml(html))}</content>\n</entry>\n'
    )


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _valid_xml(text: str) -> str:
    """Without the control characters that XML 1.0 cannot carry at all."""
    return _NOT_XML.sub("", text)


def llms(plan: Plan) -> str:
    """An outline of the site in Markdown (llmstxt.org)."""
    lines = [f"# {plan.config.title}", ""]
    if plan.config.description:
        lines += [f"> {plan.config.description}", ""]
    listed = [p for p in plan.pages if p.layout in ("landing", "page", "home") and not p.noindex]
    if listed:
        lines += ["## Pages", ""]
        lines += [f"- [{p.title}]({plan.absolute(p.path)}): {p.description}" for p in listed]
        lines.append("")
    for listing in plan.collections.values():
        lines += [f"## {listing.title}", ""]
        lines += [f"- [{p.title}]({plan.absolute(p.path)}): {p.description}" for p in listing.pages if not p.noindex]
        lines.append("")
    return "\n".join(lines)


def _xml(body: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_valid_xml(body)}\n'
