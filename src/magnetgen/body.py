"""A page's text as it stands in the page: addresses resolved, pictures sized, forms and blocks put in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup
from msgspec import Struct

from magnetgen import markdown, places
from magnetgen.capture import Capture
from magnetgen.diagnostics import Diagnostic, warning
from magnetgen.links import Links
from magnetgen.model import Fragment, Heading, MediaFile, Page, Ref
from magnetgen.pages import PageReader
from magnetgen.plan import Plan
from magnetgen.sections import EMBED
from magnetgen.text import is_absolute
from magnetgen.theme import Theme
from magnetgen.views import CtaView

_MARKDOWN_IMAGE = re.compile(r'<img (?:src="[^"]*" alt="([^"]*)"|alt="([^"]*)" src="[^"]*")(?: title="([^"]*)")?>')
MAX_BLOCK_DEPTH = 4


class Text(Struct):
    """A page's text. `html` still has embeds as `<mg-embed>`; see Body.finish."""

    html: str
    headings: tuple[Heading, ...]
    embeds: list[str]
    shown: list[str]
    source: str


class Body:
    """Makes the texts of one site's pages."""

    def __init__(self, plan: Plan, theme: Theme, reader: PageReader, links: Links, capture: Capture) -> None:
        self._plan = plan
        self._theme = theme
        self._reader = reader
        self._links = links
        self._capture = capture

    def text(self, page: Page, found: list[Diagnostic], own_form: str | None) -> Text:
        """The text of a page's file. `own_form`: the form that ends the page. Faults are added to `found`."""
        image = page.image if page.repeats_image else None
        frag = self._reader.body(page.source, image)
        text = Text("", frag.headings, [], [own_form] if own_form else [], page.source)
        text.shown += self._embedded(frag, 0)
        text.html = self._resolve(page, frag, text, found, 0, eager=page.image is None)
        return text

    def finish(self, markup: str, text: Text) -> Markup:
        """The markup with the embeds' real HTML."""
        markup = str(markup)  # a Markup would escape what is put in
        for number, made in enumerate(text.embeds):
            markup = markup.replace(f'<{EMBED} id="{number}"></{EMBED}>', made)
        return Markup(markup)

    def form_html(self, name: str, number: int) -> str:
        return self._theme.piece("_form.html", form=self._capture.view(name, number))

    def cta_html(self, cta: CtaView) -> str:
        return self._theme.piece("_cta.html", cta=cta)

    def cta(self, name: str) -> CtaView | None:
        declared = self._plan.config.ctas.get(name)
        return CtaView(declared.label, self._links.site(declared.url).url, declared.text) if declared else None

    def _embedded(self, frag: Fragment, depth: int) -> Iterator[str]:
        """Names of the forms that the text embeds, in blocks too."""
        for ref in frag.refs:
            if ref.kind == "image" and ref.target.startswith("form:"):
                yield ref.target[5:]
            elif ref.kind == "image" and ref.target.startswith("block:") and depth < MAX_BLOCK_DEPTH:
                block = self._plan.blocks.get(ref.target[6:])
                if block:
                    yield from self._embedded(self._reader.body(block.source), depth + 1)

    def _resolve(self, page: Page, frag: Fragment, text: Text, found: list[Diagnostic], depth: int, eager: bool) -> str:
        targets = dict.fromkeys((ref.kind, ref.target) for ref in frag.refs if not _embeds(ref))
        found += self._links.faults(page, targets, text.shown)
        changes = []
        for ref in frag.refs:
            if _embeds(ref):
                start, end = _paragraph_around(frag.html, ref)
                changes.append((start, end, self._embed(page, ref, text, found, depth)))
            elif ref.kind == "image":
                changes.append(self._image(page, frag.html, ref, found, eager))
                eager = False
            else:
                url = self._links.resolve(page, ref.target, text.shown, ref.kind).url
                changes.append((ref.start, ref.end, html.escape(url)))
        return markdown.splice(frag.html, changes)

    def _image(self, page: Page, markup: str, ref: Ref, found: list[Diagnostic], eager: bool) -> tuple[int, int, str]:
        address = self._links.resolve(page, ref.target, kind="image")
        tag = markup[ref.tag_start : ref.tag_end]
        plain = _MARKDOWN_IMAGE.fullmatch(tag)
        alt = next((g for g in plain.groups()[:2] if g is not None), "") if plain else markdown.attribute(tag, "alt")
        found += self._image_faults(page, ref.target, alt)
        if plain is None:  # the writer's own HTML: only its address is ours
            return ref.start, ref.end, html.escape(address.url)
        title = f' title="{plain[3]}"' if plain[3] else ""
        return ref.tag_start, ref.tag_end, _image_tag(address.url, alt, title, address.media, eager)

    def _image_faults(self, page: Page, target: str, alt: str) -> Iterable[Diagnostic]:
        if is_absolute(target) and not target.startswith(("data:", self._plan.config.base_url)):
            place, _ = places.address(self._plan.root, page.source, target, "image")
            hint = "put a copy into media/: pages then load without asking another server"
            yield warning(
                "image-remote", "the size of a remote picture is unknown, so the page will jump", *place, hint
            )
        if not alt.strip():
            place, _ = places.address(self._plan.root, page.source, target, "image")
            yield warning(
                "image-alt", "a picture without a description", *place, "say what it shows: ![a drawn magnet](…)"
            )

    def _embed(self, page: Page, ref: Ref, text: Text, found: list[Diagnostic], depth: int) -> str:
        scheme, _, name = ref.target.partition(":")
        problem = self._links.resolve(page, ref.target).problem
        if problem or (scheme == "block" and depth >= MAX_BLOCK_DEPTH):
            found += self._links.faults(page, [("image", ref.target)], ())
            return ""
        if scheme == "block":
            block = self._plan.blocks[name]
            frag = self._reader.body(block.source, id_prefix=f"{name}-")
            return self._resolve(block, frag, text, found, depth + 1, eager=False)
        if scheme == "cta":
            cta = self.cta(name)
            made = self.cta_html(cta) if cta else ""
        else:
            number = 1 + sum(f'id="form-{name}' in embed for embed in text.embeds)
            made = self.form_html(name, number)
        text.embeds.append(made)
        return f'<{EMBED} id="{len(text.embeds) - 1}"></{EMBED}>'


def absolute(markup: str, origin: str, url: str) -> str:
    """HTML whose addresses hold anywhere, for feeds: root-relative ones with the origin, anchors with the page."""
    markup = re.sub(r'(\s(?:href|src|poster|action)=")/(?!/)', rf"\g<1>{origin}/", markup)
    return re.sub(r'(\shref=")#', rf"\g<1>{url}#", markup)


def _embeds(ref: Ref) -> bool:
    return ref.kind == "image" and ref.target.startswith(("form:", "block:", "cta:"))


def _paragraph_around(markup: str, ref: Ref) -> tuple[int, int]:
    """The whole paragraph if the embed stands alone in it: a form inside `<p>` is not valid."""
    start, end = ref.tag_start, ref.tag_end
    if markup[max(0, start - 3) : start] == "<p>" and markup[end : end + 4] == "</p>":
        return start - 3, end + 4
    return start, end


def _image_tag(url: str, alt: str, title: str, media: MediaFile | None, eager: bool) -> str:
    """`alt` and `title` are escaped already, as Markdown left them."""
    size = f' width="{media.width}" height="{media.height}"' if media and media.width else ""
    load = "" if eager else ' loading="lazy" decoding="async"'
    return f'<img src="{html.escape(url)}" alt="{alt}"{title}{size}{load}>'
