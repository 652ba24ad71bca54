"""Single-use codes, over each store: who gets which, that nobody gets another's, and what is left when all are gone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from magnetgen.forms import failpoint, tokens
from magnetgen.forms import site as sites
from magnetgen.forms.asgi import App
from magnetgen.forms.mail import Sent, content
from magnetgen.forms.records import Changes, Claim, LeadQuery, Load, Snapshot
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import Store, StoreUnavailable, codes, open_store, postgres_locks, schema
from magnetgen.forms.store.connection import Connection, Cursor
from tests.forms.data import KEYS, document, form
from tests.forms.rows import CANARY, lead, sent, write
from tests.forms.world import SCRIPT, World

CODES = tuple(f"CODE-{number:03}" for number in range(500))
BETA = {"kind": "discount", "title": "Beta", "codes": list(CODES)}
SITE = document({"beta": form(name="beta", magnet="beta", per_hour=0)}, magnets={"beta": BETA})


def claim(store: Store, number: int, listed: tuple[str, ...] = ("A", "B"), magnet: str = "beta") -> str:
    """A new lead that claims a code, and what it has then."""
    made = lead(number)
    write(store, Changes(leads=(made,), claim=Claim(magnet, listed, made.id), now=5))
    return store.codes((made.id,)).get(made.id, {}).get(magnet, "")


# The store


def test_codes_go_out_in_order_and_one_to_each(store: Store) -> None:
    assert [claim(store, number) for number in (1, 2, 3)] == ["A", "B", ""]
    assert claim(store, 1) == "A" and claim(store, 3) == ""
    assert store.codes(()) == {}
    assert store.codes([lead(1).id, lead(3).id, "nobody"]) == {lead(1).id: {"beta": "A"}}


def test_a_lead_has_one_code_of_each_magnet(store: Store) -> None:
    claim(store, 1)
    assert claim(store, 1, ("A", "X"), "other") == "A"
    assert store.codes((lead(1).id,)) == {lead(1).id: {"beta": "A", "other": "A"}}


def test_a_list_that_grows_shrinks_and_turns_round_hands_out_what_is_free(store: Store) -> None:
    assert claim(store, 1, ("A", "B", "C")) == "A"
    assert claim(store, 2, ("C", "B", "A")) == "C"
    assert claim(store, 3, ("A", "C")) == ""
    assert claim(store, 3, ("A", "C", "D")) == "D"
    assert claim(store, 4, ("B",)) == "B"


def test_an_erased_leads_code_is_nobodys_again(store: Store) -> None:
    claim(store, 1)
    write(store, Changes(erase="key1", now=9))
    assert store.find_lead(lead(1).id) is None and store.codes((lead(1).id,)) == {}
    assert [claim(store, number) for number in (2, 1, 3)] == ["B", "", ""]


def test_the_version_before_erases_a_lead_that_has_a_code(store: Store) -> None:
    claim(store, 1)
    erase = "DELETE FROM lead WHERE email_key=?"  # and not a word of codes
    store._do(lambda connection: connection.execute(erase, ("key1",)))  # type: ignore[attr-defined]
    assert store.find_lead(lead(1).id) is None and store.codes((lead(1).id,)) == {}
    assert claim(store, 2) == "B"


def test_a_claim_that_is_undone_hands_out_nothing(store: Store) -> None:
    half = Changes(leads=(lead(1),), claim=Claim("beta", ("A",), lead(1).id), now=5)
    broken = Changes(leads=(lead(1),), submissions=(sent(1, lead(1).id, fields={"x": object()}),), claim=half.claim)
    with pytest.raises(TypeError):
        write(store, broken)
    assert claim(store, 2, ("A",)) == "A"
    with pytest.raises(StoreUnavailable):
        # Nobody has a code who is no lead.
        write(store, Changes(claim=Claim("beta", ("B",), "nobody"), now=5))


def test_what_is_gone_is_not_looked_through_again(store: Store) -> None:
    """The time of a claim does not tell how many came before, and so not whether this lead had a code already."""
    for number in range(50):
        assert claim(store, number, CODES) == CODES[number]
    store._do(lambda connection: connection.execute("UPDATE code SET code='x' WHERE code=?", (CODES[3],)))  # type: ignore[attr-defined]
    assert claim(store, 50, CODES) == CODES[50]
    # Another list, though it reads the same, is looked through from its beginning.
    assert claim(store, 51, (*CODES[:200], "END")) == CODES[3]
    for number in range(52, 501):
        claim(store, number, CODES)
    store._do(lambda connection: connection.execute("UPDATE code SET code='y' WHERE code=?", (CODES[9],)))  # type: ignore[attr-defined]
    assert claim(store, 501, CODES) == "" == claim(store, 502, CODES)
    assert claim(store, 501, (*CODES, "MORE")) == CODES[9]
    assert claim(store, 502, (*CODES, "MORE", "MORE")) == "MORE"
    assert claim(store, 503, (*CODES, "MORE", "MORE")) == ""


def test_what_was_seen_gone_in_a_transaction_that_is_undone_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two decisions under one commit, which fails: the second has seen the first one's code as taken."""
    store = open_store(f"sqlite:///{tmp_path}/leads.sqlite3")
    gate, commits = threading.Event(), iter([True, False])

    def fail(name: str) -> None:
        if name == "written" and not next(commits, True):
            raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(failpoint, "hit", fail)
    started = threading.Event()

    def hold_up(connection: Connection) -> None:
        started.set()
        gate.wait(10)

    store._queue(hold_up)  # type: ignore[attr-defined]
    started.wait(10)
    work = [Changes(leads=(lead(n),), claim=Claim("beta", CODES, lead(n).id), now=5) for n in (1, 2)]
    waiting = [store.submit(Load(), partial(_decided, one)) for one in work]
    gate.set()
    for decision in waiting:
        with pytest.raises(StoreUnavailable):
            decision.result(20)
    assert claim(store, 3, CODES) == CODES[0]
    store.close()


def _decided(changes: Changes, found: Snapshot) -> Changes:
    return changes


def test_clearing_takes_codes_too(store: Store) -> None:
    claim(store, 1)
    store.clear()
    assert claim(store, 2) == "A"


def test_many_threads_on_two_connections_get_each_code_once(url: str) -> None:
    stores = [open_store(url), open_store(url)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: claim(stores[n % 2], n, CODES[:100]), range(160)))
    for store in stores:
        store.close()
    assert sorted(filter(None, found)) == sorted(CODES[:100]) and found.count("") == 60


@pytest.mark.parametrize(("keys", "expected"), [(True, ["A", "B"]), (False, ["A", "A"])])
def test_the_tables_keys_alone_keep_a_code_from_two_leads(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, keys: bool, expected: list[str]
) -> None:
    """Two that claim side by side, as without the lock: both see the same free code, and one of them has to try again."""
    meet = _FirstTimes(2)
    monkeypatch.setattr(postgres_locks, "hold_codes", lambda connection, magnet: None)
    monkeypatch.setattr(codes, "hand_out", partial(_hand_out_together, codes.hand_out, meet))
    store = open_store(postgres_url)
    write(store, Changes(leads=(lead(1), lead(2))))
    if not keys:
        store._do(lambda connection: connection.execute("ALTER TABLE code DROP CONSTRAINT code_pkey"))  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda number: claim_of(store, number), (1, 2))) == expected
    store.close()


def _hand_out_together(hand_out: Any, meet: _FirstTimes, connection: Connection, *given: Any) -> None:
    hand_out(_Meeting(connection, meet), *given)


class _Meeting:
    """A connection that waits for the other before it writes a code."""

    def __init__(self, connection: Connection, meet: _FirstTimes) -> None:
        self._connection, self._meet = connection, meet

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        if query.startswith("INSERT INTO code"):
            self._meet.wait(10)
        return self._connection.execute(query, values)


class _FirstTimes:
    """A barrier that lets pass whoever comes again."""

    def __init__(self, parties: int) -> None:
        self._barrier, self._left, self._lock = threading.Barrier(parties), parties, threading.Lock()

    def wait(self, seconds: float) -> None:
        with self._lock:
            self._left -= 1
            first = self._left >= 0
        if first:
            self._barrier.wait(seconds)


def claim_of(store: Store, number: int) -> str:
    id = lead(number).id
    work = Changes(claim=Claim("beta", ("A", "B"), id), now=5)
    store.submit(Load(lead=id), lambda _: work).result(20)
    return store.codes((id,))[id]["beta"]


# Stores of the version before


def test_a_sqlite_store_of_the_version_before_gets_the_table_and_may_go_back(tmp_path: Path) -> None:
    path = tmp_path / "leads.sqlite3"
    with closing(sqlite3.connect(path)) as old, old:
        for statement in schema.for_sqlite():
            if "TABLE IF NOT EXISTS code(" not in statement:
                old.execute(statement)
        old.execute("PRAGMA user_version=1")
        old.execute(
            "INSERT INTO lead VALUES(?,'news',?,'key1','confirmed','{}','[]',5,NULL,NULL,NULL)", (lead(1).id, CANARY)
        )
    store = open_store(f"sqlite:///{path}")
    assert store.codes((lead(1).id,)) == {}
    assert claim_of(store, 1) == "A"
    store.close()
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_postgresql_store_of_the_version_before_gets_the_table_and_may_go_back(postgres_url: str) -> None:
    store = open_store(postgres_url)
    write(store, Changes(leads=(lead(1),)))
    store._do(lambda connection: connection.execute("DROP TABLE code"))  # type: ignore[attr-defined]
    store.close()
    store = open_store(postgres_url)
    assert claim_of(store, 1) == "A"
    version = store._read(lambda connection: connection.execute("SELECT version FROM version").fetchone())  # type: ignore[attr-defined]
    assert version == (1,)
    store._do(lambda connection: connection.execute("UPDATE version SET version=?", (schema.VERSION + 1,)))  # type: ignore[attr-defined]
    store.close()
    with pytest.raises(SiteFault, match="install the newer one"):
        open_store(postgres_url)


# The handler


class _Host:
    """The ASGI application on a store, and what came of each submission."""

    def __init__(self, root: Path, store: Store) -> None:
        self.world = World(root, SITE, store)
        self.app = App(self.world.runtime, background=False)

    def submit_all(self, people: range) -> list[tuple[int, dict[str, Any]]]:
        async def all_at_once() -> list[tuple[int, dict[str, Any]]]:
            return await asyncio.gather(*(self._submit(number) for number in people))

        return asyncio.run(all_at_once())

    async def _submit(self, number: int) -> tuple[int, dict[str, Any]]:
        body = f"email=p{number}%40x.co&_mg_t=9000".encode()
        headers = [(name.encode(), value.encode()) for name, value in SCRIPT.items()]
        headers += [(b"content-length", str(len(body)).encode()), (b"host", b"site.example")]
        scope = {
            "type": "http", "method": "POST", "path": "/api/forms/beta", "raw_path": b"/api/forms/beta",
            "query_string": b"", "headers": headers, "client": (f"10.{number >> 8}.{number & 255}.1", 1),
            "http_version": "1.1", "scheme": "https",
        }  # fmt: skip
        given = iter([{"type": "http.request", "body": body, "more_body": False}])
        out: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            try:
                return next(given)
            except StopIteration:
                await asyncio.sleep(3600)
                raise

        async def send(message: dict[str, Any]) -> None:
            out.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return out[0]["status"], json.loads(b"".join(part.get("body", b"") for part in out[1:]))


def test_a_thousand_at_once_and_five_hundred_codes(
    tmp_path: Path, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    host = _Host(tmp_path, store)
    answers = host.submit_all(range(1000))
    assert {status for status, _ in answers} == {202}
    # The answers tell nobody whether there was a code: they differ in their tokens alone.
    assert {(frozenset(said), said["ok"], said["status"]) for _, said in answers} == {
        (frozenset({"ok", "status", "next"}), True, "accepted")
    }
    assert len({len(said["next"]) for _, said in answers}) == 1
    leads = {found.id: found for found in store.leads(LeadQuery(limit=2000))}
    had = {id: of["beta"] for id, of in store.codes(leads).items()}
    assert len(leads) == 1000 and sorted(had.values()) == sorted(CODES)
    waiting = store.outbox("due", 2000)
    assert sorted(delivery.lead for delivery in waiting if delivery.kind == "mail:deliver") == sorted(leads)
    composer = host.world.runtime.deliverer.composer
    for delivery in waiting:
        mail = composer.compose(delivery, leads[delivery.lead], host.world.now, had.get(delivery.lead, ""))
        is_gone = mail["Subject"] == "No code at the moment: Beta"
        assert is_gone == (delivery.lead not in had) and "CODE-" not in content(mail, "plain") + content(mail, "html")
    host.world.close()
    logged = "".join(capfd.readouterr())
    assert "CODE-" not in logged and "x.co" not in logged


_ONE_OF_EIGHT = """
import sys
from pathlib import Path
from magnetgen.forms.store import open_store
from tests.forms.test_codes import SITE, World
number, root, url = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
world = World(root, SITE, open_store(url))
world.client = 125 * number
print("ready", flush=True)
sys.stdin.readline()
statuses = [world.submit("beta", f"email=p{n}%40x.co&_mg_t=9000").status for n in range(125 * number, 125 * (number + 1))]
world.close()
print(sorted(set(statuses)), flush=True)
"""


def test_eight_processes_hand_out_of_one_list(tmp_path: Path, url: str) -> None:
    command = [sys.executable, "-c", _ONE_OF_EIGHT]
    running = [
        subprocess.Popen([*command, str(n), str(tmp_path), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
        for n in range(8)
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120)[0] for process in running] == ["[202]\n"] * 8
    store = open_store(url)
    found = store.codes([row["id"] for row in store.dump()["leads"]])
    assert sorted(had["beta"] for had in found.values()) == sorted(CODES)
    store.close()


def said(world: World, answer: Any) -> dict[str, Any]:
    token = json.loads(answer.body)["next"].partition("#")[2]
    found: dict[str, Any] = json.loads(world.request("GET", f"/download/{token}", accept="application/json").body)
    return found


def small(tmp_path: Path, listed: list[str], **more: Any) -> World:
    return World(tmp_path, document({"beta": form(name="beta", magnet="beta", **more)}, magnets={"beta": {**BETA, "codes": listed}}))  # fmt: skip


def sold_out(tmp_path: Path) -> World:
    """The only code was somebody's who is erased."""
    world = small(tmp_path, ["GONE"])
    gone = "INSERT INTO code VALUES('beta','GONE',NULL,1)"
    world.store._do(lambda connection: connection.execute(gone))  # type: ignore[attr-defined]
    return world


def test_who_may_get_no_more_mails_still_gets_the_code_on_the_page(tmp_path: Path) -> None:
    world = sold_out(tmp_path)
    for _ in range(6):
        answer = world.submit("beta", "email=ana%40x.co&_mg_t=9000")
        world.now += 3600
    assert len([row for row in world.rows("outbox") if row["kind"] == "mail:deliver"]) == 5
    world.close()
    world = small(tmp_path, ["GONE", "LATE"])
    world.now += 6 * 3600
    answer = world.submit("beta", "email=ana%40x.co&_mg_t=9000")
    assert said(world, answer)["code"] == "LATE"
    assert len([row for row in world.rows("outbox") if row["kind"] == "mail:deliver"]) == 5
    world.close()


def test_the_mail_says_what_is_so_when_it_is_sent(tmp_path: Path) -> None:
    """Who had come too late and got a code before the mail left is told of no lack."""
    world = small(tmp_path, ["ONE"])
    world.outcome = lambda dest: Sent(False, "451")
    world.submit("beta", "email=ana%40x.co&_mg_t=9000")
    world.submit("beta", "email=bob%40x.co&_mg_t=9000")
    world.runtime.drain()
    world.close()
    world = small(tmp_path, ["ONE", "TWO"])
    world.now += 900
    world.submit("beta", "email=bob%40x.co&_mg_t=9000")
    world.runtime.drain()
    bobs = [mail for mail in world.mails if mail["To"] == "bob@x.co"]
    assert [mail["Subject"] for mail in bobs] == ["Here it is: your download from site.example"] * 2
    world.close()


def test_a_look_a_head_and_a_scanner_take_no_code(tmp_path: Path) -> None:
    world = sold_out(tmp_path)
    answer = world.submit("beta", "email=ana%40x.co&_mg_t=9000")
    world.close()
    world = small(tmp_path, ["GONE", "LATE"])
    token = json.loads(answer.body)["next"].partition("#")[2]
    for method in ("GET", "HEAD", "GET"):
        assert world.request(method, f"/download/{token}", accept="text/html").status == 200
    assert said(world, answer) == {"ok": True, "code": None} and world.rows("leads")[0]["downloaded_at"] is None
    assert world.request("POST", f"/download/{token}", accept="application/json").status == 202
    assert said(world, answer)["code"] == "LATE"
    world.close()


def test_a_form_that_gives_another_magnet_now_gives_its_leads_a_code_of_that(tmp_path: Path) -> None:
    magnets = {"beta": {**BETA, "codes": ["ONE"]}, "gamma": {**BETA, "codes": ["TWO"]}}
    for name, code in (("beta", "ONE"), ("gamma", "TWO"), ("beta", "ONE")):
        world = World(tmp_path, document({"beta": form(name="beta", magnet=name)}, magnets=magnets))
        world.now += {"ONE": 0, "TWO": 3600}[code]
        assert said(world, world.submit("beta", "email=ana%40x.co&_mg_t=9000"))["code"] == code
        world.close()


def test_a_token_of_another_magnet_opens_nothing(tmp_path: Path) -> None:
    world = small(tmp_path, ["ONE"])
    world.submit("beta", "email=ana%40x.co&_mg_t=9000")
    id = world.rows("leads")[0]["id"]
    token = tokens.issue(KEYS, tokens.DOWNLOAD, "beta", id, world.now, bytes(16), "gamma")
    assert world.request("GET", f"/download/{token}").status == 404
    world.close()


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"kind": None}, "no text"),
        ({"codes": "ABC"}, "no list"),
        ({"codes": ["A", ""]}, "no list"),
        ({"codes": []}, "nothing to give in 'beta'"),
        ({"code": 1}, "no text"),
        ({"valid_for": 0}, "valid_for"),
        ({"valid_for": True}, "valid_for"),
        ({"valid_for": 31_622_401}, "valid_for"),
        ({"holes": {"join_url": None}}, "no text"),
    ],
)
def test_a_magnet_of_forms_json_that_is_odd_is_a_fault(odd: dict[str, Any], says: str) -> None:
    with pytest.raises(SiteFault, match=f"{says}.*build the site again"):
        sites.from_data(document({}, magnets={"beta": {**BETA, **odd}}))
    with pytest.raises(SiteFault, match="kind"):
        sites.from_data(document({}, magnets={"beta": {"title": "Beta"}}))
