/**
 * Many at once, each with a store of its own as functions have, over blobs with delays, lost answers, faults and lists
 * that lag behind. The same over blobs that are not atomic must fail.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { changes, delivery, idem, lead, load, query, sent, write } from "../store/rows.mjs";
import { newWorld, openAtomic } from "./atomic.mjs";

const T = 1_800_000_000_000;
const KEY = "k".repeat(20);

/** Numbers from a seed, so that a run can be repeated. */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const TROUBLE = {
  calm: {},
  slow: { delays: 4 },
  "lossy answers": { delays: 1, lost: 0.05 },
  faults: { delays: 1, faults: 0.05 },
  "lists that lag": { delays: 1, lag: 300 },
  "all of it": { delays: 2, lost: 0.03, faults: 0.03, lag: 300 },
};

/** A store of its own over a world of blobs. */
function opener(world, { delays = 0, lost = 0, faults = 0, lag = 0 }, seed) {
  const random = numbers(seed);
  const wait = () => new Promise((done) => setTimeout(done, random() * delays));
  const hooks = {
    lag,
    random,
    before: async () => {
      if (delays) await wait();
      if (random() < faults) throw new StoreUnavailable("503");
    },
    after: async () => {
      if (random() < lost) throw new StoreUnavailable("an answer that was lost");
    },
  };
  // A client asks again what may be asked again, as openBlobs does.
  const blobs = openAtomic(world, hooks);
  const patient = (work) => async (...call) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work(...call);
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || attempt === 2) throw error;
      }
    }
  };
  const asked = Object.fromEntries(Object.entries(blobs).map(([name, work]) => [name, name === "setNew" ? work : patient(work)]));
  return () => new BlobStore(asked, { pause: (attempt) => new Promise((done) => setTimeout(done, random() * Math.min(2 ** attempt, 60))) });
}

/** What the handler does with a submission. */
function submit(store, number, { key = `${KEY}${number}`, email = "key1", form = "news" } = {}) {
  const asked = load({ form, idem: [key], email_key: email, since: T - 3_600_000, count_max: 600, mails_since: 1 });
  return store.submit(asked, (found) => {
    if (found.idem) return changes({ answer: found.idem.response.lead });
    const made = found.lead ?? lead(number, { form, email_key: email, created_at: T + number });
    const row = sent(number, made.id, "accepted", { form, email_key: email, created_at: T + number });
    const outbox = [delivery(`d${number}`, { lead: made.id, cause: row.id, created_at: T, next_at: T })];
    const answer = idem(key, { form, response: { lead: made.id }, submission: row.id, expires_at: T + 1e6 });
    return changes({ answer: made.id, idem: answer, leads: [made], submissions: [row], outbox, now: T });
  });
}

/** All at once → what was acknowledged; a store may be unavailable, and then nothing was promised. */
async function crowd(many, call) {
  const done = await Promise.allSettled(Array.from({ length: many }, (_, n) => call(n)));
  for (const one of done) if (one.status === "rejected" && !(one.reason instanceof StoreUnavailable)) throw one.reason;
  return done.map((one, number) => ({ number, value: one.value, ok: one.status === "fulfilled" }));
}

async function settled(world) {
  return new BlobStore(openAtomic(world)).dump();
}

async function oneAddress(world, open) {
  const done = await crowd(50, (n) => submit(open(), n + 1));
  const rows = await settled(world);
  assert.equal(rows.leads.length, 1);
  const kept = new Set(rows.submissions.map((row) => row.id));
  const lost = done.filter(({ ok, number }) => ok && !kept.has(`s${number + 1}`));
  assert.deepEqual(lost, [], "acknowledged and lost");
  assert.ok(done.filter(({ ok }) => ok).length > 25, "most are taken");
  assert.equal(new Set(done.filter(({ ok }) => ok).map(({ value }) => value)).size, 1);
  return rows;
}

describe("many at once", () => {
  for (const [name, trouble] of Object.entries(TROUBLE)) {
    it(`make one lead of one address, and lose none of its submissions: ${name}`, async () => {
      const world = newWorld();
      await oneAddress(world, opener(world, trouble, 1));
    });

    it(`are one submission under one key: ${name}`, async () => {
      const world = newWorld();
      const open = opener(world, trouble, 2);
      const done = await crowd(50, (n) => submit(open(), n + 1, { key: KEY }));
      const rows = await settled(world);
      assert.deepEqual([rows.leads.length, rows.submissions.length, rows.outbox.length, rows.idem.length], [1, 1, 1, 1]);
      for (const { ok, value } of done) if (ok) assert.equal(value, rows.leads[0].id);
    });

    it(`are one submission under one key from different addresses: ${name}`, async () => {
      const world = newWorld();
      const open = opener(world, trouble, 3);
      const done = await crowd(20, (n) => submit(open(), n + 1, { key: KEY, email: `key${n}` }));
      const rows = await settled(world);
      assert.deepEqual([rows.leads.length, rows.submissions.length, rows.idem.length], [1, 1, 1]);
      for (const { ok, value } of done) if (ok) assert.equal(value, rows.leads[0].id);
    });

    it(`confirm and unsubscribe one after the other, never half of both: ${name}`, async () => {
      const world = newWorld();
      await write(new BlobStore(openAtomic(world)), { leads: [lead(1, { status: "pending", created_at: T })], now: T });
      const open = opener(world, trouble, 4);
      const { id } = lead();
      const mail = (n) => delivery(`m${n}`, { dest: "mail", kind: "mail:welcome", cause: "confirm", created_at: T, next_at: T });
      const confirm = (n) => open().submit(load({ lead: id }), ({ lead: found }) => {
        if (found.status !== "pending") return changes({ answer: found.status });
        return changes({ answer: "now", leads: [{ ...found, status: "confirmed", confirmed_at: T }], outbox: [mail(n)], now: T });
      });
      const unsubscribe = () => open().submit(load({ lead: id }), ({ lead: found }) => {
        if (found.status === "unsubscribed") return changes({ answer: "was" });
        const ended = { ...found, status: "unsubscribed", unsubscribed_at: T };
        return changes({ answer: "ended", leads: [ended], cancel_mails: id, suppress: ["key1", "unsubscribed"], now: T });
      });
      const done = await crowd(16, (n) => (n % 2 ? confirm(n) : unsubscribe()));
      const rows = await settled(world);
      if (done.some(({ ok, number }) => ok && number % 2 === 0)) {
        assert.equal(rows.leads[0].status, "unsubscribed");
        assert.ok(rows.outbox.every((row) => row.state === "dead"));
      }
      assert.ok(rows.outbox.length <= 1);
      assert.equal(rows.leads[0].confirmed_at !== null, rows.outbox.length === 1);
    });

    it(`lease each delivery once: ${name}`, async () => {
      const world = newWorld();
      const store = new BlobStore(openAtomic(world));
      for (let n = 1; n <= 24; n += 1) await submit(store, n, { email: `key${n}` });
      const open = opener(world, trouble, 5);
      const taken = [];
      await crowd(6, async () => {
        const mine = open();
        for (let turn = 0; turn < 40; turn += 1) {
          const leased = await mine.lease(T + 10, 150, 4, [], []);
          taken.push(...leased.map(({ id }) => id));
          for (const { id } of leased) await mine.finish(id, T + 20, "200");
          if (!leased.length && turn > 3) return;
        }
      });
      // Taken twice is taken after a lease whose holder never heard of it ran out: here none runs out.
      assert.equal(new Set(taken).size, taken.length);
      const later = new BlobStore(openAtomic(world));
      for (let n = 1; n <= 6; n += 1) taken.push(...(await later.lease(T + 400_000, 150, 40, [], [])).map(({ id }) => id));
      assert.equal(new Set(taken).size, 24);
    });
  }

  it("count places of a window once each", async () => {
    const world = newWorld();
    const open = opener(world, { delays: 2, lag: 50 }, 6);
    const count = { bucket: "m1", key: "k", limit: 30, ends_at: T };
    const places = (await crowd(40, () => open().rate([count], T))).map(({ value }) => value[0]).sort((a, b) => a - b);
    assert.deepEqual(places, Array.from({ length: 40 }, (_, n) => Math.min(n + 1, 31)));
  });

  it("refuse nobody for a count that cannot be made", async () => {
    const world = newWorld();
    const broken = { ...openAtomic(world), setNew: async () => { throw new StoreUnavailable("503"); } };
    assert.deepEqual(await new BlobStore(broken).rate([{ bucket: "m1", key: "k", limit: 5, ends_at: T }], T), [0]);
  });
});

describe("the same over blobs that are not atomic", () => {
  it("is caught: leads that were acknowledged are lost", async () => {
    const world = newWorld();
    const open = opener(world, { delays: 3 }, 7);
    /** As the SDK's own server does it: it looks, waits, and writes whatever has happened meanwhile. */
    const careless = () => {
      const store = open();
      const { blobs } = store;
      const looking = async (key, text) => {
        if ((await blobs.get(key)) !== null) return "taken";
        await blobs.set(key, text);
        return "written";
      };
      return new BlobStore({ ...blobs, setNew: looking });
    };
    await assert.rejects(oneAddress(world, careless), assert.AssertionError);
  });
});

describe("an answer that says nothing", () => {
  it("is settled by reading: what landed after all is taken for written, once", async () => {
    for (const landed of [true, false]) {
      const world = newWorld();
      const blobs = openAtomic(world);
      let unclear = 0;
      const flaky = {
        ...blobs,
        setNew: async (key, text) => {
          if (!key.startsWith("person/") || unclear++) return blobs.setNew(key, text);
          if (landed) await blobs.setNew(key, text);
          return "unclear";
        },
      };
      await submit(new BlobStore(flaky), 1);
      const rows = await settled(world);
      assert.deepEqual([rows.leads.length, rows.submissions.length], [1, 1]);
      assert.equal((await new BlobStore(blobs).leads(query())).length, 1);
    }
  });

  it("is not believed either where it says that something was written", async () => {
    const world = newWorld();
    const blobs = openAtomic(world);
    let writes = 0;
    const isForgotten = (key) => key.startsWith("person/") && !writes++;
    const forgetful = { ...blobs, setNew: async (key, text) => (isForgotten(key) ? "written" : blobs.setNew(key, text)) };
    await submit(new BlobStore(forgetful), 1);
    assert.equal((await settled(world)).leads.length, 1);
  });

  it("is a store that is unavailable, if it stays so", async () => {
    const world = newWorld();
    const silent = { ...openAtomic(world), setNew: async () => "unclear" };
    let now = 0;
    const store = new BlobStore(silent, { pause: async () => {}, wall: () => (now += 100) });
    await assert.rejects(submit(store, 1), StoreUnavailable);
    assert.equal((await settled(world)).leads.length, 0);
  });
});
