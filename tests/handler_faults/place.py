"""A site, a store and handlers around it: real processes that can be killed, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnetgen.forms import tokens
from magnetgen.forms.store import open_store
from tests.conftest import ROOT
from tests.contract.test_vectors import free_port
from tests.forms.data import EMAIL, NAME, document, form
from tests.handler_faults.host import VARIABLE

OWNER = "owner@site.example"
SECRETS = tokens.make_secrets()
KEYS = tokens.parse_keys(SECRETS)
HOOK_SECRET = "faults-webhook-secret"
PATIENCE = 60.0
"""Seconds until what must happen counts as not happening."""


@dataclass(frozen=True)
class Verdict:
    """What a scenario measured, and all that broke a promise."""

    measured: str
    wrong: tuple[str, ...] = ()
    repeats: int = 0


def forms_json(destinations: Iterable[str] = ("crm",)) -> dict[str, Any]:
    """One form of each sort. Without a cap an hour: it would hold what a load sends."""
    notes = {**NAME, "name": "message", "type": "textarea", "max": 5000}
    owned = [*destinations, f"email:{OWNER}"]
    forms = {
        "plain": form(name="plain", per_hour=0, notify=owned),
        "double": form(name="double", double_opt_in=True, per_hour=0),
        "book": form(name="book", magnet="book", per_hour=0, fields=[EMAIL, NAME, notes]),
        "shut": form(name="shut", double_opt_in=True, magnet="book", per_hour=0),
    }
    asset = {"file": "content/magnets/book.txt", "name": "book.txt", "size": 26, "sha256": "ab" * 32}
    hooks = [
        {"name": d, "kind": "webhook", "url_env": f"{d.upper()}_URL", "secret_env": "HOOK_SECRET"} for d in destinations
    ]
    return document(forms, assets={"book": asset}, destinations=hooks)


@dataclass
class Place:
    """A folder with a built site. `store`: empty for SQLite in the folder, or another store's address."""

    folder: Path
    store: str = ""
    destinations: tuple[str, ...] = ("crm",)
    env: dict[str, str] = field(default_factory=dict)
    handlers: list[Handler] = field(default_factory=list)

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in (".magnetgen", "content/magnets", "store"):
            (self.folder / name).mkdir(parents=True)
        self.folder.joinpath("content/magnets/book.txt").write_bytes(b"abcdefghijklmnopqrstuvwxyz")
        self.folder.joinpath(".magnetgen/forms.json").write_text(json.dumps(forms_json(self.destinations)))
        self.clock_file.write_bytes(struct.pack("d", 0.0))
        if self.store:
            opened = open_store(self.store)
            opened.clear()
            opened.close()

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def url(self) -> str:
        return self.store or f"sqlite:///{self.folder}/store/leads.sqlite3"

    def set_clock(self, offset: float) -> None:
        with self.clock_file.open("r+b") as file:
            file.write(struct.pack("d", offset))

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Every row, as a process that comes after all others finds it."""
        opened = open_store(self.url)
        try:
            return {name: [dict(row) for row in rows] for name, rows in opened.dump().items()}
        finally:
            opened.close()

    def handler(self, faults: Iterable[str] = (), failpoint: str = "", workers: int = 1, **wishes: Any) -> Handler:
        """A handler that is starting. Without faults, failpoint and wishes it is the plain command."""
        made = Handler(self, {"faults": list(faults), **wishes}, failpoint, workers)
        self.handlers.append(made)
        return made

    def close(self) -> None:
        for handler in self.handlers:
            handler.kill()


class Handler:
    """A real `magnetgen handler`."""

    def __init__(self, place: Place, wishes: Mapping[str, Any], failpoint: str, workers: int) -> None:
        self.place, self.port = place, free_port()
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MAGNETGEN_")}
        env = {
            **plain,
            **SECRETS,
            "MAGNETGEN_STORE": place.url,
            "MAGNETGEN_TRUSTED_PROXIES": "1",
            "HOOK_SECRET": HOOK_SECRET,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            **place.env,
        }
        program = "magnetgen"
        if failpoint or any(wishes.values()):
            program, env[VARIABLE] = "tests.handler_faults.host", json.dumps(dict(wishes))
        if failpoint:
            env |= {"MAGNETGEN_TEST": "1", "MAGNETGEN_FAILPOINT": failpoint}
        command = [sys.executable, "-m", program, "handler", "--site", str(place.folder), "--port", str(self.port)]
        with place.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", str(workers)], env=env, stdout=log, stderr=log, start_new_session=True, cwd=ROOT
            )

    async def ready(self) -> Handler:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return self
        raise AssertionError(f"the handler did not start: {self.place.log.read_text('utf-8', 'replace')[-2000:]}")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """The whole group at once, as a power cut would."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    async def stop(self) -> None:
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 40)


def hold(path: Path) -> sqlite3.Connection:
    """Another process's lock on everything."""
    other = sqlite3.connect(path, isolation_level=None, timeout=30)
    other.execute("BEGIN EXCLUSIVE")
    return other
