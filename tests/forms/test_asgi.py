"""The ASGI host in this process: limits while reading, slow and vanished clients, files, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest

from magnetgen.forms import runtime
from magnetgen.forms.asgi import App
from magnetgen.forms.http import Response
from magnetgen.forms.store import StoreUnavailable
from tests.forms.world import SCRIPT, World

Message = MutableMapping[str, Any]


async def call(app: App, method: str, path: str, messages: Iterable[Message | float], **headers: str) -> list[Message]:
    """Send the messages (a number: a pause), and collect what comes back."""
    queue, sent = list(messages), list[Message]()

    async def receive() -> Message:
        while queue:
            message = queue.pop(0)
            if isinstance(message, float):
                await asyncio.sleep(message)
            else:
                return message
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope = {"type": "http", "method": method, "path": f"/api{path}", "query_string": b"", "headers": raw,
             "client": ("192.0.2.1", 1)}  # fmt: skip
    await app(scope, receive, send)
    return sent


def chunk(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces(world: World) -> None:
    pieces = [chunk(b"email=a", True), chunk(b"%40x.co", True), chunk(b"")]
    sent = asyncio.run(call(App(world.runtime), "POST", "/forms/plain", pieces, **SCRIPT))
    assert sent[0]["status"] == 202 and len(world.rows("leads")) == 1


def test_an_endless_body_is_not_read_to_its_end(world: World) -> None:
    pieces = [chunk(b"x" * 40_000, True)] * 100
    sent = asyncio.run(call(App(world.runtime), "POST", "/forms/plain", pieces, **SCRIPT))
    assert sent[0]["status"] == 413 and (b"connection", b"close") in sent[0]["headers"]


def test_a_slow_client_is_refused_in_time(world: World) -> None:
    app = App(world.runtime)
    app.body_seconds = 0.1
    sent = asyncio.run(call(app, "POST", "/forms/plain", [chunk(b"e", True), 5.0, chunk(b"")], **SCRIPT))
    assert (b"access-control-allow-origin", b"https://site.example") in sent[0]["headers"]
    assert sent[0]["status"] == 408 and json.loads(sent[1]["body"])["code"] == "timeout"
    assert world.rows("leads") == []


def test_a_client_that_leaves_while_sending_leaves_nothing(world: World) -> None:
    pieces: list[Message] = [chunk(b"email=a%40x.co", True), {"type": "http.disconnect"}]
    assert asyncio.run(call(App(world.runtime), "POST", "/forms/plain", pieces, **SCRIPT)) == []
    assert world.rows("leads") == []


def test_a_store_that_cannot_write_is_never_a_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise StoreUnavailable("SQLITE_FULL")

    monkeypatch.setattr(world.store, "submit", full)
    sent = asyncio.run(call(App(world.runtime), "POST", "/forms/plain", [chunk(b"email=a%40x.co")], **SCRIPT))
    assert sent[0]["status"] == 503 and (b"retry-after", b"5") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["code"] == "store_unavailable"
    html = {**SCRIPT, "accept": "text/html"}
    page = asyncio.run(call(App(world.runtime), "POST", "/forms/plain", [chunk(b"email=a%40x.co")], **html))
    assert page[0]["status"] == 503 and b"SQLITE" not in page[1]["body"] and b"/forms/plain/" in page[1]["body"]


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_health_without_a_store(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def gone(*_: Any) -> Any:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(world.store, "probe", gone)
    sent = asyncio.run(call(App(world.runtime), "GET", path, [chunk(b"")]))
    assert sent[0]["status"] == (503 if path == "/readyz" else 200)


def test_a_fault_of_ours_shows_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("canary /etc/passwd SELECT")

    monkeypatch.setattr(world.store, "submit", broken)
    sent = asyncio.run(call(App(world.runtime), "POST", "/forms/plain", [chunk(b"email=a%40x.co")], **SCRIPT))
    assert sent[0]["status"] == 500 and b"canary" not in sent[1]["body"]
    assert json.loads(sent[1]["body"])["request_id"]
    assert "canary" not in capsys.readouterr().err


def test_a_file_is_sent_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetgen.forms.asgi.CHUNK", 10)
    token = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    sent = asyncio.run(call(App(world.runtime), "GET", f"/download/{token}", [chunk(b"")]))
    assert [message.get("body") for message in sent[1:]] == [b"abcdefghij", b"klmnopqrst", b"uvwxyz", b""]
    head = asyncio.run(call(App(world.runtime), "HEAD", f"/download/{token}", [chunk(b"")]))
    assert [message.get("body") for message in head[1:]] == [b""]


def test_what_was_accepted_is_sent_at_once(world: World) -> None:
    async def scenario() -> None:
        app = App(world.runtime)
        events: list[Message] = [{"type": "lifespan.startup"}]
        started, over = asyncio.Event(), asyncio.Event()

        async def receive() -> Message:
            if events:
                return events.pop()
            await over.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            started.set()

        life = asyncio.create_task(app({"type": "lifespan"}, receive, send))
        await started.wait()
        await call(app, "POST", "/forms/plain", [chunk(b"email=a%40x.co")], **SCRIPT)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if world.mails and world.hooks:
                break
        over.set()
        await life

    asyncio.run(scenario())
    assert len(world.mails) == len(world.hooks) == 1


@pytest.mark.parametrize("steps", range(12))
def test_it_ends_at_whatever_moment_it_is_told_to(steps: int, world: World) -> None:
    """A cancellation that met a wake-up was forgotten once, and the handler went on for ever."""

    async def scenario() -> set[asyncio.Task[None]]:
        app, told = App(world.runtime), asyncio.Queue[str]()
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": await told.get()}

        async def send(message: Message) -> None:
            sent.append(message)

        life = asyncio.create_task(app({"type": "lifespan"}, receive, send))
        told.put_nowait("lifespan.startup")
        while not sent:
            await asyncio.sleep(0)
        told.put_nowait("lifespan.shutdown")
        app.kick()
        for _ in range(steps):
            await asyncio.sleep(0)
            app.kick()
        await life
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(scenario()) == set()


@pytest.mark.parametrize(
    ("forwarded", "proxies", "client"),
    [("1.1.1.1", 0, "9.9.9.9"), ("1.1.1.1", 1, "1.1.1.1"), ("6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
     ("6.6.6.6, 1.1.1.1, 2.2.2.2", 2, "1.1.1.1"), ("", 1, "9.9.9.9"), ("1.1.1.1", 2, "1.1.1.1")],
)  # fmt: skip
def test_trusted_proxies(forwarded: str, proxies: int, client: str) -> None:
    assert runtime.client_address("9.9.9.9", forwarded, proxies) == client


def test_logs_hold_no_address_no_token_and_no_value(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Response] = [world.submit("book", "email=canary%40x.co&first_name=Canary")]
    token = json.loads(answers[0].body)["next"].split("#")[1]
    world.request("GET", f"/download/{token}")
    world.request("GET", f"/confirm/{token}?email=canary%40x.co")
    world.request("CANARY", "/canary@x.co")
    world.submit("plain", "email=canary")
    world.request("GET", "/forms/canary", origin="https://canary.example", user_agent="canary")
    world.runtime.deliverer.drain()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 6 and all(json.loads(line)["event"] for line in lines)
    assert not [line for line in lines if "canary" in line.lower() or "mg1" in line]
