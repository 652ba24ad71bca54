"""The contract's vectors against the handler, over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.run import run, vectors
from tests.forms.postgres import PASSWORD

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A handler with its test hooks on, in a process of its own, over each store."""
    # Without a name it takes a SQLite file of its own.
    store = request.getfixturevalue("postgres").database() if request.param == "postgres" else ""
    port, root = free_port(), tmp_path_factory.mktemp("site")
    (root / "content" / "magnets").mkdir(parents=True)
    (root / "content" / "magnets" / "book.txt").write_bytes(b"abcdefghijklmnopqrstuvwxyz")
    log = (root / "log").open("wb")
    env = {
        **os.environ, "MAGNETGEN_TEST": "1", "MAGNETGEN_SITE": str(root), "MAGNETGEN_TRUSTED_PROXIES": "1",
        "PYTHONPATH": str(ROOT / "src"), "MAGNETGEN_STORE": store,
    }  # fmt: skip
    command = [sys.executable, "-m", "uvicorn", "--factory", "magnetgen.forms.asgi:create", "--host", "127.0.0.1",
               "--port", str(port), "--log-level", "warning", "--no-access-log", "--no-server-header", "--no-proxy-headers"]  # fmt: skip
    server = subprocess.Popen(command, env=env, stderr=log, stdout=log)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/api"
    server.terminate()
    server.wait(20)
    log.close()
    text = (root / "log").read_text()
    assert "Traceback" not in text
    assert not [canary for canary in ("ana@example.com", "Ana Canary", "mg1.k1", PASSWORD) if canary in text]


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_vector(base: str, path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    assert vector["name"] == path.stem and vector["why"]
    run(base, vector)
