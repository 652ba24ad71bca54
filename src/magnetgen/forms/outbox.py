"""Sending what is due: leases, the schedule of retries, and a breaker for each destination.

Every destination has a worker of its own, so that one that hangs delays no other. A delivery is marked after it was
sent: a crash in between sends it again under the same id.
"""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
    _left: dict[str, deque[Delivery]] = field(default_factory=dict)  # what was taken and not begun, of those at work
    _stopped: bool = False
    _latest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "magnetgen-send"))

    def drain(self, seconds: float = math.inf) -> dict[str, int]:
        """Send all that is due, and wait for it → {sent, failed}. After `seconds` nothing more is begun."""
        done = {"sent": 0, "failed": 0}
        until, hastened = self.clock() + seconds, set[str]()
        while running := self.start(until, hastened):
            self.wait(running, until - self.clock())
            for future in running:
                for name, count in future.result().items():
                    done[name] += count
        return done

    def wait(self, running: Running, seconds: float) -> None:
        """Wait for what was begun, for so long at most, and give back what has not been begun by then.

        A platform may end or freeze this process soon after, with an attempt that still hangs.
        """
        _, at_work = wait(running, None if seconds == math.inf else max(0.0, seconds))
        for dest in [running[future] for future in at_work]:
            self._give_back(dest, self._left.get(dest, deque()))

    def start(self, until: float = math.inf, hastened: set[str] | None = None) -> Running:
        """Take a batch and begin to send it, each destination by a worker of its own.

        `until`: when nothing more is begun, in seconds since 1970; `hastened`: destinations that were, in this drain.
        """
        now = self.clock()
        if now >= until:
            return {}
        with self._lock:
            self._notice_clock(now)
            skip, probe = self._closed(now)
            taken = self.store.lease(int(now * 1000), LEASE_SECONDS, BATCH, skip, probe)
            groups: dict[str, list[Delivery]] = {}
            for delivery in taken:
                groups.setdefault(delivery.dest, []).append(delivery)
            self._left |= {dest: deque(group) for dest, group in groups.items()}
        until, hastened = min(until, now + LEASE_SECONDS - LEASE_MARGIN), set() if hastened is None else hastened
        return {self._pool.submit(self._send_all, dest, until, hastened): dest for dest in groups}

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
        off = self.store.disabled() | self._left.keys()
        waiting = {dest for dest, breaker in list(self._breakers.items()) if breaker.open and dest not in off}
        probe = {dest for dest in waiting if self._breakers[dest].probe_at <= now}
        unset = {dest for dest in self.composer.site.destinations if dest not in self.hooks}
        return off | (waiting - probe) | unset | (set() if self.mail else self._mail_dests()), probe

    def _mail_dests(self) -> set[str]:
        owners = {dest for form in self.composer.site.forms.values() for dest in form.spec.notify if ":" in dest}
        return {"mail", *owners}

    def _send_all(self, dest: str, until: float, hastened: set[str]) -> dict[str, int]:
        done, left = {"sent": 0, "failed": 0}, self._left[dest]
        try:
            while left and not self._stopped and self.clock() <= until:
                try:
                    delivery = left.popleft()
                except IndexError:  # given back since
                    break
                done["sent" if self._send(delivery, hastened) else "failed"] += 1
            self._give_back(dest, left)
        except StoreUnavailable:
            log.event("outbox_unavailable", dest=_shown(dest))  # the leases run out, and it is tried again
        finally:
            with self._lock:
                self._left.pop(dest, None)
        return done

    def _give_back(self, dest: str, left: deque[Delivery]) -> None:
        """What there is no time for is nobody's attempt. A probe was none anyway: its lease runs out."""
        now, ids = int(self.clock() * 1000), list[str]()
        while left:
            try:
                delivery = left.pop()
            except IndexError:  # begun, or given back, since
                break
            ids += [delivery.id] if delivery.next_at <= now else []
        try:
            if ids:
                self.store.give_back(ids)
        except StoreUnavailable:
            log.event("outbox_unavailable", dest=_shown(dest))

    def _send(self, delivery: Delivery, hastened: set[str]) -> bool:
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
            is_over = sent.ok and delivery.attempts >= LATE and delivery.dest not in hastened
            if recovered or is_over:
                hastened.add(delivery.dest)
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
        try:
            message = self.composer.compose(delivery, lead, self.clock())
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
        """Finish what is on its way, begin nothing more: the rest is given back."""
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        for dest, left in self._left.items():  # of those whose turn had not come
            self._give_back(dest, left)


def _shown(dest: str) -> str:
    """A destination as it may be logged: an owner's address is an address."""
    return "email" if dest.startswith("email:") else dest
