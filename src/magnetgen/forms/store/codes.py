"""Single-use codes as rows: who has which. A row stays when its lead is erased, so that no code is handed out twice."""

from __future__ import annotations

from collections.abc import Collection

from magnetgen.forms.records import Claim
from magnetgen.forms.store.connection import Connection


def hand_out(connection: Connection, claim: Claim, at: int) -> None:
    """Give the lead the first code that nobody has had, unless it has one; nothing where none is left.

    Whoever else claims a code of the magnet must be kept waiting; should one not be, the table's keys refuse the later.
    """
    has = "SELECT 1 FROM code WHERE lead_id=? AND magnet=?"
    if connection.execute(has, (claim.lead, claim.magnet)).fetchone():
        return
    gone = {row[0] for row in connection.execute("SELECT code FROM code WHERE magnet=?", (claim.magnet,))}
    free = next((code for code in claim.codes if code not in gone), None)
    if free is not None:
        connection.execute("INSERT INTO code VALUES(?,?,?,?)", (claim.magnet, free, claim.lead, at))


def of(connection: Connection, leads: Collection[str]) -> dict[str, dict[str, str]]:
    """Lead's id → magnet → code."""
    found: dict[str, dict[str, str]] = {}
    query = f"SELECT lead_id, magnet, code FROM code WHERE lead_id IN ({','.join('?' * len(leads))})"
    for lead, magnet, code in connection.execute(query, tuple(leads)):
        found.setdefault(lead, {})[magnet] = code
    return found
