"""The PostgreSQL store: one transaction a decision, on as many connections as decide at once.

PostgreSQL gathers commits by itself, so there is no one writer: each thread has a connection of its own.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLong
from typing import Any

import psycopg
from psycopg import errors

from magnetgen.forms import failpoint, log
from magnetgen.forms.records import Count, Decide, Delivery, Load
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import StoreUnavailable, codes, outbox_sql, postgres_locks, rows, schema
from magnetgen.forms.store.connection import Connection
from magnetgen.forms.store.postgres_link import Link, parse
from magnetgen.forms.store.sql import TRIES, SqlStore, T, lease_owner

CONNECTIONS = 8
"""Of a process, apart from the one that counts; opened when there is work for them."""
COUNT_SECONDS = 0.5
"""How long a request waits to be counted before it is let in."""
HOLD_OFF_SECONDS = 1.0
"""After a server could not be reached, nobody tries for so long: one has waited, the others need not."""
WATCH_SECONDS = 1.0

_IN_THE_WAY = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)
_RATE = (
    'CREATE UNLOGGED TABLE IF NOT EXISTS rate(bucket TEXT COLLATE "C", key TEXT COLLATE "C", n BIGINT NOT NULL, '
    "ends_at BIGINT NOT NULL, PRIMARY KEY(bucket, key))"
)


class _Alone(Exception):
    """A limit is near: decide again, with nobody else at it."""


class PostgresStore(SqlStore):
    """See `Store`. A commit whose answer is lost is StoreUnavailable though it may stand: the key of the next attempt tells."""

    counts_at_once = False

    def __init__(self, url: str) -> None:
        """Raises SiteFault where the database cannot be used, without a word of the address."""
        super().__init__()
        self._conninfo = parse(url)
        self._local = threading.local()
        self._links: set[Link] = set()
        self._links_lock = threading.Lock()
        self._down_until = 0.0
        self._crowd = self._open()
        self._workers = ThreadPoolExecutor(CONNECTIONS, "magnetgen-store")
        self._counter = ThreadPoolExecutor(1, "magnetgen-count")
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._end_silence, name="magnetgen-watch", daemon=True)
        self._watch.start()

    def _open(self) -> int:
        """Make what is missing; how many transactions the server can have at once."""
        try:
            link = Link(self._conninfo)
        except psycopg.Error as exc:
            raise SiteFault(f"MAGNETGEN_STORE: {_why_unreachable(exc)}") from None
        try:
            link.transact(_create)
            _warn_of_unsafe_settings(link)
            return int(link.execute("SELECT current_setting('max_connections')").fetchone()[0])
        except errors.InsufficientPrivilege:
            raise SiteFault(
                "MAGNETGEN_STORE: the user may not make tables. Let the database's owner run once: "
                "CREATE SCHEMA magnetgen AUTHORIZATION that_user"
            ) from None
        except psycopg.Error as exc:
            raise SiteFault(f"MAGNETGEN_STORE: the tables cannot be made ({type(exc).__name__})") from None
        finally:
            link.close()

    # Connections: one for each thread

    def _link(self) -> Link:
        link: Link | None = getattr(self._local, "link", None)
        if link is None:
            if time.monotonic() < self._down_until:
                raise StoreUnavailable("PostgreSQL could not be reached a moment ago")
            try:
                link = self._local.link = Link(self._conninfo)
            except psycopg.Error as exc:
                self._down_until = time.monotonic() + HOLD_OFF_SECONDS
                raise StoreUnavailable(_why_unreachable(exc)) from None
            with self._links_lock:
                self._links.add(link)
        return link

    def _give_up(self, link: Link) -> None:
        self._local.link = None
        with self._links_lock:
            self._links.discard(link)
        link.close()

    def _end_silence(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            with self._links_lock:
                for link in self._links:
                    link.cut()

    # Transactions

    def _queue(self, work: Callable[[Connection], T]) -> Future[T]:
        return self._hand_over(self._write, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._hand_over(self._transact, work).result()

    def _hand_over(self, how: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> Future[T]:
        try:
            return self._workers.submit(how, work)
        except RuntimeError:
            refused: Future[T] = Future()
            refused.set_exception(StoreUnavailable("closed"))
            return refused

    def _write(self, work: Callable[[Connection], T]) -> T:
        def between(connection: Connection) -> T:
            failpoint.hit("begin")
            answer = work(connection)
            failpoint.hit("written")
            return answer

        answer = self._transact(between)
        failpoint.hit("committed")
        return answer

    def _transact(self, work: Callable[[Connection], T]) -> T:
        """Do work until nobody is in the way; it may run several times, and stands once."""
        for attempt in range(TRIES):
            link = self._link()
            try:
                return link.transact(work)
            except _Alone:
                self._undo(link)
            except psycopg.Error as exc:
                usable = self._undo(link)
                # A connection that was lost before its commit has left nothing behind.
                again = isinstance(exc, _IN_THE_WAY) or not (usable or link.committing)
                if not again or attempt == TRIES - 1:
                    self._give_up(link)
                    raise StoreUnavailable(type(exc).__name__) from None
                time.sleep(random.uniform(0.001, 0.02) * (attempt + 1))
            except BaseException:
                self._undo(link)
                raise
        raise StoreUnavailable("busy")

    def _undo(self, link: Link) -> bool:
        if link.rollback():
            return True
        self._give_up(link)
        return False

    def submit(self, load: Load, decide: Decide) -> Future[Any]:
        look = codes.Look(self._gone)
        alone = 0 < load.count_max <= self._crowd

        def work(connection: Connection) -> Any:
            nonlocal alone
            postgres_locks.hold(connection, load, alone)
            found = rows.snapshot(connection, load)
            if not alone and postgres_locks.near(load, found.count, self._crowd):
                alone = True
                raise _Alone
            changes = decide(found)
            if changes.claim and not self._gone.is_all(changes.claim):
                postgres_locks.hold_codes(connection, changes.claim.magnet)
            rows.write(connection, changes, look)
            return changes.answer

        return self._looking(look, work)

    def lease(
        self, now: int, seconds: int, limit: int, skip: Collection[str], probe: Collection[str]
    ) -> list[Delivery]:
        owner, lock = lease_owner(), "FOR UPDATE SKIP LOCKED"
        leased = self._do(
            lambda connection: outbox_sql.lease(connection, owner, now, seconds, limit, skip, probe, lock)
        )
        failpoint.hit("leased")
        return leased

    # Counting

    def rate(self, counts: Sequence[Count], now: int) -> list[int]:
        """A fault here refuses nobody, like one of `Rates`."""
        try:
            waiting = self._counter.submit(self._count, counts)
        except RuntimeError:
            return [0] * len(counts)
        try:
            return waiting.result(COUNT_SECONDS)
        except (WaitedTooLong, StoreUnavailable):
            waiting.cancel()
            return [0] * len(counts)

    def _count(self, counts: Sequence[Count]) -> list[int]:
        """One statement, which is a transaction by itself; nothing of an unlogged table waits for the disk."""
        query = (
            f"INSERT INTO magnetgen.rate AS r VALUES {', '.join(['(?,?,1,?)'] * len(counts))} "
            "ON CONFLICT(bucket, key) DO UPDATE SET n = r.n + 1 RETURNING n"
        )
        values = [value for count in counts for value in (count.bucket, count.key, count.ends_at)]
        link = self._link()
        try:
            return [row[0] for row in link.execute(query, values)]
        except psycopg.Error as exc:
            self._give_up(link)
            raise StoreUnavailable(type(exc).__name__) from None

    def purge(self, now: int) -> None:
        super().purge(now)
        with contextlib.suppress(StoreUnavailable):
            self._do(lambda connection: connection.execute("DELETE FROM rate WHERE ends_at < ?", (now,)))

    def clear(self) -> None:
        super().clear()
        self._do(lambda connection: connection.execute("DELETE FROM rate"))

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._workers.shutdown()
        self._counter.shutdown(cancel_futures=True)
        self._closed.set()
        self._watch.join()
        for link in self._links:
            link.close()
        self._links.clear()


def _create(link: Link) -> None:
    """Make what is missing, one process after the other."""
    link.execute("SELECT pg_advisory_xact_lock(?)", (postgres_locks.number(postgres_locks.SCHEMA),))
    if link.execute("SELECT to_regclass('magnetgen.version')").fetchone()[0]:
        row = link.execute("SELECT version FROM version").fetchone()
        version = row[0] if row else 0
        schema.check(version)
        latest = link.execute("SELECT to_regclass(?)", (f"magnetgen.{schema.LATEST}",)).fetchone()[0]
        if version == schema.VERSION and latest:
            return
    if link.execute("SELECT current_setting('server_encoding')").fetchone()[0] != "UTF8":
        raise SiteFault("MAGNETGEN_STORE: the database's encoding is to be UTF8, so that every name can be kept")
    # Asking for what is there already would need the right to make it.
    if not link.execute("SELECT to_regnamespace('magnetgen')").fetchone()[0]:
        link.execute("CREATE SCHEMA magnetgen")
    for statement in (*schema.for_postgres(), _RATE, "CREATE TABLE IF NOT EXISTS version(version BIGINT NOT NULL)"):
        link.execute(statement)
    link.execute("DELETE FROM version")
    link.execute("INSERT INTO version VALUES(?)", (schema.VERSION,))


def _warn_of_unsafe_settings(link: Link) -> None:
    """A server that was told not to wait for its disk can lose what it has acknowledged."""
    for name in ("fsync", "full_page_writes"):
        if link.execute("SELECT current_setting(?)", (name,)).fetchone()[0] == "off":
            log.event("store_not_durable", hint=f"PostgreSQL runs with {name}=off: a crash may lose leads")


def _why_unreachable(exc: psycopg.Error) -> str:
    """In words of ours: libpq's own may repeat a piece of a mistyped address, and that piece may be the password."""
    text = str(exc)
    if "authentication" in text or "no password supplied" in text:
        return "PostgreSQL refuses the user or the password"
    if "does not exist" in text:
        return "PostgreSQL knows no such user or database"
    if "too many" in text or "remaining connection slots" in text:
        return "PostgreSQL has no connection left"
    return "no PostgreSQL server answers there. Is it running, and are host and port right?"
