"""`magnetgen serve` as a writer starts it, and the same server within the test where a part of it is to misbehave."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from magnetgen.preview.editor import Editor
from magnetgen.preview.engine import Built
from magnetgen.preview.guard import Guard
from magnetgen.preview.serve import OPTIONS, Server, listen
from magnetgen.preview.server import App
from magnetgen.preview.session import Builder, Forms, Session
from tests.conftest import ROOT

PATIENCE = 30.0
"""Seconds after which a test gives up; nothing here is about how long something takes."""


def until(what: Callable[[], Any], why: str = "") -> Any:
    """The first true value; fails where none comes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(why or "it never came")


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Peer:
    """A server to ask. `name`: how it is called in the Host header."""

    port: int
    name: str = "127.0.0.1"
    prefix: str = "/"

    @property
    def origin(self) -> str:
        return f"http://{self.name}:{self.port}"

    def url(self, path: str) -> str:
        return self.origin + self.prefix + path

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str | None) -> Answer:
        """One request; the path goes out as it is given. `Host=None` leaves the header out."""
        sent: dict[str, str | None] = {"Host": f"{self.name}:{self.port}", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name.replace("_", "-"), value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    @contextmanager
    def events(self) -> Iterator[Events]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/_magnetgen/events", headers={"Host": f"{self.name}:{self.port}"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        try:
            yield Events(answer)
        finally:
            answer.close()
            connection.close()


class Events:
    """An event stream, read one event at a time."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def next(self, wanted: str = "") -> dict[str, Any] | None:
        """The next event, or the next of a name; None at the end of the stream."""
        name, data = "", ""
        while line := self._answer.readline().decode():
            line = line.rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif line == "" and name:
                if not wanted or name == wanted:
                    return {"event": name, **json.loads(data)}
                name = ""
        return None


@dataclass
class Process(Peer):
    """`magnetgen serve`, running. lines: what it has printed so far."""

    process: subprocess.Popen[str] = field(kw_only=True)
    lines: list[str] = field(default_factory=list)

    def says(self, text: str, after: int = 0) -> str:
        return str(
            until(
                lambda: next((line for line in self.lines[after:] if text in line), None),
                f"no {text!r} in {self.lines}",
            )
        )

    def interrupt(self) -> int:
        """Ctrl-C. Returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


def previewing(root: Path, *args: str, port: int = 0, **environment: str) -> AbstractContextManager[Process]:
    """`magnetgen serve`."""
    return started("serve", "--site", str(root), "--port", str(port), *args, **environment)


@contextmanager
def started(*args: str, says: str = "Preview: http", **environment: str) -> Iterator[Process]:
    """A command that serves pages, once it `says` where."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    command = [sys.executable, "-m", "magnetgen", *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    made = Process(0, process=process)

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            made.lines.append(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        found = re.search(r"http://([^:/]+|\[[^]]+]):(\d+)(/\S*)", made.says(says))
        assert found
        made.name, made.port, made.prefix = found[1], int(found[2]), found[3]
        yield made
        assert "Traceback" not in "\n".join(made.lines), made.lines
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        reader.join(5)
        assert process.stdout
        process.stdout.close()


class Puppet:
    """A builder that does as it is told: `results` are given or raised in turn, the last one again and again."""

    def __init__(self, out: Path, *results: Built | Exception) -> None:
        self._out = out
        self.results = list(results)

    @property
    def out(self) -> Path:
        return self._out

    def build(self) -> Built:
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


class Drawer:
    """A forms' handler that remembers what it is given."""

    def __init__(self, prefix: str = "/api") -> None:
        self.prefix = prefix
        self.given: list[bytes] = []
        self.refusal: Exception | None = None
        self.asked: list[str] = []
        self.leads = 0
        self.state = ""

    async def api(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(f"{scope['method']} {scope['path']}")
        await JSONResponse({"ok": True}, 202, {"X-Handler": "yes"})(scope, receive, send)

    def routes(self) -> list[BaseRoute]:
        async def leads(request: Request) -> HTMLResponse:
            return HTMLResponse("<!doctype html><title>Leads</title>")

        return [Route("/_magnetgen/leads", leads, methods=["GET", "POST"])]

    def use(self, forms: bytes) -> None:
        if self.refusal:
            raise self.refusal
        self.given.append(forms)

    def counts(self) -> dict[str, int]:
        return {"leads": self.leads, "mails": 0}

    async def start(self) -> None:
        self.state += "started "

    async def stop(self) -> None:
        self.state += "stopped"


@dataclass
class Hosted(Peer):
    """A server in this process."""

    session: Session = field(kw_only=True)
    said: list[str] = field(default_factory=list)


@contextmanager
def hosting(root: Path, engine: Builder, forms: Forms | None = None, host: str = "127.0.0.1") -> Iterator[Hosted]:
    said: list[str] = []
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    session = Session(root, engine, forms, Editor("vscode://file{path}:{line}:{column}"), said.append)
    guard = Guard(host, port)
    server = Server(
        uvicorn.Config(App(session, guard, f"http://127.0.0.1:{port}", said.append), **OPTIONS), session.closing
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Hosted(port, session=session, said=said)
    finally:
        session.closing()
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
        assert not thread.is_alive()
