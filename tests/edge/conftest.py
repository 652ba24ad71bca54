"""The handler in JavaScript, in processes of its own: one script a host, all with the same test hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

HERE = Path(__file__).parent
BOOK = b"abcdefghijklmnopqrstuvwxyz"
READY = "READY "
START_SECONDS = 60


@dataclass(frozen=True)
class Host:
    """A script below hosts/ that serves the handler and prints where, and what it needs in its environment."""

    script: str
    env: tuple[tuple[str, str], ...] = ()


HOSTS = {
    "node": Host("node.mjs"),
    "blobs": Host("blobs.mjs"),
    "miniflare": Host("miniflare.mjs", (("PYTHON", sys.executable),)),
}
"""Every host that runs the contract's vectors, by name."""


def node() -> str:
    """Node's path. It is part of what these tests need: without it they fail."""
    found = shutil.which("node")
    assert found, "these tests need Node.js 20 or later on the PATH"
    return found


@contextmanager
def serve(name: str, root: Path) -> Iterator[str]:
    """A host over a site's folder → the base of its routes. Its output is in `root`/log afterwards."""
    host = HOSTS[name]
    magnets = root / "content" / "magnets"
    magnets.mkdir(parents=True, exist_ok=True)
    (magnets / "book.txt").write_bytes(BOOK)
    env = {
        **os.environ, "MAGNETGEN_TEST": "1", "MAGNETGEN_SITE": str(root), "MAGNETGEN_TRUSTED_PROXIES": "1",
        "MAGNETGEN_STORE": "", **dict(host.env),
    }  # fmt: skip
    with (root / "log").open("wb") as log:
        command = [node(), str(HERE / "hosts" / host.script)]
        process = subprocess.Popen(command, env=env, cwd=root, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield f"{_address(process, root)}/api"
        finally:
            process.terminate()
            process.wait(20)


def _address(process: subprocess.Popen[str], root: Path) -> str:
    """What the host prints once it can be asked; all that it prints afterwards goes into its log."""
    lines: Queue[str] = Queue()
    stream = process.stdout
    assert stream is not None

    def read() -> None:
        with stream, (root / "log").open("a", encoding="utf-8") as log:
            for line in stream:
                lines.put(line) if line.startswith(READY) else log.write(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        line = lines.get(timeout=START_SECONDS)
    except Empty:
        line = ""
    assert line, f"the host did not start:\n{(root / 'log').read_text('utf-8')[-3000:]}"
    return line.removeprefix(READY).strip().rstrip("/")
