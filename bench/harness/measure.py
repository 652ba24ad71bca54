"""Run one command and measure it: wall time, CPU time, memory of the whole process tree."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CommandError(Exception):
    """A measured command did not end with exit code 0."""


@dataclass(frozen=True)
class Sample:
    """One run. Times in seconds, memory in bytes.

    cpu: user and system time of the command and of all children it waited for.
    peak: highest sum over the process tree seen at one moment. max_rss: highest of any single process.
    """

    wall: float
    cpu: float
    peak: int
    max_rss: int

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def run(command: list[str], folder: Path, env: dict[str, str], log: Path) -> Sample:
    """Run `command` in `folder`, its output into `log`. Raises CommandError with the end of the log."""
    # What earlier runs left to be written to disk is not to be paid for by this one.
    os.sync()
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        watcher = MemoryWatcher(process.pid)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    peak = watcher.stop()
    # Popen must not wait for a process that is gone.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise CommandError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    max_rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # A run shorter than the sampling interval is known by its highest single process only.
    return Sample(wall, usage.ru_utime + usage.ru_stime, max(peak, max_rss), max_rss)


class MemoryWatcher(threading.Thread):
    """Samples the memory of a process and its descendants until stopped; without /proc it sees nothing."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._ended = threading.Event()
        self._peak = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, tree_memory(self._root))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self._peak


def tree_memory(root: int) -> int:
    """Bytes of a process tree.

    Several processes share pages, so their proportional sizes are added up; reading those costs time in
    proportion to a process's size, so a single process is taken by its resident size.
    """
    processes = descendants(root)
    if len(processes) == 1:
        return resident(root)
    return sum(proportional(pid) for pid in processes)


def descendants(root: int) -> list[int]:
    """`root` and all processes below it."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children(pid)
    return found


def children(pid: int) -> list[int]:
    """A child belongs to the thread that started it, so every thread is asked."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
        except OSError:
            continue
        found += map(int, text.split())
    return found


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
