"""One JSON line an event, on stderr. Never a field's value, an address, a token or a body."""

from __future__ import annotations

import json
import sys
import time

_FAULTS = frozenset({"internal", "outbox_broken", "review_broken", "store_unavailable"})
_shown: frozenset[str] | None = None


def faults_only() -> None:
    """From now on only what went wrong here is written: for a terminal that somebody looks at."""
    global _shown
    _shown = _FAULTS


def event(name: str, **facts: str | int | float | bool | None) -> None:
    """Write a line; a log that cannot be written to stops nothing."""
    if _shown is not None and name not in _shown:
        return
    line = json.dumps({"at": round(time.time(), 3), "event": name, **facts}, ensure_ascii=True)
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
