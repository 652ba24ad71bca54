"""Where deliveries go: a webhook's server for each destination and a mail server, both real, both faulty on demand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import email.policy
import json
import re
import time
import weakref
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from magnetgen.forms import tokens
from tests.contract.test_vectors import free_port
from tests.handler_faults.place import HOOK_SECRET

_LINK = re.compile(r"https://site\.example/api/(confirm|unsubscribe|download)/(\S+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
ANSWERS = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "429": b"HTTP/1.1 429 Slow\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "garbage": b"\x00\xff\x00 this is no HTTP at all \r\n\r\n" * 40,
    "truncated": b"HTTP/1.1 2",
}


@dataclass(frozen=True)
class Receipt:
    """One arrival. `id`: webhook-id or Message-ID, the same over repeats; `about`: whose; `kind`: event, or subject."""

    id: str
    about: str
    kind: str
    at: float


@dataclass
class HookSink:
    """A destination. Only what it answered with 200 has arrived. Faulty modes: those of ANSWERS, "slow" and "down"."""

    mode: str = "ok"
    receipts: list[Receipt] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    forged: int = 0
    held: int = 0
    """Connections that are kept waiting."""
    tried: int = 0
    port: int = field(default_factory=free_port)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> HookSink:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=256)
        return self

    async def turn(self, mode: str) -> None:
        """Another mode from now on; "down": nobody listens."""
        if mode == "down":
            self.close()
        elif self._server is None:
            await self.start()
        self.mode = mode

    def close(self) -> None:
        if self._server:
            self._server.close()
        self._server = None

    def hang_up(self) -> None:
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            await self._answer(head.decode("latin-1"), body, writer)
        writer.close()
        self._open.discard(writer)

    async def _reader_gone(self, writer: asyncio.StreamWriter) -> None:
        """Say nothing, until the other side has had enough."""
        self.held += 1
        while not writer.is_closing() and self.mode == "slow":
            await asyncio.sleep(0.05)
        self.held -= 1

    async def _answer(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.tried += 1
        mode = self.mode
        if mode == "slow":
            await self._reader_gone(writer)
            return
        if mode == "ok":
            lines = (line.partition(": ") for line in head.split("\r\n")[1:])
            self._note({name.lower(): value for name, _, value in lines}, body)
        writer.write(ANSWERS.get(mode, b""))  # "down" meanwhile: nothing
        await writer.drain()

    def _note(self, headers: dict[str, str], body: bytes) -> None:
        data = json.loads(body)
        id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        wanted = base64.b64encode(tokens.mac(HOOK_SECRET.encode(), f"{id}.{stamp}.".encode() + body)).decode()
        self.forged += headers.get("webhook-signature") != f"v1,{wanted}"
        about = data["data"].get("email") or data["data"]["id"]
        self.ids.add(id)
        self.receipts.append(Receipt(id, about, data["type"], time.monotonic()))


@dataclass
class MailSink:
    """A mail server. `code`: what it answers to a mail; only 250 is an arrival. `links`: (purpose, token) by address."""

    code: int = 250
    receipts: list[Receipt] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    unconfirmed: dict[str, str] = field(default_factory=dict)
    """Links to confirm, by address, until somebody takes them away."""
    links: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    port: int = field(default_factory=free_port)
    _server: asyncio.Server | None = None
    _open: weakref.WeakSet[SMTP] = field(default_factory=weakref.WeakSet)

    async def start(self) -> MailSink:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._answering, "127.0.0.1", self.port)
        return self

    def _answering(self) -> SMTP:
        made = SMTP(self, loop=asyncio.get_running_loop(), ident="sink")
        self._open.add(made)
        return made

    def hang_up(self) -> None:
        for protocol in self._open:
            if protocol.transport is not None:
                protocol.transport.close()

    def close(self) -> None:
        if self._server:
            self._server.close()
        self._server = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.code != 250:
            return f"{self.code} not now"
        message: Any = email.message_from_bytes(
            content if isinstance(content := envelope.content, bytes) else b"", policy=email.policy.default
        )
        to = envelope.rcpt_tos[0]
        self.ids.add(message["Message-ID"])
        self.receipts.append(Receipt(message["Message-ID"], to, message["Subject"], time.monotonic()))
        text = message.get_body(("plain",)).get_content()
        found: list[tuple[str, str]] = _LINK.findall(text)
        self.links[to] += found
        self.unconfirmed.update((to, token) for purpose, token in found if purpose == "confirm")
        return "250 taken"

    @property
    def env(self) -> dict[str, str]:
        return {"MAGNETGEN_SMTP_URL": f"smtp://127.0.0.1:{self.port}", "MAGNETGEN_MAIL_FROM": "Lab <lab@site.example>"}


@dataclass
class Sinks:
    """All that a place's handlers send to."""

    hooks: dict[str, HookSink]
    mail: MailSink

    @property
    def env(self) -> dict[str, str]:
        return {f"{name.upper()}_URL": f"http://127.0.0.1:{h.port}/" for name, h in self.hooks.items()} | self.mail.env

    @property
    def receipts(self) -> list[Receipt]:
        return [receipt for sink in self.hooks.values() for receipt in sink.receipts] + self.mail.receipts

    @property
    def arrived(self) -> int:
        """Different deliveries that have arrived."""
        return sum(len(sink.ids) for sink in self.hooks.values()) + len(self.mail.ids)

    def close(self) -> None:
        sinks: list[HookSink | MailSink] = [*self.hooks.values(), self.mail]
        for sink in sinks:
            sink.close()
            sink.hang_up()


async def open_sinks(*names: str) -> Sinks:
    return Sinks({name: await HookSink().start() for name in names}, await MailSink().start())
