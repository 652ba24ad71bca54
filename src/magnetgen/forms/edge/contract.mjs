/** What a capture form is: as much of contract.py as a running handler needs. */

import { urlsplit } from "./text.mjs";

/** `v` of forms.json; rises with every incompatible change. */
export const VERSION = 1;

export const FORM_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

export const HONEYPOT = "_mg_hp";
export const TIMER = "_mg_t";
export const SOURCE = "_mg_src";
export const SCHEMA_VERSION = "_mg_v";
export const IDEMPOTENCY = "_mg_idem";
export const PROOF = "_mg_pow";

export const [PROOF_OF_WORK, TURNSTILE] = ["proof-of-work", "turnstile"];

/** Submissions that a form takes in an hour before the rest is held; 0: as many as come. */
export const PER_HOUR = 600;

/** Code points of an address: RFC 5321's path limit less the angle brackets. */
export const EMAIL_MAX = 254;

/** Field types and the code points a value of each may have, unless the field says otherwise. */
export const TYPES = new Map([
  ["email", EMAIL_MAX],
  ["text", 200],
  ["tel", 40],
  ["url", 2048],
  ["number", 40],
  ["select", 200],
  ["radio", 200],
  ["checkbox", 200],
  ["textarea", 5000],
  ["hidden", 512],
]);

/** No value is longer, whatever the field says (CONTRACT: value 8 KiB). */
export const VALUE_MAX = 8192;

/** One thing that is asked: with a name, and these. `max` is in code points. */
export const FIELD = Object.freeze({
  type: "text",
  label: "",
  required: false,
  max: 200,
  pattern: "",
  options: Object.freeze([]),
  autocomplete: "",
  placeholder: "",
  help: "",
  value: "",
});

/** What an answer to a challenge says that it is for. Turnstile takes 32 characters. */
export function challengeAction(kind, form) {
  return kind === PROOF_OF_WORK ? form : [...form].slice(0, 32).join("");
}

/** The host of the site's address, as challenges name it: small letters, without a port. */
export function hostname(url) {
  return urlsplit(url).hostname;
}
