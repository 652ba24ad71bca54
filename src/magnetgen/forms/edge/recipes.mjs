/**
 * Requests as data: how a service of others is told something. The format's specification is in recipes.py.
 *
 * Recipes are the JSON files of `data/destinations` and `data/mail`, handed in as `services`. Pure.
 */

import { parse } from "./json.mjs";
import { partition, quote, utf8 } from "./text.mjs";

export const PERMANENT = [400, 413, 422];
const PATTERNS = { key: "[!-~]{1,500}", list: "[A-Za-z0-9_-]{1,64}" };
const HOLE = /\{\{([a-z0-9_]+)(?:\|([a-z]+))?\}\}/g;
const ONE_HOLE = /^\{\{([a-z0-9_]+)(?:\|([a-z]+))?\}\}$/;
const TAKEN = /^[A-Za-z0-9_-]{1,64}$/;
const HEADER = /^[ -~]*$/;

/** A place that needs a value has none, or one that it cannot hold. */
export class NoValue extends Error {}

/** The service knows nobody of whom more could be said. */
export class Absent extends Error {}

/** An answer that is not what the service's documentation promises. */
export class Unreadable extends Error {}

/** A setting's value is of the form that it must have; an address is not judged here. */
export function fits(name, setting, value) {
  const pattern = setting.pattern || PATTERNS[name];
  return pattern === undefined || new RegExp(`^(?:${pattern})$`, "u").test(value);
}

/** Where the service is: the setting `url`, or its own address. */
export function baseOf(recipe, settings) {
  return (settings.url ?? "").replace(/\/+$/, "") || String(fill(recipe.base, settings));
}

/** The request of a step → {method, url, headers, body}. Throws NoValue. */
export function make(step, holes) {
  const headers = { accept: "application/json", "user-agent": "magnetgen" };
  for (const [name, text] of Object.entries(step.headers ?? {})) headers[name] = header(text, holes);
  Object.assign(headers, credentials(step.auth ?? {}, holes));
  let body = utf8("");
  if (Object.hasOwn(step, "json")) {
    headers["content-type"] = "application/json";
    const filled = fill(step.json, holes);
    if (filled === null) throw new NoValue();
    body = utf8(JSON.stringify(filled));
  }
  return { method: step.method, url: urlOf(step.url, holes), headers, body };
}

/** A template with its holes filled; null where nothing is left of it. */
export function fill(template, holes) {
  if (typeof template === "string") return textOf(template, holes);
  if (Array.isArray(template)) {
    const items = template.map((item) => fill(item, holes)).filter((value) => value !== null);
    return items.length || !template.length ? items : null;
  }
  if (template === null || typeof template !== "object") return template;
  const keys = Object.keys(template);
  if (keys.length === 1 && keys[0] === "$lines") return (fill(template.$lines, holes) ?? []).join("\n") || null;
  const pairs = keys.map((key) => [key, fill(template[key], holes)]).filter(([, value]) => value !== null);
  return pairs.length || !keys.length ? Object.fromEntries(pairs) : null;
}

/** An answer is among the rules: `404`, or `400 some words`. */
export function says(rules, status, body) {
  return rules.some((rule) => {
    const [code, , words] = partition(String(rule), " ");
    return Number(code) === status && body.includes(words);
  });
}

/** Values out of an answer. Throws Absent, Unreadable. */
export function take(paths, body) {
  if (!Object.keys(paths).length) return {};
  let found;
  try {
    found = parse(body, wholeNumber);
  } catch {
    throw new Unreadable();
  }
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, taken(found, path)]));
}

function taken(found, path) {
  for (const part of path) {
    if (typeof part === "number") {
      if (!Array.isArray(found)) throw new Unreadable();
      if (part >= found.length) throw new Absent();
      found = found[part];
    } else {
      if (!(found instanceof Map) || !found.has(part)) throw new Unreadable();
      found = found.get(part);
    }
  }
  const isWhole = typeof found === "string" || typeof found === "bigint";
  if (!isWhole || !TAKEN.test(String(found))) throw new Unreadable();
  return String(found);
}

/** As long as it is: a rounded number would be somebody else's. */
function wholeNumber(digits) {
  return /^-?[0-9]+$/.test(digits) ? BigInt(digits) : NaN;
}

function urlOf(template, holes) {
  return template.replace(HOLE, (_, name, filter) => {
    const value = needed(name, filter, holes);
    return name === "url" ? value : quote(value);
  });
}

function header(template, holes) {
  const text = template.replace(HOLE, (_, name, filter) => needed(name, filter, holes));
  if (!HEADER.test(text)) throw new NoValue();
  return text;
}

function credentials(auth, holes) {
  if (Object.hasOwn(auth, "bearer")) return { authorization: `Bearer ${header(auth.bearer, holes)}` };
  if (Object.hasOwn(auth, "basic")) {
    return { authorization: `Basic ${utf8(header(auth.basic, holes)).toString("base64")}` };
  }
  if (Object.hasOwn(auth, "header")) return { [auth.header[0]]: header(auth.header[1], holes) };
  return {};
}

function needed(name, filter, holes) {
  const value = valueOf(name, filter, holes);
  if (typeof value !== "string" && typeof value !== "number") throw new NoValue();
  return String(value);
}

function textOf(template, holes) {
  const whole = ONE_HOLE.exec(template);
  if (whole) return valueOf(whole[1], whole[2], holes);
  const values = [...template.matchAll(HOLE)].map(([, name, filter]) => valueOf(name, filter, holes));
  if (values.includes(null)) return null;
  return template.replace(HOLE, () => String(values.shift()));
}

function valueOf(name, filter, holes) {
  const value = Object.hasOwn(holes, name) ? holes[name] : null;
  if (value === null || value === undefined || isEmpty(value)) return null;
  return filter ? FILTERS[filter](String(value)) : value;
}

function isEmpty(value) {
  return value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const FILTERS = {
  integer: Number,
  region: (text) => text.slice(text.lastIndexOf("-") + 1),
  slack: (text) => text.replace(/[&<>]/g, (mark) => ENTITIES[mark]),
};
