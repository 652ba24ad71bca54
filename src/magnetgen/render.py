"""(job, plan, theme) → PageView → HTML. A page's output is a pure function of its view; `keys` names what goes into one."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from markupsafe import Markup

from magnetgen import markdown, places, policy, sections, seo
from magnetgen.body import Body, Text, absolute, srcset
from magnetgen.capture import Capture
from magnetgen.diagnostics import Diagnostic, warning
from magnetgen.forms.contract import FormSpec
from magnetgen.keys import Keys
from magnetgen.links import Links
from magnetgen.model import Magnet, Page
from magnetgen.pages import DESCRIPTION_LENGTH, PageReader
from magnetgen.plan import Job, Plan
from magnetgen.text import reading_minutes, truncate
from magnetgen.theme import Theme
from magnetgen.views import (
    CtaView,
    DateView,
    HeadingView,
    ImageView,
    LinkView,
    PageView,
    PaginationView,
    SiteView,
    TeaserView,
)

PAGE_JOBS = ("page", "list", "home", "404", "form", "thanks", "confirmed", "redirect")
"""Kinds of job that end in an HTML page."""
_SECTIONED = ("landing", "home")
_LATEST = 6
MENU_MAGNETS = 3
"""Landing pages of magnets in a menu that nobody has written: more would not fit a phone."""
_MESSAGES = ("problem", "trouble", "confirm", "unsubscribe", "unsubscribed", "expired", "code", "soldout")
"""Pages that the handler shows; their holes: docs/forms.md."""


class Rendered(msgspec.Struct, frozen=True):
    """A page's HTML, what was found, and the structured data that magnetgen put into its head."""

    html: str
    diagnostics: tuple[Diagnostic, ...] = ()
    jsonld: str = ""


class Renderer:
    """Renders the pages of one plan. Made once a process; it holds the templates and the Markdown engine."""

    def __init__(self, plan: Plan, theme: Theme) -> None:
        self.plan = plan
        self.theme = theme
        self.links = Links(plan)
        self._capture = Capture(plan, theme, self.links)
        self._site = self._site_view()
        theme.use(self._site)
        self._reader = PageReader(plan.root, plan.config)
        self._body = Body(plan, theme, self._reader, self.links, self._capture)
        self._menus: dict[tuple[tuple[str, ...], tuple[str, ...]], SiteView] = {}
        self._newest = tuple(seo.newest(plan, _LATEST))
        self.keys = Keys(plan, theme, self.links, self._site, self._newest)
        self._teasers: dict[str, TeaserView] = {}
        self._webinars = self._webinar_pages()

    def _webinar_pages(self) -> dict[str, Magnet]:
        """Path → the webinar that the form there gives a seat at."""
        given = ((form.home, self.plan.magnets.get(form.spec.magnet)) for form in self.plan.forms.values())
        return {home: magnet for home, magnet in given if magnet and magnet.kind == "webinar"}

    # --- jobs to HTML ----------------------------------------------------------------------------------------

    def render(self, job: Job) -> Rendered:
        """The job's page. A fault in a template is a diagnostic, with empty HTML."""
        found: list[Diagnostic] = []
        try:
            view = getattr(self, f"_view_{job.kind.replace('404', 'not_found')}")(job, found)
            html = self.theme.render(f"{view.layout}.html", page=view, site=view.site, head=view.head)
        except Exception as exc:
            if not self.theme.is_to_blame(exc):
                raise
            return Rendered("", (*found, self.theme.fault(exc, job.source or job.path)))
        if self.plan.page_policy is not None:
            html = policy.into_page(html, self.plan.config.origin, self.plan.page_policy)
        return Rendered(html, tuple(found), str(view.head.jsonld))

    def feed_content(self, page: Page) -> str:
        """A post's text for the feed: embeds become links to the page."""
        text = self._body.text(page, [], page.form)
        url = self.plan.absolute(page.path)
        return absolute(self._body.as_links(text.html, text, url), self.plan.config.origin, url)

    def messages(self) -> dict[str, str]:
        """The pages that the handler fills and shows, by name."""
        return {name: self._message(name) for name in _MESSAGES}

    def _message(self, name: str) -> str:
        words = self.theme.words
        title, path = words[f"{name}_title"], f"/forms/{name}/"
        link = Markup('{}<p class="actions"><a class="button" href="{}">{}</a></p>')
        back = link.format("{{errors}}", "{{back}}", words["problem_back"])
        home = link.format("{{errors}}", "{{back}}", words["back_home"])
        button = Markup('<form method="post"><p class="actions"><button type="submit">{}</button></p></form>').format(
            "{{button}}"
        )
        code = Markup("<p><code>{}</code></p>{}").format("{{code}}", "{{link}}")
        parts = {"problem": back, "trouble": home, "code": code}
        parts |= dict.fromkeys(("confirm", "unsubscribe", "expired", "soldout"), button)
        said = words[f"{name}_text"]
        body = (Markup("<p>{}</p>").format(said) if said else Markup("")) + parts.get(name, Markup(""))
        head = seo.head(self.plan, path=path, title=title, description="", noindex=True)
        view = PageView(self._site, head, "message", self.plan.url(path), self.plan.config.language, title, body=body)
        html = self.theme.render("message.html", page=view, site=view.site, head=head)
        # Shown at an address of the handler's: nothing in it may claim another.
        return re.sub(r'<link rel="canonical"[^>]*>\n?|<meta property="og:url"[^>]*>\n?', "", html)

    def _view_page(self, job: Job, found: list[Diagnostic]) -> PageView:
        page = self.plan.by_source[job.source]
        own = page.form if page.form in self.plan.forms else None
        text = self._body.text(page, found, own)
        crumbs = self._breadcrumbs(page)
        image = self._image(page)
        parts: tuple[Any, ...] = ()
        if page.layout in _SECTIONED:
            parts, misfits = sections.split(text.html, page.title)
            found += self._misfits(page, misfits)
        graph = [g for g in self._graph(page, crumbs, image) if g]
        if webinar := self._webinars.get(page.path):
            graph.append(seo.event(self.plan, webinar, page, self.plan.config.origin + image.src if image else None))
        url = self.plan.absolute(page.path)
        answer = lambda body: absolute(self._body.as_links(body, text, url), self.plan.config.origin, url)  # noqa: E731
        if faq := seo.faq_page(parts, answer):
            graph.append(faq)
        parts = tuple(self._finished(part, text) for part in parts)
        head = seo.head(self.plan, path=page.path, title=page.title, description=page.description, page=page,
                        noindex=page.noindex, jsonld=graph)  # fmt: skip
        cta = self._body.cta(page.cta) if page.cta else None
        forms = [embed.html for embed in text.embeds if "<form" in embed.html]
        # A landing page that embeds a form has one; elsewhere the page's own stands at its end, unless it is that one.
        embedded = bool(forms) if page.layout in _SECTIONED else any(f'id="form-{own}"' in html for html in forms)
        body = text.html
        if page.inline_cta:
            body = self._with_inline_cta(body, cta, own)
        ending = own if own and not embedded else None
        script, urls = self._capture.scripts([embed.form for embed in text.embeds] + ([ending] if ending else []))
        return PageView(
            site=self._menu(page.path),
            head=head,
            layout=page.layout,
            url=self.plan.url(page.path),
            lang=page.lang,
            title=page.title,
            description=page.description,
            body=Markup("") if parts else self._body.finish(body, text),
            preview_note=self._preview_note(page),
            breadcrumbs=crumbs,
            date=self._date(page.date),
            updated=self._date(page.updated),
            author=self._author(page),
            minutes=reading_minutes(page.words),
            image=image,
            tags=self._tags(page),
            toc=tuple(HeadingView(h.level, h.id, h.text) for h in text.headings if h.level <= 3) if page.toc else (),
            cta=cta,
            form=self._capture.view(ending) if ending else None,
            download=self._capture.download(given) if (given := self._capture.thanks.get(page.path)) else None,
            script=script,
            script_urls=urls,
            sections=parts,
            items=self._latest() if page.layout == "home" else (),
            related=tuple(self._teaser(p) for p in self.plan.related(page)) if page.layout == "post" else (),
            translations=self._translations(page),
            extra=page.extra,
        )

    def _view_list(self, job: Job, found: list[Diagnostic]) -> PageView:
        listing = seo.listing_of(self.plan, job)
        assert listing is not None
        intro = listing.intro
        text = self._body.text(intro, found, None) if intro and job.source else None
        script, urls = self._capture.scripts(embed.form for embed in text.embeds) if text else (Markup(""), ())
        total = max(1, -(-len(listing.pages) // self.plan.config.pagination))
        word = self.theme.words["page"].replace("{number}", str(job.number))
        title = listing.title if job.number == 1 else f"{listing.title} · {word}"
        shown = self.keys.listed(job)
        description = intro.description if intro and job.number == 1 else self._list_description(title, shown)
        crumbs = (self._home_crumb(), LinkView(listing.title, self.plan.url(listing.base)))
        previous = self.plan.absolute(listing.path(job.number - 1)) if job.number > 1 else None
        following = self.plan.absolute(listing.path(job.number + 1)) if job.number < total else None
        head = seo.head(self.plan, path=job.path, title=title, description=description, page=intro if job.number == 1 else None,
                        noindex=bool(intro and intro.noindex), jsonld=[seo.breadcrumb_list(self.plan, crumbs)],
                        previous=previous, following=following)  # fmt: skip
        return PageView(
            site=self._menu(job.path),
            head=head,
            layout="tag" if listing.kind == "tag" else "list",
            url=self.plan.url(job.path),
            lang=intro.lang if intro else self.plan.config.language,
            title=title,
            description=description,
            body=self._body.finish(text.html, text) if text else Markup(""),
            breadcrumbs=crumbs,
            items=tuple(self._teaser(page) for page in shown),
            pagination=self._pagination(listing.path, job.number, total) if total > 1 else None,
            script=script,
            script_urls=urls,
        )

    def _list_description(self, title: str, pages: tuple[Page, ...]) -> str:
        """What a list without words of its own tells search engines: what is on it."""
        titles = ", ".join(page.title for page in pages)
        text = self.theme.words["list_description"].replace("{title}", title).replace("{titles}", titles)
        return truncate(text, DESCRIPTION_LENGTH)

    def _view_home(self, job: Job, found: list[Diagnostic]) -> PageView:
        """A site without content/index.md: its title, its description, its posts."""
        config = self.plan.config
        graph = [seo.website(self.plan), seo.organization(self.plan)]
        head = seo.head(self.plan, path="/", title=config.title, description=config.description, jsonld=graph)
        return self._plain(
            "home", job, config.title, Markup(""), head, description=config.description, items=self._latest()
        )

    def _view_not_found(self, job: Job, found: list[Diagnostic]) -> PageView:
        words = self.theme.words
        body = Markup("<p>{}</p>").format(words["not_found_text"])
        return self._plain("404", job, words["not_found_title"], body, items=self._latest()[:3])

    def _view_form(self, job: Job, found: list[Diagnostic]) -> PageView:
        spec = self.plan.forms[job.name].spec
        script, urls = self._capture.scripts([job.name])
        view = self._capture.view(job.name)
        return self._plain("form", job, spec.title, Markup(""), form=view, script=script, script_urls=urls)

    def _view_thanks(self, job: Job, found: list[Diagnostic]) -> PageView:
        form = self.plan.forms[job.name]
        words = self.theme.words
        body = Markup("<p>{}</p>").format(
            words["thanks_confirm" if self._asks_to_confirm(form.spec) else "thanks_text"]
        )
        script, urls = Markup(""), tuple[str, ...]()
        if form.page is not None:
            text = self._body.text(form.page, found, None)
            body = self._body.finish(text.html, text) if text.html.strip() else body
            script, urls = self._capture.scripts(embed.form for embed in text.embeds)
        items = self._latest()[:3]
        here = self._capture.gives(form.spec) and not form.spec.double_opt_in
        given = self._capture.download(form.spec) if here else None
        more: dict[str, Any] = {"download": given, "items": items, "script": script, "script_urls": urls}
        return self._plain("thanks", job, words["thanks_title"], body, **more)

    def _asks_to_confirm(self, spec: FormSpec) -> bool:
        """Only magnetgen's own handler sends a mail to confirm."""
        return spec.double_opt_in and self.plan.config.handler.provider == "magnetgen"

    def _view_confirmed(self, job: Job, found: list[Diagnostic]) -> PageView:
        words = self.theme.words
        body = Markup("<p>{}</p>").format(words["confirmed_text"])
        spec = self.plan.forms[job.name].spec
        given = self._capture.download(spec) if self._capture.gives(spec) else None
        return self._plain("thanks", job, words["confirmed_title"], body, download=given, items=self._latest()[:3])

    def _view_redirect(self, job: Job, found: list[Diagnostic]) -> PageView:
        page = self.plan.by_source[job.source]
        title = self.theme.words["redirect_title"]
        head = seo.head(self.plan, path=page.path, title=title, description="", noindex=True)
        return PageView(self._site, head, "redirect", self.plan.url(page.path), page.lang, title)

    def _plain(self, layout: str, job: Job, title: str, body: Markup, head: Any = None, **more: Any) -> PageView:
        """A page without a file of its own. Only the home page is for search engines."""
        head = head or seo.head(self.plan, path=job.path, title=title, description="", noindex=True)
        lang = self.plan.config.language
        return PageView(self._menu(job.path), head, layout, self.plan.url(job.path), lang, title, body=body, **more)

    # --- parts of views --------------------------------------------------------------------------------------

    def _site_view(self) -> SiteView:
        plan, config = self.plan, self.plan.config
        main = config.menus.main
        entries = (
            [(e.label, e.url) for e in main]
            if main is not None
            else [(c.title, c.base) for c in plan.collections.values()] + self._brought_along()
        )
        logo = self.links.image("magnetgen.yaml", str(self.theme.settings.get("logo") or config.organization.logo))
        return SiteView(
            title=config.title,
            description=config.description,
            home=plan.url("/"),
            language=config.language,
            organization=config.publisher,
            logo=ImageView(plan.url(logo.path), "", logo.width, logo.height) if logo else None,
            main_menu=tuple(LinkView(label, self.links.site(url).url) for label, url in entries),
            footer_menu=tuple(LinkView(e.label, self.links.site(e.url).url) for e in config.menus.footer),
            privacy_url=self.links.site(config.privacy_url).url if config.privacy_url else "",
            feed_url=plan.url("/feed.xml"),
            theme=self.theme.settings,
            words=self.theme.words,
            css=self.theme.css,
            sections_css=self.theme.sections_css,
            script=self.theme.script,
        )

    def _brought_along(self) -> list[tuple[str, str]]:
        """Landing pages that magnets bring along: nobody has written a link to them."""
        pages = sorted((page for page in self.plan.pages if page.markdown is not None), key=lambda page: page.path)
        return [(page.title, page.path) for page in pages[:MENU_MAGNETS]]

    def _menu(self, path: str) -> SiteView:
        """The site as seen from a page: menu entries that lead to it, or to what is above it, are marked."""
        url, home = self.plan.url(path), self._site.home

        def marked(entry: LinkView) -> str:
            above = entry.url != home and entry.url.endswith("/") and url.startswith(entry.url)
            return "page" if url == entry.url else "true" if above else ""

        main = tuple(map(marked, self._site.main_menu))
        footer = tuple(map(marked, self._site.footer_menu))
        if (main, footer) not in self._menus:
            self._menus[main, footer] = msgspec.structs.replace(
                self._site,
                main_menu=_mark(self._site.main_menu, main),
                footer_menu=_mark(self._site.footer_menu, footer),
            )
        return self._menus[main, footer]

    def _latest(self) -> tuple[TeaserView, ...]:
        return tuple(self._teaser(page) for page in self._newest)

    def _teaser(self, page: Page) -> TeaserView:
        found = self._teasers.get(page.source)
        if found is None:
            found = self._teasers[page.source] = TeaserView(
                title=page.title,
                url=self.plan.url(page.path),
                description=page.description,
                date=self._date(page.date),
                image=self._image(page),
                minutes=reading_minutes(page.words),
                tags=self._tags(page),
            )
        return found

    def _image(self, page: Page) -> ImageView | None:
        file = self.links.image(page.source, page.image) if page.image else None
        if file is None:
            return None
        alt = page.image_alt or page.title
        return ImageView(self.plan.url(file.path), alt, file.width, file.height, srcset(self.plan, file))

    def _date(self, iso: str | None) -> DateView | None:
        return DateView(iso, self.theme.date(iso)) if iso else None

    def _author(self, page: Page) -> LinkView | None:
        who = seo.author(self.plan, page) if page.layout == "post" else {}
        return LinkView(who["name"], who.get("url", "")) if who.get("@type") == "Person" else None

    def _tags(self, page: Page) -> tuple[LinkView, ...]:
        listings = (self.plan.tags[name] for name in page.tag_slugs)
        return tuple(LinkView(listing.title, self.plan.url(listing.base)) for listing in listings)

    def _home_crumb(self) -> LinkView:
        return LinkView(self.theme.words["home"], self.plan.url("/"))

    def _breadcrumbs(self, page: Page) -> tuple[LinkView, ...]:
        if page.path == "/" or page.layout == "404":
            return ()
        listing = self.plan.collections.get(page.collection)
        middle = (LinkView(listing.title, self.plan.url(listing.base)),) if listing else ()
        return (self._home_crumb(), *middle, LinkView(page.title, self.plan.url(page.path), "page"))

    def _graph(self, page: Page, crumbs: tuple[LinkView, ...], image: ImageView | None) -> list[Any]:
        if page.path == "/":
            return [seo.website(self.plan), seo.organization(self.plan)]
        picture = self.plan.config.origin + image.src if image else None
        posting = seo.blog_posting(self.plan, page, picture) if page.layout == "post" else None
        return [posting, seo.breadcrumb_list(self.plan, crumbs) if crumbs else None]

    def _translations(self, page: Page) -> tuple[LinkView, ...]:
        group = self.plan.translations.get(page.translation_key or "", ())
        others = (other for other in group if other is not page)
        return tuple(LinkView(self._language(o.lang), self.plan.url(o.path), lang=o.lang) for o in others)

    def _language(self, code: str) -> str:
        """A language's own name, where the theme's words have it."""
        return self.theme.words.get(f"language_{code.split('-')[0].lower()}", code)

    def _pagination(self, path: Any, number: int, total: int) -> PaginationView:
        """First, last and the pages around the current one."""
        near = sorted({1, total, *range(max(1, number - 2), min(total, number + 2) + 1)})
        return PaginationView(
            number=number,
            total=total,
            previous=self.plan.url(path(number - 1)) if number > 1 else None,
            next=self.plan.url(path(number + 1)) if number < total else None,
            pages=tuple(LinkView(str(n), self.plan.url(path(n)), "page" if n == number else "") for n in near),
        )

    def _with_inline_cta(self, body: str, cta: CtaView | None, form: str | None) -> str:
        if cta is None and form:
            spec = self.plan.forms[form].spec
            cta = CtaView(spec.button, f"#form-{form}", spec.title)
        return sections.after_first_third(body, self._body.cta_html(cta)) if cta else body

    def _finished(self, part: Any, text: Text) -> Any:
        items = tuple(msgspec.structs.replace(item, body=self._body.finish(item.body, text)) for item in part.items)
        return msgspec.structs.replace(part, body=self._body.finish(part.body, text), items=items)

    def _preview_note(self, page: Page) -> str:
        return self.plan.config.title if page.draft and self.plan.preview else ""

    def _misfits(self, page: Page, misfits: list[sections.Misfit]) -> list[Diagnostic]:
        if not misfits:
            return []
        doc = places.document(self.plan.root, page.source)
        return [
            warning(m.code, m.message, page.source, markdown.heading_span(doc.body, m.index, doc.body_line), m.hint)
            for m in misfits
        ]


def _mark(entries: tuple[LinkView, ...], marks: tuple[str, ...]) -> tuple[LinkView, ...]:
    return tuple(LinkView(e.label, e.url, mark) for e, mark in zip(entries, marks, strict=True))
