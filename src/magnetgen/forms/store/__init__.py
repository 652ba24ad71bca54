"""What a store promises, so that the rules can stand in the core alone.

`submit` runs a decision inside one serializable transaction: it loads what is asked for, calls `decide`, writes the
changes and commits durably before the future has a result. A code that is claimed is handed out in that transaction,
and to nobody else ever: a store that cannot promise this hands out none. A decision may run again, or not at all: it must be pure.
Whatever a store cannot do at the moment is StoreUnavailable, and then nothing was written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from magnetgen.forms.records import (
    Count,
    Decide,
    Delivery,
    Lead,
    LeadQuery,
    Load,
    Submission,
    SubmissionQuery,
)
from magnetgen.forms.site import SiteFault


class StoreUnavailable(Exception):
    """Locked for too long, disk full, gone: try again later. Nothing was written."""


class Store(Protocol):
    """Leads, submissions, answers by key, and the outbox."""

    counts_at_once: bool
    """Whether `rate` takes less time than handing it to a thread would."""

    def submit(self, load: Load, decide: Decide) -> Future[Any]:
        """Run a decision; the result is its `answer`, once everything is durable."""

    def rate(self, counts: Sequence[Count], now: int) -> list[int]:
        """Count one more in each window, and say the counts. Need not survive a crash."""

    def leads(self, query: LeadQuery) -> list[Lead]: ...

    def submissions(self, query: SubmissionQuery) -> list[Submission]: ...

    def person(self, email_key: str) -> dict[str, Any]:
        """{leads, submissions, deliveries, suppressed} of an address, as plain data."""

    def outbox(self, state: str = "", limit: int = 100) -> list[Delivery]: ...

    def lease(
        self, now: int, seconds: int, limit: int, skip: Collection[str], probe: Collection[str]
    ) -> list[Delivery]:
        """Take what is due or whose lease ran out, up to `limit` a destination; of `probe` ones one each, due or not."""

    def finish(self, id: str, now: int, code: str) -> None:
        """It was sent. `code`: what the destination said."""

    def fail(self, id: str, now: int, code: str, next_at: int | None) -> None:
        """It was not sent; again at `next_at`, or dead."""

    def give_back(self, ids: Sequence[str], until: int) -> None:
        """What was taken and not begun: as it was before, and no attempt. `until`: when that lease ends, in ms.

        What has been taken again since stays with whom it is.
        """

    def retry(self, id: str, now: int) -> bool:
        """A delivery is due at once, whatever became of it; False if there is none."""

    def hasten(self, dest: str, now: int) -> None:
        """What waits for a destination after a failure is due now."""

    def disabled(self) -> set[str]:
        """Destinations that have said that they are gone."""

    def disable(self, dest: str, now: int, off: bool) -> None: ...

    def find_lead(self, id: str) -> Lead | None: ...

    def codes(self, leads: Collection[str]) -> dict[str, dict[str, str]]:
        """Lead's id → magnet → the code that it has. Leads without any are left out."""

    def probe(self, now: int) -> None:
        """Write something and read it back. Raises StoreUnavailable."""

    def purge(self, now: int) -> None:
        """Remove what has served its time: old answers, and quarantined submissions after 30 days."""

    def dump(self) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        """Everything, for tests."""

    def clear(self) -> None:
        """Remove everything, for tests."""

    def close(self) -> None: ...


def open_store(url: str, serverless: bool = False) -> Store:
    """The store that MAGNETGEN_STORE names. Raises SiteFault where there is none of that kind."""
    if url.startswith("sqlite:///"):
        if serverless:
            raise SiteFault(
                "SQLite cannot be used here: a function's disk is its own and is gone with it. "
                "Set MAGNETGEN_STORE to a PostgreSQL database: postgresql://…"
            )
        from magnetgen.forms.store.sqlite import SqliteStore

        return SqliteStore(Path(unquote(url.removeprefix("sqlite:///"))))
    if url.startswith(("postgresql://", "postgres://")):
        return _open_postgres(url)
    raise SiteFault("MAGNETGEN_STORE is to be sqlite:///path or postgresql://…")


def _open_postgres(url: str) -> Store:
    try:
        from magnetgen.forms.store.postgres import PostgresStore
    except ImportError:
        raise SiteFault("a PostgreSQL store needs psycopg: pip install 'magnetgen[postgres]'") from None
    return PostgresStore(url)
