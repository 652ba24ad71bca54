"""Any request at all: `python -m tests.handler_faults.fuzz COUNT SEED [FAULT]` prints what came of it as JSON.

In this process, through the ASGI host: bodies, headers and paths made from what the handler knows, then bent. Over a
real socket besides: what is no HTTP, what ends early, what is too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from magnetgen.forms import tokens
from magnetgen.forms.asgi import App
from tests.conftest import ROOT
from tests.forms.data import KEYS, NOW
from tests.forms.world import World
from tests.handler_faults import host
from tests.handler_faults.client import Cut, Line, posts
from tests.handler_faults.place import Place, Verdict

FORMS = ("plain", "all", "double", "book", "shut", "news") * 4 + ("nothing", "", "__proto__", "PLAIN", "a" * 80)
NAMES = ("email", "first_name", "message", "tags", "size", "agree", "site", "code", "letters", "budget", "colour",
         "_mg_idem", "_mg_hp", "_mg_t", "_mg_src", "_mg_v", "__proto__", "constructor", "é", "")  # fmt: skip
VALUES = ("ana@x.co", "yes", "a", "S", "2500", "https://x.co", "ABC", "k" * 20, "", "1e999", "-0", "\x00", "a@b", "null",
          "%", "%zz", "%C3%28", "😀", "‮", "a\r\nBcc: x@y.co", "x" * 300, '{"last":{"page":"/"}}', "[[[[", "1" * 400)  # fmt: skip
KINDS = ("application/json",) * 3 + ("application/x-www-form-urlencoded",) * 6 + ("application/x-www-form-urlencoded; charset=utf-8",
         "text/plain", "", "multipart/form-data; boundary=x", "APPLICATION/JSON", "application/json;charset=latin-1")  # fmt: skip
METHODS = ("POST",) * 12 + ("GET",) * 4 + ("HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "X")
HEADERS = ("origin", "accept", "content-encoding", "content-length", "referer", "range", "if-range", "sec-fetch-site",
           "x-forwarded-for", "cookie", "host", "authorization", "user-agent", "transfer-encoding")  # fmt: skip
ADMIN = ("leads", "leads/search", "leads/erase", "outbox", "submissions", "drain", "outbox/x/retry", "leads?after=1-x")
TOO_LONG = 1.0
"""Seconds of this process's time, which is that of all requests at once: what others do on the machine is not counted."""
HANGING = 30.0
AT_ONCE = 16


class Fuzzer:
    """Makes requests, one like no other."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        purposes = (tokens.CONFIRM, tokens.DOWNLOAD, tokens.UNSUBSCRIBE)
        self.tokens = [tokens.issue(KEYS, p, form, "ab" * 16, NOW - ago, bytes(16), "book") for p in purposes
                       for form in ("book", "shut", "plain", "gone") for ago in (0, 10**6)]  # fmt: skip

    def bent(self, text: str) -> str:
        """Sometimes with a letter changed, cut off or said twice."""
        if not text or self.dice.random() < 0.85:
            return text
        at = self.dice.randrange(len(text))
        letter = chr(self.dice.choice((self.dice.randrange(256), self.dice.randrange(0x11000))))
        return self.dice.choice((text[:at] + letter + text[at + 1 :], text[:at], text[at:], text[:at] + text[at - 9 :]))

    def path(self) -> str:
        kind = self.dice.random()
        if kind < 0.6:
            return f"/forms/{self.bent(self.dice.choice(FORMS))}"
        if kind < 0.85:
            return f"/{self.dice.choice(('confirm', 'download', 'unsubscribe'))}/{self.bent(self.dice.choice(self.tokens))}"
        if kind < 0.95:
            return f"/admin/{self.bent(self.dice.choice(ADMIN))}"
        return self.bent(
            self.dice.choice(("/healthz", "/readyz", "/", "//", "/forms", "/../x", "/%00", "/_test/state"))
        )

    def body(self, kind: str) -> bytes:
        pairs = [
            (self.dice.choice(NAMES), self.bent(self.dice.choice(VALUES)))
            for _ in range(self.dice.choice((0, 0, 1, 2, 9)))
        ]
        pairs += [("email", self.bent(f"f{self.dice.getrandbits(40):x}@x.co"))] * (self.dice.random() < 0.7)
        odds = self.dice.random()
        if odds < 0.05:
            return self.dice.randbytes(self.dice.choice((1, 40, 3000)))
        if odds < 0.06:
            return b"email=" + b"x" * self.dice.choice((9000, 65_536, 70_000))
        if "json" in kind.lower():
            made: Any = dict(pairs)
            if odds < 0.3:
                made = self.dice.choice(
                    ([made], {"email": made}, {"email": 1e308}, {"tags": ["a", None]}, {"a": 2**70}, None)
                )
            text = json.dumps(made, ensure_ascii=self.dice.random() < 0.5)
        else:
            text = self.dice.choice("&&&&;").join(f"{name}={value}" for name, value in pairs)
        return self.bent(text).encode("utf-8", "surrogatepass")

    def request(self) -> tuple[str, str, str, dict[str, str], bytes]:
        kind = self.dice.choice(KINDS)
        headers = {"content-type": kind}
        if self.dice.random() < 0.3:
            headers["idempotency-key"] = self.bent("key" * self.dice.randrange(1, 12))
        if self.dice.random() < 0.8:
            headers["origin"] = self.bent("https://site.example")
        if self.dice.random() < 0.2:
            headers[self.dice.choice(HEADERS)] = self.bent(self.dice.choice(VALUES))
        path, _, query = self.path().partition("?")
        if path.startswith("/admin/") and self.dice.random() < 0.8:
            headers["authorization"] = f"Bearer {KEYS.admin}"
        if "erase" in path or "drain" in path:
            headers.pop("authorization", None)  # it would take away what others look for
        return self.dice.choice(METHODS), path, self.bent(query), headers, self.body(kind)


async def in_process(world: World, count: int, seed: int) -> dict[str, Any]:
    """Through the ASGI host, several at once. Statuses, answers of 5xx, and the slowest."""
    app, fuzzer, statuses, slowest = App(world.runtime, background=False), Fuzzer(seed), Counter[int](), 0.0
    slow, left = 0, count

    async def one() -> None:
        nonlocal left, slowest, slow
        while left > 0:
            left -= 1
            world.now += 0.01
            method, path, query, headers, body = fuzzer.request()
            began, used = time.perf_counter(), time.process_time()
            status = await _call(app, method, path, query, headers, body, fuzzer.dice)
            seconds = time.perf_counter() - began
            statuses[status] += 1
            slow += min(seconds, time.process_time() - used) > TOO_LONG or seconds > HANGING
            slowest = max(slowest, seconds)

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    bad = sum(n for status, n in statuses.items() if status >= 500)
    return {"statuses": dict(statuses), "bad": bad, "slow": slow, "slowest": slowest}


async def _call(
    app: App, method: str, path: str, query: str, headers: dict[str, str], body: bytes, dice: random.Random
) -> int:
    cut = dice.randrange(len(body) + 1) if body else 0
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body[:cut], "more_body": True},
        {"type": "http.request", "body": body[cut:]},
    ]
    found = 0

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal found
        found = message.get("status", found)

    raw = [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items()]
    address = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
    scope = {"type": "http", "method": method, "path": f"/api{path}", "query_string": query.encode("utf-8", "surrogatepass"),
             "headers": raw, "client": (address, 1)}  # fmt: skip
    await app(scope, receive, send)
    return found


SOCKET = (
    b"", b"\r\n\r\n", b"GET", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nemail=a",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nemail=",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    b"POST /api/forms/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\nemail=cut",
    b"GET /api/healthz HTTP/1.1\r\n" + b"X-A: " + b"y" * 90_000 + b"\r\n\r\n",
    b"GET /api/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/healthz HTTP/1.1\r\nHost: x\r\nBad Header : y\r\n\x00: z\r\n\r\n",
)  # fmt: skip
"""What is no HTTP, or hardly."""


async def over_sockets(port: int, count: int, seed: int) -> Counter[int]:
    """Broken connections, and broken requests bent once more. Statuses; 0: closed without an answer."""
    dice, statuses, left = random.Random(seed), Counter[int](), count

    async def one() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            raw = bytearray(dice.choice(SOCKET))
            for _ in range(dice.choice((0, 0, 1, 5)) if raw else 0):
                raw[dice.randrange(min(len(raw), 300))] = dice.randrange(256)
            statuses[await _once(port, bytes(raw))] += 1

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return statuses


async def _once(port: int, raw: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    status = 0
    with contextlib.suppress(TimeoutError, *Cut):
        writer.write(raw)
        with contextlib.suppress(OSError):
            writer.write_eof()
        line = await asyncio.wait_for(reader.readline(), 5)
        status = int(line.split(b" ")[1]) if line.startswith(b"HTTP/") else 0
    writer.close()
    return status


async def fuzzed(
    folder: Path, store: str, faults: tuple[str, ...], count: int, sockets: int, processes: int = 1
) -> Verdict:
    """The whole: most of it in processes of their own, a share over real sockets, and a real lead at the end."""
    parts = [await _started(count // processes, seed, faults) for seed in range(processes)]
    place, wrong = Place(folder, store), list[str]()
    try:
        handler = await place.handler(body=1.0).ready()
        statuses = await over_sockets(handler.port, sockets, 1)
        line = Line(handler.port)
        wrong += [f"no lead after it: {a.status}" for a in [await line.ask(posts(1)[0].raw())] if a.status != 202]
        line.close()
        handler.kill()
    finally:
        place.close()
    total, bad, slow, slowest = Counter[int](), sum(n for status, n in statuses.items() if status >= 500), 0, 0.0
    for part in parts:
        out, err = await part.communicate()
        if part.returncode:
            raise AssertionError(err.decode()[-2000:])
        found = json.loads(out)
        total.update({int(status): n for status, n in found["statuses"].items()})
        bad, slow, slowest = bad + found["bad"], slow + found["slow"], max(slowest, found["slowest"])
    wrong += [f"{bad} answers of 5xx"] * bool(bad) + [f"{slow} requests took over a second"] * bool(slow)
    kinds = ", ".join(f"{n:,} × {status}" for status, n in sorted(total.items()))
    measured = f"{total.total() + statuses.total():,} requests, {sockets:,} of them over sockets: {bad:,} times 5xx, {slow:,} over 1 s of processor time, slowest {slowest:.2f} s by the clock ({kinds})"
    return Verdict(measured, tuple(wrong))


async def _started(count: int, seed: int, faults: tuple[str, ...]) -> asyncio.subprocess.Process:
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.handler_faults.fuzz",
        str(count),
        str(seed),
        *faults,
        env=env,
        stdout=pipe,
        stderr=pipe,
        cwd=ROOT,
    )


def main(count: int, seed: int, faults: list[str]) -> None:
    for name in faults:
        host.FAULTS[name]()
    # In memory where there is such a folder: a slow disk is not what is looked for here.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        world = World(Path(folder))
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            found = asyncio.run(in_process(world, count, seed))
        world.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
