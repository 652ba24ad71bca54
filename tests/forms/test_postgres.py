"""What is PostgreSQL's alone: its settings, its restarts and crashes, connections that die, and addresses with passwords."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from magnetgen.forms.records import Changes, Count, Lead, LeadQuery, Load, Snapshot
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import StoreUnavailable, open_store, postgres_link
from magnetgen.forms.store.postgres import CONNECTIONS, PostgresStore
from tests.forms.postgres import PASSWORD, Server, backends, freeze, thaw
from tests.forms.rows import CANARY, lead, see, write

COUNTS = [Count("m:1", "k", 5, 60)]


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    made = PostgresStore(postgres_url)
    yield made
    made.close()


def written_in_the_end(store: PostgresStore, made: Lead) -> int:
    """How often it was refused before it was taken."""
    for refused in range(200):
        try:
            write(store, Changes(leads=(made,)))
        except StoreUnavailable:
            time.sleep(0.1)
        else:
            return refused
    raise AssertionError("it never recovers")


def setting(store: PostgresStore, name: str) -> str:
    def ask(connection: Any) -> str:
        return str(connection.execute(f"SHOW {name}").fetchone()[0])

    return store._do(ask)


@pytest.mark.parametrize(
    ("name", "value"),
    [("synchronous_commit", "on"), ("transaction_isolation", "read committed"), ("statement_timeout", "5s"),
     ("idle_in_transaction_session_timeout", "10s"), ("search_path", "magnetgen"), ("client_encoding", "UTF8")],
)  # fmt: skip
def test_every_transaction_is_durable_and_bounded(
    postgres: Server, postgres_url: str, store: PostgresStore, name: str, value: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {database} SET synchronous_commit = off")
    assert setting(store, name) == value
    other = PostgresStore(postgres_url)
    assert setting(other, name) == value
    other.close()


def test_a_database_that_does_not_wait_for_its_disk_is_overruled_at_each_commit(
    postgres: Server, postgres_url: str
) -> None:
    """Seen from the server: between commit and answer its log has been flushed."""
    postgres.ask(f"ALTER DATABASE {postgres_url.rpartition('/')[2]} SET synchronous_commit = off")
    store = PostgresStore(postgres_url)
    for number in range(20):
        before = str(postgres.ask("SELECT pg_current_wal_insert_lsn()")[0][0])
        write(store, Changes(leads=(lead(number),)))
        assert postgres.ask(f"SELECT pg_current_wal_flush_lsn() > '{before}'::pg_lsn") == [(True,)]
    store.close()


def test_a_restart_in_the_middle_loses_nothing_that_was_acknowledged(postgres: Server, store: PostgresStore) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def send(first: int) -> None:
        number = first
        while not stop.is_set():
            made = lead(number)
            try:
                write(store, Changes(leads=(made,)))
            except StoreUnavailable:
                time.sleep(0.01)
            else:
                acknowledged.append(made.id)
            number += 4

    threads = [threading.Thread(target=send, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for happens in (postgres.restart, postgres.crash):
        have = len(acknowledged)
        while len(acknowledged) < have + 40:
            time.sleep(0.01)
        happens()
    have = len(acknowledged)
    while len(acknowledged) < have + 40:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join(60)
    kept = {found.id for found in store.leads(LeadQuery(limit=1_000_000))}
    assert set(acknowledged) <= kept and len(acknowledged) >= 120


def test_a_stopped_server_is_unavailable_and_comes_back(postgres: Server, store: PostgresStore) -> None:
    write(store, Changes(leads=(lead(1),)))
    postgres.stop()
    try:
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                write(store, Changes(leads=(lead(2),)))
        with pytest.raises(StoreUnavailable):
            store.probe(1)
        assert store.rate(COUNTS, 1) == [0]
    finally:
        postgres.start()
    written_in_the_end(store, lead(2))
    assert len(store.leads(LeadQuery())) == 2
    store.probe(2)


def test_connections_that_were_ended_while_idle_are_made_anew(
    postgres: Server, postgres_url: str, store: PostgresStore
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write(store, Changes(leads=(lead(n),))), range(40)))
    assert store.rate(COUNTS, 1) == [1]
    ended = backends(postgres, postgres_url)
    assert ended
    for pid in ended:
        postgres.ask(f"SELECT pg_terminate_backend({pid}, 5000)")
    # Nobody notices: nothing had been begun.
    for number in range(40, 60):
        write(store, Changes(leads=(lead(number),)))
    assert len(store.leads(LeadQuery(limit=99))) == 60
    assert store.rate(COUNTS, 1) == [0] and store.rate(COUNTS, 1) == [2]


def test_a_connection_that_is_ended_in_the_middle_is_decided_again(
    postgres: Server, postgres_url: str, store: PostgresStore
) -> None:
    turns: list[int] = []

    def decide(found: Snapshot) -> Changes:
        turns.append(len(turns))
        if len(turns) == 1:
            for pid in backends(postgres, postgres_url):
                postgres.ask(f"SELECT pg_terminate_backend({pid}, 5000)")
        return Changes(len(turns), leads=(lead(1),))

    assert store.submit(Load("news", email_key="key1"), decide).result(30) == 2
    assert [found.id for found in store.leads(LeadQuery())] == [lead(1).id]


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    postgres: Server, postgres_url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, turns = postgres_link.Link._ask, []

    def lost(self: Any, query: bytes, values: Any = None) -> Any:
        answer = ask(self, query, values)
        if query == b"COMMIT":
            turns.append(1)
            self._connection.close()
            return ask(self, b"SELECT 1")
        return answer

    monkeypatch.setattr(postgres_link.Link, "_ask", lost)
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(1),)))
    monkeypatch.undo()
    assert len(turns) == 1 and store.find_lead(lead(1).id) == lead(1)


def test_a_commit_that_no_standby_has_seen_is_no_success(
    postgres: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = postgres_link.BEGIN.replace(b"statement_timeout = 5000", b"statement_timeout = 100")
    monkeypatch.setattr(postgres_link, "BEGIN", short)
    monkeypatch.setattr(postgres_link, "SILENT_SECONDS", 1.0)
    postgres.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    postgres.restart()
    try:
        with pytest.raises(StoreUnavailable):
            write(store, Changes(leads=(lead(1),)))
    finally:
        postgres.ask("ALTER SYSTEM RESET synchronous_standby_names")
        postgres.restart()
    written_in_the_end(store, lead(2))


def test_a_server_that_says_nothing_is_not_waited_for(
    postgres: Server, postgres_url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "SILENT_SECONDS", 0.5)
    write(store, Changes(leads=(lead(1),)))
    assert store.rate(COUNTS, 1) == [1]
    frozen = backends(postgres, postgres_url)
    for pid in frozen:
        freeze(pid)
    try:
        # Its connections are cut, and others are made: for deciding as for counting.
        written_in_the_end(store, lead(2))
        assert store.rate(COUNTS, 1) in ([0], [2])
    finally:
        for pid in frozen:
            thaw(pid)
    assert len(store.leads(LeadQuery())) == 2


def test_who_waits_too_long_for_another_is_told(
    postgres: Server, postgres_url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = postgres_link.BEGIN.replace(b"statement_timeout = 5000", b"statement_timeout = 100")
    monkeypatch.setattr(postgres_link, "BEGIN", short)
    gate, begun = threading.Event(), threading.Event()

    def slow(_: Snapshot) -> Changes:
        begun.set()
        gate.wait(30)
        return Changes("slow")

    first = store.submit(Load("news", email_key="key1"), slow)
    begun.wait(30)
    with pytest.raises(StoreUnavailable, match="QueryCanceled"):
        see(store, Load("news", email_key="key1"))
    assert see(store, Load("news", email_key="key2")).lead is None
    gate.set()
    assert first.result(30) == "slow"


def test_counting_is_shared_and_lost_in_a_crash_alone(
    postgres: Server, postgres_url: str, store: PostgresStore
) -> None:
    other = PostgresStore(postgres_url)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: (store, other)[n % 2].rate(COUNTS, 1)[0], range(60)))
    # One that waited too long is let in uncounted; what is counted is counted once.
    assert sorted(n for n in found if n) == list(range(1, max(found) + 1)) and max(found) > 30
    other.close()
    kept = "SELECT relpersistence::text FROM pg_class WHERE relname = 'rate'"
    assert postgres.ask(kept, postgres_url.rpartition("/")[2]) == [("u",)]
    write(store, Changes(leads=(lead(1),)))
    postgres.crash()
    written_in_the_end(store, lead(2))
    assert len(store.leads(LeadQuery())) == 2
    assert next(n for n in (store.rate(COUNTS, 1)[0] for _ in range(3)) if n) == 1


def test_a_counter_that_is_broken_refuses_nobody(postgres: Server, postgres_url: str, store: PostgresStore) -> None:
    database = postgres_url.rpartition("/")[2]
    postgres.ask("ALTER TABLE magnetgen.rate RENAME TO elsewhere", database)
    assert store.rate(COUNTS, 1) == [0]
    postgres.ask("ALTER TABLE magnetgen.elsewhere RENAME TO rate", database)
    assert store.rate(COUNTS, 1) == [1]


def test_it_takes_no_more_connections_than_it_says(postgres: Server, postgres_url: str, store: PostgresStore) -> None:
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda n: (store.rate(COUNTS, 1), write(store, Changes(leads=(lead(n),)))), range(120)))
    assert 0 < len(backends(postgres, postgres_url)) <= CONNECTIONS + 1
    store.close()
    assert backends(postgres, postgres_url) == []


def test_a_server_without_a_connection_left_says_so_and_harms_no_store_that_has_one(
    postgres: Server, postgres_url: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    postgres.ask(f"CREATE ROLE few_{database} LOGIN CONNECTION LIMIT 1 PASSWORD '{PASSWORD}'")
    postgres.ask(f"CREATE SCHEMA magnetgen AUTHORIZATION few_{database}", database)
    url = postgres_url.replace("//postgres:", f"//few_{database}:")
    store = PostgresStore(url)
    written_in_the_end(store, lead(1))
    with pytest.raises(SiteFault, match="no connection left"):
        PostgresStore(url)
    write(store, Changes(leads=(lead(2),)))
    assert store.rate(COUNTS, 1) == [0]
    store.close()
    postgres.ask(f"DROP OWNED BY few_{database}; DROP ROLE few_{database}", database)


def test_a_newer_database_is_refused(postgres: Server, postgres_url: str) -> None:
    PostgresStore(postgres_url).close()
    postgres.ask("UPDATE magnetgen.version SET version = 9", postgres_url.rpartition("/")[2])
    with pytest.raises(SiteFault, match="version 9"):
        PostgresStore(postgres_url)


def test_a_user_without_rights_is_told_what_to_do(postgres: Server, postgres_url: str) -> None:
    database = postgres_url.rpartition("/")[2]
    postgres.ask(f"CREATE ROLE poor_{database} LOGIN PASSWORD '{PASSWORD}'")
    url = postgres_url.replace("//postgres:", f"//poor_{database}:")
    with pytest.raises(SiteFault, match="CREATE SCHEMA magnetgen AUTHORIZATION"):
        open_store(url)
    postgres.ask(f"CREATE SCHEMA magnetgen AUTHORIZATION poor_{database}", database)
    open_store(url).close()
    store = open_store(url, serverless=True)
    write(store, Changes(leads=(lead(1),)))
    store.close()
    postgres.ask(f"DROP OWNED BY poor_{database}; DROP ROLE poor_{database}", database)


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: Server) -> None:
    postgres.ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(SiteFault, match="UTF8"):
        open_store(postgres.url("latin"))
    postgres.drop(postgres.url("latin"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:{p}@127.0.0.1:1/x", "no PostgreSQL server answers"),
        ("postgres://me:{p}@127.0.0.1:1/x", "no PostgreSQL server answers"),
        ("postgresql://me:x@{p}@127.0.0.1:1/x", "MAGNETGEN_STORE"),
        ("postgresql://me:{p}/x@127.0.0.1/x", "MAGNETGEN_STORE"),
        ("postgresql://me:{p}@127.0.0.1:port/x", "MAGNETGEN_STORE"),
        ("postgresql://me:%zz{p}@127.0.0.1:1/x", "%40"),
        ("postgresql://me:{p}@127.0.0.1:1/x?nonsense=1", "MAGNETGEN_STORE"),
        ("postgresql://postgres:{p}@127.0.0.1:{port}/postgres", "user or the password"),
        ("postgresql://postgres:" + PASSWORD + "@127.0.0.1:{port}/nowhere", "no such user or database"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(
    postgres: Server, url: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    password = "canary-secret-90ab"
    with pytest.raises(SiteFault, match=says) as found:
        open_store(url.format(p=password, port=postgres.port))
    shown = str(found.value) + "".join(capfd.readouterr())
    assert password not in shown and PASSWORD not in shown
    assert found.value.__cause__ is None and found.value.__suppress_context__


def test_without_its_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "magnetgen.forms.store.postgres":
            raise ImportError("No module named 'psycopg'")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SiteFault, match=r"pip install 'magnetgen\[postgres\]'"):
        open_store("postgresql://x")


def test_nothing_of_a_lead_or_the_password_is_said(
    postgres: Server, postgres_url: str, store: PostgresStore, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StoreUnavailable) as found:
        write(store, Changes(leads=(lead(1), lead(2, email_key="key1"))))
    assert str(found.value) == "UniqueViolation"
    assert CANARY not in str(found.value) and found.value.__suppress_context__
    assert PASSWORD not in repr(store) and "".join(capfd.readouterr()) == ""
