"""The rules of every route, as steps without I/O or clock: they yield what they need and are fed the answers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from magnetgen.forms import admin, contract, decode, links, proof, rules, tokens, validate
from magnetgen.forms.decode import DecodeError
from magnetgen.forms.effects import Effect, Probe, Rate, Steps, Transact, Verify
from magnetgen.forms.http import Context, Problem, Response, accepted, finish, json_response, problem
from magnetgen.forms.records import ACCEPTED, HELD, PRIVATE, QUARANTINED, Count, Submission
from magnetgen.forms.rules import Draft, Outcome
from magnetgen.forms.site import Challenge, Form
from magnetgen.forms.store import StoreUnavailable
from magnetgen.forms.validate import Checked, Cleaned

RATES = (("m", 60, 5), ("h", 3600, 30))
"""Windows: name, seconds, requests of one client to one form."""
RETRY_AFTER = 5
TOO_SOON = "time"
"""Why a submission is held that was sent sooner than a person can; its source says after how many milliseconds."""

Verdict = tuple[str, str]
"""A submission's status, and why."""

_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
_PORT = re.compile(r"^(?:\[([0-9A-Fa-f:.%]+)\]|([0-9.]+))(?::[0-9]{1,5})?$")
"""Some proxies write a client's port, too."""
_ALLOWED_HEADERS = "Content-Type, Idempotency-Key"


@dataclass(frozen=True)
class Route:
    """A route that matched: its methods and its steps."""

    methods: tuple[str, ...]
    steps: Callable[[Context], Steps]


def handle(ctx: Context) -> Steps:
    """Answer a request. The only exceptions that leave are those of the world outside."""
    form = _form_of(ctx)
    try:
        response = yield from _dispatch(ctx, form)
    except (Problem, DecodeError) as exc:
        fault = exc if isinstance(exc, Problem) else Problem(exc.status, exc.code)
        response = problem(ctx, fault, form.back if form else "")
    except StoreUnavailable:
        response = unavailable(ctx)
    return complete(ctx, response)


def unavailable(ctx: Context) -> Response:
    form = _form_of(ctx)
    fault = Problem(503, "store_unavailable", headers=(("retry-after", str(RETRY_AFTER)),))
    return problem(ctx, fault, form.back if form else "")


def internal(ctx: Context) -> Response:
    """Something that should not happen: nothing of it is shown."""
    return complete(ctx, problem(ctx, Problem(500, "internal")))


def complete(ctx: Context, response: Response) -> Response:
    """The headers that all responses have, and those of CORS on forms."""
    path = _local_path(ctx) or ""
    if path.startswith("/forms/"):
        response = response.with_headers(*_cors(ctx))
    return finish(ctx, response)


def _dispatch(ctx: Context, form: Form | None) -> Steps:
    path = _local_path(ctx)
    route = _route(path, form) if path is not None else None
    if route is None or ((path or "").startswith("/admin/") and not ctx.keys.admin):
        raise Problem(404, "unknown_form" if (path or "").startswith("/forms/") else "not_found")
    if ctx.request.method not in route.methods:
        raise Problem(405, "method", headers=(("allow", ", ".join(route.methods)),))
    return (yield from route.steps(ctx))


def _local_path(ctx: Context) -> str | None:
    """The path below the handler's base, or None."""
    path, prefix = ctx.request.path, ctx.site.prefix
    return path[len(prefix) :] if path.startswith(f"{prefix}/") else None


def _form_of(ctx: Context) -> Form | None:
    name = (_local_path(ctx) or "").removeprefix("/forms/")
    return ctx.site.forms.get(name) if contract.FORM_NAME.fullmatch(name) else None


def _route(path: str | None, form: Form | None) -> Route | None:
    kind, _, rest = (path or "").removeprefix("/").partition("/")
    if kind == "forms":
        return Route(("POST", "OPTIONS"), lambda ctx: _forms(ctx, form)) if form else None
    token_steps: Mapping[str, Callable[[Context, str], Steps]] = {
        "confirm": links.confirm,
        "unsubscribe": links.unsubscribe,
        "download": links.download,
    }
    if kind in token_steps and rest:
        return Route(("GET", "HEAD", "POST"), lambda ctx: token_steps[kind](ctx, rest))
    if path == "/healthz":
        return Route(("GET", "HEAD"), _healthy)
    if path == "/readyz":
        return Route(("GET", "HEAD"), _ready)
    if kind == "admin":
        found = admin.route(rest)
        return Route(*found) if found else None
    return None


def _healthy(ctx: Context) -> Steps:
    yield from ()
    return json_response({"ok": True})


def _ready(ctx: Context) -> Steps:
    yield Probe()
    return json_response({"ok": True})


# POST /forms/{form}


def _forms(ctx: Context, form: Form) -> Steps:
    if ctx.request.method == "OPTIONS":
        yield from ()
        return _preflight(ctx)
    decode.check_length(ctx.header("content-length"), len(ctx.request.body))
    kind = decode.media_type(ctx.header("content-type"), ctx.header("content-encoding"))
    _check_origin(ctx)
    yield from _rate(ctx, form)
    field = form.challenge.field if form.challenge else ""
    cleaned = validate.clean(form.spec, decode.decode(ctx.request.body, kind), field)
    if faults := validate.too_long(form.spec, cleaned):
        raise Problem(413, "size", tuple((fault.field, fault.code) for fault in faults))
    status, reason = _traps(ctx, form, cleaned)
    asked = _question(ctx, form, cleaned) if status != QUARANTINED else None
    if asked:
        status, reason = yield from _challenge(ctx, asked, (status, reason))
    checked = validate.check(form.spec, cleaned)
    if checked.faults and status != QUARANTINED:
        raise _invalid(checked)
    key = _idempotency_key(ctx, cleaned)
    submission = _submission(ctx, form, cleaned, checked, status, reason)
    if asked and submission.reason == "challenge":
        submission = _with_question(submission, asked)
    spent = (yield from _spent(asked)) if asked and asked.challenge.is_proof else False
    draft = Draft(submission, validate.fingerprint(checked), key, spent)
    outcome: Outcome = yield Transact(*rules.submit(ctx, form, draft))
    if asked and outcome.fault == "challenge_failed":
        raise _unproven(asked.challenge)
    if outcome.fault:
        raise Problem(422, outcome.fault)
    response = accepted(ctx, outcome.answer)
    replayed = outcome.replayed and bool(key)
    return response.with_headers(("idempotency-replayed", "true")) if replayed else response


def _preflight(ctx: Context) -> Response:
    if ctx.header("origin") is None:
        return Response(204, (("allow", "POST, OPTIONS"),))
    _check_origin(ctx)
    return Response(
        204,
        (
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", _ALLOWED_HEADERS),
            ("access-control-max-age", "600"),
        ),
    )


def _check_origin(ctx: Context) -> None:
    origin = ctx.header("origin")
    if origin is not None and origin not in ctx.site.origins:
        raise Problem(403, "origin_denied")


def _cors(ctx: Context) -> tuple[tuple[str, str], ...]:
    origin = ctx.header("origin")
    if origin is None or origin not in ctx.site.origins:
        return (("vary", "Origin"),)
    exposed = ("access-control-expose-headers", "Idempotency-Replayed, Retry-After")
    return (("access-control-allow-origin", origin), exposed, ("vary", "Origin"))


def _rate(ctx: Context, form: Form) -> Generator[Effect, Any, None]:
    """Count this client, and refuse it when a window is full."""
    now = int(ctx.now)
    key = tokens.client_key(ctx.keys, form.name, network(ctx.request.client), now // 86400)
    counts = tuple(
        Count(f"{name}{now // seconds}", key, limit, (now // seconds + 1) * seconds * 1000)
        for name, seconds, limit in RATES
    )
    found: list[int] = yield Rate(counts)
    full = [count.ends_at // 1000 - now for count, n in zip(counts, found, strict=True) if n > count.limit]
    if full:
        raise Problem(429, "rate_limited", headers=(("retry-after", str(max(full))),))


def network(address: str) -> str:
    """An IPv4 address, or an IPv6 network of 64 bits: what one client may have."""
    try:
        found = ipaddress.ip_address(_PORT.sub(r"\1\2", address).partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def _traps(ctx: Context, form: Form, cleaned: Cleaned) -> tuple[str, str]:
    """Honeypot and time. A script of a page always has an Origin: who says a time without one gets less credit."""
    if cleaned.reserved.get(contract.HONEYPOT):
        return QUARANTINED, "honeypot"
    took = validate.timer(cleaned.reserved.get(contract.TIMER, ""))
    least = form.spec.min_seconds * (1000 if ctx.header("origin") is not None else 2000)
    if took is not None and took < least:
        return HELD, TOO_SOON
    return ACCEPTED, ""


def _question(ctx: Context, form: Form, cleaned: Cleaned) -> Verify | None:
    """What the form's challenge was answered. A repetition under the client's own key asks the same question."""
    if form.challenge is None:
        return None
    answer = cleaned.reserved.get(form.challenge.field, "")
    key = _given_key(ctx, cleaned)
    seed = sha256(f"{form.name}\0{key}\0{answer}".encode()).digest() if key else ctx.random(16)
    return Verify(form.challenge, answer, str(UUID(bytes=seed[:16], version=4)))


def _challenge(ctx: Context, asked: Verify, before: Verdict) -> Generator[Effect, Any, Verdict]:
    """No answer, or a wrong one, ends here; while nobody can judge it, the submission is held."""
    if asked.challenge.is_proof:
        verdict = "pass" if proof.is_right(asked.challenge, asked.answer, int(ctx.now)) else "fail"
    else:
        verdict = (yield asked) if asked.answer else "fail"
    if verdict == "fail":
        raise _unproven(asked.challenge)
    # What is held for another reason is not to be released by an answer that is judged later.
    return (HELD, "challenge") if verdict == "down" and before[0] == ACCEPTED else before


def _with_question(sent: Submission, asked: Verify) -> Submission:
    """With what is needed to ask again, in a place that nobody is shown."""
    return replace(sent, source={**sent.source, PRIVATE: {"answer": asked.answer, "once": asked.once}})


def _spent(asked: Verify) -> Generator[Effect, Any, bool]:
    """Count a right proof of work: whether it had been used before."""
    counted = proof.count(asked.answer)
    found: list[int] = yield Rate((counted,))
    return found[0] > counted.limit


def _unproven(challenge: Challenge) -> Problem:
    return Problem(422, "challenge_failed", ((challenge.field, "challenge_failed"),))


def _invalid(checked: Checked) -> Problem:
    duplicates = any(fault.code == "duplicate_field" for fault in checked.faults)
    code = "duplicate_field" if duplicates else "validation"
    return Problem(422, code, tuple((fault.field, fault.code) for fault in checked.faults))


def _idempotency_key(ctx: Context, cleaned: Cleaned) -> str:
    """The client's key: the header's, or the field's. Empty is none; one of another shape is malformed."""
    key = _given_key(ctx, cleaned)
    if key and not _KEY.fullmatch(key):
        raise Problem(400, "malformed")
    return key


def _given_key(ctx: Context, cleaned: Cleaned) -> str:
    return ctx.header("idempotency-key") or cleaned.reserved.get(contract.IDEMPOTENCY, "")


def _submission(ctx: Context, form: Form, cleaned: Cleaned, checked: Checked, status: str, reason: str) -> Submission:
    source: dict[str, object] = dict(validate.attribution(cleaned.reserved.get(contract.SOURCE, "")))
    if ctx.header("origin") is None:
        source["no_origin"] = True
    if reason == TOO_SOON:
        source["took_ms"] = validate.timer(cleaned.reserved.get(contract.TIMER, ""))
    return Submission(
        id=ctx.new_id(),
        form=form.name,
        lead=None,
        email=checked.email,
        email_key=tokens.email_key(ctx.keys, checked.email) if checked.email else None,
        status=status,
        reason=reason,
        fields=checked.values,
        consent=rules.consent_record(form, checked.consent, _page(ctx, source), ctx.ms),
        source=source,
        created_at=ctx.ms,
    )


def _page(ctx: Context, source: Mapping[str, object]) -> str:
    """The page's address without query: as its script says, or the browser."""
    last = source.get("last")
    path = last.get("page", "") if isinstance(last, dict) else ""
    if path.startswith("/") and not path.startswith("//"):
        return re.split(r"[?#]", ctx.site.base_url.partition("://")[0] + "://" + _host(ctx.site.base_url) + path)[0]
    referrer = re.split(r"[?#]", ctx.header("referer") or "")[0]
    allowed = any(referrer == o or referrer.startswith(f"{o}/") for o in ctx.site.origins)
    return referrer[:500] if allowed and re.fullmatch("[ -~]*", referrer) else ""


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
