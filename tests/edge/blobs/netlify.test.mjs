/** The functions as Netlify calls them: which store, which client, what is said where something is missing. */

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { openBlobs } from "../../../src/magnetgen/forms/edge/blobs.mjs";
import { netlify, storeName, withUploads } from "../../../src/magnetgen/forms/edge/netlify.mjs";
import { SiteFault } from "../../../src/magnetgen/forms/edge/site.mjs";
import { BlobStore } from "../../../src/magnetgen/forms/edge/store-blobs.mjs";
import { services } from "../hosts/parts.mjs";
import { query } from "../store/rows.mjs";
import { startBlobs } from "./server.mjs";

const FIELD = { name: "email", type: "email", label: "Email", required: true, max: 254 };
const FORM = {
  title: "News", fields: [FIELD], consent: [], next: "https://site.example/thanks/", back: "https://site.example/",
  confirmed: "https://site.example/confirmed/", double_opt_in: false, min_seconds: 0, magnet: null, notify: ["crm"],
  per_hour: 600,
};
const FORMS = {
  v: 1, title: "Lead Lab", base_url: "https://site.example/", public_url: "https://site.example/api",
  origins: ["https://site.example"], forms: { news: FORM }, destinations: [{ name: "crm", kind: "webhook", url_env: "CRM_URL", secret_env: "CRM_SECRET" }],
};
const SECRETS = {
  MAGNETGEN_SECRETS: `k1:${"11".repeat(32)}`, MAGNETGEN_EMAIL_KEY: "22".repeat(32), MAGNETGEN_ADMIN_TOKEN: "t".repeat(64),
};
const CANARY = "canary-7f3a@private.example";
const NONE = { size: async () => null, read: async () => new Uint8Array(0) };

function submission(email = CANARY) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return new Request("https://site.example/api/forms/news", { method: "POST", headers, body: JSON.stringify({ email }) });
}

function unknown() {
  return new Request("https://site.example/api/forms/none", { method: "POST", headers: { accept: "application/json" } });
}

describe("the functions", () => {
  let blobs;
  let lines;
  let recipes;
  const set = (env) => {
    for (const name of Object.keys(process.env)) if (name.startsWith("MAGNETGEN_")) delete process.env[name];
    Object.assign(process.env, env);
  };
  const app = (forms = FORMS) => netlify({ forms, assets: NONE, services: recipes, log: (text) => lines.push(text) });
  const context = (more = {}) => ({ ip: "192.0.2.7", requestId: "01ABC", deploy: { context: "production" }, ...more });
  const leadsIn = async (name) =>
    (await new BlobStore(openBlobs({ name, context: () => blobs.access })).leads(query())).map((lead) => lead.email);

  before(async () => {
    blobs = await startBlobs();
    recipes = await services();
    process.env.NETLIFY_BLOBS_CONTEXT = blobs.context;
  });
  after(async () => {
    delete process.env.NETLIFY_BLOBS_CONTEXT;
    set({});
    await blobs.stop();
  });
  beforeEach(() => {
    lines = [];
  });

  it("keep a lead where the site's own are, and a preview's elsewhere", async () => {
    set(SECRETS);
    const { handle } = app();
    assert.equal((await handle(submission("a@site.example"), context())).status, 202);
    assert.equal((await handle(submission("b@site.example"), context({ deploy: { context: "deploy-preview" } }))).status, 202);
    assert.equal((await handle(submission("c@site.example"), context({ deploy: undefined }))).status, 202);
    assert.deepEqual((await leadsIn("magnetgen")).sort(), ["a@site.example", "c@site.example"]);
    assert.deepEqual(await leadsIn("magnetgen-preview"), ["b@site.example"]);
    set({ ...SECRETS, MAGNETGEN_STORE: "blobs:mine" });
    assert.equal((await app().handle(submission("d@site.example"), context())).status, 202);
    assert.deepEqual(await leadsIn("mine"), ["d@site.example"]);
  });

  it("refuse a store that is none of Netlify's", () => {
    for (const name of ["sqlite:///x", "postgresql://x", "blobs:", "blobs:a/b", "blobs:../x", `blobs:${"x".repeat(61)}`]) {
      assert.throws(() => storeName({ MAGNETGEN_STORE: name }, context()), SiteFault, name);
    }
  });

  it("say in the log what to do about missing secrets, once, and to visitors only that it is not ready", async () => {
    set({});
    const { handle, drain } = app();
    for (const answer of [await handle(submission(), context()), await handle(submission(), context()), await drain(null, context())]) {
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.equal(answer.headers.get("retry-after"), "60");
      assert.doesNotMatch(await answer.text(), /SECRETS|magnetgen/i);
    }
    assert.equal(lines.length, 1);
    assert.match(lines[0], /"refused".*MAGNETGEN_SECRETS/);
    set({ ...SECRETS, MAGNETGEN_STORE: "sqlite:///x" });
    lines = [];
    assert.equal((await app().handle(submission(), context())).status, 503);
    assert.match(lines[0], /"refused".*blobs:NAME/);
  });

  it("say that blobs are not there, and lose no lead silently", async () => {
    set(SECRETS);
    const kept = process.env.NETLIFY_BLOBS_CONTEXT;
    delete process.env.NETLIFY_BLOBS_CONTEXT;
    const answer = await app().handle(submission(), context());
    process.env.NETLIFY_BLOBS_CONTEXT = kept;
    assert.equal(answer.status, 503);
    assert.match(lines.join("\n"), /store_unavailable.*NETLIFY_BLOBS_CONTEXT/);
    assert.ok(!lines.join("\n").includes(CANARY));
  });

  it("send their own security headers, and Netlify's request id", async () => {
    set(SECRETS);
    const answer = await app().handle(unknown(), context());
    assert.equal((await answer.json()).request_id, "01ABC");
    for (const name of ["content-security-policy", "x-content-type-options", "referrer-policy", "x-robots-tag"]) {
      assert.ok(answer.headers.get(name), name);
    }
    const odd = await app().handle(unknown(), context({ requestId: "<x>" }));
    assert.match((await odd.json()).request_id, /^[0-9a-f]{16}$/);
  });

  it("count requests by the client that Netlify names", async () => {
    set(SECRETS);
    const { handle } = app();
    const statuses = [];
    for (let n = 0; n < 7; n += 1) statuses.push((await handle(submission(`n${n}@site.example`), context({ ip: "198.51.100.9" }))).status);
    assert.deepEqual(statuses, [202, 202, 202, 202, 202, 429, 429]);
    assert.equal((await handle(submission("z@site.example"), context({ ip: "198.51.100.10" }))).status, 202);
  });

  it("deliver after the answer where the platform waits for it, and by the schedule where not", async () => {
    set({ ...SECRETS, MAGNETGEN_STORE: "blobs:sending", CRM_URL: "http://192.0.2.1/hook", CRM_SECRET: "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0" });
    const real = globalThis.fetch;
    const posted = [];
    globalThis.fetch = async (url, options) => {
      if (!String(url).startsWith("http://192.0.2.1/")) return real(url, options);
      posted.push(JSON.parse(Buffer.from(options.body).toString()).data.email);
      return new Response("", { status: 200 });
    };
    try {
      const { handle, drain } = app();
      const waiting = [];
      await handle(submission("w@site.example"), context({ waitUntil: (promise) => waiting.push(promise) }));
      await Promise.all(waiting);
      assert.deepEqual(posted, ["w@site.example"]);
      await handle(submission("s@site.example"), context());
      assert.deepEqual(posted, ["w@site.example"]);
      assert.deepEqual(await (await drain(new Request("https://site.example/"), context())).json(), { sent: 1, failed: 0 });
      assert.deepEqual(posted, ["w@site.example", "s@site.example"]);
    } finally {
      globalThis.fetch = real;
    }
  });

  it("log no address", async () => {
    set(SECRETS);
    await app().handle(submission(), context({ ip: "203.0.113.5" }));
    assert.ok(lines.length);
    assert.ok(!lines.join("\n").includes(CANARY) && !lines.join("\n").includes("203.0.113.5"));
  });

  it("hand out large files from blobs, whole or in part", async () => {
    const store = openBlobs({ name: "magnetgen-assets", context: () => blobs.access });
    const text = "0123456789".repeat(20_000);
    await store.set("book-1", text);
    const assets = withUploads(NONE, store, (line) => lines.push(line));
    const asset = { store: "upload", key: "book-1", size: text.length };
    assert.equal(await assets.size(asset), text.length);
    for (const [start, length] of [[0, text.length], [0, 1], [5, 10], [99_999, 50_001], [text.length - 1, 1], [7, 0]]) {
      const body = await new Response(await assets.read(asset, start, length)).text();
      assert.equal(body, text.slice(start, start + length));
    }
    assert.equal(await assets.size({ ...asset, key: "gone" }), null);
    assert.match(lines[0], /download_missing.*deploy/);
    assert.equal(await assets.size({ file: "content/magnets/x" }), null);
  });
});
