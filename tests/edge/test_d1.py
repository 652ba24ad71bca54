"""The store on D1 and the Worker, in workerd: their own tests, and what a killed one has kept."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.run import send
from tests.validators.tools import module, program

HERE = Path(__file__).parent
ENV = {**os.environ, "PYTHON": sys.executable}
VISITORS = 6
FORM = {
    "title": "Plain", "fields": [{"name": "email", "type": "email", "label": "Email", "required": True, "max": 254}],
    "consent": [], "next": "https://site.example/thanks/", "confirmed": "https://site.example/confirmed/",
    "back": "https://site.example/", "double_opt_in": False, "min_seconds": 0, "magnet": None, "notify": ["crm"],
    "per_hour": 100_000,
}  # fmt: skip
FORMS = {"forms": {"plain": FORM}, "destinations": [{"name": "crm", "kind": "webhook"}]}


@pytest.mark.parametrize("suite", ["store/d1", "worker/worker"])
def test_suite(suite: str) -> None:
    module("miniflare/package.json")
    command = [program("node"), "--test", "--test-reporter=spec", str(HERE / f"{suite}.test.mjs")]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-6000:]


@dataclass
class Host:
    """A Worker that can be killed and started again, with its database in `folder`; without one, in memory."""

    folder: str
    log: Path
    base: str = ""
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        env = {**ENV, "MAGNETGEN_TEST": "1", "MAGNETGEN_TRUSTED_PROXIES": "1", "MAGNETGEN_D1": self.folder}
        port = str(urlsplit(self.base).port or 0)
        with self.log.open("ab") as log:
            # workerd is a child of Node's: both are in one session, and die together.
            self.process = subprocess.Popen(
                [program("node"), str(HERE / "hosts" / "miniflare.mjs"), port], env=env, stdout=subprocess.PIPE,
                stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("READY "), f"the host did not start, but said {line!r}:\n{self.log.read_text()[-3000:]}"
        self.base = f"{line.removeprefix('READY ').strip().rstrip('/')}/api"

    def kill(self) -> None:
        assert self.process and self.process.stdout
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()

    def state(self) -> dict[str, Any]:
        return dict(send(self.base, {"path": "/_test/state"}).json())


@contextmanager
def running(folder: str, log: Path) -> Iterator[Host]:
    module("miniflare/package.json")
    host = Host(folder, log)
    host.start()
    answer = send(host.base, {"method": "POST", "path": "/_test/reset", "body": {"forms": FORMS}})
    assert answer.status == 200
    try:
        yield host
    finally:
        host.kill()


def submit(host: Host, number: int) -> bool:
    """Whether a lead was acknowledged."""
    headers = {
        "Accept": "application/json", "Content-Type": "application/json", "Idempotency-Key": f"key-{number:020}",
        "X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
    }  # fmt: skip
    body = {"email": f"n{number}@example.com"}
    request = {"method": "POST", "path": "/forms/plain", "headers": headers, "body": body}
    try:
        return send(host.base, request).status == 202
    except (OSError, http.client.HTTPException, ValueError):
        return False


def test_a_worker_that_is_killed_again_and_again_keeps_each_acknowledged_lead_once(tmp_path: Path) -> None:
    taken: list[int] = []
    tries: Counter[int] = Counter()
    over, ends = threading.Event(), time.monotonic() + 120

    def visit(host: Host, visitor: int) -> None:
        """One who has had no answer sends the same again, as a page's script does, until there is one."""
        number = visitor
        while not over.is_set() or (tries[number] and time.monotonic() < ends):
            tries[number] += 1
            if submit(host, number):
                taken.append(number)
                number += VISITORS
            else:
                time.sleep(0.05)

    with running(str(tmp_path / "d1"), tmp_path / "log") as host, ThreadPoolExecutor(VISITORS) as pool:
        try:
            visits = [pool.submit(visit, host, visitor) for visitor in range(VISITORS)]
            for _ in range(6):
                enough = len(taken) + 12
                while len(taken) < enough and time.monotonic() < ends:
                    time.sleep(0.02)
                time.sleep(random.uniform(0, 0.3))
                host.kill()
                host.start()
        finally:
            over.set()
        for one in visits:
            one.result(60)
        state = host.state()
    assert len(taken) > 60 and any(count > 1 for count in tries.values())
    expected = Counter(f"n{number}@example.com" for number in taken)
    assert set(expected.values()) == {1}
    assert Counter(lead["email"] for lead in state["leads"]) == expected
    assert Counter(sent["email"] for sent in state["submissions"]) == expected
    assert Counter(json.dumps([row["lead_id"], row["dest"]]) for row in state["outbox"]) == Counter(
        json.dumps([lead["id"], dest]) for lead in state["leads"] for dest in ("crm", "mail")
    )


def test_a_database_in_memory_loses_them_all_as_a_control(tmp_path: Path) -> None:
    with running("", tmp_path / "log") as host:
        assert all(submit(host, number) for number in range(5))
        assert len(host.state()["leads"]) == 5
        host.kill()
        host.start()
        assert host.state()["leads"] == []


def test_workerd_hides_an_origin_without_a_value(tmp_path: Path) -> None:
    """It is taken for none, as an empty header is everywhere (headers-odd): any client could have sent none."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Origin": ""}
    request = {"method": "POST", "path": "/forms/plain", "headers": headers, "body": {"email": "ana@example.com"}}
    with running("", tmp_path / "log") as host:
        assert send(host.base, request).status == 202
        assert host.state()["submissions"][0]["source"] == {"no_origin": True}
