/**
 * What every store promises, over each of them (tests/forms/test_store.py): transactions, faults, erasure, leases,
 * counting.
 *
 * `open()` → {store, another, close}: an empty store, a way to open a second one on the same data, and its end.
 * `counters`: what the store promises; without them a limit holds for those who come one after another, and a count
 * goes no further than one beyond its limit. `codes`: whether it can hand out single-use codes; else it hands out none.
 */

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { QUARANTINE_MS, StoreUnavailable } from "./kit.mjs";
import { crowd, delivery, idem, lead, load, query, see, sent, write, changes } from "./rows.mjs";

const HEX = lead().id;

/** What became of a call: its answer, or that the store could not. Whatever else it raises goes on. */
async function settled(call) {
  try {
    await call;
    return true;
  } catch (exc) {
    assert.ok(exc instanceof StoreUnavailable, exc);
    return false;
  }
}

/** How many calls were acknowledged. Under a crowd a store may refuse some, if it has written nothing of them. */
function acknowledged(done) {
  const kept = done.filter(Boolean).length;
  assert.ok(kept > done.length / 2, `only ${kept} of ${done.length} were taken`);
  return kept;
}

/** The same as `crowd`, one after another. */
async function inTurn(many, call) {
  const done = [];
  for (let number = 0; number < many; number += 1) done.push(await call(number));
  return done;
}

export function suite(name, open, { counters = true, codes = true } = {}) {
  describe(`${name}: what every store promises`, () => {
    let opened;
    let store;
    before(async () => {
      opened = await open();
      store = opened.store;
    });
    after(() => opened.close());
    beforeEach(() => store.clear());

    it("loads what is written", async () => {
      const kept = idem(undefined, { submission: "s1" });
      const held = sent(2, null, "held", { applied_at: null });
      const waits = sent(1, HEX, "accepted", { applied_at: null });
      const mail = delivery("d1", { dest: "mail", kind: "mail:confirm" });
      const all = { answer: "done", idem: kept, leads: [lead()], submissions: [waits, held], outbox: [mail] };
      assert.equal(await write(store, all), "done");
      const asked = { form: "news", idem: ["x", kept.key], email_key: "key1", every_form: true };
      const found = await see(store, { ...asked, since: 1, count_max: 9, mails_since: 1 });
      assert.deepEqual([found.idem, found.lead, found.leads], [kept, lead(), [lead()]]);
      assert.deepEqual(found.waiting, [waits]);
      assert.deepEqual([found.loose, found.count, found.mails], [1, 2, [["mail:confirm", 1000]]]);
      assert.deepEqual((await see(store, { submission: "s2" })).submission, held);
    });

    it("loads by a lead's id, or a submission's, what belongs to its address", async () => {
      const held = sent(2, null, "held", { applied_at: null });
      const mail = delivery("d1", { dest: "mail", kind: "mail:confirm" });
      await write(store, { leads: [lead()], submissions: [held], outbox: [mail], suppress: ["key1", "left"], now: 3 });
      for (const by of [{ lead: HEX }, { submission: "s2" }, { form: "news", email_key: "key1" }]) {
        const found = await see(store, { ...by, mails_since: 1 });
        assert.deepEqual([found.lead, found.loose, found.suppressed], [lead(), 1, "left"]);
        assert.deepEqual(found.mails, [["mail:confirm", 1000]]);
      }
      const nobody = await see(store, { lead: "nobody", mails_since: 1 });
      assert.deepEqual([nobody.lead, nobody.loose, nobody.suppressed, nobody.mails], [null, 0, "", []]);
      assert.deepEqual((await see(store, { form: "other", email_key: "key1" })).lead, null);
    });

    it("prefers the first of the keys that are asked for", async () => {
      for (const key of ["b", "a"]) await write(store, { idem: idem(key) });
      assert.equal((await see(store, { form: "news", idem: ["b", "a"] })).idem.key, "b");
      assert.equal((await see(store, { form: "news", idem: ["a", "b"] })).idem.key, "a");
      assert.equal((await see(store, { form: "other", idem: ["a", "b"] })).idem, null);
    });

    it("keeps a decision that raises from writing, and from harming others", async () => {
      const fails = () => {
        throw new RangeError("no");
      };
      const decisions = [() => changes({ answer: "a", leads: [lead(1)] }), fails, () => changes({ leads: [lead(2)] })];
      const done = await Promise.allSettled(decisions.map((decide) => store.submit(load(), decide)));
      assert.deepEqual(done.map((one) => one.status), ["fulfilled", "rejected", "fulfilled"]);
      assert.ok(done[1].reason instanceof RangeError);
      assert.equal((await store.leads(query())).length, 2);
    });

    it("undoes a write that fails half way", async () => {
      const half = { leads: [lead(1)], submissions: [sent(1, lead(1).id, "accepted", { fields: { x: 1n } })] };
      await assert.rejects(write(store, half), TypeError);
      assert.deepEqual(await store.leads(query()), []);
    });

    it("undoes as a whole a write that breaks a rule", async () => {
      await assert.rejects(write(store, { leads: [lead(1), lead(2, { email_key: "key1" })] }), StoreUnavailable);
      await assert.rejects(write(store, { leads: [lead(3)], submissions: [sent(1, "nobody")] }), StoreUnavailable);
      await assert.rejects(write(store, { leads: [lead(4, { status: "odd" })] }), StoreUnavailable);
      assert.deepEqual(await store.leads(query()), []);
    });

    it("erases", async () => {
      const held = sent(2, null, "held", { applied_at: null });
      const notice = delivery("d2", { lead: "", kind: "mail:notify", cause: "s2" });
      const gone = delivery("d3", { kind: "lead.erased", body: { id: HEX } });
      const other = lead(2);
      await write(store, {
        idem: idem(undefined, { submission: "s1" }),
        leads: [lead(), other],
        submissions: [sent(1, HEX), held],
        outbox: [delivery("d1"), notice, delivery("d4", { lead: other.id })],
      });
      const found = await see(store, { email_key: "key1", every_form: true });
      assert.deepEqual([found.leads, found.loose, found.received], [[lead()], 1, { [HEX]: [] }]);
      await write(store, { outbox: [gone], erase: "key1", suppress: ["key1", "erased"], now: 7 });
      const rows = await store.dump();
      const left = rows.outbox.map((row) => [row.id, row.state, row.last_code, Object.keys(row.body).length > 0]);
      assert.deepEqual(left.sort(), [
        ["d1", "dead", "erased", false], ["d2", "dead", "erased", false],
        ["d3", "due", "", true], ["d4", "due", "", true],
      ]);
      assert.deepEqual((await store.leads(query())).map((kept) => kept.id), [other.id]);
      assert.deepEqual([rows.submissions, rows.idem], [[], []]);
      assert.deepEqual(rows.suppression, [{ reason: "erased", at: 7 }]);
      assert.equal((await see(store, { form: "news", email_key: "key1" })).suppressed, "erased");
      assert.equal(await store.retry("d1", 9), false);
      await write(store, { release: "key1" });
      assert.equal((await see(store, { form: "news", email_key: "key1" })).suppressed, "");
    });

    it("knows which destinations have received a lead", async () => {
      const outbox = ["a", "b", "c"].map((id) => delivery(id, { dest: `x${id}`, next_at: 1 }));
      const mail = delivery("m", { dest: "mail", kind: "mail:deliver", next_at: 1 });
      await write(store, { leads: [lead()], outbox: [...outbox, mail] });
      await store.lease(5, 30, 9, ["xc"], []);
      await store.finish("b", 6, "200");
      const found = await see(store, { email_key: "key1", every_form: true });
      assert.deepEqual(found.received, { [HEX]: ["xa", "xb"] });
    });

    it("shows a person whole", async () => {
      const held = sent(2, null, "held", { applied_at: null });
      await write(store, { leads: [lead()], submissions: [sent(1, HEX), held], outbox: [delivery("d1")] });
      const found = await store.person("key1");
      assert.deepEqual(found.leads.map((row) => [row.form, "email_key" in row]), [["news", false]]);
      assert.deepEqual(found.submissions.map((row) => row.id), ["s1", "s2"]);
      assert.deepEqual([found.deliveries.map((row) => row.id), found.suppressed], [["d1"], ""]);
      assert.equal("body" in found.deliveries[0], false);
      assert.deepEqual(await store.findLead(HEX), lead());
      assert.equal(await store.findLead("nobody"), null);
      assert.deepEqual(await store.person("nobody"), { leads: [], submissions: [], deliveries: [], suppressed: "" });
    });

    it("keeps any text", async () => {
      const words = { note: "100% of ?, 'quoted' \\ \u0001 \u{1f642} \u2028 {}", nul: "a\0b", list: ["", "\u007f"] };
      await write(store, { leads: [lead(1, { data: words })] });
      assert.deepEqual((await store.findLead(HEX)).data, words);
      assert.deepEqual((await see(store, { form: "news", email_key: "key1" })).lead.data, words);
      assert.deepEqual((await store.dump()).leads[0].data, words);
      assert.equal(await store.findLead("a\0b"), null);
      assert.deepEqual(await store.leads(query({ form: "\0" })), []);
    });

    it("writes more than one statement can bind", async () => {
      const many = Array.from({ length: 60 }, (_, n) => n + 1);
      await write(store, {
        leads: many.map((n) => lead(n)),
        submissions: many.map((n) => sent(n, lead(n).id, "accepted", { applied_at: null, email_key: `key${n}` })),
        outbox: many.map((n) => delivery(`d${n}`, { lead: lead(n).id })),
      });
      const rows = await store.dump();
      assert.deepEqual([rows.leads.length, rows.submissions.length, rows.outbox.length], [60, 60, 60]);
    });

    it("leases, finishes, fails, hastens, disables, tries again", async () => {
      const outbox = [delivery("a", { next_at: 10 }), delivery("b", { next_at: 5 })];
      await write(store, { leads: [lead()], outbox: [...outbox, delivery("c", { dest: "x", next_at: 99 })] });
      const ids = async (...lease) => (await store.lease(...lease)).map((taken) => taken.id);
      assert.deepEqual(await ids(4, 30, 9, [], []), []);
      assert.deepEqual(await ids(10, 30, 9, [], []), ["b", "a"]);
      assert.deepEqual(await ids(11, 30, 9, [], []), []);
      const again = await store.lease(30_010, 30, 1, new Set(), new Set());
      assert.deepEqual(again.map((taken) => [taken.id, taken.attempts]), [["b", 2], ["c", 1]]);
      await store.finish("b", 1, "200");
      await store.fail("a", 1, "500", 77);
      await store.fail("c", 1, "500", 99);
      assert.deepEqual(await ids(50, 30, 9, [], ["x"]), ["c"]);
      await store.fail("c", 1, "410", null);
      const left = (await store.outbox()).map((row) => [row.id, row.state, row.last_code]);
      assert.deepEqual(left.sort(), [["a", "due", "500"], ["b", "done", "200"], ["c", "dead", "410"]]);
      assert.deepEqual((await store.outbox("dead")).map((row) => row.id), ["c"]);
      await store.hasten("crm", 60);
      assert.deepEqual(await ids(60, 30, 9, ["x"], []), ["a"]);
      await store.disable("x", 1, true);
      await store.disable("x", 2, true);
      assert.deepEqual(await store.disabled(), new Set(["x"]));
      assert.equal(await store.retry("c", 70), true);
      assert.deepEqual(await store.disabled(), new Set());
      assert.deepEqual(await ids(70, 30, 9, ["x"], []), []);
      const last = await store.lease(70, 30, 9, [], []);
      assert.deepEqual(last.map((taken) => [taken.id, taken.attempts]), [["c", 1]]);
      assert.equal(await store.retry("nothing", 1), false);
    });

    it("leases the oldest first, whosever they are", async () => {
      const who = (n) => lead(n + 1);
      const due = (n, at) => delivery(`d${n}-${at}`, { lead: lead(n + 1).id, next_at: at });
      const people = Array.from({ length: 24 }, (_, n) => n);
      for (const n of people) {
        await write(store, { leads: [who(n)], outbox: n === 5 ? [due(n, 1), due(n, 90)] : [due(n, 10 + n)] });
      }
      const taken = async (limit) => (await store.lease(100, 30, limit, [], [])).map((one) => one.next_at);
      const others = people.filter((n) => n !== 5).map((n) => 10 + n);
      assert.deepEqual(await taken(8), [1, ...others.slice(0, 7)]);
      assert.deepEqual(await taken(9), others.slice(7, 16));
      assert.deepEqual(await taken(40), [...others.slice(16), 90]);
    });

    it("takes back what was leased and not begun, as it was", async () => {
      const outbox = ["a", "b", "c", "d"].map((id) => delivery(id, { next_at: 10 }));
      await write(store, { leads: [lead()], outbox });
      await store.lease(10, 30, 9, [], []);
      await store.finish("c", 11, "200");
      await store.giveBack(["a", "c", "nothing"], 11, 30_010);
      const rows = async () => (await store.outbox()).map((row) => [row.id, row.state, row.attempts, row.next_at]);
      const now = [["a", "due", 0, 10], ["b", "leased", 1, 10], ["c", "done", 1, 10], ["d", "leased", 1, 10]];
      assert.deepEqual((await rows()).sort(), now);
      assert.deepEqual((await store.lease(12, 30, 9, [], [])).map((one) => [one.id, one.attempts]), [["a", 1]]);
      await store.giveBack(["a"], 13, 30_010); // by whom had it before
      assert.equal((await rows()).find(([id]) => id === "a")[1], "leased");
      await write(store, { erase: "key1" });
      await store.giveBack(["b"], 13, 30_010);
      assert.deepEqual(new Set((await rows()).map((row) => row[1])), new Set(["done", "dead"]));
    });

    it("does not bring back what was erased, or cancelled, while it was on its way", async () => {
      const outbox = ["a", "b", "c"].map((id) => delivery(id, { next_at: 5, dest: "mail", kind: `mail:${id}` }));
      await write(store, { leads: [lead()], outbox });
      assert.equal((await store.lease(10, 30, 9, [], [])).length, 3);
      await write(store, { cancel_mails: HEX });
      await store.fail("c", 12, "450", 99);
      await write(store, { erase: "key1" });
      await store.finish("a", 11, "250");
      await store.fail("b", 12, "450", 99);
      const left = (await store.outbox()).map((row) => [row.id, row.state, Object.keys(row.body).length]);
      assert.deepEqual(left.sort(), [["a", "done", 0], ["b", "dead", 0], ["c", "dead", 0]]);
      assert.deepEqual(await store.lease(9_999_999, 30, 9, [], []), []);
    });

    it("leaves nothing leased when the clock is set back", async () => {
      const day = 86_400_000;
      await write(store, { leads: [lead()], outbox: [delivery("a", { next_at: 5 })] });
      assert.equal((await store.lease(day, 30, 9, [], [])).length, 1);
      assert.deepEqual(await store.lease(day - 60_000, 30, 9, [], []), []);
      assert.deepEqual((await store.lease(1000, 30, 9, [], [])).map((taken) => taken.id), ["a"]);
    });

    it("hastens what was taken and never sent", async () => {
      await write(store, { leads: [lead()], outbox: [delivery("a", { next_at: 1_800_000 })] });
      assert.equal((await store.lease(10, 30, 9, [], ["crm"])).length, 1);
      await store.hasten("crm", 60_000);
      assert.deepEqual((await store.lease(60_010, 30, 9, [], [])).map((taken) => taken.id), ["a"]);
    });

    it("delivers for one cause once", async () => {
      await write(store, { leads: [lead()], outbox: [delivery("a"), delivery("b", { cause: "a" })] });
      await write(store, { outbox: [delivery("c", { cause: "a" })] });
      assert.deepEqual((await store.outbox()).map((row) => row.id), ["a"]);
    });

    it("pages leads, newest first", async () => {
      const many = Array.from({ length: 9 }, (_, n) => lead(n, { created_at: 1000 + Math.floor(n / 2) }));
      await write(store, { leads: many });
      const seen = [];
      let page;
      do {
        const last = seen.at(-1);
        page = await store.leads(query({ after: last ? [last.created_at, last.id] : null, limit: 2 }));
        seen.push(...page);
      } while (page.length);
      assert.deepEqual(seen, await store.leads(query()));
      assert.equal(seen.length, 9);
      const newest = [...many].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
      assert.deepEqual(seen.map((found) => found.id), newest.map((found) => found.id));
      assert.equal((await store.leads(query({ since: 1003 }))).length, 3);
      assert.deepEqual(await store.leads(query({ form: "other" })), []);
      assert.deepEqual(await store.leads(query({ status: "pending" })), []);
    });

    it("pages submissions by what became of them", async () => {
      const held = sent(2, null, "held", { applied_at: null, source: { _challenge: { answer: "x" } } });
      await write(store, { leads: [lead()], submissions: [sent(1, HEX), held] });
      assert.deepEqual(await store.submissions(query({ status: "held" })), [held]);
      assert.deepEqual((await store.submissions(query())).map((found) => found.id), ["s2", "s1"]);
    });

    it("counts", async () => {
      const counts = [
        { bucket: "m:1", key: "k", limit: 5, ends_at: 60 },
        { bucket: "h:1", key: "k", limit: 30, ends_at: 3600 },
      ];
      for (const n of [1, 2, 3]) assert.deepEqual(await store.rate(counts, 1), [n, n]);
      await store.purge(61);
      assert.deepEqual(await store.rate(counts, 61), [1, 4]);
    });

    it("purges", async () => {
      const old = sent(1, null, "quarantined", { created_at: 0, applied_at: null });
      await write(store, { idem: idem("a", { expires_at: 10 }), submissions: [old] });
      await write(store, { idem: idem("b", { submission: "s1" }) });
      await store.purge(20);
      assert.deepEqual((await store.dump()).idem.map((row) => row.key), ["b"]);
      await store.purge(QUARANTINE_MS + 1);
      const left = await store.dump();
      assert.deepEqual([left.submissions, left.idem], [[], []]);
    });

    it("probes", async () => {
      await store.probe(5);
      await store.probe(6);
    });
  });

  (codes ? handsOutCodes : handsOutNone)(name, open);

  describe(`${name}: races`, () => {
    let opened;
    let stores;
    before(async () => {
      opened = await open();
      stores = [opened.store, await opened.another()];
    });
    after(() => opened.close());
    beforeEach(() => stores[0].clear());

    const of = (number) => stores[number % 2];

    it("makes one lead of one person who comes fifty times at once", async () => {
      const once = (number) =>
        of(number).submit(load({ form: "news", email_key: "same" }), (found) =>
          changes(found.lead ? { answer: 0 } : { answer: 1, leads: [lead(number, { email_key: "same" })] }),
        );
      assert.equal((await crowd(50, once)).reduce((a, b) => a + b), 1);
      assert.equal((await stores[0].leads(query())).length, 1);
    });

    it("loses none of fifty submissions that change one lead at once", async () => {
      const once = (number) =>
        of(number).submit(load({ form: "news", email_key: "key1" }), (found) => {
          const before = found.lead ?? lead();
          const now = { ...before, data: { ...before.data, [`n${number}`]: "x" } };
          return changes({ leads: [now], submissions: [sent(number, now.id)] });
        });
      await crowd(50, once);
      const [found] = await stores[0].leads(query());
      assert.equal(Object.keys(found.data).length, 51);
      assert.equal((await stores[0].submissions(query({ limit: 99 }))).length, 50);
    });

    it("decides once on one key, whoever's address comes with it", async () => {
      const once = (number) =>
        of(number).submit(load({ form: "news", idem: ["k"], email_key: `key${number}` }), (found) => {
          if (found.idem) return changes({ answer: found.idem.response.lead });
          const made = lead(number);
          return changes({ answer: made.id, idem: idem("k", { response: { lead: made.id } }), leads: [made] });
        });
      assert.equal(new Set(await crowd(50, once)).size, 1);
      assert.equal((await stores[0].leads(query())).length, 1);
    });

    it("replaces an answer that has run out once", async () => {
      await write(stores[0], { idem: idem("k", { expires_at: 10 }) });
      const once = (number) =>
        of(number).submit(load({ form: "news", idem: ["k"], email_key: `key${number}` }), (found) => {
          if (found.idem.expires_at > 50) return changes({ answer: 0 });
          return changes({ answer: 1, idem: idem("k"), leads: [lead(number)] });
        });
      assert.equal((await crowd(20, once)).reduce((a, b) => a + b), 1);
      assert.equal((await stores[0].leads(query())).length, 1);
    });

    for (const limit of [7, 60]) {
      it(`holds a limit of ${limit}, whoever comes at once`, async () => {
        const once = (number) =>
          of(number).submit(load({ form: "news", email_key: `key${number}`, since: 1, count_max: limit }), (found) => {
            const full = found.count >= limit;
            const made = full ? [] : [lead(number)];
            const [status, of_] = full ? ["held", null] : ["accepted", made[0].id];
            const kept = sent(number, of_, status, { email_key: `key${number}` });
            return changes({ answer: full ? 0 : 1, leads: made, submissions: [kept] });
          });
        assert.equal((await (counters ? crowd : inTurn)(100, once)).reduce((a, b) => a + b), limit);
        assert.equal((await stores[0].leads(query({ limit: 999 }))).length, limit);
      });
    }

    it("loses and doubles nothing between two stores on the same data", async () => {
      const once = (number) => {
        const key = `key${number >> 1}`;
        return of(number).submit(load({ form: "news", email_key: key }), (found) =>
          changes(found.lead ? { answer: 0 } : { answer: 1, leads: [lead(number, { email_key: key })] }),
        );
      };
      assert.equal((await crowd(120, once)).reduce((a, b) => a + b), 60);
    });

    it("lets a lead be confirmed or unsubscribed first, and never half of both", async () => {
      for (let round = 1; round <= 10; round += 1) {
        const id = lead(round).id;
        await write(stores[0], { leads: [lead(round, { status: "pending" })] });
        const confirm = stores[0].submit(load({ lead: id }), ({ lead: now }) => {
          if (now.status !== "pending") return changes({ answer: "late" });
          const outbox = [delivery(`c${round}`, { lead: id, dest: "mail", kind: "mail:deliver" })];
          return changes({ answer: "confirmed", leads: [{ ...now, status: "confirmed", confirmed_at: 5 }], outbox });
        });
        const leave = stores[1].submit(load({ lead: id }), ({ lead: now }) =>
          changes({ leads: [{ ...now, status: "unsubscribed", unsubscribed_at: 6 }], cancel_mails: id }),
        );
        const [answer] = await Promise.all([confirm, leave]);
        const found = await stores[0].findLead(id);
        assert.equal(found.status, "unsubscribed");
        assert.equal(found.confirmed_at, answer === "confirmed" ? 5 : null);
        const states = (await stores[0].outbox()).filter((row) => row.lead === id).map((row) => row.state);
        assert.deepEqual(states, answer === "confirmed" ? ["dead"] : []);
      }
    });

    it("erases a person who submits meanwhile, before or after, never in part", async () => {
      for (let round = 1; round <= 10; round += 1) {
        await stores[0].clear();
        await write(stores[0], { leads: [lead()], submissions: [sent(1, HEX)], outbox: [delivery("d1")] });
        const again = stores[0].submit(load({ form: "news", email_key: "key1" }), ({ lead: before }) => {
          const now = before ?? lead(2, { email_key: "key1" });
          return changes({ answer: now.id, leads: [now], submissions: [sent(2, now.id)] });
        });
        const erase = stores[1].submit(load({ email_key: "key1", every_form: true }), ({ leads }) =>
          changes({ answer: leads.length, erase: "key1", suppress: ["key1", "erased"], now: 9 }),
        );
        const [kept, gone] = await Promise.all([again, erase]);
        assert.equal(gone, 1);
        const found = await stores[0].dump();
        const left = kept === HEX ? [] : [kept];
        assert.deepEqual(found.leads.map((row) => row.id), left);
        assert.deepEqual(found.submissions.map((row) => row.lead_id), left);
        assert.deepEqual(found.outbox.map((row) => row.body), [{}]);
      }
    });

    it("releases a submission once, and none that was erased", async () => {
      for (let round = 1; round <= 5; round += 1) {
        await stores[0].clear();
        await write(stores[0], { submissions: [sent(1, null, "held", { applied_at: null })] });
        const release = (number) =>
          of(number).submit(load({ submission: "s1" }), ({ submission, lead: before }) => {
            if (!submission || submission.status !== "held") return changes({ answer: 0 });
            const now = before ?? lead(number + 1, { email_key: "key1" });
            return changes({ answer: 1, leads: [now], submissions: [sent(1, now.id)] });
          });
        const everywhere = load({ email_key: "key1", every_form: true });
        const erase = () => stores[1].submit(everywhere, () => changes({ erase: "key1" }));
        const done = await crowd(6, (number) => (number === 3 ? erase() : release(number)));
        assert.ok(done.filter(Boolean).length <= 1);
        const found = await stores[0].dump();
        assert.equal(found.leads.length, found.submissions.length);
      }
    });

    it("counts as many as there were", async () => {
      const count = { bucket: "m:2", key: "k", limit: 5, ends_at: 60 };
      const found = (await crowd(40, (number) => of(number).rate([count], 1))).flat();
      const wanted = Array.from({ length: 40 }, (_, n) => (counters ? n + 1 : Math.min(n + 1, 6)));
      assert.deepEqual(found.sort((a, b) => a - b), wanted);
    });

    it("leases each of 200 deliveries to one of eight drains", async () => {
      const waiting = Array.from({ length: 200 }, (_, n) => delivery(`d${n}`, { dest: `x${n % 5}`, next_at: n }));
      await write(stores[0], { leads: [lead()], outbox: waiting });
      const drain = async (number) => {
        const taken = [];
        let leased;
        do {
          leased = await of(number).lease(1000, 30, 3, [], []);
          taken.push(...leased.map((one) => one.id));
          for (const one of leased) await of(number).finish(one.id, 1000, "200");
        } while (leased.length);
        return taken;
      };
      const taken = (await crowd(8, drain)).flat();
      assert.deepEqual(taken.sort(), waiting.map((one) => one.id).sort());
      assert.ok((await stores[0].outbox("", 999)).every((row) => row.state === "done" && row.attempts === 1));
    });
  });
}

const claim = (number, codes, magnet = "beta") => ({ magnet, codes, lead: lead(number).id });

function handsOutNone(name, open) {
  it(`${name}: takes no decision that hands out a single-use code, and writes nothing of it`, async () => {
    const { store, close } = await open();
    await assert.rejects(write(store, { leads: [lead()], claim: claim(1, ["A"]) }), StoreUnavailable);
    assert.deepEqual(await store.leads(query()), []);
    assert.deepEqual(await store.codes([HEX]), []);
    await close();
  });
}

function handsOutCodes(name, open) {
  describe(`${name}: single-use codes`, () => {
    let opened;
    let stores;
    before(async () => {
      opened = await open();
      stores = [opened.store, await opened.another()];
    });
    after(() => opened.close());
    beforeEach(() => stores[0].clear());

    const ids = (many) => Array.from({ length: many }, (_, number) => lead(number + 1).id);
    const found = async (many) => {
      const rows = await stores[0].codes(ids(many));
      return rows.map((row) => [Number.parseInt(row.lead, 16), row.magnet, row.code]).sort();
    };
    const come = (number, codes, magnet) =>
      write(stores[number % 2], { leads: [lead(number)], claim: claim(number, codes, magnet), now: 7 });

    it("go to leads in the order of the list, and a lead keeps its own", async () => {
      const codes = ["C", "A", "B'\"\\", "é😀"];
      for (const number of [1, 2, 1, 3]) await come(number, codes);
      assert.deepEqual(await found(3), [[1, "beta", "C"], [2, "beta", "A"], [3, "beta", "B'\"\\"]]);
      await come(2, ["Z"]);
      await come(4, codes);
      await come(5, codes);
      assert.deepEqual((await found(9)).map(([, , code]) => code), ["C", "A", "B'\"\\", "é😀"]);
      assert.deepEqual(await stores[0].codes([]), []);
      assert.deepEqual((await stores[0].codes([lead(2).id])).map(({ code }) => code), ["A"]);
    });

    it("are another magnet's for it, also where they are the same words", async () => {
      await come(1, ["A"], "beta");
      await come(1, ["A", "B"], "gamma");
      await come(2, ["A", "B"], "gamma");
      assert.deepEqual(await found(2), [[1, "beta", "A"], [1, "gamma", "A"], [2, "gamma", "B"]]);
    });

    it("go on in a list that has got longer, or lost its beginning", async () => {
      await come(1, ["A", "B"]);
      await come(2, ["B", "A", "C"]);
      await come(3, ["C", "D"]);
      await come(4, ["A", "B", "E"]);
      assert.deepEqual((await found(4)).map(([, , code]) => code), ["A", "B", "C", "E"]);
    });

    it("of somebody who was erased go to nobody else", async () => {
      await come(1, ["A", "B"]);
      await write(stores[0], { erase: "key1", suppress: ["key1", "erased"], now: 9 });
      assert.deepEqual(await found(1), []);
      await come(1, ["A", "B"]);
      await come(2, ["A", "B"]);
      assert.deepEqual(await found(2), [[1, "beta", "B"]]);
    });

    it("are looked for where the last was found, which no other list and no other magnet is misled by", async () => {
      const codes = Object.freeze(Array.from({ length: 40 }, (_, number) => `code ${number}`));
      for (let number = 1; number <= 20; number += 1) await come(number, codes);
      await come(21, codes, "gamma");
      await come(22, [...codes].reverse());
      for (let number = 23; number <= 44; number += 1) await come(number, codes);
      const got = await found(44);
      const last = got.find(([number]) => number === 22);
      assert.deepEqual(last, [22, "beta", "code 39"]);
      assert.deepEqual(got.find(([, magnet]) => magnet === "gamma"), [21, "gamma", "code 0"]);
      assert.equal(new Set(got.filter(([, magnet]) => magnet === "beta").map(([, , code]) => code)).size, 40);
      // What is gone stays gone, also for who comes with a list that is longer by one.
      await come(43, codes);
      await come(43, Object.freeze([...codes, "one more"]));
      assert.deepEqual((await found(44)).find(([number]) => number === 43), [43, "beta", "one more"]);
    });

    it("are not used up by a decision that is not written", async () => {
      const broken = { leads: [lead(1), lead(2, { email_key: "key1" })], claim: claim(1, ["A"]) };
      await assert.rejects(write(stores[0], broken), StoreUnavailable);
      await come(3, ["A"]);
      assert.deepEqual(await found(3), [[3, "beta", "A"]]);
    });

    it("are as many as a list may have", async () => {
      const codes = Array.from({ length: 10_000 }, (_, number) => `${"\u{1f600}".repeat(60)}${number}`);
      await come(1, codes);
      await come(2, codes.slice(9_999));
      await come(3, codes.slice(1));
      const got = (await found(3)).map(([, , code]) => codes.indexOf(code));
      assert.deepEqual(got, [0, 9_999, 1]);
    });

    it("go to as many as come at once and no code to two, and a lead that comes more than once gets one", async () => {
      const codes = Array.from({ length: 20 }, (_, number) => `code ${number}`);
      const person = (number) => (number >> 1) + 1;
      await crowd(80, (number) =>
        stores[number % 2].submit(load({ lead: lead(person(number)).id }), () =>
          changes({ leads: [lead(person(number))], claim: claim(person(number), codes), now: 7 }),
        ),
      );
      const got = await found(40);
      assert.deepEqual(got.map(([, , code]) => code).sort(), [...codes].sort());
      assert.equal(new Set(got.map(([number]) => number)).size, 20);
    });
  });
}
