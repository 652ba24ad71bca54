"""The challenge's verifier, against a stand-in that answers as Cloudflare documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from magnetgen.forms.challenge import DOWN, FAIL, PASS, Verifier, from_env
from magnetgen.forms.site import Challenge
from tests.forms.data import document, form
from tests.forms.world import World

CHALLENGE = Challenge("turnstile", "cf-turnstile-response", "SECRET", "site.example", "news")
GOOD = {"success": True, "hostname": "site.example", "action": "news", "error-codes": []}


class Cloudflare(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.status, self.answer, self.got = 200, json.dumps(GOOD), list[dict[str, list[str]]]()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Cloudflare

    def do_POST(self) -> None:
        self.server.got.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def cloudflare() -> Iterator[Cloudflare]:
    made = Cloudflare()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def verifier(cloudflare: Cloudflare) -> Verifier:
    url = f"http://127.0.0.1:{cloudflare.server_port}/siteverify"
    return from_env({"SECRET": "hush", "MAGNETGEN_TURNSTILE_URL": url})


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, PASS),
        ({"success": False, "error-codes": ["timeout-or-duplicate"]}, FAIL),
        ({"hostname": "evil.example"}, FAIL),
        ({"action": "other"}, FAIL),
        ({"success": "true"}, FAIL),
        ({"success": False, "error-codes": ["internal-error"]}, DOWN),
    ],
)
def test_verdicts(cloudflare: Cloudflare, more: dict[str, Any], verdict: str) -> None:
    cloudflare.answer = json.dumps({**GOOD, **more})
    assert verifier(cloudflare).verify(CHALLENGE, "tok en") == verdict
    assert cloudflare.got == [{"secret": ["hush"], "response": ["tok en"]}]


@pytest.mark.parametrize(("status", "answer"), [(500, "{}"), (200, "<html>"), (200, "[]"), (302, "{}")])
def test_a_verifier_that_is_down(cloudflare: Cloudflare, status: int, answer: str) -> None:
    cloudflare.status, cloudflare.answer = status, answer
    assert verifier(cloudflare).verify(CHALLENGE, "x") == DOWN


def test_nobody_there_and_no_secret(cloudflare: Cloudflare) -> None:
    assert Verifier({"SECRET": "x"}, "http://127.0.0.1:9/").verify(CHALLENGE, "x") == DOWN
    assert Verifier({}, verifier(cloudflare).url).verify(CHALLENGE, "x") == DOWN
    assert cloudflare.got == []


def test_a_form_with_a_challenge(cloudflare: Cloudflare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hush")
    monkeypatch.setenv("MAGNETGEN_TURNSTILE_URL", verifier(cloudflare).url)
    world = World(tmp_path, document({"news": form(challenge={"kind": "turnstile", "secret_env": "SECRET"})}))
    assert world.submit("news", "email=a%40x.co&cf-turnstile-response=x").status == 202
    cloudflare.answer = json.dumps({**GOOD, "success": False})
    refused = world.submit("news", "email=b%40x.co&cf-turnstile-response=x")
    assert (refused.status, refused.code) == (422, "challenge_failed")
    # A bot in the honeypot is not worth asking about.
    assert world.submit("news", "email=c%40x.co&_mg_hp=1").status == 202 and len(cloudflare.got) == 2
    assert sorted(row["status"] for row in world.rows("submissions")) == ["accepted", "quarantined"]
    world.close()
