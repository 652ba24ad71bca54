/** The owner's routes. A bearer token opens them; without one set they do not exist. JSON only, no CORS. */

import { checkLength, decode, JSON_TYPE, mediaType } from "./decode.mjs";
import { drain, findCodes, findPerson, listLeads, listOutbox, listSubmissions, retry, transact } from "./effects.mjs";
import { header, jsonResponse, Problem } from "./http.mjs";
import { claimants, codeOf } from "./magnets.mjs";
import * as records from "./records.mjs";
import * as rules from "./rules.mjs";
import { partition, strip } from "./text.mjs";
import * as tokens from "./tokens.mjs";
import * as validate from "./validate.mjs";

export const LIMIT_MAX = 200;

const SUBMISSION = /^submissions\/([0-9a-f]{32})\/release$/;
const DELIVERY = /^outbox\/([0-9a-f]{32})\/retry$/;
const CURSOR = /^([0-9]{1,15})-([0-9a-f]{32})$/;
const OFFSET = "(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))";
const TIME = `([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\\.([0-9]{1,6}))?)?${OFFSET}?`;
const SINCE = new RegExp(`^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]${TIME})?$`);
const FIXED = new Map([
  ["leads", [["GET"], leads]],
  ["leads/search", [["POST"], search]],
  ["leads/erase", [["POST"], erase]],
  ["submissions", [["GET"], submissions]],
  ["outbox", [["GET"], outbox]],
  ["drain", [["POST"], drained]],
]);
const LEAD_STATUSES = [records.PENDING, records.CONFIRMED, records.UNSUBSCRIBED];
const SUBMISSION_STATUSES = [records.ACCEPTED, records.HELD, records.QUARANTINED];
const STATES = [records.DUE, records.LEASED, records.DONE, records.DEAD];

/** The methods and steps of a path below /admin/. */
export function route(path) {
  if (FIXED.has(path)) {
    const [methods, steps] = FIXED.get(path);
    return [methods, (ctx) => guarded(ctx, steps)];
  }
  for (const [pattern, steps] of [
    [SUBMISSION, release],
    [DELIVERY, retried],
  ]) {
    const match = pattern.exec(path);
    if (match) return [["POST"], (ctx) => guarded(ctx, (one) => steps(one, match[1]))];
  }
  return null;
}

function* guarded(ctx, steps) {
  if (!ctx.keys.admin) throw new Problem(404, "not_found");
  const [scheme, , given] = partition(header(ctx, "authorization") ?? "", " ");
  if (scheme.toLowerCase() !== "bearer" || !tokens.same(strip(given), ctx.keys.admin)) {
    throw new Problem(401, "unauthorized", [], [["www-authenticate", "Bearer"]]);
  }
  if (ctx.request.method === "POST" && header(ctx, "sec-fetch-site") === "cross-site") {
    throw new Problem(403, "origin_denied");
  }
  return yield* steps(ctx);
}

/** A lead as the owner sees it. */
export function leadData(lead) {
  return {
    id: lead.id,
    form: lead.form,
    email: lead.email,
    status: lead.status,
    data: lead.data,
    consent: lead.consent,
    created_at: lead.created_at,
    confirmed_at: lead.confirmed_at,
    unsubscribed_at: lead.unsubscribed_at,
    downloaded_at: lead.downloaded_at,
  };
}

/** Leads as they are shown, each with the single-use code that it has of its form's magnet. */
function* withCodes(site, shown) {
  const asked = claimants(site, shown).map((lead) => lead.id);
  const found = asked.length ? yield findCodes(asked) : [];
  return shown.map((lead) => coded(site, lead, found));
}

/** `found`: codes that leads have. */
export function coded(site, lead, found) {
  const code = codeOf(site, lead, found);
  return code ? { ...lead, code } : lead;
}

/** A submission as the owner sees it. */
export function submissionData(sent) {
  return {
    id: sent.id,
    form: sent.form,
    lead: sent.lead,
    email: sent.email,
    status: sent.status,
    reason: sent.reason,
    fields: sent.fields,
    consent: sent.consent,
    source: records.shownSource(sent.source),
    created_at: sent.created_at,
    applied_at: sent.applied_at,
  };
}

function* leads(ctx) {
  const query = queryOf(ctx.request.query, LEAD_STATUSES);
  const found = yield listLeads({ ...query, limit: query.limit + 1 });
  const shown = yield* withCodes(ctx.site, found.slice(0, query.limit).map(leadData));
  return jsonResponse({ leads: shown, next: cursor(found, query.limit) });
}

function* submissions(ctx) {
  const query = queryOf(ctx.request.query, SUBMISSION_STATUSES);
  const found = yield listSubmissions({ ...query, limit: query.limit + 1 });
  const shown = found.slice(0, query.limit).map(submissionData);
  return jsonResponse({ submissions: shown, next: cursor(found, query.limit) });
}

/** Where the next page goes on, if there is one. */
function cursor(found, limit) {
  return found.length > limit ? `${found[limit - 1].created_at}-${found[limit - 1].id}` : null;
}

const malformed = () => new Problem(400, "malformed");

/** ?since= (ISO date or milliseconds), form, status, after, limit. Anything else there is refused. */
function queryOf(text, statuses) {
  const given = givenIn(text, ["since", "form", "status", "after", "limit"]);
  const limit = limitOf(given, 50);
  const status = given.get("status") ?? "";
  if (!["", ...statuses].includes(status)) throw malformed();
  const since = sinceOf(given.get("since") ?? "");
  return { ...records.QUERY, since, form: given.get("form") ?? "", status, after: afterOf(given), limit };
}

/** ?state=, limit → [state, limit]. */
function outboxQuery(text) {
  const given = givenIn(text, ["state", "limit"]);
  const state = given.get("state") ?? "";
  if (!["", ...STATES].includes(state)) throw malformed();
  return [state, limitOf(given, 100)];
}

/** The names and values of a query; at most ten, and each with its `=`. */
function givenIn(text, names) {
  const pieces = text ? text.split("&") : [];
  if (pieces.length > 10 || !pieces.every((piece) => piece.includes("="))) throw malformed();
  const given = pieces.map((piece) => {
    const [name, , value] = partition(piece, "=");
    return [unquoted(name), unquoted(value)];
  });
  if (!given.every(([name]) => names.includes(name))) throw malformed();
  return new Map(given);
}

/** `+` is a space; what is percent-encoded and no UTF-8 becomes replacement characters. */
function unquoted(text) {
  return text.replaceAll("+", " ").replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    const bytes = Uint8Array.from(run.slice(1).split("%"), (digits) => Number.parseInt(digits, 16));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  });
}

function limitOf(given, standard) {
  const text = given.get("limit") || String(standard);
  const limit = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw malformed();
  return limit;
}

/** Milliseconds, or a date, with a time and an offset or without: then it is UTC. */
export function sinceOf(text) {
  if (!text) return null;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  const match = SINCE.exec(text);
  if (!match) throw malformed();
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDate = year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDate || hour > 23 || minute > 59 || second > 59) throw malformed();
  date.setUTCHours(hour, minute, second, Number((match[7] ?? "").padEnd(3, "0").slice(0, 3)));
  const offset = match[8] ? Number(`${match[8]}1`) * (Number(match[9]) * 60 + Number(match[10])) : 0;
  return date.getTime() - offset * 60_000;
}

function afterOf(given) {
  const text = given.get("after") ?? "";
  if (!text) return null;
  const match = CURSOR.exec(text);
  if (!match) throw malformed();
  return [Number(match[1]), match[2]];
}

/** The email of a JSON body, as it is kept. */
function addressOf(ctx) {
  checkLength(header(ctx, "content-length"), ctx.request.body.length);
  if (mediaType(header(ctx, "content-type"), header(ctx, "content-encoding")) !== JSON_TYPE) {
    throw new Problem(415, "type");
  }
  const given = new Map(decode(ctx.request.body, JSON_TYPE)).get("email") ?? "";
  const [address, code] = validate.email(validate.trim(given));
  if (code) throw new Problem(422, "validation", [["email", code]]);
  return address;
}

function* search(ctx) {
  const found = yield findPerson(tokens.emailKey(ctx.keys, addressOf(ctx)));
  const shown = found.submissions.map((sent) => ({ ...sent, source: records.shownSource(sent.source) }));
  return jsonResponse({ ...found, leads: yield* withCodes(ctx.site, found.leads), submissions: shown });
}

function* erase(ctx) {
  const erased = yield transact(...rules.erase(ctx, tokens.emailKey(ctx.keys, addressOf(ctx))));
  return jsonResponse({ erased });
}

function* release(ctx, id) {
  const outcome = yield transact(...rules.release(ctx, id));
  if (outcome.fault) throw new Problem(outcome.fault === "not_found" ? 404 : 422, outcome.fault);
  return jsonResponse({ ok: true, ...outcome.answer });
}

function* outbox(ctx) {
  const found = yield listOutbox(...outboxQuery(ctx.request.query));
  const shown = ["id", "lead", "form", "dest", "kind", "state", "attempts", "created_at", "next_at", "last_code"];
  const row = (delivery) => Object.fromEntries(shown.map((name) => [name, delivery[name]]));
  return jsonResponse({ deliveries: found.map(row) });
}

function* retried(ctx, id) {
  if (!(yield retry(id))) throw new Problem(404, "not_found");
  return jsonResponse({ ok: true });
}

function* drained() {
  return jsonResponse(yield drain());
}
