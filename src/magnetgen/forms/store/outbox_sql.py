"""The outbox as rows: leasing, finishing, failing."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from magnetgen.forms.records import Delivery
from magnetgen.forms.store.connection import Connection

_COLUMNS = "id, lead_id, form_id, dest, kind, cause, body, created_at, state, attempts, next_at, last_code"
_INSERT = f"INSERT INTO outbox({_COLUMNS}) VALUES({','.join('?' * 12)}) ON CONFLICT DO NOTHING"
LEASE_MAX_MS = 3_600_000
# A lease that ends later than any lease can was made before the clock was set back.
_OPEN = f"(state='due' OR (state='leased' AND (lease_until<=? OR lease_until-{LEASE_MAX_MS}>?)))"


def insert(connection: Connection, delivery: Delivery) -> None:
    """A new delivery; nothing where there is one for the same cause."""
    d = delivery
    body = json.dumps(dict(d.body), ensure_ascii=False, separators=(",", ":"))
    head = (d.id, d.lead, d.form, d.dest, d.kind, d.cause, body, d.created_at)
    connection.execute(_INSERT, (*head, d.state, d.attempts, d.next_at, d.last_code))


def _as_delivery(row: Sequence[Any]) -> Delivery:
    values: Any = list(row)
    values[6] = json.loads(values[6])
    return Delivery(*values)


def _waiting(connection: Connection) -> list[str]:
    """Destinations that something waits for: one step of the index each, however much waits."""
    query = "SELECT dest FROM outbox WHERE state IN ('due','leased') AND dest>? ORDER BY dest LIMIT 1"
    found: list[str] = []
    while row := connection.execute(query, (found[-1] if found else "",)).fetchone():
        found.append(row[0])
    return found


def _open_of(connection: Connection, dest: str, now: int, until: int, limit: int, lock: str) -> list[str]:
    """What can be taken for a destination, oldest first, if it is due by `until`."""
    query = (
        f"SELECT id FROM outbox WHERE state IN ('due','leased') AND {_OPEN} AND dest=? AND next_at<=? "
        f"ORDER BY next_at LIMIT ? {lock}"
    )
    return [row[0] for row in connection.execute(query, (now, now, dest, until, limit))]


def takeable(
    connection: Connection, now: int, limit: int, skip: Collection[str], probe: Collection[str], lock: str = ""
) -> list[str]:
    """Ids of what is due, up to `limit` a destination; of one that is probed a single one, due or not.

    `lock`: a clause that keeps the rows from others until the transaction ends.
    """
    ids: list[str] = []
    for dest in _waiting(connection):
        if dest in probe:
            ids += _open_of(connection, dest, now, 2**62, 1, lock)
        elif dest not in skip:
            ids += _open_of(connection, dest, now, now, limit, lock)
    return ids


def lease(
    connection: Connection,
    owner: str,
    now: int,
    seconds: int,
    limit: int,
    skip: Collection[str],
    probe: Collection[str],
    lock: str = "",
) -> list[Delivery]:
    """Take what is due, and one delivery of each destination that is to be probed.

    A probe before its time is none of the attempts after which a delivery is dead.
    """
    take = (
        "UPDATE outbox SET state='leased', lease_owner=?, lease_until=?, "
        "attempts=attempts + CASE WHEN next_at<=? OR attempts=0 THEN 1 ELSE 0 END WHERE id=? "
        f"RETURNING {_COLUMNS}"
    )
    ids = takeable(connection, now, limit, skip, probe, lock)
    return [_as_delivery(connection.execute(take, (owner, now + seconds * 1000, now, id)).fetchone()) for id in ids]


def finish(connection: Connection, id: str, code: str) -> None:
    connection.execute("UPDATE outbox SET state='done', last_code=?, lease_until=0 WHERE id=?", (code, id))


def fail(connection: Connection, id: str, code: str, next_at: int | None) -> None:
    """A delivery that was cancelled or erased while it was on its way stays so."""
    connection.execute(
        "UPDATE outbox SET state=?, last_code=?, next_at=?, lease_until=0 WHERE id=? AND state='leased'",
        ("dead" if next_at is None else "due", code, next_at or 0, id),
    )


def give_back(connection: Connection, ids: Sequence[str], until: int) -> None:
    """What was taken and not begun: as it was before, and no attempt. Another's lease ends at another moment."""
    for id in ids:
        connection.execute(
            "UPDATE outbox SET state='due', attempts=attempts-1, lease_until=0 "
            "WHERE id=? AND state='leased' AND lease_until=?",
            (id, until),
        )


def retry(connection: Connection, id: str, now: int) -> bool:
    """Due now, with all its attempts before it. What was erased has nothing left to send."""
    found = connection.execute(
        "UPDATE outbox SET state='due', attempts=0, next_at=? WHERE id=? AND body<>'{}' RETURNING dest", (now, id)
    ).fetchone()
    if found:
        disable(connection, found[0], now, off=False)
    return found is not None


def hasten(connection: Connection, dest: str, now: int) -> None:
    """What was taken and never sent, too: it would wait for a turn that was reckoned while the destination was away."""
    connection.execute(
        "UPDATE outbox SET next_at=? WHERE dest=? AND state IN ('due','leased') AND next_at>?", (now, dest, now)
    )


def disabled(connection: Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT dest FROM disabled")}


def disable(connection: Connection, dest: str, now: int, off: bool) -> None:
    if off:
        connection.execute("INSERT INTO disabled VALUES(?,?) ON CONFLICT DO NOTHING", (dest, now))
    else:
        connection.execute("DELETE FROM disabled WHERE dest=?", (dest,))


def cancel_mails(connection: Connection, lead: str) -> None:
    """Mails to a lead that were not sent yet are not sent any more."""
    connection.execute(
        "UPDATE outbox SET state='dead', last_code='cancelled' "
        "WHERE lead_id=? AND dest='mail' AND state IN ('due','leased')",
        (lead,),
    )


def received(connection: Connection, lead: str) -> tuple[str, ...]:
    """Destinations, mail apart, that a lead was sent to: also where the answer never came."""
    query = (
        "SELECT DISTINCT dest FROM outbox WHERE lead_id=? AND kind LIKE 'lead.%' "
        "AND (state='done' OR attempts>0) ORDER BY dest"
    )
    return tuple(row[0] for row in connection.execute(query, (lead,)))


def listing(connection: Connection, state: str, limit: int) -> list[Delivery]:
    where = "state=?" if state else "''=?"
    query = f"SELECT {_COLUMNS} FROM outbox WHERE {where} ORDER BY created_at DESC, id LIMIT ?"
    return list(map(_as_delivery, connection.execute(query, (state, limit))))
