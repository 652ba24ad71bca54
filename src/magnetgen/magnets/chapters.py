"""A magnet's texts → a Book: every address made to hold outside the site, links between chapters kept inside."""

from __future__ import annotations

import re
from html import escape

from msgspec import Struct

from magnetgen import markdown, places
from magnetgen.body import embeds, paragraph_around
from magnetgen.colors import on
from magnetgen.diagnostics import ERROR, Diagnostic, Report, error, warning
from magnetgen.links import Links
from magnetgen.magnets.book import Book, Chapter, Ending
from magnetgen.model import Fragment, Heading, Magnet, MediaFile, Page, Ref
from magnetgen.pages import PageReader, resolve_file
from magnetgen.plan import Plan, is_magnet
from magnetgen.text import did_you_mean, is_absolute, listing, split_fragment, unquote_path
from magnetgen.theme import Theme

_IDS = re.compile(r"(<[a-zA-Z][^<>]*?\sid=[\"']?)")
_TASK = '<li class="task">'


class Part(Struct, frozen=True):
    """One line of what is inside: a chapter's title, and the titles below it."""

    title: str
    below: tuple[str, ...] = ()


class Written(Struct, frozen=True):
    """A magnet's book, and what can be told of it: its parts, its pictures, and how many boxes there are to tick.

    is_sound: nothing in it was an error, so that it can be typeset.
    """

    book: Book
    parts: tuple[Part, ...]
    tasks: int
    pictures: tuple[MediaFile, ...]
    is_sound: bool


class _Source(Struct, frozen=True):
    """A text of the book. title: empty for the magnet's own; is_own: its faults are told here, and nowhere else."""

    id: str
    page: Page
    title: str
    is_own: bool


class Writer:
    """Writes the books of one site. What is wrong goes to the report."""

    def __init__(self, plan: Plan, theme: Theme, reader: PageReader, links: Links, report: Report) -> None:
        self._plan, self._theme, self._reader, self._links, self._report = plan, theme, reader, links, report

    def book(self, magnet: Magnet) -> Written:
        config, before = self._plan.config, self._errors()
        self._pictures: dict[str, MediaFile] = {}
        sources = self._sources(magnet)
        texts = [(source, self._reader.body(source.page)) for source in sources]
        chapters = [self._chapter(source, frag, sources) for source, frag in texts]
        cover = self._cover(magnet)
        book = Book(
            name=magnet.name,
            kind=magnet.kind,
            title=magnet.title,
            subtitle=magnet.subtitle,
            author=magnet.author or (config.author.name if config.author else config.publisher),
            publisher=config.title,
            url=config.base_url,
            language=magnet.body.lang,
            date=magnet.date,
            brand=self._theme.brand,
            ink=on(self._theme.brand),
            paper=magnet.paper,
            toc=magnet.toc,
            chapters=tuple(chapter for chapter in chapters if chapter.title or chapter.html.strip()),
            cover=cover.source if cover else "",
            cover_alt=magnet.cover_alt or magnet.title,
            ending=self._ending(magnet),
            words=_words(self._theme.words),
            description=magnet.description,
        )
        if not book.chapters:
            place = places.document(self._plan.root, magnet.source)
            hint = "write it below the front matter, or name its `chapters`"
            self._report.add(
                error("magnet-empty", "this magnet has no text", magnet.source, place.span(("kind",)), hint)
            )
        parts = [part for source, frag in texts for part in _parts(source.title, frag.headings)]
        tasks = sum(chapter.html.count(_TASK) for chapter in book.chapters)
        return Written(book, tuple(parts), tasks, tuple(self._pictures.values()), self._errors() == before)

    def _errors(self) -> int:
        return sum(found.severity == ERROR for found in self._report)

    # --- what it is made of ------------------------------------------------------------------------------------

    def _sources(self, magnet: Magnet) -> list[_Source]:
        found = [_Source("c0", magnet.body, "", True)]
        for index, address in enumerate(magnet.chapters):
            file = resolve_file(magnet.source, address)
            file = f"content/{file}" if address.startswith("/") else file
            page, chapter = self._plan.by_source.get(file), self._plan.chapters.get(file)
            if page and page.markdown is None:
                found.append(_Source(f"c{index + 1}", page, page.title, False))
            elif chapter:
                found.append(_Source(f"c{index + 1}", chapter.body, chapter.title, True))
            else:
                self._report.add(self._no_chapter(magnet, index, file))
        return found

    def _no_chapter(self, magnet: Magnet, index: int, file: str) -> Diagnostic:
        plan = self._plan
        span = places.document(plan.root, magnet.source).span(("chapters", index))
        address = magnet.chapters[index]
        if file in plan.unreadable or f"magnet:{address}" in plan.unread:
            message, hint = f'"{address}" has a fault of its own', "mend it first"
        elif (reason := plan.unpublished.get(file)) and not is_magnet(file):
            message = f'"{address}" is not published: {reason}'
            hint = "publish it, or move its text to content/magnets/ with `kind: chapter`"
        elif any(file == other.source for other in plan.magnets.values()):
            message = f'"{address}" is a magnet itself'
            hint = "a chapter is a post, a page, or a file in content/magnets/ with `kind: chapter`"
        else:
            near = self._links.nearest_file(magnet.source, address)
            message = f'there is no chapter "{address}"'
            hint = f"did you mean {near}?" if near else "a path from this file: ../posts/name.md"
        return error("magnet-chapter", message, magnet.source, span, hint)

    def _cover(self, magnet: Magnet) -> MediaFile | None:
        if not magnet.cover:
            return None
        found = self._file(magnet.source, magnet.cover)
        if found is None or not found.width:
            near = self._links.nearest_picture(magnet.source, magnet.cover)
            hint = (
                f"the nearest is {near}" if near else "put it beside this file or into media/; without it, one is drawn"
            )
            span = places.document(self._plan.root, magnet.source).span(("cover",))
            message = f'there is no picture "{magnet.cover}"'
            self._report.add(error("media-missing", message, magnet.source, span, hint))
        return found

    def _ending(self, magnet: Magnet) -> Ending | None:
        config, words = self._plan.config, self._theme.words
        if magnet.cta == "":
            return None
        if magnet.cta is None:
            return Ending(words["book_more"], config.description, config.title, config.base_url)
        cta = config.ctas.get(magnet.cta)
        if cta is None:
            hint = (
                did_you_mean(magnet.cta, config.ctas)
                + f"`ctas` in magnetgen.yaml: {listing(sorted(config.ctas)) or 'none'}"
            )
            span = places.document(self._plan.root, magnet.source).span(("cta",))
            self._report.add(
                error("cta-unknown", f'there is no call to action "{magnet.cta}"', magnet.source, span, hint)
            )
            return None
        return Ending(words["book_more"], cta.text, cta.label, self._outside(self._links.site(cta.url).url))

    # --- texts -------------------------------------------------------------------------------------------------

    def _chapter(self, source: _Source, frag: Fragment, sources: list[_Source]) -> Chapter:
        html = self._text(source, source.page, frag, sources, ())
        # A post shows its picture above its text.
        picture = self._file(source.page.source, source.page.image) if source.title and source.page.image else None
        if picture:
            alt = escape(source.page.image_alt or source.title)
            html = f'<p><img src="{escape(picture.source)}" alt="{alt}"></p>\n{html}'
        return Chapter(source.id, source.title, html)

    def _text(
        self, source: _Source, page: Page, frag: Fragment, sources: list[_Source], inside: tuple[str, ...]
    ) -> str:
        """The text with its addresses resolved and its ids made the chapter's own."""
        if source.is_own:
            targets = [
                (r.kind, r.target) for r in frag.refs if not (r.kind == "image" and self._file(page.source, r.target))
            ]
            self._report.extend(self._links.faults(page, dict.fromkeys(targets), ()))
        changes = []
        for ref in frag.refs:
            if embeds(ref):
                start, end, before, behind = paragraph_around(frag.html, ref)
                changes.append((start, end, before + self._embed(source, page, frag, ref, sources, inside) + behind))
            elif ref.kind == "image":
                file = self._file(page.source, ref.target)
                changes.append((ref.start, ref.end, escape(file.source if file else ref.target)))
                if source.is_own:
                    self._alt(page, frag.html[ref.tag_start : ref.tag_end], ref)
            else:
                changes.append((ref.start, ref.end, escape(self._address(source, page, ref, sources))))
        html = markdown.splice(frag.html, changes)
        return _IDS.sub(rf"\g<1>{source.id}-", html) if not inside else html

    def _alt(self, page: Page, tag: str, ref: Ref) -> None:
        if not markdown.attribute(tag, "alt").strip():
            place, _ = places.address(self._plan.root, page.source, ref.target, "image")
            hint = "say what it shows: ![a drawn magnet](…)"
            self._report.add(warning("image-alt", "a picture without a description", *place, hint))

    def _embed(
        self, source: _Source, page: Page, frag: Fragment, ref: Ref, sources: list[_Source], inside: tuple[str, ...]
    ) -> str:
        """What a page would show there: of a block its text, of a form or a call to action a button that leads to it."""
        scheme, _, name = ref.target.partition(":")
        address = self._links.resolve(page, ref.target)
        if address.problem or (scheme == "block" and name in inside):
            return ""
        if scheme == "block":
            block = self._plan.blocks.get(name)
            return self._text(source, block, self._reader.body(block), sources, (*inside, name)) if block else ""
        words = markdown.attribute(frag.html[ref.tag_start : ref.tag_end], "alt") or self._label(scheme, name)
        url = escape(self._outside(address.url))
        return f'<p class="actions"><a href="{url}" class="button">{escape(words)}</a></p>'

    def _label(self, scheme: str, name: str) -> str:
        return self._plan.forms[name].spec.button if scheme == "form" else self._plan.config.ctas[name].label

    def _address(self, source: _Source, page: Page, ref: Ref, sources: list[_Source]) -> str:
        """A link as it holds in the book: to a chapter within it, or to the whole address."""
        target = ref.target
        if target.startswith("#"):
            return f"#{source.id}-{unquote_path(target[1:])}" if target != "#" else ""
        file, tail = split_fragment(target)
        url = self._links.resolve(page, target, kind=ref.kind).url
        for other in sources:
            same_file = not is_absolute(target) and resolve_file(page.source, file) == other.page.source
            if same_file or (
                other.page.path.startswith("/") and url.partition("#")[0] == self._plan.url(other.page.path)
            ):
                anchor = unquote_path(tail.partition("#")[2])
                return f"#{other.id}-{anchor}" if anchor else f"#{other.id}"
        return self._outside(url)

    def _outside(self, url: str) -> str:
        return url if not url or is_absolute(url) else self._plan.config.origin + url

    def _file(self, source: str, target: str) -> MediaFile | None:
        """A file of the site, private ones too: a book may show what lies beside it."""
        address = split_fragment(target)[0]
        if not address or is_absolute(address):
            return None
        file = resolve_file(source, address)
        media = self._plan.media
        found = media.get(file) or (media.get(f"content/{file}") if address.startswith("/") else None)
        if found:
            self._pictures[found.source] = found
        return found


def _parts(title: str, headings: tuple[Heading, ...]) -> list[Part]:
    """A chapter with a title is one part; the highest headings of a text without one are parts."""
    top = min((heading.level for heading in headings), default=0)
    if title:
        return [Part(title, tuple(heading.text for heading in headings if heading.level == top))]
    parts: list[Part] = []
    for heading in headings:
        if heading.level == top:
            parts.append(Part(heading.text))
        elif heading.level == top + 1 and parts:
            parts[-1] = Part(parts[-1].title, (*parts[-1].below, heading.text))
    return parts


def _words(words: dict[str, str]) -> dict[str, str]:
    return {name: word for name, word in words.items() if name.startswith("book_")}
