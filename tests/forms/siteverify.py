"""A stand-in for Cloudflare's siteverify that answers as Cloudflare documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

GOOD = {"success": True, "hostname": "site.example", "action": "news", "error-codes": []}


class Cloudflare(ThreadingHTTPServer):
    """`answer`: what it says, with `status`; `got`: what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status, self.answer, self.got = 200, json.dumps(GOOD), list[dict[str, list[str]]]()
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/siteverify"

    def say(self, **more: Any) -> None:
        self.status, self.answer = 200, json.dumps({**GOOD, **more})


class _Handler(BaseHTTPRequestHandler):
    server: Cloudflare

    def do_POST(self) -> None:
        self.server.got.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.server.gate.wait(20)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def cloudflare() -> Iterator[Cloudflare]:
    made = Cloudflare()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.gate.set()
    made.shutdown()
    made.server_close()
    thread.join()
