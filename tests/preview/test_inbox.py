"""The inbox's pages apart from the preview: who may press its buttons, hostile values, a real store, small parts."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import escape
from starlette.requests import Request

from magnetgen.forms import files
from magnetgen.forms.records import Lead, Submission
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.preview import inbox_words, mailbox
from magnetgen.preview.guard import Guard
from magnetgen.preview.inbox import inbox_app, same_origin
from magnetgen.preview.mailbox import Shelf, framed, linked
from tests.forms.data import document, form
from tests.forms.world import World as Handler
from tests.preview.test_funnel_world import World, call, request, running, served, write_site

ID = "0123456789abcdef" * 2
HERE = Guard("127.0.0.1", 80)
HOSTILE = {
    "script": "<script>document.title='broken'</script>",
    "attribute": "\"'><img src=x onerror=document.title='broken'>",
    "template": "{{ 7*7 }}{% raw %}",
    "link": "javascript:document.title='broken'//http://x/",
    "right to left": "\u202eתפוס\u202d מימין",
    "long": "w" * 4000,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(write_site(tmp_path / "site")) as found:
        yield found


def paths(world: World) -> list[str]:
    """Every page that the lists lead to, and the lists."""
    found = ["/_magnetgen/leads", "/_magnetgen/mail", "/_magnetgen/deliveries"]
    pattern = re.compile(r'href="(/_magnetgen/(?:leads|mail|deliveries)/[^"?]+)"')
    for path in list(found):
        found += pattern.findall(world.get(path))
    found += [f"{path}/{part}" for path in found if path.endswith(".eml") for part in ("html", "raw")]
    return list(dict.fromkeys(found))


def buttons(world: World) -> list[str]:
    """Every form's address on every page."""
    pattern = re.compile(r'<form method="post" action="/_magnetgen([^"]+)"')
    return sorted({found for path in paths(world) for found in pattern.findall(world.ask("GET", path).text)})


def fill(world: World, value: str = "Ana") -> None:
    """A lead of each sort: accepted, waiting, held, quarantined; a delivery that failed."""
    world.press("/deliveries/switch", dest="crm", failure="500")
    message = {"first_name": value[:200], "message": value}
    source = json.dumps({"last": {"page": "/letters-page/", "utm_source": value[:200]}})
    world.submit("letters", email="cy@example.com", letters="yes", _mg_src=source, **message)
    world.submit("guide", email="ana@example.com", first_name=value[:200])
    world.submit("guide", email="ana@example.com", first_name="Again")
    world.submit("letters", email="held@example.com", letters="yes", _mg_t="10", **message)
    world.submit("letters", email="bot@example.com", letters="yes", _mg_hp=value[:200], **message)
    world.link("confirm")
    world.until(lambda: world.mails("New lead") or world.mails("Welcome"))
    world.until(lambda: "Failed, next try" in world.get("/_magnetgen/deliveries"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_are_harmless_on_every_page(world: World, kind: str) -> None:
    value = HOSTILE[kind]
    fill(world, value)
    found = paths(world)
    assert len(found) >= 12
    for path in found:
        answer = world.ask("GET", path)
        assert answer.status == 200, path
        if path.endswith("/raw"):
            assert answer.headers["content-type"].startswith("text/plain")
            continue
        assert "<script>document" not in answer.text and "<img src=x" not in answer.text, path
        assert 'href="javascript' not in answer.text, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    shown = world.get(world.person("cy@example.com")["page"])
    assert escape(value) in shown, "it is there, as text"
    assert "held@example.com" in world.get("/_magnetgen/leads")


def test_only_pages_of_the_inbox_may_press_its_buttons(world: World) -> None:
    fill(world)
    found = buttons(world)
    assert len(found) >= 8 and any("/release" in path for path in found) and "/mail/delete" in found
    before = world.funnel.counts()
    wrong: list[dict[str, str]] = [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{world.port}"},
        {"origin": f"https://127.0.0.1:{world.port}"},
        {"origin": world.origin, "sec_fetch_site": "cross-site"},
        {"origin": world.origin, "sec_fetch_site": "same-site"},
    ]
    for path in found:
        for headers in wrong:
            answer = world.ask("POST", f"/_magnetgen{path}", "dest=mail&failure=500", **headers)
            assert answer.status == 403, (path, headers)
    assert world.funnel.counts() == before
    assert world.get("/_magnetgen/deliveries").count("Every attempt meets") == 1, "only what fill had set"
    for path in found:
        assert world.ask("GET", f"/_magnetgen{path}").status in (404, 405), path


def test_the_origin_is_that_of_the_address() -> None:
    def asked(**headers: str) -> bool:
        return same_origin(Request(request({"host": "localhost:8000", **headers}, "/")))

    assert asked(origin="http://localhost:8000")
    assert not asked(origin="http://localhost:8001") and not asked() and not asked(origin="")


@pytest.mark.parametrize(
    "path",
    [f"/mail/..%2f..%2f{files.PREVIEW.secrets}", f"/mail/{files.PREVIEW.secrets}", f"/mail/000000000000000-00000-{ID}.eml",
     f"/mail/{ID}/html", f"/leads/{ID}", "/leads/x", f"/deliveries/{ID}", "/inbox/..%2finbox.py", "/inbox/x.css"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(world: World, path: str) -> None:
    answer = world.ask("GET", f"/_magnetgen{path}")
    assert answer.status == 404 and "MAGNETGEN_" not in answer.text


@pytest.mark.parametrize("path", [f"/leads/{ID}/forget", f"/leads/held/{ID}/forget", f"/deliveries/{ID}/retry"])
def test_what_is_gone_cannot_be_pressed(world: World, path: str) -> None:
    assert world.press(path).status == 404


def test_a_large_form_does_nothing(world: World) -> None:
    assert world.press("/deliveries/switch", dest="crm", failure="500", more="x" * 5000).status == 404


def test_the_empty_inbox_says_how_to_begin(world: World) -> None:
    page = world.get("/_magnetgen/leads")
    assert "No lead yet" in page and f'href="{world.origin}/guide-page/' in page
    assert "No mail yet" in world.get("/_magnetgen/mail")
    assert "Nothing to send yet" in world.get("/_magnetgen/deliveries")


def test_many_leads_and_mails_come_in_pages(world: World) -> None:
    for number in range(55):
        world.submit("letters", email=f"lead{number}@example.com", letters="yes")
    world.until(lambda: len(world.mails()) == 55)
    for kind in ("leads", "mail"):
        first = world.get(f"/_magnetgen/{kind}")
        older = re.search(r'href="(\?after=[^"]+)"', first)
        assert older
        second = world.get(f"/_magnetgen/{kind}{older[1]}")
        seen = [set(re.findall(r"lead\d+@example.com", text)) for text in (first, second)]
        assert len(seen[0]) == 50 and len(seen[1]) == 5 and not seen[0] & seen[1]
        assert "?after=" not in second
    assert "No older leads" in world.get(f"/_magnetgen/leads?after=1-{ID}")


def test_a_store_that_cannot_be_read_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from magnetgen.forms.store import StoreUnavailable

    def gone(*_: Any) -> Any:
        raise StoreUnavailable("SQLITE_BUSY")

    monkeypatch.setattr(world.funnel._store, "_read", gone)
    for path in ("/leads", "/mail", "/deliveries"):
        answer = world.ask("GET", f"/_magnetgen{path}")
        assert answer.status == 503 and "Not available" in answer.text and "SQLITE" not in answer.text
    assert world.ask("POST", "/_magnetgen/mail/delete", "").status == 503
    assert world.press("/deliveries/drain").status == 503


# A store of its own


@pytest.fixture
def real(tmp_path: Path) -> Iterator[World]:
    """The inbox over the store of a handler that has leads."""
    with served(write_site(tmp_path / "site")) as world:
        fill(world)
    root = tmp_path / "site" / ".magnetgen"
    (root / files.PREVIEW.store).rename(root / files.REAL.store)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = inbox_app(
            tmp_path / "site",
            files.store_url(tmp_path / "site", files.REAL),
            Guard("127.0.0.1", listening.getsockname()[1]),
        )
        with running(app, listening):
            yield World(world.site, world.funnel, listening.getsockname()[1])


def test_the_inbox_of_a_real_store(real: World) -> None:
    assert real.ask("GET", "/").location == "/_magnetgen/leads"
    page = real.get("/_magnetgen/leads")
    assert "cy@example.com" in page and "Real leads" in page and "/_magnetgen/mail" not in page
    assert "Something did not arrive" not in page
    assert real.ask("GET", "/_magnetgen/mail").status == 404
    deliveries = real.get("/_magnetgen/deliveries")
    assert "Fail with" not in deliveries and "Send what is due" not in deliveries
    assert real.press("/deliveries/switch", dest="crm", failure="500").status == 404
    for path in re.findall(r'href="(/_magnetgen/(?:leads|deliveries)/[^"?]+)"', page + deliveries):
        assert "captured" not in real.get(path).lower()


def test_a_real_lead_is_released_retried_and_erased(real: World) -> None:
    page = real.get("/_magnetgen/leads")
    release = re.search(r"/_magnetgen(/leads/held/[0-9a-f]{32}/release)", page)
    assert release and "done=released" in real.press(release[1]).location
    assert "Held <span" not in real.get("/_magnetgen/leads")
    retry = re.search(r"/_magnetgen(/deliveries/[0-9a-f]{32}/retry)", real.get("/_magnetgen/deliveries"))
    assert retry and "done=due" in real.press(retry[1]).location
    lead = real.person("held@example.com")
    assert "Erase for good" in real.get(lead["page"])
    assert "done=erased" in real.press(f"/leads/{lead['id']}/forget").location
    assert "held@example.com" not in real.get("/_magnetgen/leads")
    store = SqliteStore(files.path(real.site.root, files.REAL.store))
    try:
        assert [row["reason"] for row in store.dump()["suppression"]] == ["erased"], "a real erasure is remembered"
    finally:
        store.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{}", 200),
        ("127.0.0.1:{}", 200),
        ("[::1]:{}", 200),
        ("evil.example:{}", 421),
        ("[::1", 421),
        ("", 421),
        ("127.0.0.1:1", 421),
    ],
)
def test_the_inbox_answers_this_machine_only(real: World, host: str, status: int) -> None:
    assert real.ask("GET", "/_magnetgen/leads", host=host.format(real.port)).status == status


def test_the_previews_inbox_alone(tmp_path: Path) -> None:
    with served(write_site(tmp_path / "site")) as world:
        fill(world)
    app = inbox_app(tmp_path / "site", None, HERE)
    status, _, body = asyncio.run(call(app, request({"host": "localhost"}, "/_magnetgen/mail", "GET")))
    assert status == 200 and b"Please confirm your address" in body


def test_a_leads_code_is_shown(tmp_path: Path) -> None:
    magnets = {"beta": {"kind": "discount", "title": "Beta", "codes": ["A&1"]}}
    data = document({"beta": form(name="beta", magnet="beta")}, magnets=magnets)
    handler = Handler(tmp_path, data)
    for name in ("ana", "ben"):
        handler.submit("beta", f"email={name}%40x.co&_mg_t=9000")
        handler.now += 1
    ana, ben = (row["id"] for row in handler.rows("leads"))
    handler.close()
    (tmp_path / ".magnetgen").mkdir()
    files.path(tmp_path, files.REAL.forms).write_text(json.dumps(data))
    app = inbox_app(tmp_path, f"sqlite:///{tmp_path}/leads.sqlite3", HERE)
    pages = [
        asyncio.run(call(app, request({"host": "localhost"}, f"/_magnetgen/leads/{id}", "GET")))[2].decode()
        for id in (ana, ben)
    ]
    assert "<dt>Code</dt><dd><code><bdi>A&amp;1</bdi></code></dd>" in pages[0] and "<dt>Code</dt>" not in pages[1]


def test_a_site_that_was_never_built(tmp_path: Path) -> None:
    app = inbox_app(tmp_path, None, HERE)
    status, _, body = asyncio.run(call(app, request({"host": "localhost"}, "/_magnetgen/leads", "GET")))
    assert status == 200 and b"There is no built form" in body
    with pytest.raises(SiteFault):
        inbox_app(tmp_path, "mysql://x", HERE)


# Small parts


def test_a_shelf_keeps_the_newest(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", ".eml", limit=3)
    assert shelf.names() == []
    for number in range(5):
        shelf.put(f"{number:032x}", b"%d" % number, 1000 + number)
    assert [shelf.read(name) for name in shelf.names()] == [b"4", b"3", b"2"]
    assert len(list((tmp_path / "shelf").iterdir())) == 3
    assert shelf.of({f"{3:032x}"}) == [shelf.names()[1]]
    shelf.forget({f"{3:032x}"})
    assert [shelf.read(name) for name in shelf.names()] == [b"4", b"2"]
    shelf.clear()
    assert shelf.names() == [] and shelf.read(f"000000000000001-00000-{ID}.eml") is None


@pytest.mark.parametrize("id", ["../../x", "", "x" * 32, f"{ID}/../x"])
def test_a_shelf_takes_no_path_for_an_id(tmp_path: Path, id: str) -> None:
    shelf = Shelf(tmp_path / "shelf", ".eml")
    name = shelf.put(id, b"x", 1)
    assert name.endswith(f"-{mailbox.NO_ID}.eml") and (tmp_path / "shelf" / name).read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../secrets", "", ".eml", f"000000000000001-00000-{ID}.json", "x\0.eml"])
def test_a_shelf_reads_nothing_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "secrets").write_text("x")
    shelf = Shelf(tmp_path / "shelf", ".eml")
    shelf.put(ID, b"x", 1)
    assert shelf.read(name) is None


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("See http://x.example/a.", [("See ", False), ("http://x.example/a", True), (".", False)]),
        ("(https://x.example/?a=1&b=2)", [("(", False), ("https://x.example/?a=1&b=2", True), (")", False)]),
        ('"http://x/"<b>', [('"', False), ("http://x/", True), ('"<b>', False)]),
        ("javascript:alert(1) data:x", [("javascript:alert(1) data:x", False)]),
        ("", []),
    ],
)
def test_addresses_in_a_text(text: str, pieces: list[tuple[str, bool]]) -> None:
    assert linked(text) == pieces


def test_a_framed_mail_leads_out_of_its_frame() -> None:
    assert framed("<p>x").endswith('<base target="_top"><title>Mail</title></head><body><p>x')
    assert framed("<html><HEAD lang=de><base target=_self>") == (
        '<html><HEAD lang=de><base target="_top"><base target=_self>'
    )
    assert "<body><header>" in framed("<header>x</header>")


@pytest.mark.parametrize(
    ("delivery", "said"),
    [
        ({"state": "due", "attempts": 0, "next_at": 0}, "Waiting"),
        ({"state": "due", "attempts": 1, "next_at": 4000}, "Failed, next try in under a minute"),
        ({"state": "due", "attempts": 2, "next_at": 300_000}, "Failed, next try in 5 min"),
        ({"state": "due", "attempts": 5, "next_at": 36_000_000}, "Failed, next try in 10 h"),
        ({"state": "due", "attempts": 5, "next_at": -1}, "Failed, next try now"),
        ({"state": "leased"}, "On its way"),
        ({"state": "done"}, "Delivered"),
        ({"state": "dead", "last_code": "550"}, "Given up"),
        ({"state": "dead", "last_code": "cancelled"}, "Cancelled"),
    ],
)
def test_a_delivery_in_words(delivery: dict[str, Any], said: str) -> None:
    assert inbox_words.state(delivery, 0)[1] == said
    assert inbox_words.state(SimpleNamespace(**delivery), 0)[1] == said


@pytest.mark.parametrize(
    ("reason", "source", "said"),
    [
        ("time", {"took_ms": 1234}, "Sent 1.2 s after loading."),
        ("time", {}, "Sent too soon after loading."),
        ("volume", {}, "The form had its 600 submissions of the hour."),
        ("honeypot", {}, "The field that no visitor sees was filled in, as machines do."),
        ("another", {}, "another"),
    ],
)
def test_why_a_submission_is_held(reason: str, source: dict[str, Any], said: str) -> None:
    sent = Submission(ID, "f", None, "", None, "held", reason, {}, (), source, 0)
    assert inbox_words.reason(sent, None) == said


def test_the_states_of_a_lead_in_words() -> None:
    lead = Lead(ID, "f", "a@example.com", "", "confirmed", {}, (), 0)
    assert inbox_words.lead_status(lead)[1] == "Accepted"
    assert inbox_words.lead_status(Lead(ID, "f", "a", "", "confirmed", {}, (), 0, 5))[1] == "Confirmed"
