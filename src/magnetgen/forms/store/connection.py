"""A connection inside a transaction, as the rows see it: the same for every database that speaks SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """Rows are tuples."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None: ...

    def fetchone(self) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """`?` stands for a value, and for nothing else."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor: ...
