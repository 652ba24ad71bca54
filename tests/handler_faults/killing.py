"""kill -9 under load, at random moments and at every failpoint, with two handlers on one store."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from magnetgen.forms import failpoint
from tests.handler_faults import judge
from tests.handler_faults.client import ACCEPTED, Cut, Ledger, Line, Post, posts, request, until
from tests.handler_faults.place import PATIENCE, Place, Verdict
from tests.handler_faults.sinks import Sinks, open_sinks

LANES = 2
CLIENTS = 12
PAUSE = 0.01
"""Seconds between a client's repetitions of what was acknowledged."""
SETTLED = 0.5
"""Seconds after which nobody repeats by haste: what is not known then was lost."""
AFTER_LEASES = 300.0
"""Seconds by which the clock is moved at the end, so that what a dead handler had leased is free."""
OFTEN = {"leased": 4, "sent": 8}
"""The most times that a failpoint is passed before it strikes; 30 for the others."""


@dataclass
class Campaign:
    """Clients that repeat each submission until it is acknowledged, and handlers that die under them."""

    place: Place
    sinks: Sinks
    ledger: Ledger
    faults: tuple[str, ...]
    todo: deque[Post]
    plan: list[str]
    dice: random.Random
    ports: list[int] = field(default_factory=lambda: [0] * LANES)
    kills: Counter[str] = field(default_factory=Counter)
    forgotten: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    done: list[tuple[Post, float]] = field(default_factory=list)
    """What was acknowledged, and when: from then on its key is known."""
    released: int = 0
    calm: bool = False
    """Nobody repeats any more, so that deliveries have the handler for themselves."""
    over: bool = False

    async def lane(self, number: int) -> None:
        while self.plan:
            name = self.plan.pop()
            armed = f"{name}:{self.dice.randint(1, OFTEN.get(name, 30))}" if name else ""
            handler = self.place.handler(self.faults, armed)
            await handler.ready()
            self.ports[number] = handler.port
            struck = await until(lambda h=handler: not h.alive, 3.0 if name else self.dice.uniform(0, 0.5))  # type: ignore[misc]
            handler.kill()
            self.ports[number] = 0
            self.kills[name if struck else "at random"] += 1
            self.released += self._ration

    @property
    def _ration(self) -> int:
        return -(-len(self.todo) // max(1, len(self.plan) + LANES))

    async def client(self, number: int) -> None:
        line = Line(0)
        while not (self.over and not self.todo):
            port = self.ports[number % LANES] or self.ports[(number + 1) % LANES]
            if not port:
                await asyncio.sleep(0.01)
                continue
            if line.port != port:
                line.close()
                line.port = port
            if self.todo and (self.released > 0 or self.over):
                self.released -= 1
                await self._submit(line, self.todo.popleft())
            elif self.done and not self.calm:
                await self._again(line, *self.dice.choice(self.done))
                await asyncio.sleep(PAUSE)
            else:
                await asyncio.sleep(0.01)
        line.close()

    async def _submit(self, line: Line, post: Post) -> None:
        """Until it is acknowledged: by this handler, or the next."""
        try:
            answer = await line.ask(post.raw(), lambda status: self.ledger.note(post, status))
        except Cut:
            self.ledger.cuts += 1
            if post.email in self.ledger.acknowledged:
                self.done.append((post, time.monotonic()))
            else:
                self.todo.appendleft(post)
                self.released += 1
            await asyncio.sleep(0.01)
        else:
            if answer.status == ACCEPTED:
                self.done.append((post, time.monotonic()))
            else:
                self.todo.append(post)

    async def _again(self, line: Line, post: Post, since: float) -> None:
        """What was acknowledged is remembered: its key is answered from the record, and never stores anything."""
        if time.monotonic() < since + SETTLED:
            return
        try:
            answer = await line.ask(post.raw())
        except Cut:
            self.ledger.cuts += 1
            await asyncio.sleep(0.01)
        else:
            self.ledger.statuses[answer.status] += 1
            if answer.status == ACCEPTED and answer.headers.get("idempotency-replayed") != "true":
                self.forgotten.add(post.email)

    async def confirmer(self) -> None:
        """Somebody reads the mails and presses the button, until it is acknowledged."""
        line = Line(0)
        while not self.over:
            for to, token in list(self.sinks.mail.unconfirmed.items()):
                port = next((p for p in self.ports if p), 0)
                if not port:
                    break
                line.close()
                line.port = port
                try:
                    answer = await line.ask(request("POST", f"/confirm/{token}"))
                except Cut:
                    break
                if answer.status == ACCEPTED:
                    self.confirmed.add(to)
                    del self.sinks.mail.unconfirmed[to]
            await asyncio.sleep(0.05)
        line.close()


def plan(kills: int, names: Iterable[str], dice: random.Random) -> list[str]:
    """As many kills at each failpoint as at random moments together."""
    points = list(names)
    made = [points[n % len(points)] if n % 2 else "" for n in range(2 * len(points))]
    made = [*made, *(dice.choice(["", *points]) for _ in range(kills))][:kills]
    dice.shuffle(made)
    return made


async def killed(
    folder: Path, store: str, faults: tuple[str, ...], leads: int, kills: int, patience: float = PATIENCE
) -> Verdict:
    """Run the campaign, then let one handler finish what is left for at most `patience` seconds, and judge."""
    dice = random.Random(20261122)
    sinks = await open_sinks("crm")
    place = Place(folder, store, env=sinks.env)
    names = [*failpoint.NAMES, "marked"] if "marked_first" in faults else failpoint.NAMES
    todo = deque(posts(leads - leads // 4) + posts(leads // 4, "double"))
    dice.shuffle(todo)
    run = Campaign(place, sinks, Ledger(folder / "acknowledged"), faults, todo, plan(kills, names, dice), dice)
    run.released = -(-leads // kills) * LANES
    try:
        clients = [asyncio.create_task(run.client(n)) for n in range(CLIENTS)]
        reader = asyncio.create_task(run.confirmer())
        await asyncio.gather(*(run.lane(n) for n in range(LANES)))
        place.set_clock(AFTER_LEASES)
        last = await place.handler(faults, clock=str(place.clock_file), tick=0.2).ready()
        run.ports = [last.port] * LANES
        run.released = leads
        run.calm = True
        # One event, a welcome and a notice of each; with a confirmation, two events and two mails.
        wanted = 3 * (leads - leads // 4) + 4 * (leads // 4)
        await until(lambda: not run.todo and sinks.arrived >= wanted, patience)
        run.over = True
        await asyncio.gather(reader, *clients)
        await last.stop()
        rows = place.dump()
    finally:
        run.over = True
        place.close()
        sinks.close()
    wrong = [f"forgotten: {email}" for email in run.forgotten]
    wrong += [*judge.lost_or_doubled(rows, run.ledger), *judge.not_delivered(rows, sinks)]
    state = {row["email"]: row["status"] for row in rows["leads"]}
    wrong += [f"confirmation lost: {email}" for email in run.confirmed if state.get(email) != "confirmed"]
    wrong += judge.only(run.ledger.statuses, (ACCEPTED, 503))
    struck = ", ".join(f"{n} {name}" for name, n in sorted(run.kills.items()))
    measured = (
        f"{len(run.ledger.acknowledged):,} acknowledged leads, {len(run.confirmed):,} confirmations, "
        f"{run.kills.total():,} kills ({struck}), {run.ledger.cuts:,} requests cut off; "
        f"{sum(w.startswith(('lost', 'forgotten', 'confirmation lost')) for w in wrong):,} lost, "
        f"{sum(' leads: ' in w or ' submissions ' in w for w in wrong):,} doubled; "
        f"{len(rows['outbox']):,} deliveries, {sum(w.startswith('not arrived, though done') for w in wrong):,} of them lost, "
        f"{sum(row['state'] != 'done' for row in rows['outbox']):,} unfinished, "
        f"{judge.repeats(sinks):,} repeated under the same id"
    )
    return Verdict(measured, tuple(wrong))
