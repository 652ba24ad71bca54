"""The SQLite store: one file, safe for several processes, every answer durable before it is given.

One thread writes. Decisions that arrive while it commits are taken together: each in a savepoint of its own, all under
one `COMMIT`, so that the disk's rate of commits does not bound the rate of leads.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnetgen.forms import failpoint
from magnetgen.forms.records import Changes, Count, Decide, Delivery, Load, Snapshot
from magnetgen.forms.store import StoreUnavailable, outbox_sql, schema
from magnetgen.forms.store.connection import Connection
from magnetgen.forms.store.rates import Rates
from magnetgen.forms.store.sql import TRIES, SqlStore, T, lease_owner

GROUP_MAX = 64
"""Decisions under one commit."""
BUSY_MS = 1000
"""How long each of the tries waits; all of them together, less than a client does."""
_FIXED_WAL = ((3, 44, 6), (3, 50, 7))

Job = tuple[Callable[[Connection], Any], "Future[Any]"]


def journal_mode(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """WAL only where a reset of it cannot lose a commit: 3.44.6, 3.50.7, and 3.51.3 or newer."""
    fixed = version >= (3, 51, 3) or any(version[:2] == good[:2] and version >= good for good in _FIXED_WAL)
    return "wal" if fixed else "truncate"


@dataclass(frozen=True)
class _Reader:
    """A thread's connection; `lock` is held while it reads."""

    connection: sqlite3.Connection
    lock: threading.Lock = field(default_factory=threading.Lock)


class SqliteStore(SqlStore):
    """See `Store`. `path` is made if it is missing, readable by its owner only."""

    counts_at_once = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        make_private(path)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._readers: list[_Reader] = []
        self._erased = False
        self._rates = Rates(path.with_name(path.name + "-rate"))
        connection = _retrying(self._connect)
        try:
            _retrying(lambda: _create(connection, journal_mode()))
        finally:
            connection.close()
        self._thread = threading.Thread(target=self._write, name="magnetgen-store", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        # Not remembered by the file unless it is WAL. A journal that is deleted, as is the default, may come back after a
        # power cut and undo what was acknowledged.
        for pragma in (
            f"journal_mode={journal_mode()}",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"busy_timeout={BUSY_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    # Writing

    def _queue(self, work: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                future.set_exception(StoreUnavailable("closed"))
            else:
                self._jobs.put((work, future))
        return future

    def _write(self) -> None:
        """The writing thread: wait for a job, take what else has come, commit it all."""
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < GROUP_MAX and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    self._jobs.put(None)
                    break
                jobs.append(more)
            try:
                connection = connection or _retrying(self._connect)
                _retrying(lambda: connection.execute("BEGIN IMMEDIATE"))  # type: ignore[union-attr]  # noqa: B023
                _commit(connection, jobs, self._forget)
            except BaseException as exc:
                _settle(jobs, exc)
                _discard(connection)
                connection = None
        _discard(connection)

    def submit(self, load: Load, decide: Decide) -> Future[Any]:
        def noting(found: Snapshot) -> Changes:
            changes = decide(found)
            self._erased |= bool(changes.erase)
            return changes

        return super().submit(load, noting)

    def _forget(self, connection: Connection) -> None:
        """After an erasure, empty the log too: it still has the pages as they were. A reader may delay it."""
        if self._erased:
            row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._erased = bool(row and row[0])

    # Reading

    def _read(self, work: Callable[[Connection], T]) -> T:
        def attempt() -> T:
            reader: _Reader | None = getattr(self._local, "reader", None)
            if reader is None:
                reader = self._local.reader = _Reader(self._connect())
                self._readers.append(reader)
            with reader.lock:
                if self._closed:
                    raise StoreUnavailable("closed")
                return work(reader.connection)

        try:
            return _retrying(attempt)
        except sqlite3.Error as exc:
            self._local.reader = None
            raise StoreUnavailable(type(exc).__name__) from None

    # Counting, delivering, tending

    def rate(self, counts: Sequence[Count], now: int) -> list[int]:
        return self._rates.count(counts, now)

    def lease(
        self, now: int, seconds: int, limit: int, skip: Collection[str], probe: Collection[str]
    ) -> list[Delivery]:
        # A drain that finds nothing must not wait for the writer, nor make it wait.
        if not self._read(lambda connection: outbox_sql.takeable(connection, now, 1, skip, probe)):
            return []
        owner = lease_owner()
        leased = self._do(lambda connection: outbox_sql.lease(connection, owner, now, seconds, limit, skip, probe))
        failpoint.hit("leased")
        return leased

    def purge(self, now: int) -> None:
        super().purge(now)
        self._rates.purge(now)

    def clear(self) -> None:
        super().clear()
        self._rates.clear()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._closing:
            self._closed = True
            self._jobs.put(None)
        self._thread.join(timeout=30)
        for reader in self._readers:
            with reader.lock:  # a connection that is closed while it reads takes the process with it
                _discard(reader.connection)
        self._rates.close()


def make_private(path: Path) -> None:
    """Make the file, for its owner only. One that is there is not opened: closing it would let go of SQLite's locks."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _create(connection: sqlite3.Connection, journal: str) -> None:
    """Make what is missing."""
    connection.execute(f"PRAGMA journal_mode={journal}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    schema.check(version)
    latest = connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", (schema.LATEST,))
    if version == schema.VERSION and latest.fetchone():
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.for_sqlite():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={schema.VERSION}")
    connection.execute("COMMIT")


def _commit(connection: sqlite3.Connection, jobs: list[Job], after: Callable[[Connection], None]) -> None:
    """Run the jobs, each in a savepoint; answer them after the one commit."""
    failpoint.hit("begin")
    outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
    for work, future in jobs:
        if not future.set_running_or_notify_cancel():
            continue  # who asked has gone
        connection.execute("SAVEPOINT job")
        try:
            outcomes.append((future, work(connection), None))
        except sqlite3.Error:
            raise  # disk full and the like: the transaction as a whole is in doubt
        except Exception as exc:
            connection.execute("ROLLBACK TO job")
            outcomes.append((future, None, exc))
        connection.execute("RELEASE job")
    failpoint.hit("written")
    # A reader may still hold its lock; the transaction stays open meanwhile.
    _retrying(lambda: connection.execute("COMMIT"))
    failpoint.hit("committed")
    # It is durable, whatever becomes of the rest.
    with contextlib.suppress(sqlite3.Error):
        after(connection)
    for future, answer, fault in outcomes:
        if fault is not None:
            future.set_exception(fault)
        else:
            future.set_result(answer)


def _settle(jobs: list[Job], exc: BaseException) -> None:
    """Nothing was committed: say so to all that wait."""
    reason = getattr(exc, "sqlite_errorname", type(exc).__name__)
    for _, future in jobs:
        if not future.done():
            future.set_exception(StoreUnavailable(reason) if isinstance(exc, sqlite3.Error | OSError) else exc)


def _discard(connection: sqlite3.Connection | None) -> None:
    """Close what is in doubt; closing rolls back."""
    if connection is not None:
        try:
            connection.close()
        except sqlite3.Error:
            return


def _retrying(work: Callable[[], T]) -> T:
    """Try again while another process has the store, with jitter so that two do not meet again and again."""
    for attempt in range(TRIES):
        try:
            return work()
        except sqlite3.OperationalError as exc:
            busy = getattr(exc, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not busy or attempt == TRIES - 1:
                raise
            time.sleep(random.uniform(0.002, 0.05) * (attempt + 1))
    raise AssertionError
