"""The funnel of a lead magnet that nobody wrote: a form that gives it, and a landing page that shows the form.

Whatever is written by hand wins: a form that names the magnet, a landing page that shows that form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.forms.contract import EMAIL_MAX, SHORTHANDS, Consent, Field, FormSpec
from magnetgen.model import Magnet, Page, Parsed
from magnetgen.plan import Publish, why_held_back
from magnetgen.text import fold, slug

_FIELDS = (
    Field("email", "email", SHORTHANDS["email"].label, True, EMAIL_MAX, autocomplete="email"),
    SHORTHANDS["first_name"],
)


def completed(parsed: Iterable[Parsed], words: Mapping[str, str], publish: Publish, handler: str) -> list[Parsed]:
    """The site's files, with what its magnets bring along. `words`: the theme's; `handler`: its URL in the settings.

    Only what is published counts as written by hand, and a magnet that is a draft is none.
    """
    files = [replace(file, magnet=None) if file.draft and not publish.drafts else file for file in parsed]
    magnets = [file for file in files if file.magnet is not None and file.magnet.kind != "chapter"]
    if not magnets:
        return files
    public = [file for file in files if file.page is None or not why_held_back(file.page, publish)]
    givers = _givers(public)
    taken = {*(f"/{slug(file.source.split('/')[1])}/" for file in public if _is_post(file)), f"/{handler.strip('/')}/"}
    # A form that cannot be read may be the one: its own fault is told, and nothing is made in its place.
    is_unread = any(file.kind == "form" and file.form is None for file in files)
    forms = {file.form.name for file in files if file.form is not None}
    made: dict[str, Parsed] = {}
    pages: list[Parsed] = []
    for file in magnets:
        magnet = file.magnet
        assert magnet is not None
        given_by = givers.get(magnet.name, ())
        if not given_by and magnet.makes_form and not is_unread:
            if magnet.name in forms:
                made[file.source] = replace(file, diagnostics=(*file.diagnostics, _form_gives_nothing(magnet)))
                continue
            made[file.source] = replace(file, form=_form(magnet, words))
            given_by = (magnet.name,)
        if given_by and magnet.makes_page and not _has_page(public, magnet, given_by):
            if f"/{magnet.name}/" in taken:
                source = made.get(file.source, file)
                made[file.source] = replace(source, diagnostics=(*source.diagnostics, _address_taken(magnet)))
                continue
            pages.append(_page(magnet, given_by[0]))
    return [made.get(file.source, file) for file in files] + pages


def _givers(files: Iterable[Parsed]) -> dict[str, tuple[str, ...]]:
    """Magnet → the forms that give it."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(files, key=lambda f: f.source):
        for spec in (file.form, file.page.inline_form if file.page else None):
            if spec is not None and spec.magnet:
                found[spec.magnet] = (*found.get(spec.magnet, ()), spec.name)
    return found


def _has_page(files: Iterable[Parsed], magnet: Magnet, forms: tuple[str, ...]) -> bool:
    """Whether a landing page shows one of the forms, or the address is taken."""
    path = f"/{magnet.name}/"
    shown = {f"form:{name}" for name in forms}
    for file in files:
        if file.kind != "page":
            continue
        if file.page is None:
            if file.path == path:
                return True
            continue
        page = file.page
        if fold(path) in (fold(page.path), *map(fold, page.aliases)):
            return True
        if page.layout == "landing" and (page.form in forms or shown.intersection(page.images)):
            return True
    return False


def _form_gives_nothing(magnet: Magnet) -> Diagnostic:
    message = f'the form "{magnet.name}" does not give this magnet'
    hint = f"add `magnet: {magnet.name}` to the form, or give the magnet's file another name"
    return error("magnet-form", message, magnet.source, Span(1), hint)


def _is_post(file: Parsed) -> bool:
    return file.page is not None and bool(file.page.collection)


def _address_taken(magnet: Magnet) -> Diagnostic:
    message = f"/{magnet.name}/ is the address of something else, so there is no landing page for this magnet"
    hint = "give the file another name, or write `page: false`"
    return error("magnet-name", message, magnet.source, Span(1), hint)


def _form(magnet: Magnet, words: Mapping[str, str]) -> FormSpec:
    """An address, a name if one likes, and the newsletter as a box of its own."""
    return FormSpec(
        name=magnet.name,
        title=words[f"magnet_form_{magnet.kind}"].replace("{title}", magnet.title),
        fields=_FIELDS,
        consent=(Consent("newsletter", words["magnet_consent"]),),
        button=words[f"magnet_button_{magnet.kind}"],
        double_opt_in=True,
        magnet=magnet.name,
    )


def _page(magnet: Magnet, form: str) -> Parsed:
    """The landing page, as far as the plan must know it: its text is written when the book is there."""
    path = f"/{magnet.name}/"
    page = Page(
        source=magnet.source,
        path=path,
        layout="landing",
        title=magnet.title,
        description=magnet.description or magnet.subtitle,
        has_description=bool(magnet.description),
        digest=magnet.body.digest,
        form=form,
        lang=magnet.body.lang,
        markdown="",
    )
    return Parsed(magnet.source, "page", path, page=page)
