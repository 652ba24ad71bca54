/** Deliveries: schedule, breaker, leases, independence, and what a crash in between does. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { sent } from "../../../src/magnetgen/forms/edge/mail.mjs";
import { DELAYS, Deliverer, LEASE_SECONDS, PROBE_SECONDS } from "../../../src/magnetgen/forms/edge/outbox.mjs";
import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { documentOf, form, makeWorld } from "./world.mjs";

const OK = sent(true, "200");
const DOWN = sent(false, "503");
const onlyMail = (dest) => (dest === "mail" ? OK : DOWN);

async function submitted(world, from, to) {
  for (let number = from; number < to; number += 1) {
    assert.equal((await world.submit("plain", `email=a${number}%40x.co`)).status, 202);
  }
}

test("the schedule is the contract's with a fifth either way", () => {
  assert.deepEqual(DELAYS, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
  for (const [at, seconds] of DELAYS.entries()) {
    const next = (jitter) => new Deliverer({ jitter: () => jitter }).nextAt({ next_at: 0, attempts: at + 1 }, DOWN, 0);
    assert.equal(next(0), Math.floor(seconds * 800));
    assert.ok(Math.abs(next(1) - seconds * 1200) <= 1);
    assert.equal(next(0.5), seconds * 1000);
  }
  assert.equal(new Deliverer({}).nextAt({ next_at: 0, attempts: 10 }, DOWN, 0), null);
});

test("Retry-After is the least", () => {
  const asked = sent(false, "429", { retry_after: 99 });
  assert.equal(new Deliverer({}).nextAt({ next_at: 0, attempts: 1 }, asked, 1000), 1_099_000);
});

test("after its last attempt a delivery is dead, and no sooner", async () => {
  const world = makeWorld();
  world.outcome = onlyMail;
  await submitted(world, 0, 1);
  const seen = [];
  for (let round = 0; round < 40; round += 1) {
    await world.drain();
    const row = (await world.rows("outbox")).find((each) => each.dest === "crm");
    if (seen.at(-1) !== row.attempts) seen.push(row.attempts);
    if (row.state === "dead") break;
    assert.equal(row.state, "due");
    world.now = row.next_at / 1000;
  }
  const [row] = (await world.rows("outbox")).filter((each) => each.dest === "crm");
  assert.equal(row.state, "dead");
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(await world.store.retry(row.id, world.now * 1000), true);
  world.outcome = () => OK;
  world.now += PROBE_SECONDS + 1;
  assert.deepEqual(await world.drain(), { sent: 1, failed: 0 });
});

test("the breaker opens, probes once a minute and releases the queue", async () => {
  const world = makeWorld();
  world.outcome = onlyMail;
  await submitted(world, 0, 8);
  await world.drain();
  assert.equal(world.hooks.length, 8); // one batch was on its way when it opened
  await submitted(world, 8, 12);
  await world.drain();
  assert.equal(world.hooks.length, 8);
  for (let minute = 1; minute < 16; minute += 1) {
    world.now += 61;
    await world.drain();
    assert.equal(world.hooks.length, 8 + minute);
  }
  world.outcome = () => OK;
  world.now += 61;
  assert.equal((await world.drain()).sent, 12);
  assert.deepEqual(new Set((await world.rows("outbox")).map((row) => row.state)), new Set(["done"]));
  assert.equal(world.mails.length, 12);
});

test("a probe before its time is no attempt, and one that is due is", async () => {
  const world = makeWorld();
  world.outcome = onlyMail;
  await submitted(world, 0, 6);
  await world.drain();
  const rows = async () => (await world.rows("outbox")).filter((row) => row.dest === "crm");
  const attempts = async () => (await rows()).map((row) => row.attempts);
  const times = async () => (await rows()).map((row) => row.next_at);
  assert.deepEqual(await attempts(), [1, 1, 1, 1, 1, 1]);
  world.now += PROBE_SECONDS + 10;
  await world.drain(); // all are due again: the probe is one of the attempts
  assert.deepEqual((await attempts()).sort(), [1, 1, 1, 1, 1, 2]);
  await world.store.lease(world.now * 1000, 1, 8, [], []);
  for (const row of await rows()) await world.store.fail(row.id, 0, "503", (world.now + 7200) * 1000);
  const before = await attempts();
  const planned = await times();
  world.now += PROBE_SECONDS + 10;
  await world.drain();
  assert.equal(world.hooks.length, 8);
  assert.deepEqual(await attempts(), before);
  assert.deepEqual(await times(), planned);
});

test("a breaker outlives the deliverer that opened it, as plain JSON", async () => {
  const first = makeWorld();
  first.outcome = onlyMail;
  await submitted(first, 0, 6);
  await first.drain();
  const breakers = JSON.parse(JSON.stringify(first.runtime.deliverer.breakers));
  assert.equal(breakers.crm.failures, 6);
  const second = makeWorld({ store: first.store, breakers });
  second.now = first.now + 30;
  await second.drain();
  assert.equal(second.hooks.length, 0);
});

test("a destination that hangs delays no mail, nor the next batch of mails", async () => {
  const world = makeWorld();
  let open;
  const gate = new Promise((resolve) => {
    open = resolve;
  });
  world.outcome = (dest) => (dest === "crm" ? gate.then(() => OK) : OK);
  await submitted(world, 0, 20);
  const draining = world.drain();
  for (let turn = 0; turn < 2000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.mails.length, 20);
  assert.equal(world.hooks.length, 1);
  open();
  assert.deepEqual(await draining, { sent: 40, failed: 0 });
});

test("what there was no time for goes back at once, and was no attempt", async () => {
  const world = makeWorld();
  let open;
  const gate = new Promise((resolve) => {
    open = resolve;
  });
  world.outcome = (dest) => (dest === "crm" ? gate.then(() => DOWN) : OK);
  await submitted(world, 0, 5);
  const draining = world.runtime.deliverer.drain(0.05);
  const crm = async () => (await world.rows("outbox")).filter((row) => row.dest === "crm");
  const shown = async () => (await crm()).map((row) => `${row.state} ${row.attempts}`).sort();
  const returned = ["due 0", "due 0", "due 0", "due 0", "leased 1"];
  for (let turn = 0; turn < 300 && String(await shown()) !== String(returned); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(await shown(), returned);
  world.now += 15;
  open();
  assert.equal((await draining).failed, 1);
  assert.deepEqual(await shown(), ["due 0", "due 0", "due 0", "due 0", "due 1"]);
});

test("an hour of a provider that hangs costs no mail its turn, if each drain is a process of its own", async () => {
  const world = makeWorld();
  const started = world.now;
  const isOver = () => world.now >= started + 3600;
  world.outcome = (dest) => {
    if (dest !== "mail" || isOver()) return OK;
    world.now += 15;
    return sent(false, "TimeoutError");
  };
  await submitted(world, 0, 24);
  const minute = async () => {
    const next = world.now + 60;
    world.runtime.deliverer.breakers = Object.create(null);
    await world.runtime.deliverer.drain(14);
    world.now = Math.max(world.now, next);
  };
  while (!isOver()) await minute();
  const attempts = (await world.rows("outbox")).filter((row) => row.dest === "mail").map((row) => row.attempts);
  assert.ok(Math.max(...attempts) <= 4, String(attempts));
  for (let after = 0; after < 10; after += 1) await minute();
  assert.equal(world.mails.length, 24);
});

test("what cannot be removed, or takes long, keeps nothing from being sent", async () => {
  let fault = null;
  const store = memoryStore();
  const purge = () => new Promise((_, reject) => (fault = () => reject(new StoreUnavailable("gone"))));
  const world = makeWorld({ store: { ...store, purge }, drainSeconds: 14 });
  await submitted(world, 0, 3);
  const draining = world.runtime.drain();
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.mails.length, 3);
  fault();
  await assert.rejects(draining, StoreUnavailable);
});

test("a drain that a fault ends waits for what is being sent: its platform ends with it", async () => {
  const store = memoryStore();
  let [open, leases] = [null, 0];
  const gate = new Promise((resolve) => (open = resolve));
  const lease = (...call) => {
    if ((leases += 1) > 1) throw new StoreUnavailable("gone");
    return store.lease(...call);
  };
  const world = makeWorld({ store: { ...store, lease } });
  world.outcome = (dest) => (dest === "crm" ? gate.then(() => OK) : OK);
  await submitted(world, 0, 1);
  let isOver = false;
  const draining = world.drain().finally(() => (isOver = true));
  draining.catch(() => {});
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([world.mails.length, world.hooks.length, isOver], [1, 1, false]);
  open();
  await assert.rejects(draining, StoreUnavailable);
  assert.deepEqual(new Set((await world.rows("outbox")).map((row) => row.state)), new Set(["done"]));
});

test("an older deploy leaves to a newer one what it knows nothing of", async () => {
  const store = memoryStore();
  const destinations = ["crm", "two"].map((name) => ({ name, kind: "webhook", url_env: name }));
  const document = documentOf({ plain: form("plain"), more: form("more") }, { destinations });
  const [newer, older] = [makeWorld({ store, document }), makeWorld({ store })];
  assert.equal((await newer.submit("more", "email=a%40x.co")).status, 202);
  await older.drain();
  const shown = async () => (await newer.rows("outbox")).map((row) => [row.dest, row.state, row.last_code]).sort();
  assert.deepEqual(await shown(), [["crm", "done", "200"], ["mail", "due", "no_form"], ["two", "due", "no_destination"]]);
  newer.now += 10;
  await newer.drain();
  assert.deepEqual(await shown(), [["crm", "done", "200"], ["mail", "done", "200"], ["two", "done", "200"]]);
  // Where there is none, as after a removal, they end as everything does.
  assert.equal((await newer.submit("more", "email=b%40x.co")).status, 202);
  for (let turn = 0; turn < 12; turn += 1) {
    older.now = Math.max(newer.now, older.now) + 30 * 3600;
    await older.drain();
  }
  assert.deepEqual((await shown()).filter(([, state]) => state === "dead").map(([dest]) => dest), ["mail", "two"]);
});

test("a crash between sending and marking repeats the same id", async () => {
  const store = memoryStore();
  const world = makeWorld({ store: { ...store, finish: async () => { throw new StoreUnavailable("gone"); } } });
  await submitted(world, 0, 1);
  assert.deepEqual(await world.drain(), { sent: 0, failed: 0 });
  const again = makeWorld({ store });
  assert.equal((await again.drain()).sent, 0);
  again.now += LEASE_SECONDS + 1;
  assert.equal((await again.drain()).sent, 2);
  const [first, second] = [world.hooks[0], again.hooks[0]];
  assert.equal(first.headers["webhook-id"], second.headers["webhook-id"]);
  assert.equal(first.body, second.body);
  assert.ok(world.lines.some((line) => line.event === "outbox_unavailable" && line.dest === "crm"));
});

test("two handlers on one outbox send everything once", async () => {
  const one = makeWorld();
  const two = makeWorld({ store: one.store });
  await submitted(one, 0, 40);
  await Promise.all([one.drain(), two.drain()]);
  const ids = [...one.hooks, ...two.hooks].map((hook) => hook.headers["webhook-id"]);
  assert.equal(new Set(ids).size, 40);
  assert.equal(ids.length, 40);
  assert.equal(one.mails.length + two.mails.length, 40);
});

test("a delivery that is refused for itself opens no breaker", async () => {
  const world = makeWorld();
  world.outcome = (dest) => (dest === "mail" ? sent(false, "450", { item: true }) : OK);
  await submitted(world, 0, 7);
  await world.drain();
  world.outcome = () => OK;
  await world.submit("plain", "email=b%40x.co");
  await world.drain();
  assert.deepEqual(world.mails.map((mail) => mail.headers.get("To")), ["b@x.co"]);
});

test("a 410 disables a destination until it is replayed", async () => {
  const world = makeWorld();
  world.outcome = (dest) => (dest === "mail" ? OK : sent(false, "410", { permanent: true, gone: true }));
  await submitted(world, 0, 1);
  await world.drain();
  assert.deepEqual([...(await world.store.disabled())], ["crm"]);
  await submitted(world, 1, 2);
  await world.drain();
  assert.equal(world.hooks.length, 1);
  const dead = (await world.rows("outbox")).find((row) => row.state === "dead");
  await world.store.retry(dead.id, world.now * 1000);
  world.outcome = () => OK;
  assert.equal((await world.drain()).sent, 2);
});

test("without a way to send mails they wait and count no attempt", async () => {
  const world = makeWorld();
  const way = world.runtime.deliverer.mail;
  world.runtime.deliverer.mail = null;
  await submitted(world, 0, 1);
  assert.deepEqual(await world.drain(), { sent: 1, failed: 0 });
  const waiting = (await world.rows("outbox")).filter((row) => row.dest === "mail");
  assert.deepEqual(waiting.map((row) => [row.state, row.attempts]), [["due", 0]]);
  world.runtime.deliverer.mail = way;
  assert.equal((await world.drain()).sent, 1);
});

test("what is for a destination without its settings waits, and the log says so once", async () => {
  const world = makeWorld({ open: undefined });
  await submitted(world, 0, 1);
  assert.deepEqual(await world.drain(), { sent: 1, failed: 0 });
  const unset = world.lines.filter((line) => line.event === "not_set_up" && line.hint.startsWith("what"));
  assert.equal(unset.length, 1);
  assert.match(unset[0].hint, /CRM_URL is not set/);
});

test("an unexpected fault of one delivery is a failure of that one", async () => {
  const world = makeWorld();
  world.outcome = (dest) => {
    if (dest === "crm") throw new RangeError("ana@x.co");
    return OK;
  };
  await submitted(world, 0, 1);
  assert.deepEqual(await world.drain(), { sent: 1, failed: 1 });
  const codes = Object.fromEntries((await world.rows("outbox")).map((row) => [row.dest, row.last_code]));
  assert.deepEqual(codes, { mail: "200", crm: "RangeError" });
});

test("a clock that is set back keeps nothing waiting", async () => {
  const world = makeWorld();
  world.outcome = onlyMail;
  await submitted(world, 0, 5);
  await world.drain();
  await world.submit("plain", "email=b%40x.co");
  world.now -= 86_400;
  assert.equal((await world.drain()).sent, 1); // the mail; the breaker still waits its minute
  world.outcome = () => OK;
  world.now += PROBE_SECONDS;
  await world.drain();
  assert.deepEqual(new Set((await world.rows("outbox")).map((row) => row.state)), new Set(["done"]));
});

test("where the platform ends a drain soon, nothing is begun that it would cut off", async () => {
  const world = makeWorld();
  world.outcome = () => {
    world.now += 8;
    return OK;
  };
  await submitted(world, 0, 8);
  const done = await world.runtime.deliverer.drain(20);
  assert.ok(done.sent > 0 && done.sent < 8, `${done.sent} were sent`);
  world.outcome = () => OK;
  world.now += LEASE_SECONDS;
  for (let turn = 0; turn < 4; turn += 1) await world.drain();
  assert.deepEqual(new Set((await world.rows("outbox")).map((row) => row.state)), new Set(["done"]));
});

test("the log of deliveries names no owner's address", async () => {
  const world = makeWorld({ forms: { plain: form("plain", { notify: ["email:boss@x.co"] }) } });
  await submitted(world, 0, 1);
  await world.drain();
  const lines = world.lines.filter((line) => line.event === "delivery");
  const said = lines.map((line) => `${line.dest} ${line.ok} ${line.code}`).sort();
  assert.deepEqual(said, ["email true 200", "mail true 200"]);
  assert.ok(!JSON.stringify(world.lines).includes("@"));
});

test("a run begins no more than it may, each destination its part, and the next ones go on", async () => {
  const world = makeWorld({ env: { MAGNETGEN_DRAIN_MAX: "4", CRM_URL: "https://crm.example/" } });
  await submitted(world, 0, 9);
  const runs = [];
  for (let run = 0; run < 6; run += 1) runs.push(await world.runtime.drain());
  assert.deepEqual([runs[0].sent, runs.at(-1).sent], [4, 0]);
  assert.deepEqual([...new Set(world.hooks.map((hook) => hook.headers["webhook-id"]))].length, world.hooks.length);
  assert.equal(runs.reduce((sum, run) => sum + run.sent, 0), 18);
  assert.ok(runs.every((run) => run.sent <= 4));
});
