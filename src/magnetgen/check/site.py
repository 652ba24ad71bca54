"""Rules for the site as a whole: what is named must exist, what is told twice is told to nobody."""

from __future__ import annotations

from collections.abc import Iterator

from magnetgen import places
from magnetgen.check.gifts import check_gifts
from magnetgen.diagnostics import Diagnostic, Span, error, warning
from magnetgen.links import PRIVATE, Links
from magnetgen.model import Page
from magnetgen.pages import resolve_file
from magnetgen.plan import Form, Plan, is_magnet
from magnetgen.seo import TITLE_LENGTH
from magnetgen.text import did_you_mean, listing

DESCRIPTION_LENGTHS = (70, 160)
MOST_FIELDS = 5
_VAGUE_BUTTONS = ("submit", "send", "ok", "go")


def check_site(plan: Plan, links: Links) -> Iterator[Diagnostic]:
    """Every fault that needs the whole plan, and no page's text."""
    for page in plan.pages:
        yield from _names(plan, page)
        yield from _image(plan, page, links)
        yield from _texts(plan, page)
    yield from _translations(plan)
    yield from _twice(plan, "title")
    yield from _twice(plan, "description")
    for form in plan.forms.values():
        yield from _form(plan, form, links)
    yield from check_gifts(plan)
    yield from _settings(plan, links)


def _names(plan: Plan, page: Page) -> Iterator[Diagnostic]:
    """`form` and `cta` must name something."""
    if page.form and page.form not in plan.forms and f"form:{page.form}" not in plan.unread:
        hint = did_you_mean(page.form, plan.forms) + f"Forms: {listing(sorted(plan.forms)) or 'none'}"
        place = places.key(plan.root, plan.config, page.source, "form")
        yield error("form-unknown", f'there is no form "{page.form}"', *place, hint)
    if page.cta and page.cta not in plan.config.ctas:
        hint = (
            did_you_mean(page.cta, plan.config.ctas)
            + f"`ctas` in magnetgen.yaml: {listing(sorted(plan.config.ctas)) or 'none'}"
        )
        place = places.key(plan.root, plan.config, page.source, "cta")
        yield error("cta-unknown", f'there is no call to action "{page.cta}"', *place, hint)


def _image(plan: Plan, page: Page, links: Links) -> Iterator[Diagnostic]:
    if page.image and is_magnet(resolve_file(page.source, page.image)):
        place = places.key(plan.root, plan.config, page.source, "image")
        yield error(PRIVATE.code, PRIVATE.message, *place, "put the picture into media/: then everybody may see it")
    elif page.image and links.image(page.source, page.image) is None:
        found = links.nearest_picture(page.source, page.image)
        hint = (
            f"did you mean {found}?"
            if found
            else f"put it at {resolve_file(page.source, page.image)}, or take `image` out"
        )
        place = places.key(plan.root, plan.config, page.source, "image")
        yield warning(
            "image-missing", f'the picture "{page.image}" is not there; the page is built without it', *place, hint
        )


def _texts(plan: Plan, page: Page) -> Iterator[Diagnostic]:
    """Lengths are habits of search results: they only warn."""
    if page.noindex or page.layout == "404":
        return
    if len(page.title) > TITLE_LENGTH:
        place = places.key(plan.root, plan.config, page.source, "title")
        hint = f"search results show about {TITLE_LENGTH}"
        yield warning("title-long", f"the title has {len(page.title)} characters", *place, hint)
    low, high = DESCRIPTION_LENGTHS
    length = len(page.description)
    if length == 0:
        place = places.key(plan.root, plan.config, page.source, "title")
        yield warning(
            "description-missing",
            "the page has no description, and no paragraph to take one from",
            *place,
            "add `description: …`",
        )
    elif page.has_description and not low <= length <= high:
        place = places.key(plan.root, plan.config, page.source, "description")
        yield warning(
            "description-length", f"the description has {length} characters", *place, f"{low} to {high} are shown whole"
        )


def _translations(plan: Plan) -> Iterator[Diagnostic]:
    """A key that two pages of one language share: only one of them can be the translation."""
    first: dict[tuple[str, str], Page] = {}
    for page in plan.pages:
        if page.translation_key:
            other = first.setdefault((page.translation_key, page.lang), page)
            if other is not page:
                place = places.key(plan.root, plan.config, page.source, "translation_key")
                hint = f"set its `lang`, or give it another key than {other.source}"
                yield warning("translation-twice", f'two pages in "{page.lang}" have this key', *place, hint)


def _twice(plan: Plan, name: str) -> Iterator[Diagnostic]:
    seen: dict[str, list[Page]] = {}
    for page in plan.pages:
        text = page.title if name == "title" else page.description
        if text and not page.noindex and page.layout != "404":
            # Translations may share a title.
            seen.setdefault(f"{page.lang}\0{text.casefold()}", []).append(page)
    for pages in seen.values():
        for page in pages if len(pages) > 1 else ():
            other = next(p for p in pages if p is not page)
            place = places.key(plan.root, plan.config, page.source, name)
            yield warning(
                f"{name}-twice", f"the same {name} as {other.source}", *place, f"give each page a {name} of its own"
            )


def _form(plan: Plan, form: Form, links: Links) -> Iterator[Diagnostic]:
    made = {magnet.source for magnet in plan.magnets.values()}  # forms that magnets bring along are right
    if not form.source or form.source in made:
        return
    spec, doc = form.spec, places.document(plan.root, form.source)
    inline = ("form",) if form.page is None else ()

    def at(*path: str | int) -> Span:
        return doc.span((*inline, *path))

    if spec.magnet and spec.magnet not in plan.magnets and f"magnet:{spec.magnet}" not in plan.unread:
        hint = (
            did_you_mean(spec.magnet, plan.magnets)
            + f"make content/magnets/{spec.magnet}.md, or put a file of that name there"
        )
        if plan.unpublished.get(f"content/magnets/{spec.magnet}.md") == "draft":
            hint = f"content/magnets/{spec.magnet}.md is a draft: take `draft: true` out of it"
        yield error("magnet-unknown", f'there is no lead magnet "{spec.magnet}"', form.source, at("magnet"), hint)
    known = {d.name for d in plan.config.handler.destinations}
    for index, name in enumerate(spec.notify):
        if not name.startswith("email:") and name not in known:
            hint = (
                did_you_mean(name, known) + "declare it in `handler.destinations`, or write email:someone@example.com"
            )
            yield error(
                "destination-unknown", f'there is no destination "{name}"', form.source, at("notify", index), hint
            )
    if spec.thanks and (problem := links.site(spec.thanks).problem):
        yield error(problem.code, problem.message, form.source, at("thanks"), problem.hint)
    if spec.challenge and plan.config.handler.provider != "magnetgen":
        message = f"a challenge has no effect with `provider: {plan.config.handler.provider}`"
        hint = "take it out: whoever receives the form has their own ways against bots"
        yield warning("form-challenge-unused", message, form.source, at("challenge"), hint)
    asked = [field for field in spec.fields if field.type != "hidden"]
    if len(asked) > MOST_FIELDS:
        hint = "one to three convert best: ask for the rest later"
        yield warning("form-fields-many", f"the form asks for {len(asked)} things", form.source, at("fields"), hint)
    if spec.button.strip().rstrip("!.").casefold() in _VAGUE_BUTTONS:
        hint = 'say what the visitor gets: "Send me the checklist"'
        yield warning("form-button-vague", f'the button only says "{spec.button}"', form.source, at("button"), hint)


def _settings(plan: Plan, links: Links) -> Iterator[Diagnostic]:
    """Addresses and pictures in magnetgen.yaml."""
    config = plan.config
    addresses: list[tuple[tuple[str | int, ...], str]] = []
    for menu, entries in (("main", config.menus.main or []), ("footer", config.menus.footer)):
        addresses += [(("menus", menu, i, "url"), entry.url) for i, entry in enumerate(entries)]
    addresses += [(("ctas", name, "url"), cta.url) for name, cta in config.ctas.items()]
    if config.privacy_url:
        addresses.append((("privacy_url",), config.privacy_url))
    for path, address in addresses:
        problem = links.site(address).problem
        if problem:
            yield error(problem.code, problem.message, *places.setting(plan.root, *path), problem.hint)
    pictures = [(("image",), config.image), (("organization", "logo"), config.organization.logo)]
    pictures.append((("theme", "logo"), str(config.theme.get("logo") or "")))
    for path, picture in pictures:
        if picture and links.image("magnetgen.yaml", picture) is None:
            found = links.nearest_picture("magnetgen.yaml", picture)
            if is_magnet(resolve_file("magnetgen.yaml", picture)):
                hint = "put the picture into media/: then everybody may see it"
                yield error(PRIVATE.code, PRIVATE.message, *places.setting(plan.root, *path), hint)
                continue
            hint = f"the nearest is {found}" if found else "put it into media/ and write /media/NAME"
            yield error("media-missing", f'there is no picture "{picture}"', *places.setting(plan.root, *path), hint)
