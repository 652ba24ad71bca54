"""Destinations that fail in every way for an hour, and clocks that jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from magnetgen.forms import tokens
from tests.handler_faults import judge
from tests.handler_faults.client import ACCEPTED, Ledger, Line, Post, drive, paced, posts, request, share, until
from tests.handler_faults.place import KEYS, PATIENCE, Place, Verdict
from tests.handler_faults.sinks import Sinks, open_sinks

MODES = ("down", "slow", "500", "429", "garbage", "truncated")
TIMEOUT = 0.2
"""Seconds of the machine that a destination may take: the clock of the handler runs faster than it."""
TICK = 0.05
HANGING = 12.0
"""Seconds in which mails must have left: less than a destination may take."""
EDGE = "edge@lead.example"
HOUR, MINUTES_10, DAY = 3600, 600, 86_400


async def _still(sinks: Sinks) -> None:
    """Until nothing arrives any more: as long as something does, the clock may stand."""
    seen = -1
    while seen != (seen := sinks.arrived):
        await asyncio.sleep(0.4)


async def _mails(sinks: Sinks, count: int) -> bool:
    """Until what a load has left in the outbox is mailed."""
    return await until(lambda: _mailed(sinks) >= count, 10 * PATIENCE)


async def hour_down(
    folder: Path, store: str, faults: tuple[str, ...], leads: int, steps: int, rate: float = 0, stride: int = 60
) -> Verdict:
    """Six destinations, each with a fault of its own for an hour of the handler's clock, which goes on in steps.

    Mails leave within their step. `rate`: POSTs a second to measure acceptance with; `stride`: seconds of a step after recovery.
    """
    sinks = await open_sinks("crm", *(f"to_{mode}" for mode in MODES))
    place = Place(folder, store, destinations=tuple(sinks.hooks), env=sinks.env)
    ledger, wrong = Ledger(folder / "acknowledged"), list[str]()
    before = during = [0.0]
    try:
        handler = await place.handler(faults, clock=str(place.clock_file), tick=TICK, timeout=TIMEOUT).ready()
        if rate:
            await paced(handler.port, posts(int(rate * 3), start=10**6), rate, ledger)
            before = await paced(handler.port, posts(int(rate * 20), start=2 * 10**6), rate, ledger)
            await _mails(sinks, 2 * ledger.statuses[ACCEPTED])
        for mode in MODES:
            await sinks.hooks[f"to_{mode}"].turn(mode)
        if rate:
            during = await paced(handler.port, posts(int(rate * 20), start=3 * 10**6), rate, ledger)
            await _mails(sinks, 2 * ledger.statuses[ACCEPTED])
        work = posts(leads)
        late = 0
        for step in range(steps):
            await drive([handler.port], work[step * leads // steps : (step + 1) * leads // steps], ledger, 4)
            late += not await until(lambda: _mailed(sinks) >= 2 * ledger.statuses[ACCEPTED], PATIENCE)
            place.set_clock((step + 1) * HOUR / steps)
        wrong += [f"in {late} steps mails did not leave"] * bool(late)
        for mode in MODES:
            await sinks.hooks[f"to_{mode}"].turn("ok")
        waiting = ledger.statuses[ACCEPTED] * len(sinks.hooks)
        seconds = 0
        while seconds < 2 * HOUR and _hooked(sinks) < waiting:
            seconds += stride
            place.set_clock(HOUR + seconds)
            await _still(sinks)
            if seconds > MINUTES_10 and faults:
                break
        await asyncio.sleep(0.3)
        await handler.stop()
        rows = place.dump()
    finally:
        place.close()
        sinks.close()
    wrong += judge.lost_or_doubled(rows, ledger) + judge.only(ledger.statuses, [ACCEPTED])
    if seconds > MINUTES_10:
        wrong.append(f"not all delivered {seconds} s after recovery")
    if not faults:
        wrong += judge.not_delivered(rows, sinks)
    tried = sum(sink.tried for sink in sinks.hooks.values()) - len(sinks.hooks["crm"].receipts)
    measured = (
        f"{len(ledger.acknowledged):,} leads for 7 destinations, 6 of them failing ({', '.join(MODES)}) for an hour; all "
        f"{len(rows['outbox']):,} delivered {seconds} s after recovery ({tried:,} attempts at the six)"
    )
    if rate:
        p = share(before, 0.95) * 1000, share(during, 0.95) * 1000
        measured += (
            f"; acceptance p95 at {rate:g}/s {p[0]:.1f} ms before, {p[1]:.1f} ms during ({p[1] / p[0] - 1:+.0%})"
        )
    return Verdict(measured, tuple(wrong))


async def hanging(folder: Path, store: str, faults: tuple[str, ...], leads: int) -> Verdict:
    """A destination that takes everything and answers nothing, for its whole 15 seconds: what else leaves meanwhile?"""
    sinks = await open_sinks("crm", "to_slow")
    place = Place(folder, store, destinations=tuple(sinks.hooks), env=sinks.env)
    ledger, slow = Ledger(folder / "acknowledged"), sinks.hooks["to_slow"]
    await slow.turn("slow")
    try:
        handler = await place.handler(faults, tick=TICK).ready()
        await drive([handler.port], posts(1, start=10**6), ledger, 1)
        wrong = [] if await until(lambda: slow.held > 0, PATIENCE) else ["nothing hangs: nothing was shown"]
        began = time.monotonic()
        await drive([handler.port], posts(leads), ledger, 4)
        done = await until(lambda: len(sinks.mail.ids) == 2 * (leads + 1) and slow.held > 0, HANGING)
        seconds = time.monotonic() - began
        mailed, taken = len(sinks.mail.ids), len(sinks.hooks["crm"].ids)
        handler.kill()
    finally:
        place.close()
        sinks.close()
    if not done:
        wrong.append(f"only {mailed} of {2 * (leads + 1)} mails left while a webhook hung")
    measured = f"{mailed:,} mails and {taken:,} other webhooks left in {seconds:.1f} s, while one destination hung"
    return Verdict(measured, tuple(wrong))


def _mailed(sinks: Sinks) -> int:
    return len(sinks.mail.ids)


def _hooked(sinks: Sinks) -> int:
    return sum(len(sink.ids) for sink in sinks.hooks.values())


async def clock_jumps(folder: Path, store: str, faults: tuple[str, ...], leads: int) -> Verdict:
    """An hour and a day forth and back, with deliveries waiting; then links on the edge of their lives."""
    sinks = await open_sinks("crm")
    place, ledger, wrong = Place(folder, store, env=sinks.env), Ledger(folder / "acknowledged"), list[str]()
    number = 0
    try:
        handler = await place.handler(faults, clock=str(place.clock_file), tick=TICK, timeout=TIMEOUT).ready()
        for jump in (HOUR, -HOUR, DAY, -DAY):
            await sinks.hooks["crm"].turn("500")
            await drive([handler.port], posts(leads, start=number), ledger, 4)
            await asyncio.sleep(0.5)  # some have been tried by now, and some not
            place.set_clock(jump)
            await drive([handler.port], posts(leads, start=number + leads), ledger, 4)
            await sinks.hooks["crm"].turn("ok")
            number += 2 * leads
            seconds = 0
            while seconds < MINUTES_10 and sinks.arrived < 3 * number:
                seconds += 100
                place.set_clock(jump + seconds)
                await _still(sinks)
            if sinks.arrived < 3 * number:
                wrong.append(
                    f"stuck after a jump of {jump} s: {3 * number - sinks.arrived} deliveries after 10 minutes"
                )
            place.set_clock(0)
            await asyncio.sleep(3 * TICK)
        wrong += await _edges(place, handler.port, sinks)
        await handler.stop()
        rows = place.dump()
    finally:
        place.close()
        sinks.close()
    # The submissions at the edges were sent to be two.
    rows = {name: [row for row in found if row.get("email") != EDGE] for name, found in rows.items()}
    wrong += judge.lost_or_doubled(rows, ledger) + judge.only(ledger.statuses, [ACCEPTED])
    stuck = sum(w.startswith("stuck") for w in wrong)
    edges = sum("link" in w or "key" in w for w in wrong)
    measured = (
        f"{len(ledger.acknowledged):,} leads over jumps of an hour and a day, forth and back: {sum(w.startswith('lost') for w in wrong)} lost, {stuck} times stuck; "
        f"links and keys at the edges of their lives: {edges} wrong"
    )
    return Verdict(measured, tuple(wrong))


async def _edges(place: Place, port: int, sinks: Sinks) -> list[str]:
    """A link lives until its end and a minute, a key 24 hours: to the second."""
    line, wrong = Line(port), list[str]()
    place.set_clock(0)
    edge = posts(1, "double", start=7)[0]
    await line.ask(edge.raw())
    await until(lambda: bool(sinks.mail.links.get(edge.email)), PATIENCE)
    purpose, token = sinks.mail.links[edge.email][0]
    found = tokens.verify(KEYS, token, purpose, time.time() + 10)
    for at, status in (
        (found.expires + 58, 200),
        (found.expires + 63, 410),
        (found.issued - 57, 200),
        (found.issued - 63, 404),
    ):
        place.set_clock(at - time.time())
        answer = await line.ask(request("GET", f"/confirm/{token}"))
        if answer.status != status:
            wrong.append(f"link {at - found.expires:+.0f} s from its end: {answer.status}, not {status}")
    place.set_clock(0)
    key = Post(EDGE, "key-at-its-edge-000")
    await line.ask(key.raw())
    for offset, replayed in ((DAY - 30, True), (DAY + 2, False)):
        place.set_clock(offset)
        answer = await line.ask(key.raw())
        if (answer.headers.get("idempotency-replayed") == "true") != replayed:
            wrong.append(f"key after {offset} s: replayed {not replayed}")
    line.close()
    place.set_clock(0)
    return wrong
