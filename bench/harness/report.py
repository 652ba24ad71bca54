"""Figures as a Markdown report and as JSON: medians, and ratios to the baseline within the same round."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from harness.measure import Sample
from harness.outputs import Output
from harness.tools import BASELINE, Tool

SCENARIOS = {"cold": "cold", "warm": "unchanged", "edit": "one edit"}
Figure = Callable[[Sample], float]


@dataclass
class Result:
    """All runs of one tool at one size: scenario → a sample for each round."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in SCENARIOS})
    output: Output | None = None

    def as_json(self) -> dict[str, Any]:
        runs = {name: [sample.as_json() for sample in samples] for name, samples in self.samples.items()}
        return {**runs, "output": self.output.as_json() if self.output else None}


Results = dict[int, dict[str, Result]]


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }


def as_json(results: Results, versions: dict[str, str], rounds: int) -> dict[str, Any]:
    sizes = {str(size): {name: result.as_json() for name, result in row.items()} for size, row in results.items()}
    return {"machine": machine(), "versions": versions, "runs": rounds, "sizes": sizes}


def markdown(results: Results, versions: dict[str, str], tools: list[Tool], rounds: int) -> str:
    return "\n".join([*_preface(versions, rounds), *_tables(results), *_notes(tools)]) + "\n"


def _preface(versions: dict[str, str], rounds: int) -> Iterator[str]:
    here = machine()
    parts = (here["cpu"], f"{here['cores']} cores", f"{here['memory_gib']} GiB", here["system"], here["date"])
    yield ", ".join(map(str, parts)) + "."
    yield f"Medians of {rounds} rounds; in brackets the median of the ratios to {BASELINE} in the same round."
    yield ""
    yield from (f"- {name}: {version}" for name, version in versions.items())


def _tables(results: Results) -> Iterator[str]:
    for size, row in results.items():
        yield ""
        yield f"### {size:,} posts"
        yield ""
        yield "| tool | build | wall s | CPU s | peak MB | largest process MB | ms a post |"
        yield "|-|-|-|-|-|-|-|"
        for scenario, label in SCENARIOS.items():
            yield from (_row(name, label, scenario, row, size) for name in row)
        yield ""
        yield "| tool | files | output MB | bytes a post page |"
        yield "|-|-|-|-|"
        yield from (_output_row(name, result.output, row) for name, result in row.items())


def _row(name: str, label: str, scenario: str, row: dict[str, Result], size: int) -> str:
    samples = row[name].samples[scenario]
    base = row[BASELINE].samples[scenario] if BASELINE in row else []

    def cell(figure: Figure, digits: int) -> str:
        text = f"{median(map(figure, samples)):,.{digits}f}"
        return f"{text} ({ratio(samples, base, figure):.2f}×)" if base else text

    wall, cpu = cell(lambda run: run.wall, 2), cell(lambda run: run.cpu, 2)
    peak = cell(lambda run: run.peak / 1e6, 0)
    largest = f"{median(run.max_rss for run in samples) / 1e6:,.0f}"
    each = median(run.wall for run in samples) / size * 1000
    return f"| {name} | {label} | {wall} | {cpu} | {peak} | {largest} | {each:.3f} |"


def ratio(samples: list[Sample], base: list[Sample], figure: Figure) -> float:
    """Rounds are compared one by one: a machine that slows down slows both sides of a quotient."""
    return median(figure(mine) / figure(theirs) for mine, theirs in zip(samples, base, strict=True))


def _output_row(name: str, output: Output | None, row: dict[str, Result]) -> str:
    if output is None:
        return f"| {name} | | | |"
    base = row[BASELINE].output if BASELINE in row else None
    share = f" ({output.post_bytes / base.post_bytes:.2f}×)" if base else ""
    return f"| {name} | {output.files:,} | {output.bytes / 1e6:.1f} | {output.post_bytes:,.0f}{share} |"


def _notes(tools: list[Tool]) -> Iterator[str]:
    yield ""
    yield "Cold: no cache, no output. Unchanged, one edit: over the state before. Every build was checked"
    yield "to hold all posts; lists, tag pages, feed, sitemap and some posts in full once per tool and size."
    yield ""
    yield from (f"- {tool.name}: {tool.note}." for tool in tools)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
