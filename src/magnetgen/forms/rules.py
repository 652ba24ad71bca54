"""What becomes of a submission, a confirmation, an end: decisions, each a pure function of what the store holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from magnetgen.forms import outgoing, tokens
from magnetgen.forms.http import Context
from magnetgen.forms.records import (
    ACCEPTED,
    CONFIRMED,
    HELD,
    PENDING,
    UNSUBSCRIBED,
    Changes,
    Claim,
    Decide,
    Idem,
    Lead,
    Load,
    Snapshot,
    Submission,
    shown_source,
)
from magnetgen.forms.site import Form

IDEM_MS = 24 * 3_600_000
BUCKET_MS = 600_000
"""A submission without a key is the same one in this bucket of time and the one before."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
RESENT_MAX = 5
"""Mails of one kind, other than confirmations, to one address in a day."""


@dataclass(frozen=True)
class Draft:
    """A submission that has passed the checks so far. `key`: the client's, or empty.

    `spent`: its challenge was answered with what had been used before, so it can only be one that was sent again.
    """

    submission: Submission
    fingerprint: str
    key: str
    spent: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a decision on a submission answers. `fault`: a problem's code, or empty."""

    answer: Mapping[str, str]
    replayed: bool = False
    fault: str = ""


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def submit(ctx: Context, form: Form, draft: Draft) -> tuple[Load, Decide]:
    """One transaction: the answer's record, the submission, the lead, and what is to be sent."""
    sent, now = draft.submission, ctx.ms
    bucket = now // BUCKET_MS
    # What a machine sent, or a person too fast, must not swallow the same answers of a person.
    mark = draft.fingerprint if sent.status == ACCEPTED else f"{draft.fingerprint}/{sent.status}"
    derived = [tokens.derived_idempotency(ctx.keys, form.name, sent.email, mark, n) for n in (bucket, bucket - 1)]
    keys = (draft.key,) if draft.key else tuple(derived)
    lead_id, nonce = ctx.new_id(), ctx.random(16)

    def decide(found: Snapshot) -> Changes:
        if found.idem and found.idem.expires_at > now:
            same = found.idem.fingerprint == draft.fingerprint
            answer = {name: str(value) for name, value in found.idem.response.items()}
            return Changes(Outcome(answer, same, "" if same else "idempotency_reused"))
        if draft.spent:
            return Changes(Outcome({}, fault="challenge_failed"))
        full = sent.status == ACCEPTED and 0 < form.per_hour <= found.count
        kept = replace(sent, status=HELD, reason="volume") if full else sent
        if kept.status == ACCEPTED:
            changes = accept(ctx, form, kept, found, lead_id)
            token_lead = changes.leads[0].id
        else:
            changes = Changes(submissions=(kept,), outbox=outgoing.held(ctx, form, kept))
            token_lead = lead_id
        answer = _answer(ctx, form, token_lead, nonce)
        expires = now + (IDEM_MS if draft.key else 2 * BUCKET_MS)
        idem = Idem(form.name, keys[0], draft.fingerprint, answer, expires, sent.id)
        return replace(changes, answer=Outcome(answer), idem=idem, now=now)

    load = Load(
        form.name,
        keys,
        sent.email_key or "",
        since=now - HOUR_MS,
        count_max=form.per_hour,
        mails_since=now - DAY_MS,
    )
    return load, decide


def _answer(ctx: Context, form: Form, lead: str, nonce: bytes) -> dict[str, str]:
    """The same for everybody: it depends on the form alone, and a token differs from another only in its letters."""
    status = "confirm" if form.spec.double_opt_in else "accepted"
    if form.spec.double_opt_in or not form.spec.magnet:
        return {"status": status, "next": form.next}
    return {"status": status, "next": with_download(ctx, form, lead, form.next, nonce)}


def with_download(ctx: Context, form: Form, lead: str, url: str, nonce: bytes) -> str:
    """A page's address with the download's token as its fragment, which no server sees."""
    magnet = ctx.site.magnet_of(form)
    valid_for = magnet.valid_for if magnet else 0
    token = tokens.issue(ctx.keys, tokens.DOWNLOAD, form.name, lead, ctx.now, nonce, form.spec.magnet, valid_for)
    return f"{url.partition('#')[0]}#{token}"


def _claim(ctx: Context, form: Form, lead: Lead) -> Claim | None:
    """One of the codes that the form gives, for a lead that is to be given something: never for who only looks."""
    magnet = ctx.site.magnet_of(form)
    return Claim(magnet.name, magnet.codes, lead.id) if magnet and magnet.codes else None


def accept(ctx: Context, form: Form, sent: Submission, found: Snapshot, lead_id: str) -> Changes:
    """A submission that passed: a new lead, or one more of a known one."""
    before = found.lead
    if form.spec.double_opt_in:
        return _accept_unconfirmed(ctx, form, sent, found, lead_id)
    if before and before.confirmed_at is not None:
        # Who confirmed is never overwritten by who did not.
        lead = replace(before, status=CONFIRMED)
        sent = replace(sent, lead=lead.id)
    else:
        lead = _applied(before or _new_lead(ctx, sent, lead_id, CONFIRMED), (sent,))
        lead = replace(lead, status=CONFIRMED)
        sent = replace(sent, lead=lead.id, applied_at=ctx.ms)
    is_new = before is None or before.status != CONFIRMED
    outbox = outgoing.created(ctx, form, lead, sent)
    kind = "deliver" if form.spec.magnet else "welcome" if is_new and not found.suppressed else ""
    if kind and _may_mail(ctx, found, kind):
        outbox += (outgoing.mail(ctx, lead, kind, sent.id),)
    # Whether or not a mail may go out: the page that follows shows the code.
    claim = _claim(ctx, form, lead)
    return Changes(leads=(lead,), submissions=(sent,), outbox=outbox, claim=claim, release=lead.email_key, now=ctx.ms)


def _accept_unconfirmed(ctx: Context, form: Form, sent: Submission, found: Snapshot, lead_id: str) -> Changes:
    before = found.lead
    lead = before or _applied(_new_lead(ctx, sent, lead_id, PENDING), (sent,))
    sent = replace(sent, lead=lead.id, applied_at=None if before else ctx.ms)
    # Who has confirmed gets the thing again; anybody else is asked to confirm.
    kind = "deliver" if lead.status == CONFIRMED and form.spec.magnet else "confirm"
    outbox = () if before else outgoing.created(ctx, form, lead, sent, owner=False)
    claim = None
    if _may_mail(ctx, found, kind):
        outbox += (outgoing.mail(ctx, lead, kind, sent.id),)
        claim = _claim(ctx, form, lead) if kind == "deliver" else None
    return Changes(leads=(lead,), submissions=(sent,), outbox=outbox, claim=claim, now=ctx.ms)


def _may_mail(ctx: Context, found: Snapshot, kind: str) -> bool:
    """Per address: one confirmation in 10 minutes and 3 in a day; of other mails a few a day."""
    times = [at for name, at in found.mails if name == f"mail:{kind}" and at > ctx.ms - DAY_MS]
    if kind != "confirm":
        return len(times) < RESENT_MAX
    return len(times) < 3 and all(at <= ctx.ms - 600_000 for at in times)


def _new_lead(ctx: Context, sent: Submission, id: str, status: str) -> Lead:
    """A lead of now, though its submission may have been held for a while: who asks for what is new must see it."""
    return Lead(id, sent.form, sent.email, sent.email_key or "", status, {}, (), ctx.ms)


def _applied(lead: Lead, submissions: tuple[Submission, ...], confirmed_at: int | None = None) -> Lead:
    """The lead with what was sent: later answers win, and a purpose once agreed to stays agreed to."""
    for sent in submissions:
        # What was held while the lead came in by another submission is older, though it is released later.
        older = sent.created_at < lead.created_at
        data = {**sent.fields, **lead.data} if older else {**lead.data, **sent.fields}
        consent = {record["name"]: record for record in lead.consent}
        for record in sent.consent:
            if record["given"] or not consent.get(record["name"], {}).get("given"):
                consent[record["name"]] = record
        email = lead.email if older else sent.email
        lead = replace(lead, data=data, consent=tuple(consent.values()), email=email)
    if confirmed_at is not None:
        stamped = ({**r, "confirmed_at": iso(confirmed_at)} if r["given"] else dict(r) for r in lead.consent)
        lead = replace(lead, consent=tuple(stamped), confirmed_at=confirmed_at)
    return lead


def consent_record(form: Form, given: Mapping[str, bool], page: str, now: int) -> tuple[dict[str, Any], ...]:
    """What was agreed to, in which words, where and when."""
    return tuple(
        {
            "name": purpose.name,
            "given": given.get(purpose.name, False),
            "text": purpose.text,
            "text_sha256": sha256(purpose.text.encode()).hexdigest(),
            "version": form.version,
            "page": page,
            "submitted_at": iso(now),
            "confirmed_at": None,
        }
        for purpose in form.spec.consent
    )


def superseded(lead: Lead | None, token: tokens.Token) -> bool:
    """The lead was erased, or has unsubscribed since the token was made."""
    return lead is None or (lead.unsubscribed_at is not None and token.issued * 1000 <= lead.unsubscribed_at)


def confirm(ctx: Context, form: Form, token: tokens.Token) -> tuple[Load, Decide]:
    """`pending` → `confirmed`. Who comes first writes what is to be sent; repeats write nothing."""
    nonce = ctx.random(16)

    def decide(found: Snapshot) -> Changes:
        lead = found.lead
        if lead is None or superseded(lead, token):
            return Changes(Outcome({}, fault="token_superseded"))
        url = with_download(ctx, form, lead.id, form.confirmed, nonce) if form.spec.magnet else form.confirmed
        answer = Outcome({"status": "accepted", "next": url})
        # An old link of a confirmed lead vouches for nothing that was sent after it.
        waiting = tuple(
            s for s in found.waiting if lead.status != CONFIRMED or s.created_at <= token.issued * 1000 + 999
        )
        if lead.status == CONFIRMED and not waiting:
            return Changes(answer)
        lead_now = replace(_applied(lead, waiting, ctx.ms), status=CONFIRMED)
        applied = tuple(replace(sent, applied_at=ctx.ms) for sent in waiting)
        cause = f"confirm:{lead.unsubscribed_at or 0}" if lead.status != CONFIRMED else waiting[-1].id
        outbox, claim = outgoing.confirmed(ctx, form, lead_now, cause), None
        if lead.status != CONFIRMED:
            outbox += (outgoing.mail(ctx, lead_now, "deliver" if form.spec.magnet else "welcome", cause),)
            claim = _claim(ctx, form, lead_now)
        return Changes(answer, None, (lead_now,), applied, outbox, claim, release=lead.email_key, now=ctx.ms)

    return Load(lead=token.lead), decide


def unsubscribe(ctx: Context, form: Form | None, token: tokens.Token) -> tuple[Load, Decide]:
    """It always works, and always looks the same."""

    def decide(found: Snapshot) -> Changes:
        lead = found.lead
        if lead is None or lead.status == UNSUBSCRIBED:
            return Changes(Outcome({}))
        ended = replace(lead, status=UNSUBSCRIBED, unsubscribed_at=ctx.ms)
        outbox = outgoing.unsubscribed(ctx, form, ended) if form else ()
        suppress = (lead.email_key, "unsubscribed")
        return Changes(Outcome({}), leads=(ended,), outbox=outbox, cancel_mails=lead.id, suppress=suppress, now=ctx.ms)

    return Load(lead=token.lead), decide


def fresh_link(ctx: Context, form: Form, token: tokens.Token) -> tuple[Load, Decide]:
    """The download's mail once more, to the address that the lead has."""

    def decide(found: Snapshot) -> Changes:
        if found.lead is None:
            return Changes(Outcome({}, fault="token_superseded"))
        answer = Outcome({"status": "accepted", "next": form.next})
        if not _may_mail(ctx, found, "deliver"):
            return Changes(answer)
        outbox = (outgoing.mail(ctx, found.lead, "deliver", f"fresh:{ctx.ms // BUCKET_MS}"),)
        return Changes(answer, outbox=outbox, claim=_claim(ctx, form, found.lead), now=ctx.ms)

    return Load(lead=token.lead, mails_since=ctx.ms - DAY_MS), decide


def downloaded(ctx: Context, lead_id: str) -> tuple[Load, Decide]:
    """Remember the first time; a lead's state is not touched."""

    def decide(found: Snapshot) -> Changes:
        if found.lead is None or found.lead.downloaded_at is not None:
            return Changes()
        return Changes(leads=(replace(found.lead, downloaded_at=ctx.ms),))

    return Load(lead=lead_id), decide


def release(ctx: Context, id: str) -> tuple[Load, Decide]:
    """A held or quarantined submission goes on as if it had just passed. Answers the status, or a problem's code."""
    lead_id = ctx.new_id()

    def decide(found: Snapshot) -> Changes:
        sent = found.submission
        form = ctx.site.forms.get(sent.form) if sent else None
        if sent is None or form is None:
            return Changes(Outcome({}, fault="not_found"))
        if sent.status == ACCEPTED:
            return Changes(Outcome({"status": ACCEPTED, "lead": sent.lead or ""}, replayed=True))
        if not sent.email_key or _lacks(form, sent):
            return Changes(Outcome({}, fault="validation"))
        passed = replace(sent, status=ACCEPTED, reason="released", source=shown_source(sent.source))
        changes = accept(ctx, form, passed, found, lead_id)
        return replace(changes, answer=Outcome({"status": ACCEPTED, "lead": changes.leads[0].id}), now=ctx.ms)

    return Load(submission=id, mails_since=ctx.ms - DAY_MS), decide


def _lacks(form: Form, sent: Submission) -> bool:
    """A quarantined submission was stored with its faults; what the form demands, no release can supply."""
    given = {record["name"] for record in sent.consent if record["given"]}
    fields = (field.name for field in form.spec.fields if field.required and field.name not in sent.fields)
    return any(fields) or any(purpose.required and purpose.name not in given for purpose in form.spec.consent)


def stay_held(id: str, reason: str) -> tuple[Load, Decide]:
    """Nobody is asked again about a submission whose challenge was unjudged: it waits for the owner."""

    def decide(found: Snapshot) -> Changes:
        sent = found.submission
        if sent is None or (sent.status, sent.reason) != (HELD, "challenge"):
            return Changes()
        return Changes(submissions=(replace(sent, reason=reason, source=shown_source(sent.source)),))

    return Load(submission=id), decide


def erase(ctx: Context, email_key: str) -> tuple[Load, Decide]:
    """Everything of an address, on every form. Answers how many leads and submissions without a lead went."""

    def decide(found: Snapshot) -> Changes:
        outbox = tuple(
            delivery for lead in found.leads for delivery in outgoing.erased(ctx, lead, found.received.get(lead.id, ()))
        )
        gone = len(found.leads) + found.loose
        suppress = (email_key, "erased") if gone else ("", "")
        return Changes(gone, outbox=outbox, erase=email_key, suppress=suppress, now=ctx.ms)

    return Load(email_key=email_key, every_form=True), decide
