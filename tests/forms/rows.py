"""Leads, submissions and deliveries to put into a store, and how to look at what it holds."""

from __future__ import annotations

from dataclasses import replace

from magnetgen.forms.records import Changes, Delivery, Lead, Load, Snapshot, Submission
from magnetgen.forms.store import Store

CANARY = "canary-7f3a@private.example"


def lead(number: int = 1, **more: object) -> Lead:
    made = Lead(f"{number:032x}", "news", CANARY, f"key{number}", "confirmed", {"email": CANARY}, (), 1000 + number)
    return replace(made, **more)  # type: ignore[arg-type]


def sent(number: int, of: str | None, status: str = "accepted", **more: object) -> Submission:
    made = Submission(f"s{number}", "news", of, CANARY, "key1", status, "", {"email": CANARY}, (), {}, 1000 + number, 5)
    return replace(made, **more)  # type: ignore[arg-type]


def delivery(id: str, **more: object) -> Delivery:
    return replace(Delivery(id, lead().id, "news", "crm", "lead.created", id, {"email": CANARY}, 1000), **more)  # type: ignore[arg-type]


def write(store: Store, changes: Changes) -> object:
    return store.submit(Load(), lambda _: changes).result(timeout=20)


def see(store: Store, load: Load) -> Snapshot:
    found = store.submit(load, lambda snapshot: Changes(answer=snapshot)).result(timeout=20)
    assert isinstance(found, Snapshot)
    return found
