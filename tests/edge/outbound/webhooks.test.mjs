/** Requests to others, over HTTP, against servers that answer what they are told to. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { openDestination, run } from "../../../src/magnetgen/forms/edge/destinations.mjs";
import { address, httpPoster, judge, within } from "../../../src/magnetgen/forms/edge/webhooks.mjs";
import { known, serving } from "./world.mjs";

const poster = httpPoster((...args) => fetch(...args));
const NOW = Date.UTC(2026, 5, 1, 12);

async function posted(answer, options = {}) {
  const server = await serving(answer);
  try {
    const { method = "POST", body = Buffer.from("{}"), signal, url = server.url } = options;
    const found = await poster.post(url, { "content-type": "application/json" }, body, method, signal);
    return { found, got: server.got };
  } finally {
    await server.close();
  }
}

test("only 2xx is success and no redirect is followed", async () => {
  for (const status of [200, 202, 204, 301, 302, 303, 307, 308, 400, 404, 410, 413, 422, 429, 500, 503]) {
    const headers = status > 300 && status < 400 ? { location: "/elsewhere" } : {};
    const { found, got } = await posted(() => ({ status, headers }));
    assert.deepEqual([found.ok, found.code], [status < 300, String(status)]);
    assert.deepEqual([found.permanent, found.gone], [status === 410, status === 410]);
    assert.equal(found.item, [400, 413, 422].includes(status));
    assert.deepEqual(got.map((each) => each.path), ["/"]);
  }
});

test("Retry-After is seconds or a date, within a day", async () => {
  const { found } = await posted(() => ({ status: 503, headers: { "retry-after": "120" } }));
  assert.equal(found.retry_after, 120);
  const seconds = (text) => judge(503, text, NOW).retry_after;
  const fiveMinutes = [
    "Mon, 01 Jun 2026 12:05:00 GMT",
    "Mon, 01 Jun 2026 14:05:00 +0200",
    "Mon, 01 Jun 2026 10:05:00 -0200",
    "Monday, 01-Jun-26 12:05:00 GMT",
    "1 Jun 2026 12:05:00 GMT",
  ];
  for (const text of fiveMinutes) assert.equal(seconds(text), 300, text);
  for (const text of ["Wed, 03 Jun 2026 12:00:00 GMT", "999999999"]) assert.equal(seconds(text), 86_400, text);
  const none = ["Mon Jun  1 12:05:00 2026", "Mon, 01 Jun 2026 12:05:00 -0000", "Mon, 31 Feb 2026 12:05:00 GMT"];
  const past = "Mon, 01 Jun 2026 11:00:00 GMT";
  for (const text of [...none, past, "soon", "", "-5", "1.5"]) assert.equal(seconds(text), 0, text);
});

test("a server that hangs, or drips its answer, ends in time", async () => {
  const hung = await posted(() => null, { signal: within(0.2) });
  assert.deepEqual([hung.found.ok, hung.found.code], [false, "TimeoutError"]);
  const dripped = await posted(
    (got, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write("{");
      return null;
    },
    { signal: within(0.3) },
  );
  // The status has come: what is wrong with the rest changes nothing.
  assert.deepEqual([dripped.found.ok, dripped.found.body], [true, ""]);
});

test("a deadline that has passed begins nothing", async () => {
  const signal = AbortSignal.abort(new DOMException("late", "TimeoutError"));
  const { found, got } = await posted(() => ({}), { signal });
  assert.deepEqual([found.code, got.length], ["TimeoutError", 0]);
});

test("nobody there, and what is no HTTP, are failures that say nothing of where", async () => {
  const closed = await serving(() => ({}));
  await closed.close();
  assert.equal((await poster.post(`${closed.url}/secret`, {}, Buffer.from(""))).code, "ConnectionRefusedError");
  const { found } = await posted((got, response) => {
    response.socket.end("garbage\r\n\r\n");
    return null;
  });
  assert.deepEqual([found.ok, found.code], [false, "OSError"]);
});

test("a certificate that nobody vouches for is refused before anything is said", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "magnetgen-tls-"));
  const [key, cert] = ["key.pem", "certificate.pem"].map((name) => path.join(folder, name));
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...curve, ...named, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const got = [];
  const options = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  const server = createServer(options, (request, response) => {
    got.push(request.url);
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const found = await poster.post(`https://localhost:${server.address().port}/in`, {}, Buffer.from("{}"));
  server.close();
  assert.deepEqual([found.ok, found.code, found.permanent, got], [false, "SSLCertVerificationError", false, []]);
});

test("a user in an address is left out, as other hosts do", async () => {
  const server = await serving(() => ({}));
  const { ok } = await poster.post(server.url.replace("//", "//user:secret@"), {}, Buffer.from("{}"));
  await server.close();
  assert.deepEqual([ok, server.got[0].headers.authorization], [true, undefined]);
});

test("64 KiB of an answer in JSON are read, and nothing of another", async () => {
  const headers = { "content-type": "application/json; x=y" };
  const long = await posted(() => ({ headers, body: "é".repeat(50_000) }));
  assert.equal(long.found.body, "é".repeat(32_768));
  const other = await posted(() => ({ headers: { "content-type": "text/html" }, body: "secret" }));
  assert.equal(other.found.body, "");
});

test("a request without a body has none, and its method", async () => {
  const { got } = await posted(() => ({}), { method: "GET", body: Buffer.from("") });
  assert.deepEqual([got[0].method, got[0].body, got[0].headers["content-type"]], ["GET", "", "application/json"]);
});

test("an address that is none is refused without being shown", () => {
  for (const url of ["", "ftp://x.co", "https://", "https:x.co", "https://x.co:0/", "https://x.co/é", "https://x.co/a b"]) {
    assert.throws(() => address("CRM_URL", url), { name: "SiteFault", message: "CRM_URL is to be https://…" });
  }
});

test("all requests of a delivery share one time", async () => {
  const signals = [];
  const keeper = {
    async post(url, headers, body, method, signal) {
      signals.push(signal);
      return { ...judge(200), body: '{"subscribers":[{"id":1}]}' };
    },
  };
  await run(known.destinations.kit.steps.unsubscribe, { url: "https://x.co", email: "a@x.co", key: "k" }, keeper);
  assert.equal(signals.length, 2);
  assert.ok(signals[0] instanceof AbortSignal && signals[0] === signals[1]);
});

test("a service is told over HTTP, and what it answers decides", async () => {
  const server = await serving(({ method }) => ({
    status: method === "GET" ? 200 : 204,
    headers: { "content-type": "application/json" },
    body: method === "GET" ? '{"subscribers":[{"id":12345678901234567890}]}' : undefined,
  }));
  const place = { name: "to", kind: "kit", url_env: "URL", key_env: "KEY", list_env: "LIST" };
  const ready = openDestination(place, { URL: server.url, KEY: "k3y", LIST: "7" }, known);
  const data = { id: "ab", form: "news", email: "a+b@x.co", status: "unsubscribed", fields: {}, consent: [] };
  const found = await ready.send(poster, { kind: "lead.unsubscribed", lead: "ab", body: { data } }, async () => null);
  await server.close();
  assert.deepEqual([found.ok, found.code], [true, "204"]);
  assert.deepEqual(server.got.map((each) => `${each.method} ${each.path}`), [
    "GET /v4/subscribers?email_address=a%2Bb%40x.co&status=all",
    "POST /v4/subscribers/12345678901234567890/unsubscribe",
  ]);
  assert.equal(server.got[0].headers["x-kit-api-key"], "k3y");
});
