"""What the stores in SQL have in common: each question and each change is a function of an open transaction."""

from __future__ import annotations

import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from magnetgen.forms.records import Decide, Delivery, Lead, LeadQuery, Load, Submission, SubmissionQuery
from magnetgen.forms.store import StoreUnavailable, codes, outbox_sql, rows, schema
from magnetgen.forms.store.codes import Gone, Look
from magnetgen.forms.store.connection import Connection

QUARANTINE_MS = 30 * 86_400_000
TRIES = 8
"""Times that a transaction is tried which others were in the way of."""

T = TypeVar("T")


class SqlStore(ABC):
    """See `Store`. A database of its own adds how work gets its transaction, how it counts, and how it leases."""

    def __init__(self) -> None:
        self._gone = Gone()

    @abstractmethod
    def _queue(self, work: Callable[[Connection], T]) -> Future[T]:
        """Do work in a transaction; the result comes when it is durable."""

    @abstractmethod
    def _read(self, work: Callable[[Connection], T]) -> T:
        """Ask without writing. Raises StoreUnavailable."""

    def _do(self, work: Callable[[Connection], T]) -> T:
        return self._queue(work).result()

    # Reading

    def leads(self, query: LeadQuery) -> list[Lead]:
        return self._read(lambda connection: rows.leads(connection, query))

    def submissions(self, query: SubmissionQuery) -> list[Submission]:
        return self._read(lambda connection: rows.submissions(connection, query))

    def find_lead(self, id: str) -> Lead | None:
        return self._read(lambda connection: rows.lead_by_id(connection, id))

    def codes(self, leads: Collection[str]) -> dict[str, dict[str, str]]:
        return self._read(lambda connection: codes.of(connection, leads)) if leads else {}

    def person(self, email_key: str) -> dict[str, Any]:
        return self._read(lambda connection: rows.person(connection, email_key))

    def outbox(self, state: str = "", limit: int = 100) -> list[Delivery]:
        return self._read(lambda connection: outbox_sql.listing(connection, state, limit))

    def disabled(self) -> set[str]:
        return self._read(outbox_sql.disabled)

    def dump(self) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        return self._read(rows.dump)

    # Writing

    def submit(self, load: Load, decide: Decide) -> Future[Any]:
        look = Look(self._gone)
        return self._looking(look, lambda connection: rows.decide(connection, load, decide, look))

    def _looking(self, look: Look, work: Callable[[Connection], T]) -> Future[T]:
        """Do work; what it saw counts before anybody hears of it."""
        decision = self._queue(work)
        decision.add_done_callback(look.settle)
        return decision

    def finish(self, id: str, now: int, code: str) -> None:
        self._do(lambda connection: outbox_sql.finish(connection, id, code))

    def fail(self, id: str, now: int, code: str, next_at: int | None) -> None:
        self._do(lambda connection: outbox_sql.fail(connection, id, code, next_at))

    def give_back(self, ids: Sequence[str], until: int) -> None:
        self._do(lambda connection: outbox_sql.give_back(connection, ids, until))

    def retry(self, id: str, now: int) -> bool:
        return self._do(lambda connection: outbox_sql.retry(connection, id, now))

    def hasten(self, dest: str, now: int) -> None:
        self._do(lambda connection: outbox_sql.hasten(connection, dest, now))

    def disable(self, dest: str, now: int, off: bool) -> None:
        self._do(lambda connection: outbox_sql.disable(connection, dest, now, off))

    def probe(self, now: int) -> None:
        found = self._do(lambda connection: schema.write_probe(connection, now))
        if found != now or self._read(schema.read_probe) is None:
            raise StoreUnavailable("what was written is not read back")

    def purge(self, now: int) -> None:
        self._do(lambda connection: rows.purge(connection, now, now - QUARANTINE_MS))

    def clear(self) -> None:
        self._do(schema.clear)
        self._gone.forget()


def lease_owner() -> str:
    """A name for who leases, so that a person who looks at the table can tell leases apart."""
    return f"{os.getpid()}-{random.getrandbits(64):x}"
