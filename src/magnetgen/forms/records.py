"""What a store keeps, what it is asked for, and what it is told to change. Times are milliseconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PENDING, CONFIRMED, UNSUBSCRIBED = "pending", "confirmed", "unsubscribed"
ACCEPTED, HELD, QUARANTINED = "accepted", "held", "quarantined"
DUE, LEASED, DONE, DEAD = "due", "leased", "done", "dead"

Json = Mapping[str, Any]

PRIVATE = "_challenge"
"""The part of a submission's `source` that is for judging it later, and for nobody to see."""


def shown_source(source: Json) -> dict[str, Any]:
    """Where a submission came from, without what only the handler needs."""
    return {name: value for name, value in source.items() if name != PRIVATE}


@dataclass(frozen=True)
class Lead:
    """A person on one form. `data`: the applied fields; `consent`: a record of each purpose."""

    id: str
    form: str
    email: str
    email_key: str
    status: str
    data: Json
    consent: tuple[Json, ...]
    created_at: int
    confirmed_at: int | None = None
    unsubscribed_at: int | None = None
    downloaded_at: int | None = None


@dataclass(frozen=True)
class Submission:
    """What was sent once. `lead`: none while it is held or quarantined; `applied_at`: when it became the lead's data."""

    id: str
    form: str
    lead: str | None
    email: str
    email_key: str | None
    status: str
    reason: str
    fields: Json
    consent: tuple[Json, ...]
    source: Json
    created_at: int
    applied_at: int | None = None


@dataclass(frozen=True)
class Idem:
    """An answer that was given for a key."""

    form: str
    key: str
    fingerprint: str
    response: Json
    expires_at: int
    submission: str = ""


@dataclass(frozen=True)
class Delivery:
    """One outgoing message. (lead, dest, kind, cause) is unique, so that nothing is sent for one cause twice."""

    id: str
    lead: str
    form: str
    dest: str
    kind: str
    cause: str
    body: Json
    created_at: int
    state: str = DUE
    attempts: int = 0
    next_at: int = 0
    last_code: str = ""


@dataclass(frozen=True)
class Load:
    """What a decision needs to see. Empty: not asked for.

    `form` with `idem` and `email_key` for a submission; `lead` or `submission` by id; `email_key` alone: of all forms.
    """

    form: str = ""
    idem: tuple[str, ...] = ()
    email_key: str = ""
    lead: str = ""
    submission: str = ""
    every_form: bool = False
    since: int = 0
    """Since when the form's submissions are counted."""
    count_max: int = 0
    mails_since: int = 0
    """Since when mails to the address are listed."""


@dataclass(frozen=True)
class Snapshot:
    """What was loaded, as it stands inside the transaction."""

    idem: Idem | None = None
    lead: Lead | None = None
    leads: tuple[Lead, ...] = ()
    submission: Submission | None = None
    waiting: tuple[Submission, ...] = ()
    """The lead's accepted submissions that are not applied, oldest first."""
    loose: int = 0
    """Submissions of the address without a lead."""
    count: int = 0
    mails: tuple[tuple[str, int], ...] = ()
    """(kind, when it was decided on) of mails to the address, oldest first."""
    suppressed: str = ""
    received: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lead's id → destinations that have, or may have, received it."""


@dataclass(frozen=True)
class Claim:
    """The first of the codes that nobody has yet is this lead's, unless it has one of the magnet's already."""

    magnet: str
    codes: tuple[str, ...]
    lead: str


@dataclass(frozen=True)
class Changes:
    """What a decision writes, all of it or nothing. `answer` is handed back once it is durable."""

    answer: Any = None
    idem: Idem | None = None
    leads: tuple[Lead, ...] = ()
    submissions: tuple[Submission, ...] = ()
    outbox: tuple[Delivery, ...] = ()
    claim: Claim | None = None
    """At `now`. Where no code is left, everything else is written all the same."""
    cancel_mails: str = ""
    """A lead whose waiting mails are not to be sent."""
    suppress: tuple[str, str] = ("", "")
    """(email_key, reason)"""
    release: str = ""
    """An email_key that is no longer suppressed."""
    erase: str = ""
    """An email_key of which everything goes, and only the suppression stays."""
    now: int = 0


Decide = Callable[[Snapshot], Changes]


@dataclass(frozen=True)
class LeadQuery:
    """A page of leads, newest first. `after`: the (created_at, id) of the last one seen."""

    since: int | None = None
    form: str = ""
    status: str = ""
    after: tuple[int, str] | None = None
    limit: int = 50


@dataclass(frozen=True)
class SubmissionQuery:
    """A page of submissions, newest first; like LeadQuery. `status`: accepted, held or quarantined."""

    since: int | None = None
    form: str = ""
    status: str = ""
    after: tuple[int, str] | None = None
    limit: int = 50


@dataclass(frozen=True)
class Count:
    """One more in a window: `bucket` names the window, `key` who is counted."""

    bucket: str
    key: str
    limit: int
    ends_at: int
