"""All scenarios: what each wants, its controls, and its sizes in the short and in the full run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.handler_faults.fuzz import fuzzed
from tests.handler_faults.killing import killed
from tests.handler_faults.outside import clock_jumps, hanging, hour_down
from tests.handler_faults.place import Verdict
from tests.handler_faults.stores import disk_full, flushed, locked, many_processes
from tests.handler_faults.visitors import canaries, scanned, slow_clients

Sizes = dict[str, Any]


@dataclass(frozen=True)
class Control:
    """Faults of tests.handler_faults.host that break the promise, said in words. `sizes`: of their run, always small."""

    says: str
    faults: tuple[str, ...]
    sizes: Sizes


@dataclass(frozen=True)
class Scenario:
    """`run`: (folder, store's address or empty, faults, **sizes) → Verdict. `any_store`: not bound to SQLite."""

    name: str
    wanted: str
    run: Callable[..., Awaitable[Verdict]]
    short: Sizes
    full: Sizes
    controls: tuple[Control, ...]
    any_store: bool = False


SCENARIOS = (
    Scenario(
        "kill -9",
        "10,000 acknowledged leads, 500 kills or more: 0 lost, 0 doubled; each delivery at least once outside, once inside",
        killed,
        {"leads": 100, "kills": 12},
        {"leads": 10_000, "kills": 504, "patience": 1800},
        (
            Control("acknowledged before the commit", ("early",), {"leads": 60, "kills": 6, "patience": 2}),
            Control("marked before it was sent", ("marked_first",), {"leads": 60, "kills": 8, "patience": 3}),
            Control(
                "no UNIQUE, no look for who is there", ("blind", "no_unique"), {"leads": 60, "kills": 4, "patience": 2}
            ),
        ),
        any_store=True,
    ),
    Scenario(
        "power cut: flushed before answered",
        "all that was written is flushed before its answer, the journal's end too",
        flushed,
        {"count": 20},
        {"count": 500},
        (
            Control("synchronous=OFF", ("unsafe",), {"count": 5}),
            Control("journal deleted, not truncated", ("deleting",), {"count": 5}),
        ),
    ),
    Scenario(
        "disk full",
        "1,000 POSTs: 0 false successes, all 503, back within 1 s",
        disk_full,
        {"count": 100},
        {"count": 1000},
        (Control("what could not be written is acknowledged", ("shrug",), {"count": 30}),),
    ),
    Scenario(
        "file full (max_page_count)",
        "the same, where the file may not grow",
        disk_full,
        {"count": 60, "limit": "pages"},
        {"count": 1000, "limit": "pages"},
        (Control("what could not be written is acknowledged", ("shrug",), {"count": 60, "limit": "pages"}),),
    ),
    Scenario(
        "store locked",
        "nothing lost, late or 503, nothing hangs",
        locked,
        {"count": 60, "seconds": 1, "hurried": True},
        {"count": 1000, "seconds": 5},
        (
            Control(
                "what could not be written is acknowledged", ("shrug",), {"count": 20, "seconds": 0.5, "hurried": True}
            ),
        ),
    ),
    Scenario(
        "store locked for longer than it is waited for",
        "nothing lost, 503, nothing hangs",
        locked,
        {"count": 40, "seconds": 1},
        {"count": 200, "seconds": 20},
        (
            Control(
                "what could not be written is acknowledged", ("shrug",), {"count": 20, "seconds": 0.5, "hurried": True}
            ),
        ),
    ),
    Scenario(
        "destinations down for an hour",
        "all delivered within 10 minutes of recovery, acceptance's p95 less than 10% slower",
        hour_down,
        {"leads": 24, "steps": 12},
        {"leads": 720, "steps": 240, "rate": 50, "stride": 10},
        (Control("recovery releases no queue", ("no_release",), {"leads": 12, "steps": 6}),),
        any_store=True,
    ),
    Scenario(
        "a destination hangs",
        "a dead webhook delays no mail",
        hanging,
        {"leads": 10},
        {"leads": 50},
        (Control("all destinations share a worker", ("one_worker",), {"leads": 10}),),
        any_store=True,
    ),
    Scenario(
        "many processes on one store",
        "8 processes, 10,000 POSTs, 20% of them repeats: 0 doubled, 0 times 5xx",
        many_processes,
        {"count": 400, "workers": 2},
        {"count": 10_000, "workers": 4},
        (Control("no UNIQUE, no look for who is there", ("blind", "no_unique"), {"count": 150, "workers": 1}),),
        any_store=True,
    ),
    Scenario(
        "clock jumps",
        "±1 hour, ±1 day: nothing lost, nothing stuck for 10 minutes, links end to the minute",
        clock_jumps,
        {"leads": 3},
        {"leads": 100},
        (
            Control("the outbox believes that time never goes back", ("trusting_clock",), {"leads": 3}),
            Control("links live ten minutes longer", ("late_expiry",), {"leads": 1}),
        ),
        any_store=True,
    ),
    Scenario(
        "scanners of mails",
        "1,000 links × 20 fetches: 0 confirmations, 0 unsubscriptions, and the buttons work afterwards",
        scanned,
        {"links": 30, "fetches": 10},
        {"links": 1000},
        (Control("a link acts when it is looked at", ("following",), {"links": 6, "fetches": 2}),),
        any_store=True,
    ),
    Scenario(
        "fuzz",
        "1,000,000 requests: 0 times 5xx, none over 1 s",
        fuzzed,
        {"count": 4000, "sockets": 200},
        {"count": 980_000, "sockets": 20_000, "processes": 2},
        (Control("a rare key breaks the rules", ("brittle",), {"count": 1500, "sockets": 10}),),
    ),
    Scenario(
        "privacy canaries",
        "0 in logs, 0 in the store's bytes after erasure",
        canaries,
        {"people": 6},
        {"people": 200},
        (
            Control("the log tells what was asked", ("chatty",), {"people": 1}),
            Control("secure_delete=OFF", ("remembering",), {"people": 4}),
        ),
    ),
    Scenario(
        "slow clients",
        "others are served meanwhile, slow bodies end with 408",
        slow_clients,
        {"slow": 40, "count": 60},
        {"slow": 400, "count": 2000},
        (Control("one request at a time", ("queueing",), {"slow": 6, "count": 12}),),
        any_store=True,
    ),
)


def play(scenario: Scenario, folder: Path, sizes: Sizes, faults: tuple[str, ...] = (), store: str = "") -> Verdict:
    """Run a scenario to its verdict, in a loop of its own."""
    chosen = store if scenario.any_store else ""

    async def whole() -> Verdict:
        verdict = await scenario.run(folder, chosen, faults, **sizes)
        await asyncio.sleep(0.1)  # connections that were closed go in the loop's next rounds
        return verdict

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())
