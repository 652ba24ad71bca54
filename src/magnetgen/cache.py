"""What is remembered between builds, and the one place that knows of processes.

A cache file is msgpack of frozen structs behind a digest of itself, with the key of all that its entries depend on
besides their own file. A file that is not whole, or has another key, is an empty cache: it costs time, never truth.
"""

from __future__ import annotations

import errno
import gc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from magnetgen import __version__
from magnetgen.model import Source

T = TypeVar("T")
R = TypeVar("R")

PARALLEL_FROM = 400
"""Items below which no second process is started: its start would be a good part of the whole. A guess, not tuned."""

_DIGEST = 16
_TEMPORARY = ".tmp"
_TICK_NS = 20_000_000
_COARSE_NS = 2_000_000_000


Stamp = tuple[int, int, int, int]
"""Size, time of change, time of the inode's change (both nanoseconds), inode: equal, the file is the same."""


class Entry(msgspec.Struct, frozen=True):
    """A remembered result; `value` is msgpack, decoded when it is asked for."""

    stamp: Stamp
    value: msgspec.Raw


class _File(msgspec.Struct):
    key: bytes
    entries: dict[str, Entry]


class Memo:
    """Results by file, valid as long as the file's stamp and the common key stay the same."""

    def __init__(self, path: Path, key: bytes, kind: Any) -> None:
        self._path = path
        self._key = blake2b(key + code_stamp(), digest_size=16).digest()
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._old = self._load()
        self._new: dict[str, Entry] = {}
        self._changed = False

    def get(self, source: Source) -> Any:
        """The remembered result for a file, or None."""
        entry = self._old.get(source.path)
        if entry is None or entry.stamp != source.stamp:
            return None
        self._new[source.path] = entry
        return self._decoder.decode(entry.value)

    def put(self, source: Source, value: Any, now_ns: int) -> None:
        """Remember a result. `now_ns`: when the file was looked at, before it was read."""
        self._changed = True
        if now_ns - source.mtime_ns > granularity(source.mtime_ns):
            self._new[source.path] = Entry(source.stamp, msgspec.Raw(msgspec.msgpack.encode(value)))

    def save(self) -> None:
        if self._changed or len(self._new) != len(self._old):
            write_checked(self._path, msgspec.msgpack.encode(_File(self._key, self._new)))

    def _load(self) -> dict[str, Entry]:
        found = load(self._path, _File)
        return found.entries if found is not None and found.key == self._key else {}


Memos = Callable[[Path, bytes, Any], Memo]
"""Opens the memo of a file, for a key and a kind of result."""


class WarmMemos:
    """Memos for build after build in one process: what was decoded once is at hand."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[bytes, _WarmMemo]] = {}

    def __call__(self, path: Path, key: bytes, kind: Any) -> Memo:
        known = self._open.get(path)
        if known is not None and known[0] == key:
            known[1].begin()
            return known[1]
        memo = _WarmMemo(path, key, kind)
        self._open[path] = (key, memo)
        return memo


class _WarmMemo(Memo):
    def __init__(self, path: Path, key: bytes, kind: Any) -> None:
        super().__init__(path, key, kind)
        self._values: dict[str, tuple[Stamp, Any]] = {}

    def begin(self) -> None:
        """Another build: what the last one remembered is what there is."""
        self._old, self._new, self._changed = self._new, {}, False

    def get(self, source: Source) -> Any:
        stamp, value = self._values.get(source.path, (None, None))
        if stamp == source.stamp and source.path in self._old:
            self._new[source.path] = self._old[source.path]
            return value
        value = super().get(source)
        if value is not None:
            self._values[source.path] = (source.stamp, value)
        return value

    def put(self, source: Source, value: Any, now_ns: int) -> None:
        super().put(source, value, now_ns)
        if source.path in self._new:
            self._values[source.path] = (source.stamp, value)


def granularity(mtime_ns: int) -> int:
    """A file changed this short a time ago could change again without its time telling (as in git's index)."""
    return _COARSE_NS if mtime_ns % 1_000_000_000 == 0 else _TICK_NS


def load(path: Path, kind: type[T]) -> T | None:
    """A cache file's content, or None if there is none that is whole and fits."""
    data = read_checked(path)
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError):
        return None


def read_checked(path: Path) -> bytes | None:
    """What `write_checked` wrote, or None if it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, payload = data[:_DIGEST], data[_DIGEST:]
    return payload if blake2b(payload, digest_size=_DIGEST).digest() == digest else None


def write_checked(path: Path, payload: bytes) -> None:
    write_atomically(path, blake2b(payload, digest_size=_DIGEST).digest() + payload)


def write_atomically(path: Path, data: bytes) -> None:
    """The old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed builds left half written. Only under the lock: a running build has such files, too."""
    for pattern in (f".*{_TEMPORARY}", f"cache/.*{_TEMPORARY}", f"cache/templates/.*{_TEMPORARY}"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


@cache
def code_stamp() -> bytes:
    """A digest of magnetgen's own files and of the parts that shape its output, by size and time."""
    state = blake2b(__version__.encode(), digest_size=16)
    package = Path(__file__).parent
    for base, folders, files in os.walk(package):
        folders[:] = sorted(f for f in folders if f not in ("__pycache__", "_themes"))
        for name in sorted(files):
            info = os.stat(f"{base}/{name}")
            state.update(f"{name}\0{info.st_size}\0{info.st_mtime_ns}\0".encode())
    for part in ("icalendar", "jinja2", "markdown", "PIL", "pyromark", "selectolax", "typst"):
        spec = importlib.util.find_spec(part)
        changed = Path(spec.origin).parent.stat().st_mtime_ns if spec and spec.origin else 0
        state.update(f"{part}\0{changed}\0".encode())
    return state.digest()


def default_jobs() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def parallel(
    make: Callable[[], Callable[[T], R]],
    items: Sequence[T],
    jobs: int,
    kind: Any,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[R]:
    """`make()(item)` for each item, in order; in `jobs` processes where there are enough items.

    `make` runs once in each process, so that a worker's templates and engines are made once. Results travel as
    msgpack of `kind`.
    """
    if jobs <= 1 or len(items) < PARALLEL_FROM:
        work = make()
        for number, item in enumerate(items, 1):
            yield work(item)
            progress(number)
        return
    # Only here: these take 40 ms to import, which small sites need not pay.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    decoder = msgspec.msgpack.Decoder(list[kind])
    size = max(16, min(500, len(items) // (jobs * 8)))
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    done = 0
    # Forked workers share the plan without a copy; no thread runs yet at this point of a build.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    gc.freeze()  # what is shared now is garbage to nobody: no collection touches it, so the kernel copies less
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), context, _start_worker, (make, os.getpid()))
    try:
        for packed in pool.map(_run_chunk, chunks):
            results = decoder.decode(packed)
            yield from results
            done += len(results)
            progress(done)
    except BrokenProcessPool:
        raise ChildProcessError(errno.ECHILD, "a worker process was killed; is there enough memory?") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_work: Callable[[Any], Any]


def _start_worker(make: Callable[[], Callable[[Any], Any]], parent: int) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C and ends the pool
    _die_with_parent(parent)
    _work = make()


def _die_with_parent(parent: int) -> None:
    """A worker of a killed build must not go on writing into the next one's stage, nor hold the site's lock."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        # Who was killed before that tells nobody any more, and the worker would wait for work for ever.
        if os.getppid() != parent:
            os._exit(1)


def _run_chunk(items: Sequence[Any]) -> bytes:
    return msgspec.msgpack.encode([_work(item) for item in items])


def now_ns() -> int:
    return time.time_ns()
