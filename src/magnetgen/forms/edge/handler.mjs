/** The rules of every route, as steps without I/O or clock: they yield what they need and are fed the answers. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

import * as admin from "./admin.mjs";
import * as contract from "./contract.mjs";
import { checkLength, decode, DecodeError, mediaType } from "./decode.mjs";
import { probe, rate, transact, verify } from "./effects.mjs";
import { accepted, finish, header, jsonResponse, makeResponse, Problem, problem, withHeaders } from "./http.mjs";
import * as links from "./links.mjs";
import { network } from "./network.mjs";
import * as proof from "./proof.mjs";
import { ACCEPTED, count, HELD, PRIVATE, QUARANTINED, StoreUnavailable, SUBMISSION } from "./records.mjs";
import * as rules from "./rules.mjs";
import { cut, partition, utf8, withoutPrefix } from "./text.mjs";
import * as tokens from "./tokens.mjs";
import * as validate from "./validate.mjs";

export { network };

/** Windows: name, seconds, requests of one client to one form. */
export const RATES = Object.freeze([
  ["m", 60, 5],
  ["h", 3600, 30],
]);
export const RETRY_AFTER = 5;

/** Why a submission is held that was sent sooner than a person can; its source says after how many milliseconds. */
export const TOO_SOON = "time";

const KEY = /^[A-Za-z0-9_-]{16,128}$/;
const ALLOWED_HEADERS = "Content-Type, Idempotency-Key";
const TOKEN_STEPS = new Map([
  ["confirm", links.confirm],
  ["unsubscribe", links.unsubscribe],
  ["download", links.download],
]);

/** Answer a request. The only exceptions that leave are those of the world outside. */
export function* handle(ctx) {
  const form = formOf(ctx);
  let response;
  try {
    response = yield* dispatch(ctx, form);
  } catch (exc) {
    if (exc instanceof StoreUnavailable) response = unavailable(ctx);
    else response = problem(ctx, asProblem(exc), form ? form.back : "");
  }
  return complete(ctx, response);
}

function asProblem(exc) {
  if (exc instanceof Problem) return exc;
  if (exc instanceof DecodeError) return new Problem(exc.status, exc.code);
  throw exc;
}

export function unavailable(ctx) {
  const form = formOf(ctx);
  const fault = new Problem(503, "store_unavailable", [], [["retry-after", String(RETRY_AFTER)]]);
  return problem(ctx, fault, form ? form.back : "");
}

/** Something that should not happen: nothing of it is shown. */
export function internal(ctx) {
  return complete(ctx, problem(ctx, new Problem(500, "internal")));
}

/** The headers that all responses have, and those of CORS on forms. */
export function complete(ctx, response) {
  const isForm = (localPath(ctx) ?? "").startsWith("/forms/");
  return finish(ctx, isForm ? withHeaders(response, ...cors(ctx)) : response);
}

function* dispatch(ctx, form) {
  const path = localPath(ctx);
  const route = path === null ? null : routeOf(path, form);
  if (!route || (path.startsWith("/admin/") && !ctx.keys.admin)) {
    throw new Problem(404, (path ?? "").startsWith("/forms/") ? "unknown_form" : "not_found");
  }
  const [methods, steps] = route;
  if (!methods.includes(ctx.request.method)) throw new Problem(405, "method", [], [["allow", methods.join(", ")]]);
  return yield* steps(ctx);
}

/** The path below the handler's base, or null. */
function localPath(ctx) {
  const { path } = ctx.request;
  return path.startsWith(`${ctx.site.prefix}/`) ? path.slice(ctx.site.prefix.length) : null;
}

function formOf(ctx) {
  const name = withoutPrefix(localPath(ctx) ?? "", "/forms/");
  return (contract.FORM_NAME.test(name) && ctx.site.forms.get(name)) || null;
}

/** The methods and steps of a path. */
function routeOf(path, form) {
  const [kind, , rest] = partition(path.slice(1), "/");
  if (kind === "forms") return form && [["POST", "OPTIONS"], (ctx) => forms(ctx, form)];
  if (TOKEN_STEPS.has(kind) && rest) return [["GET", "HEAD", "POST"], (ctx) => TOKEN_STEPS.get(kind)(ctx, rest)];
  if (path === "/healthz") return [["GET", "HEAD"], healthy];
  if (path === "/readyz") return [["GET", "HEAD"], ready];
  return kind === "admin" ? admin.route(rest) : null;
}

function* healthy() {
  return jsonResponse({ ok: true });
}

function* ready() {
  yield probe();
  return jsonResponse({ ok: true });
}

// POST /forms/{form}

function* forms(ctx, form) {
  if (ctx.request.method === "OPTIONS") return preflight(ctx);
  checkLength(header(ctx, "content-length"), ctx.request.body.length);
  const kind = mediaType(header(ctx, "content-type"), header(ctx, "content-encoding"));
  checkOrigin(ctx);
  yield* counted(ctx, form);
  const cleaned = validate.clean(form.spec, decode(ctx.request.body, kind), form.challenge?.field ?? "");
  const long = validate.tooLong(form.spec, cleaned);
  if (long.length) throw new Problem(413, "size", long.map(pairOf));
  let verdict = traps(ctx, form, cleaned);
  const asked = verdict.status === QUARANTINED ? null : question(ctx, form, cleaned);
  if (asked) verdict = yield* judged(ctx, asked, verdict);
  const checked = validate.check(form.spec, cleaned);
  if (checked.faults.length && verdict.status !== QUARANTINED) throw invalid(checked);
  const key = idempotencyKey(ctx, cleaned);
  let submission = submissionOf(ctx, form, cleaned, checked, verdict);
  if (asked && submission.reason === "challenge") submission = withQuestion(submission, asked);
  const spent = asked && asked.challenge.is_proof ? yield* isSpent(asked) : false;
  const draft = { submission, fingerprint: validate.fingerprint(checked), key, spent };
  const outcome = yield transact(...rules.submit(ctx, form, draft));
  if (asked && outcome.fault === "challenge_failed") throw unproven(asked.challenge);
  if (outcome.fault) throw new Problem(422, outcome.fault);
  const response = accepted(ctx, outcome.answer);
  return outcome.replayed && key ? withHeaders(response, ["idempotency-replayed", "true"]) : response;
}

const pairOf = ({ field, code }) => [field, code];

function preflight(ctx) {
  if (header(ctx, "origin") === null) return makeResponse(204, [["allow", "POST, OPTIONS"]]);
  checkOrigin(ctx);
  return makeResponse(204, [
    ["access-control-allow-methods", "POST"],
    ["access-control-allow-headers", ALLOWED_HEADERS],
    ["access-control-max-age", "600"],
  ]);
}

function checkOrigin(ctx) {
  const origin = header(ctx, "origin");
  if (origin !== null && !ctx.site.origins.has(origin)) throw new Problem(403, "origin_denied");
}

function cors(ctx) {
  const origin = header(ctx, "origin");
  if (origin === null || !ctx.site.origins.has(origin)) return [["vary", "Origin"]];
  const exposed = ["access-control-expose-headers", "Idempotency-Replayed, Retry-After"];
  return [["access-control-allow-origin", origin], exposed, ["vary", "Origin"]];
}

/** Count this client, and refuse it when a window is full. */
function* counted(ctx, form) {
  const now = Math.trunc(ctx.now);
  const key = tokens.clientKey(ctx.keys, form.name, network(ctx.request.client), Math.floor(now / 86400));
  const counts = RATES.map(([name, seconds, limit]) => {
    const window = Math.floor(now / seconds);
    return count(`${name}${window}`, key, limit, (window + 1) * seconds * 1000);
  });
  const found = yield rate(counts);
  const full = counts.filter((one, at) => found[at] > one.limit).map((one) => one.ends_at / 1000 - now);
  if (full.length) throw new Problem(429, "rate_limited", [], [["retry-after", String(Math.max(...full))]]);
}

/** Honeypot and time. A script of a page always has an Origin: who says a time without one gets less credit. */
function traps(ctx, form, cleaned) {
  if (cleaned.reserved.get(contract.HONEYPOT)) return { status: QUARANTINED, reason: "honeypot" };
  const took = validate.timer(cleaned.reserved.get(contract.TIMER) ?? "");
  const least = form.spec.min_seconds * (header(ctx, "origin") !== null ? 1000 : 2000);
  if (took !== null && took < least) return { status: HELD, reason: TOO_SOON };
  return { status: ACCEPTED, reason: "" };
}

/** What the form's challenge was answered. A repetition under the client's own key asks the same question. */
function question(ctx, form, cleaned) {
  if (!form.challenge) return null;
  const answer = cleaned.reserved.get(form.challenge.field) ?? "";
  const key = givenKey(ctx, cleaned);
  const hash = () => createHash("sha256").update(utf8(`${form.name}\0${key}\0${answer}`)).digest();
  return verify(form.challenge, answer, uuid4(key ? hash() : ctx.random(16)));
}

/** 16 bytes as a UUID of version 4. */
export function uuid4(seed) {
  const bytes = Uint8Array.from(seed.subarray(0, 16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return Buffer.from(bytes).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** No answer, or a wrong one, ends here; while nobody can judge it, the submission is held. */
function* judged(ctx, asked, before) {
  let result = "fail";
  if (asked.challenge.is_proof) result = proof.isRight(asked.challenge, asked.answer, ctx.now) ? "pass" : "fail";
  else if (asked.answer) result = yield asked;
  if (result === "fail") throw unproven(asked.challenge);
  // What is held for another reason is not to be released by an answer that is judged later.
  return result === "down" && before.status === ACCEPTED ? { status: HELD, reason: "challenge" } : before;
}

/** With what is needed to ask again, in a place that nobody is shown. */
function withQuestion(sent, asked) {
  return { ...sent, source: { ...sent.source, [PRIVATE]: { answer: asked.answer, once: asked.once } } };
}

/** Count a right proof of work: whether it had been used before. */
function* isSpent(asked) {
  const one = proof.countOf(asked.answer);
  const [found] = yield rate([one]);
  return found > one.limit;
}

function unproven(challenge) {
  return new Problem(422, "challenge_failed", [[challenge.field, "challenge_failed"]]);
}

function invalid(checked) {
  const hasDuplicates = checked.faults.some((fault) => fault.code === "duplicate_field");
  return new Problem(422, hasDuplicates ? "duplicate_field" : "validation", checked.faults.map(pairOf));
}

/** The client's key: the header's, or the field's. Empty is none; one of another shape is malformed. */
function idempotencyKey(ctx, cleaned) {
  const key = givenKey(ctx, cleaned);
  if (key && !KEY.test(key)) throw new Problem(400, "malformed");
  return key;
}

function givenKey(ctx, cleaned) {
  return header(ctx, "idempotency-key") || (cleaned.reserved.get(contract.IDEMPOTENCY) ?? "");
}

function submissionOf(ctx, form, cleaned, checked, { status, reason }) {
  const source = { ...validate.attribution(cleaned.reserved.get(contract.SOURCE) ?? "") };
  if (header(ctx, "origin") === null) source.no_origin = true;
  if (reason === TOO_SOON) source.took_ms = validate.timer(cleaned.reserved.get(contract.TIMER) ?? "");
  return Object.freeze({
    id: ctx.newId(),
    form: form.name,
    lead: null,
    email: checked.email,
    email_key: checked.email ? tokens.emailKey(ctx.keys, checked.email) : null,
    status,
    reason,
    fields: checked.values,
    consent: rules.consentRecord(form, checked.consent, pageOf(ctx, source), ctx.ms),
    source,
    created_at: ctx.ms,
    ...SUBMISSION,
  });
}

/** The page's address without query: as its script says, or the browser. */
function pageOf(ctx, source) {
  const path = source.last?.page ?? "";
  if (path.startsWith("/") && !path.startsWith("//")) {
    const [scheme, , rest] = partition(ctx.site.base_url, "://");
    return `${scheme}://${partition(rest, "/")[0]}${path}`.split(/[?#]/)[0];
  }
  const referrer = (header(ctx, "referer") ?? "").split(/[?#]/)[0];
  const isAllowed = [...ctx.site.origins].some((one) => referrer === one || referrer.startsWith(`${one}/`));
  return isAllowed && /^[ -~]*$/.test(referrer) ? cut(referrer, 500) : "";
}
