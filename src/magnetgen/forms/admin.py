"""The owner's routes. A bearer token opens them; without one set they do not exist. JSON only, no CORS."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from magnetgen.forms import decode, rules, tokens, validate
from magnetgen.forms.effects import (
    Drain,
    Effect,
    FindCodes,
    FindPerson,
    ListLeads,
    ListOutbox,
    ListSubmissions,
    Retry,
    Steps,
    Transact,
)
from magnetgen.forms.http import Context, Problem, json_response
from magnetgen.forms.records import (
    ACCEPTED,
    CONFIRMED,
    DEAD,
    DONE,
    DUE,
    HELD,
    LEASED,
    PENDING,
    QUARANTINED,
    UNSUBSCRIBED,
    Lead,
    LeadQuery,
    Submission,
    SubmissionQuery,
    shown_source,
)
from magnetgen.forms.rules import Outcome
from magnetgen.forms.site import Site

LIMIT_MAX = 200
_SUBMISSION = re.compile(r"submissions/([0-9a-f]{32})/release")
_DELIVERY = re.compile(r"outbox/([0-9a-f]{32})/retry")
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9a-f]{32})")
_SINCE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?"
)
"""Of all that Python takes for ISO 8601, what is alike in every version of it and in JavaScript."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Route = tuple[tuple[str, ...], Callable[[Context], Steps]]


def route(path: str) -> Route | None:
    """The methods and steps of a path below /admin/."""
    fixed: dict[str, Route] = {
        "leads": (("GET",), _leads),
        "leads/search": (("POST",), _search),
        "leads/erase": (("POST",), _erase),
        "submissions": (("GET",), _submissions),
        "outbox": (("GET",), _outbox),
        "drain": (("POST",), _drain),
    }
    if path in fixed:
        methods, steps = fixed[path]
        return methods, lambda ctx: _guarded(ctx, steps)
    for pattern, one in ((_SUBMISSION, _release), (_DELIVERY, _retry)):
        if match := pattern.fullmatch(path):
            return ("POST",), lambda ctx: _guarded(ctx, partial(one, id=match[1]))  # noqa: B023
    return None


def _guarded(ctx: Context, steps: Callable[[Context], Steps]) -> Steps:
    if not ctx.keys.admin:
        raise Problem(404, "not_found")
    scheme, _, given = (ctx.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not tokens.same(given.strip(), ctx.keys.admin):
        raise Problem(401, "unauthorized", headers=(("www-authenticate", "Bearer"),))
    if ctx.request.method == "POST" and ctx.header("sec-fetch-site") == "cross-site":
        raise Problem(403, "origin_denied")
    return (yield from steps(ctx))


def lead_data(lead: Lead) -> dict[str, Any]:
    """A lead as the owner sees it."""
    return {
        "id": lead.id,
        "form": lead.form,
        "email": lead.email,
        "status": lead.status,
        "data": dict(lead.data),
        "consent": list(lead.consent),
        "created_at": lead.created_at,
        "confirmed_at": lead.confirmed_at,
        "unsubscribed_at": lead.unsubscribed_at,
        "downloaded_at": lead.downloaded_at,
    }


def code_of(site: Site, lead: Mapping[str, Any], codes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """{"code": …} of what a lead's form gives now; nothing where the lead has none."""
    magnet = site.magnet_of(site.forms.get(lead["form"]))
    code = codes.get(lead["id"], {}).get(magnet.name, "") if magnet else ""
    return {"code": code} if code else {}


def claimants(site: Site, leads: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Ids of leads whose form gives single-use codes now: nobody else is shown with one."""
    giving = {name for name, form in site.forms.items() if (magnet := site.magnet_of(form)) and magnet.codes}
    return tuple(lead["id"] for lead in leads if lead["form"] in giving)


def _with_codes(ctx: Context, leads: Sequence[Mapping[str, Any]]) -> Generator[Effect, Any, list[dict[str, Any]]]:
    """Leads as plain data, and the codes of those that have one. The store is asked only where a form gives codes."""
    site, wanted = ctx.site, claimants(ctx.site, leads)
    codes: Mapping[str, Mapping[str, str]] = (yield FindCodes(wanted)) if wanted else {}
    return [{**lead, **code_of(site, lead, codes)} for lead in leads]


def submission_data(sent: Submission) -> dict[str, Any]:
    """A submission as the owner sees it."""
    return {
        "id": sent.id,
        "form": sent.form,
        "lead": sent.lead,
        "email": sent.email,
        "status": sent.status,
        "reason": sent.reason,
        "fields": dict(sent.fields),
        "consent": list(sent.consent),
        "source": shown_source(sent.source),
        "created_at": sent.created_at,
        "applied_at": sent.applied_at,
    }


def _leads(ctx: Context) -> Steps:
    query = LeadQuery(*_query(ctx.request.query, (PENDING, CONFIRMED, UNSUBSCRIBED)))
    found: list[Lead] = yield ListLeads(replace(query, limit=query.limit + 1))
    shown = found[: query.limit]
    leads = yield from _with_codes(ctx, [lead_data(lead) for lead in shown])
    return json_response({"leads": leads, "next": _cursor(found, query.limit)})


def _submissions(ctx: Context) -> Steps:
    query = SubmissionQuery(*_query(ctx.request.query, (ACCEPTED, HELD, QUARANTINED)))
    found: list[Submission] = yield ListSubmissions(replace(query, limit=query.limit + 1))
    shown = found[: query.limit]
    return json_response(
        {"submissions": [submission_data(sent) for sent in shown], "next": _cursor(found, query.limit)}
    )


def _cursor(found: Sequence[Lead | Submission], limit: int) -> str | None:
    """Where the next page goes on, if there is one."""
    return f"{found[limit - 1].created_at}-{found[limit - 1].id}" if len(found) > limit else None


def _query(text: str, statuses: tuple[str, ...]) -> tuple[int | None, str, str, tuple[int, str] | None, int]:
    """?since= (ISO date or milliseconds), form, status, after, limit. Anything else there is refused."""
    try:
        given = _given(text, {"since", "form", "status", "after", "limit"})
        limit, status = _limit(given, 50), given.get("status", "")
        if status not in ("", *statuses):
            raise ValueError
        return _since(given.get("since", "")), given.get("form", ""), status, _after(given), limit
    except (ValueError, OverflowError):
        raise Problem(400, "malformed") from None


def _outbox_query(text: str) -> tuple[str, int]:
    """?state=, limit."""
    try:
        given = _given(text, {"state", "limit"})
        if given.get("state", "") not in ("", DUE, LEASED, DONE, DEAD):
            raise ValueError
        return given.get("state", ""), _limit(given, 100)
    except ValueError:
        raise Problem(400, "malformed") from None


def _given(text: str, names: set[str]) -> dict[str, str]:
    given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=10))
    if given.keys() - names:
        raise ValueError
    return given


def _limit(given: dict[str, str], default: int) -> int:
    text = given.get("limit") or str(default)
    limit = int(text) if re.fullmatch("[0-9]{1,3}", text) else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise ValueError
    return limit


def _since(text: str) -> int | None:
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    if not _SINCE.fullmatch(text):
        raise ValueError
    found = datetime.fromisoformat(text)
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def _after(given: dict[str, str]) -> tuple[int, str] | None:
    text = given.get("after", "")
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if not match:
        raise ValueError
    return int(match[1]), match[2]


def _address(ctx: Context) -> str:
    """The email of a JSON body, as it is kept."""
    decode.check_length(ctx.header("content-length"), len(ctx.request.body))
    if decode.media_type(ctx.header("content-type"), ctx.header("content-encoding")) != decode.JSON:
        raise Problem(415, "type")
    given = dict(decode.decode(ctx.request.body, decode.JSON)).get("email", "")
    address, code = validate.email(given.strip(validate.TRIM))
    if code:
        raise Problem(422, "validation", (("email", code),))
    return address


def _search(ctx: Context) -> Steps:
    found: dict[str, Any] = yield FindPerson(tokens.email_key(ctx.keys, _address(ctx)))
    submissions = [{**sent, "source": shown_source(sent["source"])} for sent in found["submissions"]]
    leads = yield from _with_codes(ctx, found["leads"])
    return json_response({**found, "leads": leads, "submissions": submissions})


def _erase(ctx: Context) -> Steps:
    erased: int = yield Transact(*rules.erase(ctx, tokens.email_key(ctx.keys, _address(ctx))))
    return json_response({"erased": erased})


def _release(ctx: Context, id: str) -> Steps:
    outcome: Outcome = yield Transact(*rules.release(ctx, id))
    if outcome.fault:
        raise Problem(404 if outcome.fault == "not_found" else 422, outcome.fault)
    return json_response({"ok": True, **outcome.answer})


def _outbox(ctx: Context) -> Steps:
    found = yield ListOutbox(*_outbox_query(ctx.request.query))
    shown = ("id", "lead", "form", "dest", "kind", "state", "attempts", "created_at", "next_at", "last_code")
    return json_response({"deliveries": [{name: getattr(delivery, name) for name in shown} for delivery in found]})


def _retry(ctx: Context, id: str) -> Steps:
    if not (yield Retry(id)):
        raise Problem(404, "not_found")
    return json_response({"ok": True})


def _drain(ctx: Context) -> Steps:
    done: dict[str, int] = yield Drain()
    return json_response(done)
