"""What the core asks the world for. Each is yielded, and its answer sent back in."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from magnetgen.forms.http import Response
from magnetgen.forms.records import Count, Decide, LeadQuery, Load, SubmissionQuery
from magnetgen.forms.site import Asset, Challenge


@dataclass(frozen=True)
class Rate:
    """Count one more in each window → the counts, list[int]."""

    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Verify:
    """Ask the challenge's verifier → "pass", "fail" or "down". `once`: the same where the same is asked again."""

    challenge: Challenge
    answer: str
    once: str


@dataclass(frozen=True)
class Transact:
    """Run a decision in one transaction → its answer, once it is durable."""

    load: Load
    decide: Decide


@dataclass(frozen=True)
class Note:
    """The same, but the request does not wait for it, nor fail with it → None."""

    load: Load
    decide: Decide


@dataclass(frozen=True)
class FindLead:
    """→ Lead or None."""

    id: str


@dataclass(frozen=True)
class FindCodes:
    """Codes that were handed out to leads → {lead's id: {magnet: code}}, without those that have none."""

    leads: tuple[str, ...]


@dataclass(frozen=True)
class FindPerson:
    """→ what is known of an address, as plain data."""

    email_key: str


@dataclass(frozen=True)
class ListLeads:
    """→ list[Lead]."""

    query: LeadQuery


@dataclass(frozen=True)
class ListSubmissions:
    """→ list[Submission]."""

    query: SubmissionQuery


@dataclass(frozen=True)
class ListOutbox:
    """The newest of a state, or of all → list[Delivery]."""

    state: str = ""
    limit: int = 100


@dataclass(frozen=True)
class Retry:
    """A delivery is due again → whether there is one."""

    id: str


@dataclass(frozen=True)
class Drain:
    """Send what is due → {"sent": n, "failed": n}."""


@dataclass(frozen=True)
class Probe:
    """Write something in the store and read it back → None, or StoreUnavailable."""


@dataclass(frozen=True)
class Locate:
    """Where an asset is → int (its size, lying beside the handler), str (an address that lives 300 s), or None."""

    asset: Asset


Effect = (
    Rate
    | Verify
    | Transact
    | Note
    | FindLead
    | FindCodes
    | FindPerson
    | ListLeads
    | ListSubmissions
    | ListOutbox
    | Retry
    | Drain
    | Probe
    | Locate
)
Steps = Generator[Effect, Any, Response]
