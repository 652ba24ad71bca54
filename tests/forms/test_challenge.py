"""Turnstile: the verifier, against a stand-in that answers as Cloudflare documents, and what is held while it is down."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from magnetgen.forms import asgi
from magnetgen.forms.challenge import ANSWER_MAX, DOWN, FAIL, PASS, Verifier, from_env
from magnetgen.forms.http import Response
from magnetgen.forms.site import Challenge
from tests.forms.data import KEYS, document, form
from tests.forms.siteverify import Cloudflare, cloudflare
from tests.forms.world import World

__all__ = ["cloudflare"]

CHALLENGE = Challenge("turnstile", "cf-turnstile-response", "SECRET", "site.example", "news")
TURNSTILE = {"kind": "turnstile", "secret_env": "SECRET"}
ONCE = "8b1f0e3e-0b0a-4d5c-9a55-0123456789ab"
ADMIN = {"authorization": f"Bearer {KEYS.admin}", "content_type": "application/json"}


def verifier(cloudflare: Cloudflare) -> Verifier:
    return from_env({"SECRET": "hush", "MAGNETGEN_TURNSTILE_URL": cloudflare.url})


@pytest.fixture
def world(cloudflare: Cloudflare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two forms with a challenge; what `news` takes goes to the owner and to the CRM."""
    monkeypatch.setenv("SECRET", "hush")
    monkeypatch.setenv("MAGNETGEN_TURNSTILE_URL", cloudflare.url)
    forms = {
        "news": form(name="news", challenge=TURNSTILE, notify=["crm", "email:owner@site.example"]),
        "double": form(name="double", challenge=TURNSTILE, double_opt_in=True),
        "plain": form(name="plain"),
    }
    made = World(tmp_path, document(forms, destinations=[{"name": "crm", "kind": "webhook", "url_env": "CRM_URL"}]))
    yield made
    made.close()


def submit(world: World, address: str, answer: str = "tok", name: str = "news", **headers: str) -> Response:
    return world.submit(name, f"email={address.replace('@', '%40')}&cf-turnstile-response={answer}", **headers)


def admin(world: World, method: str, path: str, body: bytes = b"") -> Response:
    return world.request(method, path, body, **ADMIN)


def only(world: World) -> dict[str, Any]:
    (row,) = world.rows("submissions")
    return dict(row)


# The verifier


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, PASS),
        ({"success": False, "error-codes": ["timeout-or-duplicate"]}, FAIL),
        ({"hostname": "evil.example"}, FAIL),
        ({"action": "other"}, FAIL),
        ({"success": "true"}, FAIL),
        ({"success": False, "error-codes": ["internal-error"]}, DOWN),
        ({"success": False, "error-codes": ["invalid-input-secret"]}, DOWN),
        ({"success": False, "error-codes": [{}, None]}, FAIL),
        ({"success": False, "error-codes": 7}, FAIL),
    ],
)
def test_verdicts(cloudflare: Cloudflare, more: dict[str, Any], verdict: str) -> None:
    cloudflare.say(**more)
    assert verifier(cloudflare).verify(CHALLENGE, "tok en", ONCE) == verdict
    assert cloudflare.got == [{"secret": ["hush"], "response": ["tok en"], "idempotency_key": [ONCE]}]


@pytest.mark.parametrize(("status", "answer"), [(500, "{}"), (200, "<html>"), (200, "[]"), (302, "{}")])
def test_a_verifier_that_is_down(cloudflare: Cloudflare, status: int, answer: str) -> None:
    cloudflare.status, cloudflare.answer = status, answer
    assert verifier(cloudflare).verify(CHALLENGE, "x", ONCE) == DOWN


def test_nobody_there_no_secret_and_too_long_an_answer(cloudflare: Cloudflare) -> None:
    assert Verifier({"SECRET": "x"}, "http://127.0.0.1:9/").verify(CHALLENGE, "x", ONCE) == DOWN
    assert Verifier({}, cloudflare.url).verify(CHALLENGE, "x", ONCE) == DOWN
    assert Verifier({}, cloudflare.url).verify(CHALLENGE, "x" * (ANSWER_MAX + 1), ONCE) == FAIL
    assert cloudflare.got == []


# The form


def test_a_form_with_a_challenge(world: World, cloudflare: Cloudflare) -> None:
    assert submit(world, "a@x.co").status == 202
    cloudflare.say(success=False)
    refused = submit(world, "b@x.co")
    assert (refused.status, refused.code) == (422, "challenge_failed")
    # A bot in the honeypot is not worth asking about.
    assert world.submit("news", "email=c%40x.co&_mg_hp=1").status == 202 and len(cloudflare.got) == 2
    assert sorted(row["status"] for row in world.rows("submissions")) == ["accepted", "quarantined"]


def test_who_sends_again_asks_the_same_and_nobody_else_does(world: World, cloudflare: Cloudflare) -> None:
    for key in ("a" * 20, "a" * 20, "b" * 20, "", ""):
        submit(world, "a@x.co", **({"idempotency-key": key} if key else {}))
    first, again, other, bare, bare_again = (UUID(got["idempotency_key"][0]) for got in cloudflare.got)
    assert first == again
    assert len({first, other, bare, bare_again}) == 4


def test_a_page_says_in_words_that_it_failed(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.say(success=False)
    answer = submit(world, "a@x.co", accept="text/html")
    assert answer.status == 422 and b"The check that you are a person failed" in answer.body
    assert b"href='https://site.example/forms/news/'" in answer.body


# Down, and back


def test_what_was_held_is_released_when_the_verifier_is_back(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    assert submit(world, "ana@x.co").status == 202
    assert (only(world)["status"], only(world)["reason"]) == ("held", "challenge")
    assert world.runtime.drain() and world.rows("leads") == []
    assert [mail["to"] for mail in world.mails] == ["owner@site.example"], "the owner knows of it"
    cloudflare.say()
    world.now += 60
    sent = admin(world, "POST", "/admin/drain")
    assert json.loads(sent.body)["sent"] > 0
    row = only(world)
    assert (row["status"], row["reason"], row["source"]) == ("accepted", "released", {})
    assert [lead["email"] for lead in world.rows("leads")] == ["ana@x.co"]
    assert sorted(str(mail["to"]) for mail in world.mails) == ["ana@x.co", "owner@site.example", "owner@site.example"]
    assert len(world.hooks) == 1
    assert len({got["idempotency_key"][0] for got in cloudflare.got}) == 1, "each time the same question"
    world.runtime.drain()
    assert len(world.mails) == 3 and len(world.hooks) == 1


def test_double_opt_in_goes_on_with_its_confirmation(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co", name="double")
    cloudflare.say(action="double")
    world.runtime.drain()
    assert [lead["status"] for lead in world.rows("leads")] == ["pending"]
    assert ["onfirm" in str(mail["subject"]) for mail in world.mails] == [True]


def test_what_fails_stays_held_and_the_owner_may_still_release_it(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co")
    cloudflare.say(success=False)
    world.runtime.drain()
    row = only(world)
    assert (row["status"], row["reason"], row["source"]) == ("held", "challenge_failed", {})
    asked = len(cloudflare.got)
    world.runtime.drain()
    assert len(cloudflare.got) == asked, "it is not asked about again"
    assert admin(world, "POST", f"/admin/submissions/{row['id']}/release").status == 200
    assert only(world)["status"] == "accepted"


def test_what_is_too_old_to_be_judged_waits_for_the_owner(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co")
    cloudflare.say()
    world.now += 300
    world.runtime.drain()
    row = only(world)
    assert (row["status"], row["reason"], row["source"]) == ("held", "challenge", {})
    assert len(cloudflare.got) == 1 and world.rows("leads") == []


def test_what_is_held_for_more_than_the_challenge_stays_held(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    world.submit("news", "email=fast%40x.co&_mg_t=10&cf-turnstile-response=tok")
    cloudflare.say()
    world.runtime.drain()
    assert (only(world)["status"], only(world)["reason"], only(world)["source"]) == ("held", "time", {"took_ms": 10})


def test_the_answer_is_shown_to_nobody_and_erased_with_the_rest(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co", "canary-answer")
    assert "canary-answer" in json.dumps(only(world)) and "canary-answer" not in json.dumps(only(world)["fields"])
    shown = [
        admin(world, "GET", "/admin/submissions"),
        admin(world, "POST", "/admin/leads/search", b'{"email":"ana@x.co"}'),
        admin(world, "GET", "/admin/leads"),
        admin(world, "GET", "/admin/outbox"),
    ]
    assert [answer.status for answer in shown] == [200] * 4
    assert b"ana@x.co" in shown[0].body and not any(b"canary" in answer.body for answer in shown)
    assert admin(world, "POST", "/admin/leads/erase", b'{"email":"ana@x.co"}').body == b'{"erased":1}'
    assert world.rows("submissions") == [] and "canary" not in json.dumps(
        {k: list(v) for k, v in world.store.dump().items()}
    )
    assert b"canary" not in b"".join(file.read_bytes() for file in world.runtime.root.glob("leads.sqlite3*"))


def test_released_by_the_owner_it_is_not_asked_about(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co")
    admin(world, "POST", f"/admin/submissions/{only(world)['id']}/release")
    cloudflare.say()
    world.runtime.drain()
    assert only(world)["source"] == {} and len(cloudflare.got) == 1


def test_many_are_judged_and_while_it_is_down_only_one_is_asked_about(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    for number in range(120):
        submit(world, f"a{number}@x.co")
    asked = len(cloudflare.got)
    assert world.runtime.review() == 0 and len(cloudflare.got) == asked + 1
    cloudflare.say()
    assert world.runtime.review() == 120
    assert len(world.rows("leads")) == 120


def test_a_site_without_turnstile_asks_its_store_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = World(tmp_path, document({"plain": form(name="plain")}))
    monkeypatch.setattr(made.store, "submissions", lambda query: pytest.fail("asked"))
    assert made.runtime.review() == 0
    made.close()


def test_a_verifier_that_hangs_holds_up_no_sending(
    world: World, cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the host that delivers by itself: mails leave while the verifier is being waited for, and afterwards it is released."""
    monkeypatch.setattr(asgi, "REVIEW_SECONDS", 0.05)
    cloudflare.status = 503
    submit(world, "held@x.co")
    cloudflare.say()
    cloudflare.gate.clear()

    async def run() -> None:
        app = asgi.App(world.runtime)
        messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()

        async def send(message: Any) -> None:
            pass

        host = asyncio.create_task(app({"type": "lifespan"}, messages.get, send))
        await messages.put({"type": "lifespan.startup"})
        await until(lambda: len(cloudflare.got) == 2)
        await asyncio.to_thread(world.submit, "plain", "email=quick%40x.co")
        app.kick()
        await until(lambda: "quick@x.co" in {str(mail["to"]) for mail in world.mails})
        assert world.rows("leads")[0]["email"] == "quick@x.co" and len(world.rows("leads")) == 1
        cloudflare.gate.set()
        await until(lambda: "held@x.co" in {str(mail["to"]) for mail in world.mails})
        host.cancel()
        for task in (app._task, app._reviewing):
            assert task is not None
            task.cancel()

    asyncio.run(run())


async def until(done: Callable[[], bool]) -> None:
    """Fails after a time that nothing here takes."""
    ends = time.monotonic() + 30
    while not done():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


def test_two_reviews_at_once_release_once(world: World, cloudflare: Cloudflare) -> None:
    cloudflare.status = 503
    submit(world, "ana@x.co")
    cloudflare.say()
    threads = [threading.Thread(target=world.runtime.review) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    world.runtime.drain()
    assert len(world.rows("leads")) == 1 and len([m for m in world.mails if m["to"] == "ana@x.co"]) == 1
