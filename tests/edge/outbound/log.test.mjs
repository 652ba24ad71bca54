/** The log: what goes its usual way is no error. */

import assert from "node:assert/strict";
import test from "node:test";

import { event } from "../../../src/magnetgen/forms/edge/log.mjs";

test("platforms show a fault as an error, and a request as a line", (context) => {
  const [line, error] = ["log", "error"].map((name) => context.mock.method(console, name, () => {}).mock);
  event("request", { status: 303 });
  event("delivery", { ok: true });
  event("internal", { error: "TypeError" });
  assert.deepEqual([line.calls.length, error.calls.length], [2, 1]);
  assert.match(error.calls[0].arguments[0], /"event":"internal"/);
});
