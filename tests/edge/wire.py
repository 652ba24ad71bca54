"""Requests written byte by byte, and their answers: no library mends what is odd about them."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.edge.steps import Ask

TIMEOUT = 60.0


@dataclass(frozen=True)
class Answer:
    """A response as it came; several headers of one name are joined."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """A connection to a handler, kept as long as it lasts. `base`: http://127.0.0.1:8787/api"""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self.host, self.port, self.path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path
        self._socket: socket.socket | None = None

    def send(self, ask: Ask) -> Answer:
        """Raises OSError where nothing answers."""
        raw = self._raw(ask)
        kept = self._socket is not None
        try:
            return self._exchange(raw, ask.method)
        except (http.client.BadStatusLine, ConnectionError):
            self.close()
            if not kept:
                raise
            return self._exchange(raw, ask.method)  # it had been closed since the last answer

    def hook(self, name: str, data: Any) -> Any:
        """One of the test hooks. Raises AssertionError if it is not there."""
        body = json.dumps(data).encode()
        answer = self.send(Ask("POST", f"/_test/{name}", (("Content-Type", "application/json"),), body))
        assert answer.status == 200, f"the hook {name} answers {answer.status}: {answer.body[:300]!r}"
        return json.loads(answer.body)

    def state(self) -> Any:
        answer = self.send(Ask("GET", "/_test/state"))
        assert answer.status == 200, f"the state answers {answer.status}: {answer.body[:300]!r}"
        return json.loads(answer.body)

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _raw(self, ask: Ask) -> bytes:
        headers = [("Host", f"{self.host}:{self.port}"), *ask.headers]
        if ask.chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif ask.body or ask.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(ask.body))))
        lines = [f"{ask.method} {self.path}{ask.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (_chunks(ask.body) if ask.chunked else ask.body)

    def _exchange(self, raw: bytes, method: str) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent: the answer says why
            self._socket.sendall(raw)
        found = http.client.HTTPResponse(self._socket, method=method)
        found.begin()
        headers: dict[str, str] = {}
        for name, value in found.getheaders():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        answer = Answer(found.status, headers, found.read())
        if found.will_close:
            self.close()
        return answer


def _chunks(body: bytes) -> bytes:
    pieces = [body[at : at + 7_000] for at in range(0, len(body), 7_000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
