/**
 * The store on Cloudflare D1: the tables of store/schema.py, and what store/__init__.py promises.
 *
 * A decision's changes are one `batch()`, which is written as a whole or not at all. Its first statement is the guard:
 * a row that cannot be written where something that the decision looked at has changed since it was read; then it is
 * read and decided again. The guard's row is the commit's receipt as well. Where the answer of a batch gets lost, a row
 * of the same id is written that says so: if there is none yet, the batch was not committed and now never can be.
 */

import { randomBytes } from "node:crypto";

import { claiming, Gone, goneBy, ofLeads } from "./d1-codes.mjs";
import * as outbox from "./d1-outbox.mjs";
import * as rows from "./d1-rows.mjs";
import { asking, WAITING } from "./d1-snapshot.mjs";
import { StoreUnavailable } from "./records.mjs";

/** Times that a decision is made which others were in the way of. */
export const TRIES = 30;
/** Times that D1 is asked when it does not answer. */
export const CALLS = 3;
const WAIT_MS = 15;
const WAIT_MAX_MS = 500;

/** See store/__init__.py. `db`: a D1 database whose tables were made. */
export class D1Store {
  promises = Object.freeze({ unique: true, counters: true, transactions: true, codes: true });
  #db;
  #gone = new Gone();

  constructor(db) {
    this.#db = db;
  }

  // Deciding

  async submit(load, decide) {
    let lost = 0;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const [found, changes] = await this.#decided(load, decide);
      const writes = rows.writing(changes);
      if (await this.#written(found, writes, changes, () => (lost += 1))) return changes.answer ?? null;
      if (lost === CALLS) throw new StoreUnavailable("D1 does not answer");
      await pause(attempt);
    }
    throw new StoreUnavailable("busy");
  }

  /** What was found, and what was decided on it. */
  async #decided(load, decide) {
    const found = await this.#load(load, false);
    try {
      return [found, decide(found.snapshot)];
    } catch (exc) {
      if (exc !== WAITING) throw exc;
    }
    const whole = await this.#load(load, true);
    return [whole, decide(whole.snapshot)];
  }

  async #load(load, whole) {
    const { statements, found } = asking(load, whole);
    return found(await this.#ask(statements));
  }

  /** Write it, and its claim → whether it stands. */
  async #written(found, writes, { claim, now }, lose) {
    if (!claim) return !writes.length || Boolean(await this.#commit(found, writes, lose));
    const start = this.#gone.of(claim);
    const claims = claiming(claim, now ?? 0, start);
    if (!writes.length && !claims.length) return true;
    const answers = await this.#commit(found, [...writes, ...claims], lose);
    if (claims.length && answers?.length) this.#gone.learn(claim, goneBy(claim, start, answers.slice(-claims.length)));
    return Boolean(answers);
  }

  /**
   * Write it → the answers, which are none where they were lost; null where nothing was written. `lose` is told of an
   * answer that did not come.
   */
  async #commit(found, writes, lose) {
    const id = randomBytes(16).toString("hex");
    try {
      return await this.#batch([found.guard(id), ...writes]);
    } catch (exc) {
      if (isGuard(exc)) return null;
      if (isRefused(exc)) throw new StoreUnavailable(why(exc));
      lose();
      return (await this.#stands(id)) ? [] : null;
    }
  }

  /** Whether a commit whose answer got lost was made. If not, it is made void: it may still be on its way. */
  async #stands(id) {
    const void_ = "INSERT INTO guard VALUES(?, unixepoch(), 2) ON CONFLICT(id) DO UPDATE SET at=at RETURNING unchanged";
    const [[row]] = await this.#ask([rows.statement(void_, id)]);
    return row.unchanged === 1;
  }

  // Reading

  async leads(query) {
    return (await this.#ask([rows.paged("lead", query)]))[0].map(rows.asLead);
  }

  async submissions(query) {
    return (await this.#ask([rows.paged("submission", query)]))[0].map(rows.asSubmission);
  }

  async findLead(id) {
    const [[row]] = await this.#ask([rows.statement("SELECT * FROM lead WHERE id=?", id)]);
    return row ? rows.asLead(row) : null;
  }

  async codes(ids) {
    return ids.length ? (await this.#ask([ofLeads(ids)]))[0] : [];
  }

  async person(emailKey) {
    const [leads, submissions, deliveries, [suppressed]] = await this.#ask(rows.ofPerson(emailKey));
    return {
      leads: leads.map(rows.named),
      submissions: submissions.map(rows.named),
      deliveries: deliveries.map(rows.named),
      suppressed: suppressed ? suppressed.reason : "",
    };
  }

  async outbox(state = "", limit = 100) {
    return (await this.#ask([outbox.listing(state, limit)]))[0].map(outbox.asDelivery);
  }

  async disabled() {
    const [found] = await this.#ask([rows.statement("SELECT dest FROM disabled")]);
    return new Set(found.map((row) => row.dest));
  }

  async dump() {
    const tables = (await this.#ask(rows.dumping())).map((found) => found.map(rows.named));
    const [leads, submissions, sent, suppression, idem] = tables;
    return { leads, submissions, outbox: sent, suppression, idem };
  }

  // Counting

  /** A fault here refuses nobody: who is counted wrongly is let in, and the leads' own tables have the last word. */
  async rate(counts, _now) {
    try {
      const found = await this.#batch(rows.rating(counts));
      return found.flat().map((row) => row.n);
    } catch {
      return counts.map(() => 0);
    }
  }

  // Delivering

  /** `skip`, `probe`: names of destinations, in whatever can be gone through. */
  async lease(now, seconds, limit, skip, probe) {
    const [waiting] = await this.#ask([outbox.waiting(now)]);
    const owner = randomBytes(8).toString("hex");
    const taking = outbox.leasing(waiting, owner, now, seconds, limit, new Set(skip), new Set(probe));
    // Not tried again: what was taken without our hearing of it waits until its lease has run out.
    const taken = taking.length ? await available(() => this.#batch(taking)) : [];
    return taken.flatMap((found) => found.sort((a, b) => a.next_at - b.next_at).map(outbox.asDelivery));
  }

  async finish(id, _now, code) {
    await this.#ask([outbox.finishing(id, code)]);
  }

  async fail(id, _now, code, nextAt) {
    await this.#ask([outbox.failing(id, code, nextAt)]);
  }

  /** What was taken and not begun: as it was before, and no attempt. */
  async giveBack(ids, _now, until) {
    await this.#ask([outbox.givingBack(ids, until)]);
  }

  async retry(id, now) {
    const [, found] = await this.#ask(outbox.retrying(id, now));
    return found.length > 0;
  }

  async hasten(dest, now) {
    await this.#ask([outbox.hastening(dest, now)]);
  }

  async disable(dest, now, off) {
    await this.#ask([outbox.disabling(dest, now, off)]);
  }

  // Tending

  async probe(now) {
    const [, [row]] = await this.#ask(rows.probing(now));
    if (!row || row.at !== now) throw new StoreUnavailable("what was written is not read back");
  }

  async purge(now) {
    await this.#ask(rows.purging(now));
  }

  async clear() {
    await this.#ask(rows.clearing());
    this.#gone.forget();
  }

  async close() {}

  // Asking

  /** What may be asked twice: questions, and changes that change nothing the second time. → rows of each statement. */
  async #ask(statements) {
    if (!statements.length) return [];
    return available(async () => {
      for (let call = 1; ; call += 1) {
        try {
          return await this.#batch(statements);
        } catch (exc) {
          if (isRefused(exc) || call === CALLS) throw exc;
          await pause(call);
        }
      }
    });
  }

  async #batch(statements) {
    const prepared = statements.map(({ sql, values }) => this.#db.prepare(sql).bind(...values));
    return (await this.#db.batch(prepared)).map((result) => result.results);
  }
}

async function available(work) {
  try {
    return await work();
  } catch (exc) {
    throw exc instanceof StoreUnavailable ? exc : new StoreUnavailable(why(exc));
  }
}

/** What was read has changed: see the table `guard`. */
function isGuard(exc) {
  return /CHECK constraint failed: unchanged\b/.test(String(exc.message));
}

/** SQLite itself has said no: nothing was written, and nothing would be the next time. */
function isRefused(exc) {
  return String(exc.message).includes("SQLITE_");
}

/** What went wrong, in words of ours: D1's own may repeat what was asked. */
function why(exc) {
  const text = String(exc.message);
  if (/no such (table|column)/.test(text)) {
    return "the database lacks tables: run `wrangler d1 migrations apply` for it, with --remote for the deployed one";
  }
  return /SQLITE_[A-Z_]+/.exec(text)?.[0] ?? "D1 does not answer";
}

/** Longer with each attempt, and never the same: two that were in each other's way are not to meet again. */
function pause(attempt) {
  const most = Math.min(WAIT_MAX_MS, WAIT_MS * 2 ** attempt);
  return new Promise((resolve) => {
    setTimeout(resolve, Math.random() * most);
  });
}
