"""Times as the owner reads and writes them. Inside, they are milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_AGO = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(text: str, now: datetime) -> int:
    """`7d`, `12h`, a date or a date and time; local where no zone is named. Raises ValueError."""
    try:
        match = _AGO.fullmatch(text)
        then = now - timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else datetime.fromisoformat(text)
        return int(then.timestamp() * 1000)
    except (OverflowError, OSError):
        raise ValueError(text) from None


def local(ms: Any) -> str:
    """`2026-05-28 21:46`, here; empty where there is no time."""
    found = _moment(ms)
    return f"{found.astimezone():%Y-%m-%d %H:%M}" if found else ""


def iso(ms: Any) -> str:
    """`2026-05-28T19:46:40.000Z`; empty where there is no time."""
    found = _moment(ms)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z") if found else ""


def _moment(ms: Any) -> datetime | None:
    if not isinstance(ms, int) or isinstance(ms, bool):
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
