"""A store that is full, locked, or shared by many processes; and what reaches the disk before an answer."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.handler_faults import judge
from tests.handler_faults.client import ACCEPTED, Answer, Ledger, Line, drive, posts, request, share
from tests.handler_faults.place import Place, Verdict, hold

FULL = 503


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 1 MiB at the folder, if this machine lets us mount one."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


async def disk_full(folder: Path, store: str, faults: tuple[str, ...], count: int, limit: str = "disk") -> Verdict:
    """Leads until nothing more fits, `count` more, then room again. `limit`: a full file system, or SQLite's own."""
    place = Place(folder)
    del store  # another store's disk is not ours to fill
    with _small_disk(folder / "store") as mounted:
        pages = folder / "pages"
        pages.write_text("100000")
        wishes: dict[str, Any] = {} if mounted and limit == "disk" else {"pages": str(pages)}
        try:
            return await _fill(place, faults, count, pages if wishes else None, wishes)
        finally:
            place.close()
            await asyncio.sleep(0.1)


async def _fill(place: Place, faults: tuple[str, ...], count: int, pages: Path | None, wishes: Any) -> Verdict:
    ballast, ledger = place.folder / "store" / "ballast", Ledger(place.folder / "acknowledged")
    handler = await place.handler(faults, **wishes).ready()
    await drive([handler.port], posts(50), ledger, 4)
    if pages:
        pages.write_text("1")  # never less than there are
        handler.kill()  # a connection asks when it is made
        handler = await place.handler(faults, **wishes).ready()
    else:
        _fill_up(ballast)
    full = Ledger(place.folder / "acknowledged")
    await drive([handler.port], posts(count, start=1000), full, 8)
    if pages:
        pages.write_text("100000")
    else:
        ballast.unlink()
    freed, line = time.monotonic(), Line(handler.port)
    recovered = float("inf")
    while time.monotonic() < freed + 10:
        answer = await line.ask(posts(1, start=5000)[0].raw())
        if answer.status == ACCEPTED:
            recovered = time.monotonic() - freed
            break
        await asyncio.sleep(0.02)
    line.close()
    await drive([handler.port], posts(50, start=6000), ledger, 4)
    handler.kill()
    rows = place.dump()
    wrong = judge.lost_or_doubled(rows, ledger) + judge.lost_or_doubled(rows, full)
    wrong += judge.only(ledger.statuses, [ACCEPTED]) + judge.only(full.statuses, [ACCEPTED, FULL])
    if not full.statuses[FULL]:
        wrong.append("the disk was never full")
    if recovered > 1:
        wrong.append(f"not back after {recovered:.1f} s")
    false = sum(email not in {row["email"] for row in rows["leads"]} for email in full.acknowledged)
    kind = "SQLite's own limit" if pages else "tmpfs of 1 MiB"
    measured = f"{kind}: {count:,} POSTs, {full.statuses[FULL]:,} times 503, {false:,} false successes, back after {recovered:.2f} s"
    return Verdict(measured, tuple(wrong))


def _fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


async def locked(
    folder: Path, store: str, faults: tuple[str, ...], count: int, seconds: float, hurried: bool = False
) -> Verdict:
    """Another process holds the store for itself while leads come in. `hurried`: the handler gives up soon."""
    del store
    place = Place(folder)
    ledger = Ledger(folder / "acknowledged")
    try:
        handler = await place.handler(faults, hurried=hurried).ready()
        await drive([handler.port], posts(20, start=90_000), Ledger(), 4)
        lock = hold(folder / "store" / "leads.sqlite3")
        healthy = asyncio.create_task(_health(handler.port, seconds))
        asyncio.get_running_loop().call_later(seconds, lock.close)
        await drive([handler.port], posts(count), ledger, 8, patience=30)
        worst = await healthy
        await drive([handler.port], posts(20, start=80_000), ledger, 4)
        handler.kill()
        rows = place.dump()
    finally:
        place.close()
    wrong = judge.lost_or_doubled(rows, ledger) + judge.only(ledger.statuses, [ACCEPTED, FULL])
    wrong += [f"{ledger.slow} requests without an answer"] * bool(ledger.slow)
    wrong += [f"{ledger.cuts} requests cut off"] * bool(ledger.cuts)
    answers = f"{ledger.statuses[ACCEPTED]} accepted, {ledger.statuses[FULL]} times 503"
    slowest = max(ledger.seconds, default=0)
    return Verdict(
        f"{seconds:g} s: {answers}, slowest answer {slowest:.1f} s, /healthz within {worst * 1000:.0f} ms", tuple(wrong)
    )


async def _health(port: int, seconds: float) -> float:
    """The slowest answer of /healthz meanwhile."""
    line, worst, end = Line(port), 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        worst = max(worst, (await line.ask(request("GET", "/healthz"))).seconds)
        await asyncio.sleep(0.05)
    line.close()
    return worst


async def many_processes(
    folder: Path, store: str, faults: tuple[str, ...], count: int, workers: int, repeated: float = 0.2
) -> Verdict:
    """Two handlers of some processes each; a part of the submissions comes twice, often at once."""
    place, ledger = Place(folder, store), Ledger(folder / "acknowledged")
    dice = random.Random(5)
    once = posts(int(count * (1 - repeated)))
    work = list(once)
    for post in dice.choices(once, k=count - len(once)):
        work.insert(dice.randrange(len(work)), post)
    try:
        handlers = [await place.handler(faults, workers=workers).ready() for _ in range(2)]
        began = time.monotonic()
        await drive([h.port for h in handlers], work, ledger, 32)
        seconds = time.monotonic() - began
        for handler in handlers:
            handler.kill()
        rows = place.dump()
    finally:
        place.close()
    wrong = judge.lost_or_doubled(rows, ledger) + judge.only(ledger.statuses, [ACCEPTED])
    if ledger.cuts or ledger.slow:
        wrong.append(f"{ledger.cuts + ledger.slow} requests without an answer")
    bad = sum(n for status, n in ledger.statuses.items() if status >= 500)
    doubled = sum(" leads: " in w or " submissions " in w for w in wrong)
    measured = (
        f"{2 * workers} processes, {count:,} POSTs in {seconds:.0f} s, {len(rows['leads']):,} leads: {doubled:,} doubled, "
        f"{bad:,} times 5xx; slowest {max(ledger.seconds, default=0):.1f} s, p99 {share(ledger.seconds, 0.99) * 1000:.0f} ms"
    )
    return Verdict(measured, tuple(wrong))


async def flushed(folder: Path, store: str, faults: tuple[str, ...], count: int) -> Verdict:
    """What the kernel is asked for between a request and its answer: data flushed, and the journal's end flushed too.

    A process that is killed keeps what it wrote, a machine without power does not. So the calls themselves are judged.
    """
    del store
    if not shutil.which("strace"):
        raise AssertionError("strace is missing: scripts/setup-test.sh tools")
    place, trace = Place(folder), folder / "trace"
    try:
        handler = await place.handler(faults).ready()
        calls = "trace=fsync,fdatasync,unlink,ftruncate,pwrite64,write,writev,sendto,sendmsg"
        watcher = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "24", "-o", str(trace), "-e", calls, "-p", str(handler.process.pid)],
            stderr=subprocess.PIPE,
        )
        assert watcher.stderr
        await asyncio.to_thread(watcher.stderr.readline)  # attached
        line, answers = Line(handler.port), list[Answer]()
        for post in posts(count):
            answers.append(await line.ask(post.raw()))
        line.close()
        handler.kill()
        await asyncio.to_thread(watcher.wait, 20)
        watcher.stderr.close()
    finally:
        place.close()
    wrong, flushes = _unflushed(trace.read_text("utf-8", "replace").splitlines())
    wrong += [f"{answer.status}" for answer in answers if answer.status != ACCEPTED]
    if len(flushes) < count:
        wrong.append(f"only {len(flushes)} answers were seen")
    return Verdict(
        f"{count:,} answers in a row, each after {min(flushes, default=0)} to {max(flushes, default=0)} flushes",
        tuple(wrong),
    )


def _unflushed(lines: list[str]) -> tuple[list[str], list[int]]:
    """Answers that left while something written was not flushed; and flushes before each answer."""
    wrong, flushes, dirty, seen = list[str](), list[int](), set[str](), 0
    wrote = False
    for text in lines:
        if "resumed>" in text:
            continue
        path = match[1] if (match := re.search(r"\d+<([^>]*leads\.sqlite3[^>]*)>|\d+<([^>]*/store)>", text)) else None
        folder = match[2] if match else None
        if path and "-rate" in path:
            continue
        if "pwrite64(" in text or "ftruncate(" in text:
            if path:
                dirty.add(path)
                wrote = True
        elif "sync(" in text and (path or folder):
            dirty.discard(path or folder or "")
            seen += 1
        elif "unlink(" in text and "leads.sqlite3-journal" in text:
            dirty.add(os.path.dirname(text.split('"')[1]))  # noqa: PTH120
        elif "HTTP/1.1 202" in text or "HTTP/1.1 303" in text:
            if dirty or not wrote:
                wrong.append(f"answered before it was flushed: {sorted(dirty)}")
            flushes.append(seen)
            seen, wrote = 0, False
            dirty.clear()
    return wrong, flushes
