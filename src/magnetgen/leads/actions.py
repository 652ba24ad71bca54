"""What the owner does: releasing what was held, sending again what failed, erasing a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from magnetgen.leads import times
from magnetgen.leads.client import CONTENT, PREFIX_MIN, USAGE, Client, LeadsFault, Refused, Row, Wish, is_id, named
from magnetgen.leads.listing import HELD, QUARANTINED, SHORT_ID
from magnetgen.leads.person import check_key, delivery
from magnetgen.leads.terminal import visible

DEAD = "dead"
FULL = 32
"""Letters of a whole id."""
ENDED = {
    "cancelled": "its person has unsubscribed, and it was cancelled",
    "erased": "its person was erased, and nothing is left to send",
}
"""What a dead delivery says that is not to be sent again, and why."""


@dataclass(frozen=True)
class Done:
    """How many it worked for, and a sentence for each of the others."""

    number: int
    faults: tuple[str, ...] = ()


# Submissions that wait for the owner


def held(client: Client) -> list[Row]:
    return list(client.submissions(Wish(status=HELD)))


def release(client: Client, ids: Iterable[str]) -> Done:
    """Make leads of submissions. Each by its id, or the first letters of it."""
    number, faults = 0, []
    for given in ids:
        try:
            client.release(_whole(given, lambda: _waiting(client)))
            number += 1
        except Refused as exc:
            if exc.status not in (404, 422):
                raise
            why = "it has no email address" if exc.status == 422 else "there is no such submission, or no such form"
            faults.append(f"{given}: {why}")
        except _Unknown as exc:
            faults.append(f"{given}: {exc}")
    return Done(number, tuple(faults))


def _waiting(client: Client) -> Iterator[Row]:
    for status in (HELD, QUARANTINED):
        yield from client.submissions(Wish(status=status))


class _Unknown(Exception):
    """No row has this id."""


def _whole(given: str, rows: Callable[[], Iterator[Row]]) -> str:
    if not is_id(given):
        raise LeadsFault(f"{visible(given)} is no id, nor the first {PREFIX_MIN} letters of one", USAGE)
    if len(given) == FULL:
        return given
    found = named(given, rows())
    if found is None:
        raise _Unknown("there is nothing that waits with this id")
    return str(found["id"])


# Deliveries


def dead(client: Client) -> list[Row]:
    """Deliveries that were given up, and that sending again can help."""
    return [row for row in client.deliveries(DEAD) if row.get("last_code") not in ENDED]


def replay(client: Client, ids: Sequence[str]) -> Done:
    """Make deliveries due."""
    listed = {str(row.get("id")): row for row in [*client.deliveries(DEAD), *client.deliveries()]}
    number, faults = 0, []
    for given in ids:
        try:
            id = _whole(given, lambda: iter(listed.values()))
            _may_go(listed.get(id))
            client.retry(id)
            number += 1
        except Refused as exc:
            if exc.status != 404:
                raise
            faults.append(f"{given}: there is no such delivery, or nothing of it is left to send")
        except _Unknown as exc:
            faults.append(f"{given}: {exc}")
    return Done(number, tuple(faults))


def _may_go(row: Row | None) -> None:
    """What was sent, or is not to be sent, stays as it is."""
    if row and row.get("state") == "done":
        raise _Unknown("it has been sent")
    if row and row.get("state") == DEAD and row.get("last_code") in ENDED:
        raise _Unknown(ENDED[str(row["last_code"])])


def dead_lines(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{visible(row.get('id', ''))[:SHORT_ID]}  {times.local(row.get('created_at'))}  {delivery(row)}"


# Erasing


@dataclass(frozen=True)
class Kept:
    """What an address has: counts, and the destinations that were told of it."""

    leads: int
    submissions: int
    told: tuple[str, ...]


def kept(client: Client, email: str) -> Kept:
    """Raises LeadsFault where nothing is found for want of the right key."""
    found = client.person(email)
    if not (found["leads"] or found["submissions"]):
        check_key(client)
    told = {
        visible(row.get("dest", ""))
        for row in found["deliveries"]
        if str(row.get("kind", "")).startswith("lead.") and (row.get("state") == "done" or row.get("attempts"))
    }
    return Kept(len(found["leads"]), len(found["submissions"]), tuple(sorted(told)))


def one_address(text: str) -> str:
    """The address of an input that holds nothing else."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        raise LeadsFault("stdin is to hold one email address", USAGE if lines else CONTENT)
    return lines[0]
