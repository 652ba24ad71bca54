"""Rules for what forms give: that somebody gives it, in time, and that the newsletter is not slipped in with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from magnetgen import places
from magnetgen.diagnostics import Diagnostic, Span, warning
from magnetgen.forms.contract import Consent, FormSpec
from magnetgen.model import Magnet
from magnetgen.plan import Form, Plan
from magnetgen.text import slug

_LEAST_LETTERS = 4
"""Shorter words are in every sentence."""


def check_gifts(plan: Plan) -> Iterator[Diagnostic]:
    """Every fault of magnets and the forms that give them, as far as the plan shows it."""
    given = {form.spec.magnet for form in plan.forms.values()}
    is_unread = any(name.startswith("form:") for name in plan.unread)
    for name, magnet in sorted(plan.magnets.items()):
        if magnet.is_written:
            if name not in given and not is_unread:
                hint = f"name it in a form: `magnet: {name}`; or take `form: false` out, and it gets one"
                yield warning("magnet-unused", "no form gives this magnet", magnet.source, Span(1), hint)
            yield from _over(plan, magnet)
            yield from _skipped_time(plan, magnet)
    for form in plan.forms.values():
        if form.spec.magnet in plan.magnets:
            yield from _undelivered(plan, form)
            yield from _bundled(plan, form, plan.magnets[form.spec.magnet])
            yield from _unconfirmed(plan, form, plan.magnets[form.spec.magnet])


def _over(plan: Plan, magnet: Magnet) -> Iterator[Diagnostic]:
    if magnet.end_ts and magnet.end_ts <= plan.now:
        span = places.document(plan.root, magnet.source).span(("start",))
        hint = "set the next date, or make it a `kind: link` to the recording"
        yield warning("magnet-over", "this webinar is over, and its form still takes guests", magnet.source, span, hint)


def _skipped_time(plan: Plan, magnet: Magnet) -> Iterator[Diagnostic]:
    """A time that clocks skip when summer time begins."""
    if magnet.start:
        said = datetime.fromisoformat(magnet.start)
        zone = ZoneInfo(magnet.timezone)
        if said.replace(tzinfo=None) != said.astimezone(UTC).astimezone(zone).replace(tzinfo=None) and _in(said, zone):
            span = places.document(plan.root, magnet.source).span(("start",))
            message = f"there is no {said:%H:%M} on that day in {magnet.timezone}: the clocks are put forward"
            yield warning("magnet-time", message, magnet.source, span, "choose another time")


def _in(said: datetime, zone: ZoneInfo) -> bool:
    """Whether a time was written for the zone, and not with an offset of its own."""
    return said.replace(tzinfo=zone).utcoffset() == said.utcoffset()


def _undelivered(plan: Plan, form: Form) -> Iterator[Diagnostic]:
    provider = plan.config.handler.provider
    if provider != "magnetgen":
        message = f"with `provider: {provider}` nothing sends {form.spec.magnet} to who asks for it"
        hint = "send it from there yourself, or let magnetgen's handler take this site's forms"
        yield warning("magnet-undelivered", message, *_place(plan, form, "magnet"), hint)


def _unconfirmed(plan: Plan, form: Form, magnet: Magnet) -> Iterator[Diagnostic]:
    """Single-use codes for whoever types an address, also one that nobody has."""
    if magnet.codes and not form.spec.double_opt_in:
        message = "single-use codes go to addresses that nobody has confirmed: invented ones use them up"
        place = _place(plan, form, "magnet")
        yield warning("codes-unconfirmed", message, *place, "add `double_opt_in: true`, or give everybody one `code`")


def _bundled(plan: Plan, form: Form, magnet: Magnet) -> Iterator[Diagnostic]:
    """A box that must be ticked, and does not say that it is the price of the thing."""
    for index, purpose in enumerate(form.spec.consent):
        if purpose.required and not _names_the_exchange(form.spec, magnet, purpose):
            message = f'who wants {magnet.title} must agree to "{purpose.name}", and the text does not say that this is the exchange'
            hint = (
                "set `required: false`: one box, one purpose, freely given. Or say it openly: "
                f'"Send me {magnet.title}, and in return your newsletter"'
            )
            yield warning("form-consent-bundled", message, *_place(plan, form, "consent", index), hint)


def _names_the_exchange(spec: FormSpec, magnet: Magnet, purpose: Consent) -> bool:
    """Whether the box's text speaks of what is given, by a word of its title, its name or its kind."""
    said = set(_words(purpose.text))
    return bool(said.intersection(_words(f"{magnet.title} {magnet.name} {magnet.kind}")))


def _words(text: str) -> Iterator[str]:
    yield from (word for word in re.split(r"[-_]+", slug(text)) if len(word) >= _LEAST_LETTERS)


def _place(plan: Plan, form: Form, *path: str | int) -> places.Place:
    if form.spec.name in plan.magnets and form.source == plan.magnets[form.spec.name].source:
        return form.source, Span(1)  # the form that the magnet brings along
    inline = ("form",) if form.page is None else ()
    return form.source, places.document(plan.root, form.source).span((*inline, *path))
