"""What is SQLite's alone: durable settings, the file, locks, a full disk, and bytes that are gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from magnetgen.forms.records import Changes, Count, Idem, LeadQuery, Load
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import StoreUnavailable, open_store
from magnetgen.forms.store.sqlite import SqliteStore, journal_mode, make_private
from tests.forms.rows import CANARY, delivery, lead, see, sent, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leads.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    yield made
    made.close()


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
    with pytest.raises(SiteFault, match="version 9"):
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


def test_a_damaged_counter_refuses_nobody(store: SqliteStore, path: Path) -> None:
    path.with_name(path.name + "-rate").write_bytes(b"rubbish" * 1000)
    assert store.rate([Count("m:1", "k", 5, 60)], 1) == [0]
    assert store.rate([Count("m:1", "k", 5, 60)], 1) == [1]


def test_probes_at_once_do_not_take_each_other_for_faults(store: SqliteStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.probe, range(200)))


def test_functions_refuse_sqlite(path: Path) -> None:
    with pytest.raises(SiteFault, match="PostgreSQL"):
        open_store(f"sqlite:///{path}", serverless=True)


@pytest.mark.parametrize(("url", "says"), [("mysql://x", "sqlite:///path"), ("", "sqlite:///path")])
def test_other_stores_are_refused(url: str, says: str) -> None:
    with pytest.raises(SiteFault, match=says):
        open_store(url)


def test_opening_a_store_again_lets_go_of_no_lock(store: SqliteStore, path: Path) -> None:
    """Closing any descriptor of a file drops all locks that the process has on it (fcntl)."""
    holding = store._connect()
    holding.execute("BEGIN EXCLUSIVE")
    make_private(path)
    rest = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    other = subprocess.run([sys.executable, "-c", rest, str(path)], capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr
    holding.execute("ROLLBACK")
    holding.close()


def test_closing_waits_for_who_reads(path: Path) -> None:
    """A connection that is closed under a reader takes the process with it; so this runs in one of its own."""
    program = """
import sys, threading
from pathlib import Path
from magnetgen.forms.records import LeadQuery
from magnetgen.forms.store import StoreUnavailable
from magnetgen.forms.store.sqlite import SqliteStore

def read(store):
    try:
        while True:
            store.leads(LeadQuery())
            store.lease(0, 1, 1, (), ())
    except StoreUnavailable:
        pass

for turn in range(40):
    store = SqliteStore(Path(sys.argv[1]))
    threads = [threading.Thread(target=read, args=(store,)) for _ in range(4)]
    for thread in threads: thread.start()
    store.close()
    for thread in threads: thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
