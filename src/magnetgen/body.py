"""A page's text as it stands in the page: addresses resolved, pictures sized, forms and blocks put in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup
from msgspec import Struct

from magnetgen import markdown, places
from magnetgen.capture import Capture
from magnetgen.diagnostics import Diagnostic, error, warning
from magnetgen.links import Links
from magnetgen.model import Fragment, Heading, MediaFile, Page, Ref
from magnetgen.pages import PageReader
from magnetgen.plan import Plan
from magnetgen.sections import EMBED
from magnetgen.text import is_absolute
from magnetgen.theme import Theme
from magnetgen.views import CtaView

PICTURE_SIZES = "(max-width: 40rem) 90vw, 22rem"
"""How wide a picture of several sizes stands in a page: beside words, or as wide as a small screen."""
_MARKDOWN_IMAGE = re.compile(r'<img (?:src="[^"]*" alt="([^"]*)"|alt="([^"]*)" src="[^"]*")(?: title="([^"]*)")?>')


class Embed(Struct, frozen=True):
    """A form or call to action in a text: its HTML, and the words for a link to it. form: its name, if it is one."""

    html: str
    label: str
    form: str = ""


class Text(Struct):
    """A page's text. `html` still has embeds as `<mg-embed>`; see Body.finish."""

    html: str
    headings: tuple[Heading, ...]
    embeds: list[Embed]
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
        frag = self._reader.body(page)
        text = Text("", frag.headings, [], [own_form] if own_form else [], page.source)
        text.shown += self._embedded(frag, ())
        text.html = self._resolve(page, frag, text, found, (), eager=page.image is None)
        return text

    def finish(self, markup: str, text: Text) -> Markup:
        """The markup with the embeds' real HTML."""
        markup = str(markup)  # a Markup would escape what is put in
        for number, embed in enumerate(text.embeds):
            markup = markup.replace(placeholder(number), embed.html)
        return Markup(markup)

    def as_links(self, markup: str, text: Text, url: str) -> str:
        """The markup with a link to the page in each embed's place: for readers that show no forms."""
        markup = str(markup)
        for number, embed in enumerate(text.embeds):
            link = f'<p><a href="{html.escape(url)}">{html.escape(embed.label)}</a></p>'
            markup = markup.replace(placeholder(number), link)
        return markup

    def form_html(self, name: str, number: int) -> str:
        return self._theme.piece("_form.html", form=self._capture.view(name, number))

    def cta_html(self, cta: CtaView) -> str:
        return self._theme.piece("_cta.html", cta=cta)

    def cta(self, name: str) -> CtaView | None:
        declared = self._plan.config.ctas.get(name)
        return CtaView(declared.label, self._links.site(declared.url).url, declared.text) if declared else None

    def _embedded(self, frag: Fragment, inside: tuple[str, ...]) -> Iterator[str]:
        """Names of the forms that the text embeds, in blocks too."""
        for ref in frag.refs:
            if ref.kind == "image" and ref.target.startswith("form:"):
                yield ref.target[5:]
            elif ref.kind == "image" and ref.target.startswith("block:"):
                name = ref.target[6:]
                block = self._plan.blocks.get(name)
                if block and name not in inside:
                    yield from self._embedded(self._reader.body(block), (*inside, name))

    def _resolve(
        self, page: Page, frag: Fragment, text: Text, found: list[Diagnostic], inside: tuple[str, ...], eager: bool
    ) -> str:
        targets = dict.fromkeys((ref.kind, ref.target) for ref in frag.refs if not embeds(ref))
        found += self._links.faults(page, targets, text.shown)
        changes = []
        for ref in frag.refs:
            if embeds(ref):
                start, end, before, behind = paragraph_around(frag.html, ref)
                changes.append((start, end, before + self._embed(page, ref, text, found, inside) + behind))
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
        found += self._image_faults(page, ref.target, alt, tag)
        if plain is None:  # the writer's own HTML: only its address and its size are ours
            before, behind = markup[ref.tag_start : ref.start], markup[ref.end : ref.tag_end].rstrip("/> ")
            return ref.tag_start, ref.tag_end, f"{before}{html.escape(address.url)}{behind}{_size(address.media, tag)}>"
        title = f' title="{plain[3]}"' if plain[3] else ""
        sizes = srcset(self._plan, address.media) if address.media else ""
        return ref.tag_start, ref.tag_end, _image_tag(address.url, alt, title, address.media, eager, sizes)

    def _image_faults(self, page: Page, target: str, alt: str, tag: str) -> Iterable[Diagnostic]:
        if is_absolute(target) and not target.startswith(("data:", self._plan.config.base_url)):
            place, _ = places.address(self._plan.root, page.source, target, "image")
            hint = "put a copy into media/: pages then load without asking another server"
            yield warning(
                "image-remote", "the size of a remote picture is unknown, so the page will jump", *place, hint
            )
        if not alt.strip():
            place, by_markdown = places.address(self._plan.root, page.source, target, "image")
            if not by_markdown and " alt=" in tag:
                return  # in HTML an empty alt says that the picture is decoration
            yield warning(
                "image-alt", "a picture without a description", *place, "say what it shows: ![a drawn magnet](…)"
            )

    def _embed(self, page: Page, ref: Ref, text: Text, found: list[Diagnostic], inside: tuple[str, ...]) -> str:
        scheme, _, name = ref.target.partition(":")
        problem = self._links.resolve(page, ref.target).problem
        if problem or ref.target in self._plan.unread:
            found += self._links.faults(page, [("image", ref.target)], ())
            return ""
        if scheme == "block" and name in inside:
            place, _ = places.address(self._plan.root, page.source, ref.target, "image")
            found.append(
                error("block-in-itself", f'the block "{name}" contains itself', *place, "take one of the two out")
            )
            return ""
        if scheme == "block":
            block = self._plan.blocks[name]
            frag = self._reader.body(block, id_prefix=f"{name}-")
            return self._resolve(block, frag, text, found, (*inside, name), eager=False)
        if scheme == "cta":
            cta = self.cta(name)
            text.embeds.append(Embed(self.cta_html(cta) if cta else "", cta.label if cta else ""))
        else:
            number = 1 + sum(f'id="form-{name}"' in e.html or f'id="form-{name}-' in e.html for e in text.embeds)
            text.embeds.append(Embed(self.form_html(name, number), self._plan.forms[name].spec.button, name))
        return placeholder(len(text.embeds) - 1)


def absolute(markup: str, origin: str, url: str) -> str:
    """HTML whose addresses hold anywhere, for feeds: root-relative ones with the origin, anchors with the page.

    Only in tags: what a text shows as code stays as it was written.
    """

    def fix(match: re.Match[str]) -> str:
        tag = re.sub(r'(\s(?:href|src|poster|action)=")/(?!/)', rf"\g<1>{origin}/", match[0])
        return re.sub(r'(\shref=")#', rf"\g<1>{url}#", tag)

    return re.sub(r"<[a-zA-Z][^<>]*>", fix, markup)


def embeds(ref: Ref) -> bool:
    return ref.kind == "image" and ref.target.startswith(("form:", "block:", "cta:"))


def placeholder(number: int) -> str:
    return f'<{EMBED} id="{number}"></{EMBED}>'


def paragraph_around(markup: str, ref: Ref) -> tuple[int, int, str, str]:
    """What an embed takes the place of, and what goes before and behind it: a form inside `<p>` is not valid."""
    start, end = ref.tag_start, ref.tag_end
    opened = markup.rfind("<p>", 0, start)
    if opened < 0 or markup.rfind("</p>", 0, start) > opened:
        return start, end, "", ""
    first = not markup[opened + 3 : start].strip()
    closed = markup.find("</p>", end)
    last = closed >= 0 and not markup[end:closed].strip()
    return opened if first else start, closed + 4 if last else end, "" if first else "</p>", "" if last else "<p>"


def srcset(plan: Plan, media: MediaFile) -> str:
    """The sizes that there are of a picture, for a browser to choose from; empty where there is one."""
    if not media.smaller:
        return ""
    return ", ".join(f"{plan.url(file.path)} {file.width}w" for file in (*media.smaller, media))


def _image_tag(url: str, alt: str, title: str, media: MediaFile | None, eager: bool, sizes: str) -> str:
    """`alt` and `title` are escaped already, as Markdown left them."""
    size = _size(media, "")
    load = "" if eager else ' loading="lazy" decoding="async"'
    choice = f' srcset="{html.escape(sizes)}" sizes="{PICTURE_SIZES}"' if sizes else ""
    return f'<img src="{html.escape(url)}"{choice} alt="{alt}"{title}{size}{load}>'


def _size(media: MediaFile | None, tag: str) -> str:
    """A picture's width and height as attributes, unless its tag gives them itself."""
    known = media is not None and media.width and " width=" not in tag and " height=" not in tag
    return f' width="{media.width}" height="{media.height}"' if media and known else ""
