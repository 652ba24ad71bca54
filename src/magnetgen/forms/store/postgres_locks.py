"""Whom a decision in PostgreSQL waits for: those on the same person, the same key, the same codes, a limit that is near.

Locks last as long as the transaction. A statement after them sees all that was committed before they were granted, so
that READ COMMITTED is enough: no decision has to be thrown away because another looked at the same rows.
"""

from __future__ import annotations

from hashlib import blake2b

from magnetgen.forms.records import Load
from magnetgen.forms.store.connection import Connection

SCHEMA = "magnetgen schema"


def hold(connection: Connection, load: Load, alone: bool) -> None:
    """Wait for one's turn. `alone`: nobody else adds to the form meanwhile.

    Always in the same order, persons and keys before forms, so that no two wait for each other.
    """
    names = [f"key {load.form} {key}" for key in load.idem]
    if person := _person(connection, load):
        names.append(f"person {person}")
    if names:
        numbers = sorted(map(number, names))
        connection.execute("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(? AS BIGINT[])) AS n", (numbers,))
    if load.count_max:
        shared = "" if alone else "_shared"
        connection.execute(f"SELECT pg_advisory_xact_lock{shared}(?)", (number(f"form {load.form}"),))


def hold_codes(connection: Connection, magnet: str) -> None:
    """Wait for one's turn with a magnet's codes: after all other locks, so that no two wait for each other."""
    connection.execute("SELECT pg_advisory_xact_lock(?)", (number(f"codes {magnet}"),))


def _person(connection: Connection, load: Load) -> str:
    """Whose rows are looked at: an address never changes hands, so that it can be read before it is locked."""
    if load.email_key:
        return load.email_key
    table, id = ("lead", load.lead) if load.lead else ("submission", load.submission)
    row = connection.execute(f"SELECT email_key FROM {table} WHERE id=?", (id,)).fetchone() if id else None
    return row[0] or "" if row else ""


def number(name: str) -> int:
    """The lock of a name. Two names with one number, should they ever meet, wait for each other without need."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def near(load: Load, count: int, crowd: int) -> bool:
    """Whether all of a crowd that decides at once, each seeing this count, could together exceed the limit."""
    return load.count_max - crowd <= count < load.count_max
