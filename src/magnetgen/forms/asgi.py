"""The ASGI host: reads a request within its limits, lets the core answer, sends the answer, and delivers afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

from magnetgen.forms import decode, failpoint, log, runtime
from magnetgen.forms.http import FilePart, Request, Response
from magnetgen.forms.runtime import Runtime
from magnetgen.forms.store import StoreUnavailable

BODY_SECONDS = 10.0
"""Time in which a body must have come: a slow client holds nothing."""
TICK_SECONDS = 5.0
"""How often the outbox is looked through without a reason."""
PURGE_TICKS = 120
REVIEW_SECONDS = 15.0
"""How often the challenge's verifier is asked again about what it could not judge."""
CHUNK = 65_536

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SlowClient(Exception):
    """The body did not come in time."""


class Gone(Exception):
    """The client has left."""


class App:
    """`runtime`: the handler; replaced as a whole when the site is built anew. `background`: deliver by itself."""

    def __init__(self, handler: Runtime, background: bool = True) -> None:
        self.runtime = handler
        self.body_seconds = BODY_SECONDS
        self._background = background
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reviewing: asyncio.Task[None] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            with contextlib.suppress(Gone):
                await self.http(scope, receive, send)

    async def http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        request = self._request(scope)
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await read_body(receive)
        except TimeoutError:
            response = runtime.refusal(self.runtime, request, 408, "timeout").with_headers(("connection", "close"))
        else:
            response = await self.runtime.answer_async(_with_body(request, body))
            if len(body) > decode.BODY_MAX:
                response = response.with_headers(("connection", "close"))
        await self._send(request, response, send)
        if request.method == "POST":
            self.kick()

    def _request(self, scope: MutableMapping[str, Any]) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            # The white space around a value is no part of it (RFC 9110, 5.5), which not every server knows.
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip("\t ")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        peer = (scope.get("client") or ("", 0))[0]
        return Request(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            query=scope.get("query_string", b"").decode("latin-1"),
            client=runtime.client_address(peer, headers.get("x-forwarded-for", ""), self.runtime.proxies),
            id=secrets.token_hex(8),
        )

    async def _send(self, request: Request, response: Response, send: Send) -> None:
        length = response.file.length if response.file else len(response.body)
        headers = list(response.headers)
        if response.status not in (204, 304):
            headers.append(("content-length", str(length)))
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        failpoint.hit("answered")
        if response.file and request.method != "HEAD":
            async for chunk in self._chunks(response.file):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        body = b"" if response.file or request.method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    async def _chunks(self, part: FilePart) -> AsyncIterator[bytes]:
        path = self.runtime.asset_path(self.runtime.site.assets[part.asset])
        assert path is not None
        file = await asyncio.to_thread(path.open, "rb")
        try:
            await asyncio.to_thread(file.seek, part.start)
            left = part.length
            while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    # Delivering

    def kick(self) -> None:
        """Something may be due: look now."""
        self._wake.set()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._background:
                    self._task = asyncio.create_task(self._deliver())
                    self._reviewing = asyncio.create_task(self._review())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                ending = [task for task in (self._task, self._reviewing) if task]
                for task in ending:
                    task.cancel()
                await asyncio.gather(*ending, return_exceptions=True)
                await asyncio.to_thread(self.runtime.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _deliver(self) -> None:
        """Begin what is due, right after a commit and every few seconds."""
        tick = 0
        while True:
            # Not wait_for: until Python 3.12 it forgets a cancellation that meets what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            tick += 1
            try:
                await _to_its_end(self._start_all)
                if tick % PURGE_TICKS == 0:
                    await _to_its_end(lambda: self.runtime.store.purge(int(self.runtime.clock() * 1000)))
            except StoreUnavailable:
                log.event("outbox_unavailable")
            except Exception as exc:
                log.event("outbox_broken", error=type(exc).__name__)

    async def _review(self) -> None:
        """Apart from the sending: a verifier that hangs delays nothing."""
        while True:
            await asyncio.sleep(REVIEW_SECONDS)
            try:
                if await _to_its_end(self.runtime.review):
                    self.kick()
            except StoreUnavailable:
                log.event("review_unavailable")
            except Exception as exc:
                log.event("review_broken", error=type(exc).__name__)

    def _start_all(self) -> None:
        while running := self.runtime.deliverer.start():
            for future in running:
                # Its worker is free again: there may be more for it.
                future.add_done_callback(lambda _: self._wake_soon())

    def _wake_soon(self) -> None:
        if self._task:
            with contextlib.suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._wake.set)


async def _to_its_end(work: Callable[[], T]) -> T:
    """Work in a thread. Who is cancelled meanwhile ends after it: nothing it uses is closed before."""
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.gather(thread, return_exceptions=True)
        raise


async def read_body(receive: Receive, limit: int = decode.BODY_MAX) -> bytes:
    """The body, as far as one byte beyond the limit. Raises Gone if the client leaves."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > limit:
            return bytes(body[: limit + 1])
        if not message.get("more_body"):
            return bytes(body)


def _with_body(request: Request, body: bytes) -> Request:
    from dataclasses import replace

    return replace(request, body=body)


def create() -> Any:
    """The application as a server's factory: the site is MAGNETGEN_SITE, or the current folder."""
    root = Path(os.environ.get("MAGNETGEN_SITE", "."))
    if os.environ.get("MAGNETGEN_TEST") == "1":
        from magnetgen.forms.testing import TestApp

        return TestApp(root)
    return App(runtime.from_env(root))
