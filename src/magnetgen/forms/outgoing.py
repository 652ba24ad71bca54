"""What is to be sent, and why: rows of the outbox, written in the same transaction as their cause. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from magnetgen.forms.http import Context
from magnetgen.forms.records import Delivery, Lead, Submission
from magnetgen.forms.site import Form

BODY_MAX = 20_000
"""Bytes of a webhook's body."""
FIELDS_MAX = 15_000
"""Bytes of the fields in a body that is shortened."""
MAIL = "mail"
"""The destination of mails to leads; mails to the owner have `email:ADDRESS`."""


def mail(ctx: Context, lead: Lead, kind: str, cause: str) -> Delivery:
    """A mail to the lead. Its text is made when it is sent, so links are fresh and nothing typed is kept twice."""
    return _delivery(ctx, lead.id, lead.form, MAIL, f"mail:{kind}", cause, {"mail": kind})


def created(ctx: Context, form: Form, lead: Lead, sent: Submission, owner: bool = True) -> tuple[Delivery, ...]:
    return _events(ctx, form, lead, "lead.created", sent.id) + (_notices(ctx, form, lead, sent.id) if owner else ())


def confirmed(ctx: Context, form: Form, lead: Lead, cause: str) -> tuple[Delivery, ...]:
    return _events(ctx, form, lead, "lead.confirmed", cause) + _notices(ctx, form, lead, cause)


def unsubscribed(ctx: Context, form: Form, lead: Lead) -> tuple[Delivery, ...]:
    return _events(ctx, form, lead, "lead.unsubscribed", f"unsubscribe:{ctx.ms}")


def erased(ctx: Context, lead: Lead, dests: Iterable[str]) -> tuple[Delivery, ...]:
    """To those that had the lead: its id, and nothing else."""
    body = {"type": "lead.erased", "timestamp": _time(ctx.ms), "data": {"id": lead.id}}
    return tuple(_delivery(ctx, lead.id, lead.form, dest, "lead.erased", "erased", body) for dest in dests)


def held(ctx: Context, form: Form, sent: Submission) -> tuple[Delivery, ...]:
    """The owner is told of what was held, without anything that was typed."""
    if sent.status != "held":
        return ()
    body = {"mail": "held", "submission": sent.id, "reason": sent.reason}
    return tuple(_delivery(ctx, "", form.name, dest, "mail:held", sent.id, body) for dest in _owners(form))


def _owners(form: Form) -> tuple[str, ...]:
    return tuple(name for name in form.spec.notify if name.startswith("email:"))


def _notices(ctx: Context, form: Form, lead: Lead, cause: str) -> tuple[Delivery, ...]:
    body = {"mail": "notify"}
    return tuple(_delivery(ctx, lead.id, form.name, dest, "mail:notify", cause, body) for dest in _owners(form))


def _events(ctx: Context, form: Form, lead: Lead, kind: str, cause: str) -> tuple[Delivery, ...]:
    dests = ctx.site.destinations_of(form)
    if not dests:
        return ()
    body = {"type": kind, "timestamp": _time(ctx.ms), "data": _data(lead)}
    if len(json.dumps(body, ensure_ascii=False).encode()) > BODY_MAX:
        body["data"] = _shortened(_data(lead))
    return tuple(_delivery(ctx, lead.id, form.name, dest.name, kind, cause, body) for dest in dests)


def _data(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "form": lead.form,
        "email": lead.email,
        "status": lead.status,
        "fields": dict(lead.data),
        "consent": [
            {key: record[key] for key in ("name", "given", "version", "submitted_at")} for record in lead.consent
        ],
        "created_at": _time(lead.created_at),
        "confirmed_at": _time(lead.confirmed_at) if lead.confirmed_at is not None else None,
    }


def _shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Long answers end early; the whole of them is in the store."""
    fields = {k: v[:200] if isinstance(v, str) else [x[:200] for x in v][:20] for k, v in data["fields"].items()}
    kept = dict(list(fields.items())[:15])
    # Answers with many choices can still be too much, all of them together.
    while kept and len(json.dumps(kept, ensure_ascii=False).encode()) > FIELDS_MAX:
        kept.popitem()
    return {**data, "fields": kept, "consent": data["consent"][:10], "truncated": True}


def _delivery(ctx: Context, lead: str, form: str, dest: str, kind: str, cause: str, body: dict[str, Any]) -> Delivery:
    return Delivery(ctx.new_id(), lead, form, dest, kind, cause, body, ctx.ms, next_at=ctx.ms)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
