/** A log is read right, or not at all, whatever a list says about it; and what goes from it goes from its old end. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { entryKey } from "../../../src/magnetgen/forms/edge/blob-keys.mjs";
import * as keys from "../../../src/magnetgen/forms/edge/blob-keys.mjs";
import { KEPT_MS, Logs, STUB } from "../../../src/magnetgen/forms/edge/blob-log.mjs";
import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { newWorld, openAtomic } from "./atomic.mjs";

const LOG = "person/key1";
const clock = { wall: 1_800_000_000_000 };
const options = { wall: () => clock.wall, pause: async () => {} };

async function filled(count) {
  const world = newWorld();
  const logs = new Logs(openAtomic(world), options);
  for (let n = 1; n <= count; n += 1) {
    assert.equal(await logs.append(LOG, n, { value: n }), true);
    clock.wall += 1000;
  }
  return { world, logs };
}

function numbers(world) {
  return [...world.blobs].filter(([key]) => key.startsWith(LOG)).map(([key, text]) => [Number(key.slice(-8)), text === STUB]);
}

/** Logs whose lists say that the entries are these. */
function told(world, said) {
  return new Logs({ ...openAtomic(world), list: async () => said.map((n) => entryKey(LOG, n)) }, options);
}

describe("a log", () => {
  it("is empty, then its newest entry", async () => {
    const { logs } = await filled(0);
    assert.deepEqual(await logs.newest(LOG), { log: LOG, n: 0, entry: null });
    for (const count of [1, 2, 3, 20]) {
      const { world } = await filled(count);
      const found = await new Logs(openAtomic(world), options).newest(LOG);
      assert.deepEqual([found.n, found.entry.value], [count, count]);
    }
  });

  it("takes a number once, and the same who added it again", async () => {
    const { world, logs } = await filled(2);
    const other = new Logs(openAtomic(world), options);
    assert.equal(await other.append(LOG, 2, { value: "other" }), false);
    assert.equal(await other.append(LOG, 3, { value: "other" }), true);
    assert.equal((await logs.newest(LOG)).entry.value, "other");
  });

  it("is never read wrongly, whatever a list says, nor added to elsewhere than at its end", async () => {
    const { world, logs } = await filled(9);
    clock.wall += KEPT_MS + 1;
    await logs.append(LOG, 10, { value: 10 });
    const before = numbers(world);
    for (const state of ["whole", "compacted", "emptied"]) {
      if (state === "compacted") assert.equal(await logs.compact(LOG, 10), 1);
      if (state === "emptied") await logs.empty(LOG, 10);
      let right = 0;
      for (let said = 0; said < 1 << 10; said += 1) {
        const list = Array.from({ length: 10 }, (_, at) => at + 1).filter((n) => said & (1 << (n - 1)));
        const found = await told(world, list).newest(LOG).catch((error) => error);
        if (found instanceof StoreUnavailable) continue;
        assert.deepEqual([state, list, found.n, found.entry.value], [state, list, 10, 10]);
        right += 1;
      }
      assert.ok(right >= 512, `${state}: ${right}`);
    }
    assert.equal(before.length, 10);
  });

  it("reads on from a list that knows nothing but the last entries before a compaction", async () => {
    const { world, logs } = await filled(5);
    clock.wall += KEPT_MS + 1;
    await logs.append(LOG, 6, { value: 6 });
    await logs.compact(LOG, 6);
    // The newest of an hour ago is still there for lists that are as old.
    assert.equal((await told(world, [1, 2, 3, 4, 5]).newest(LOG)).n, 6);
  });
});

describe("compaction", () => {
  it("removes what was followed long ago, oldest first, and leaves number 1 as a stub", async () => {
    const { world, logs } = await filled(6);
    assert.equal(await logs.compact(LOG, 6), 4);
    assert.equal(numbers(world).length, 6);
    clock.wall += KEPT_MS + 1;
    assert.equal(await logs.compact(LOG, 6), 0);
    assert.deepEqual(numbers(world), [[1, true], [6, false]]);
    assert.equal((await new Logs(openAtomic(world), options).newest(LOG)).n, 6);
    assert.equal(await logs.compact(LOG, 6), 0);
  });

  it("goes on where it was cut off", async () => {
    const { world, logs } = await filled(6);
    clock.wall += KEPT_MS + 1;
    const blobs = openAtomic(world);
    let left = 2;
    const dying = { ...blobs, remove: async (key) => (left-- > 0 ? blobs.remove(key) : Promise.reject(new StoreUnavailable("503"))) };
    await assert.rejects(new Logs(dying, options).compact(LOG, 6), StoreUnavailable);
    assert.deepEqual(numbers(world).map(([n]) => n), [1, 4, 5, 6]);
    assert.equal(await logs.compact(LOG, 6), 0);
    assert.deepEqual(numbers(world), [[1, true], [6, false]]);
  });

  it("lets a reader in who began before it", async () => {
    const { world } = await filled(6);
    clock.wall += KEPT_MS + 1;
    const blobs = openAtomic(world);
    const reader = new Logs({
      ...blobs,
      list: async (prefix) => {
        const listed = await blobs.list(prefix);
        await new Logs(blobs, options).append(LOG, 7, { value: 7 });
        await new Logs(blobs, options).compact(LOG, 7);
        return listed;
      },
    }, options);
    assert.equal((await reader.newest(LOG)).entry.value, 7);
  });
});

describe("emptying", () => {
  it("empties all entries before one, in a long log and a compacted one", async () => {
    for (const count of [2, 9, 30]) {
      const { world, logs } = await filled(count);
      await logs.empty(LOG, count);
      assert.deepEqual(numbers(world).filter(([, stub]) => !stub), [[count, false]]);
      assert.equal((await new Logs(openAtomic(world), options).newest(LOG)).n, count);
    }
    const { world, logs } = await filled(30);
    world.blobs.delete(entryKey(LOG, 2));
    for (let n = 3; n < 20; n += 1) world.blobs.delete(entryKey(LOG, n));
    await logs.empty(LOG, 30);
    assert.deepEqual(numbers(world).filter(([, stub]) => !stub), [[30, false]]);
    assert.ok(numbers(world).some(([n, stub]) => n === 1 && stub));
  });
});

describe("the names of blobs", () => {
  it("fit into what Netlify allows, and into file names, whatever comes in", () => {
    const long = "x".repeat(128);
    const email = `email:${"x".repeat(64)}@${"x".repeat(185)}.com`;
    const log = keys.personLog("f".repeat(64));
    const at = 8_640_000_000_000;
    const dests = Array.from({ length: 60 }, (_, n) => `${email}${n}`);
    const made = [
      keys.entryKey(log, 99_999_999), keys.claimKey("f".repeat(64), long, 9999), keys.pointerKey(long), keys.deadKey(log),
      keys.tidyKey(at, log), keys.scrubKey(log, 1), keys.disabledKey("d".repeat(64)), keys.dueKey(at, log, 1, dests),
      keys.dueKey(at, log, 1, dests.slice(0, 24)), keys.rateKey({ bucket: long, key: long, ends_at: at }, 9999),
      keys.indexKey({ created_at: at, form: "f".repeat(64), flags: "alhqd", id: long, log }),
      keys.personLog("../..\0 é\u{1f642}"), keys.looseLog("news", "~x\0"), keys.pointerKey("a/../b"), keys.pointerKey(""),
    ];
    for (const key of made) {
      assert.match(key, /^[A-Za-z0-9_.~/-]+$/);
      assert.ok(key.length <= 400, `${key.length}: ${key}`);
      for (const segment of key.split("/")) assert.ok(segment.length > 0 && segment.length <= 255 && !/^\.+$/.test(segment), key);
    }
  });

  it("are different for what is different", () => {
    const texts = ["a", "A", "a.", ".a", "a/b", "a b", "a%20b", "a_b", "~a", "x".repeat(99), "x".repeat(101), "x".repeat(102), ""];
    assert.equal(new Set(texts.map((text) => keys.pointerKey(text))).size, texts.length);
  });

  it("say what they were made of", () => {
    const log = keys.personLog("abc");
    const marker = keys.readDueKey(keys.dueKey(77, log, 3, ["crm", "mail"]));
    assert.deepEqual([marker.at, marker.log, marker.n], [77, log, 3]);
    assert.deepEqual([marker.serves((code) => code === keys.destCode("crm")), marker.serves((code) => code === keys.destCode("x"))], [true, false]);
    assert.ok(keys.readDueKey(keys.dueKey(1, log, 1, Array.from({ length: 99 }, (_, n) => `d${n}`))).serves(() => false));
    const indexed = keys.readIndexKey(keys.indexKey({ created_at: 7_200_001, form: "news", flags: "al", id: "s1", log }));
    assert.deepEqual(indexed, { form: "news", flags: "al", ms: 7_200_001, log });
    assert.equal(keys.hourStart(keys.hourOf(7_200_001)), 7_200_000);
    assert.ok(keys.hourOf(7_200_001) < keys.hourOf(3_600_000));
    assert.equal(keys.readTidyKey(keys.tidyKey(5, log)).log, log);
    assert.deepEqual(keys.readScrubKey(keys.scrubKey(log, 4)).n, 4);
    for (const odd of ["due/x", "due/1/person/a", "index/1/2", "tidy/x/person/a", "scrub/person/x"]) {
      assert.equal([keys.readDueKey, keys.readIndexKey, keys.readTidyKey, keys.readScrubKey].some((read) => read(odd)), false, odd);
    }
  });
});
