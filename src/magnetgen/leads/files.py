"""Where an export goes: a file that is whole or not there, or the standard output."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from magnetgen.leads.client import BROKEN, LeadsFault


@contextlib.contextmanager
def opened(target: Path | None, encoding: str = "utf-8") -> Iterator[TextIO]:
    """A text stream that leaves newlines as they are. Raises LeadsFault when it cannot be written."""
    try:
        with _replacing(target, encoding) if target else _stdout(encoding) as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = f": {target}" if target else ""
        raise LeadsFault(f"the export could not be written ({exc.strerror or exc}){where}", BROKEN) from None


def _wrapped(raw: Any, encoding: str) -> io.TextIOWrapper:
    # Half a surrogate pair, which only JSON can bring, is written as JSON writes it.
    return io.TextIOWrapper(raw, encoding, errors="backslashreplace", newline="")


@contextlib.contextmanager
def _stdout(encoding: str) -> Iterator[TextIO]:
    sys.stdout.flush()
    stream = _wrapped(sys.stdout.buffer, encoding)
    try:
        yield stream
        stream.flush()
    finally:
        # Detaching flushes, too: what could not be written is not written a second time.
        with contextlib.suppress(OSError):
            stream.detach()


@contextlib.contextmanager
def _replacing(target: Path, encoding: str) -> Iterator[TextIO]:
    """Beside the target, for its owner only, and then in its place; a device or pipe is written to as it is."""
    target = target.resolve()
    if target.exists() and not target.is_file():
        with _wrapped(target.open("wb"), encoding) as stream:
            yield stream
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with _wrapped(os.fdopen(descriptor, "wb"), encoding) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def spool() -> Iterator[TextIO]:
    """A temporary file without a name, that nobody else can open."""
    try:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n") as stream:
            yield stream
    except BrokenPipeError:
        raise
    except OSError as exc:
        folder = tempfile.gettempdir()
        raise LeadsFault(f"what is exported must wait in {folder}, and could not ({exc.strerror or exc})") from None
