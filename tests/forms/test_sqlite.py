"""The SQLite store: durable settings, transactions, groups, faults, erasure and leases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from magnetgen.forms.records import Changes, Count, Decide, Delivery, Idem, Lead, LeadQuery, Load, Snapshot, Submission
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import StoreUnavailable, open_store
from magnetgen.forms.store.sqlite import QUARANTINE_MS, SqliteStore, journal_mode

CANARY = "canary-7f3a@private.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leads.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    yield made
    made.close()


def lead(number: int = 1, **more: object) -> Lead:
    made = Lead(f"{number:032x}", "news", CANARY, f"key{number}", "confirmed", {"email": CANARY}, (), 1000 + number)
    return replace(made, **more)  # type: ignore[arg-type]


def sent(number: int, of: str | None, status: str = "accepted", **more: object) -> Submission:
    made = Submission(f"s{number}", "news", of, CANARY, "key1", status, "", {"email": CANARY}, (), {}, 1000 + number, 5)
    return replace(made, **more)  # type: ignore[arg-type]


def delivery(id: str, **more: object) -> Delivery:
    return replace(Delivery(id, lead().id, "news", "crm", "lead.created", id, {"email": CANARY}, 1000), **more)  # type: ignore[arg-type]


def write(store: SqliteStore, changes: Changes) -> object:
    return store.submit(Load(), lambda _: changes).result(timeout=20)


def see(store: SqliteStore, load: Load) -> Snapshot:
    found = store.submit(load, lambda snapshot: Changes(answer=snapshot)).result(timeout=20)
    assert isinstance(found, Snapshot)
    return found


@pytest.mark.parametrize(
    ("version", "mode"),
    [((3, 40, 1), "truncate"), ((3, 44, 5), "truncate"), ((3, 44, 6), "wal"), ((3, 45, 0), "truncate"),
     ((3, 50, 6), "truncate"), ((3, 50, 7), "wal"), ((3, 51, 2), "truncate"), ((3, 51, 3), "wal"), ((3, 52, 0), "wal")],
)  # fmt: skip
def test_wal_only_where_it_is_sound(version: tuple[int, ...], mode: str) -> None:
    assert journal_mode(version) == mode


def test_every_connection_is_durable(store: SqliteStore) -> None:
    connection = store._connect()
    found = {
        p: connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("synchronous", "foreign_keys", "secure_delete")
    }
    assert found == {"synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == journal_mode()
    connection.close()


def test_the_file_is_for_its_owner_only(store: SqliteStore, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_written_is_loaded(store: SqliteStore) -> None:
    idem = Idem("news", "k" * 16, "print", {"next": "x"}, 99, "s1")
    held = sent(2, None, "held", applied_at=None)
    changes = Changes(
        "done",
        idem,
        (lead(),),
        (sent(1, lead().id, applied_at=None), held),
        (delivery("d1", dest="mail", kind="mail:confirm"),),
    )
    assert write(store, changes) == "done"
    found = see(store, Load("news", ("x", "k" * 16), "key1", every_form=True, since=1, count_max=9, mails_since=1))
    assert (found.idem, found.lead, found.leads) == (idem, lead(), (lead(),))
    assert found.waiting == (sent(1, lead().id, applied_at=None),)
    assert (found.loose, found.count, found.mails) == (1, 2, (("mail:confirm", 1000),))
    assert see(store, Load(submission="s2")).submission == held


def test_a_decision_that_raises_writes_nothing_and_harms_no_other(store: SqliteStore) -> None:
    gate = threading.Event()
    store.submit(Load(), lambda _: (gate.wait(10), Changes())[1])

    def fails(_: Snapshot) -> Changes:
        raise ZeroDivisionError

    futures = [store.submit(Load(), decide) for decide in (lambda _: Changes("a", leads=(lead(1),)), fails, lambda _: Changes("b", leads=(lead(2),)))]  # fmt: skip
    gate.set()
    assert futures[0].result(9) == "a" and futures[2].result(9) == "b"
    with pytest.raises(ZeroDivisionError):
        futures[1].result(9)
    assert len(store.leads(LeadQuery())) == 2


def test_a_write_that_fails_half_way_is_undone_alone(store: SqliteStore) -> None:
    gate = threading.Event()
    store.submit(Load(), lambda _: (gate.wait(10), Changes())[1])
    half = Changes(leads=(lead(1),), submissions=(sent(1, lead(1).id, fields={"x": object()}),))
    futures = [store.submit(Load(), lambda _, made=made: made) for made in (half, Changes("b", leads=(lead(2),)))]  # type: ignore[misc]
    gate.set()
    assert isinstance(futures[0].exception(9), TypeError) and futures[1].result(9) == "b"
    assert [found.id for found in store.leads(LeadQuery())] == [lead(2).id]


def test_a_write_that_breaks_a_rule_is_undone_as_a_whole(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(1), replace(lead(2), email_key="key1"))))
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(3),), submissions=(sent(1, "nobody"),)))
    assert store.leads(LeadQuery()) == []


def test_many_threads_and_one_person_make_one_lead(store: SqliteStore) -> None:
    def once(number: int) -> bool:
        def decide(found: Snapshot) -> Changes:
            return Changes(False) if found.lead else Changes(True, leads=(lead(number, email_key="same"),))

        return bool(store.submit(Load("news", email_key="same"), decide).result(20))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(once, range(400))) == 1


def test_two_stores_on_one_file_lose_and_double_nothing(path: Path) -> None:
    stores = [SqliteStore(path), SqliteStore(path)]

    def once(number: int) -> object:
        key = f"key{number // 2}"
        decide: Decide = lambda found: Changes(0) if found.lead else Changes(1, leads=(lead(number, email_key=key),))  # noqa: E731
        return stores[number % 2].submit(Load("news", email_key=key), decide).result(30)

    with ThreadPoolExecutor(16) as pool:
        assert sum(map(int, map(str, pool.map(once, range(400))))) == 200
    for store in stores:
        store.close()


def test_a_locked_store_is_unavailable_and_recovers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetgen.forms.store.sqlite.BUSY_MS", 20)
    monkeypatch.setattr("magnetgen.forms.store.sqlite.TRIES", 2)
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(),)))
    other.execute("ROLLBACK")
    write(store, Changes(leads=(lead(),)))
    assert see(store, Load(lead=lead().id)).lead == lead()
    other.close()
    store.close()


def test_a_newer_file_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(sqlite3.DatabaseError, match="version 9"):
        SqliteStore(path)


def test_erasing_leaves_no_byte_of_the_address(store: SqliteStore, path: Path) -> None:
    held = sent(2, None, "held", applied_at=None)
    idem = Idem("news", "k" * 16, "print", {"next": CANARY}, 99, "s1")
    notice = delivery("d2", lead="", kind="mail:notify", cause="s2")
    write(
        store,
        Changes(idem=idem, leads=(lead(),), submissions=(sent(1, lead().id), held), outbox=(delivery("d1"), notice)),
    )
    assert CANARY.encode() in path.read_bytes()
    write(store, Changes(erase="key1", suppress=("key1", "erased"), now=7))
    store.close()
    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert CANARY.encode() not in left
    again = SqliteStore(path)
    found = {row["id"]: (row["state"], row["last_code"], row["body"]) for row in again.dump()["outbox"]}
    assert found == {"d1": ("dead", "erased", {}), "d2": ("dead", "erased", {})}
    assert see(again, Load("news", email_key="key1")).suppressed == "erased"
    assert not again.retry("d1", 9)
    again.close()


def test_leases(store: SqliteStore) -> None:
    write(
        store,
        Changes(
            leads=(lead(),),
            outbox=(delivery("a", next_at=10), delivery("b", next_at=5), delivery("c", dest="x", next_at=99)),
        ),
    )
    assert store.lease(4, 30, 9, (), ()) == []
    assert [d.id for d in store.lease(10, 30, 9, (), ())] == ["b", "a"]
    assert store.lease(11, 30, 9, (), ()) == []
    assert [(d.id, d.attempts) for d in store.lease(30_010, 30, 1, (), ())] == [("b", 2), ("c", 1)]
    store.finish("b", 1, "200")
    store.fail("a", 1, "500", 77)
    store.fail("c", 1, "500", 99)
    assert [d.id for d in store.lease(50, 30, 9, (), {"x"})] == ["c"]
    store.fail("c", 1, "410", None)
    assert {d.id: (d.state, d.last_code) for d in store.outbox()} == {
        "a": ("due", "500"),
        "b": ("done", "200"),
        "c": ("dead", "410"),
    }
    assert [d.id for d in store.outbox("dead")] == ["c"]
    store.hasten("crm", 60)
    assert [d.id for d in store.lease(60, 30, 9, {"x"}, ())] == ["a"]
    store.disable("x", 1, True)
    assert store.disabled() == {"x"}
    assert store.retry("c", 70) and store.disabled() == set()
    assert store.lease(70, 30, 9, {"x"}, ()) == []
    assert [(d.id, d.attempts) for d in store.lease(70, 30, 9, (), ())] == [("c", 1)]
    assert not store.retry("nothing", 1)


def test_a_clock_that_was_set_back_leaves_nothing_leased(store: SqliteStore) -> None:
    day = 86_400_000
    write(store, Changes(leads=(lead(),), outbox=(delivery("a", next_at=5),)))
    assert store.lease(day, 30, 9, (), ())
    assert store.lease(day - 60_000, 30, 9, (), ()) == []
    assert [d.id for d in store.lease(1000, 30, 9, (), ())] == ["a"]


def test_a_full_disk_is_never_a_success_and_recovers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path)
    connect = store._connect
    pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0] + 2

    def small() -> sqlite3.Connection:
        connection = connect()
        connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    monkeypatch.setattr(store, "_connect", small)
    kept, refused = 0, 0
    for number in range(1000):
        try:
            write(store, Changes(leads=(lead(number, data={"x": "y" * 3000}),)))
            kept += 1
        except StoreUnavailable as exc:
            assert str(exc) == "SQLITE_FULL"
            refused += 1
    assert len(store.leads(LeadQuery(limit=2000))) == kept < 5 and refused == 1000 - kept
    monkeypatch.undo()
    write(store, Changes(leads=(lead(6000, data={"x": "y" * 9000}),)))
    store.close()


def test_one_cause_is_delivered_once(store: SqliteStore) -> None:
    write(store, Changes(leads=(lead(),), outbox=(delivery("a"), delivery("b", cause="a"))))
    assert [d.id for d in store.outbox()] == ["a"]


def test_leads_are_paged_newest_first(store: SqliteStore) -> None:
    write(store, Changes(leads=tuple(lead(n, created_at=1000 + n // 2) for n in range(9))))
    seen: list[Lead] = []
    after = None
    while page := store.leads(LeadQuery(after=after, limit=2)):
        seen += page
        after = (page[-1].created_at, page[-1].id)
    assert seen == store.leads(LeadQuery()) and len(seen) == 9
    assert [found.created_at for found in seen] == sorted((found.created_at for found in seen), reverse=True)
    assert len(store.leads(LeadQuery(since=1003))) == 3
    assert store.leads(LeadQuery(form="other")) == store.leads(LeadQuery(status="pending")) == []


def test_counting(store: SqliteStore) -> None:
    counts = [Count("m:1", "k", 5, 60), Count("h:1", "k", 30, 3600)]
    assert [store.rate(counts, 1) for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]
    store.purge(61)
    assert store.rate(counts, 61) == [1, 4]


def test_a_damaged_counter_refuses_nobody(store: SqliteStore, path: Path) -> None:
    path.with_name(path.name + "-rate").write_bytes(b"rubbish" * 1000)
    assert store.rate([Count("m:1", "k", 5, 60)], 1) == [0]
    assert store.rate([Count("m:1", "k", 5, 60)], 1) == [1]


def test_purging(store: SqliteStore) -> None:
    write(
        store, Changes(idem=Idem("news", "a", "p", {}, 10), submissions=(sent(1, None, "quarantined", created_at=0),))
    )
    write(store, Changes(idem=Idem("news", "b", "p", {}, 99, "s1")))
    store.purge(20)
    assert [row["key"] for row in store.dump()["idem"]] == ["b"]
    store.purge(QUARANTINE_MS + 1)
    assert store.dump()["submissions"] == store.dump()["idem"] == []


def test_a_closed_store_is_unavailable_and_finishes_what_it_took(path: Path) -> None:
    store = SqliteStore(path)
    futures = [store.submit(Load(), lambda _, n=n: Changes(n, leads=(lead(n),))) for n in range(50)]  # type: ignore[misc]
    store.close()
    assert [future.result(1) for future in futures] == list(range(50))
    with pytest.raises(StoreUnavailable):
        write(store, Changes())


def test_probe(store: SqliteStore) -> None:
    store.probe(5)
    store.probe(6)


def test_probes_at_once_do_not_take_each_other_for_faults(store: SqliteStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.probe, range(200)))


@pytest.mark.parametrize(
    ("url", "says"), [("mysql://x", "sqlite:///path"), ("", "sqlite:///path"), ("postgresql://x", "PostgreSQL")]
)
def test_other_stores_are_refused(url: str, says: str) -> None:
    with pytest.raises(SiteFault, match=says):
        open_store(url)


def test_functions_refuse_sqlite(path: Path) -> None:
    with pytest.raises(SiteFault, match="PostgreSQL"):
        open_store(f"sqlite:///{path}", serverless=True)


KILLED = """
import sys
from pathlib import Path
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.forms.records import Changes, Lead, Load
store = SqliteStore(Path(sys.argv[1]))
for n in range(1, 9):
    made = Lead(f"{n:032x}", "news", "a@b.co", f"key{n}", "confirmed", {}, (), n)
    store.submit(Load(), lambda _: Changes(leads=(made,))).result()
    print(n, flush=True)
"""


@pytest.mark.parametrize(("name", "kept"), [("begin", 2), ("written", 2), ("committed", 3)])
def test_a_killed_process_has_kept_what_it_acknowledged(path: Path, name: str, kept: int) -> None:
    env = {
        "MAGNETGEN_TEST": "1",
        "MAGNETGEN_FAILPOINT": f"{name}:3",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -9 and done.stdout.split() == ["1", "2"]
    store = SqliteStore(path)
    assert len(store.leads(LeadQuery())) == kept
    store.close()
