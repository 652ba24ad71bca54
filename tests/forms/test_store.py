"""What every store promises, over each of them: transactions, faults, erasure, leases, counting, kills."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from magnetgen.forms.records import Changes, Count, Decide, Idem, Lead, LeadQuery, Load, Snapshot
from magnetgen.forms.store import Store, StoreUnavailable, open_store
from magnetgen.forms.store.sql import QUARANTINE_MS
from tests.forms.rows import delivery, lead, see, sent, write


def test_what_is_written_is_loaded(store: Store) -> None:
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


def test_a_decision_that_raises_writes_nothing_and_harms_no_other(store: Store) -> None:
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


def test_a_write_that_fails_half_way_is_undone_alone(store: Store) -> None:
    gate = threading.Event()
    store.submit(Load(), lambda _: (gate.wait(10), Changes())[1])
    half = Changes(leads=(lead(1),), submissions=(sent(1, lead(1).id, fields={"x": object()}),))
    futures = [store.submit(Load(), lambda _, made=made: made) for made in (half, Changes("b", leads=(lead(2),)))]  # type: ignore[misc]
    gate.set()
    assert isinstance(futures[0].exception(9), TypeError) and futures[1].result(9) == "b"
    assert [found.id for found in store.leads(LeadQuery())] == [lead(2).id]


def test_a_write_that_breaks_a_rule_is_undone_as_a_whole(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(1), replace(lead(2), email_key="key1"))))
    with pytest.raises(StoreUnavailable):
        write(store, Changes(leads=(lead(3),), submissions=(sent(1, "nobody"),)))
    assert store.leads(LeadQuery()) == []


def test_many_threads_and_one_person_make_one_lead(store: Store) -> None:
    def once(number: int) -> bool:
        def decide(found: Snapshot) -> Changes:
            return Changes(False) if found.lead else Changes(True, leads=(lead(number, email_key="same"),))

        return bool(store.submit(Load("news", email_key="same"), decide).result(20))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(once, range(400))) == 1


def test_many_threads_and_one_key_decide_once(store: Store) -> None:
    def once(number: int) -> object:
        key = "k" * 16

        def decide(found: Snapshot) -> Changes:
            if found.idem:
                return Changes(found.idem.response["lead"])
            made = lead(number)
            return Changes(made.id, Idem("news", key, "p", {"lead": made.id}, 99, ""), (made,))

        return store.submit(Load("news", (key,), f"key{number}"), decide).result(20)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(once, range(100)))) == 1
    assert len(store.leads(LeadQuery())) == 1


@pytest.mark.parametrize(("limit", "crowd"), [(7, None), (60, 20)])
def test_a_limit_holds_whoever_comes_at_once(url: str, limit: int, crowd: int | None) -> None:
    """With a crowd that is small against the limit, most decide side by side, and only the last of them alone."""
    stores = [open_store(url), open_store(url)]
    for store in stores:
        if crowd is not None and hasattr(store, "_crowd"):
            store._crowd = crowd

    def once(number: int) -> object:
        def decide(found: Snapshot) -> Changes:
            full = found.count >= limit
            kept = sent(
                number, None if full else lead(number).id, "held" if full else "accepted", email_key=f"key{number}"
            )
            return Changes(int(not full), leads=() if full else (lead(number),), submissions=(kept,))

        load = Load("news", email_key=f"key{number}", since=1, count_max=limit)
        return stores[number % 2].submit(load, decide).result(60)

    with ThreadPoolExecutor(16) as pool:
        assert sum(map(int, map(str, pool.map(once, range(150))))) == limit
    assert len(stores[0].leads(LeadQuery(limit=999))) == limit
    for store in stores:
        store.close()


def test_two_stores_on_one_database_lose_and_double_nothing(url: str) -> None:
    stores = [open_store(url), open_store(url)]

    def once(number: int) -> object:
        key = f"key{number // 2}"
        decide: Decide = lambda found: Changes(0) if found.lead else Changes(1, leads=(lead(number, email_key=key),))  # noqa: E731
        return stores[number % 2].submit(Load("news", email_key=key), decide).result(30)

    with ThreadPoolExecutor(16) as pool:
        assert sum(map(int, map(str, pool.map(once, range(400))))) == 200
    for store in stores:
        store.close()


def test_two_stores_never_lease_the_same(url: str) -> None:
    stores = [open_store(url), open_store(url)]
    waiting = tuple(delivery(f"d{n:03}", dest=f"x{n % 5}", next_at=n) for n in range(200))
    write(stores[0], Changes(leads=(lead(),), outbox=waiting))

    def take(number: int) -> list[str]:
        taken: list[str] = []
        while leased := stores[number % 2].lease(1000, 30, 3, (), ()):
            taken += [found.id for found in leased]
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [id for ids in pool.map(take, range(6)) for id in ids]
    # One that skipped what another was taking may stop early, and the other goes on.
    taken += take(0)
    assert sorted(taken) == [found.id for found in waiting]
    for store in stores:
        store.close()


def test_stores_that_open_at_once_make_the_tables_once(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(url), range(6)))
    for number, store in enumerate(stores):
        write(store, Changes(leads=(lead(number),)))
        store.close()
    again = open_store(url)
    assert len(again.leads(LeadQuery())) == 6
    again.close()


def test_erasing(store: Store) -> None:
    held = sent(2, None, "held", applied_at=None)
    idem = Idem("news", "k" * 16, "print", {"next": "x"}, 99, "s1")
    notice = delivery("d2", lead="", kind="mail:notify", cause="s2")
    gone = delivery("d3", kind="lead.erased", body={"id": lead().id})
    other = lead(2)
    written = (delivery("d1"), notice, delivery("d4", lead=other.id))
    write(store, Changes(idem=idem, leads=(lead(), other), submissions=(sent(1, lead().id), held), outbox=written))
    found = see(store, Load(email_key="key1", every_form=True))
    assert (found.leads, found.loose, found.received) == ((lead(),), 1, {lead().id: ()})
    write(store, Changes(outbox=(gone,), erase="key1", suppress=("key1", "erased"), now=7))
    left = {row["id"]: (row["state"], row["last_code"], bool(row["body"])) for row in store.dump()["outbox"]}
    assert left == {
        "d1": ("dead", "erased", False), "d2": ("dead", "erased", False), "d3": ("due", "", True),
        "d4": ("due", "", True),
    }  # fmt: skip
    assert [kept.id for kept in store.leads(LeadQuery())] == [other.id]
    assert store.dump()["submissions"] == store.dump()["idem"] == []
    assert see(store, Load("news", email_key="key1")).suppressed == "erased"
    assert not store.retry("d1", 9)
    write(store, Changes(release="key1"))
    assert see(store, Load("news", email_key="key1")).suppressed == ""


def test_a_person_is_shown_whole(store: Store) -> None:
    held = sent(2, None, "held", applied_at=None)
    write(store, Changes(leads=(lead(),), submissions=(sent(1, lead().id), held), outbox=(delivery("d1"),)))
    found = store.person("key1")
    assert [row["form"] for row in found["leads"]] == ["news"] and "email_key" not in found["leads"][0]
    assert [row["id"] for row in found["submissions"]] == ["s1", "s2"]
    assert [row["id"] for row in found["deliveries"]] == ["d1"] and found["suppressed"] == ""
    assert store.find_lead(lead().id) == lead() and store.find_lead("nobody") is None
    assert store.person("nobody") == {"leads": [], "submissions": [], "deliveries": [], "suppressed": ""}


def test_any_text_is_kept(store: Store) -> None:
    words = {"email": "x", "note": "100% of ?, 'quoted' \\ \u0001 \U0001f642 \u2028", "nul": "a\0b"}
    write(store, Changes(leads=(lead(data=words),)))
    assert store.find_lead(lead().id) == lead(data=words)
    assert store.find_lead("a\0b") is None and store.leads(LeadQuery(form="\0")) == []


def test_leases(store: Store) -> None:
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


def test_what_is_given_back_is_as_it_was_before_the_lease(store: Store) -> None:
    write(store, Changes(leads=(lead(),), outbox=(delivery("a", next_at=5), delivery("b", next_at=6))))
    assert [d.id for d in store.lease(10, 30, 9, (), ())] == ["a", "b"]
    store.finish("b", 10, "200")
    store.give_back(["a", "b", "nothing"], 30_010)
    found = {d.id: (d.state, d.attempts, d.next_at) for d in store.outbox()}
    assert found == {"a": ("due", 0, 5), "b": ("done", 1, 6)}
    assert [d.id for d in store.lease(11, 30, 9, (), ())] == ["a"]
    store.give_back(["a"], 30_010)  # by whom had it before
    assert {d.id: (d.state, d.attempts) for d in store.outbox()}["a"] == ("leased", 1)


def test_a_clock_that_was_set_back_leaves_nothing_leased(store: Store) -> None:
    day = 86_400_000
    write(store, Changes(leads=(lead(),), outbox=(delivery("a", next_at=5),)))
    assert store.lease(day, 30, 9, (), ())
    assert store.lease(day - 60_000, 30, 9, (), ()) == []
    assert [d.id for d in store.lease(1000, 30, 9, (), ())] == ["a"]


def test_one_cause_is_delivered_once(store: Store) -> None:
    write(store, Changes(leads=(lead(),), outbox=(delivery("a"), delivery("b", cause="a"))))
    assert [d.id for d in store.outbox()] == ["a"]


def test_leads_are_paged_newest_first(store: Store) -> None:
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


def test_counting(store: Store) -> None:
    counts = [Count("m:1", "k", 5, 60), Count("h:1", "k", 30, 3600)]
    assert [store.rate(counts, 1) for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]
    store.purge(61)
    assert store.rate(counts, 61) == [1, 4]


def test_purging(store: Store) -> None:
    write(
        store, Changes(idem=Idem("news", "a", "p", {}, 10), submissions=(sent(1, None, "quarantined", created_at=0),))
    )
    write(store, Changes(idem=Idem("news", "b", "p", {}, 99, "s1")))
    store.purge(20)
    assert [row["key"] for row in store.dump()["idem"]] == ["b"]
    store.purge(QUARANTINE_MS + 1)
    assert store.dump()["submissions"] == store.dump()["idem"] == []


def test_a_closed_store_is_unavailable_and_finishes_what_it_took(url: str) -> None:
    store = open_store(url)
    futures = [store.submit(Load(), lambda _, n=n: Changes(n, leads=(lead(n),))) for n in range(50)]  # type: ignore[misc]
    store.close()
    assert [future.result(1) for future in futures] == list(range(50))
    with pytest.raises(StoreUnavailable):
        write(store, Changes())


def test_a_store_that_is_opened_again_has_kept_all(url: str) -> None:
    store = open_store(url)
    futures = [store.submit(Load(), lambda _, n=n: Changes(n, leads=(lead(n),))) for n in range(50)]  # type: ignore[misc]
    acknowledged = [future.result(20) for future in futures]
    store.close()
    again = open_store(url)
    assert len(again.leads(LeadQuery(limit=99))) == len(acknowledged) == 50
    again.close()


def test_probe(store: Store) -> None:
    store.probe(5)
    store.probe(6)


KILLED = """
import sys
from magnetgen.forms.store import open_store
from magnetgen.forms.records import Changes, Lead, Load
store = open_store(sys.argv[1])
for n in range(1, 9):
    made = Lead(f"{n:032x}", "news", "a@b.co", f"key{n}", "confirmed", {}, (), n)
    store.submit(Load(), lambda _: Changes(leads=(made,))).result()
    print(n, flush=True)
"""


@pytest.mark.parametrize(("name", "kept"), [("begin", 2), ("written", 2), ("committed", 3)])
def test_a_killed_process_has_kept_what_it_acknowledged(url: str, name: str, kept: int) -> None:
    env = {
        "MAGNETGEN_TEST": "1",
        "MAGNETGEN_FAILPOINT": f"{name}:3",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    done = subprocess.run([sys.executable, "-c", KILLED, url], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9 and done.stdout.split() == ["1", "2"]
    store = open_store(url)
    assert len(store.leads(LeadQuery())) == kept
    store.close()


def test_what_was_taken_and_never_sent_is_hastened_too(store: Store) -> None:
    """Its sender died: it must not wait for a turn that was reckoned while the destination was away."""
    write(store, Changes(leads=(lead(),), outbox=(delivery("a", next_at=1_800_000),)))
    assert [d.id for d in store.lease(10, 30, 9, (), {"crm"})] == ["a"]
    store.hasten("crm", 60_000)
    assert [d.id for d in store.lease(60_010, 30, 9, (), ())] == ["a"]
