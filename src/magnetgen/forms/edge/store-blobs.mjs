/**
 * The store on Netlify Blobs, which has no transactions, no counters and no conditions but one: a blob is written only
 * if it is not there yet. What follows from that:
 *
 * - All that is known of an address, on every form, is the newest entry of one numbered log (blob-log.mjs), with its
 *   leads, submissions, answers, outbox and suppression. A decision reads it, and adds the next entry; who finds that
 *   number taken reads and decides again. So what a decision sees of an address cannot change under it, confirm and
 *   unsubscribe come one after the other, and there is one lead of an address on a form without any lock.
 * - It has succeeded only when a strong read gives back what was written, whatever the writing was answered.
 * - What is found other than by an address is named by blobs beside the log (blob-state.mjs): pointers by id, an index
 *   by time, markers for what is due. They are written before the entry, so a crash can leave one too many, never one
 *   too few; they only say where to look, and what they say is checked there. Nothing is counted or listed in one blob.
 * - An idempotency key of a client's is one key over all addresses: blob-claims.mjs.
 * - Erasing is an entry without the rows; then older entries are emptied, and their blobs beside removed, by whoever
 *   gets to it: blob-tidy.mjs.
 *
 * A log grows by whole states. They are small, as one person is, and old ones are removed after a time. An address that
 * is submitted again and again pays for that with its own time, and stands in nobody else's way.
 */

import { randomUUID } from "node:crypto";

import { backOff } from "./blobs.mjs";
import { Claims } from "./blob-claims.mjs";
import { Index } from "./blob-index.mjs";
import { looseLog, personLog, pointerKey, rateKey } from "./blob-keys.mjs";
import { Logs } from "./blob-log.mjs";
import { Outbox } from "./blob-outbox.mjs";
import { partsOf } from "./blob-parts.mjs";
import { besides, nextEntry, settled, tablesOf, withClaim } from "./blob-state.mjs";
import { each, Tidy } from "./blob-tidy.mjs";
import { NO_CODES, StoreUnavailable } from "./records.mjs";
import * as rows from "./tables.mjs";

/** For so long a decision is made again while others are in its way, in ms: less than a client waits. */
const PATIENCE_MS = 8000;

export class BlobStore {
  /**
   * What it can hold to. `unique`: one lead of an address on a form, one answer of a key, one delivery of a cause.
   * `counters`: not so; a limit may be passed by those who come at the same moment, as they do not see each other.
   * `transactions`: not so; a decision is one step for one address, and no decision of the handler's concerns two.
   * `codes`: not so; who gets which code concerns them all. Whoever would get one is told to come again later.
   */
  promises = Object.freeze({ unique: true, counters: false, transactions: false, codes: false });

  /** `blobs`: see openBlobs; `wall()`: the machine's clock in ms; `pause(attempt)`: waits before another try. */
  constructor(blobs, { wall = Date.now, pause = backOff } = {}) {
    Object.assign(this, { blobs, wall, pause });
    const update = (...call) => this.#update(...call);
    this.logs = new Logs(blobs, { wall, pause });
    this.index = new Index(blobs, this.logs);
    this.claims = new Claims(blobs, this.logs, { wall, pause, update });
    this.deliveries = new Outbox(blobs, this.logs, { wall, update });
    this.tidy = new Tidy(blobs, this.logs, { wall, update });
  }

  // Deciding

  async submit(load, decide) {
    const written = new Set();
    const changes = await this.#repeatedly(async () => {
      const { home, claim, snapshot } = await this.#load(load);
      const decided = decide(snapshot);
      if (decided.claim) throw new StoreUnavailable(NO_CODES);
      return (await this.#write(decided, home, claim, written)) ? decided : null;
    });
    return changes.answer ?? null;
  }

  /** Do something until it has a result other than null: then nobody was in its way. */
  async #repeatedly(work) {
    const until = this.wall() + PATIENCE_MS;
    for (let attempt = 0; ; attempt += 1) {
      const result = await work();
      if (result !== null) return result;
      if (this.wall() > until) throw new StoreUnavailable("blobs: others were in the way");
      await this.pause(attempt);
    }
  }

  /** What a decision needs to see → {home (the log of its address, or null), claim, snapshot}. */
  async #load(load) {
    const keys = load.idem ?? [];
    const form = load.form ?? "";
    const answered = async () => {
      const found = await this.#home(load, form, keys);
      return { home: found, ...(await this.claims.answer(form, keys, found)) };
    };
    const [count, { home, idem, claim }] = await Promise.all([
      load.count_max ? this.index.count(form, load.since, load.count_max) : 0,
      answered(),
    ]);
    const tables = home ? tablesOf(home) : rows.emptyTables();
    return { home, claim, snapshot: { ...rows.snapshot(tables, load), idem, count } };
  }

  async #home(load, form, keys) {
    if (load.email_key) return this.logs.newest(personLog(load.email_key));
    const id = load.lead || load.submission;
    if (id) {
      const log = await this.blobs.get(pointerKey(id));
      return log ? this.logs.newest(log) : null;
    }
    // A bot that has left no address: its key says which log it has, if it has one.
    const found = await Promise.all(keys.map((key) => this.logs.newest(looseLog(form, key))));
    return found.find(({ n }) => n) ?? found[0] ?? null;
  }

  /** Write what was decided → whether nobody was in the way. `written`: what has been written beside logs so far. */
  async #write(changes, home, claim, written) {
    const parts = await this.#parts(changes, home);
    const steps = parts.map(({ found, more }) => {
      const tables = tablesOf(found);
      rows.apply(tables, more);
      return { found, tables, more };
    });
    const [committed, standing] = [[], home ? [home] : []];
    for (const [at, { found, tables, more }] of steps.entries()) {
      const claims = more.idem ? await this.#claimed(found, more.idem, claim) : undefined;
      if (claims === null) return false;
      const next = nextEntry(found, tables, { now: changes.now ?? 0, claims });
      standing.push(next ?? found);
      if (!next) continue;
      for (const [key] of next.before) written.add(key);
      if (await this.#commit(next, changes.now ?? 0)) committed.push(next);
      else if (!committed.length) return false;
      else await this.#update(found.log, (_, now) => ({ result: rows.apply(now, more), now: changes.now ?? 0 }));
    }
    await this.#sweep(written, standing);
    return true;
  }

  /** The claims of a log with the one that its new answer needs; null if somebody else has got it. */
  async #claimed(found, { form, key }, seen) {
    const k = await this.claims.take(form, key, found.log, seen);
    if (k === 0) return null;
    const before = settled(found, form, key);
    if (k === null || (before?.k === k && !before.over)) return undefined;
    return withClaim(found, { form, key, k, over: false });
  }

  /** What was decided, by log → [{found, more}]. */
  async #parts(changes, home) {
    const locate = (id) => (id ? this.blobs.get(pointerKey(id)) : null);
    const parts = await partsOf(changes, home, home ? tablesOf(home) : rows.emptyTables(), locate);
    const read = async ([log, more]) => ({ found: log === home?.log ? home : await this.logs.newest(log), more });
    return Promise.all([...parts].map(read));
  }

  /** Add an entry → whether it stands; another may have been faster. What is over with it goes when it can. */
  async #commit(next, now) {
    const stamp = String(this.wall());
    await Promise.all([
      ...next.before.map(([key, text]) => this.blobs.set(key, text || stamp)),
      ...next.ended.map((key) => this.blobs.remove(key)),
      next.emptied ? this.tidy.announce(next) : null,
    ]);
    if (!(await this.logs.append(next.log, next.n, next.entry))) return false;
    this.deliveries.noteMarkers(next.entry.due, next.gone);
    const remove = () => each(next.gone, (key) => this.blobs.remove(key));
    await this.#gladly(() => (next.emptied ? this.tidy.scrub(next, now) : remove()));
    return true;
  }

  /** Do what a later drain does if it cannot be done now. */
  async #gladly(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  /** Change a log by itself: `change(found, tables)` → {result, now, claims}, and may run again. `found`: as read. */
  async #update(log, change, found = null) {
    let known = found;
    const done = await this.#repeatedly(async () => {
      const current = known ?? (await this.logs.newest(log));
      known = null;
      const tables = tablesOf(current);
      const { result, now = 0, claims } = change(current, tables);
      const next = nextEntry(current, tables, { now, claims });
      return !next || (await this.#commit(next, now)) ? { result } : null;
    });
    return done.result;
  }

  /** Pointers and keys of the index for what came to nothing. `standing`: entries that name what there is. */
  async #sweep(written, standing) {
    const kept = new Set(standing.flatMap(besides));
    const idle = [...written].filter((key) => /^(?:at|index)\//.test(key) && !kept.has(key));
    if (idle.length) await this.#gladly(() => each(idle, (key) => this.blobs.remove(key)));
  }

  // Reading

  /** Nobody has a code here. */
  async codes() {
    return [];
  }

  leads(query) {
    return this.index.leads(query);
  }

  submissions(query) {
    return this.index.submissions(query);
  }

  async person(emailKey) {
    return rows.person(tablesOf(await this.logs.newest(personLog(emailKey))), emailKey);
  }

  async findLead(id) {
    const log = await this.blobs.get(pointerKey(id));
    return log ? rows.findLead(tablesOf(await this.logs.newest(log)), id) : null;
  }

  async outbox(state = "", limit = 100) {
    if (state && state !== "done") return this.deliveries.marked(state, limit);
    const found = await this.index.deliveries(limit, (row) => !state || row.state === state);
    const tables = { outbox: new Map(found.map((row) => [row.id, row])) };
    return rows.outbox(tables, state, limit);
  }

  // Counting

  /**
   * Count one more in each window, up to one more than its limit: the first place in it that nobody has. Two who come
   * at once never get the same place. A fault here refuses nobody.
   */
  async rate(counts) {
    return Promise.all(counts.map((count) => this.#place(count).catch(() => 0)));
  }

  async #place(count) {
    if (await this.#takes(count, 1)) return 1;
    const folder = rateKey(count, 1).slice(0, -4);
    const taken = (await this.blobs.list(folder)).map((key) => Number(key.slice(folder.length)));
    let place = Math.max(1, ...taken.filter(Number.isInteger)) + 1;
    while (place <= count.limit && !(await this.#takes(count, place))) place += 1;
    return Math.min(place, count.limit + 1);
  }

  /** Whose answer was lost may have got the place, and is believed. */
  async #takes(count, place) {
    return (await this.blobs.setNew(rateKey(count, place), "1")) !== "taken";
  }

  // Delivering

  lease(now, seconds, limit, skip, probe) {
    return this.deliveries.lease(now, seconds, limit, skip, probe);
  }

  finish(id, now, code) {
    return this.deliveries.finish(id, now, code);
  }

  fail(id, now, code, nextAt) {
    return this.deliveries.fail(id, now, code, nextAt);
  }

  giveBack(ids, now, until) {
    return this.deliveries.giveBack(ids, now, until);
  }

  retry(id, now) {
    return this.deliveries.retry(id, now);
  }

  hasten(dest, now) {
    return this.deliveries.hasten(dest, now);
  }

  disabled() {
    return this.deliveries.disabled();
  }

  disable(dest, now, off) {
    return this.deliveries.disable(dest, now, off);
  }

  // Tending

  async probe(now) {
    const [key, text] = [`probe/${randomUUID()}`, String(now)];
    await this.blobs.set(key, text);
    if ((await this.blobs.get(key)) !== text) throw new StoreUnavailable("blobs: what was written is not read back");
    await this.#gladly(() => this.blobs.remove(key));
  }

  purge(now) {
    return this.tidy.purge(now);
  }

  /** Everything, for tests. */
  async dump() {
    const keys = [...(await this.blobs.list("person/")), ...(await this.blobs.list("loose/"))];
    const merged = rows.emptyTables();
    await each([...new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/"))))], async (log) => {
      const found = await this.logs.newest(log);
      const tables = tablesOf(found);
      for (const [key, row] of tables.idem) if (settled(found, row.form, row.key)?.over) tables.idem.delete(key);
      for (const name of ["leads", "submissions", "idem", "outbox", "suppression"]) {
        for (const [key, row] of tables[name]) merged[name].set(key, row);
      }
    });
    return rows.dump(merged);
  }

  /** Remove everything, for tests. */
  async clear() {
    await this.blobs.removeAll();
    this.logs.forget();
    this.deliveries.forget();
  }

  async close() {}
}
