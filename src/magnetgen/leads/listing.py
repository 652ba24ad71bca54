"""`leads list`: the newest leads, or submissions that wait for the owner, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from magnetgen.leads import times
from magnetgen.leads.client import PAGE, Client, Refused, Row, Wish
from magnetgen.leads.terminal import Column, table, visible

HELD, QUARANTINED = "held", "quarantined"
COUNTED = 1000
"""So many more are counted; beyond, it is only said that there are."""
SHORT_ID = 10
ANSWERS = 2

_HEAD = (Column("When"), Column("Form", 8))
_LEADS = (*_HEAD, Column("Status", state=True), Column("Email", 20), Column("Answers", 12, spare=True))
_WAITING = (Column("Id"), *_HEAD, Column("Status", 11, state=True), Column("Email", 16))


@dataclass(frozen=True)
class Listing:
    """`rows`: of one kind, newest first. `more`: how many there are beyond; `many`: at least that many.

    `held`: submissions that wait for the owner, None where the handler cannot say.
    """

    kind: str
    rows: Sequence[Row]
    more: int
    many: bool
    held: int | None


def listed(client: Client, wish: Wish, limit: int) -> Listing:
    """Ask for what is shown, and how much more there is."""
    waiting = wish.status in (HELD, QUARANTINED)
    kind = "submissions" if waiting else "leads"
    found = (client.submissions if waiting else client.leads)(wish, limit + COUNTED)
    rows = list(islice(found, limit))
    more = sum(1 for _ in islice(found, COUNTED))
    return Listing(kind, rows, more, more == COUNTED, None if waiting else _held(client, wish))


def _held(client: Client, wish: Wish) -> int | None:
    try:
        return sum(1 for _ in client.submissions(replace(wish, status=HELD), PAGE))
    except Refused as exc:
        if exc.status != 404:
            raise
        return None


def as_data(found: Listing) -> dict[str, Any]:
    return {found.kind: list(found.rows), "more": found.more, "held": found.held}


def render(found: Listing, total: int | None, colour: bool, options: str) -> Iterator[str]:
    """`options`: those of commands that are named, so that they reach the same leads."""
    if found.rows:
        waiting = found.kind == "submissions"
        rows = [_waiting(row) if waiting else _lead(row) for row in found.rows]
        yield from table(_WAITING if waiting else _LEADS, rows, total, colour)
    else:
        yield f"No {found.kind}."
    notes = [*_more(found, options), *_next(found, options)]
    if notes:
        yield ""
        yield from notes


def _lead(row: Row) -> list[str]:
    head = (times.local(row.get("created_at")), row.get("form", ""), row.get("status", ""), row.get("email", ""))
    return [*map(visible, head), short(answers(row.get("data")))]


def _waiting(row: Row) -> list[str]:
    status = f"{row.get('status', '')} ({row.get('reason') or 'no reason'})"
    head = (str(row.get("id", ""))[:SHORT_ID], times.local(row.get("created_at")), row.get("form", ""), status)
    return [*map(visible, head), visible(row.get("email") or "")]


def answers(data: Any) -> dict[str, str]:
    """What was answered, apart from the address; several choices in one text."""
    given = data if isinstance(data, dict) else {}
    return {str(name): joined(value) for name, value in given.items() if name != "email"}


def joined(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def short(given: dict[str, str]) -> str:
    """The first answers on one line."""
    return " · ".join(" ".join(visible(text).split()) for text in list(given.values())[:ANSWERS])


def _more(found: Listing, options: str) -> Iterator[str]:
    if found.more:
        number = f"{found.more:,} or more" if found.many else f"{found.more:,} more"
        yield f"… and {number}: --limit N shows more of them, `magnetgen leads export{options}` has them all."


def _next(found: Listing, options: str) -> Iterator[str]:
    if found.held:
        number = f"{found.held}{'+' if found.held == PAGE else ''}"
        yield f"{number} held: magnetgen leads list --status held{options}"
    if found.kind == "submissions" and found.rows:
        yield f"magnetgen leads release ID{options} makes one a lead."
