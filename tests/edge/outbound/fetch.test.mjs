/** The host of web requests: what it hands to the core, what it does with the answer, and what it never does. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { readBody, respond } from "../../../src/magnetgen/forms/edge/fetch.mjs";
import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { testApp } from "../../../src/magnetgen/forms/edge/testing.mjs";
import { documentOf, form, makeWorld, SCRIPT } from "./world.mjs";

const FORM = "https://site.example/api/forms/plain";
const post = (body, more = {}) => new Request(FORM, { method: "POST", headers: SCRIPT, body, duplex: "half", ...more });

/** What the core was asked, by a runtime that answers nothing else. */
async function handed(webRequest, options = {}, proxies = 0) {
  let found = null;
  const answer = async (request) => {
    found = request;
    return { status: 200, headers: [["content-type", "text/plain"]], body: Buffer.from("ok"), file: null, code: "" };
  };
  const response = await respond({ answer, proxies, deliver: async () => {} }, webRequest, options);
  return { found, response };
}

/** A body that comes in pieces, and counts what was asked of it. */
function pieces(count, size) {
  const seen = { pulled: 0, cancelled: false };
  const stream = new ReadableStream(
    {
      pull(controller) {
        seen.pulled += 1;
        if (seen.pulled > count) controller.close();
        else controller.enqueue(new Uint8Array(size).fill(97));
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { seen, stream };
}

test("a request as the core knows it", async () => {
  const headers = [["X-Forwarded-For", "1.1.1.1, 2.2.2.2"], ["Accept", "a"], ["accept", "b"]];
  const given = { method: "PUT", url: "https://h.example/api/a%2Fb//c%FF%?x=%41#y", headers, body: null };
  const { found } = await handed(given, { client: "9.9.9.9", id: "id1" });
  assert.deepEqual({ ...found, headers: { ...found.headers } }, {
    method: "PUT", path: "/api/a/b//c\ufffd%", headers: { "x-forwarded-for": "1.1.1.1, 2.2.2.2", accept: "a, b" },
    body: new Uint8Array(0), query: "x=%41", client: "9.9.9.9", id: "id1",
  });
  assert.equal(Object.getPrototypeOf(found.headers), null);
  assert.equal((await handed(given, { client: "9.9.9.9" }, 1)).found.client, "2.2.2.2");
  assert.match((await handed(given)).found.id, /^[0-9a-f]{16}$/);
});

test("a body is read as far as one byte beyond the limit", async () => {
  const { seen, stream } = pieces(1000, 1000);
  assert.equal((await readBody(stream)).length, 65_537);
  assert.deepEqual([seen.pulled, seen.cancelled], [66, true]);
  assert.equal((await readBody(pieces(3, 5).stream)).length, 15);
  assert.equal((await readBody(pieces(1, 65_536).stream)).length, 65_536);
  assert.equal((await readBody(null)).length, 0);
});

test("what is too long is 413, and the connection is not used again", async () => {
  const world = makeWorld();
  const response = await respond(world.runtime, post(pieces(100, 1000).stream));
  assert.deepEqual([response.status, response.headers.get("connection")], [413, "close"]);
  assert.deepEqual(await world.rows("submissions"), []);
});

test("a file that cannot be read is 503, and no fault of ours", async () => {
  const read = async () => (await null).body;
  const book = { file: "x", name: "b.pdf", size: 9, sha256: "ab".repeat(32), key: "k" };
  const document = documentOf({ plain: form("plain", { magnet: "book" }) }, { assets: { book } });
  const world = makeWorld({ document, assets: { size: async () => 9, read } });
  const { next } = JSON.parse(Buffer.from((await world.submit("plain", "email=a%40x.co")).body));
  const link = `https://site.example/api/download/${next.split("#")[1]}`;
  const response = await respond(world.runtime, new Request(link));
  assert.deepEqual([response.status, response.headers.get("content-disposition")], [503, null]);
  assert.equal(response.headers.get("retry-after"), "60");
  const said = world.lines.map((line) => [line.event, line.status, line.error]);
  assert.deepEqual(said.slice(-2), [["download_unavailable", undefined, "TypeError"], ["request", 503, undefined]]);
});

test("a slow client is refused in time", async () => {
  const world = makeWorld();
  const stream = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("email=")) });
  const response = await respond(world.runtime, post(stream), { seconds: 0.05 });
  assert.deepEqual([response.status, (await response.json()).code], [408, "timeout"]);
  assert.equal(response.headers.get("connection"), "close");
  assert.deepEqual(await world.rows("submissions"), []);
});

test("a client that leaves while sending leaves nothing", async () => {
  const world = makeWorld();
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from("email=a%40x.co"));
    },
    pull(controller) {
      controller.error(new Error("gone"));
    },
  });
  assert.equal((await respond(world.runtime, post(stream))).status, 400);
  assert.deepEqual(await world.rows("submissions"), []);
});

test("HEAD has the length and no body; 204 has neither", async () => {
  const world = makeWorld();
  const head = await respond(world.runtime, new Request("https://site.example/api/healthz", { method: "HEAD" }));
  assert.deepEqual([head.status, head.headers.get("content-length"), head.body], [200, "11", null]);
  const preflight = new Request(FORM, { method: "OPTIONS", headers: { origin: "https://site.example" } });
  const options = await respond(world.runtime, preflight);
  assert.deepEqual([options.status, options.headers.get("content-length"), options.body], [204, null, null]);
});

test("a file is streamed, as far as it was asked for", async () => {
  const asked = [];
  const assets = {
    size: async () => 26,
    read: async (asset, start, length) => {
      asked.push([asset.name, start, length]);
      return pieces(1, length).stream;
    },
  };
  const book = { file: "content/magnets/book.txt", name: "book.txt", size: 26, sha256: "ab".repeat(32) };
  const document = documentOf({ plain: form("plain", { magnet: "book" }) }, { assets: { book } });
  const world = makeWorld({ document, assets });
  const { next } = await (await respond(world.runtime, post("email=a%40x.co"))).json();
  const url = `https://site.example/api/download/${next.split("#")[1]}`;
  const part = await respond(world.runtime, new Request(url, { headers: { range: "bytes=2-4" } }));
  assert.deepEqual([part.status, part.headers.get("content-length"), await part.text()], [206, "3", "aaa"]);
  const head = await respond(world.runtime, new Request(url, { method: "HEAD" }));
  assert.deepEqual([head.status, head.headers.get("content-length"), head.body], [200, "26", null]);
  assert.deepEqual(asked, [["book", 2, 3]]);
});

test("what was accepted is sent at once, where the platform waits for it", async () => {
  const world = makeWorld();
  const waits = [];
  const waitUntil = (promise) => waits.push(promise);
  const response = await respond(world.runtime, post("email=a%40x.co"), { waitUntil });
  assert.equal(response.status, 202);
  await Promise.all(waits);
  assert.deepEqual([world.mails.length, world.hooks.length], [1, 1]);
  await respond(world.runtime, post("email=b%40x.co"));
  assert.equal(world.mails.length, 1);
});

test("a delivery that cannot be made says so in the log, and fails no request", async () => {
  for (const [fault, event] of [
    [new StoreUnavailable("locked"), "outbox_unavailable"],
    [new TypeError("ana@x.co"), "outbox_broken"],
  ]) {
    const store = { ...memoryStore(), lease: async () => { throw fault; } };
    const world = makeWorld({ store });
    const waits = [];
    const waitUntil = (promise) => waits.push(promise);
    assert.equal((await respond(world.runtime, post("email=a%40x.co"), { waitUntil })).status, 202);
    await Promise.all(waits);
    assert.equal(world.lines.at(-1).event, event);
    assert.ok(!JSON.stringify(world.lines).includes("ana@"));
  }
});

test("a store that cannot write is never a success", async () => {
  const store = { ...memoryStore(), submit: async () => { throw new StoreUnavailable("disk full"); } };
  const world = makeWorld({ store });
  const response = await respond(world.runtime, post("email=a%40x.co"), { id: "r7" });
  assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "5"]);
  const [first, second] = world.lines;
  assert.deepEqual({ ...first, at: 0 }, { at: 0, event: "store_unavailable", request: "r7", reason: "disk full" });
  assert.deepEqual(
    { ...second, at: 0 },
    { at: 0, event: "request", id: "r7", method: "POST", route: "forms", status: 503, code: "store_unavailable" },
  );
});

test("a fault of ours shows nothing, and its place is in the log", async () => {
  const secret = "ana@x.co\n    at secret (/home/ana/secret.mjs:1:1)";
  const store = { ...memoryStore(), submit: async () => { throw new RangeError(secret); } };
  const world = makeWorld({ store });
  const response = await respond(world.runtime, post("email=a%40x.co"), { id: "r8" });
  const body = await response.text();
  assert.equal(response.status, 500);
  assert.deepEqual(JSON.parse(body), {
    type: "urn:magnetgen:problem:internal", title: "Something went wrong here. Please try again later.", status: 500,
    code: "internal", request_id: "r8", errors: [],
  });
  const { place, ...line } = world.lines[0];
  assert.deepEqual({ ...line, at: 0 }, { at: 0, event: "internal", id: "r8", error: "RangeError" });
  assert.match(place, /^fetch\.test\.mjs:[0-9]+$/);
  assert.ok(!(body + JSON.stringify(world.lines)).includes("ana"));
});

test("what a request notes fails with nobody, and comes to its end", async () => {
  const plain = memoryStore();
  let [noted, fail] = [0, false];
  const assets = { size: async () => 3, read: async () => Buffer.from("abc") };
  const store = {
    ...plain,
    async submit(load, decide) {
      if (!fail) return plain.submit(load, decide);
      noted += 1;
      throw new StoreUnavailable("locked");
    },
  };
  const book = { file: "content/magnets/book.txt", name: "book.txt", size: 3, sha256: "ab".repeat(32) };
  const document = documentOf({ plain: form("plain", { magnet: "book" }) }, { assets: { book } });
  const world = makeWorld({ store, assets, document });
  const { next } = await (await respond(world.runtime, post("email=a%40x.co"))).json();
  fail = true;
  const waits = [];
  const request = new Request(`https://site.example/api/download/${next.split("#")[1]}`);
  const response = await respond(world.runtime, request, { waitUntil: (promise) => waits.push(promise) });
  assert.deepEqual([response.status, await response.text(), noted], [200, "abc", 1]);
  await Promise.all(waits);
  assert.ok(waits.length > 0);
});

test("logs hold no address, no token and no value", async () => {
  const world = makeWorld();
  await respond(world.runtime, post("email=ana%40x.co&first_name=Canary"), { client: "192.0.2.77" });
  await world.drain();
  const link = world.mails[0].headers.get("List-Unsubscribe").slice(1, -1);
  await respond(world.runtime, new Request(link), { client: "192.0.2.77" });
  await respond(world.runtime, new Request(link, { method: "POST" }), { client: "192.0.2.77" });
  const text = JSON.stringify(world.lines);
  const canaries = ["ana", "Canary", "mg1", "192.0.2.77", "unsubscribe/"];
  for (const canary of canaries) assert.ok(!text.includes(canary), canary);
  assert.deepEqual(new Set(world.lines.map((line) => line.event)), new Set(["request", "delivery"]));
});

test("the handler needs nothing but the platform", () => {
  const folder = new URL("../../../src/magnetgen/forms/edge/", import.meta.url);
  for (const name of readdirSync(folder)) {
    const text = readFileSync(new URL(name, folder), "utf8");
    const found = [...text.matchAll(/(?:\bfrom|^import) "([^"]+)";$/gm)];
    for (const [, from] of found) assert.match(from, /^(?:\.\/[a-z0-9-]+\.mjs|node:(?:crypto|buffer))$/, name);
  }
});

test("what the environment lacks is said at the start", () => {
  const started = (env, more = {}) => () => makeWorld({ env, transport: undefined, ...more });
  const url = "smtp://user:secret@host";
  assert.throws(started({ MAGNETGEN_SMTP_URL: url }), ({ name, message }) => {
    return name === "SiteFault" && message.includes("MAGNETGEN_MAIL_PROVIDER") && !message.includes("secret");
  });
  const provider = { MAGNETGEN_MAIL_PROVIDER: "resend", MAGNETGEN_MAIL_KEY: "k" };
  assert.throws(started(provider, { sender: undefined }), /MAGNETGEN_MAIL_FROM is not set/);
  const nobody = started({ MAGNETGEN_MAIL_FROM: "nobody" }, { sender: undefined });
  assert.throws(nobody, /MAGNETGEN_MAIL_FROM is to be an address/);
  assert.throws(started({ MAGNETGEN_SECRETS: "" }), /MAGNETGEN_SECRETS is not set/);
  assert.throws(started({ MAGNETGEN_TRUSTED_PROXIES: "11" }), /MAGNETGEN_TRUSTED_PROXIES/);
  assert.doesNotThrow(started({ ...provider, MAGNETGEN_MAIL_FROM: "Lab <lab@x.co>" }, { sender: undefined }));
  assert.deepEqual(makeWorld({ transport: undefined }).lines.map((line) => line.event), ["not_set_up"]);
});

test("the hooks of tests are there when they are asked for by name, and never else", () => {
  const given = { makeRuntime: () => null, store: memoryStore() };
  for (const env of [{}, { MAGNETGEN_TEST: "0" }, { MAGNETGEN_TEST: "true" }]) {
    assert.throws(() => testApp({ ...given, env }), /MAGNETGEN_TEST=1/);
  }
  assert.equal(typeof testApp({ ...given, env: { MAGNETGEN_TEST: "1" } }).respond, "function");
});
