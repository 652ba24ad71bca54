"""Netlify's own local runtime (netlify-cli), with the handler's function and its test hooks, and vectors run against it.

    unshare -rn python -m tests.edge.hosts.netlify FOLDER [NAME…]

It listens on every interface and has no option to do otherwise, so it runs in a network namespace of its own, and so must
whoever asks it: `run` does both. Every request loads the function anew, at about a third of a second.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.contract.run import Mismatch, send, vectors
from tests.contract.run import run as run_vector

ROOT = Path(__file__).parents[3]
CLI = ROOT / "tests" / "tools" / "netlify" / "node_modules" / "netlify-cli" / "bin" / "run.js"
FORMS = ROOT / "src" / "magnetgen" / "forms"
PORT = 8889
BASE = f"http://127.0.0.1:{PORT}/api"
START_SECONDS = 90
WITHOUT = ("codes",)
"""What Netlify Blobs cannot promise."""


def make_site(folder: Path) -> None:
    """A site with the function as a bundle has it, and the test's entry in place of the real one."""
    functions, lib = folder / "netlify" / "functions", folder / "netlify" / "lib"
    functions.mkdir(parents=True)
    shutil.copytree(FORMS / "edge", lib / "edge")
    shutil.copy(Path(__file__).with_name("netlify-entry.mjs"), functions / "magnetgen.mjs")
    services = {name: _recipes(name) for name in ("destinations", "mail")}
    services["mails"] = json.loads((FORMS / "data" / "mails.json").read_text("utf-8"))
    (lib / "services.mjs").write_text(f"export default JSON.parse({json.dumps(json.dumps(services))});\n", "utf-8")
    (folder / "public").mkdir()
    (folder / "public" / "index.html").write_text("<!doctype html><title>Site</title>\n", "utf-8")
    (folder / "netlify.toml").write_text('[build]\n  publish = "public"\n', "utf-8")
    (folder / "package.json").write_text('{"name": "site", "private": true, "type": "module"}\n', "utf-8")


def _recipes(name: str) -> dict[str, object]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FORMS / "data" / name).glob("*.json"))}


def run(folder: Path, names: Iterable[str], seconds: float) -> str:
    """Run vectors by name, or all of them, in a namespace of their own → what was printed."""
    command = ["unshare", "-rn", sys.executable, "-m", "tests.edge.hosts.netlify", str(folder), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    return done.stdout + done.stderr


def main(folder: Path, names: list[str]) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    make_site(folder)
    # `netlify dev` would stand before this with a proxy that hides the client, and that asks again under other names
    # whatever was answered with 403 or 404.
    options = ["functions:serve", "--offline", "--port", str(PORT)]
    env = {**os.environ, "NETLIFY_TELEMETRY_DISABLED": "1", "BROWSER": "none", "MAGNETGEN_TEST": "1"}
    env |= {"MAGNETGEN_TRUSTED_PROXIES": "1", "MAGNETGEN_STORE": "", "HOME": str(folder), "CI": "1"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["node", str(CLI), *options], cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(server)
            return _run_all(names)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


def _wait(server: subprocess.Popen[bytes]) -> None:
    """Until it answers with the function: it listens a little before it has loaded it."""
    for _ in range(START_SECONDS * 5):
        try:
            if send(BASE, {"path": "/healthz"}).status == 200:
                return
        except OSError:
            pass
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit("Netlify's runtime did not start")


def _run_all(names: list[str]) -> int:
    chosen = [path for path in vectors(WITHOUT) if not names or path.stem in names]
    failed, began = 0, time.monotonic()
    for path in chosen:
        try:
            run_vector(BASE, json.loads(path.read_text("utf-8")))
        except (Mismatch, OSError, ValueError) as exc:
            failed += 1
            print(f"{path.stem}: {exc!s:.600}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} vectors passed in {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
