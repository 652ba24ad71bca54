/** Asking Cloudflare Turnstile whether a person is there. */

import { lengthOf, quote } from "./text.mjs";

const TURNSTILE = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
const TIMEOUT = 5;
/** Characters of an answer; Cloudflare gives no longer ones. */
const ANSWER_MAX = 2048;
/** Bytes of the verdict that are read. */
const VERDICT_MAX = 65_536;
/** Faults that are not the visitor's: a wrong secret must turn nobody away. */
const NO_VERDICT = ["internal-error", "missing-input-secret", "invalid-input-secret"];
export const [PASS, FAIL, DOWN] = ["pass", "fail", "down"];

/** Judges answers. `url`: the verifier, another one in tests. */
export class Verifier {
  constructor(env, fetcher, url = TURNSTILE) {
    Object.assign(this, { env, fetcher, url });
  }

  /**
   * PASS, FAIL, or DOWN where nobody can say. Without a secret nobody can.
   *
   * `once`: a UUID. An answer is good for one question, and for the same question asked again.
   */
  async verify(challenge, answer, once) {
    if (lengthOf(answer) > ANSWER_MAX) return FAIL;
    const secret = this.env[challenge.secret_env];
    if (!secret) return DOWN;
    let data;
    try {
      data = await this.ask({ secret, response: answer, idempotency_key: once });
    } catch {
      return DOWN;
    }
    if (data === null || typeof data !== "object" || Array.isArray(data)) return DOWN;
    const codes = Array.isArray(data["error-codes"]) ? data["error-codes"] : [];
    if (codes.some((code) => NO_VERDICT.includes(code))) return DOWN;
    const action = data.action ?? "";
    const mine = data.hostname === challenge.hostname && (action === "" || action === challenge.action);
    return data.success === true && mine ? PASS : FAIL;
  }

  /** → what the verifier says; null where it answers anything but 200. */
  async ask(question) {
    const answer = await this.fetcher(this.url, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Object.entries(question).map(([name, value]) => `${name}=${quote(value)}`).join("&"),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT * 1000),
    });
    if (answer.status === 200) return JSON.parse(await beginning(answer));
    answer.body?.cancel().catch(() => {});
    return null;
  }
}

async function beginning(answer) {
  const [reader, decoder] = [answer.body.getReader(), new TextDecoder("utf-8", { fatal: true })];
  let text = "";
  for (let left = VERDICT_MAX; left > 0; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value.subarray(0, left), { stream: true });
    left -= value.length;
  }
  reader.cancel().catch(() => {});
  return text;
}

export function verifierFromEnv(env, fetcher) {
  return new Verifier(env, fetcher, env.MAGNETGEN_TURNSTILE_URL ?? TURNSTILE);
}
