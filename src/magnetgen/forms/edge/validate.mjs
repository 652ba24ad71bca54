/** Pairs → a submission: cleaning, faults by field, the address's rules, fingerprint and attribution. Pure. */

import { createHash } from "node:crypto";

import * as contract from "./contract.mjs";
import { DecodeError, jsonValue } from "./decode.mjs";
import { dumps } from "./json.mjs";
import { matches } from "./pattern.mjs";
import { byteLength, compare, isSound, lengthOf, partition, SPACE, trimmed, utf8 } from "./text.mjs";

/** What a ticked consent, or a lone box without an option of its own, is kept as. */
export const GIVEN = "yes";
export const SOURCE_MAX = 1024;
export const TOUCH_VALUE_MAX = 256;

const TRIM = "\t\n\f\r ";
const CONTROL = /[\0-\x1f\x7f-\x9f]/;
const CONTROL_BUT_TEXT = /[\0-\x08\x0b-\x1f\x7f-\x9f]/;
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LAST_LABEL = /^(?:[a-z]+|xn--[a-z0-9-]+)$/;
const NUMBER = /^-?[0-9]+(?:[.,][0-9]+)?$/;
const URL_SHAPE = new RegExp(`^https?://[^${SPACE}/?#]+(?:[/?#][^${SPACE}]*)?$`, "iu");
const TICKED = new Map([
  ["yes", true],
  ["on", true],
  ["true", true],
  ["1", true],
  ["", false],
  ["no", false],
  ["false", false],
  ["0", false],
]);
const TOUCH_KEYS = /^(?:utm_[a-z_]{1,32}|gclid|fbclid|msclkid|ttclid|li_fat_id|referrer|landing|page)$/;

export const RESERVED = Object.freeze([
  contract.IDEMPOTENCY,
  contract.HONEYPOT,
  contract.TIMER,
  contract.SCHEMA_VERSION,
  contract.SOURCE,
]);

/** What is wrong with one field; never its value. */
const fault = (field, code) => ({ field, code });

/** Without white space at its ends, as HTML knows it. */
export function trim(text) {
  return trimmed(text, (char) => TRIM.includes(char));
}

/**
 * Declared and reserved names only, trimmed, with newlines as LF → {given: Map of texts by name, reserved: Map of a
 * text by name}. The first of a reserved name counts.
 */
export function clean(spec, pairs, challengeField = "") {
  const names = new Set([...spec.fields, ...spec.consent].map((one) => one.name));
  const special = new Set([...RESERVED, challengeField].filter((name) => name));
  const [given, reserved] = [new Map(), new Map()];
  for (const [name, value] of pairs) {
    const text = trim(value.replaceAll("\r\n", "\n"));
    if (names.has(name)) given.set(name, [...(given.get(name) ?? []), text]);
    else if (special.has(name) && !reserved.has(name)) reserved.set(name, text);
  }
  return { given, reserved };
}

/** Fields longer than they say of themselves, in code points. */
export function tooLong(spec, cleaned) {
  return spec.fields
    .filter((field) => {
      const most = Math.min(field.max, contract.VALUE_MAX);
      return (cleaned.given.get(field.name) ?? []).some((value) => lengthOf(value) > most);
    })
    .map((field) => fault(field.name, "too_long"));
}

/**
 * Judge every field and consent; all faults, in the form's order. → {values: what holds something, by field; consent:
 * Map of every purpose, ticked or not; faults; email}
 */
export function check(spec, cleaned) {
  const values = Object.create(null);
  const faults = [];
  for (const field of spec.fields) {
    const [value, code] = checkField(field, cleaned.given.get(field.name) ?? []);
    if (code) faults.push(fault(field.name, code));
    else if (value.length) values[field.name] = value;
  }
  const consent = new Map();
  for (const purpose of spec.consent) {
    const given = cleaned.given.get(purpose.name) ?? [];
    const ticked = TICKED.get((given[0] ?? "").toLowerCase());
    const code = given.length > 1 ? "duplicate_field" : ticked === undefined ? "option" : "";
    consent.set(purpose.name, Boolean(ticked));
    if (code || (purpose.required && !ticked)) faults.push(fault(purpose.name, code || "required"));
  }
  return { values, consent, faults, email: typeof values.email === "string" ? values.email : "" };
}

export function isMultiple(field) {
  return field.type === "checkbox" && field.options.length > 1;
}

/** A field's value, or a fault's code. */
function checkField(field, given) {
  if (given.length > 1 && !isMultiple(field)) return ["", "duplicate_field"];
  const several = given.filter((value) => value);
  const control = field.type === "textarea" ? CONTROL_BUT_TEXT : CONTROL;
  if (several.some((value) => control.test(value))) return ["", "characters"];
  if (isMultiple(field)) {
    const chosen = [...new Set(several)];
    if (!chosen.every((value) => field.options.includes(value))) return [chosen, "option"];
    return [chosen, field.required && !chosen.length ? "required" : ""];
  }
  let value = several[0] ?? "";
  if (field.type === "checkbox") value = box(field, value);
  if (!value) return ["", field.required ? "required" : ""];
  if (field.type === "email") return email(value);
  return [value, faultOf(field, value)];
}

/** A lone checkbox: its one option (or `yes`), nothing, or what is no choice of it. */
function box(field, value) {
  const own = field.options[0] ?? GIVEN;
  if (value === own) return own;
  const ticked = TICKED.get(value.toLowerCase());
  if (ticked === undefined) return value;
  return ticked ? own : "";
}

function faultOf(field, value) {
  if (field.type === "select" || field.type === "radio") return field.options.includes(value) ? "" : "option";
  if (field.type === "checkbox") return value === (field.options[0] ?? GIVEN) ? "" : "option";
  if (field.type === "number" && !field.pattern) return NUMBER.test(value) ? "" : "pattern";
  if (field.type === "url" && !URL_SHAPE.test(value)) return "pattern";
  // An HTML pattern does not apply to a textarea: nobody was told of it.
  if (field.pattern && field.type !== "textarea" && !matches(field.pattern, value)) return "pattern";
  return "";
}

/** [a trimmed address with its domain in lower case, ""], or ["", a fault's code]. */
export function email(value) {
  if (lengthOf(value) > contract.EMAIL_MAX) return ["", "too_long"];
  const [local, at, given] = partition(value, "@");
  if (!at || given.includes("@") || local.length > 64 || !LOCAL.test(local)) return ["", "email"];
  if (!/^[\0-\x7f]*$/.test(given)) return ["", "email_domain"];
  const domain = given.toLowerCase();
  const labels = domain.split(".");
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label)) || !LAST_LABEL.test(labels.at(-1))) {
    return ["", "email"];
  }
  return [`${local}@${domain}`, ""];
}

/** SHA-256, in hex, of the sorted, cleaned, declared fields and consents. */
export function fingerprint(checked) {
  const ticked = [...checked.consent].filter(([, isTicked]) => isTicked).map(([name]) => [name, GIVEN]);
  const pairs = [...Object.entries(checked.values), ...ticked].sort(([one], [other]) => compare(one, other));
  return createHash("sha256").update(utf8(dumps(pairs))).digest("hex");
}

/** `_mg_src` → {first, last}; known keys with sound texts only. What is malformed is dropped, never refused. */
export function attribution(raw) {
  if (!raw || byteLength(raw) > SOURCE_MAX) return {};
  const data = sourceOf(raw);
  if (!(data instanceof Map)) return {};
  const touches = ["first", "last"].map((name) => [name, touch(data.get(name))]);
  return Object.fromEntries(touches.filter(([, found]) => Object.keys(found).length));
}

function sourceOf(raw) {
  try {
    return jsonValue(utf8(raw));
  } catch (exc) {
    if (exc instanceof DecodeError) return null;
    throw exc;
  }
}

function touch(data) {
  if (!(data instanceof Map)) return {};
  const known = [...data].filter(([key, value]) => TOUCH_KEYS.test(key) && isSoundTouch(value));
  return Object.fromEntries(known.sort(([one], [other]) => compare(one, other)));
}

function isSoundTouch(value) {
  if (typeof value !== "string" || !value || lengthOf(value) > TOUCH_VALUE_MAX) return false;
  return !CONTROL.test(value) && isSound(value);
}

/** `_mg_t` in milliseconds; null where there is none. What is no number was not set by the page's script: -1. */
export function timer(raw) {
  if (!raw) return null;
  return /^[0-9]{1,15}$/.test(raw) ? Number(raw) : -1;
}
