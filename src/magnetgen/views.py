"""What a template sees: `page` (a PageView), and of it `site`, `head` and the rest. Nothing else.

Every address here is ready to be written into an attribute: prefixed, hashed, absolute where the standard asks
for it. Every text is plain, and escaped by the template, unless its type is `Markup`. A page's output is a pure
function of the theme and its PageView.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from msgspec import Struct


class LinkView(Struct, frozen=True):
    """A labelled address. current: "page" if it leads to the page being shown, "true" if to what is above it.

    lang: of what it leads to, where that is another than the page's.
    """

    label: str
    url: str
    current: str = ""
    lang: str = ""


class DateView(Struct, frozen=True):
    """`iso` for `<time datetime>`, `text` for people."""

    iso: str
    text: str


class ImageView(Struct, frozen=True):
    """Width and height in pixels; None only for remote pictures, whose size is unknown.

    srcset: the sizes that there are of it, where there are several.
    """

    src: str
    alt: str = ""
    width: int | None = None
    height: int | None = None
    srcset: str = ""


class HeadingView(Struct, frozen=True):
    level: int
    id: str
    text: str


class OptionView(Struct, frozen=True):
    value: str
    label: str


class FieldView(Struct, frozen=True):
    """One control of a form. `attrs` holds name, type, limits and autocomplete as the handler checks them.

    id: of the control; `id`-help and `id`-error belong to its help and error texts.
    kind: text (any single-line input), textarea, select, checkbox (a single one), hidden, or radio: a group of
    choices, of which one or (attrs say so) several can be taken.
    """

    id: str
    name: str
    kind: str
    label: str
    required: bool
    attrs: Markup
    help: str = ""
    options: tuple[OptionView, ...] = ()


class ConsentView(Struct, frozen=True):
    """One purpose, one box, unticked; `attrs` holds name, value and `required`."""

    id: str
    name: str
    text: str
    required: bool
    attrs: Markup


class ChallengeView(Struct, frozen=True):
    """What a form asks of the browser. kind: proof-of-work (nothing is shown) or turnstile.

    field: name of the field that holds the answer. sitekey, action: attributes of Turnstile's element.
    """

    kind: str
    field: str
    sitekey: str = ""
    action: str = ""


class FormView(Struct, frozen=True):
    """A capture form. `attrs` goes into `<form …>` (action, method, data-*); `hidden` are (name, value) pairs.

    anchor: id of the element around the form, the target of `form:` links. honeypot: the trap's field name.
    """

    name: str
    anchor: str
    title: str
    button: str
    attrs: Markup
    fields: tuple[FieldView, ...]
    consent: tuple[ConsentView, ...]
    hidden: tuple[tuple[str, str], ...]
    honeypot: str
    privacy_url: str
    double_opt_in: bool
    challenge: ChallengeView | None = None


class CtaView(Struct, frozen=True):
    """A call to action: one labelled address, with a sentence of its own if the site gives one."""

    label: str
    url: str
    text: str = ""


class ItemView(Struct, frozen=True):
    """One item of a section: a feature, step, figure, plan, question, quote, member.

    title: name, figure, plan or question. meta: price, or the role and company of who is quoted.
    """

    title: Markup
    body: Markup
    meta: str = ""
    image: Markup = Markup("")


class SectionView(Struct, frozen=True):
    """A part of a landing page. kind: see docs/landing-pages.md. body: text before the items, or all of it."""

    kind: str
    id: str
    title: Markup
    body: Markup
    classes: tuple[str, ...] = ()
    items: tuple[ItemView, ...] = ()


class TeaserView(Struct, frozen=True):
    """A page as shown in a list."""

    title: str
    url: str
    description: str
    date: DateView | None = None
    image: ImageView | None = None
    minutes: int = 0
    tags: tuple[LinkView, ...] = ()


class PaginationView(Struct, frozen=True):
    number: int
    total: int
    previous: str | None
    next: str | None
    pages: tuple[LinkView, ...]


class HeadView(Struct, frozen=True):
    """All that search engines and social networks read. `social`: Open Graph's and Twitter's meta elements."""

    title: str
    description: str
    canonical: str
    robots: str
    social: Markup
    alternates: tuple[tuple[str, str], ...]
    jsonld: Markup
    feed_url: str
    previous: str | None = None
    next: str | None = None


class SiteView(Struct, frozen=True):
    """What is the same on every page. `theme` holds the theme's own settings, `words` its words.

    css goes into every page, sections_css only into pages with sections.
    """

    title: str
    description: str
    home: str
    language: str
    organization: str
    logo: ImageView | None
    main_menu: tuple[LinkView, ...]
    footer_menu: tuple[LinkView, ...]
    privacy_url: str
    feed_url: str
    theme: dict[str, Any]
    words: dict[str, str]
    css: Markup
    sections_css: Markup
    script: Markup


class DownloadView(Struct, frozen=True):
    """The place for a download on a thank-you page. base: an address that a token follows; script: shows it.

    formats: (what follows the token, label) of each file; links: to calendars. note: how long it works.
    """

    base: str
    script: Markup
    note: str
    formats: tuple[tuple[str, str], ...]
    links: tuple[LinkView, ...] = ()


class PageView(Struct, frozen=True):
    """One page. layout: home, post, page, landing, list, tag, thanks, 404, form, message, redirect.

    script: what the forms of this page need besides site.script; script_urls: scripts of others that they need.
    """

    site: SiteView
    head: HeadView
    layout: str
    url: str
    lang: str
    title: str
    description: str = ""
    body: Markup = Markup("")
    preview_note: str = ""
    breadcrumbs: tuple[LinkView, ...] = ()
    date: DateView | None = None
    updated: DateView | None = None
    author: LinkView | None = None
    minutes: int = 0
    image: ImageView | None = None
    tags: tuple[LinkView, ...] = ()
    toc: tuple[HeadingView, ...] = ()
    cta: CtaView | None = None
    form: FormView | None = None
    download: DownloadView | None = None
    sections: tuple[SectionView, ...] = ()
    items: tuple[TeaserView, ...] = ()
    pagination: PaginationView | None = None
    related: tuple[TeaserView, ...] = ()
    translations: tuple[LinkView, ...] = ()
    extra: dict[str, Any] = {}
    script: Markup = Markup("")
    script_urls: tuple[str, ...] = ()
