"""Destinations that fail in every way for an hour, and clocks that jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from magnetgen.forms import tokens
from tests.handler_faults import judge
from tests.handler_faults.client import ACCEPTED, Ledger, Line, Post, drive, paced, posts, request, share, until
from tests.handler_faults.place import KEYS, Place, Verdict
from tests.handler_faults.sinks import Sinks, open_sinks

MODES = ("down", "slow", "500", "429", "garbage", "truncated")
TIMEOUT = 0.2
"""Seconds of the machine that a destination may take: the clock of the handler runs faster than it."""
TICK = 0.05
EDGE = "edge@lead.example"
HOUR, MINUTES_10, DAY = 3600, 600, 86_400


async def _mails(sinks: Sinks, count: int) -> bool:
    return await until(lambda: len({r.id for r in sinks.mail.receipts}) >= count, 20)


async def hour_down(
    folder: Path, store: str, faults: tuple[str, ...], leads: int, steps: int, rate: float = 0
) -> Verdict:
    """Six destinations, each with a fault of its own for an hour of the handler's clock, which goes on in steps.

    Mails must leave within their step, while all webhooks fail. `rate`: POSTs a second to measure acceptance with.
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
        work = posts(leads)
        late = 0
        for step in range(steps):
            await drive([handler.port], work[step * leads // steps : (step + 1) * leads // steps], ledger, 4)
            late += not await until(lambda: _mailed(sinks) >= 2 * ledger.statuses[ACCEPTED], 3)
            place.set_clock((step + 1) * HOUR / steps)
        wrong += [f"in {late} steps mails waited for webhooks"] * bool(late)
        for mode in MODES:
            await sinks.hooks[f"to_{mode}"].turn("ok")
        waiting = ledger.statuses[ACCEPTED] * len(sinks.hooks)
        seconds = 0
        while seconds < 2 * HOUR and _hooked(sinks) < waiting:
            seconds += 10
            place.set_clock(HOUR + seconds)
            seen = -1
            while seen != (seen := _hooked(sinks)):  # as long as things arrive, the clock may stand
                await asyncio.sleep(0.3)
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
        f"{len(rows['outbox']):,} delivered {seconds} s after recovery, mails late in {late} of {steps} steps ({tried:,} attempts at the six)"
    )
    if rate:
        p = share(before, 0.95) * 1000, share(during, 0.95) * 1000
        measured += (
            f"; acceptance p95 at {rate:g}/s {p[0]:.1f} ms before, {p[1]:.1f} ms during ({p[1] / p[0] - 1:+.0%})"
        )
    return Verdict(measured, tuple(wrong))


def _mailed(sinks: Sinks) -> int:
    return len({receipt.id for receipt in sinks.mail.receipts})


def _hooked(sinks: Sinks) -> int:
    return sum(len({receipt.id for receipt in sink.receipts}) for sink in sinks.hooks.values())


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
            await until(lambda n=sinks.hooks["crm"].tried: sinks.hooks["crm"].tried > n, 2)  # type: ignore[misc]
            await asyncio.sleep(0.2)
            place.set_clock(jump)
            await drive([handler.port], posts(leads, start=number + leads), ledger, 4)
            await sinks.hooks["crm"].turn("ok")
            number += 2 * leads
            seconds = 0
            while seconds < MINUTES_10 and sinks.arrived < 3 * number:
                seconds += 30
                place.set_clock(jump + seconds)
                await asyncio.sleep(0.25)
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
    await until(lambda: bool(sinks.mail.links.get(edge.email)), 10)
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
