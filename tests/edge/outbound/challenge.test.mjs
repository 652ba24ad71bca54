/** Turnstile, against a server that answers as Cloudflare's does; and what was held while it did not answer. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Verifier } from "../../../src/magnetgen/forms/edge/challenge.mjs";
import { ADMIN, form, makeWorld, serving } from "./world.mjs";

const CHALLENGE = { kind: "turnstile", secret_env: "TURNSTILE", hostname: "site.example", action: "plain" };
const GOOD = { success: true, hostname: "site.example", action: "plain", "error-codes": [] };
const ONCE = "00000000-0000-4000-8000-000000000000";

async function verdict(answer, { env = { TURNSTILE: "s3cret" }, token = "tok" } = {}) {
  const server = await serving(() => answer);
  const verifier = new Verifier(env, (...args) => fetch(...args), server.url);
  const found = await verifier.verify(CHALLENGE, token, ONCE);
  await server.close();
  return { found, got: server.got };
}

const json = (data, status = 200) => ({ status, body: JSON.stringify(data) });

test("verdicts", async () => {
  for (const [more, wanted] of [
    [{}, "pass"],
    [{ action: "" }, "pass"],
    [{ action: null }, "pass"],
    [{ action: "other" }, "fail"],
    [{ hostname: "evil.example" }, "fail"],
    [{ success: false }, "fail"],
    [{ success: "true" }, "fail"],
    [{ success: 1 }, "fail"],
    [{ success: false, "error-codes": ["invalid-input-response"] }, "fail"],
    [{ "error-codes": ["internal-error"] }, "down"],
    [{ "error-codes": ["invalid-input-secret"] }, "down"],
    [{ "error-codes": "x" }, "pass"],
    [{ "error-codes": [1, null] }, "pass"],
  ]) assert.equal((await verdict(json({ ...GOOD, ...more }))).found, wanted, JSON.stringify(more));
});

test("a verifier that is down, or talks nonsense, judges nobody", async () => {
  const long = { body: `{"success":true,"x":"${"x".repeat(70_000)}"}` };
  const strange = [json([]), json(null), json("x"), { body: "{" }, { body: "" }, long];
  const answers = [json(GOOD, 500), json(GOOD, 302), ...strange];
  for (const answer of answers) assert.equal((await verdict(answer)).found, "down");
  const nobody = new Verifier({ TURNSTILE: "s" }, (...args) => fetch(...args), "http://127.0.0.1:1/");
  assert.equal(await nobody.verify(CHALLENGE, "tok", ONCE), "down");
});

test("without a secret nobody is asked, and too long an answer fails", async () => {
  const unset = await verdict(json(GOOD), { env: {} });
  assert.deepEqual([unset.found, unset.got.length], ["down", 0]);
  const long = await verdict(json(GOOD), { token: "x".repeat(2049) });
  assert.deepEqual([long.found, long.got.length], ["fail", 0]);
});

test("the question is a form, with the same id where the same is asked again", async () => {
  const { got } = await verdict(json(GOOD), { token: "a&b=c d+é" });
  assert.equal(got[0].method, "POST");
  assert.equal(got[0].headers["content-type"], "application/x-www-form-urlencoded");
  const sent = Object.fromEntries(new URLSearchParams(got[0].body));
  assert.deepEqual(sent, { secret: "s3cret", response: "a&b=c d+é", idempotency_key: ONCE });
});

// What was held

async function held(answers, run) {
  const server = await serving(() => answers.shift() ?? json(GOOD));
  const challenge = { kind: "turnstile", secret_env: "TURNSTILE", action: "plain" };
  const world = makeWorld({
    forms: { plain: form("plain", { challenge }) },
    env: { TURNSTILE: "s3cret", MAGNETGEN_TURNSTILE_URL: server.url },
    fetch: (...args) => fetch(...args),
  });
  world.submission = async () => (await world.rows("submissions"))[0];
  try {
    await run(world, server);
  } finally {
    await server.close();
  }
}

const sentWith = (world, more = "") => world.submit("plain", `email=ana%40x.co&cf-turnstile-response=tok${more}`);

test("what nobody could judge is held, and released when the verifier is back", async () => {
  await held([json({}, 500), json({}, 500), json(GOOD)], async (world, server) => {
    assert.equal((await sentWith(world)).status, 202);
    assert.deepEqual([(await world.submission()).status, (await world.submission()).reason], ["held", "challenge"]);
    assert.deepEqual((await world.submission()).source._challenge.answer, "tok");
    await world.runtime.drain();
    assert.equal((await world.submission()).status, "held");
    assert.equal((await world.runtime.drain()).sent, 2);
    assert.equal((await world.submission()).status, "accepted");
    assert.equal((await world.submission()).source._challenge, undefined);
    const ids = server.got.map((got) => new URLSearchParams(got.body).get("idempotency_key"));
    assert.equal(new Set(ids).size, 1);
    assert.equal(ids.length, 3);
  });
});

test("what fails stays held, without its answer", async () => {
  await held([json({}, 500), json({ ...GOOD, success: false })], async (world) => {
    await sentWith(world);
    await world.runtime.drain();
    const found = await world.submission();
    assert.deepEqual([found.status, found.reason, found.source._challenge], ["held", "challenge_failed", undefined]);
  });
});

test("what has become too old to be judged waits for the owner", async () => {
  await held([json({}, 500), json(GOOD)], async (world, server) => {
    await sentWith(world);
    world.now += 301;
    await world.runtime.drain();
    const found = await world.submission();
    assert.deepEqual([found.status, found.reason, found.source._challenge], ["held", "challenge", undefined]);
    assert.equal(server.got.length, 1);
  });
});

test("what is held for its haste keeps how long it took, and no answer", async () => {
  await held([json({}, 500)], async (world) => {
    await sentWith(world, "&_mg_t=300");
    const found = await world.submission();
    assert.deepEqual([found.status, found.reason, found.source.took_ms], ["held", "time", 300]);
    assert.equal(found.source._challenge, undefined);
  });
});

test("the answer is shown to nobody", async () => {
  await held([json({}, 500)], async (world) => {
    await sentWith(world);
    const json = "application/json";
    const headers = { authorization: `Bearer ${ADMIN}`, accept: json, "content-type": json };
    const listed = await world.request("GET", "/admin/submissions", "", headers);
    const found = await world.request("POST", "/admin/leads/search", '{"email":"ana@x.co"}', headers);
    for (const response of [listed, found]) {
      assert.equal(response.status, 200);
      assert.ok(!Buffer.from(response.body).toString().includes("tok\""));
      assert.ok(!Buffer.from(response.body).toString().includes("_challenge"));
    }
    assert.ok(!JSON.stringify(world.lines).includes("tok"));
  });
});

test("many are judged, and while it is down only one is asked about", async () => {
  await held([], async (world, server) => {
    const down = Array.from({ length: 5 }, () => json({}, 500));
    const forms = await world.rows("submissions");
    assert.equal(forms.length, 0);
    let answers = down;
    world.runtime.verifier.fetcher = async (...args) => {
      server.got.push(args);
      const { status, body } = answers.shift() ?? json(GOOD);
      return new Response(body, { status });
    };
    for (let number = 0; number < 5; number += 1) {
      await world.submit("plain", `email=a${number}%40x.co&cf-turnstile-response=t${number}`);
    }
    server.got.length = 0;
    answers = [json({}, 500), json({}, 500)];
    assert.equal(await world.runtime.review(), 0);
    assert.equal(server.got.length, 1);
    answers = [];
    assert.equal(await world.runtime.review(), 5);
  });
});
