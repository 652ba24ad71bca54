"""The hosts that a handler runs on in tests, each a process with its test hooks on: python, postgres, lambda, node, …"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

HOSTS = ROOT / "tests" / "edge" / "hosts"
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
START_SECONDS = 60.0
_READY = re.compile(rb"READY (http://[^\s/]+)/?\s")


@dataclass(frozen=True)
class Host:
    """`command`: prints `READY http://…` once it can be asked. `store`: what it keeps leads in, in words."""

    name: str
    says: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    """`postgres`: MAGNETGEN_STORE is to name a database."""
    without: tuple[str, ...] = ()
    """What its store cannot promise: see tests/contract/run.py."""


def _python(*more: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *more)


def _node(file: str) -> tuple[str, ...]:
    return ("node", str(HOSTS / file), "0")


KNOWN = {
    host.name: host
    for host in (
        Host("python", "Python, ASGI, SQLite", _python("tests.edge.hosts.asgi")),
        Host("postgres", "Python, ASGI, PostgreSQL", _python("tests.edge.hosts.asgi"), needs="postgres"),
        Host("lambda", "Python, awslambdaric, payload 2.0, PostgreSQL", _python("tests.edge.hosts.aws", "2.0"), needs="postgres"),
        Host("lambda1", "Python, awslambdaric, payload 1.0, PostgreSQL", _python("tests.edge.hosts.aws", "1.0"), needs="postgres"),
        Host("lambda-sqlite", "Python, awslambdaric, SQLite", _python("tests.edge.hosts.aws", "2.0")),
        Host("node", "JavaScript, Node, store in memory", _node("node.mjs")),
        Host("miniflare", "JavaScript, workerd (Miniflare), D1", _node("miniflare.mjs")),
        Host("blobs", "JavaScript, Node, Netlify's Blobs server", _node("blobs.mjs"), without=("codes",)),
        Host("netlify", "JavaScript, Netlify's own runtime and Blobs", _python("tests.edge.hosts.netlify"), without=("codes",)),
    )
}  # fmt: skip


def site_folder(folder: Path) -> Path:
    """A site with the one book of the vectors."""
    (folder / "content" / "magnets").mkdir(parents=True, exist_ok=True)
    (folder / "content" / "magnets" / "book.txt").write_bytes(ALPHABET)
    return folder


@contextmanager
def started(
    host: Host, folder: Path, store: str = "", more: Mapping[str, str] | None = None, root: Path = ROOT
) -> Iterator[str]:
    """A host's base address while it runs. `store`: MAGNETGEN_STORE; `root`: the repository that it runs out of."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAGNETGEN_")},
        "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "MAGNETGEN_TEST": "1", "MAGNETGEN_TRUSTED_PROXIES": "1",
        "MAGNETGEN_SITE": str(site_folder(folder)), "MAGNETGEN_STORE": store, "NODE_NO_WARNINGS": "1", **host.env, **(more or {}),
    }  # fmt: skip
    command = [word.replace(str(ROOT), str(root)) for word in host.command]
    path = folder / f"{host.name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=root, start_new_session=True
        )
        try:
            yield _ready(process, path) + "/api"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with suppress(ProcessLookupError):
                # What it has started itself goes with it.
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for its READY line. Raises RuntimeError with what it said instead."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        is_over = process.poll() is not None
        if found := _READY.search(log.read_bytes()):
            return found[1].decode()
        if is_over:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not start: {log.read_bytes()[-1500:].decode(errors='replace')}")


@contextmanager
def fleet(names: Sequence[str], folder: Path, postgres: str = "") -> Iterator[dict[str, str]]:
    """Base addresses of several hosts. `postgres`: the address of a server, where databases are made."""
    with ExitStack() as stack:
        found = {}
        for name in names:
            host = KNOWN[name.partition("#")[0]]
            place = folder / name.replace("#", "-")
            place.mkdir(parents=True, exist_ok=True)
            store = stack.enter_context(database(postgres)) if host.needs == "postgres" else ""
            found[name] = stack.enter_context(started(host, place, store))
        yield found


@contextmanager
def database(url: str) -> Iterator[str]:
    """A database of its own: on the server of that address, or on one started for it."""
    from tests.forms.postgres import Server

    if url:
        yield url
        return
    server = Server()
    try:
        yield server.database()
    finally:
        server.close()
