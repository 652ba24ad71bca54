"""Destinations other than webhooks: services that a recipe describes, told of leads as the format of recipes has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import md5
from typing import Any

from magnetgen.forms import recipes, webhooks
from magnetgen.forms.mail import Sent
from magnetgen.forms.recipes import Recipe, Step
from magnetgen.forms.records import Delivery
from magnetgen.forms.site import Destination, SiteFault
from magnetgen.forms.webhooks import FindLead, Poster, Ready

ANSWER_MAX, ANSWERS_MAX = 500, 3000
"""Characters of one answer, and of all, in a message to people."""
_SPACES = re.compile(r"[\t\n\f\r ]+")


class Unset(Exception):
    """A destination that cannot be told anything yet. The text says what is missing."""


def open_destination(destination: Destination, env: Mapping[str, str]) -> Ready:
    """A destination with its settings from the environment. Raises Unset, and SiteFault for a value of a wrong form."""
    if destination.kind not in recipes.names("destinations"):
        raise Unset(f"this magnetgen knows no destinations of the kind {destination.kind}")
    recipe = recipes.load("destinations", destination.kind)
    given = {name: getattr(destination, f"{name}_env") for name in recipe["settings"]}
    settings = {name: env[variable] for name, variable in given.items() if env.get(variable)}
    missing = [
        given[name] or f"{name}_env in magnetgen.yaml"
        for name, setting in recipe["settings"].items()
        if setting.get("required") and name not in settings
    ]
    if missing:
        raise Unset(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
    if destination.kind == "webhook":
        return webhooks.open_hook(destination.name, settings["url"], settings.get("secret", ""))
    for name, value in settings.items():
        _check(destination.name, name, given[name], recipe["settings"][name], value)
    return Service(recipe, settings | {"url": recipes.base_of(recipe, settings)})


def _check(destination: str, name: str, variable: str, setting: Mapping[str, Any], value: str) -> None:
    if name == "url":
        webhooks.address(f"{variable}, for the destination {destination},", value)
    elif not recipes.fits(name, setting, value):
        raise SiteFault(f"{variable}, for the destination {destination}, is to be {setting['what']}")


@dataclass(frozen=True)
class Service:
    """A service and its settings."""

    recipe: Recipe
    settings: Mapping[str, str] = field(repr=False)

    def send(self, poster: Poster, delivery: Delivery, find_lead: FindLead, now: float) -> Sent:
        event = self.recipe["events"].get(delivery.kind)
        data = delivery.body["data"]
        reason = "skipped" if event is None else _reason_against(event, data, delivery, find_lead)
        if event is None or reason:
            return Sent(True, reason, item=True)
        return run(self.recipe["steps"][event["do"]], {**holes(data), **self.settings}, poster)


def _reason_against(event: Mapping[str, Any], data: Mapping[str, Any], delivery: Delivery, find_lead: FindLead) -> str:
    """Why a service is not told; empty: it is."""
    if wanted := event.get("status"):
        # A delivery may be old: who has ended or come back since is not to be put back where they were.
        lead = find_lead(delivery.lead)
        if data.get("status") != wanted or (lead and lead.status != wanted):
            return "skipped"
    if event.get("consent") and data["consent"] and not any(record["given"] for record in data["consent"]):
        return "no_consent"
    return ""


def run(steps: Sequence[Step], given: Mapping[str, Any], poster: Poster) -> Sent:
    """The requests of a recipe, until one of them ends it."""
    known = dict(given)
    try:
        with webhooks.within(webhooks.TIMEOUT):
            for number, step in enumerate(steps, 1):
                call = recipes.make(step, known)
                sent = poster.post(call.url, call.headers, call.body, call.method)
                if number == len(steps) or not _listed(step, "next", sent):
                    return verdict(step, sent)
                known |= recipes.take(step.get("take", {}), sent.body)
    except recipes.NoValue:
        return Sent(False, "no_value", permanent=True, item=True)
    except recipes.Absent:
        return Sent(True, "absent")
    except recipes.Unreadable:
        return Sent(False, "unreadable")
    raise ValueError("a recipe without steps")


def verdict(step: Step, sent: Sent) -> Sent:
    """What an answer means for the delivery."""
    if _listed(step, "done", sent):
        return Sent(True, sent.code)
    if _listed(step, "retry", sent):
        return Sent(False, sent.code, retry_after=sent.retry_after)
    if _listed({"permanent": recipes.PERMANENT, **step}, "permanent", sent):
        return Sent(False, sent.code, permanent=True, item=True)
    return replace(sent, item=False)


def _listed(step: Step, name: str, sent: Sent) -> bool:
    return sent.code.isdecimal() and recipes.says(step.get(name, ()), int(sent.code), sent.body)


def holes(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the holes of a recipe may be filled with, of the event's `data`: {id} alone after an erasure.

    `id`, `form`, `email`, `status`; `email_md5` of the address in small letters; `fields` as they are. `first_name` and
    `last_name`: the fields of that name, else the first word of `name` and the rest; `name`: the field, else both;
    `name_or_email`. `company`, `job_title`, `phone`, `website`, `country`, `message`: the fields, several values joined
    by `, `. `consents`: names of what was agreed to, joined likewise. `answers`: a line `name: value` for each field
    other than `email`, white space as one space, at most 500 characters a value and 3,000 in all.
    """
    fields = {name: value if isinstance(value, str) else ", ".join(value) for name, value in _fields(data).items()}
    own = {name: fields.get(name, "") for name in ("company", "job_title", "phone", "website", "country", "message")}
    first, _, last = _SPACES.sub(" ", fields.get("name", "")).strip().partition(" ")
    first, last = fields.get("first_name") or first, fields.get("last_name") or last
    name = fields.get("name") or f"{first} {last}".strip()
    email = data.get("email", "")
    lines = [f"{key}: {_SPACES.sub(' ', value)[:ANSWER_MAX]}" for key, value in fields.items() if value]
    return {
        **{key: data.get(key, "") for key in ("id", "form", "email", "status")},
        **own,
        "email_md5": md5(email.lower().encode(), usedforsecurity=False).hexdigest() if email else "",
        "first_name": first,
        "last_name": last,
        "name": name,
        "name_or_email": name or email,
        "fields": _fields(data),
        "consents": ", ".join(record["name"] for record in data.get("consent", ()) if record["given"]),
        "answers": "\n".join(lines)[:ANSWERS_MAX],
    }


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.get("fields", {}).items() if name != "email"}
