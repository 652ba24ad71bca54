/**
 * A process that dies at each operation on blobs, and another that goes on: nothing that was acknowledged is lost, no
 * lead is doubled, all that is due is found by a later drain, and what is erased is gone from every blob.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { TIDY_MS } from "../../../src/magnetgen/forms/edge/blob-state.mjs";
import { changes, delivery, idem, lead, load, query, sent } from "../store/rows.mjs";
import { Dead, newWorld, openAtomic } from "./atomic.mjs";

const HOUR = 3_600_000;
const T = 1_800_000_000_000;
const KEY = "k".repeat(20);
const CANARY = "canary-7f3a@private.example";
/** Clocks that the tests turn; nothing here waits. */
const clock = { wall: T };
const options = { wall: () => clock.wall, pause: async () => {} };

/** A store whose process dies before, or after, its operation number `at`; a dead one does nothing more. */
function dying(world, at, when) {
  let dead = false;
  const die = (number) => {
    dead ||= number >= at;
    if (dead) throw new Dead();
  };
  const hooks = when === "before" ? { before: (_op, _key, n) => die(n) } : {
    before: () => {
      if (dead) throw new Dead();
    },
    after: (_op, _key, n) => die(n),
  };
  return new BlobStore(openAtomic(world, hooks), options);
}

const open = (world) => new BlobStore(openAtomic(world), options);

/** What the handler does with a submission: a new lead with its deliveries, or one more of a known one. */
function submit(store, number = 1) {
  const asked = load({ form: "news", idem: [KEY], email_key: "key1", since: T - HOUR, count_max: 600, mails_since: 1 });
  return store.submit(asked, (found) => {
    if (found.idem) return changes({ answer: found.idem.response.submission });
    const person = found.lead ?? lead(number, { email_key: "key1", created_at: T });
    const row = sent(number, person.id, "accepted", { created_at: T });
    const outbox = ["crm", "mail"].map((dest) => delivery(`${dest}${number}`, { lead: person.id, dest, cause: row.id, created_at: T, next_at: T }));
    const answer = idem(KEY, { response: { submission: row.id }, submission: row.id, expires_at: T + HOUR });
    return changes({ answer: row.id, idem: answer, leads: [person], submissions: [row], outbox, now: T });
  });
}

async function drain(store, now = T + 200_000) {
  const sentIds = [];
  await store.purge(now);
  for (let leased = [null]; leased.length; ) {
    leased = await store.lease(now, 150, 8, [], []);
    for (const { id } of leased) {
      sentIds.push(id);
      await store.finish(id, now, "200");
    }
  }
  return sentIds;
}

/** Run `work` with death at every operation, until one run survives. `check(world, outcome, at)` judges each. */
async function everywhere(prepare, work, check) {
  for (const when of ["before", "after"]) {
    let survived = false;
    for (let at = 1; !survived; at += 1) {
      assert.ok(at < 400, "it never comes to an end");
      clock.wall = T;
      const world = newWorld();
      await prepare(open(world));
      const outcome = await work(dying(world, at, when)).then((value) => ({ value }), (error) => ({ error }));
      if (outcome.error && !(outcome.error instanceof Dead)) throw outcome.error;
      survived = !outcome.error;
      try {
        await check(world, outcome);
      } catch (error) {
        error.message = `dead ${when} operation ${at}: ${error.message}`;
        throw error;
      }
    }
  }
}

function texts(world) {
  return JSON.stringify([...world.blobs]);
}

describe("a process that dies at any operation", () => {
  it("loses no submission that was acknowledged, and doubles none that is sent again", () =>
    everywhere(async () => {}, (store) => submit(store), async (world, outcome) => {
      const before = (await open(world).dump()).submissions.length;
      if (outcome.value) assert.equal(before, 1);
      // The client sends it again, as another request.
      const again = await submit(open(world), 2);
      assert.equal(again, before ? "s1" : "s2");
      const rows = await open(world).dump();
      assert.deepEqual([rows.leads.length, rows.submissions.length, rows.idem.length, rows.outbox.length], [1, 1, 1, 2]);
      assert.equal((await open(world).leads(query())).length, 1);
      assert.equal((await open(world).findLead(rows.leads[0].id)).id, rows.leads[0].id);
      // Another address with that key is told, and makes nothing; a moment is let pass for who may still be at it.
      assert.deepEqual((await drain(open(world))).sort(), rows.outbox.map((row) => row.id).sort());
      assert.deepEqual(await drain(open(world), T + 400_000), []);
    }));

  it("never leaves what is due unfound, also where nobody comes again", () =>
    everywhere(async () => {}, (store) => submit(store), async (world) => {
      const due = (await open(world).dump()).outbox.map((row) => row.id);
      assert.deepEqual((await drain(open(world))).sort(), due.sort());
      // What is left of a try that came to nothing goes in time.
      clock.wall = T + HOUR;
      await drain(open(world), T + HOUR);
      assert.deepEqual([...world.blobs.keys()].filter((key) => key.startsWith("due/")), []);
    }));

  it("sends nothing twice but what it was sending when it died", () =>
    everywhere((store) => submit(store), (store) => drain(store, T), async (world, outcome) => {
      const later = await drain(open(world), T + 200_000);
      if (outcome.value) assert.deepEqual(later, []);
      const rows = (await open(world).dump()).outbox;
      assert.ok(rows.every((row) => row.state === "done" && row.attempts <= 2), JSON.stringify(rows));
      assert.deepEqual(await drain(open(world), T + 900_000), []);
      assert.deepEqual([...world.blobs.keys()].filter((key) => key.startsWith("due/")), []);
    }));

  it("keeps a failed delivery for its next turn", () =>
    everywhere(
      (store) => submit(store),
      async (store) => {
        for (const { id } of await store.lease(T, 150, 8, [], [])) await store.fail(id, T, "500", T + 300_000);
        return true;
      },
      async (world) => {
        const taken = [...(await drain(open(world), T + 200_000)), ...(await drain(open(world), T + 400_000))];
        assert.deepEqual([...new Set(taken)].sort(), ["crm1", "mail1"]);
      },
    ));

  it("erases from every blob, at the latest by a later drain", () =>
    everywhere(
      async (store) => {
        await submit(store);
        await drain(store, T);
      },
      (store) => store.submit(load({ email_key: "key1", every_form: true }), () => changes({ answer: "gone", erase: "key1", suppress: ["key1", "erased"], now: T })),
      async (world, outcome) => {
        await drain(open(world), T + 200_000);
        const rows = await open(world).dump();
        if (outcome.value) assert.equal(rows.leads.length, 0);
        // Erased or not, never in part; and if it is, there is nothing left of it anywhere.
        assert.equal(rows.leads.length, rows.submissions.length);
        if (!rows.leads.length) assert.ok(!texts(world).includes(CANARY));
        assert.equal(rows.suppression.length, 1 - rows.leads.length);
        clock.wall = T + 5 * HOUR;
        for (const n of [1, 2, 3]) await drain(open(world), T + n * TIDY_MS + n);
        if (!rows.leads.length) {
          const kinds = [...world.blobs.keys()].map((key) => key.split("/")[0]);
          assert.deepEqual([...new Set(kinds)].sort(), ["at", "dead", "index", "person"].filter((kind) => kinds.includes(kind)));
          assert.deepEqual([...world.blobs.keys()].filter((key) => key.startsWith("person/")).length <= 2, true);
        }
        assert.equal((await open(world).dump()).leads.length, rows.leads.length);
      },
    ));

  it("tidies without losing the newest entry, or its answers to those who read meanwhile", () =>
    everywhere(
      async (store) => {
        await submit(store);
        await drain(store, T);
        clock.wall = T + 5 * HOUR;
      },
      (store) => store.purge(T + 5 * HOUR),
      async (world) => {
        for (const n of [1, 2]) {
          clock.wall += 5 * HOUR;
          await open(world).purge(T + 5 * HOUR + n * TIDY_MS);
          const rows = await open(world).dump();
          assert.deepEqual([rows.leads.length, rows.submissions.length, rows.outbox.length], [1, 1, 2]);
        }
        assert.equal((await open(world).dump()).idem.length, 0);
        assert.deepEqual([...world.blobs.keys()].filter((key) => /^(?:sub|tidy|due)\//.test(key)), []);
        assert.equal([...world.blobs.keys()].filter((key) => key.startsWith("person/")).length, 2);
      },
    ));
});

describe("the same where markers come after the entry", () => {
  it("is caught: a death in between strands what is due", async () => {
    /** What the store would be if it wrote what names an entry only once the entry stands. */
    const late = (world, at) => {
      const blobs = openAtomic(world);
      const held = [];
      let commits = 0;
      return new BlobStore({
        ...blobs,
        set: async (key, text) => (key.startsWith("due/") ? held.push([key, text]) : blobs.set(key, text)),
        setNew: async (key, text) => {
          const outcome = await blobs.setNew(key, text);
          if (key.startsWith("person/") && (commits += 1) === at) throw new Dead();
          for (const [name, value] of held.splice(0)) await blobs.set(name, value);
          return outcome;
        },
      }, options);
    };
    clock.wall = T;
    const world = newWorld();
    await assert.rejects(submit(late(world, 1)), Dead);
    assert.equal((await open(world).dump()).outbox.length, 2);
    assert.deepEqual(await drain(open(world)), []);
  });
});
