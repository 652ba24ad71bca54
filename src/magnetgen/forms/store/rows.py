"""Leads, submissions and answers as rows: what a decision loads, and how its changes are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magnetgen.forms.records import Changes, Decide, Idem, Lead, LeadQuery, Load, Snapshot, Submission, SubmissionQuery
from magnetgen.forms.store import codes, outbox_sql
from magnetgen.forms.store.connection import Connection

_LEAD = (
    "INSERT INTO lead VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET email=excluded.email, "
    "status=excluded.status, data=excluded.data, consent=excluded.consent, confirmed_at=excluded.confirmed_at, "
    "unsubscribed_at=excluded.unsubscribed_at, downloaded_at=excluded.downloaded_at"
)
_SUBMISSION = (
    "INSERT INTO submission VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET lead_id=excluded.lead_id, "
    "status=excluded.status, reason=excluded.reason, source=excluded.source, applied_at=excluded.applied_at"
)
_IDEM = (
    "INSERT INTO idem VALUES(?,?,?,?,?,?) ON CONFLICT(form_id, key) DO UPDATE SET fingerprint=excluded.fingerprint, "
    "response=excluded.response, expires_at=excluded.expires_at, submission_id=excluded.submission_id"
)
_SUPPRESSION = (
    "INSERT INTO suppression VALUES(?,?,?) ON CONFLICT(email_key) DO UPDATE SET reason=excluded.reason, at=excluded.at"
)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decide(connection: Connection, load: Load, decision: Decide, look: codes.Look) -> Any:
    """Load, decide, write. The caller holds the transaction."""
    changes = decision(snapshot(connection, load))
    write(connection, changes, look)
    return changes.answer


def snapshot(connection: Connection, load: Load) -> Snapshot:
    submission = _submission(connection, load.submission) if load.submission else None
    key = load.email_key or (submission.email_key or "" if submission else "")
    form = load.form or (submission.form if submission else "")
    lead = lead_by_id(connection, load.lead) if load.lead else _lead_of(connection, form, key)
    key = key or (lead.email_key if lead else "")
    leads = _leads_of(connection, key) if load.every_form and key else ()
    return Snapshot(
        idem=_idem(connection, load),
        lead=lead,
        leads=leads,
        submission=submission,
        waiting=_waiting(connection, lead.id) if lead else (),
        loose=_one(connection, "SELECT count(*) FROM submission WHERE lead_id IS NULL AND email_key=?", key)
        if key
        else 0,
        count=_count(connection, load) if load.count_max else 0,
        mails=_mails(connection, key, load.mails_since) if load.mails_since and key else (),
        suppressed=_suppressed(connection, key) if key else "",
        received={found.id: outbox_sql.received(connection, found.id) for found in leads},
    )


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None


def _idem(connection: Connection, load: Load) -> Idem | None:
    for key in load.idem:
        row = connection.execute("SELECT * FROM idem WHERE form_id=? AND key=?", (load.form, key)).fetchone()
        if row:
            return Idem(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5])
    return None


def lead_by_id(connection: Connection, id: str) -> Lead | None:
    row = connection.execute("SELECT * FROM lead WHERE id=?", (id,)).fetchone()
    return _as_lead(row) if row else None


def _lead_of(connection: Connection, form: str, key: str) -> Lead | None:
    if not form or not key:
        return None
    row = connection.execute("SELECT * FROM lead WHERE form_id=? AND email_key=?", (form, key)).fetchone()
    return _as_lead(row) if row else None


def _leads_of(connection: Connection, key: str) -> tuple[Lead, ...]:
    return tuple(map(_as_lead, connection.execute("SELECT * FROM lead WHERE email_key=? ORDER BY form_id", (key,))))


def _as_lead(row: Sequence[Any]) -> Lead:
    values: Any = list(row)
    values[5:7] = json.loads(values[5]), tuple(json.loads(values[6]))
    return Lead(*values)


def _submission(connection: Connection, id: str) -> Submission | None:
    row = connection.execute("SELECT * FROM submission WHERE id=?", (id,)).fetchone()
    return _as_submission(row) if row else None


def _as_submission(row: Sequence[Any]) -> Submission:
    values: Any = list(row)
    fields, consent, source = (json.loads(text) for text in values[7:10])
    values[7:10] = fields, tuple(consent), source
    return Submission(*values)


def _waiting(connection: Connection, lead: str) -> tuple[Submission, ...]:
    query = "SELECT * FROM submission WHERE lead_id=? AND applied_at IS NULL ORDER BY created_at, id"
    return tuple(map(_as_submission, connection.execute(query, (lead,))))


def _count(connection: Connection, load: Load) -> int:
    query = "SELECT count(*) FROM (SELECT 1 FROM submission WHERE form_id=? AND created_at>? AND status<>'quarantined' LIMIT ?) AS recent"
    return int(_one(connection, query, load.form, load.since, load.count_max))


def _mails(connection: Connection, key: str, since: int) -> tuple[tuple[str, int], ...]:
    query = (
        "SELECT kind, created_at FROM outbox WHERE lead_id IN (SELECT id FROM lead WHERE email_key=?) "
        "AND dest='mail' AND created_at>? ORDER BY created_at"
    )
    return tuple((row[0], row[1]) for row in connection.execute(query, (key, since)))


def _suppressed(connection: Connection, key: str) -> str:
    return _one(connection, "SELECT reason FROM suppression WHERE email_key=?", key) or ""


def write(connection: Connection, changes: Changes, look: codes.Look) -> None:
    for lead in changes.leads:
        connection.execute(_LEAD, _lead_values(lead))
    for sent in changes.submissions:
        connection.execute(_SUBMISSION, _submission_values(sent))
    if changes.idem:
        idem = changes.idem
        values = (idem.form, idem.key, idem.fingerprint, dumps(idem.response), idem.expires_at, idem.submission)
        connection.execute(_IDEM, values)
    if changes.cancel_mails:
        outbox_sql.cancel_mails(connection, changes.cancel_mails)
    for delivery in changes.outbox:
        outbox_sql.insert(connection, delivery)
    if changes.claim:
        codes.hand_out(connection, changes.claim, changes.now, look)
    if changes.release:
        connection.execute("DELETE FROM suppression WHERE email_key=?", (changes.release,))
    if changes.suppress[0]:
        connection.execute(_SUPPRESSION, (*changes.suppress, changes.now))
    if changes.erase:
        _erase(connection, changes.erase)


def _erase(connection: Connection, key: str) -> None:
    """Everything of an address but the keyed hash. What was waiting for it is cancelled, and its bodies are emptied."""
    mine = "(SELECT id FROM lead WHERE email_key=?)"
    sent = f"(SELECT id FROM submission WHERE lead_id IN {mine} OR email_key=?)"
    connection.execute(f"DELETE FROM idem WHERE submission_id IN {sent}", (key, key))
    scrub = "UPDATE outbox SET body='{}', state=CASE state WHEN 'done' THEN 'done' ELSE 'dead' END, last_code='erased'"
    connection.execute(f"{scrub} WHERE kind<>'lead.erased' AND lead_id IN {mine}", (key,))
    held = "(SELECT id FROM submission WHERE lead_id IS NULL AND email_key=?)"
    connection.execute(f"{scrub} WHERE kind<>'lead.erased' AND cause IN {held}", (key,))
    connection.execute(f"DELETE FROM submission WHERE lead_id IN {mine} OR email_key=?", (key, key))
    connection.execute("DELETE FROM lead WHERE email_key=?", (key,))


def _lead_values(lead: Lead) -> tuple[Any, ...]:
    data, consent = dumps(dict(lead.data)), dumps(list(lead.consent))
    head = (lead.id, lead.form, lead.email, lead.email_key, lead.status, data, consent, lead.created_at)
    return (*head, lead.confirmed_at, lead.unsubscribed_at, lead.downloaded_at)


def _submission_values(sent: Submission) -> tuple[Any, ...]:
    head = (sent.id, sent.form, sent.lead, sent.email, sent.email_key, sent.status, sent.reason)
    texts = (dumps(dict(sent.fields)), dumps(list(sent.consent)), dumps(dict(sent.source)))
    return (*head, *texts, sent.created_at, sent.applied_at)


def leads(connection: Connection, query: LeadQuery) -> list[Lead]:
    """A page of leads by (created_at, id), newest first."""
    text, values = _paged("lead", query)
    return list(map(_as_lead, connection.execute(text, values)))


def submissions(connection: Connection, query: SubmissionQuery) -> list[Submission]:
    """A page of submissions, in the same order."""
    text, values = _paged("submission", query)
    return list(map(_as_submission, connection.execute(text, values)))


def _paged(table: str, query: LeadQuery | SubmissionQuery) -> tuple[str, tuple[Any, ...]]:
    where, values = ["1=1"], list[Any]()
    if query.since is not None:
        where, values = [*where, "created_at>=?"], [*values, query.since]
    if query.form:
        where, values = [*where, "form_id=?"], [*values, query.form]
    if query.status:
        where, values = [*where, "status=?"], [*values, query.status]
    if query.after:
        where, values = [*where, "(created_at,id)<(?,?)"], [*values, *query.after]
    text = f"SELECT * FROM {table} WHERE {' AND '.join(where)} ORDER BY created_at DESC, id DESC LIMIT ?"
    return text, (*values, query.limit)


def person(connection: Connection, key: str) -> dict[str, Any]:
    """All that is known of an address, as plain data."""
    mine = "lead_id IN (SELECT id FROM lead WHERE email_key=?)"
    return {
        "leads": _plain(connection, "SELECT * FROM lead WHERE email_key=? ORDER BY created_at", key),
        "submissions": _plain(
            connection, f"SELECT * FROM submission WHERE email_key=? OR {mine} ORDER BY created_at", key, key
        ),
        "deliveries": _plain(
            connection,
            "SELECT id, lead_id, form_id, dest, kind, state, attempts, created_at, next_at, last_code "
            f"FROM outbox WHERE {mine} ORDER BY created_at",
            key,
        ),
        "suppressed": _suppressed(connection, key),
    }


def _plain(connection: Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    found = connection.execute(query, values)
    names = [column[0] for column in found.description or ()]
    return [_named(dict(zip(names, row, strict=True))) for row in found]


def _named(row: dict[str, Any]) -> dict[str, Any]:
    texts = ("data", "consent", "fields", "source", "body", "response")
    plain = {key: json.loads(value) if key in texts else value for key, value in row.items() if key != "email_key"}
    return {"form" if key == "form_id" else key: value for key, value in plain.items()}


def purge(connection: Connection, now: int, quarantined_before: int) -> None:
    connection.execute("DELETE FROM idem WHERE expires_at<?", (now,))
    old = "SELECT id FROM submission WHERE status='quarantined' AND created_at<?"
    connection.execute(f"DELETE FROM idem WHERE submission_id IN ({old})", (quarantined_before,))
    connection.execute("DELETE FROM submission WHERE status='quarantined' AND created_at<?", (quarantined_before,))


def dump(connection: Connection) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    return {
        "leads": _plain(connection, "SELECT * FROM lead ORDER BY created_at, id"),
        "submissions": _plain(connection, "SELECT * FROM submission ORDER BY created_at, id"),
        "outbox": _plain(connection, "SELECT * FROM outbox ORDER BY created_at, dest, kind, cause"),
        "suppression": _plain(connection, "SELECT reason, at FROM suppression ORDER BY at"),
        "idem": _plain(connection, "SELECT * FROM idem ORDER BY expires_at"),
    }
