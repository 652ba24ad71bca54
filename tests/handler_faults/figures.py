"""What a handler does on this disk: seconds to an answer at a steady rate, leads a second at full speed. No test asserts them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from itertools import count
from pathlib import Path

from magnetgen.forms.store.sqlite import journal_mode
from tests.handler_faults.client import Ledger, Line, paced, posts, share
from tests.handler_faults.place import Handler, Place

RATE = 50.0
LINES = (1, 8, 32, 64)
_number = count(10**7)


async def steady(folder: Path, seconds: float) -> str:
    """Answers at 50 submissions a second, whatever they take, after a warm-up."""
    place = Place(folder)
    try:
        handler = await place.handler().ready()
        await paced(handler.port, posts(int(RATE * 2), start=10**6), RATE, Ledger())
        ledger = Ledger()
        found = await paced(handler.port, posts(int(RATE * seconds)), RATE, ledger)
    finally:
        place.close()
    p50, p95, p99 = (share(found, part) * 1000 for part in (0.5, 0.95, 0.99))
    return f"{len(found):,} submissions at {RATE:g}/s, all {dict(ledger.statuses)}: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, slowest {max(found) * 1000:.0f} ms"


async def full_speed(folder: Path, seconds: float, rounds: int = 3) -> str:
    """Durable leads a second with several numbers of connections, beside a bare loop of one-row commits, in turns."""
    place, made = Place(folder), {lines: list[float]() for lines in LINES}
    bare = []
    try:
        handler = await place.handler().ready()
        for _ in range(rounds):
            bare.append(await asyncio.to_thread(_bare, folder / "store" / "bare.sqlite3", seconds))
            for lines in LINES:
                made[lines].append(await _closed(handler, lines, seconds))
    finally:
        place.close()
    ratios = {lines: sorted(rate / loop for rate, loop in zip(made[lines], bare, strict=True)) for lines in LINES}
    each = "; ".join(
        f"{lines}: {sorted(made[lines])[rounds // 2]:,.0f}/s ({ratios[lines][rounds // 2]:.2f}×)" for lines in LINES
    )
    return f"bare loop {sorted(bare)[rounds // 2]:,.0f} commits/s; leads by number of connections: {each} (medians of {rounds} rounds)"


async def _closed(handler: Handler, lines: int, seconds: float) -> float:
    end, done = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        line = Line(handler.port)
        while time.monotonic() < end:
            answer = await line.ask(posts(1, start=next(_number))[0].raw())
            done += answer.status == 202
        line.close()

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(lines)))
    return done / (time.monotonic() - began)


def _bare(path: Path, seconds: float) -> float:
    """One row, one commit, with the store's own settings, and nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"journal_mode={journal_mode()}", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE IF NOT EXISTS lead(id TEXT PRIMARY KEY, data TEXT) WITHOUT ROWID")
    began, done = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        connection.execute("INSERT INTO lead VALUES(?, ?)", (f"{time.time_ns():032x}", "x" * 300))
        done += 1
    connection.close()
    return done / seconds
