"""One connection to PostgreSQL: its settings, its transactions, and an end to waiting for a server that says nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from magnetgen.forms.site import SiteFault
from magnetgen.forms.store.connection import Cursor

CONNECT_SECONDS = 3
STATEMENT_MS = 5000
SILENT_SECONDS = 8.0
"""A statement's time as the client counts it: a server that hangs does not end it by itself."""
DEFAULTS: dict[str, Any] = {
    "application_name": "magnetgen",
    "client_encoding": "UTF8",
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": int(SILENT_SECONDS * 1000),
    "target_session_attrs": "read-write",
}
"""What an address may set otherwise. Of several hosts, the one that can be written to."""
BEGIN = (
    b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on; "
    b"SET LOCAL statement_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = %d; "
    b"SET LOCAL search_path = magnetgen" % (STATEMENT_MS, 2 * STATEMENT_MS)
)
"""All in one trip, and none of it outlives the transaction: a pooler may hand the connection to others in between."""

T = TypeVar("T")


def parse(url: str) -> str:
    """What to connect with. Raises SiteFault, which repeats nothing of an address that may hold a password."""
    try:
        return make_conninfo("", **{**DEFAULTS, **conninfo_to_dict(url)})
    except psycopg.Error:
        raise SiteFault(
            "MAGNETGEN_STORE is no address of a PostgreSQL database: postgresql://USER:PASSWORD@HOST:5432/DATABASE, "
            "where signs such as @ : / % in the password are written %40 %3A %2F %25"
        ) from None


@lru_cache(maxsize=256)
def _as_postgres(query: str) -> bytes:
    return query.replace("%", "%%").replace("?", "%s").encode()


def _as_value(value: Any) -> Any:
    """PostgreSQL's text holds every character but one."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


class Link:
    """See `Connection`. For one thread at a time, apart from `cut`. Raises psycopg.Error."""

    def __init__(self, conninfo: str) -> None:
        # Pre-made statements would be looked for on another connection where a pooler stands between.
        self._connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        # A handle of our own: libpq may close its own, and the number may be another's, before `cut` comes to it.
        self._socket = socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self._asked_at = 0.0
        self.committing = False

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        return self._ask(_as_postgres(query), tuple(map(_as_value, values)))

    def _ask(self, query: bytes, values: tuple[Any, ...] | None = None) -> psycopg.Cursor[Any]:
        self._asked_at = time.monotonic()
        try:
            return self._connection.execute(query, values)
        finally:
            self._asked_at = 0.0

    def transact(self, work: Callable[[Link], T]) -> T:
        """Do work and commit it durably. After an error nothing of it stands, unless it came while `committing`."""
        self.committing = False
        self._ask(BEGIN)
        answer = work(self)
        self.committing = True
        self._ask(b"COMMIT")
        return answer

    def rollback(self) -> bool:
        """Undo what is open; False where the connection is of no more use."""
        try:
            self._ask(b"ROLLBACK")
        except psycopg.Error:
            return False
        return True

    def cut(self) -> None:
        """From another thread: end a wait that has lasted too long, with an error for who waits."""
        asked_at = self._asked_at
        if asked_at and time.monotonic() - asked_at > SILENT_SECONDS:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
        self._socket.close()
