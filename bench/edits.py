"""How long it takes from saving a file until the browser shows it: magnetgen serve, and Hugo's server beside it.

    make edits ARGS="--sizes 1000"              or, by hand:
    .venv-bench/bin/python bench/edits.py --magnetgen .venv/bin/python --sizes 1000,10000

Both servers show the same post of the same corpus in real Chromium. A file is replaced as editors do it, and the clock
stops when the new words are in the page that is shown. The tools take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))

import corpus as corpora
from harness import tools

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
START_SECONDS = 180
SHOWN_SECONDS = 60
PAUSE_SECONDS = 1.5
"""Between edits: a writer's pause, in which a whole build can end."""


def main() -> int:
    options = parse_options()
    print(f"| posts | tool | edit | median ms | longest ms | of {options.edits} |\n|-|-|-|-|-|-|")
    with tempfile.TemporaryDirectory(prefix="magnetgen-edits-") as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=os.environ.get("CHROMIUM") or "/usr/bin/chromium", args=FLAGS)
        for size in options.sizes:
            corpus = Path(folder) / f"corpus-{size}"
            corpora.write(size, corpus)
            for name, serving in (("magnetgen", magnetgen), ("hugo", hugo)):
                if name not in options.tools:
                    continue
                site = Path(folder) / f"{name}-{size}"
                tool = tools.find(name, options.magnetgen)
                tool.prepare(site, corpus)
                post = sorted((site / tool.posts).glob("*.md"))[size // 2]
                with serving(site, tool) as base:
                    page = browser.new_page()
                    page.goto(f"{base}/posts/{post.stem}/")
                    for kind, edit in EDITS.items():
                        report(size, name, kind, [shown(page, post, edit, n) for n in range(options.edits)])
                    page.close()
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=[1000, 10_000])
    parser.add_argument("--edits", type=int, default=15, help="how many of each kind")
    parser.add_argument("--tools", type=lambda text: text.split(","), default=["magnetgen", "hugo"])
    parser.add_argument("--magnetgen", default=sys.executable, help="a Python that has magnetgen")
    return parser.parse_args()


def _words(text: str, number: int) -> tuple[str, str]:
    new = f"The edit of number {number} at {time.time_ns()}."
    return f"{text.rstrip()}\n\n{new}\n", new


def _title(text: str, number: int) -> tuple[str, str]:
    new = f"Title number {number} at {time.time_ns()}"
    return re.sub(r"(?m)^title:.*$", f'title: "{new}"', text, count=1), new


def _tags(text: str, number: int) -> tuple[str, str]:
    """Another tag: more than this page changes."""
    new = f"tag {number} at {time.time_ns()}"
    return re.sub(r"(?m)^(tags:\n)", rf'\g<1>  - "{new}"\n', text, count=1), new


EDITS: dict[str, Callable[[str, int], tuple[str, str]]] = {"words": _words, "title": _title, "tags": _tags}


def shown(page: Page, post: Path, edit: Callable[[str, int], tuple[str, str]], number: int) -> float:
    """Seconds from saving to seeing."""
    text, new = edit(post.read_text("utf-8"), number)
    aside = post.with_name(f".{post.name}.swp")
    aside.write_text(text, "utf-8")
    started = time.perf_counter()
    aside.replace(post)
    page.wait_for_function(
        "text => document.body && document.body.textContent.includes(text)",
        arg=new,
        polling=4,
        timeout=SHOWN_SECONDS * 1000,
    )
    took = time.perf_counter() - started
    time.sleep(PAUSE_SECONDS)
    return took


def report(size: int, name: str, kind: str, seconds: list[float]) -> None:
    print(
        f"| {size:,} | {name} | {kind} | {statistics.median(seconds) * 1000:.0f} | {max(seconds) * 1000:.0f} "
        f"| {len(seconds)} |",
        flush=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def magnetgen(site: Path, tool: tools.Tool) -> Iterator[str]:
    port = _free_port()
    program = tool.command[: tool.command.index("build")]
    with _running([*program, "serve", "--port", str(port)], site, port) as base:
        yield base


@contextlib.contextmanager
def hugo(site: Path, tool: tools.Tool) -> Iterator[str]:
    port = _free_port()
    command = [tool.command[0], "server", "--bind", "127.0.0.1", "--port", str(port)]
    with _running([*command, "--baseURL", f"http://127.0.0.1:{port}/"], site, port) as base:
        yield base


@contextlib.contextmanager
def _running(command: list[str], site: Path, port: int) -> Iterator[str]:
    with (site.parent / f"{site.name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=site, stdout=log, stderr=log)
    try:
        _await(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit("the server did not start; its log lies beside the site")


if __name__ == "__main__":
    sys.exit(main())
