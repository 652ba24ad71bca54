"""One JSON line an event, on stderr. Never a field's value, an address, a token or a body."""

from __future__ import annotations

import json
import sys
import time


def event(name: str, **facts: str | int | float | bool | None) -> None:
    """Write a line; a log that cannot be written to stops nothing."""
    line = json.dumps({"at": round(time.time(), 3), "event": name, **facts}, ensure_ascii=True)
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
