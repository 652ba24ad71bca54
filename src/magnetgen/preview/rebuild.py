"""Builds one after the other, in a thread of their own: never two at a time, and never one too few."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

QUIET_SECONDS = 0.015
"""Editors and version control change several files, or one file several times: wait until they rest."""
LONGEST_SECONDS = 0.25
"""But not for ever: something may be writing all the time."""
HOLD_SECONDS = 0.25
"""A browser that was just told of an edit asks for its page: the whole build would keep it waiting."""
LONGEST_HOLD_SECONDS = 1.0
"""But the whole is built while somebody edits without a pause, too."""


class Rebuilder(threading.Thread):
    """Runs `whole` once at the start, and again after every `poke`. A poke while it runs makes another run.

    `quick` comes first, and is given the files that the pokes have named since it was last asked; None where one could
    not name them. If it has shown them all, the whole is held back for a moment, or until the next poke.

    It is a daemon: a build can be killed at any point without harm, so nobody needs to wait for one.
    """

    def __init__(
        self,
        quick: Callable[[frozenset[str] | None], bool],
        whole: Callable[[], None],
        quiet: float = QUIET_SECONDS,
        longest: float = LONGEST_SECONDS,
        hold: float = HOLD_SECONDS,
        longest_hold: float = LONGEST_HOLD_SECONDS,
    ) -> None:
        super().__init__(name="magnetgen-build", daemon=True)
        self._quick = quick
        self._whole = whole
        self._quiet = quiet
        self._longest = longest
        self._hold = hold
        self._longest_hold = longest_hold
        self._held_since = 0.0
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
            if self._quick(self._take()) and self._poked_while_held():
                continue
            self._held_since = 0.0
            if not self._stopped:
                self._whole()

    def _take(self) -> frozenset[str] | None:
        with self._state:
            files, self._files, self._pending = self._files, frozenset(), False
            return files

    def _poked_while_held(self) -> bool:
        """Hold the whole build back. True: something has changed again, and is to be shown first."""
        now = time.monotonic()
        self._held_since = self._held_since or now
        until = min(now + self._hold, self._held_since + self._longest_hold)
        with self._state:
            self._state.wait_for(lambda: self._stopped or self._pending, until - now)
            return self._pending and time.monotonic() < self._held_since + self._longest_hold

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
