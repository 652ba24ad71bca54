"""Where the handler's parts meet: probes and schedules, leases and slow servers, mails under way, headers, hosts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from magnetgen.forms import aws, outgoing, site, tokens
from magnetgen.forms.handler import network
from magnetgen.forms.mail import Sent, Smtp
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import Store, sqlite
from magnetgen.forms.store.postgres import PostgresStore
from magnetgen.forms.store.sqlite import SqliteStore
from tests.forms.data import EMAIL, EVERYTHING, KEYS, document, form
from tests.forms.world import SCRIPT, World


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        return SqliteStore(tmp_path / "leads.sqlite3")
    return PostgresStore(request.getfixturevalue("postgres_url"))


def hooks(world: World) -> list[Any]:
    return [row for row in world.rows("outbox") if row["dest"] == "crm"]


def mails(world: World) -> list[tuple[str, str]]:
    return [(row["state"], row["last_code"]) for row in world.rows("outbox") if row["dest"] == "mail"]


# Probes


def test_probes_of_a_destination_that_is_away_use_up_no_attempts(tmp_path: Path, store: Store) -> None:
    world = World(tmp_path, store=store)
    for number in range(3):
        world.submit("plain", f"email=a{number}%40x.co&_mg_t=9000")
    world.outcome = lambda dest: Sent(dest == "mail", "200")
    for _ in range(180):
        world.runtime.drain()
        world.now += 60
    assert {row["state"] for row in hooks(world)} == {"due"}
    world.outcome = lambda dest: Sent(True, "200")
    world.runtime.drain()
    assert {row["state"] for row in hooks(world)} == {"done"}
    world.close()


def test_a_destination_that_stays_away_is_given_up_after_the_whole_schedule(world: World) -> None:
    world.submit("plain", "email=a%40x.co&_mg_t=9000")
    world.outcome = lambda dest: Sent(dest == "mail", "500")
    start, schedule = world.now, 0.8 * (5 + 300 + 1800 + 7200 + 18_000 + 36_000 + 50_400 + 72_000 + 86_400)
    while hooks(world)[0]["state"] != "dead":
        world.runtime.drain()
        world.now += 300
        assert world.now < start + 5 * 86_400
    assert world.now - start >= schedule
    assert hooks(world)[0]["attempts"] == 10


def test_a_probe_waits_as_long_as_the_destination_asks(world: World) -> None:
    for number in range(5):
        world.submit("plain", f"email=a{number}%40x.co&_mg_t=9000")
    world.outcome = lambda dest: Sent(True, "200") if dest == "mail" else Sent(False, "429", retry_after=3600)
    world.runtime.drain()
    assert len(world.hooks) == 5
    for _ in range(59):
        world.now += 60
        world.runtime.drain()
    assert len(world.hooks) == 5
    world.now += 120
    world.runtime.drain()
    assert len(world.hooks) == 6


# Leases and mails under way


def test_a_slow_server_sends_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    other = World(tmp_path, store=world.store)
    for number in range(8):
        world.submit("plain", f"email=a{number}%40x.co&_mg_t=9000")
    count = 0

    def slow(dest: str) -> Sent:
        nonlocal count
        if dest == "mail":
            count, world.now = count + 1, world.now + 25
            other.now = world.now
            if count == 7:
                other.runtime.deliverer.drain()
        return Sent(True, "250")

    world.outcome = slow
    world.runtime.deliverer.drain()
    world.now = other.now = world.now + 3600
    other.runtime.deliverer.drain()
    sent = sorted(str(mail["To"]) for mail in (*world.mails, *other.mails))
    assert sent == sorted(f"a{number}@x.co" for number in range(8))
    world.close()


def test_who_unsubscribes_while_a_mail_is_under_way_does_not_get_it(world: World) -> None:
    world.submit("book", "email=first%40x.co&_mg_t=9000")
    world.now += 1
    world.submit("book", "email=second%40x.co&_mg_t=9000")
    lead = next(row["id"] for row in world.rows("leads") if row["email"] == "second@x.co")
    token = tokens.issue(KEYS, tokens.UNSUBSCRIBE, "book", lead, world.now, bytes(16))

    def unsubscribing(dest: str) -> Sent:
        if dest == "mail" and not world.mails:
            world.now += 1
            assert world.request("POST", f"/unsubscribe/{token}").status == 200
        return Sent(True, "250")

    world.outcome = unsubscribing
    world.runtime.drain()
    assert [str(mail["To"]) for mail in world.mails] == ["first@x.co"]
    assert mails(world) == [("done", "250"), ("dead", "cancelled")]
    # Who asks for it again afterwards gets it.
    world.now += 1
    world.submit("book", "email=second%40x.co&_mg_t=9000&first_name=Bo")
    world.runtime.drain()
    assert str(world.mails[-1]["To"]) == "second@x.co"


# Mails


def test_an_encoded_word_in_an_address_becomes_no_other_recipient(world: World) -> None:
    world.submit("plain", "email=%3D%3Futf-8%3Fq%3Fvictim%3D40evil.example%3D2C_x%3F%3D%40x.co&_mg_t=9000")
    world.runtime.drain()
    assert world.mails == []
    assert mails(world) == [("dead", "header")]


def test_an_encoded_word_in_an_address_is_nobody_to_reply_to(tmp_path: Path) -> None:
    world = World(tmp_path, document({"plain": form(name="plain", notify=["email:owner@site.example"])}))
    world.submit("plain", "email=%3D%3Futf-8%3Fq%3Fvictim%3D40evil.example%3F%3D%40x.co&_mg_t=9000")
    world.runtime.drain()
    assert [str(mail["To"]) for mail in world.mails] == ["owner@site.example"]
    assert "Reply-To" not in world.mails[0]
    world.close()


def test_the_one_click_address_is_written_as_it_is(world: World) -> None:
    world.submit("book", "email=a%40x.co&_mg_t=9000")
    world.runtime.drain()
    raw = world.mails[0].as_bytes()
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe: "))
    assert line.startswith(b"List-Unsubscribe: <https://site.example/api/unsubscribe/mg1.k1.")
    assert line.endswith(b">")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = BytesParser(policy=policy.default).parsebytes(raw)
    assert read["List-Unsubscribe"] == line.decode().partition(" ")[2]


@pytest.fixture
def rude() -> Iterator[tuple[int, list[str]]]:
    """An SMTP server that takes a mail and has no time for a goodbye."""
    taken: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as file:

            def say(text: bytes) -> None:
                file.write(text + b"\r\n")
                file.flush()

            say(b"220 here")
            while line := file.readline().strip().upper():
                if line == b"DATA":
                    say(b"354 go on")
                    while file.readline().strip() != b".":
                        continue
                    taken.append("mail")
                say(b"421 no time" if line == b"QUIT" else b"250 fine")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], taken
    listening.close()
    thread.join(5)


def test_what_a_server_says_to_a_goodbye_does_not_unsend_a_mail(rude: tuple[int, list[str]]) -> None:
    port, taken = rude
    message = EmailMessage()
    message["From"], message["To"] = "a@x.co", "b@x.co"
    message.set_content("Hello")
    assert Smtp(False, "127.0.0.1", port, "", "").send(message) == Sent(True, "250")
    assert taken == ["mail"]


# Submissions


@pytest.mark.parametrize(("before", "status"), [("_mg_hp=x", "quarantined"), ("_mg_t=10", "held")])
def test_what_a_trap_caught_swallows_no_person_with_the_same_answers(world: World, before: str, status: str) -> None:
    world.submit("plain", f"email=ana%40x.co&{before}")
    for _ in range(2):
        assert world.submit("plain", "email=ana%40x.co&_mg_t=9000").status == 202
    assert sorted(row["status"] for row in world.rows("submissions")) == sorted([status, "accepted"])
    assert len(world.rows("leads")) == 1


ADMIN = {"authorization": f"Bearer {KEYS.admin}", "content_type": "application/json"}


def release(world: World) -> int:
    [id] = [row["id"] for row in world.rows("submissions") if row["status"] != "accepted"]
    return world.request("POST", f"/admin/submissions/{id}/release", b"", **ADMIN).status


@pytest.mark.parametrize(("name", "link"), [("plain", False), ("double", True)])
def test_what_is_released_late_overwrites_nothing_newer(world: World, name: str, link: bool) -> None:
    world.submit(name, "email=ANA%40x.co&first_name=Old&_mg_t=10")
    world.now += 60
    world.submit(name, "email=ana%40x.co&first_name=New&_mg_t=9000")
    world.now += 60
    assert release(world) == 200
    if link:
        token = tokens.issue(KEYS, tokens.CONFIRM, name, world.rows("leads")[0]["id"], world.now, bytes(16))
        assert world.request("POST", f"/confirm/{token}").status == 303
    assert [(row["email"], row["data"]["first_name"]) for row in world.rows("leads")] == [("ana@x.co", "New")]


def test_without_a_consent_that_the_form_demands_nothing_is_released(world: World) -> None:
    world.submit("news", "email=ana%40x.co&_mg_hp=x")
    assert release(world) == 422
    assert world.rows("leads") == []


@pytest.mark.parametrize("limit", ["0", "201", "1_0", "%D9%A3", "-1"])
def test_a_limit_is_plain_digits(world: World, limit: str) -> None:
    assert world.request("GET", f"/admin/leads?limit={limit}", b"", **ADMIN).status == 400


def test_many_choices_too_stay_below_20_kb(tmp_path: Path) -> None:
    options = [f"{'é' * 190}{number:02}" for number in range(10)]
    boxes = [{"name": f"c{n}", "type": "checkbox", "options": options, "max": 200} for n in range(6)]
    world = World(
        tmp_path,
        document({"big": form(name="big", fields=[EMAIL, *boxes])}, destinations=EVERYTHING["destinations"]),
    )
    answers = {"email": "a@x.co", "_mg_t": 9000} | {f"c{n}": options for n in range(6)}
    assert world.submit("big", json.dumps(answers, ensure_ascii=False), content_type="application/json").status == 202
    world.runtime.drain()
    body = world.hooks[0][2]
    assert len(body) < outgoing.BODY_MAX
    assert json.loads(body)["data"]["truncated"] is True
    assert json.loads(body)["data"]["fields"]["email"] == "a@x.co"
    world.close()


# Hosts


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_without_an_admin_token_no_method_tells_that_there_are_routes(world: World, method: str) -> None:
    world.runtime = replace(world.runtime, keys=replace(KEYS, admin=""))
    for path in ("leads", "leads/erase", "drain", "nothing"):
        assert world.request(method, f"/admin/{path}").status == 404


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("https://Site.Example/api/", "https://site.example/api"),
        ("https://site.example:443/api", "https://site.example/api"),
        ("http://[::1]:8787/api", "http://[::1]:8787/api"),
    ],
)
def test_a_public_address_is_read_as_browsers_write_it(given: str, wanted: str) -> None:
    assert site.from_data(EVERYTHING, given).public_url == wanted


@pytest.mark.parametrize("given", ["site.example/api", "ftp://site.example/api", "https:///api", "https://x.co/a?b=c"])
def test_what_is_no_public_address_is_refused(given: str) -> None:
    with pytest.raises(SiteFault, match="MAGNETGEN_PUBLIC_URL"):
        site.from_data(EVERYTHING, given)


def test_a_function_behind_a_proxy_counts_its_clients_apart(world: World) -> None:
    world.runtime = replace(world.runtime, proxies=1)

    def post(number: int, forwarded: str) -> int:
        headers = {**SCRIPT, "x-forwarded-for": forwarded}
        event = {
            "requestContext": {"http": {"method": "POST", "sourceIp": "198.51.100.9"}},
            "rawPath": "/api/forms/plain",
            "headers": headers,
            "body": f"email=a{number}%40x.co&_mg_t=9000",
        }
        return int(aws.answer(world.runtime, event, "r")["statusCode"])

    assert {post(number, f"203.0.113.{number}, 198.51.100.9") for number in range(8)} == {202}
    # What a client claims of itself changes nothing.
    assert [post(20 + n, f"10.0.0.{n}, 203.0.113.99, 198.51.100.9") for n in range(6)] == [202] * 5 + [429]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("203.0.113.7:5678", "203.0.113.7"), ("[2001:db8::1]:99", "2001:db8::/64"), ("2001:db8::1", "2001:db8::/64")],
)
def test_a_port_is_no_part_of_a_client(given: str, wanted: str) -> None:
    assert network(given) == wanted


def test_an_erasure_empties_the_write_ahead_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "journal_mode", lambda: "wal")
    world = World(tmp_path)
    world.submit("plain", "email=canary-77%40x.co&_mg_t=9000")
    log = tmp_path / "leads.sqlite3-wal"
    assert b"canary-77" in log.read_bytes()
    headers = {"authorization": f"Bearer {KEYS.admin}", "content_type": "application/json"}
    assert world.request("POST", "/admin/leads/erase", b'{"email":"canary-77@x.co"}', **headers).status == 200
    assert [path.name for path in tmp_path.glob("leads*") if b"canary-77" in path.read_bytes()] == []
    world.close()


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("2026-05-28", 200), ("2026-05-28T20:26:40", 200), ("2026-05-28T22:26:40.000%2B02:00", 200), ("2026-05-28T20:26:40.001Z", 200),
        ("20260528", 200), ("2026-W22-4", 400), ("2026-05-28T20", 400), ("2026-05-28T22:26:40+02:00", 400), ("2026-02-30", 400),
    ],
)  # fmt: skip
def test_leads_since_a_date_in_the_one_form_that_every_handler_reads(world: World, asked: str, status: int) -> None:
    world.submit("plain", "email=ana%40x.co&_mg_t=9000")
    found = world.request("GET", f"/admin/leads?since={asked}", authorization=f"Bearer {KEYS.admin}")
    assert found.status == status
    if status == 200:
        assert len(json.loads(found.body)["leads"]) == (0 if asked.endswith(".001Z") else 1)


def test_a_lead_that_was_held_for_a_while_is_new_when_it_is_released(world: World) -> None:
    world.submit("plain", "email=late%40x.co&_mg_t=1")
    held = world.rows("submissions")[0]
    world.now += 3600
    asked = int(world.now * 1000) - 1000
    bearer = f"Bearer {KEYS.admin}"
    assert world.request("POST", f"/admin/submissions/{held['id']}/release", authorization=bearer).status == 200
    found = json.loads(world.request("GET", f"/admin/leads?since={asked}", authorization=bearer).body)
    assert [lead["email"] for lead in found["leads"]] == ["late@x.co"]
