"""Builds one after the other, in a thread of their own: never two at a time, and never one too few."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

QUIET_SECONDS = 0.015
"""Editors and version control change several files, or one file several times: wait until they rest."""
LONGEST_SECONDS = 0.25
"""But not for ever: something may be writing all the time."""


class Rebuilder(threading.Thread):
    """Runs `work` once at the start, and again after every `poke`. A poke while it runs makes another run.

    `work` is given the files that the pokes have named since the last run; None where one could not name them.

    It is a daemon: a build can be killed at any point without harm, so nobody needs to wait for one.
    """

    def __init__(
        self,
        work: Callable[[frozenset[str] | None], None],
        quiet: float = QUIET_SECONDS,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        super().__init__(name="magnetgen-build", daemon=True)
        self._work = work
        self._quiet = quiet
        self._longest = longest
        self._state = threading.Condition()
        self._pokes = 0
        self._pending = True
        self._files: frozenset[str] | None = None
        self._stopped = False

    def poke(self, files: frozenset[str] | None = None) -> None:
        """These files have changed; None: anything may have."""
        with self._state:
            self._files = None if files is None or self._files is None else self._files | files
            self._pokes += 1
            self._pending = True
            self._state.notify_all()

    def stop(self) -> None:
        """No run after this one."""
        with self._state:
            self._stopped = True
            self._state.notify_all()

    def run(self) -> None:
        while self._settled():
            self._work(self._take())

    def _take(self) -> frozenset[str] | None:
        with self._state:
            files, self._files, self._pending = self._files, frozenset(), False
            return files

    def _settled(self) -> bool:
        """Wait for a poke, and then for rest. False when it is over."""
        with self._state:
            self._state.wait_for(lambda: self._stopped or self._pending)
            until = time.monotonic() + (self._longest if self._pokes else 0)
            while not self._stopped and (left := until - time.monotonic()) > 0:
                before = self._pokes
                self._state.wait(min(left, self._quiet))
                if self._pokes == before:
                    break
            return not self._stopped
