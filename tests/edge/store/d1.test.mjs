/** The store on D1, against the D1 that workerd has: the suite, lost answers, and what happens without the guard. */

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { CALLS, D1Store } from "../../../src/magnetgen/forms/edge/store-d1.mjs";
import { openD1 } from "../hosts/d1.mjs";
import { StoreUnavailable } from "./kit.mjs";
import { changes, crowd, idem, lead, load, query, sent, write } from "./rows.mjs";
import { suite } from "./suite.mjs";

suite("D1", async () => {
  const { db, close } = await openD1();
  return { store: new D1Store(db), another: async () => new D1Store(db), close };
});

let opened;
before(async () => {
  opened = await openD1();
});
after(() => opened.close());

/** The database with something done to its batches: `batch(statements, go)`. */
function meddled(batch) {
  const { db } = opened;
  return { prepare: (sql) => db.prepare(sql), batch: (statements) => batch(statements, () => db.batch(statements)) };
}

const isCommit = (statements) => statements[0].sql.startsWith("INSERT INTO guard(id, at, unchanged)");
const lost = () => new Error("D1_ERROR: Network connection lost.");

describe("D1: an answer that gets lost", () => {
  let store;
  beforeEach(async () => {
    store = new D1Store(opened.db);
    await store.clear();
  });

  /** Decide to write a lead and one more submission; → the times that it was decided. */
  async function deciding(db, asked = { form: "news", email_key: "key1" }) {
    let times = 0;
    const answer = await new D1Store(db).submit(load(asked), (found) => {
      times += 1;
      const made = found.lead ?? lead();
      return changes({ answer: "taken", leads: [made], submissions: [sent(times, made.id)] });
    });
    assert.equal(answer, "taken");
    return times;
  }

  it("after the commit: it is found, and nothing is decided again", async () => {
    let once = true;
    const db = meddled(async (statements, go) => {
      const done = await go();
      if (isCommit(statements) && once) throw ((once = false), lost());
      return done;
    });
    assert.equal(await deciding(db), 1);
    assert.equal((await store.submissions(query())).length, 1);
  });

  it("before the commit: it is decided again", async () => {
    let once = true;
    const db = meddled((statements, go) => {
      if (isCommit(statements) && once) throw ((once = false), lost());
      return go();
    });
    assert.equal(await deciding(db), 2);
    assert.equal((await store.submissions(query())).length, 1);
  });

  it("while the commit is on its way: it is made void, and what comes late is not written", async () => {
    let late;
    const db = meddled((statements, go) => {
      if (!isCommit(statements) || late) return go();
      late = go;
      throw lost();
    });
    assert.equal(await deciding(db, {}), 2);
    await assert.rejects(late(), /UNIQUE constraint failed: guard.id/);
    assert.deepEqual((await store.submissions(query())).map((found) => found.id), ["s2"]);
  });

  it("of the question about it, too: it is asked again", async () => {
    let calls = 0;
    const db = meddled(async (statements, go) => {
      const done = await go();
      if (isCommit(statements) || statements[0].sql.startsWith("INSERT INTO guard VALUES")) {
        if ((calls += 1) <= 2) throw lost();
      }
      return done;
    });
    assert.equal(await deciding(db), 1);
    assert.equal(calls, 3);
  });

  it("again and again: the store is unavailable, and nothing was written", async () => {
    let calls = 0;
    const db = meddled((statements, go) => {
      if (!isCommit(statements)) return go();
      calls += 1;
      throw lost();
    });
    await assert.rejects(deciding(db), StoreUnavailable);
    assert.equal(calls, CALLS);
    assert.deepEqual(await store.leads(query()), []);
  });

  it("of everything: the store is unavailable, and says so of each call", async () => {
    const gone = new D1Store(meddled(() => Promise.reject(lost())));
    const calls = [
      () => write(gone, { leads: [lead()] }), () => gone.leads(query()), () => gone.probe(1), () => gone.dump(),
      () => gone.lease(1, 1, 1, [], []), () => gone.finish("a", 1, ""), () => gone.findLead("a"), () => gone.purge(1),
    ];
    for (const call of calls) await assert.rejects(call(), StoreUnavailable);
    assert.deepEqual(await gone.rate([{ bucket: "b", key: "k", limit: 1, ends_at: 9 }], 1), [0]);
  });

  it("of a lease: nothing is leased twice", async () => {
    let times = 0;
    const leaky = new D1Store(
      meddled(async (statements, go) => {
        const done = await go();
        if (statements[0].sql.startsWith("UPDATE outbox") && (times += 1)) throw lost();
        return done;
      }),
    );
    await write(store, { leads: [lead()], outbox: [] });
    await store.submit(load(), () => changes({ outbox: [0, 1].map((n) => ({ ...delivery(n) })) }));
    await assert.rejects(leaky.lease(10, 30, 1, [], []), StoreUnavailable);
    assert.equal(times, 1);
    assert.equal((await store.outbox("leased")).length, 1);
  });

  function delivery(n) {
    const about = { id: `d${n}`, lead: lead().id, form: "news", dest: "crm", kind: "lead.created", cause: `d${n}` };
    return { ...about, body: { n }, created_at: 1, state: "due", attempts: 0, next_at: 1, last_code: "" };
  }
});

describe("D1: what it costs", () => {
  beforeEach(() => new D1Store(opened.db).clear());

  it("writes nothing where nothing was decided, and leaves no receipts for long", async () => {
    const store = new D1Store(opened.db);
    const batches = [];
    const watched = new D1Store(
      meddled((statements, go) => {
        batches.push(statements.map((one) => one.sql.split(" ", 1)[0]));
        return go();
      }),
    );
    assert.equal(await watched.submit(load({ form: "news", email_key: "key1", idem: ["k"] }), () => changes({})), null);
    assert.deepEqual(batches, [["SELECT"]]);
    await write(store, { leads: [lead()] });
    const receipts = async () => (await opened.db.batch([opened.db.prepare("SELECT at FROM guard").bind()]))[0].results;
    assert.equal((await receipts()).length, 1);
    await opened.db.batch([opened.db.prepare("UPDATE guard SET at=at-3600").bind()]);
    await store.purge(1);
    assert.deepEqual(await receipts(), []);
  });

  it("does not grow with what strangers send for an address, which can still be confirmed", async () => {
    const [counted, read] = [[], []];
    const watched = new D1Store(
      meddled(async (statements, go) => {
        counted.push(statements.length);
        const done = await go();
        read.push(JSON.stringify(done).length);
        return done;
      }),
    );
    const store = new D1Store(opened.db);
    const many = Array.from({ length: 500 }, (_, n) => {
      const fields = { message: `${"é".repeat(2000)}'"\n${n}` };
      return sent(n + 1, lead().id, "accepted", { fields, applied_at: null });
    });
    await write(store, { leads: [lead(1, { status: "pending" })], submissions: many });
    assert.deepEqual(await store.submissions(query({ limit: 999 })), [...many].reverse());
    const asked = { form: "news", email_key: "key1", idem: ["k"], since: 1, count_max: 9, mails_since: 1 };
    await watched.submit(load(asked), (found) => {
      const more = sent(999, found.lead.id, "accepted", { applied_at: null });
      return changes({ leads: [found.lead], submissions: [more], idem: idem(), answer: found.suppressed });
    });
    assert.ok(Math.max(...read) < 2000, String(read));
    counted.length = 0;
    await watched.submit(load({ lead: lead().id }), ({ lead: known, waiting }) => {
      const submissions = waiting.map((one) => ({ ...one, applied_at: 7 }));
      return changes({ leads: [{ ...known, status: "confirmed" }], submissions });
    });
    // The free plan allows 50 in all, and there are mails to send.
    assert.ok(counted.reduce((a, b) => a + b) < 20, String(counted));
    const found = await store.submissions(query({ limit: 999 }));
    assert.deepEqual(found.filter((one) => one.applied_at !== 7), []);
    assert.deepEqual(found.slice(1), [...many].reverse().map((one) => ({ ...one, applied_at: 7 })));
  });

  it("never reads a whole table for a submission, a drain or a purge", async () => {
    const plans = [];
    const watched = new D1Store(
      meddled(async (statements, go) => {
        for (const { sql, values } of statements) {
          const asked = opened.db.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...values);
          const [{ results }] = await opened.db.batch([asked]);
          plans.push(...results.map((row) => row.detail));
        }
        return go();
      }),
    );
    const asked = { form: "news", email_key: "key1", idem: ["k", "l"], since: 1, count_max: 9, mails_since: 1 };
    await watched.submit(load(asked), (found) => changes({ answer: { ...found }, leads: [lead()], idem: idem() }));
    await watched.submit(load({ lead: lead().id, mails_since: 1 }), (found) => changes({ answer: { ...found } }));
    await watched.submit(load({ submission: "s1" }), (found) => changes({ answer: { ...found } }));
    const claim = { magnet: "beta", codes: ["A", "B"], lead: lead().id };
    plans.push("claim");
    await watched.submit(load(), () => changes({ leads: [lead()], claim }));
    // A list of codes is looked at only as far as the first that is free.
    assert.ok(!plans.slice(plans.indexOf("claim")).some((plan) => plan.includes("TEMP B-TREE")));
    assert.deepEqual(await watched.codes([lead().id]), [{ lead: lead().id, magnet: "beta", code: "A" }]);
    await watched.lease(10, 30, 9, [], ["crm"]);
    await watched.finish("a", 1, "");
    await watched.purge(1);
    assert.ok(plans.length > 30, String(plans.length));
    const small = /SCAN (recent|waiting|guard|listed|json_each|CONSTANT ROW|\(|[0-9])/;
    assert.deepEqual(plans.filter((plan) => plan.startsWith("SCAN") && !small.test(plan)), []);
    // By time alone, a purge would read all that is older than what it is to remove.
    assert.deepEqual(plans.filter((plan) => plan.includes("_newest")), []);
  });
});

describe("D1: a database from before there were codes", () => {
  let old;
  before(async () => {
    old = await openD1();
    await old.db.batch([old.db.prepare("DROP TABLE code").bind()]);
  });
  after(() => old.close());

  it("takes in what needs none, and says what to do where one is needed; then nothing is written", async () => {
    const store = new D1Store(old.db);
    await write(store, { leads: [lead()], submissions: [sent(1, lead().id)] });
    const says = { name: "StoreUnavailable", message: /wrangler d1 migrations apply/ };
    const claim = { magnet: "beta", codes: ["A"], lead: lead(2).id };
    await assert.rejects(write(store, { leads: [lead(2)], claim }), says);
    assert.deepEqual((await store.leads(query())).map((found) => found.id), [lead().id]);
    assert.equal((await store.submissions(query())).length, 1);
    await write(store, { erase: "key1" });
    assert.deepEqual(await store.leads(query()), []);
  });
});

describe("D1: the version before, on a database that has codes", () => {
  it("erases a lead that has one, and the code stays gone", async () => {
    const store = new D1Store(opened.db);
    await store.clear();
    const claim = (number) => ({ magnet: "beta", codes: ["A", "B"], lead: lead(number).id });
    await write(store, { leads: [lead()], claim: claim(1) });
    await opened.db.batch([opened.db.prepare("DELETE FROM lead WHERE email_key=?").bind("key1")]);
    await write(store, { leads: [lead(2)], claim: claim(2) });
    assert.deepEqual(await store.codes([lead().id, lead(2).id]), [{ lead: lead(2).id, magnet: "beta", code: "B" }]);
  });
});

describe("D1: without the guard, as a control", () => {
  let store;
  beforeEach(async () => {
    await new D1Store(opened.db).clear();
    const blind = meddled((statements) => {
      if (!isCommit(statements)) return opened.db.batch(statements);
      const always = "INSERT INTO guard(id, at, unchanged) SELECT ?, unixepoch(), 1";
      return opened.db.batch([opened.db.prepare(always).bind(statements[0].values[0]), ...statements.slice(1)]);
    });
    store = new D1Store(blind);
  });

  it("what fifty said at once gets lost", async () => {
    const once = (number) =>
      store.submit(load({ form: "news", email_key: "key1" }), (found) => {
        const before = found.lead ?? lead();
        return changes({ leads: [{ ...before, data: { ...before.data, [`n${number}`]: "x" } }] });
      });
    await crowd(50, once);
    const [found] = await store.leads(query());
    assert.ok(Object.keys(found.data).length < 51);
  });

  it("one key makes more than one lead", async () => {
    const once = (number) =>
      store.submit(load({ form: "news", idem: ["k"], email_key: `key${number}` }), (found) =>
        changes(found.idem ? {} : { idem: idem("k"), leads: [lead(number)] }),
      );
    await crowd(50, once);
    assert.ok((await store.leads(query())).length > 1);
  });
});
