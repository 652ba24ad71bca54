"""What is left afterwards, against what clients were told and what destinations got. Each fault is one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.handler_faults.client import Ledger
from tests.handler_faults.sinks import Sinks

Rows = Mapping[str, list[dict[str, Any]]]


def lost_or_doubled(rows: Rows, ledger: Ledger) -> list[str]:
    """Every acknowledged lead is there, once, and each key is one submission."""
    leads = Counter((row["form"], row["email"]) for row in rows["leads"])
    known = {email for _, email in leads}
    wrong = [f"lost: {email}" for email in ledger.acknowledged if email not in known]
    wrong += [f"{n} leads: {form} {email}" for (form, email), n in leads.items() if n > 1]
    sent = Counter((row["form"], row["email"]) for row in rows["submissions"])
    return wrong + [f"{n} submissions of one key: {form} {email}" for (form, email), n in sent.items() if n > 1]


def not_delivered(rows: Rows, sinks: Sinks) -> list[str]:
    """At least once outside: each delivery has arrived. Exactly once inside: each is one row, under one id."""
    arrived = {receipt.id.removeprefix("msg_") for sink in sinks.hooks.values() for receipt in sink.receipts}
    arrived |= {receipt.id.strip("<>").partition("@")[0] for receipt in sinks.mail.receipts}
    wrong = [
        f"not arrived, though {row['state']}: {row['dest']} {row['kind']}"
        for row in rows["outbox"]
        if row["id"] not in arrived
    ]
    wrong += [f"{row['state']}: {row['dest']} {row['kind']}" for row in rows["outbox"] if row["state"] != "done"]
    known = {row["id"] for row in rows["outbox"]}
    wrong += [f"arrived, but of no delivery: {id}" for id in arrived - known]
    inside = Counter((row["lead_id"], row["dest"], row["kind"]) for row in rows["outbox"])
    wrong += [f"{n} deliveries: {dest} {kind}" for (_, dest, kind), n in inside.items() if n > 1]
    wrong += [f"{sink.forged} wrong signatures" for sink in sinks.hooks.values() if sink.forged]
    return wrong + _missing(rows)


def _missing(rows: Rows) -> list[str]:
    """What each lead's state says must have been sent."""
    made = {(row["lead_id"], row["kind"]) for row in rows["outbox"]}
    wrong = []
    for lead in rows["leads"]:
        wanted = {"plain": ["lead.created", "mail:welcome", "mail:notify"], "double": ["lead.created", "mail:confirm"]}
        kinds = wanted.get(lead["form"], [])
        if lead["form"] == "double" and lead["status"] == "confirmed":
            kinds = [*kinds, "lead.confirmed", "mail:welcome"]
        wrong += [f"never to be sent: {kind} of {lead['email']}" for kind in kinds if (lead["id"], kind) not in made]
    return wrong


def repeats(sinks: Sinks) -> int:
    """How often something arrived again, under the id that it had."""
    all_of = [receipt.id for receipt in sinks.receipts]
    return len(all_of) - len(set(all_of))


def only(statuses: Mapping[int, int], allowed: Iterable[int]) -> list[str]:
    """No answer but these."""
    return [f"{n} answers of {status}" for status, n in statuses.items() if status not in set(allowed)]
