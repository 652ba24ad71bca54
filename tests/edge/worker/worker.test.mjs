/** The Worker as it is deployed, in workerd: routes, deliveries, cron, files, and what it says when something lacks. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { D1Store } from "../../../src/magnetgen/forms/edge/store-d1.mjs";
import { deployed, SETTINGS, until } from "../hosts/bundle.mjs";
import { query } from "../store/rows.mjs";

const FIELDS = [{ name: "email", type: "email", label: "Email", required: true, max: 254 }];
const SITE = "https://site.example";
const BOOK = "abcdefghijklmnopqrstuvwxyz".repeat(100_000);

function form(name, more = {}) {
  const page = (kind) => `${SITE}/forms/${name}/${kind}/`;
  const pages = { next: page("thanks"), confirmed: page("confirmed"), back: `${SITE}/forms/${name}/` };
  const rest = { double_opt_in: false, min_seconds: 0, magnet: null, notify: [] };
  return { title: name, fields: FIELDS, consent: [], ...pages, ...rest, ...more };
}

const FORMS = {
  v: 1,
  title: "Lab",
  base_url: `${SITE}/`,
  public_url: `${SITE}/api`,
  origins: [SITE],
  forms: {
    plain: form("plain", { notify: ["crm"] }),
    double: form("double", { double_opt_in: true, notify: ["crm"] }),
    book: form("book", { magnet: "book", notify: ["crm"] }),
    lost: form("lost", { magnet: "lost", notify: ["crm"] }),
  },
  assets: {
    book: { file: "x", name: "book.pdf", size: BOOK.length, sha256: "ab".repeat(32), key: "book-1" },
    lost: { file: "y", name: "lost.pdf", size: 9, sha256: "cd".repeat(32), key: "lost-1" },
  },
  destinations: [{ name: "crm", kind: "webhook", url_env: "CRM_URL", secret_env: "CRM_SECRET" }],
};

function post(world, name, fields, headers = {}) {
  return fetch(`${world.url}/api/forms/${name}`, {
    method: "POST",
    redirect: "manual",
    headers: { accept: "application/json", origin: SITE, "cf-connecting-ip": "192.0.2.1", ...headers },
    body: new URLSearchParams(fields),
  });
}

describe("the Worker", () => {
  let world;
  let store;
  before(async () => {
    world = await deployed({ forms: FORMS });
    store = new D1Store(await world.mf.getD1Database("DB"));
    await (await world.mf.getR2Bucket("ASSETS_BUCKET")).put("book-1", BOOK);
  });
  after(() => world.close());

  it("takes a lead, and sends what is due after its answer", async () => {
    const answer = await post(world, "plain", { email: "ana@example.com" });
    assert.equal(answer.status, 202);
    assert.equal((await answer.json()).next, `${SITE}/forms/plain/thanks/`);
    await until(() => world.sent.length === 2, "a mail and a webhook");
    const urls = world.sent.map((one) => one.url).sort();
    assert.deepEqual(urls, ["https://api.resend.com/emails", "https://crm.example/hook"]);
    await until(async () => (await store.outbox("done")).length === 2, "both to be marked");
    const [lead] = await store.leads(query());
    assert.equal(lead.email, "ana@example.com");
  });

  it("leaves to the cron trigger what could not be sent", async () => {
    world.answer = () => new Response("", { status: 500 });
    await post(world, "plain", { email: "late@example.com" });
    const failed = () => store.outbox("due").then((rows) => rows.filter((row) => row.last_code));
    const waiting = await until(async () => ((await failed()).length === 2 ? failed() : null), "both to fail");
    world.answer = () => new Response("{}", { status: 200 });
    const before = world.sent.length;
    for (const { id } of waiting) assert.equal(await store.retry(id, Date.now()), true);
    const { outcome } = await (await world.mf.getWorker()).scheduled({ cron: "* * * * *", scheduledTime: new Date() });
    assert.equal(outcome, "ok");
    assert.equal(world.sent.length, before + 2);
    assert.deepEqual(await store.outbox("due"), []);
  });

  it("counts each client by the address that Cloudflare gives", async () => {
    const once = (ip, n) => post(world, "double", { email: `c${n}@example.com` }, { "cf-connecting-ip": ip });
    const statuses = [];
    for (let n = 0; n < 7; n += 1) statuses.push((await once("198.51.100.7", n)).status);
    assert.deepEqual(statuses, [202, 202, 202, 202, 202, 429, 429]);
    assert.equal((await once("198.51.100.8", 9)).status, 202);
    const forwarded = { "cf-connecting-ip": "198.51.100.7", "x-forwarded-for": "203.0.113.9" };
    assert.equal((await post(world, "double", { email: "z@example.com" }, forwarded)).status, 429);
  });

  it("makes one lead of fifty who come at once, by address and by key", async () => {
    const ip = (n) => ({ "cf-connecting-ip": `10.1.${n >> 4}.${n}` });
    const before = (await store.leads(query({ limit: 999 }))).length;
    const many = Array.from({ length: 50 }, (_, n) => n);
    const same = await Promise.all(many.map((n) => post(world, "double", { email: "same@example.com", n }, ip(n))));
    const headers = (n) => ({ ...ip(n), "idempotency-key": "k".repeat(20) });
    const keyed = await Promise.all(many.map((n) => post(world, "plain", { email: "key@example.com" }, headers(n))));
    const taken = [...same, ...keyed].map((answer) => answer.status);
    assert.deepEqual([...new Set(taken)], [202]);
    const leads = await store.leads(query({ limit: 999 }));
    assert.equal(leads.length, before + 2);
    const ofKey = (await store.submissions(query({ limit: 999 }))).filter((sent) => sent.email === "key@example.com");
    assert.equal(ofKey.length, 1);
  });

  it("hands out a file of R2, and parts of it", async () => {
    const { next } = await (await post(world, "book", { email: "reader@example.com" })).json();
    const url = `${world.url}/api/download/${next.split("#")[1]}`;
    const whole = await fetch(url);
    assert.deepEqual([whole.status, whole.headers.get("content-length")], [200, String(BOOK.length)]);
    assert.equal(await whole.text(), BOOK);
    const part = await fetch(url, { headers: { range: "bytes=26000-26025" } });
    assert.deepEqual([part.status, await part.text()], [206, BOOK.slice(26000, 26026)]);
    const end = await fetch(url, { headers: { range: "bytes=-3" } });
    assert.deepEqual([end.status, await end.text()], [206, "xyz"]);
    const head = await fetch(url, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(BOOK.length)]);
    await until(async () => (await store.leads(query({ form: "book" })))[0].downloaded_at, "the download to be noted");
  });

  it("says in the log that a file is not in R2", async () => {
    const { next } = await (await post(world, "lost", { email: "reader@example.com" })).json();
    const answer = await fetch(`${world.url}/api/download/${next.split("#")[1]}`);
    assert.equal(answer.status, 503);
    await until(() => world.lines.some((line) => line.includes('"download_missing"')), "a line about it");
  });

  it("leaves to the pages what is not the handler's", async () => {
    for (const path of ["/", "/apix", "/api", "/posts/x/?q=1"]) {
      const answer = await fetch(world.url + path);
      assert.equal(await answer.text(), `page ${path.split("?")[0]}`);
    }
    assert.equal((await fetch(`${world.url}/api/nothing`)).status, 404);
    assert.equal((await fetch(`${world.url}/api/readyz`)).status, 200);
  });

  it("takes Cloudflare's id of a request, if it is one", async () => {
    const id = async (ray) => {
      const answer = await fetch(`${world.url}/api/healthz`, { headers: { "cf-ray": ray } });
      return answer.headers.get("x-request-id");
    };
    assert.equal(await id("8f1a2b3c4d5e6f70-AMS"), "8f1a2b3c4d5e6f70-AMS");
    assert.match(await id("<script>"), /^[0-9a-f]{16}$/);
  });

  it("refuses what is too large, however it is sent", async () => {
    assert.equal((await post(world, "plain", { email: "a@example.com", x: "y".repeat(70_000) })).status, 413);
  });

  it("has logged no address, no token and no fault of its own", () => {
    assert.ok(world.lines.length > 100);
    const odd = world.lines.filter((line) => /@example|mg1\.|"internal"|reader|\bat .*mjs/.test(line));
    assert.deepEqual(odd, []);
    for (const line of world.lines) assert.equal(typeof JSON.parse(line).event, "string");
  });
});

describe("a Worker that lacks something", () => {
  const cases = [
    ["its secrets", { settings: { ...SETTINGS, MAGNETGEN_SECRETS: "" } }, /MAGNETGEN_SECRETS/],
    ["its database", { database: false }, /\[\[d1_databases\]\]/],
    ["its tables", { tables: false }, /wrangler d1 migrations apply/],
    ["a sender", { settings: { ...SETTINGS, MAGNETGEN_MAIL_FROM: "" } }, /MAGNETGEN_MAIL_FROM/],
    ["a right address", { settings: { ...SETTINGS, MAGNETGEN_PUBLIC_URL: "nowhere" } }, /MAGNETGEN_PUBLIC_URL/],
    ["forms of its version", { forms: { ...FORMS, v: 99 } }, /version 99/],
  ];
  for (const [what, given, hint] of cases) {
    it(`${what}: says so in its log alone, and still shows the pages`, async () => {
      const world = await deployed({ forms: FORMS, ...given });
      try {
        const answers = [
          await post(world, "plain", { email: "ana@example.com" }),
          await post(world, "plain", { email: "ana@example.com" }, { accept: "text/html" }),
          await fetch(`${world.url}/api/readyz`),
        ];
        for (const answer of answers) {
          assert.equal(answer.status, 503);
          assert.ok(Number(answer.headers.get("retry-after")) > 0);
          assert.doesNotMatch(await answer.text(), /MAGNETGEN|wrangler|D1|version|Error/);
        }
        const line = await until(() => world.lines.find((found) => hint.test(found)), "a line about it");
        assert.match(JSON.parse(line).event, /^(refused|store_unavailable)$/);
        assert.equal(await (await fetch(`${world.url}/posts/`)).text(), "page /posts/");
        const { outcome } = await (await world.mf.getWorker()).scheduled({ cron: "* * * * *" });
        assert.equal(outcome, "ok");
        assert.ok(!world.lines.some((found) => found.includes("ana@example.com")));
      } finally {
        await world.close();
      }
    });
  }

  it("pages: answers 404 where they would be", async () => {
    const world = await deployed({ forms: FORMS, pages: false });
    const answer = await fetch(`${world.url}/posts/`);
    assert.deepEqual([answer.status, await answer.text()], [404, "Not found\n"]);
    await world.close();
  });

  it("its bucket: says so once, and takes leads", async () => {
    const world = await deployed({ forms: FORMS, bucket: false });
    const { next } = await (await post(world, "book", { email: "reader@example.com" })).json();
    assert.equal((await fetch(`${world.url}/api/download/${next.split("#")[1]}`)).status, 503);
    await until(() => world.lines.filter((found) => found.includes('"request"')).length === 2, "both to be logged");
    const said = world.lines.filter((found) => found.includes('"downloads_unset"'));
    assert.equal(said.length, 1);
    assert.match(said[0], /ASSETS_BUCKET/);
    await world.close();
  });
});
