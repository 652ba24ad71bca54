"""`magnetgen handler` and `magnetgen secrets`, as a user runs them; and a real handler under load and kill."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from magnetgen.forms import files, runtime, settings, tokens
from magnetgen.forms.records import LeadQuery
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store.sqlite import SqliteStore
from tests.contract.test_vectors import ROOT, free_port
from tests.forms.data import EVERYTHING

HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "forms.json").write_text(json.dumps(EVERYTHING))
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAGNETGEN_")}
    return {**plain, "PYTHONPATH": str(ROOT / "src"), **more}


def magnetgen(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "magnetgen", *words]
    return subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=60)


def test_without_secrets_it_refuses_and_says_how(site: Path) -> None:
    done = magnetgen("handler", "--site", str(site))
    assert done.returncode == 2
    assert done.stderr == "magnetgen: MAGNETGEN_SECRETS is not set; `magnetgen secrets` makes all that is needed\n"
    assert not (site / ".magnetgen" / "leads.sqlite3").exists()


def test_without_a_build_it_refuses_and_says_how(tmp_path: Path) -> None:
    done = magnetgen("handler", "--site", str(tmp_path), **tokens.make_secrets())
    assert done.returncode == 2 and "build the site first" in done.stderr and "Traceback" not in done.stderr


def test_secrets_are_printed_or_saved_once(site: Path) -> None:
    printed = magnetgen("secrets").stdout
    made = dict(line.split("=", 1) for line in printed.splitlines())
    assert tokens.parse_keys(made).admin == made["MAGNETGEN_ADMIN_TOKEN"]
    assert magnetgen("secrets", "--save", "--site", str(site)).returncode == 0
    path = files.path(site, files.REAL.secrets)
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600 and tokens.parse_keys(settings.missing(site, {}))
    assert magnetgen("secrets", "--save", "--site", str(site)).returncode == 2
    assert path.read_text() == before
    assert "MAGNETGEN_SECRETS" not in settings.missing(site, {"MAGNETGEN_SECRETS": "own"})


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"MAGNETGEN_STORE": "mysql://x"}, "sqlite:///path"),
        ({"MAGNETGEN_SMTP_URL": "smtp://x"}, "MAGNETGEN_MAIL_FROM"),
        ({"MAGNETGEN_MAIL_FROM": "nobody"}, "MAGNETGEN_MAIL_FROM"),
        ({"MAGNETGEN_TRUSTED_PROXIES": "x"}, "MAGNETGEN_TRUSTED_PROXIES"),
        ({"CRM_URL": "nonsense"}, "crm"),
    ],
)
def test_a_faulty_environment_says_what_is_wrong(site: Path, env: dict[str, str], says: str) -> None:
    with pytest.raises(SiteFault, match=says):
        runtime.from_env(site, {**tokens.make_secrets(), **env})


class Server:
    """A real `magnetgen handler`."""

    def __init__(self, site: Path, env: dict[str, str], workers: int = 1) -> None:
        self.port, self._site, self._workers, self._env = free_port(), site, workers, env
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "magnetgen", "handler", "--site", str(self._site), "--port", str(self.port)]
        self.log = (self._site / "log").open("ab")
        self.process = subprocess.Popen(
            [*command, "--workers", str(self._workers)], env=environment(**self._env), stderr=self.log,
            stdout=self.log, start_new_session=True,
        )  # fmt: skip
        for _ in range(400):
            try:
                if self.ask("GET", "/api/healthz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self._site / "log").read_text())

    def ask(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.log.close()

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(30)
        self.log.close()
        return code


def test_a_handler_takes_leads_and_stops_cleanly(site: Path) -> None:
    server = Server(site, tokens.make_secrets())
    assert server.ask("POST", "/api/forms/plain", "email=a%40x.co", HEADERS)[0] == 202
    assert server.ask("GET", "/api/_test/state")[0] == 404
    assert server.ask("GET", "/api/readyz")[0] == 200
    server.stop()
    text = (site / "log").read_text()
    assert "Traceback" not in text and "a@x.co" not in text
    store = SqliteStore(site / ".magnetgen" / "leads.sqlite3")
    assert [lead.email for lead in store.leads(LeadQuery())] == ["a@x.co"]
    store.close()


def test_what_is_not_set_up_is_said_once(site: Path) -> None:
    server = Server(site, tokens.make_secrets())
    server.stop()
    lines = [json.loads(line) for line in (site / "log").read_text().splitlines()]
    hints = [line["hint"] for line in lines if line["event"] == "not_set_up"]
    assert hints == [
        "mails wait in the outbox: neither MAGNETGEN_SMTP_URL nor MAGNETGEN_MAIL_PROVIDER is set",
        "what is for the destination crm waits in the outbox: CRM_URL is not set",
    ]


def test_two_workers_share_one_store(site: Path) -> None:
    server = Server(site, {**tokens.make_secrets(), "MAGNETGEN_TRUSTED_PROXIES": "1"}, workers=2)
    for number in range(60):
        headers = {**HEADERS, "X-Forwarded-For": f"10.0.0.{number}"}
        assert server.ask("POST", "/api/forms/plain", f"email=a{number // 2}%40x.co", headers)[0] == 202
    server.stop()
    store = SqliteStore(site / ".magnetgen" / "leads.sqlite3")
    assert len(store.leads(LeadQuery(limit=99))) == 30
    store.close()


@pytest.mark.parametrize("name", ["begin", "written", "committed", "answered"])
def test_killed_at_any_point_no_acknowledged_lead_is_lost(site: Path, name: str) -> None:
    secrets = tokens.make_secrets()
    (site / "content").mkdir()
    env = {**secrets, "MAGNETGEN_TRUSTED_PROXIES": "1", "MAGNETGEN_STORE": f"sqlite:///{site}/.magnetgen/leads.sqlite3"}
    acknowledged = set()
    server = Server(site, {**env, "MAGNETGEN_TEST": "1", "MAGNETGEN_FAILPOINT": f"{name}:7"})
    document = json.dumps({"forms": EVERYTHING})
    server.ask("POST", "/api/_test/reset", document)
    for number in range(40):
        body = f"email=a{number}%40x.co&_mg_idem=key-0123456789-{number:04}"
        headers = {**HEADERS, "X-Forwarded-For": f"10.0.0.{number}"}
        try:
            if server.ask("POST", "/api/forms/plain", body, headers)[0] == 202:
                acknowledged.add(f"a{number}@x.co")
        except (OSError, http.client.HTTPException):
            break
    server.kill()
    assert 0 < len(acknowledged) < 40
    store = SqliteStore(site / ".magnetgen" / "leads.sqlite3")
    emails = [lead.email for lead in store.leads(LeadQuery(limit=99))]
    assert acknowledged <= set(emails) and len(emails) == len(set(emails))
    assert len(emails) - len(acknowledged) <= 1
    store.close()
