"""Every vector, and generated requests, on every host: `make parity`, or

    python -m tests.edge.table [--hosts WORD,…] [--requests 10000] [--seed N] [--write]

With `--write`, the rows of the hosts that were run are replaced in docs/reliability.md; the others stay, with their date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.contract.run import Mismatch, run, vectors
from tests.edge import fleet, parity
from tests.edge.hosts import netlify

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"
HEAD = "| Handler | Vectors passed | Odd requests sent | Stored rows compared | Stories that differ | When, and the machine's load of 5 minutes |"
JUDGE = "python"
VECTORS_ONLY = ("python", "lambda1")
"""The judge itself, and payload 1.0: a REST API takes a query apart before the function sees it."""
HOSTS = ("python", "postgres", "lambda", "lambda1", "node", "miniflare", "blobs", "netlify")
SLOW = {"blobs": 10}
"""Hosts that get this part of the requests: each of theirs is many requests to Netlify's Blobs server."""
NETLIFY_SECONDS = 3600.0


@dataclass(frozen=True)
class Row:
    """What was measured of one host. `missed`: names of vectors that failed."""

    passed: int
    total: int
    missed: tuple[str, ...] = ()
    score: parity.Score | None = None

    @property
    def good(self) -> bool:
        return self.passed == self.total and not (self.score and self.score.differences)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make parity", description="Both implementations on all hosts, side by side.")
    parser.add_argument("--hosts", default=",".join(HOSTS))
    parser.add_argument("--requests", type=int, default=10_000, help="odd requests to each host; 0: vectors only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    wishes = parser.parse_args(arguments)
    rows: dict[str, Row] = {}
    for name in wishes.hosts.split(","):
        if name == "netlify" and not netlify.CLI.exists():
            _say("netlify: not run, its tools are not installed (make netlify)")
            continue
        rows[name] = measured(name, wishes.requests // SLOW.get(name, 1), wishes.seed)
        _say(f"{fleet.KNOWN[name].says}: {cells(rows[name])}")
        for missed in rows[name].missed:
            _say(f"    {missed}")
    text = PAGE.read_text("utf-8")
    table = "\n".join(page(rows, known(text) if wishes.write else {}))
    print(table)
    if wishes.write:
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S), "utf-8")
    return 0 if all(row.good for row in rows.values()) else 1


def measured(name: str, requests: int, seed: int) -> Row:
    """All vectors on one host, then odd requests to it and to the judge."""
    with tempfile.TemporaryDirectory(prefix="magnetgen-parity-") as place, ExitStack() as stack:
        folder = Path(place)
        if name == "netlify":
            return _netlify(folder)
        bases = stack.enter_context(fleet.fleet(list(dict.fromkeys((JUDGE, name))), folder))
        wanted = vectors(fleet.KNOWN[name].without)
        missed = tuple(_missed(bases[name], wanted))
        total = len(wanted)
        score = parity.compare(bases, seed, requests, _say)[name] if requests and name not in VECTORS_ONLY else None
        return Row(total - len(missed), total, missed, score)


def _missed(base: str, wanted: Sequence[Path]) -> Iterator[str]:
    for path in wanted:
        try:
            run(base, json.loads(path.read_text("utf-8")))
        except (Mismatch, OSError, ValueError) as exc:
            yield f"{path.stem}: {str(exc)[:300]}"


def _netlify(folder: Path) -> Row:
    """Vectors only: it loads the function anew for each request."""
    printed = netlify.run(folder / "site", (), NETLIFY_SECONDS)
    found = re.search(r"(\d+) of (\d+) vectors passed", printed)
    assert found, printed[-2000:]
    return Row(int(found[1]), int(found[2]), tuple(printed[: found.start()].splitlines()))


def cells(row: Row) -> str:
    vectors_cell = f"{row.passed} of {row.total}"
    if not row.score:
        return f"{vectors_cell} | | | "
    odd = f"{row.score.requests:,} | {row.score.looks:,} times | {len(row.score.differences)}"
    return f"{vectors_cell} | {odd}"


def known(text: str) -> dict[str, str]:
    """The page's rows by host: what is not run again stays."""
    block = text.partition(BEGIN)[2].partition(END)[0]
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in block.splitlines() if line.startswith("| ")}
    return {name: lines[fleet.KNOWN[name].says] for name in HOSTS if fleet.KNOWN[name].says in lines}


def page(rows: dict[str, Row], before: dict[str, str]) -> Iterator[str]:
    yield HEAD
    yield "|-|-|-|-|-|-|"
    when = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, load {os.getloadavg()[1]:.0f}"
    for name in HOSTS:
        if name in rows:
            yield f"| {fleet.KNOWN[name].says} | {cells(rows[name])} | {when} |"
        elif name in before:
            yield before[name]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
