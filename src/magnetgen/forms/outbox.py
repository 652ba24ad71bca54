"""Sending what is due: leases, the schedule of retries, and a breaker for each destination.

Every destination has a worker of its own, so that one that hangs delays no other. A delivery is marked after it was
sent: a crash in between sends it again under the same id.
"""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from magnetgen.forms import failpoint, log
from magnetgen.forms.mail import Composer, Refused, Sent, Transport
from magnetgen.forms.records import Delivery
from magnetgen.forms.store import Store, StoreUnavailable
from magnetgen.forms.webhooks import Poster, Ready

DELAYS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds until the next attempt; after the last, the delivery is dead until somebody replays it."""
JITTER = 0.2
BATCH = 8
LEASE_SECONDS = BATCH * 15 + 30
"""Longer than a batch can take: nobody else takes what is still being sent."""
LEASE_MARGIN = 30
"""Seconds before a lease runs out in which nothing more is begun under it."""
BREAKS_AFTER = 5
PROBE_SECONDS = 60
LATE = 3
"""The attempt that comes minutes after the first."""
WORKERS = 8

Running = dict[Future[dict[str, int]], str]
"""Batches that are being sent, each with its destination; their results are like drain's."""


@dataclass
class Breaker:
    """Failures in a row of one destination. Open: one delivery a minute tries whether it is back."""

    failures: int = 0
    probe_at: float = 0.0

    @property
    def open(self) -> bool:
        return self.failures >= BREAKS_AFTER

    def note(self, ok: bool, now: float, wait: float = 0.0) -> bool:
        """Remember an outcome; True if it was open and now is not. `wait`: seconds that the destination asks for."""
        was_open = self.open
        self.failures = 0 if ok else self.failures + 1
        self.probe_at = now + max(PROBE_SECONDS, wait)
        return was_open and ok


@dataclass(frozen=True)
class Batch:
    """What was leased for one destination. `left`: what is not begun; `leased_at`: when, in ms since 1970."""

    left: deque[Delivery]
    leased_at: int


@dataclass
class Deliverer:
    """Sends for one site. `hooks`: destinations that are ready, by name; without `mail`, mails wait."""

    store: Store
    composer: Composer
    clock: Callable[[], float]
    hooks: Mapping[str, Ready]
    poster: Poster
    mail: Transport | None
    jitter: random.Random = field(default_factory=random.SystemRandom)
    _breakers: dict[str, Breaker] = field(default_factory=dict)
    _batches: dict[str, Batch] = field(default_factory=dict)  # of the destinations at work
    _running: Running = field(default_factory=dict)
    _hastened: dict[str, float] = field(default_factory=dict)  # when a late success last did that
    _stopped: bool = False
    _latest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "magnetgen-send"))

    def drain(self, seconds: float = math.inf) -> dict[str, int]:
        """Send all that is due, and wait for it → {sent, failed}. After `seconds` nothing more is begun."""
        done = {"sent": 0, "failed": 0}
        until, hastened = self.clock() + seconds, dict[str, float]()
        with self._lock:
            before = dict(self._running)  # by others, who count it
        running: Running = {}
        try:
            while True:
                running |= self.start(until, hastened)
                if not (running or before):
                    return done
                # Whichever has sent its batch may have more that is due: none waits for one that hangs.
                ended, _ = wait([*running, *before], _patience(until - self.clock()), FIRST_COMPLETED)
                if not ended:
                    self._give_back([*running.values(), *before.values()])
                    ended, _ = wait([*running, *before])
                for future in ended:
                    before.pop(future, None)
                    if running.pop(future, None):
                        for name, count in future.result().items():
                            done[name] += count
        finally:
            # A platform may freeze whoever leaves: what was sent would not be marked, and be sent again.
            self._give_back(running.values())
            wait(running)

    def wait(self, running: Running, seconds: float) -> None:
        """Wait for what was begun, for so long at most, and give back what has not been begun by then.

        A platform may end or freeze this process soon after, with an attempt that still hangs.
        """
        _, at_work = wait(running, _patience(seconds))
        self._give_back(running[future] for future in at_work)

    def start(self, until: float = math.inf, hastened: dict[str, float] | None = None) -> Running:
        """Take a batch and begin to send it, each destination by a worker of its own.

        `until`: when nothing more is begun, in seconds since 1970; `hastened`: destinations that were, and when.
        """
        now = self.clock()
        hastened = self._hastened if hastened is None else hastened
        with self._lock:
            if self._stopped or now >= until:
                return {}
            self._notice_clock(now)
            skip, probe = self._closed(now)
            ms = int(now * 1000)
            taken = self.store.lease(ms, LEASE_SECONDS, BATCH, skip, probe)
            groups: dict[str, Batch] = {}
            for delivery in taken:
                groups.setdefault(delivery.dest, Batch(deque(), ms)).left.append(delivery)
            until = min(until, now + LEASE_SECONDS - LEASE_MARGIN)
            begun: Running = {}
            for dest, batch in groups.items():
                self._batches[dest] = batch
                try:
                    future = self._pool.submit(self._send_all, dest, batch, until, hastened)
                except RuntimeError:  # no thread can be had: the leases run out
                    del self._batches[dest]
                    log.event("outbox_unavailable", dest=_shown(dest))
                    break
                begun[future] = self._running[future] = dest
        for future in begun:
            future.add_done_callback(lambda future: self._running.pop(future, None))
        return begun

    def _notice_clock(self, now: float) -> None:
        """After the clock was set back, what is due by the old one would wait until the new one has caught up."""
        if now < self._latest - PROBE_SECONDS:
            for dest in {*self.composer.site.destinations, *self._mail_dests()}:
                self.store.hasten(dest, int(now * 1000))
            for breaker in list(self._breakers.values()):
                breaker.probe_at = min(breaker.probe_at, now + PROBE_SECONDS)
            self._latest = now
        self._latest = max(now, self._latest)

    def _closed(self, now: float) -> tuple[set[str], set[str]]:
        """Destinations that get nothing now, and those of which one delivery tries whether they are back."""
        off = self.store.disabled() | self._batches.keys()
        waiting = {dest for dest, breaker in list(self._breakers.items()) if breaker.open and dest not in off}
        probe = {dest for dest in waiting if self._breakers[dest].probe_at <= now}
        unset = {dest for dest in self.composer.site.destinations if dest not in self.hooks}
        return off | (waiting - probe) | unset | (set() if self.mail else self._mail_dests()), probe

    def _mail_dests(self) -> set[str]:
        owners = {dest for form in self.composer.site.forms.values() for dest in form.spec.notify if ":" in dest}
        return {"mail", *owners}

    def _send_all(self, dest: str, batch: Batch, until: float, hastened: dict[str, float]) -> dict[str, int]:
        done, left = {"sent": 0, "failed": 0}, batch.left
        try:
            while left and not self._stopped and self.clock() <= until:
                try:
                    delivery = left.popleft()
                except IndexError:  # given back since
                    break
                done["sent" if self._send(delivery, hastened) else "failed"] += 1
            self._give_back([dest])
        except StoreUnavailable:
            log.event("outbox_unavailable", dest=_shown(dest))  # the leases run out, and it is tried again
        finally:
            with self._lock:
                self._batches.pop(dest, None)
        return done

    def _give_back(self, dests: Iterable[str]) -> None:
        """What there is no time for is nobody's attempt. A probe was none anyway: its lease runs out."""
        for dest in list(dests):
            batch, ids = self._batches.get(dest), list[str]()
            while batch and batch.left:
                try:
                    delivery = batch.left.pop()
                except IndexError:  # begun, or given back, since
                    break
                ids += [delivery.id] if delivery.next_at <= batch.leased_at else []
            try:
                if batch and ids:
                    self.store.give_back(ids, batch.leased_at + LEASE_SECONDS * 1000)
            except StoreUnavailable:
                log.event("outbox_unavailable", dest=_shown(dest))

    def _send(self, delivery: Delivery, hastened: dict[str, float]) -> bool:
        try:
            sent = self._attempt(delivery)
        except StoreUnavailable:
            raise
        except Exception as exc:
            sent = Sent(False, type(exc).__name__)
        failpoint.hit("sent")
        now = self.clock()
        self._mark(delivery, sent, now)
        if not (sent.permanent or sent.item):
            recovered = self._breakers.setdefault(delivery.dest, Breaker()).note(sent.ok, now, sent.retry_after)
            # A breaker is forgotten with its process; what had failed for minutes tells the next one that it is over.
            is_over = sent.ok and delivery.attempts >= LATE
            if recovered or (is_over and now >= hastened.get(delivery.dest, -math.inf) + PROBE_SECONDS):
                hastened[delivery.dest] = now
                self.store.hasten(delivery.dest, int(now * 1000))
        return sent.ok

    def _attempt(self, delivery: Delivery) -> Sent:
        """What this deploy knows nothing of may be a newer one's, which has the same store: it waits for that one."""
        if not delivery.body:
            return Sent(False, "erased", permanent=True)
        if delivery.dest == "mail" or delivery.dest.startswith("email:"):
            return self._mail(delivery)
        hook = self.hooks.get(delivery.dest)
        if hook is None:
            return Sent(False, "no_destination", item=True)
        return hook.send(self.poster, delivery, self.store.find_lead, self.clock())

    def _mail(self, delivery: Delivery) -> Sent:
        if delivery.form not in self.composer.site.forms:
            return Sent(False, "no_form", item=True)
        lead = self.store.find_lead(delivery.lead) if delivery.lead else None
        magnet = self.composer.single_use(delivery)
        code = self.store.codes((delivery.lead,)).get(delivery.lead, {}).get(magnet, "") if magnet else ""
        try:
            message = self.composer.compose(delivery, lead, self.clock(), code)
        except Refused as exc:
            return Sent(False, str(exc), permanent=True)
        return self.mail.send(message) if self.mail else Sent(False, "no_transport")

    def _mark(self, delivery: Delivery, sent: Sent, now: float) -> None:
        ms = int(now * 1000)
        if sent.gone:
            self.store.disable(delivery.dest, ms, True)
        if sent.ok:
            self.store.finish(delivery.id, ms, sent.code)
        else:
            self.store.fail(delivery.id, ms, sent.code, None if sent.permanent else self.next_at(delivery, sent, now))
        log.event(
            "delivery", id=delivery.id, dest=_shown(delivery.dest), kind=delivery.kind, ok=sent.ok, code=sent.code
        )

    def next_at(self, delivery: Delivery, sent: Sent, now: float) -> int | None:
        """When a failed delivery is tried again, in ms; None: never by itself."""
        if delivery.next_at > now * 1000:
            # It was a probe, before its time: its turn comes as if there had been none.
            return max(delivery.next_at, int((now + sent.retry_after) * 1000))
        if delivery.attempts > len(DELAYS):
            return None
        delay = DELAYS[delivery.attempts - 1] * self.jitter.uniform(1 - JITTER, 1 + JITTER)
        return int((now + max(delay, sent.retry_after)) * 1000)

    def close(self) -> None:
        """Finish what is on its way, begin nothing more: the rest is given back, before what hangs and after it."""
        with self._lock:
            self._stopped = True
            dests = list(self._batches)
        self._give_back(dests)
        self._pool.shutdown(wait=True)  # those whose turn had not come find nothing left


def _patience(seconds: float) -> float | None:
    return None if seconds == math.inf else max(0.0, seconds)


def _shown(dest: str) -> str:
    """A destination as it may be logged: an owner's address is an address."""
    return "email" if dest.startswith("email:") else dest
