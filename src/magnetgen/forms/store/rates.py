"""Counters of requests, in a file of their own: losing them in a crash is harmless, so they are never flushed.

A fault here refuses nobody: who is counted wrongly is let in, and the leads' own store has the last word.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from magnetgen.forms.records import Count
from magnetgen.forms.store.schema import RATE

WAIT_SECONDS = 0.1
"""How long a count waits for another process: the event loop waits with it."""

_UP = "INSERT INTO rate VALUES(?, ?, 1, ?) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"


class Rates:
    """Windows and their counts, shared by all processes of the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            with contextlib.suppress(FileExistsError):  # one that is there is not opened: see make_private
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = sqlite3.connect(
                self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=MEMORY")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(RATE)
            self._connection = connection
        return self._connection

    def count(self, counts: Sequence[Count], now: int) -> list[int]:
        with self._lock:
            try:
                return self._count(self._open(), counts)
            except (sqlite3.Error, OSError) as exc:
                self._reset(damaged=getattr(exc, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB"))
                return [0] * len(counts)

    def _count(self, connection: sqlite3.Connection, counts: Sequence[Count]) -> list[int]:
        connection.execute("BEGIN IMMEDIATE")
        found = [connection.execute(_UP, (c.bucket, c.key, c.ends_at)).fetchone()[0] for c in counts]
        connection.execute("COMMIT")
        return found

    def _reset(self, damaged: bool) -> None:
        self.close()
        if damaged:
            self._path.unlink(missing_ok=True)

    def purge(self, now: int) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error, OSError):
            self._open().execute("DELETE FROM rate WHERE ends_at < ?", (now,))

    def clear(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error, OSError):
            self._open().execute("DELETE FROM rate")

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
