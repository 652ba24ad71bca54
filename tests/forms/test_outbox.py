"""Deliveries: schedule, breaker, leases, independence, and what a crash in between does."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from dataclasses import replace
from typing import Any

import pytest

from magnetgen.forms import outbox
from magnetgen.forms.mail import Sent
from magnetgen.forms.records import Delivery
from magnetgen.forms.store import StoreUnavailable
from tests.forms.world import World


def test_the_schedule_is_the_contracts_with_a_fifth_either_way(world: World) -> None:
    wanted = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for attempt, seconds in enumerate(wanted, 1):
        delivery = Delivery("a", "l", "f", "crm", "k", "c", {}, 0, attempts=attempt)
        found = [world.runtime.deliverer.next_at(delivery, Sent(False, "500"), 0) or 0 for _ in range(200)]
        assert seconds * 800 <= min(found) < seconds * 900 and seconds * 1100 < max(found) <= seconds * 1200
    last = Delivery("a", "l", "f", "crm", "k", "c", {}, 0, attempts=10)
    assert world.runtime.deliverer.next_at(last, Sent(False, "500"), 0) is None


def test_retry_after_is_the_least(world: World) -> None:
    delivery = Delivery("a", "l", "f", "crm", "k", "c", {}, 0, attempts=1)
    assert world.runtime.deliverer.next_at(delivery, Sent(False, "429", retry_after=99), 1000) == 1_099_000


def test_the_breaker_opens_probes_once_a_minute_and_releases_the_queue(world: World) -> None:
    world.outcome = lambda dest: Sent(dest == "mail", "503")
    for number in range(8):
        world.submit("plain", f"email=a{number}%40x.co")
    world.runtime.deliverer.drain()
    assert len(world.hooks) == 8  # one batch was on its way when it opened
    for number in range(8, 12):
        world.submit("plain", f"email=a{number}%40x.co")
    world.runtime.deliverer.drain()
    assert len(world.hooks) == 8
    for minute in range(1, 16):
        world.now += 61
        world.runtime.deliverer.drain()
        assert len(world.hooks) == 8 + minute
    world.outcome = lambda dest: Sent(True, "200")
    world.now += 61
    assert world.runtime.deliverer.drain()["sent"] == 12
    assert {row["state"] for row in world.rows("outbox")} == {"done"}
    assert len(world.mails) == 12


def test_a_destination_that_hangs_delays_no_mail(world: World) -> None:
    gate = threading.Event()

    def outcome(dest: str) -> Sent:
        if dest == "crm":
            gate.wait(10)
        return Sent(True, "200")

    world.outcome = outcome
    world.submit("plain", "email=a%40x.co")
    first = world.runtime.deliverer.start()
    world.submit("plain", "email=b%40x.co")
    deadline = time.monotonic() + 5
    while len(world.mails) < 2 and time.monotonic() < deadline:
        world.runtime.deliverer.start()
        time.sleep(0.01)
    assert len(world.mails) == 2 and len(world.hooks) == 1
    gate.set()
    assert sum(future.result(10)["sent"] for future in first) == 2


def test_a_crash_between_sending_and_marking_repeats_the_same_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(name: str) -> None:
        if name == "sent":
            raise Crash

    world.submit("plain", "email=a%40x.co")
    monkeypatch.setattr("magnetgen.forms.failpoint.hit", crash)
    assert all(isinstance(future.exception(10), Crash) for future in world.runtime.deliverer.start())
    monkeypatch.undo()
    assert world.runtime.deliverer.drain()["sent"] == 0
    world.now += outbox.LEASE_SECONDS + 1
    world.runtime.deliverer.drain()
    assert len(world.hooks) == 2
    assert len({headers["webhook-id"] for _, headers, _ in world.hooks}) == 1
    assert len({body for _, _, body in world.hooks}) == 1


def test_a_delivery_that_is_refused_for_itself_opens_no_breaker(world: World) -> None:
    world.outcome = lambda dest: Sent(False, "450", item=True) if dest == "mail" else Sent(True, "200")
    for number in range(7):
        world.submit("plain", f"email=a{number}%40x.co")
    world.runtime.deliverer.drain()
    world.outcome = lambda dest: Sent(True, "200")
    world.submit("plain", "email=b%40x.co")
    world.runtime.deliverer.drain()
    assert [str(message["To"]) for message in world.mails] == ["b@x.co"]


def test_closing_waits_for_what_is_on_its_way_and_gives_back_the_rest(world: World) -> None:
    gate = threading.Event()
    world.outcome = lambda dest: (gate.wait(10), Sent(True, "200"))[1]
    for number in range(3):
        world.submit("plain", f"email=a{number}%40x.co")
    world.runtime.deliverer.start()
    threading.Timer(0.1, gate.set).start()
    world.runtime.deliverer.close()
    found = sorted((row["state"], row["attempts"]) for row in world.rows("outbox"))
    assert found == [("done", 1)] * 2 + [("due", 0)] * 4


def test_what_there_was_no_time_for_goes_back_at_once_and_was_no_attempt(world: World) -> None:
    """While an attempt still hangs: after it, a platform may leave no time for anything."""
    gate = threading.Event()
    world.outcome = lambda dest: (gate.wait(20), Sent(False, "503"))[1] if dest == "crm" else Sent(True, "200")
    for number in range(5):
        world.submit("plain", f"email=a{number}%40x.co")
    drained: list[dict[str, int]] = []
    drain = threading.Thread(target=lambda: drained.append(world.runtime.deliverer.drain(0.3)))
    drain.start()
    deadline = time.monotonic() + 10
    crm = [("due", 0)] * 4 + [("leased", 1)]
    while (found := sorted((row["state"], row["attempts"]) for row in _of_crm(world))) != crm:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    world.now += 1
    gate.set()
    drain.join(10)
    assert drained == [{"sent": 5, "failed": 1}] and len(world.hooks) == 1


def _of_crm(world: World) -> list[dict[str, Any]]:
    return [row for row in world.rows("outbox") if row["dest"] == "crm"]


def test_a_destination_that_hangs_keeps_no_mail_back_in_a_drain_either(world: World) -> None:
    gate = threading.Event()
    world.outcome = lambda dest: (gate.wait(20), Sent(True, "200"))[1] if dest == "crm" else Sent(True, "200")
    for number in range(20):
        world.submit("plain", f"email=a{number}%40x.co")
    drained: list[dict[str, int]] = []
    drain = threading.Thread(target=lambda: drained.append(world.runtime.drain()))
    drain.start()
    deadline = time.monotonic() + 10
    while len(world.mails) < 20:
        assert time.monotonic() < deadline, len(world.mails)
        time.sleep(0.02)
    assert len(world.hooks) == 1
    gate.set()
    drain.join(10)
    assert drained == [{"sent": 40, "failed": 0}]


def test_what_another_has_leased_since_is_not_given_back(world: World) -> None:
    """An attempt may take longer than a lease: the rest of its batch is somebody else's by then."""
    gate = threading.Event()
    world.outcome = lambda dest: (gate.wait(20), Sent(True, "200"))[1] if dest == "crm" else Sent(True, "200")
    for number in range(3):
        world.submit("plain", f"email=a{number}%40x.co")
    begun = world.runtime.deliverer.start()
    while not world.hooks:
        time.sleep(0.01)
    world.now += outbox.LEASE_SECONDS + 1
    other = world.store.lease(int(world.now * 1000), outbox.LEASE_SECONDS, 8, {"mail"}, ())
    assert len(other) == 3
    gate.set()
    wait(begun, 10)
    crm = {row["id"]: (row["state"], row["attempts"]) for row in _of_crm(world)}
    assert sorted(crm.values()) == [("done", 2), ("leased", 2), ("leased", 2)] and len(world.hooks) == 1


def test_a_drain_that_is_closed_leaves_nothing_leased(world: World) -> None:
    gate = threading.Event()
    world.outcome = lambda dest: (gate.wait(20), Sent(True, "200"))[1]
    for number in range(4):
        world.submit("plain", f"email=a{number}%40x.co")
    drain = threading.Thread(target=world.runtime.deliverer.drain)
    drain.start()
    while not world.hooks:
        time.sleep(0.01)
    closing = threading.Thread(target=world.runtime.deliverer.close)
    closing.start()
    deadline, waiting = time.monotonic() + 10, [("due", 0)] * 6 + [("leased", 1)] * 2
    while sorted((row["state"], row["attempts"]) for row in world.rows("outbox")) != waiting:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    gate.set()
    closing.join(10)
    drain.join(10)
    states = sorted((row["state"], row["attempts"]) for row in world.rows("outbox"))
    assert states == [("done", 1)] * 2 + [("due", 0)] * 6


def test_a_store_that_is_away_in_the_middle_leaves_no_attempt_unmarked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform may freeze whoever has answered, also with a fault: what was sent is marked before."""
    gate, lease, asked = threading.Event(), world.store.lease, list[int]()

    def away(*given: Any) -> list[Delivery]:
        asked.append(1)
        if len(asked) > 1:
            raise StoreUnavailable("away")
        return lease(*given)

    world.outcome = lambda dest: (gate.wait(20), Sent(True, "200"))[1] if dest == "crm" else Sent(True, "200")
    world.submit("plain", "email=a%40x.co")
    monkeypatch.setattr(world.store, "lease", away)
    threading.Timer(0.3, gate.set).start()
    with pytest.raises(StoreUnavailable):
        world.runtime.deliverer.drain()
    assert {(row["dest"], row["state"]) for row in world.rows("outbox")} == {("mail", "done"), ("crm", "done")}


def test_no_drain_begins_when_its_time_is_over(world: World) -> None:
    world.submit("plain", "email=a%40x.co")
    assert world.runtime.deliverer.drain(0) == {"sent": 0, "failed": 0}
    assert {(row["state"], row["attempts"]) for row in world.rows("outbox")} == {("due", 0)}


def test_what_comes_through_late_hastens_the_rest_without_a_breakers_memory(world: World) -> None:
    """A function's next process knows of no breaker: the third attempt of one tells it that all may come through."""
    world.outcome = lambda dest: Sent(dest == "mail", "503")
    for number in range(4):
        world.submit("plain", f"email=a{number}%40x.co")
    for _ in range(2):
        world.runtime.deliverer.drain()
        world.now += 400
    world.submit("plain", "email=late%40x.co")
    world.runtime.deliverer.drain()
    world.runtime.deliverer._breakers.clear()
    world.outcome = lambda dest: Sent(True, "200")
    world.now += 2400
    waiting = [row for row in world.rows("outbox") if row["state"] == "due"]
    assert len(waiting) == 5
    for row in waiting[1:]:  # these would wait for hours
        world.store._do(lambda c, id=row["id"]: c.execute("UPDATE outbox SET next_at=? WHERE id=?", (2**60, id)))  # type: ignore[attr-defined]
    assert world.runtime.deliverer.drain()["sent"] >= 1
    assert {row["state"] for row in world.rows("outbox")} == {"done"}


def test_what_an_older_deploy_knows_nothing_of_waits_for_the_newer_one(world: World) -> None:
    world.submit("plain", "email=a%40x.co")
    hooks, world.runtime.deliverer.hooks = world.runtime.deliverer.hooks, {}
    site = world.runtime.deliverer.composer.site
    older = replace(site, forms={}, destinations={})
    world.runtime.deliverer.composer = replace(world.runtime.deliverer.composer, site=older)
    assert world.runtime.deliverer.drain() == {"sent": 0, "failed": 2}
    assert {(row["state"], row["last_code"]) for row in world.rows("outbox")} == {
        ("due", "no_destination"),
        ("due", "no_form"),
    }
    world.runtime.deliverer.hooks = hooks
    world.runtime.deliverer.composer = replace(world.runtime.deliverer.composer, site=site)
    world.now += 60
    assert world.runtime.deliverer.drain() == {"sent": 2, "failed": 0}


def test_a_410_disables_a_destination_until_it_is_replayed(world: World) -> None:
    world.outcome = lambda dest: Sent(True, "200") if dest == "mail" else Sent(False, "410", permanent=True, gone=True)
    world.submit("plain", "email=a%40x.co")
    world.runtime.deliverer.drain()
    assert world.store.disabled() == {"crm"}
    world.submit("plain", "email=b%40x.co")
    world.runtime.deliverer.drain()
    assert len(world.hooks) == 1


def test_without_a_mail_server_mails_wait_and_count_no_attempt(world: World) -> None:
    world.runtime.deliverer.mail = None
    world.submit("plain", "email=a%40x.co")
    assert world.runtime.deliverer.drain() == {"sent": 1, "failed": 0}
    waiting = [row for row in world.rows("outbox") if row["dest"] == "mail"]
    assert [(row["state"], row["attempts"]) for row in waiting] == [("due", 0)]
    world.runtime.deliverer.mail = world
    assert world.runtime.deliverer.drain()["sent"] == 1


def test_an_unexpected_fault_of_one_delivery_is_a_failure_of_that_one(world: World) -> None:
    def outcome(dest: str) -> Sent:
        if dest == "crm":
            raise RuntimeError("boom")
        return Sent(True, "200")

    world.outcome = outcome
    world.submit("plain", "email=a%40x.co")
    assert world.runtime.deliverer.drain() == {"sent": 1, "failed": 1}
    assert {row["dest"]: row["last_code"] for row in world.rows("outbox")} == {"mail": "200", "crm": "RuntimeError"}


def test_two_handlers_on_one_outbox_send_everything_once(world: World) -> None:
    for number in range(40):
        world.submit("plain", f"email=a{number}%40x.co")
    other = outbox.Deliverer(
        world.store, world.runtime.deliverer.composer, lambda: world.now, world.runtime.deliverer.hooks, world, world
    )
    threads = [threading.Thread(target=each.drain) for each in (other, world.runtime.deliverer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ids = [headers["webhook-id"] for _, headers, _ in world.hooks]
    assert len(ids) == len(set(ids)) == 40 and len(world.mails) == 40
    other.close()


def test_a_clock_that_is_set_back_keeps_nothing_waiting(world: World) -> None:
    world.outcome = lambda dest: Sent(dest == "mail", "503")
    for number in range(outbox.BREAKS_AFTER):
        world.submit("plain", f"email=a{number}%40x.co")
    world.runtime.deliverer.drain()
    world.submit("plain", "email=b%40x.co")
    world.now -= 86_400
    assert world.runtime.deliverer.drain()["sent"] == 1  # the mail; the breaker still waits its minute
    world.outcome = lambda dest: Sent(True, "200")
    world.now += outbox.PROBE_SECONDS
    world.runtime.deliverer.drain()
    assert {row["state"] for row in world.rows("outbox")} == {"done"}
