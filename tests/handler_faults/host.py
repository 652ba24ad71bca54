"""`magnetgen handler`, with a clock to move and faults to build in: `python -m tests.handler_faults.host handler …`.

HANDLER_FAULTS holds JSON: {"clock": file with an offset in seconds, "tick", "timeout", "body": seconds, "pages": file
with the most pages that SQLite may use, "faults": [names]}. Failpoints are armed by MAGNETGEN_TEST and
MAGNETGEN_FAILPOINT as ever, but the application is the real one, with its own deliveries.

A fault breaks one promise on purpose. Each is the control of a scenario: the judge must see it. They act in every
worker, as a worker imports this module too.
"""

from __future__ import annotations

import asyncio
import functools
import json
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from magnetgen.forms import asgi, failpoint, handler, log, mail, runtime, tokens, webhooks
from magnetgen.forms.http import Context, Response
from magnetgen.forms.mail import Sent
from magnetgen.forms.outbox import Batch, Deliverer
from magnetgen.forms.records import Decide, Delivery, Load, Snapshot
from magnetgen.forms.store import Store, schema, sqlite

VARIABLE = "HANDLER_FAULTS"
LATE = 0.05
"""Seconds between an answer that comes too early and its commit."""


class Clock:
    """The machine's clock and an offset in seconds, which lies in a file that others write."""

    def __init__(self, path: str) -> None:
        with Path(path).open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def __call__(self) -> float:
        return time.time() + float(struct.unpack("d", self._bytes[:8])[0])


class Faulty:
    """A store that breaks a promise, and is the real one in all else."""

    def __init__(self, store: Store, faults: set[str]) -> None:
        self._store, self._faults = store, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def submit(self, load: Load, decide: Decide) -> Future[Any]:
        if "blind" in self._faults:
            load = replace(load, idem=(), email_key="")
        if "early" in self._faults:
            threading.Timer(LATE, self._store.submit, (load, decide)).start()
            return _settled(decide(Snapshot()).answer)
        made = self._store.submit(load, decide)
        return _shrugging(made, decide) if "shrug" in self._faults else made

    def hasten(self, dest: str, now: int) -> None:
        if "no_release" not in self._faults:
            self._store.hasten(dest, now)


def _settled(answer: Any) -> Future[Any]:
    made: Future[Any] = Future()
    made.set_result(answer)
    return made


def _shrugging(real: Future[Any], decide: Decide) -> Future[Any]:
    """What could not be written is answered like what was."""
    made: Future[Any] = Future()
    real.add_done_callback(lambda f: made.set_result(decide(Snapshot()).answer if f.exception() else f.result()))
    return made


def _build(faults: set[str], clock: Callable[[], float]) -> None:
    real = runtime.build

    def build(root: Any, site: Any, keys: Any, store: Store, *rest: Any) -> runtime.Runtime:
        chosen: Any = Faulty(store, faults) if faults else store
        parts: Any = (root, site, keys, chosen, *rest, clock)
        return real(*parts)

    runtime.build = build  # type: ignore[assignment]


def _pragma(text: Callable[[], str]) -> None:
    """Every connection of the SQLite store begins with this."""
    real = sqlite.SqliteStore._connect

    def connect(self: sqlite.SqliteStore) -> Any:
        made = real(self)
        made.execute(f"PRAGMA {text()}")
        return made

    sqlite.SqliteStore._connect = connect  # type: ignore[method-assign]


def marked_first() -> None:
    """A delivery is done before it is sent."""
    real = Deliverer._attempt

    def attempt(self: Deliverer, delivery: Delivery) -> Sent:
        self.store.finish(delivery.id, int(self.clock() * 1000), "200")
        failpoint.hit("marked")
        return real(self, delivery)

    Deliverer._attempt = attempt  # type: ignore[method-assign]


def one_worker() -> None:
    """All destinations wait for each other."""
    real, lock = Deliverer._send_all, threading.Lock()

    def send_all(self: Deliverer, dest: str, batch: Batch, until: float, hastened: dict[str, float]) -> dict[str, int]:
        with lock:
            return real(self, dest, batch, until, hastened)

    Deliverer._send_all = send_all  # type: ignore[method-assign]


def trusting_clock() -> None:
    """The outbox believes that time never goes back."""
    Deliverer._notice_clock = lambda self, now: None  # type: ignore[method-assign]


def late_expiry() -> None:
    tokens.SKEW = 600


def no_unique() -> None:
    """With `blind`: neither the decision nor the table knows who is there already."""
    schema._TABLES = schema._TABLES.replace(",\n  UNIQUE(form_id, email_key))", ")")


def following() -> None:
    """A link acts when it is looked at."""
    real = handler.handle

    def handle(ctx: Context) -> Any:
        acts = any(f"/{kind}/" in ctx.request.path for kind in ("confirm", "unsubscribe"))
        return real(replace(ctx, request=replace(ctx.request, method="POST")) if acts else ctx)

    handler.handle = handle


def chatty() -> None:
    """The log tells what was asked."""
    real = runtime._logged

    def logged(ctx: Context, response: Response) -> Response:
        log.event("asked", path=ctx.request.path, body=ctx.request.body.decode("latin-1"))
        return real(ctx, response)

    runtime._logged = logged


def queueing() -> None:
    """One request at a time, its body too."""
    real, lock = asgi.App.http, asyncio.Lock()

    async def http(self: asgi.App, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        async with lock:
            await real(self, scope, receive, send)

    asgi.App.http = http  # type: ignore[method-assign]


def brittle() -> None:
    """A rare key brings the rules down; another makes them slow."""
    real = handler._idempotency_key

    def key(ctx: Context, cleaned: Any) -> str:
        given = ctx.header("idempotency-key") or ""
        if len(given) % 13 == 7:
            raise KeyError(given)
        if len(given) % 13 == 9:
            end = time.process_time() + 1.05
            while time.process_time() < end:
                pass
        return real(ctx, cleaned)

    handler._idempotency_key = key


FAULTS: dict[str, Callable[[], None]] = {
    "marked_first": marked_first,
    "one_worker": one_worker,
    "trusting_clock": trusting_clock,
    "late_expiry": late_expiry,
    "no_unique": no_unique,
    "following": following,
    "chatty": chatty,
    "queueing": queueing,
    "brittle": brittle,
    "unsafe": functools.partial(_pragma, lambda: "synchronous=OFF"),
    "deleting": functools.partial(_pragma, lambda: "journal_mode=DELETE"),
    "remembering": functools.partial(_pragma, lambda: "secure_delete=OFF"),
}
OF_STORE = {"early", "shrug", "blind", "no_release"}


def arm(wishes: dict[str, Any]) -> None:
    faults = set(wishes.get("faults", ()))
    for name in faults - OF_STORE:
        FAULTS[name]()
    clock: Callable[[], float] = Clock(wishes["clock"]) if wishes.get("clock") else time.time
    _build(faults & OF_STORE, clock)
    if wishes.get("pages"):
        _pragma(lambda: f"max_page_count={Path(wishes['pages']).read_text()}")
    asgi.TICK_SECONDS = wishes.get("tick", asgi.TICK_SECONDS)
    asgi.BODY_SECONDS = wishes.get("body", asgi.BODY_SECONDS)
    webhooks.TIMEOUT = mail.TIMEOUT = wishes.get("timeout", webhooks.TIMEOUT)
    if wishes.get("hurried"):
        sqlite.BUSY_MS, sqlite.TRIES = 20, 2  # type: ignore[attr-defined]


if VARIABLE in os.environ:
    arm(json.loads(os.environ[VARIABLE]))
    # The failpoints are armed by now; the hooks of MAGNETGEN_TEST are not for this application.
    os.environ.pop("MAGNETGEN_TEST", None)

if __name__ == "__main__":
    from magnetgen.cli import main

    sys.argv[0] = "magnetgen"
    main()
