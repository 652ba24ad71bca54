/**
 * Claims on idempotency keys: a client's key is one key whatever address comes with it, and no log knows another.
 *
 * Claim k on a key names the log whose answer counts. It is written before that log's entry, so it says only who may
 * answer; the answer is what the log holds. While the log holds none, its maker is still at it, or is gone: whoever has
 * the same address simply goes on; anybody else waits a moment, and then ends the claim in its log, after which its
 * maker cannot commit without seeing that, and makes claim k + 1. Claims are settled in the log alone, so there is
 * nothing that could be half done. A claim without an answer needs no completing: nobody was told that it succeeded.
 */

import { claimKey } from "./blob-keys.mjs";
import { settled, tablesOf, withClaim } from "./blob-state.mjs";

/** How long the maker of a claim gets to commit, in ms. */
const MAKING_MS = 1500;
/** Keys that the handler derives depend on the address: its own log decides on them. */
const isDerived = (key) => key.startsWith("~");

export class Claims {
  constructor(blobs, logs, { wall, pause, update }) {
    Object.assign(this, { blobs, logs, wall, pause, update });
  }

  /** The answer for the first of `keys` that has one → {idem, claim}; `claim` is of a client's key. `own`: a log. */
  async answer(form, keys, own) {
    let claim = null;
    for (const key of keys) {
      if (isDerived(key)) {
        const idem = answerIn(own, form, key);
        if (idem) return { idem, claim };
        continue;
      }
      claim = await this.#patiently(form, key, own);
      if (claim.idem) return { idem: claim.idem, claim };
    }
    return { idem: null, claim };
  }

  async #patiently(form, key, own) {
    const until = this.wall() + MAKING_MS;
    for (let attempt = 0; ; attempt += 1) {
      const claim = await this.#newest(form, key, own);
      const isMaking = claim.k > 0 && !claim.known && claim.log !== own?.log;
      if (!isMaking || this.wall() > until) return claim;
      await this.pause(attempt);
    }
  }

  /** The last claim on a key → {form, key, k, log, known, over, idem}; k is 0 if there is none. */
  async #newest(form, key, own) {
    let last = { form, key, k: 0, log: "", known: false, over: false, idem: null };
    for (let k = 1; ; k += 1) {
      const log = await this.blobs.get(claimKey(form, key, k));
      if (log === null) return last.k ? last : this.#without(last, own);
      const found = log === own?.log ? own : await this.logs.newest(log);
      const mark = settled(found, form, key);
      const known = mark !== null && mark.k >= k;
      const over = known && (mark.k > k || mark.over);
      last = { form, key, k, log, known, over, idem: (known && answerIn(found, form, key)) || last.idem };
      if (!over) return last;
    }
  }

  /** No claim: it may have been tidied away a little before its answer. */
  #without(none, own) {
    const mark = own && settled(own, none.form, none.key);
    return mark && !mark.over ? { ...none, idem: answerIn(own, none.form, none.key) } : none;
  }

  /**
   * Make `log` the one whose answer for a key counts → the claim's number, 0 if somebody was faster, null if it needs
   * none. `seen`: the claim on which it was decided.
   */
  async take(form, key, log, seen) {
    if (isDerived(key)) return null;
    const before = seen?.key === key ? seen : await this.#newest(form, key, null);
    if (before.k && !before.over) {
      if (before.log === log) return before.k;
      if (!(await this.#end(before))) return 0;
    }
    const made = claimKey(form, key, before.k + 1);
    // Whether it was written is settled by the entry; who was first, here.
    const outcome = await this.blobs.setNew(made, log);
    return outcome === "written" || (await this.blobs.get(made)) === log ? before.k + 1 : 0;
  }

  /** End a claim in its log → whether it was as we knew it. */
  #end({ form, key, k, log, idem }) {
    return this.update(log, (found) => {
      const mark = settled(found, form, key);
      const known = mark !== null && mark.k >= k;
      if (known && (mark.over || mark.k > k)) return { result: true };
      if (known && !same(answerIn(found, form, key), idem)) return { result: false };
      return { result: true, claims: withClaim(found, { form, key, k, over: true }) };
    });
  }
}

function answerIn(found, form, key) {
  if (!found) return null;
  return [...tablesOf(found).idem.values()].find((row) => row.form === form && row.key === key) ?? null;
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
