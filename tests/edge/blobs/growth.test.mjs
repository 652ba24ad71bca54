/** What strangers send must not make the work of others grow: keys that are listed after many bots. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { changes, idem, load, sent, write } from "../store/rows.mjs";
import { newWorld, openAtomic } from "./atomic.mjs";

const T = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const BOTS = 160;
/** Purges that look at each of their logs, 40 at a time. */
const ROUNDS = 6;

describe("after a crowd of bots", () => {
  let store;
  let listed = 0;
  let asked;
  before(async () => {
    const blobs = openAtomic(newWorld());
    const list = async (...call) => {
      const keys = await blobs.list(...call);
      listed += keys.length;
      return keys;
    };
    store = new BlobStore({ ...blobs, list }, { wall: () => T });
    asked = load({ form: "news", email_key: "key1", idem: ["~me"], since: T - HOUR_MS, count_max: 600 });
    for (let n = 0; n < BOTS; n += 1) {
      const more = { id: `b${n}`, email: "", email_key: null, created_at: T, applied_at: null };
      const answer = idem(`~bot${n}`, { submission: `b${n}`, expires_at: T + HOUR_MS / 3 });
      await write(store, { now: T, submissions: [sent(n, null, "quarantined", more)], idem: answer });
    }
    for (const n of [0, 1]) {
      const more = { id: `p${n}`, email_key: `key9${n}`, created_at: T, applied_at: null };
      await write(store, { now: T, submissions: [sent(n, null, "held", more)] });
    }
  });

  it("a submission reads of its form's last hour only what counts", async () => {
    listed = 0;
    assert.equal(await store.submit(asked, (found) => changes({ answer: found.count })), 2);
    assert.ok(listed < 20, String(listed));
  });

  it("a purge reads only what it may remove", async () => {
    const later = T + 2 * HOUR_MS;
    // Their answers have run out, and go; they themselves stay for a month.
    for (let round = 0; round < ROUNDS; round += 1) await store.purge(later);
    assert.deepEqual((await store.dump()).idem, []);
    listed = 0;
    await store.purge(later);
    assert.ok(listed < 20, String(listed));
    assert.equal((await store.dump()).submissions.length, BOTS + 2);
  });

  it("a purge a month later still finds them all", async () => {
    for (let round = 0; round < ROUNDS; round += 1) await store.purge(T + 32 * 24 * HOUR_MS);
    assert.deepEqual((await store.dump()).submissions.map((row) => row.id), ["p0", "p1"]);
  });
});
