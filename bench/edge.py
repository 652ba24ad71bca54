"""Size, start and request times of the handlers for the edge, beside a bare one: `make edge-bench`.

A new site is built for Cloudflare and for Netlify. Its Worker runs in workerd with D1 (Miniflare), its function in Node
with Netlify's Blobs server; a Worker and a function that say hello run in the same way. All take turns, so a machine
that gets slower in the meantime does so for all. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
HOSTS = Path(__file__).parent / "edge_hosts"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- edge: begin -->", "<!-- edge: end -->"
ESBUILD = ROOT / "tests" / "tools" / "node_modules" / ".bin" / "esbuild"
SECRETS = {
    "MAGNETGEN_SECRETS": "k1:" + "11" * 32,
    "MAGNETGEN_EMAIL_KEY": "22" * 32,
    "MAGNETGEN_ADMIN_TOKEN": "admin-" + "0123456789abcdef" * 3,
}
HELLO = 'async (request) => new Response((await request.text()) && "hello")'
"""It reads what it is sent, as the handler does."""
FORM = "newsletter"
_clients = count(1)


@dataclass
class Case:
    """Something that is started and asked. Times in milliseconds."""

    name: str
    command: list[str]
    health: str
    submits: bool
    starts: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make edge-bench", description="The handlers for the edge, beside bare ones.")
    parser.add_argument("--rounds", type=int, default=7, help="starts of each")
    parser.add_argument("--requests", type=int, default=60, help="requests to each, in each round")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    wishes = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="magnetgen-edge-bench-") as place:
        site = make_site(Path(place))
        bundles = site / ".magnetgen" / "bundle"
        consents = json.loads((site / ".magnetgen" / "forms.json").read_text("utf-8"))["forms"][FORM]["consent"]
        ticked = {consent["name"]: "yes" for consent in consents}
        sizes = dict(bundle_sizes(bundles, Path(place)))
        cases = make_cases(bundles, Path(place))
        for _ in range(wishes.rounds):
            for case in cases:
                one_round(case, ticked, wishes.requests)
    table = "\n".join(report(cases, sizes, wishes.rounds))
    print(table)
    if wishes.write:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S), "utf-8")
    return 0


def make_site(place: Path) -> Path:
    """What `magnetgen new site` makes, built for both targets."""
    site = place / "site"
    magnetgen = [sys.executable, "-m", "magnetgen"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    made = ["new", "site", str(site), "--title", "Lead Lab", "--base-url", "https://site.example"]
    subprocess.run([*magnetgen, *made], env=env, check=True, capture_output=True)
    for target in ("netlify", "cloudflare"):
        subprocess.run([*magnetgen, "build", "--target", target], env=env, cwd=site, check=True, capture_output=True)
        kept = site / ".magnetgen" / "bundle" / target
        kept.rename(place / target)
    (site / ".magnetgen" / "bundle").mkdir(parents=True, exist_ok=True)
    for target in ("netlify", "cloudflare"):
        (place / target).rename(site / ".magnetgen" / "bundle" / target)
    return site


def bundle_sizes(bundles: Path, place: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name → bytes, minified and then compressed. A download inside the bundle is left out: it is as large as it is."""
    for name, main in (("Worker", "cloudflare/worker.mjs"), ("function", "netlify/functions/magnetgen.mjs")):
        out = place / f"{name}.js"
        command: list[str | Path] = [
            ESBUILD, bundles / main, "--bundle", "--minify", "--format=esm", "--platform=node", f"--outfile={out}",
                   "--log-level=error", "--external:./assets/*"]  # fmt: skip
        subprocess.run(command, check=True)
        raw = out.read_bytes()
        yield name, (len(raw), len(gzip.compress(raw, 9)))


def make_cases(bundles: Path, place: Path) -> list[Case]:
    (place / "hello").mkdir()
    (place / "hello" / "worker.mjs").write_text(f"export default {{ fetch: {HELLO} }};\n")
    (place / "hello" / "function.mjs").write_text(f"export default {HELLO};\n")
    worker, function = ["node", str(HOSTS / "worker.mjs")], ["node", str(HOSTS / "function.mjs")]
    cloudflare, database = bundles / "cloudflare", str(place / "d1")
    # The tables are made once, as they are where it is deployed.
    with started(
        [*worker, str(cloudflare), "worker.mjs", database, str(cloudflare / "migrations" / "0001_magnetgen.sql")]
    ):
        pass
    return [
        Case("Worker, workerd and D1", [*worker, str(cloudflare), "worker.mjs", database], "/api/healthz", True),
        Case("hello, workerd", [*worker, str(place / "hello"), "worker.mjs", database], "/", False),
        Case("function, Node and Blobs", [*function, str(bundles / "netlify" / "functions" / "magnetgen.mjs")], "/api/healthz", True),
        Case("hello, Node", [*function, str(place / "hello" / "function.mjs")], "/", False),
    ]  # fmt: skip


def one_round(case: Case, ticked: dict[str, str], requests: int) -> None:
    """Start it, ask it, end it."""
    began = time.perf_counter()
    with started(case.command) as base:
        line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
        answer(line, "GET", case.health, "", {}, 200)
        case.starts.append((time.perf_counter() - began) * 1000)
        for _ in range(requests):
            number = next(_clients)
            body = urlencode({"email": f"a{number}@x.co", **ticked})
            headers = {
                "CF-Connecting-IP": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded", "Origin": "https://site.example",
            }  # fmt: skip
            asked = time.perf_counter()
            answer(
                line, "POST", f"/api/forms/{FORM}" if case.submits else "/", body, headers, 202 if case.submits else 200
            )
            case.times.append((time.perf_counter() - asked) * 1000)
        line.close()


def answer(
    line: http.client.HTTPConnection, method: str, path: str, body: str, headers: dict[str, str], wanted: int
) -> None:
    line.request(method, path, body or None, headers)
    found = line.getresponse()
    text = found.read()
    if found.status != wanted:
        raise SystemExit(f"{method} {path} answers {found.status}, not {wanted}: {text[:300]!r}")


@contextmanager
def started(command: list[str]) -> Iterator[str]:
    """Its address, as it prints it."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            env={**os.environ, **SECRETS},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith("READY "):
                    yield text.split()[1]
                    break
            else:
                errors.seek(0)
                raise SystemExit(f"{command} does not start: {errors.read().decode(errors='replace')[-2000:]}")
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=15)
            if process.poll() is None:
                process.kill()
                process.wait()


def report(cases: list[Case], sizes: dict[str, tuple[int, int]], rounds: int) -> Iterator[str]:
    shown = ", ".join(
        f"the {name} {raw / 1000:.0f} kB, {small / 1000:.0f} kB with gzip" for name, (raw, small) in sizes.items()
    )
    yield f"A new site's handler, minified by esbuild without the site's download: {shown}."
    yield ""
    yield "| | Start of a process to its first answer, ms | Requests | p50, ms | p99, ms |"
    yield "|-|-|-|-|-|"
    for case in cases:
        low, middle, high = min(case.starts), statistics.median(case.starts), max(case.starts)
        cuts = statistics.quantiles(case.times, n=100)
        yield f"| {case.name} | {middle:.0f} ({low:.0f} to {high:.0f}) | {len(case.times):,} | {cuts[49]:.1f} | {cuts[98]:.1f} |"
    yield ""
    load = os.getloadavg()[1]
    yield f"Measured {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds in turn, on {os.cpu_count()} virtual cores with a load of {load:.0f}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
