"""Clients over real sockets, and their log of what was acknowledged: the oracle."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

ACCEPTED, SEE_OTHER = 202, 303
Cut = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, EOFError)
"""What a client sees when its handler dies."""

IDLE = 2.0
"""Seconds after which a line is opened anew: the handler closes what is idle for five."""

_clients = itertools.count(1)


def address() -> str:
    """A client's address of its own, as a trusted proxy reports it: nobody is over the rate."""
    n = next(_clients)
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes."""
    given = {"host": "site.example", "x-forwarded-for": address(), "accept": "application/json"}
    if body or method == "POST":
        given |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} /api{path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Post:
    """A submission: who, and under which key it is repeated until it is acknowledged."""

    email: str
    key: str
    form: str = "plain"
    more: str = ""

    def raw(self) -> bytes:
        body = f"email={quote(self.email)}{self.more}".encode()
        return request("POST", f"/forms/{self.form}", body, idempotency_key=self.key, origin="https://site.example")


def posts(count: int, form: str = "plain", start: int = 0) -> list[Post]:
    return [Post(f"{form}-{n}@lead.example", f"key-{form}-{n:012}", form) for n in range(start, start + count)]


class Line:
    """One connection, kept alive; opened again where it was lost."""

    def __init__(self, port: int, patience: float = 60.0) -> None:
        self.port, self.patience = port, patience
        self._last = 0.0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes, before: Callable[[int], None] | None = None) -> Answer:
        """Send, and read the answer. `before`: told of the status as soon as it is there. Raises one of Cut."""
        began = time.perf_counter()
        if began > self._last + IDLE:
            self.close()
        try:
            return await asyncio.wait_for(self._ask(raw, before, began), self.patience)
        except BaseException:
            self.close()
            raise

    async def _ask(self, raw: bytes, before: Callable[[int], None] | None, began: float) -> Answer:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writer.write(raw)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        if before:
            before(status)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = 0 if raw.startswith(b"HEAD") else int(headers.get("content-length", "0"))
        body = await self._reader.readexactly(length) if length else b""
        self._last = time.perf_counter()
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body, time.perf_counter() - began)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@dataclass
class Ledger:
    """What clients were told, in memory and, where there is a file, line by line."""

    path: Path | None = None
    acknowledged: dict[str, str] = field(default_factory=dict)
    """address → key"""
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    cuts: int = 0
    slow: int = 0

    def note(self, post: Post, status: int) -> None:
        """An answer's first line has come: from now on the lead is promised."""
        self.statuses[status] += 1
        if status in (ACCEPTED, SEE_OTHER):
            self.acknowledged[post.email] = post.key
        if self.path:
            with self.path.open("a") as file:
                file.write(json.dumps([post.email, post.key, status]) + "\n")


async def drive(
    ports: Iterable[int], work: Iterable[Post], ledger: Ledger, lines: int = 16, patience: float = 60.0
) -> None:
    """Send everything once over that many connections, and note what comes back."""
    todo, ports = iter(work), list(ports)

    async def one(number: int) -> None:
        line = Line(ports[number % len(ports)], patience)
        for post in todo:
            try:
                answer = await line.ask(post.raw(), lambda status, post=post: ledger.note(post, status))  # type: ignore[misc]
                ledger.seconds.append(answer.seconds)
            except TimeoutError:
                ledger.slow += 1
            except Cut:
                ledger.cuts += 1
        line.close()

    await asyncio.gather(*(one(n) for n in range(lines)))


async def paced(port: int, work: Iterable[Post], a_second: float, ledger: Ledger) -> list[float]:
    """Send at a steady rate, whatever the answers do. Seconds from when each was to be sent until it was answered."""
    idle: list[Line] = []
    found: list[float] = []

    async def one(post: Post, due: float) -> None:
        line = idle.pop() if idle else Line(port)
        await line.ask(post.raw(), lambda status: ledger.note(post, status))
        found.append(time.perf_counter() - due)
        idle.append(line)

    tasks = []
    async for post, due in _beat(work, a_second):
        tasks.append(asyncio.create_task(one(post, due)))
    await asyncio.gather(*tasks)
    for line in idle:
        line.close()
    return found


async def _beat(work: Iterable[Post], a_second: float) -> AsyncIterator[tuple[Post, float]]:
    began = time.perf_counter()
    for number, post in enumerate(work):
        due = began + number / a_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield post, due


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float, pause: float = 0.02) -> bool:
    """Wait until it is true; False if it does not become so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found if isinstance(found, bool) else await found:
            return True
        await asyncio.sleep(pause)
    return False


def share(values: Iterable[float], part: float) -> float:
    """A quantile: the value below which that part lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
