"""The landing page of a magnet that has none of its own: Markdown as a writer would have written it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from msgspec.structs import replace

from magnetgen import markdown
from magnetgen.magnets import offers
from magnetgen.magnets.chapters import Part
from magnetgen.magnets.gifts import Made
from magnetgen.markdown import escaped
from magnetgen.model import Magnet, MediaFile, Page
from magnetgen.pages import PageReader
from magnetgen.plan import Plan, put
from magnetgen.text import count_words
from magnetgen.theme import Theme

MOST_PARTS = 12
"""Chapters that a page lists; more are told of by the book itself."""


def write(plan: Plan, theme: Theme, made: Mapping[str, Made]) -> None:
    """Give the landing pages of magnets their texts, and the site the pictures of its books."""
    reader = PageReader(plan.root, plan.config)
    pages = []
    for page in plan.pages:
        if page.markdown is not None:
            name = next(name for name, magnet in plan.magnets.items() if magnet.source == page.source)
            text = _text(plan, plan.magnets[name], page, theme, made.get(name))
            alt = theme.words["book_cover"].replace("{title}", page.title)
            pages.append(_written(reader, page, text, made.get(name), alt))
    plan.gifts = {name: done.gift for name, done in made.items()}
    put(plan, pages, _pictures(plan, pages, made))


def _pictures(plan: Plan, pages: Iterable[Page], made: Mapping[str, Made]) -> Iterable[MediaFile]:
    """Pictures of the books whose landing pages show them."""
    shown = {page.source for page in pages}
    for name, done in made.items():
        if done.shown and plan.magnets[name].source in shown:
            for picture in (done.shown.cover, *(picture for _, picture in done.shown.inside)):
                yield from (picture, *picture.smaller)
            yield done.shown.card


def _written(reader: PageReader, page: Page, text: str, made: Made | None, alt: str) -> Page:
    frag = reader.text(text)
    shown = made.shown if made else None
    digest = blake2b(text.encode(), digest_size=16, key=page.digest)
    digest.update(shown.cover.digest.encode() + shown.card.digest.encode() if shown else b"")
    return replace(
        page,
        markdown=text,
        digest=digest.digest(),
        image=f"/{shown.cover.source}" if shown else page.image,
        image_alt=alt,
        card=f"/{shown.card.source}" if shown else "",
        anchors=markdown.anchors(frag),
        links=tuple(dict.fromkeys(ref.target for ref in frag.refs if ref.kind != "image")),
        images=tuple(dict.fromkeys(ref.target for ref in frag.refs if ref.kind == "image")),
        words=count_words(text),
    )


def _text(plan: Plan, magnet: Magnet, page: Page, theme: Theme, made: Made | None) -> str:
    """The page's Markdown: hero, what is inside, a look inside, questions. The form ends it by itself."""
    words = theme.words
    blocks = [escaped(magnet.subtitle), escaped(magnet.description)]
    if magnet.kind == "webinar":
        blocks.append(
            f"**{escaped(words['magnet_online'].replace('{time}', offers.spoken_time(plan, theme, magnet)))}**"
        )
    button = words[f"magnet_button_{magnet.kind}"]
    blocks.append(f"**[{escaped(button)}](form:{page.form})**")
    written = made.written if made else None
    inside = [Part(line) for line in magnet.inside] or list(written.parts if written else ())
    if inside:
        blocks.append(f"## {escaped(words['magnet_inside'])} {{#inside .features}}")
        if written and written.tasks > 1 and magnet.kind == "checklist":
            blocks.append(escaped(words["magnet_checks"].replace("{number}", str(written.tasks))))
        blocks.append("\n".join(_item(part) for part in inside[:MOST_PARTS]))
    if made and made.shown and made.shown.inside:
        blocks.append(f"## {escaped(words['magnet_look'])} {{#look .prose .leaves}}")
        blocks.append("\n".join(_leaf(words, magnet, number, picture) for number, picture in made.shown.inside))
    if magnet.faq:
        blocks.append(f"## {escaped(words['magnet_questions'])} {{#questions .faq}}")
        blocks += [f"### {escaped(question)}\n\n{answer}" for question, answer in magnet.faq]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _item(part: Part) -> str:
    below = " · ".join(map(escaped, part.below))
    return f"- **{escaped(part.title)}**" + (f" {below}" if below else "")


def _leaf(words: Mapping[str, str], magnet: Magnet, number: int, picture: MediaFile) -> str:
    alt = words["magnet_page"].replace("{number}", str(number)).replace("{title}", magnet.title)
    return f"![{escaped(alt)}](/{picture.source})"
