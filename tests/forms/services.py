"""A server that stands in for a service of others: it keeps what it was sent, and answers what it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request as it came. `json`: its body, where it has one."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """`body`: an object, sent as JSON, or bytes as they are. `drip`: seconds between the bytes of the whole answer."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0


class Service(ThreadingHTTPServer):
    """`answers` are used up in order; then `answer` decides."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: list[Answer] = []
        self.answer: Callable[[Got], Answer] = lambda got: Answer()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        got = Got(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
        self.server.got.append(got)
        answer = self.server.answers.pop(0) if self.server.answers else self.server.answer(got)
        time.sleep(answer.delay)
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(raw)), **answer.headers}
        head = [f"HTTP/1.0 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        whole = "\r\n".join(head).encode() + raw
        try:
            for at in range(0, len(whole), 1 if answer.drip else len(whole)):
                self.wfile.write(whole[at : at + 1] if answer.drip else whole)
                time.sleep(answer.drip)
        except OSError:
            return  # whoever asked has gone

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Service]:
    """A service on a port of its own."""
    service = Service()
    thread = threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join()
