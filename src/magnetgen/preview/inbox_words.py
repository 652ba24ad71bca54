"""What the inbox's pages say, in plain words. Times are milliseconds since the epoch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from magnetgen.forms.contract import PER_HOUR
from magnetgen.forms.records import CONFIRMED, PENDING, UNSUBSCRIBED, Lead
from magnetgen.forms.site import Form, Site, origin

"""Of a held submission's source in the preview: how long after the page's load it was sent."""
DONE = {
    "released": "Released: the submission is a lead now.",
    "not-released": "This could not be released: the site has no such form any more, or there is no address in it.",
    "forgotten": "Forgotten. The same address can start from the beginning.",
    "erased": "Erased. What had received this lead is told to erase it, too.",
    "deleted": "All captured mails are deleted.",
    "retried": "Tried again.",
    "due": "It is due now: the running handler sends it within seconds.",
    "not-retried": "Nothing is left of this delivery that could be sent.",
    "drained": "All that was due has been sent.",
    "failing": "From now on this destination fails.",
    "working": "This destination works again.",
}
KINDS = {
    "mail:confirm": "Confirmation",
    "mail:deliver": "Download",
    "mail:welcome": "Welcome",
    "mail:notify": "Note to the owner",
    "mail:held": "Held, note to the owner",
    "lead.created": "New lead",
    "lead.confirmed": "Lead confirmed",
    "lead.unsubscribed": "Lead unsubscribed",
    "lead.erased": "Lead erased",
}
_CODES = {
    "TimeoutError": "no answer in time",
    "cancelled": "cancelled: the lead has unsubscribed or is gone",
    "erased": "erased",
    "no_destination": "the destination is gone from the settings",
    "no_form": "the form is gone from the site",
    "no_transport": "no mail server is set up",
    "header": "its headers could not be made",
    "ConnectionRefusedError": "nobody answers at the address",
    "gaierror": "the address is not known",
}


def kind(name: str) -> str:
    return KINDS.get(name, name.removeprefix("mail:"))


def dest(name: str) -> str:
    if name == "mail":
        return "Mail to the lead"
    return f"Mail to {name.removeprefix('email:')}" if name.startswith("email:") else name


def code(text: str) -> str:
    """What came of the last attempt."""
    if not text:
        return "not tried yet"
    if re.fullmatch(r"2[0-9]{2}", text):
        return f"accepted ({text})"
    if re.fullmatch(r"[3-5][0-9]{2}", text):
        return f"refused ({text})"
    return _CODES.get(text, text)


def state(delivery: Any, now: int) -> tuple[str, str]:
    """(badge's kind, words) of a delivery, which is an object or a row of `person`."""

    def value(name: str) -> Any:
        return delivery[name] if isinstance(delivery, dict) else getattr(delivery, name)

    match value("state"):
        case "done":
            return "good", "Delivered"
        case "dead":
            return ("plain", "Cancelled") if value("last_code") in ("cancelled", "erased") else ("bad", "Given up")
        case "leased":
            return "plain", "On its way"
    if value("attempts"):
        return "warn", f"Failed, next try {until(value('next_at'), now)}"
    return "plain", "Waiting"


def until(at: int, now: int) -> str:
    """How long from now, as far as it matters."""
    seconds = (at - now) / 1000
    if seconds <= 0:
        return "now"
    if seconds < 60:
        return "in under a minute"
    if seconds < 5400:
        return f"in {round(seconds / 60)} min"
    return f"in {round(seconds / 3600)} h"


def when(at: int | None) -> str:
    """On this machine's clock: 22 Nov 2026, 14:03:05."""
    if at is None:
        return ""
    local = datetime.fromtimestamp(at / 1000).astimezone()
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


def iso(at: int | None) -> str:
    return datetime.fromtimestamp((at or 0) / 1000).astimezone().isoformat(timespec="seconds")


def lead_status(lead: Lead) -> tuple[str, str]:
    """(badge's kind, words)"""
    if lead.status == PENDING:
        return "warn", "To be confirmed"
    if lead.status == UNSUBSCRIBED:
        return "plain", "Unsubscribed"
    return "good", "Confirmed" if lead.confirmed_at is not None else "Accepted"


def reason(sent: Any, form: Form | None) -> str:
    """Why a submission is held or quarantined, and what of."""
    match sent.reason:
        case "honeypot":
            return "The field that no visitor sees was filled in, as machines do."
        case "time":
            return _too_fast(sent.source, form)
        case "volume":
            return f"The form had its {form.per_hour if form else PER_HOUR} submissions of the hour."
        case "challenge":
            return "Nobody could judge whether a person was there: the check's service did not answer."
    return str(sent.reason)


def _too_fast(source: Mapping[str, Any], form: Form | None) -> str:
    least = form.spec.min_seconds if form else 0
    took = source.get("took_ms")
    said = f"Sent {took / 1000:.1f} s after loading" if isinstance(took, int) else "Sent too soon after loading"
    if not least:
        return f"{said}."
    doubled = " Twice that, since no Origin was sent." if source.get("no_origin") else ""
    return f"{said}; this form takes {least} s or more for a person (min_seconds).{doubled}"


def answers(site: Site, form: str, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of all fields but the address, in the form's order."""
    known = site.forms.get(form)
    labels = {field.name: field.label or field.name for field in known.spec.fields} if known else {}
    names = [name for name in labels if name in data] + [name for name in data if name not in labels]
    return [(labels.get(name, name), _text(data[name])) for name in names if name != "email"]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def shorter(text: str, limit: int = 80) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def source(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of where a visitor came from, the last touch before the first."""
    listed = []
    for touch in ("last", "first"):
        values = found.get(touch)
        if isinstance(values, Mapping) and (touch == "last" or values != found.get("last")):
            listed += [(f"{touch} {name}", str(value)) for name, value in values.items()]
    return listed


def page_of(site: Site, sent: Any, consent: Iterable[Mapping[str, Any]]) -> str:
    """The page that a submission came from: as its script said, or as consent was recorded."""
    touch = sent.source.get("last") if sent else None
    page = touch.get("page") if isinstance(touch, Mapping) else None
    recorded = next((record["page"] for record in consent if record.get("page")), "")
    return str(page or recorded.removeprefix(origin(site.base_url)))


def campaign(sent: Any) -> str:
    """utm_source and utm_campaign of the last touch, if it has any."""
    touch = sent.source.get("last") if sent else None
    if not isinstance(touch, Mapping):
        return ""
    return " / ".join(str(touch[name]) for name in ("utm_source", "utm_campaign") if touch.get(name))


def no_mail(form: Form | None, lead: Lead, sent: Mapping[str, Any], mailed_at: set[int]) -> str:
    """Why nothing was mailed for a submission; empty where something was, or where that needs no words."""
    if form is None or sent["status"] != "accepted" or sent["reason"] == "released" or sent["created_at"] in mailed_at:
        return ""
    if form.spec.double_opt_in and lead.status != CONFIRMED:
        return "No mail for this one: an address is asked to confirm once in 10 minutes and 3 times in 24 hours."
    if form.spec.magnet:
        return "No mail for this one: an address gets 5 download mails in 24 hours."
    return "No mail for this one: a known lead is welcomed once."
