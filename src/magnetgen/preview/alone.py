"""One preview of a site at a time: two would write the same pages, each with its own address in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from magnetgen.forms import files

try:
    import fcntl
except ImportError:  # on Windows two previews are not kept apart
    fcntl = None  # type: ignore[assignment]

LOCK = "preview-lock"


class ShownAlreadyError(Exception):
    """Another process shows this site. address: where, if it has said so yet."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@contextlib.contextmanager
def alone(root: Path) -> Iterator[Callable[[str], None]]:
    """Hold a site's preview; yields what takes its address. Raises ShownAlreadyError, OSError.

    The lock goes with the process, however that ends.
    """
    path = files.path(root, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as held:
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.seek(0)
                raise ShownAlreadyError(held.read().strip()) from None
        held.truncate(0)

        def tell(address: str) -> None:
            held.write(f"{address}\n")
            held.flush()

        yield tell
