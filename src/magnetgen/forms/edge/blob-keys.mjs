/**
 * The names of blobs. A log's name is `person/{email_key}`, or `loose/{…}` for submissions without an address.
 *
 *     LOG/{n}                                     entry n of a log
 *     sub/{form}/{key}/{k}                        claim k on an idempotency key → the log whose answer counts
 *     at/{id}                                     a lead, submission or delivery → its log
 *     index/{hour}/{form}/{flags}/{ms}-{id}/{log} what was made when; hours count down, so that the newest come first
 *     due/{ms}/{log}/{n}/{dests}                  from when on something in a log waits to be sent, and where to
 *     dead/{log}                                  something in a log may be dead
 *     tidy/{hour}/{ms}/{log}                      when a log is to be looked at for what has served its time
 *     scrub/{log}/{n}                             entries before n are to be emptied → keys that are to go with them
 *     rate/{ends_at}/{bucket}/{key}/{i}           one request in a window
 *     disabled/{dest}                             a destination that has said that it is gone
 */

import { createHash } from "node:crypto";

const HOUR_MS = 3_600_000;
const HOURS = 9_999_999;
const PLAIN = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/;

/** What was made at a time: a lead, deliveries, a submission and what became of it at first. */
export const FLAG = Object.freeze({ lead: "l", outbox: "d", accepted: "a", held: "h", quarantined: "q" });

export function digest(...parts) {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 40);
}

/** A piece of a key: as it is where every store and file system takes it so, else its hash. */
export function safe(text) {
  return PLAIN.test(text) ? text : `~${digest(text)}`;
}

function padded(number, digits = 15) {
  return String(Math.max(0, Math.floor(number))).padStart(digits, "0");
}

export const personLog = (emailKey) => `person/${safe(emailKey)}`;
export const looseLog = (...parts) => `loose/${digest(...parts)}`;
export const entryKey = (log, n) => `${log}/${padded(n, 8)}`;
export const claimKey = (form, key, k) => `sub/${safe(form)}/${safe(key)}/${padded(k, 4)}`;
export const pointerKey = (id) => `at/${safe(id)}`;
export const deadKey = (log) => `dead/${log}`;
export const tidyFolder = (hour) => `tidy/${padded(hour, 7)}/`;
export const tidyKey = (at, log) => `${tidyFolder(at / HOUR_MS)}${padded(at)}/${log}`;
export const scrubKey = (log, n) => `scrub/${log}/${padded(n, 8)}`;
export const disabledKey = (dest) => `disabled/${Buffer.from(dest).toString("base64url")}`;
export const rateFolder = (endsAt) => `rate/${padded(endsAt)}/`;
export const rateKey = ({ bucket, key, ends_at: endsAt }, i) =>
  `${rateFolder(endsAt)}${safe(bucket)}/${safe(key)}/${padded(i, 4)}`;

/** The number of an entry, from its key; 0 if it is none. */
export function entryNumber(key) {
  const text = key.slice(key.lastIndexOf("/") + 1);
  return /^[0-9]{8}$/.test(text) ? Number(text) : 0;
}

export const hourOf = (ms) => padded(HOURS - Math.floor(ms / HOUR_MS), 7);
/** When an hour began, in ms. */
export const hourStart = (hour) => (HOURS - Number(hour)) * HOUR_MS;
export const indexFolder = (hour, form = "") => `index/${hour}/${form ? `${safe(form)}/` : ""}`;

export function indexKey({ created_at: at, form, flags, id, log }) {
  return `${indexFolder(hourOf(at), form || "_")}${flags}/${padded(at)}-${safe(id)}/${log}`;
}

/** {form (as in a key), flags, ms, log} of an index's key, or null. */
export function readIndexKey(key) {
  const [, , form, flags, name, kind, rest] = key.split("/");
  const ms = Number((name ?? "").slice(0, 15));
  return rest && Number.isInteger(ms) ? { form, flags, ms, log: `${kind}/${rest}` } : null;
}

export const destCode = (dest) => createHash("sha256").update(dest).digest("hex").slice(0, 8);

/** `dests`: where something waits for. */
export function dueKey(at, log, n, dests) {
  const codes = [...new Set(dests.map(destCode))].sort();
  return `due/${padded(at)}/${log}/${padded(n, 8)}/${codes.length > 24 ? "all" : codes.join(".")}`;
}

/** {key, at, log, n, serves(code)} of a marker, or null. */
export function readDueKey(key) {
  const [, at, kind, rest, n, codes] = key.split("/");
  if (!codes || !/^[0-9]{15}$/.test(at)) return null;
  const listed = codes.split(".");
  const serves = (test) => codes === "all" || listed.some(test);
  return { key, at: Number(at), log: `${kind}/${rest}`, n: Number(n), codes, serves };
}

/** {at, log} of a tidy key, or {log, n} of a scrub key; null if it is none. */
export function readTidyKey(key) {
  const [, , at, kind, rest] = key.split("/");
  return rest && /^[0-9]{15}$/.test(at) ? { key, at: Number(at), log: `${kind}/${rest}` } : null;
}

export function readScrubKey(key) {
  const [, kind, rest, n] = key.split("/");
  return n && /^[0-9]{8}$/.test(n) ? { key, log: `${kind}/${rest}`, n: Number(n) } : null;
}
