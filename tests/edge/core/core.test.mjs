/** The core's steps: what is asked of the world and in which order, and that no name from outside misleads. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";

import { DecodeError } from "../../../src/magnetgen/forms/edge/decode.mjs";
import { handle } from "../../../src/magnetgen/forms/edge/handler.mjs";
import { makeContext } from "../../../src/magnetgen/forms/edge/http.mjs";
import { parse } from "../../../src/magnetgen/forms/edge/json.mjs";
import { SNAPSHOT, StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { siteFromData, SiteFault } from "../../../src/magnetgen/forms/edge/site.mjs";
import * as tokens from "../../../src/magnetgen/forms/edge/tokens.mjs";
import { clean, check, fingerprint } from "../../../src/magnetgen/forms/edge/validate.mjs";

const NOW = 1_780_000_000;
const KEYS = tokens.keysOf([["k1", Buffer.alloc(32, 1)]], Buffer.alloc(32, 2), "a".repeat(43));
const EMAIL = { name: "email", type: "email", label: "Email", required: true, max: 254 };
const TEXT = { name: "constructor", type: "text", max: 20 };
const FORM = {
  title: "News",
  fields: [EMAIL, TEXT],
  next: "https://s.example/thanks/",
  confirmed: "https://s.example/yes/",
  back: "https://s.example/",
};
const PROOF = { kind: "proof-of-work", field: "_mg_pow", hostname: "s.example", action: "hard", bits: 1 };
const ASSETS = { book: { file: "content/magnets/book.txt", size: 26, sha256: "ab" } };
const MAGNETS = {
  guide: { kind: "ebook", title: "Guide", valid_for: 600, assets: ["book", "guide.epub"] },
  beta: { kind: "discount", codes: ["A", "B"], url: "https://app.example/" },
  trial: { kind: "trial", url: "https://app.example/ü" },
};
const FORMS = {
  guide: { ...FORM, magnet: "guide" },
  beta: { ...FORM, magnet: "beta" },
  closed: { ...FORM, magnet: "beta", double_opt_in: true },
  trial: { ...FORM, magnet: "trial" },
  news: FORM,
  double: { ...FORM, double_opt_in: true },
  hard: { ...FORM, challenge: PROOF },
  book: { ...FORM, magnet: "book" },
};
const SITE = siteFromData({
  v: 1,
  base_url: "https://s.example/",
  public_url: "https://s.example/api",
  origins: ["https://s.example"],
  forms: FORMS,
  assets: { ...ASSETS, "guide.epub": ASSETS.book },
  magnets: MAGNETS,
});
const FORM_TYPE = "application/x-www-form-urlencoded";

function context(method, path, { body = "", headers = {}, now = NOW } = {}) {
  const named = Object.assign(Object.create(null), { accept: "application/json", ...headers });
  const given = { method, path: `/api${path}`, headers: named, body: Buffer.from(body) };
  const request = { ...given, query: "", client: "10.0.0.1", id: "r" };
  let drawn = 0;
  const random = (size) => Buffer.alloc(size, (drawn += 1));
  return makeContext(SITE, KEYS, request, now, random);
}

const post = (path, body, headers = {}) =>
  context("POST", path, { body, headers: { "content-type": FORM_TYPE, origin: "https://s.example", ...headers } });

/** Runs the steps; `answers`: effect → what the world says → {response, asked, json}. */
function run(ctx, answers = {}) {
  const asked = [];
  const steps = handle(ctx);
  let step = steps.next();
  while (!step.done) {
    asked.push(step.value.effect);
    const answer = { rate: [1, 1], transact: (one) => one.decide(SNAPSHOT).answer, ...answers }[step.value.effect];
    const given = typeof answer === "function" ? answer(step.value) : answer;
    step = given instanceof Error ? steps.throw(given) : steps.next(given);
  }
  const text = Buffer.from(step.value.body).toString();
  return { response: step.value, asked, json: text.startsWith("{") ? JSON.parse(text) : null };
}

describe("the order of the checks", () => {
  it("is route, method, length, type, origin, rate, decode, fields, commit", () => {
    const untyped = { "content-type": "x", origin: "null" };
    const faults = [
      [context("POST", "/forms/gone"), 404, "unknown_form", []],
      [context("PUT", "/forms/news"), 405, "method", []],
      [post("/forms/news", "%ff", { "content-length": "x", ...untyped }), 400, "malformed", []],
      [post("/forms/news", "%ff", untyped), 415, "type", []],
      [post("/forms/news", "%ff", { origin: "null" }), 403, "origin_denied", []],
      [post("/forms/news", "%ff"), 400, "malformed", ["rate"]],
      [post("/forms/news", "email=x"), 422, "validation", ["rate"]],
    ];
    for (const [ctx, status, code, effects] of faults) {
      const { response, asked } = run(ctx);
      assert.deepEqual([response.status, response.code, asked], [status, code, effects]);
    }
    const { response, asked, json } = run(post("/forms/news", "email=a@b.co&_mg_t=9000"));
    assert.deepEqual([response.status, asked], [202, ["rate", "transact"]]);
    assert.deepEqual(json, { ok: true, status: "accepted", next: FORM.next });
  });

  it("counts a proof of work only after the fields were found valid", () => {
    const start = `mg1/1/hard/s.example/${NOW}/0123456789abcdef/`;
    const solutions = Array.from({ length: 64 }, (_, number) => `${start}${number}`);
    const found = solutions.map((one) => run(post("/forms/hard", `email=a@b.co&_mg_pow=${one}`), { rate: [1] }));
    const right = found.filter(({ response }) => response.status === 202);
    assert.ok(right.length > 8 && right.length < 56);
    assert.deepEqual([...new Set(right.map(({ asked }) => asked.join()))], ["rate,rate,transact"]);
    const wrong = found.filter(({ response }) => response.code === "challenge_failed");
    assert.equal(right.length + wrong.length, 64);
    assert.deepEqual([...new Set(wrong.map(({ asked }) => asked.join()))], ["rate"]);
    const [solution] = solutions.filter((_, at) => found[at].response.status === 202);
    assert.deepEqual(run(post("/forms/hard", `email=x&_mg_pow=${solution}`)).asked, ["rate"]);
    const twice = { rate: ({ counts }) => counts.map(() => 2) };
    const spent = run(post("/forms/hard", `email=a@b.co&_mg_pow=${solution}`), twice);
    assert.deepEqual([spent.response.status, spent.response.code], [422, "challenge_failed"]);
  });

  it("answers a window that is full with the longest wait", () => {
    const { response, asked } = run(post("/forms/news", "email=a@b.co"), { rate: [6, 31] });
    assert.deepEqual([response.status, asked], [429, ["rate"]]);
    const wait = Number(new Map(response.headers).get("retry-after"));
    assert.equal(wait, (Math.floor(NOW / 3600) + 1) * 3600 - NOW);
  });
});

describe("the world outside", () => {
  it("that cannot store is a 503 with a wait, and says nothing more", () => {
    const gone = new StoreUnavailable("secret path");
    const { response, json } = run(post("/forms/news", "email=a@b.co"), { transact: gone });
    assert.deepEqual([response.status, json.code], [503, "store_unavailable"]);
    assert.equal(new Map(response.headers).get("retry-after"), "5");
    assert.ok(!Buffer.from(response.body).includes("secret"));
  });

  it("whose other faults are thrown on, for the host to say", () => {
    assert.throws(() => run(post("/forms/news", "email=a@b.co"), { rate: new TypeError("x") }), TypeError);
  });

  it("is asked for nothing but what a scanner may see by GET", () => {
    const lead = "ab".repeat(16);
    const nonce = Buffer.alloc(16);
    const token = (purpose, asset) => tokens.issue(KEYS, purpose, asset || "double", lead, NOW, nonce, asset);
    const row = { id: lead, status: "pending", unsubscribed_at: null };
    const world = { find_lead: row, locate: 26, note: null };
    for (const method of ["GET", "HEAD"]) {
      assert.deepEqual(run(context(method, `/confirm/${token("confirm")}`), world).asked, ["find_lead"]);
      assert.deepEqual(run(context(method, `/unsubscribe/${token("unsubscribe")}`), world).asked, []);
      const { asked, response } = run(context(method, `/download/${token("download", "book")}`), world);
      assert.deepEqual(asked, ["find_lead", "locate", ...(method === "GET" ? ["note"] : [])]);
      assert.deepEqual(response.file, { asset: "book", start: 0, length: 26 });
    }
  });
});

describe("magnets", () => {
  const lead = { id: "ab".repeat(16), form: "beta", email_key: "k", status: "confirmed", unsubscribed_at: null };
  const token = (form, asset = form) => tokens.issue(KEYS, "download", form, lead.id, NOW, Buffer.alloc(16), asset);
  const world = { find_lead: lead, locate: 26, note: null, find_codes: [{ lead: lead.id, magnet: "beta", code: "A" }] };
  const get = (path, more = world) => run(context("GET", path), more);

  /** The claim of what a request decides on what was found. */
  function claimed(ctx, found = {}) {
    let claim = "nothing was decided";
    const transact = ({ decide }) => {
      const changes = decide({ ...SNAPSHOT, ...found });
      claim = changes.claim;
      return changes.answer;
    };
    run(ctx, { transact });
    return claim;
  }

  it("are looked at by GET, which claims nothing", () => {
    const { asked, json } = get(`/download/${token("beta")}`);
    assert.deepEqual([asked, json], [["find_lead", "find_codes", "note"], { ok: true, code: "A", url: "https://app.example/" }]);
    const late = get(`/download/${token("beta")}`, { ...world, find_codes: [] });
    assert.deepEqual([late.asked, late.json], [["find_lead", "find_codes"], { ok: true, code: null }]);
    const led = get(`/download/${token("trial")}`);
    assert.deepEqual([led.asked, led.response.status], [["find_lead", "note"], 302]);
    assert.equal(new Map(led.response.headers).get("location"), "https://app.example/%C3%BC");
  });

  it("are claimed with each decision that gives them, and with no other", () => {
    const claim = (id) => ({ magnet: "beta", codes: ["A", "B"], lead: id });
    const sent = "email=a@b.co&_mg_t=9000";
    assert.match(claimed(post("/forms/beta", sent)).lead, /^[0-9a-f]{32}$/);
    const row = { ...lead, data: {}, consent: [], created_at: 1, confirmed_at: 1, downloaded_at: null };
    const full = Array.from({ length: 9 }, () => ["mail:deliver", NOW * 1000 - 1000]);
    // No mail may go to this address any more today, but the page shows the code.
    assert.deepEqual(claimed(post("/forms/beta", sent), { lead: row, mails: full }), claim(lead.id));
    assert.deepEqual(claimed(post("/forms/closed", sent), { lead: row }), claim(lead.id));
    assert.equal(claimed(post("/forms/closed", sent), { lead: row, mails: full }), null);
    assert.equal(claimed(post("/forms/closed", sent)), null);
    assert.equal(claimed(post("/forms/beta", `${sent}&_mg_hp=x`)), null);
    assert.equal(claimed(post("/forms/guide", sent)), null);
    const again = () => context("POST", `/download/${token("beta")}`);
    assert.deepEqual(claimed(again(), { lead: row }), claim(lead.id));
    assert.equal(claimed(again(), { lead: row, mails: full }), null);
    const yes = context("POST", `/confirm/${tokens.issue(KEYS, "confirm", "closed", lead.id, NOW, Buffer.alloc(16))}`);
    assert.deepEqual(claimed(yes, { lead: { ...row, status: "pending", confirmed_at: null } }), claim(lead.id));
    assert.equal(claimed(yes, { lead: row }), null);
  });

  it("have other formats behind the same link, and none that they do not list", () => {
    const file = (path) => get(path).response.file?.asset;
    const link = `/download/${token("guide")}`;
    assert.deepEqual([file(link), file(`${link}/epub`)], ["book", "guide.epub"]);
    for (const wrong of ["/", "/pdf", "/EPUB", "/epub/", "/__proto__", "/book"]) {
      assert.equal(get(link + wrong).response.code, "invalid_token", wrong);
    }
    assert.equal(get(`/download/${token("guide", "beta")}`).response.code, "invalid_token");
  });

  it("say how long their links live", () => {
    const { json } = run(post("/forms/guide", "email=a@b.co&_mg_t=9000"));
    const { issued, expires } = tokens.verify(KEYS, json.next.split("#")[1], "download", NOW);
    assert.equal(expires - issued, 600);
  });
});

describe("names from outside", () => {
  const strange = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

  it("are no forms, no routes and no headers", () => {
    for (const name of strange) {
      for (const path of [`/forms/${name}`, `/${name}`, `/${name}/x`, `/admin/${name}`, `/confirm/${name}`]) {
        assert.ok([401, 404].includes(run(context("POST", path)).response.status), path);
      }
    }
    const headers = JSON.parse('{"__proto__":"x"}');
    assert.equal(run(context("GET", "/healthz", { headers })).response.status, 200);
  });

  it("are declared fields only where the form says so", () => {
    const { spec } = SITE.forms.get("news");
    const pairs = [["email", "a@b.co"], ...strange.map((name) => [name, "x"])];
    const checked = check(spec, clean(spec, pairs));
    assert.deepEqual({ ...checked.values }, { email: "a@b.co", constructor: "x" });
    assert.deepEqual(checked.faults, []);
    assert.match(fingerprint(checked), /^[0-9a-f]{64}$/);
  });

  it("are undeclared where it does not, and then nothing is there", () => {
    const { spec } = SITE.forms.get("news");
    const checked = check(spec, clean(spec, [["email", "a@b.co"]]));
    assert.deepEqual(Object.keys(checked.values), ["email"]);
  });
});

describe("JSON", () => {
  const integer = (digits) => Number(digits);

  it("keeps names in their order, whatever they look like", () => {
    assert.deepEqual([...parse('{"10":1,"b":2,"2":3}', integer).keys()], ["10", "b", "2"]);
    assert.deepEqual([...parse('{"__proto__":1}', integer)], [["__proto__", 1]]);
  });

  it("that is deep is refused, never a fault of ours", () => {
    for (const depth of [901, 5_000, 60_000]) {
      assert.throws(() => parse("[".repeat(depth) + "]".repeat(depth), integer), SyntaxError);
    }
    const deep = `{"a":${"[".repeat(30_000)}`;
    const { response } = run(post("/forms/news", deep, { "content-type": "application/json" }));
    assert.deepEqual([response.status, response.code], [400, "malformed"]);
  });
});

describe("decisions", () => {
  it("are pure: run again, they change the same", () => {
    let found;
    run(post("/forms/book", "email=a@b.co&_mg_t=9000"), {
      transact: ({ decide }) => {
        const strip = (changes) => JSON.stringify(changes, (key, value) => (key === "id" ? "" : value));
        const snapshot = Object.freeze({ ...SNAPSHOT });
        found = [strip(decide(snapshot)), strip(decide(snapshot))];
        return decide(snapshot).answer;
      },
    });
    assert.equal(found[0], found[1]);
    assert.ok(found[0].includes('"mail":"deliver"'));
  });

  it("write no row that another reading could tell from the store's", () => {
    run(post("/forms/news", "email=a@b.co&constructor=x&_mg_t=9000"), {
      transact: ({ decide }) => {
        const changes = decide(SNAPSHOT);
        assert.deepEqual(JSON.parse(JSON.stringify(changes.leads[0].data)), { email: "a@b.co", constructor: "x" });
        const names = "id form lead email email_key status reason fields consent source created_at applied_at";
        assert.deepEqual(Object.keys(changes.submissions[0]), names.split(" "));
        return changes.answer;
      },
    });
  });
});

describe("secrets", () => {
  const hex = "ab".repeat(32);

  it("are parsed, the first signs, whatever their names", () => {
    const env = { MAGNETGEN_SECRETS: `2:${hex}, 1:${"cd".repeat(32)}`, MAGNETGEN_EMAIL_KEY: hex };
    const keys = tokens.parseKeys(env);
    assert.deepEqual([tokens.signer(keys), [...keys.masters.keys()], keys.admin], ["2", ["2", "1"], ""]);
  });

  it("that are missing or wrong say what to do, and never themselves", () => {
    const faulty = [
      [{}, /MAGNETGEN_SECRETS is not set/],
      [{ MAGNETGEN_SECRETS: "k1" }, /k1:HEX/],
      [{ MAGNETGEN_SECRETS: `k1:${hex.slice(2)}` }, /k1:HEX/],
      [{ MAGNETGEN_SECRETS: `k1:${hex},k1:${hex}` }, /two keys named k1/],
      [{ MAGNETGEN_SECRETS: `k1:${hex}` }, /MAGNETGEN_EMAIL_KEY is not set/],
      [{ MAGNETGEN_SECRETS: `k1:${hex}`, MAGNETGEN_EMAIL_KEY: "x" }, /MAGNETGEN_EMAIL_KEY is to be/],
      [{ MAGNETGEN_ADMIN_TOKEN: "short" }, /256 bits/],
    ];
    for (const [env, says] of faulty) {
      assert.throws(() => tokens.parseKeys(env), (fault) => {
        return fault instanceof SiteFault && says.test(fault.message) && !fault.message.includes(hex.slice(0, 20));
      });
    }
  });

  it("make keys as RFC 5869 says", () => {
    const range = (from, to) => Buffer.from(Array.from({ length: to - from }, (_, at) => from + at));
    const found = tokens.hkdf(Buffer.alloc(22, 0x0b), range(0, 13), range(0xf0, 0xfa), 42).toString("hex");
    assert.equal(found, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    const bare = tokens.hkdf(Buffer.alloc(22, 0x0b), Buffer.alloc(0), Buffer.alloc(0), 42).toString("hex");
    assert.equal(bare, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  });
});

it("any bytes are read or refused, by the two faults of a request alone", () => {
  let seed = 1;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  const kinds = [FORM_TYPE, "application/json"];
  for (let turn = 0; turn < 3000; turn += 1) {
    const byte = () => (next() % 3 ? 32 + (next() % 95) : next() % 256);
    const body = Buffer.from(Array.from({ length: next() % 40 }, byte));
    const { response } = run(post("/forms/news", body, { "content-type": kinds[turn % 2] }));
    assert.ok([202, 400, 413, 422].includes(response.status), `${response.status} ${body.toString("base64")}`);
  }
  assert.ok(new DecodeError(400, "malformed") instanceof Error);
});
