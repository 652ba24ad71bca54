"""Compare magnetgen with Hugo, Eleventy and Pelican on the same corpus: `python bench/run.py`.

Needs what bench/requirements.txt and bench/package.json name (`make bench` installs both). Each round builds
with every tool cold, then with every tool unchanged, then with every tool after one edit, so that a
machine that gets slower or faster in the meantime does so for all of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from harness import outputs, report, tools
from harness.measure import CommandError, run
from harness.outputs import Corpus
from harness.report import Result, Results
from harness.tools import OUTPUT, Tool


def main() -> int:
    options = parse_options()
    try:
        chosen = [tools.find(name, options.magnetgen) for name in options.tools]
        versions = {tool.name: tool.version() for tool in chosen}
        with work_folder(options.work) as folder:
            results = measure_all(Path(folder), chosen, options)
    except (tools.MissingToolError, CommandError, outputs.OutputError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    if options.json:
        data = report.as_json(results, versions, options.runs)
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(report.markdown(results, versions, chosen, options.runs), end="")
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sizes", type=numbers, default=numbers("100,1000,10000"), help="posts, for all tools")
    parser.add_argument("--solo", type=int, default=100_000, help="posts, for magnetgen alone; 0: leave it out")
    parser.add_argument("--tools", type=names, default=list(tools.NAMES), help=f"of {', '.join(tools.NAMES)}")
    parser.add_argument("--runs", type=int, default=3, help="rounds (the solo size takes one)")
    parser.add_argument("--json", type=Path, help="write all single runs to this file")
    parser.add_argument("--work", type=Path, help="keep sites and outputs in this new or empty folder")
    parser.add_argument("--magnetgen", default=sys.executable, help="Python interpreter that has magnetgen")
    options = parser.parse_args()
    if options.runs < 1 or any(size < 1 for size in options.sizes):
        parser.error("--runs and --sizes must be positive")
    if options.work and options.work.exists() and any(options.work.iterdir()):
        parser.error(f"{options.work} is not empty")
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"the folder of {options.json} does not exist")
    return options


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.strip()]


def names(text: str) -> list[str]:
    wanted = [part.strip() for part in text.split(",")]
    unknown = [name for name in wanted if name not in tools.NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown tool {unknown[0]}")
    return wanted


def work_folder(chosen: Path | None) -> nullcontext[str] | tempfile.TemporaryDirectory[str]:
    if chosen is None:
        return tempfile.TemporaryDirectory(prefix="magnetgen-bench-")
    chosen.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(chosen.resolve()))


def measure_all(folder: Path, chosen: list[Tool], options: argparse.Namespace) -> Results:
    plan = [(size, chosen, options.runs) for size in options.sizes]
    alone = [tool for tool in chosen if tool.name == "magnetgen"]
    if options.solo in options.sizes:
        say("the solo size is among --sizes: it is not measured again")
    elif options.solo and alone:
        plan.append((options.solo, alone, 1))
    elif options.solo:
        say("magnetgen is not among --tools: the solo size is left out")
    results: Results = {}
    for size, taking_part, rounds in plan:
        results[size] = measure_size(folder / str(size), size, taking_part, rounds)
        if options.work is None:
            shutil.rmtree(folder / str(size))
    return results


def measure_size(folder: Path, size: int, taking_part: list[Tool], rounds: int) -> dict[str, Result]:
    corpus = make_corpus(folder / "corpus", size)
    for tool in taking_part:
        tool.prepare(folder / tool.name, folder / "corpus")
    results = {tool.name: Result() for tool in taking_part}
    for number in range(rounds):
        # Nobody always comes first, or always after the heaviest.
        start = number % len(taking_part)
        order = taking_part[start:] + taking_part[:start]
        for scenario in report.SCENARIOS:
            for tool in order:
                measure_one(folder, tool, scenario, number, corpus, results[tool.name])
    return results


def make_corpus(folder: Path, size: int) -> Corpus:
    """In a process of its own: a child's highest memory begins at its parent's, so this one stays small."""
    say(f"{size} posts: writing the corpus")
    subprocess.run([sys.executable, str(tools.BENCH / "corpus.py"), str(size), str(folder)], check=True)
    return Corpus.read(folder)


def measure_one(folder: Path, tool: Tool, scenario: str, number: int, corpus: Corpus, result: Result) -> None:
    site = folder / tool.name
    post = f"post-{(corpus.posts + 1) // 2:06d}"
    sentence = f"One more sentence was appended in round {number + 1}."
    if scenario == "cold":
        tool.clear(site)
    if scenario == "edit":
        with (site / tool.posts / f"{post}.md").open("a", encoding="utf-8") as file:
            file.write(f"\n{sentence}\n")
    sample = run(list(tool.command), site, tool.environment(site), folder / f"{tool.name}.log")
    result.samples[scenario].append(sample)
    say(f"{corpus.posts} posts, round {number + 1}, {scenario}: {tool.name} {sample.wall:.2f} s")
    outputs.check_posts(tool.name, site / OUTPUT, corpus)
    if scenario == "edit":
        outputs.check_edit(tool.name, site / OUTPUT, post, sentence)
    if result.output is None:
        outputs.check_site(tool.name, site / OUTPUT, corpus)
        result.output = outputs.count(site / OUTPUT)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
