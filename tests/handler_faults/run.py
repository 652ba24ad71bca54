"""The full suite: `make faults`, or `python -m tests.handler_faults.run [--only WORD] [--store URL] [--limit SECONDS]`.

Prints each scenario as it ends. With `--write`, the rows of what was run are replaced in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import re
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tests.conftest import ROOT
from tests.handler_faults import figures
from tests.handler_faults.place import Verdict
from tests.handler_faults.suite import SCENARIOS, Scenario, play

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
HEAD = "| Scenario | Wanted | Measured | Controls, which must be seen | When, and the machine's load of 5 minutes |"
Row = tuple[str, str, str, str]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description="The fault suite of the form handler, in full.")
    parser.add_argument("--only", action="append", default=[], help="scenarios whose name has this word; repeatable")
    parser.add_argument("--store", default="", help="postgresql://…: its tables are cleared")
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which no further scenario begins")
    parser.add_argument("--short", action="store_true", help="the sizes of `make test`")
    parser.add_argument("--no-figures", action="store_true", help="without rates and latencies")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    wishes = parser.parse_args(arguments)
    chosen = [s for s in SCENARIOS if not wishes.only or any(word in s.name for word in wishes.only)]
    began, failed, rows = time.monotonic(), 0, dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="magnetgen-faults-") as folder:
        for scenario in chosen:
            if time.monotonic() > began + wishes.limit:
                _say(f"not run, out of time: {scenario.name}")
                failed += 1
                continue
            row, good = _row(scenario, Path(folder) / "place", wishes.store, wishes.short)
            rows[scenario.name] = _line(row)
            failed += not good
        if not (wishes.no_figures or wishes.only) or "figures" in wishes.only:
            rows |= {row[0]: _line(row) for row in _figures(Path(folder) / "place")}
    text = PAGE.read_text("utf-8")
    table = "\n".join(_page({**(_known(text) if wishes.write else {}), **rows}))
    print(table)
    if wishes.write:
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S), "utf-8")
    return 1 if failed else 0


def _known(text: str) -> dict[str, str]:
    """The page's rows by name: what is not run again stays, with the date it has."""
    block = text.partition(BEGIN)[2].partition(END)[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in block.splitlines() if line.startswith("| ")}


def _line(row: Row) -> str:
    when = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, load {os.getloadavg()[1]:.0f}"
    return f"| {' | '.join(cell.replace('|', '/') for cell in (*row, when))} |"


def _row(scenario: Scenario, folder: Path, store: str, short: bool) -> tuple[Row, bool]:
    """A scenario and its controls, said as they end."""
    began = time.monotonic()
    try:
        verdict = play(scenario, folder, scenario.short if short else scenario.full, store=store)
    except Exception as exc:
        traceback.print_exc()
        verdict = Verdict("", (f"{type(exc).__name__}: {exc}",))
    good, seen = not verdict.wrong, []
    _say(f"{'holds' if good else 'BROKEN'}: {scenario.name} ({time.monotonic() - began:.0f} s): {verdict.measured}")
    for fault in verdict.wrong[:20]:
        _say(f"    {fault}")
    for control in scenario.controls:
        found = play(scenario, folder, control.sizes, control.faults, store)
        good = good and bool(found.wrong)
        seen.append(f"{control.says}: {'seen' if found.wrong else '**not seen**'} ({len(found.wrong):,} faults)")
        _say(f"  control: {seen[-1]}")
    mark = "" if not verdict.wrong else f"**broken, {len(verdict.wrong):,} faults**: "
    return (scenario.name, scenario.wanted, mark + verdict.measured, "; ".join(seen)), good


def _figures(folder: Path) -> Iterator[Row]:
    for name, wanted, measured in (
        ("answers at a steady rate", "p99 under 50 ms at 50/s", figures.steady(folder, 60)),
        ("durable leads a second", "beside single commits on the same disk", figures.full_speed(folder, 5)),
    ):
        row = (name, wanted, asyncio.run(measured), "")
        _say(f"{name}: {row[2]}")
        yield row


def _page(rows: dict[str, str]) -> Iterator[str]:
    yield (
        f"{os.cpu_count()} virtual cores of {_processor()}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, uvicorn {version('uvicorn')}, uvloop {version('uvloop')}."
    )
    yield ""
    yield HEAD
    yield "|-|-|-|-|-|"
    names = [*(scenario.name for scenario in SCENARIOS), *rows]
    yield from (rows[name] for name in dict.fromkeys(names) if name in rows and rows[name] != HEAD)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", path.read_text()) if path.is_file() else None
    return found[1] if found else platform.machine()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
