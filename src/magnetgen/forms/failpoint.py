"""Places where a test may end the process at once, by SIGKILL: MAGNETGEN_FAILPOINT=name:count."""

from __future__ import annotations

import os
import signal
from typing import Final

_NAME, _, _COUNT = os.environ.get("MAGNETGEN_FAILPOINT", "").partition(":")
_ARMED: Final = os.environ.get("MAGNETGEN_TEST") == "1" and bool(_NAME)
NAMES = ("begin", "written", "committed", "leased", "sent", "answered")
_left = int(_COUNT or "1") if _ARMED else 0


def hit(name: str) -> None:
    """Die here, if it is this place's turn."""
    global _left
    if not _ARMED or name != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
