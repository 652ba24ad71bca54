/**
 * Submissions that were held because nobody could judge their challenge: the verifier is asked again.
 *
 * Whatever sends the outbox calls `review`, beside the sending and never before it.
 */

import { DOWN, PASS } from "./challenge.mjs";
import { HELD, PRIVATE, QUERY } from "./records.mjs";
import * as rules from "./rules.mjs";

/** How long an answer of Turnstile's can be judged. */
const LIVES_MS = 300_000;
/** Older submissions are not looked at any more. */
const LOOK_BACK_MS = 3_600_000;
/** How long a review may take: what is left over is for the next one. */
const SECONDS = 20;
const PAGE = 100;

/**
 * Ask again about what can still be judged → how many submissions were released.
 *
 * What passes goes on as if the owner had released it, what fails stays held with the reason `challenge_failed`, and
 * what has become too old waits for the owner. While the verifier is down, nothing changes. `context`: one as of now;
 * `seconds`: how long it may take at most.
 */
export async function review(store, verifier, context, seconds = SECONDS) {
  const [ctx, ends] = [context(), performance.now() + Math.min(seconds, SECONDS) * 1000];
  let [released, isDown] = [0, false];
  for (const form of ctx.site.forms.values()) {
    const { challenge } = form;
    if (challenge === null || challenge.is_proof) continue;
    for (const found of await unjudged(store, form, ctx.ms)) {
      if (performance.now() > ends) return released;
      if (found.created_at <= ctx.ms - LIVES_MS) {
        await store.submit(...rules.stayHeld(found.id, "challenge"));
      } else if (!isDown) {
        const { answer, once } = found.source[PRIVATE];
        const verdict = await verifier.verify(challenge, answer, once);
        isDown = verdict === DOWN;
        released += await settle(store, context(), found, verdict);
      }
    }
  }
  return released;
}

async function settle(store, ctx, found, verdict) {
  if (verdict === DOWN) return 0;
  const work = verdict === PASS ? rules.release(ctx, found.id) : rules.stayHeld(found.id, "challenge_failed");
  await store.submit(...work);
  return verdict === PASS ? 1 : 0;
}

/** Held submissions of a form that still have their answer; the oldest is the first to become too old. */
async function unjudged(store, form, now) {
  const found = [];
  let query = { ...QUERY, since: now - LOOK_BACK_MS, form: form.name, status: HELD, limit: PAGE };
  for (;;) {
    const page = await store.submissions(query);
    found.push(...page.filter(({ reason, source }) => reason === "challenge" && Object.hasOwn(source, PRIVATE)));
    if (page.length < PAGE) return found.reverse();
    const last = page.at(-1);
    query = { ...query, after: [last.created_at, last.id] };
  }
}
