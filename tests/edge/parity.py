"""The same odd requests to several hosts, and what differs: `make parity`, or

    python -m tests.edge.parity --hosts python,node,miniflare,blobs --requests 10000 --seed 7

The first host is what the others are compared with: status, code, headers, body, and the stored rows. The first
difference of a story is made as short as it goes and shown with both answers. `--story 7/31` plays one story again.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.edge import fleet, odd
from tests.edge.play import Note, Player
from tests.edge.steps import Ask, Hook, Look, Step, Story

SHRINKS = 300
"""How often a story is played again to make it shorter, at most,"""
SHRINK_SECONDS = 60.0
"""and for how long."""
SHOWN = 4
"""Differences of one kind, and of one host, that are shown in full."""


@dataclass(frozen=True)
class Difference:
    """Where two hosts first differ in a story, and how."""

    host: str
    story: Story
    step: int
    wanted: dict[str, Any]
    found: dict[str, Any]

    @property
    def sort(self) -> tuple[str, ...]:
        """What kind of difference it is: the parts that differ."""
        parts = sorted(key for key in {*self.wanted, *self.found} if self.wanted.get(key) != self.found.get(key))
        return (type(self.story.steps[self.step]).__name__, *parts)


@dataclass(frozen=True)
class Score:
    """A host's: requests that were compared, rows' comparisons, and what differed (one a story at most)."""

    requests: int
    looks: int
    differences: tuple[Difference, ...]


def first(wanted: Sequence[Note], found: Sequence[Note]) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    """The first step that two hosts do not answer alike."""
    for (number, one), (_, other) in zip(wanted, found, strict=True):
        if one != other:
            return number, one, other
    return None


def compare(
    bases: dict[str, str], seed: int, requests: int, says: Callable[[str], None] | None = None, stop: bool = False
) -> dict[str, Score]:
    """Play stories to all hosts until that many requests were sent to each; the first is the judge.

    `says`: is told of progress and of each difference, made short; `stop`: at the first difference.
    """
    players = _players(bases)
    judge, *others = players
    counts = {player.name: [0, 0] for player in others}
    found: dict[str, list[Difference]] = {player.name: [] for player in others}
    number = sent = 0
    began = time.monotonic()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(players)))
        for player in players:
            stack.callback(player.line.close)
        while sent < requests and not (stop and any(found.values())):
            story = odd.story(seed, number)
            number += 1
            notes = list(pool.map(played, players, [story] * len(players)))
            asks = sum(isinstance(step, Ask) for step in story.steps)
            looks = sum(isinstance(step, Look) for step in story.steps)
            sent += asks
            for player, noted in zip(others, notes[1:], strict=True):
                counts[player.name][0] += asks
                counts[player.name][1] += looks
                difference = first(notes[0], noted)
                if difference:
                    seen = Difference(player.name, story, *difference)
                    found[player.name].append(seen)
                    if says and sum(one.sort == seen.sort for one in found[player.name]) <= SHOWN:
                        says(shown(shrunk(seen, judge, player)))
            if says and number % 25 == 0:
                says(f"{sent:,} requests, {time.monotonic() - began:.0f} s, differing stories: "
                     + ", ".join(f"{name} {len(these)}" for name, these in found.items()))  # fmt: skip
    return {name: Score(asked, looked, tuple(found[name])) for name, (asked, looked) in counts.items()}


def _players(bases: dict[str, str]) -> list[Player]:
    """All of them play what each can."""
    hosts = [fleet.KNOWN[name.partition("#")[0]] for name in bases if name.partition("#")[0] in fleet.KNOWN]
    without = {thing for host in hosts for thing in host.without}
    return [Player(name, base, without) for name, base in bases.items()]


def played(player: Player, story: Story) -> list[Note]:
    """A host that fails to answer differs, too."""
    try:
        return player.play(story)
    except Exception as exc:
        player.line.close()
        gone = {"no answer": f"{type(exc).__name__}: {exc}"[:400]}
        return [(number, gone) for number, _ in enumerate(story.steps)]


# Making it short


def shrunk(seen: Difference, judge: Player, other: Player) -> Difference:
    """The shortest story that was found in which they still differ in the same way."""
    left, ends = SHRINKS, time.monotonic() + SHRINK_SECONDS

    def differs(steps: Sequence[Step]) -> Difference | None:
        nonlocal left
        left -= 1
        story = replace(seen.story, steps=tuple(steps))
        is_over = left < 0 or time.monotonic() > ends
        found = first(played(judge, story), played(other, story)) if steps and not is_over else None
        made = Difference(other.name, story, *found) if found else None
        return made if made and made.sort == seen.sort else None

    best = differs(seen.story.steps[: seen.step + 1]) or seen
    best = _fewer(best, differs)
    return _simpler(best, differs)


def _fewer(best: Difference, differs: Callable[[Sequence[Step]], Difference | None]) -> Difference:
    """Leave out steps: many at once first, then one by one."""
    size = max(1, len(best.story.steps) // 2)
    while size:
        at = 0
        while at < len(best.story.steps):
            steps = best.story.steps
            found = differs((*steps[:at], *steps[at + size :]))
            best, at = (found, at) if found else (best, at + size)
        size //= 2
    return best


def _simpler(best: Difference, differs: Callable[[Sequence[Step]], Difference | None]) -> Difference:
    """Leave out headers and pieces of bodies."""
    for number, step in enumerate(best.story.steps):
        if not isinstance(step, Ask):
            continue
        for smaller in _smaller(step):
            current = best.story.steps[number]
            assert isinstance(current, Ask)
            tried = smaller(current)
            if tried != current and (
                found := differs((*best.story.steps[:number], tried, *best.story.steps[number + 1 :]))
            ):
                best = found
    return best


def _smaller(ask: Ask) -> Iterator[Callable[[Ask], Ask]]:
    for name, _ in ask.headers:
        yield partial(Ask.with_header, name=name, value=None)
    for piece in ask.body.split(b"&") if 0 < ask.body.count(b"&") < SHRINKS else ():
        yield partial(_without, piece=piece)
    yield lambda at: replace(at, chunked=False)


def _without(ask: Ask, piece: bytes) -> Ask:
    return replace(ask, body=b"&".join(one for one in ask.body.split(b"&") if one != piece))


# Showing it


def shown(seen: Difference) -> str:
    lines = [
        f"== {seen.host} differs in {', '.join(seen.sort[1:])} (story {seen.story.name} of {seen.story.site}), shortest:"
    ]
    lines += [f"   {_step(step)}" for step in seen.story.steps]
    lines += [f"   {line}" for line in _lines(seen.wanted, seen.found)]
    return "\n".join(lines)


def _step(step: Step) -> str:
    if isinstance(step, Hook):
        return f"[{step.name} {json.dumps(step.data)}]"
    if isinstance(step, Look):
        return "[the rows]"
    headers = "; ".join(f"{name}: {value!r}"[:200] for name, value in step.headers)
    body = repr(step.body) if len(step.body) < 400 else f"{step.body[:200]!r}… ({len(step.body)} bytes)"
    return f"at {step.now:.3f}: {step.method} {step.target}{f' bent {step.bend}' if step.bend else ''} ({headers}) {body}{' chunked' if step.chunked else ''}"


def _lines(wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for key in sorted({*wanted, *found}):
        one, other = wanted.get(key), found.get(key)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            yield from (f"{key}: {line[:700]}" for line in difflib.ndiff(one, other) if line[0] in "+-")
        elif isinstance(one, dict) and isinstance(other, dict):
            yield from (f"{key}.{line}" for line in _lines(one, other))
        else:
            yield f"{key}: wanted {str(one)[:900]!r}"
            yield f"{key}: found  {str(other)[:900]!r}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.edge.parity", description="The same odd requests to several hosts."
    )
    parser.add_argument(
        "--hosts", default="python,node", help=f"the judge first; of {', '.join(fleet.KNOWN)}; python#2 is one more"
    )
    parser.add_argument("--requests", type=int, default=10_000, help="to each host")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--story", default="", help="SEED/NUMBER: play only that one, and show what is compared")
    wishes = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="magnetgen-parity-") as folder,
        fleet.fleet(wishes.hosts.split(","), Path(folder)) as bases,
    ):
        if wishes.story:
            return one(bases, wishes.story)
        scores = compare(bases, wishes.seed, wishes.requests, lambda text: print(text, file=sys.stderr, flush=True))
    for name, score in scores.items():
        print(
            f"{name}: {score.requests:,} requests, {score.looks:,} times the rows: {len(score.differences)} stories differ"
        )
    return 1 if any(score.differences for score in scores.values()) else 0


def one(bases: dict[str, str], name: str) -> int:
    seed, number = name.split("/")
    story = odd.story(int(seed), int(number))
    judge, *others = _players(bases)
    wanted = played(judge, story)
    for at, note in wanted:
        print(_step(story.steps[at]), json.dumps(note, ensure_ascii=False)[:2000], sep="\n   ")
    for other in others:
        if found := first(wanted, played(other, story)):
            print(shown(shrunk(Difference(other.name, story, *found), judge, other)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
