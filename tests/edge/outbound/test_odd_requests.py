"""Request targets that no browser sends: the Node host answers them as the ASGI host does."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.run import send
from tests.contract.test_vectors import free_port
from tests.edge.conftest import serve
from tests.forms.data import form

ROOT = Path(__file__).parents[3]
TARGETS = [
    "/api/healthz", "/api/%68ealthz", "/api/healthz?x=1", "/api//healthz", "//api/healthz", "/api/./healthz", "/api/x/../healthz",
    "/api/%2e%2e/api/healthz", "/api%2Fhealthz", "/api/healthz%2F", "/api/healthz/", "/api/healthz%00", "/api/healthz%FF", "/API/healthz",
    "/api/forms/plain", "/api/forms/%70lain", "/api/forms/plain%20", "/api/forms/plain/", "/api/forms//plain", "/api/forms/plain%2F",
    "/api/forms/../forms/plain", "/api/forms/pl%E9in", "/api/forms/%C3%A9", "/api/forms/constructor", "/api/forms/__proto__",
    "/api/forms/%", "/api/forms/%zz", "/api/forms/plain%3Fx", "/api/forms/plain?x%", "/api/forms/plain;a=b", "/api/forms/+plain",
    "/api/confirm/", "/api/confirm/x", "/api/confirm/%2F", "/api/confirm/a/b", "/api/confirm/mg1.k1.%41.x", "/api/download/%F0%9F%8E%88",
    "/api/unsubscribe/%00", "/api/admin/leads", "/api/admin//leads", "/api/admin/%6ceads", "/api", "/api/", "/", "/apix/healthz",
    "/api/healthz%C0%AF", "/api/healthz%ED%A0%80", "/api/forms/" + "a" * 3000,
]  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT")


@pytest.fixture(scope="module")
def asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, root = free_port(), tmp_path_factory.mktemp("asgi")
    env = {
        **os.environ,
        "MAGNETGEN_TEST": "1",
        "MAGNETGEN_SITE": str(root),
        "PYTHONPATH": str(ROOT / "src"),
        "MAGNETGEN_STORE": "",
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "magnetgen.forms.asgi:create",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--log-level", "warning", "--no-access-log", "--no-server-header", "--no-proxy-headers"]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stderr=log, stdout=log)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api"
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve("node", tmp_path_factory.mktemp("edge")) as base:
        yield base


def asked(base: str, method: str, target: str, accept: str) -> dict[str, Any]:
    """An answer, without what differs by chance or by server."""
    port = urlsplit(base).port
    assert port
    body = b"email=ana%40example.com" if method == "POST" else b""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n"
    head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(head.encode("latin-1") + body)
        raw = b""
        while piece := line.recv(65_536):
            raw += piece
    top, _, content = raw.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    chance = ("date", "connection", "keep-alive", "server", "transfer-encoding", "x-request-id")
    kept = {name: value for name, value in headers.items() if name not in chance}
    text = re.sub(r'"request_id":"[0-9a-f]{16}"', '"request_id":""', content.decode("utf-8", "replace"))
    return {"status": status.split(" ")[1], "headers": kept, "body": re.sub(r"mg1\.[\w.-]+", "TOKEN", text)}


def reset(base: str) -> None:
    plain = form(name="plain", consent=[])
    body = json.dumps({"forms": {"plain": plain}, "now": "2026-06-01T12:00:00Z"})
    assert send(base, {"method": "POST", "path": "/_test/reset", "body": body}).status == 200


@pytest.mark.parametrize("method", METHODS)
def test_the_same_answers(asgi: str, edge: str, method: str) -> None:
    for target in TARGETS:
        for accept in ("text/html", "application/json"):
            reset(asgi)
            reset(edge)
            wanted, found = (asked(base, method, target, accept) for base in (asgi, edge))
            assert found == wanted, (method, target, accept)
