"""Single-use codes as rows: who has which. A row stays when its lead is erased, so that no code is handed out twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from magnetgen.forms.records import Claim
from magnetgen.forms.store.connection import Connection

CHUNKS = (8, 32, 128, 512)
"""Codes that one query asks after: the first is nearly always among few, and a long search is to be a short one."""


class Gone:
    """How much of each list is gone, from its beginning, as far as a process has seen it: a code is never free again.

    Without it each claim would go through all that is gone, and its time would tell who has a code already.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[str, ...], int]] = {}

    def of(self, claim: Claim) -> int:
        codes, number = self._known.get(claim.magnet, ((), 0))
        return number if codes is claim.codes else 0

    def is_all(self, claim: Claim) -> bool:
        return self.of(claim) == len(claim.codes)

    def learn(self, claim: Claim, number: int) -> None:
        if number > self.of(claim):
            self._known[claim.magnet] = (claim.codes, number)

    def forget(self) -> None:
        self._known.clear()


@dataclass
class Look:
    """What one decision finds gone. It counts once the decision stands: until then others' codes may be undone with it."""

    gone: Gone
    found: tuple[Claim, int] | None = None

    def settle(self, decision: Future[Any]) -> None:
        if self.found and not decision.cancelled() and decision.exception() is None:
            self.gone.learn(*self.found)


def hand_out(connection: Connection, claim: Claim, at: int, look: Look) -> None:
    """Give the lead the first code that nobody has had, unless it has one; nothing where none is left.

    Whoever else claims a code of the magnet must be kept waiting; should one not be, the table's keys refuse the later.
    """
    if look.gone.is_all(claim):
        return
    has = "SELECT 1 FROM code WHERE lead_id=? AND magnet=?"
    if connection.execute(has, (claim.lead, claim.magnet)).fetchone():
        return
    first = _first_free(connection, claim, look.gone.of(claim))
    look.found = (claim, min(first + 1, len(claim.codes)))
    if first < len(claim.codes):
        connection.execute("INSERT INTO code VALUES(?,?,?,?)", (claim.magnet, claim.codes[first], claim.lead, at))


def _first_free(connection: Connection, claim: Claim, start: int) -> int:
    """Its place in the list, whose length stands for none."""
    for size in _sizes():
        some = claim.codes[start : start + size]
        if not some:
            break
        query = f"SELECT code FROM code WHERE magnet=? AND code IN ({','.join('?' * len(some))})"
        taken = {row[0] for row in connection.execute(query, (claim.magnet, *some))}
        for at, code in enumerate(some, start):
            if code not in taken:
                return at
        start += size
    return len(claim.codes)


def _sizes() -> Iterator[int]:
    yield from CHUNKS
    while True:
        yield CHUNKS[-1]


def of(connection: Connection, leads: Collection[str]) -> dict[str, dict[str, str]]:
    """Lead's id → magnet → code."""
    found: dict[str, dict[str, str]] = {}
    query = f"SELECT lead_id, magnet, code FROM code WHERE lead_id IN ({','.join('?' * len(leads))})"
    for lead, magnet, code in connection.execute(query, tuple(leads)):
        found.setdefault(lead, {})[magnet] = code
    return found
