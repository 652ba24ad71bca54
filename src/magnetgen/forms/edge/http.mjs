/** Requests and responses as plain data, and what every response has in common. Pure. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

import { origin } from "./site.mjs";
import { cut, escape, quote, SPACE, strip, utf8, withoutPrefix } from "./text.mjs";
import { BUTTONS, FRAME, MESSAGES, PLAIN, TITLES } from "./words.mjs";

const NOTHING = new Uint8Array(0);

/**
 * All that the core knows of the world: it has no clock and no randomness of its own. `now`: seconds since the epoch;
 * `random`: that many random bytes. `request`: {method, path (decoded), headers (names in lower case), body (at most
 * one byte more than the limit), query, client (an address, for counting only), id}.
 */
export function makeContext(site, keys, request, now, random) {
  const newId = () => Buffer.from(random(16)).toString("hex");
  return Object.freeze({ site, keys, request, now, ms: Math.trunc(now * 1000), random, newId });
}

/** A header of the request, or null. */
export function header(ctx, name) {
  return headerOf(ctx.request, name);
}

/** A header; an empty one is none, as on hosts that hand on none. Nor are other bytes than ASCII read alike by them. */
function headerOf(request, name) {
  const text = Object.hasOwn(request.headers, name) ? request.headers[name] : "";
  return text === "" ? null : text.replace(/[^\0-\x7f]+/g, "\ufffd");
}

/** What goes out. `file`: {asset, start, length} that the host sends instead of a body; `code`: the problem's. */
export function makeResponse(status, headers = [], body = NOTHING, file = null, code = "") {
  return Object.freeze({ status, headers, body, file, code });
}

/** The response with more headers after its own: [name, value] each. */
export function withHeaders(response, ...more) {
  return Object.freeze({ ...response, headers: [...response.headers, ...more] });
}

/** A request that ends here. `faults`: [field, code] pairs; never a value. */
export class Problem extends Error {
  constructor(status, code, faults = [], headers = []) {
    super(code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.faults = faults;
    this.headers = headers;
  }
}

/** A code's sentence, in the site's words where it has them. */
export function textOf(site, code) {
  return own(site.words, code) || own(MESSAGES, code) || own(TITLES, code) || TITLES.internal;
}

function own(object, key) {
  return Object.hasOwn(object, key) ? object[key] : "";
}

/** JSON clients: `Accept` prefers it to HTML, or the body is JSON and `Accept` does not name HTML. */
export function wantsJson(request) {
  const weights = weightsOf((headerOf(request, "accept") ?? "").toLowerCase());
  if (weight(weights, "application", "json") > weight(weights, "text", "html")) return true;
  const type = strip((headerOf(request, "content-type") ?? "").toLowerCase().split(";")[0]);
  return type === "application/json" && !weights.has("text/html");
}

function weightsOf(accept) {
  const found = new Map();
  for (const part of cut(accept, 1000).split(",").slice(0, 32)) {
    const [kind, ...parameters] = part.split(";").map(strip);
    const q = (parameters.find((parameter) => parameter.startsWith("q=")) ?? "q=1").slice(2);
    found.set(kind, /^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0);
  }
  return found;
}

function weight(weights, kind, subtype) {
  const name = [`${kind}/${subtype}`, `${kind}/*`, "*/*"].find((one) => weights.has(one));
  return name === undefined ? 0 : weights.get(name);
}

/** To an address of the build. A header is ASCII; such an address may not be. */
export function redirect(url, status = 303) {
  return makeResponse(status, [["location", quote(url, /[!-~]/)]]);
}

/** A response with plain data as JSON. */
export function jsonResponse(data, status = 200, ...headers) {
  return makeResponse(status, [["content-type", "application/json"], ...headers], utf8(JSON.stringify(data)));
}

/** The one answer of success, to each client in its own way. */
export function accepted(ctx, answer) {
  return wantsJson(ctx.request) ? jsonResponse({ ok: true, ...answer }, 202) : redirect(answer.next);
}

/** RFC 9457 for JSON clients, the site's own page for the rest. No value that was sent is in either. */
export function problem(ctx, fault, back = "") {
  const errors = fault.faults.map(([field, code]) => ({ field, code, message: textOf(ctx.site, code) }));
  const title = textOf(ctx.site, fault.code);
  if (!wantsJson(ctx.request) && !isMachine(ctx)) {
    const labels = labelsOf(ctx);
    const lines = errors.map((error) => (labels.get(error.field) ?? "") + error.message);
    const shown = { errors: lines.length ? lines : [title], back: back || ctx.site.base_url };
    const made = html(ctx, page(ctx.site, back ? "problem" : "trouble", shown), fault.status);
    return withHeaders({ ...made, code: fault.code }, ...fault.headers);
  }
  const data = {
    type: `urn:magnetgen:problem:${fault.code}`,
    title,
    status: fault.status,
    code: fault.code,
    request_id: ctx.request.id,
    errors,
  };
  const headers = [["content-type", "application/problem+json"], ...fault.headers];
  return makeResponse(fault.status, headers, utf8(JSON.stringify(data)), null, fault.code);
}

/** Routes that no visitor opens. */
function isMachine(ctx) {
  const path = withoutPrefix(ctx.request.path, ctx.site.prefix);
  return path.startsWith("/admin/") || path === "/healthz" || path === "/readyz";
}

function labelsOf(ctx) {
  const form = ctx.site.forms.get(ctx.request.path.slice(ctx.request.path.lastIndexOf("/") + 1));
  const fields = form ? form.spec.fields.filter((field) => field.label) : [];
  return new Map(fields.map((field) => [field.name, `${field.label}: `]));
}

function linked(site, [url, label]) {
  const words = escape(label || buttonOf(site, "link"));
  // Where it leads has no business with the address of this page, which is the token: not even on the same origin.
  return `<p class="actions"><a class="button" href="${escape(url)}" rel="noreferrer">${words}</a></p>`;
}

function buttonOf(site, name) {
  return own(site.words, `button_${name}`) || own(BUTTONS, name);
}

const SCRIPT = new RegExp(`<script\\b[^]*?</script>[${SPACE}]*`, "gi");
const STYLE = /<style>([^]*?)<\/style>/g;

/**
 * A page of the site's with its holes filled, every value escaped. It needs no scripts, and its policy allows none.
 * `link`: [address, what its button says or empty], or null: a button that leads somewhere else.
 */
export function page(site, name, { errors = [], back = "", button = "", code = "", link = null } = {}) {
  const text = own(site.pages, name) || FRAME.replace("{title}", () => escape(site.title)) + PLAIN[name];
  const listed = errors.map((line) => `<li>${escape(line)}</li>`).join("");
  const holes = {
    "{{errors}}": `<div class="errors" role="alert"><ul>${listed}</ul></div>`,
    "{{back}}": escape(back),
    "{{button}}": escape(buttonOf(site, button)),
    "{{code}}": escape(code),
    "{{link}}": link ? linked(site, link) : "",
  };
  return text.replace(SCRIPT, "").replace(/\{\{(?:errors|back|button|code|link)\}\}/g, (hole) => holes[hole]);
}

/** A page with its policy. `formTo`: an address that its form's answer leads to. */
export function html(ctx, text, status = 200, formTo = "") {
  const headers = [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", policy(ctx.site, text, formTo)],
  ];
  return makeResponse(status, headers, utf8(text));
}

function policy(site, text, formTo) {
  const pages = origin(site.base_url);
  const target = formTo && origin(formTo) !== site.own_origin ? ` ${origin(formTo)}` : "";
  const images = pages === site.own_origin ? pages : `${pages} ${site.own_origin}`;
  return (
    `default-src 'none'; style-src ${styleHashes(text)}; img-src data: ${images}; form-action 'self'${target}; ` +
    "base-uri 'none'; frame-ancestors 'none'"
  );
}

function styleHashes(text) {
  const hash = (style) => createHash("sha256").update(utf8(style)).digest("base64");
  const found = [...text.matchAll(STYLE)].map(([, style]) => `'sha256-${hash(style)}'`);
  return found.join(" ") || "'none'";
}

/** What every response has, whatever made it. */
export function finish(ctx, response) {
  const names = new Set(response.headers.map(([name]) => name));
  const common = [
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
    ["referrer-policy", "same-origin"],
    ["cross-origin-opener-policy", "same-origin"],
    ["x-robots-tag", "noindex"],
    ["content-security-policy", "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"],
  ];
  if (ctx.site.secure) common.push(["strict-transport-security", "max-age=31536000"]);
  if (ctx.request.id) common.push(["x-request-id", ctx.request.id]);
  return withHeaders(response, ...common.filter(([name]) => !names.has(name)));
}
