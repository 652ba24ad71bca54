/**
 * Sending what is due: leases, the schedule of retries, and a breaker for each destination.
 *
 * Every destination's batch is sent beside those of the others, so that one that hangs delays no other. A delivery is
 * marked after it was sent: a crash in between sends it again under the same id.
 */

import { claimants, codeOf } from "./magnets.mjs";
import { Refused, sent } from "./mail.mjs";
import { StoreUnavailable } from "./records.mjs";

/** Seconds until the next attempt; after the last, the delivery is dead until somebody replays it. */
export const DELAYS = Object.freeze([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
const JITTER = 0.2;
const BATCH = 8;
/** Longer than a batch can take: nobody else takes what is still being sent. */
export const LEASE_SECONDS = BATCH * 15 + 30;
/** Seconds before a lease runs out in which nothing more is begun under it. */
const LEASE_MARGIN = 30;
const BREAKS_AFTER = 5;
export const PROBE_SECONDS = 60;
/** The attempt that comes minutes after the first. */
const LATE = 3;

/** A breaker: failures in a row of one destination. Open: one delivery a minute tries whether it is back. */
function isOpen(breaker) {
  return breaker.failures >= BREAKS_AFTER;
}

/** Remember an outcome; true if it was open and now is not. `wait`: seconds that the destination asks for. */
function note(breaker, ok, now, wait) {
  const wasOpen = isOpen(breaker);
  breaker.failures = ok ? 0 : breaker.failures + 1;
  breaker.probe_at = now + Math.max(PROBE_SECONDS, wait);
  return wasOpen && ok;
}

/**
 * Sends for one site. `hooks`: Map of destinations that are ready; without `mail`, mails wait. `breakers`: name →
 * {failures, probe_at}, plain JSON; `latest`: the latest time that was seen; `jitter()`: 0 to 1; `note(event,
 * facts)`: the log.
 *
 * Nothing else is remembered between drains: a platform may end one at any moment, and nothing is to wait for it.
 */
export class Deliverer {
  constructor({ breakers = {}, latest = 0, jitter = Math.random, ...parts }) {
    Object.assign(this, parts, { breakers: Object.assign(Object.create(null), breakers), latest, jitter });
  }

  /** Send all that is due, and wait for it → {sent, failed}. After `seconds`, or `most`, nothing more is begun. */
  async drain(seconds = Infinity, most = Infinity) {
    const [done, running] = [{ sent: 0, failed: 0 }, new Map()];
    const left = { until: this.clock() + seconds, most };
    const hastened = new Set();
    const count = async (dest, batch) => {
      const part = await this.sendAll(dest, batch, hastened);
      running.delete(dest);
      done.sent += part.sent;
      done.failed += part.failed;
    };
    try {
      for (;;) {
        const wasBusy = running.size > 0;
        const found = await this.taken(left, running);
        for (const [dest, batch] of found) running.set(dest, count(dest, batch));
        // Whichever has sent its batch may have more that is due, also one that ended while this was looked for.
        if (running.size) await Promise.race(running.values());
        else if (!wasBusy) return done;
      }
    } finally {
      // The platform ends what nobody waits for: what was sent would not be marked, and be sent again.
      await Promise.allSettled(running.values());
    }
  }

  /** Take a batch of each destination but those that are `busy` → [dest, {group, until: to begin them, leasedAt}]. */
  async taken(left, busy) {
    const now = this.clock();
    if (now >= left.until || left.most <= 0) return [];
    await this.noticeClock(now);
    const [skip, probe] = await this.closed(now, busy);
    const limit = this.batch(left.most);
    const leasedAt = Math.floor(now * 1000);
    const found = await this.store.lease(leasedAt, LEASE_SECONDS, limit, skip, probe);
    left.most -= found.length;
    const groups = new Map();
    for (const delivery of found) groups.set(delivery.dest, [...(groups.get(delivery.dest) ?? []), delivery]);
    const until = Math.min(now + LEASE_SECONDS - LEASE_MARGIN, left.until);
    return [...groups].map(([dest, group]) => [dest, { group, until, leasedAt }]);
  }

  /** How many of one destination may be taken, so that each has its part of what is left. */
  batch(most) {
    const dests = this.composer.site.destinations.size + this.mailDests().size;
    return Math.max(1, Math.min(BATCH, Math.floor(most / dests)));
  }

  /** After the clock was set back, what is due by the old one would wait until the new one has caught up. */
  async noticeClock(now) {
    if (now < this.latest - PROBE_SECONDS) {
      for (const dest of new Set([...this.composer.site.destinations.keys(), ...this.mailDests()])) {
        await this.store.hasten(dest, Math.floor(now * 1000));
      }
      for (const breaker of Object.values(this.breakers)) {
        breaker.probe_at = Math.min(breaker.probe_at, now + PROBE_SECONDS);
      }
      this.latest = now;
    }
    this.latest = Math.max(now, this.latest);
  }

  /** Destinations that get nothing now, and those of which one delivery tries whether they are back. */
  async closed(now, busy) {
    const off = new Set([...(await this.store.disabled()), ...busy.keys()]);
    const waiting = Object.entries(this.breakers).filter(([dest, breaker]) => isOpen(breaker) && !off.has(dest));
    const probe = new Set(waiting.filter(([, breaker]) => breaker.probe_at <= now).map(([dest]) => dest));
    const closed = waiting.map(([dest]) => dest).filter((dest) => !probe.has(dest));
    const unset = [...this.composer.site.destinations.keys()].filter((dest) => !this.hooks.has(dest));
    return [new Set([...off, ...closed, ...unset, ...(this.mail ? [] : this.mailDests())]), probe];
  }

  mailDests() {
    const named = [...this.composer.site.forms.values()].flatMap((form) => form.spec.notify);
    return new Set(["mail", ...named.filter((dest) => dest.includes(":"))]);
  }

  async sendAll(dest, { group, until, leasedAt }, hastened) {
    const [done, left] = [{ sent: 0, failed: 0 }, [...group]];
    let returned = null;
    const giveBack = () => (returned ??= this.giveBack(dest, left.splice(0), leasedAt));
    // While an attempt still hangs: after it, the platform may leave no time for this.
    const timer = setTimeout(giveBack, Math.max(0, until - this.clock()) * 1000);
    try {
      while (left.length && this.clock() <= until) {
        done[(await this.send(left.shift(), hastened)) ? "sent" : "failed"] += 1;
      }
      await giveBack();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.note("outbox_unavailable", { dest: shown(dest) }); // the leases run out, and it is tried again
    } finally {
      clearTimeout(timer);
    }
    return done;
  }

  /** What there is no time for is nobody's attempt. A probe was none anyway: its lease runs out. */
  async giveBack(dest, deliveries, leasedAt) {
    const ids = deliveries.filter((delivery) => delivery.next_at <= leasedAt).map((delivery) => delivery.id);
    const now = Math.floor(this.clock() * 1000);
    try {
      if (ids.length) await this.store.giveBack(ids, now, leasedAt + LEASE_SECONDS * 1000);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.note("outbox_unavailable", { dest: shown(dest) });
    }
  }

  async send(delivery, hastened) {
    let found;
    try {
      found = await this.attempt(delivery);
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      found = sent(false, error?.constructor?.name || "Error");
    }
    const now = this.clock();
    await this.mark(delivery, found, now);
    if (!(found.permanent || found.item)) {
      const breaker = (this.breakers[delivery.dest] ??= { failures: 0, probe_at: 0 });
      const recovered = note(breaker, found.ok, now, found.retry_after);
      // A breaker is forgotten with its process; what had failed for minutes tells the next one that it is over.
      const isOver = found.ok && delivery.attempts >= LATE && !hastened.has(delivery.dest);
      if (recovered || isOver) {
        hastened.add(delivery.dest);
        await this.store.hasten(delivery.dest, Math.floor(now * 1000));
      }
    }
    return found.ok;
  }

  /** What this deploy knows nothing of may be a newer one's, which has the same store: it waits for that one. */
  async attempt(delivery) {
    if (!Object.keys(delivery.body).length) return sent(false, "erased", { permanent: true });
    if (delivery.dest === "mail" || delivery.dest.startsWith("email:")) return this.sendMail(delivery);
    const hook = this.hooks.get(delivery.dest);
    if (!hook) return sent(false, "no_destination", { item: true });
    return hook.send(this.poster, delivery, (id) => this.store.findLead(id), this.clock());
  }

  async sendMail(delivery) {
    if (!this.composer.site.forms.has(delivery.form)) return sent(false, "no_form", { item: true });
    const lead = delivery.lead ? await this.store.findLead(delivery.lead) : null;
    let mail;
    try {
      mail = this.composer.compose(delivery, lead, this.clock(), await this.codeFor(delivery, lead));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return sent(false, error.message, { permanent: true });
    }
    return this.mail ? this.mail.send(mail) : sent(false, "no_transport");
  }

  /** The single-use code of the lead that a mail brings the magnet, or empty. */
  async codeFor(delivery, lead) {
    const { site } = this.composer;
    if (delivery.kind !== "mail:deliver" || !lead || !claimants(site, [lead]).length) return "";
    return codeOf(site, lead, await this.store.codes([lead.id]));
  }

  async mark(delivery, found, now) {
    const ms = Math.floor(now * 1000);
    const { id, dest, kind } = delivery;
    if (found.gone) await this.store.disable(dest, ms, true);
    if (found.ok) await this.store.finish(id, ms, found.code);
    else await this.store.fail(id, ms, found.code, found.permanent ? null : this.nextAt(delivery, found, now));
    this.note("delivery", { id, dest: shown(dest), kind, ok: found.ok, code: found.code });
  }

  /** When a failed delivery is tried again, in ms; null: never by itself. */
  nextAt(delivery, found, now) {
    if (delivery.next_at > now * 1000) {
      // It was a probe, before its time: its turn comes as if there had been none.
      return Math.max(delivery.next_at, Math.floor((now + found.retry_after) * 1000));
    }
    if (delivery.attempts > DELAYS.length) return null;
    const delay = DELAYS[delivery.attempts - 1] * (1 - JITTER + 2 * JITTER * this.jitter());
    return Math.floor((now + Math.max(delay, found.retry_after)) * 1000);
  }
}

/** A destination as it may be logged: an owner's address is an address. */
function shown(dest) {
  return dest.startsWith("email:") ? "email" : dest;
}
