/** The links of mails: confirm, unsubscribe, download. Only a POST changes a lead: scanners follow links. */

import { findCodes, findLead, locate, note, transact } from "./effects.mjs";
import {
  accepted, header, html, jsonResponse, makeResponse, page, Problem, problem, redirect, wantsJson,
} from "./http.mjs";
import { assetOf, codeOf } from "./magnets.mjs";
import * as rules from "./rules.mjs";
import { magnetOf } from "./site.mjs";
import { partition, quote, strip } from "./text.mjs";
import * as tokens from "./tokens.mjs";

const FORMAT = /^[a-z0-9]{1,8}$/;
const RANGE = /^bytes=([0-9]{0,18})-([0-9]{0,18})$/;
const TYPES = new Map([
  ["pdf", "application/pdf"],
  ["epub", "application/epub+zip"],
  ["zip", "application/zip"],
  ["txt", "text/plain; charset=utf-8"],
  ["csv", "text/csv; charset=utf-8"],
  ["ics", "text/calendar; charset=utf-8"],
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["webp", "image/webp"],
  ["mp3", "audio/mpeg"],
  ["mp4", "video/mp4"],
]);

/** A genuine token; anything else is the same 404. */
function tokenOf(ctx, text, purpose) {
  try {
    return tokens.verify(ctx.keys, text, purpose, ctx.now);
  } catch (exc) {
    throw exc instanceof tokens.InvalidToken ? new Problem(404, "invalid_token") : exc;
  }
}

function formOf(ctx, token) {
  const form = ctx.site.forms.get(token.form);
  if (!form) throw new Problem(404, "invalid_token");
  return form;
}

/** A POST that comes from another site's page is refused; one without these headers is no browser's. */
function sameSite(ctx) {
  const origin = header(ctx, "origin");
  const isOurs = origin === null || origin === ctx.site.own_origin || ctx.site.origins.has(origin);
  if (header(ctx, "sec-fetch-site") === "cross-site" || !isOurs) throw new Problem(403, "origin_denied");
}

// Confirm

export function* confirm(ctx, text) {
  const token = tokenOf(ctx, text, tokens.CONFIRM);
  const form = formOf(ctx, token);
  const isPost = ctx.request.method === "POST";
  if (isPost) sameSite(ctx);
  if (tokens.isExpired(token, ctx.now)) throw new Problem(410, "token_expired");
  if (isPost) {
    const outcome = yield transact(...rules.confirm(ctx, form, token));
    if (outcome.fault) throw new Problem(410, outcome.fault);
    return accepted(ctx, outcome.answer);
  }
  const lead = yield findLead(token.lead);
  if (rules.superseded(lead, token)) throw new Problem(410, "token_superseded");
  const button = form.spec.magnet ? "confirm_download" : "confirm";
  return html(ctx, page(ctx.site, "confirm", { button }), 200, form.confirmed);
}

// Unsubscribe

/** Always at once, always the same answer; the one-click POST of a mail program has no Origin (RFC 8058). */
export function* unsubscribe(ctx, text) {
  const token = tokenOf(ctx, text, tokens.UNSUBSCRIBE);
  if (ctx.request.method !== "POST") return html(ctx, page(ctx.site, "unsubscribe", { button: "unsubscribe" }));
  yield transact(...rules.unsubscribe(ctx, ctx.site.forms.get(token.form) ?? null, token));
  return wantsJson(ctx.request) ? jsonResponse({ ok: true }) : html(ctx, page(ctx.site, "unsubscribed"));
}

// Download

/** `rest`: a token, or TOKEN/FORMAT for another format of the same. */
export function* download(ctx, rest) {
  const [text, slash, format] = partition(rest, "/");
  const token = tokenOf(ctx, text, tokens.DOWNLOAD);
  const form = formOf(ctx, token);
  const magnet = magnetOf(ctx.site, form);
  const isSound = token.asset === magnet?.name && (!slash || FORMAT.test(format));
  const asset = isSound ? assetOf(ctx.site, magnet, format) : null;
  if (!isSound || (!asset && (magnet.assets.length || format))) throw new Problem(404, "invalid_token");
  if (ctx.request.method === "POST") return yield* sendAgain(ctx, form, token);
  const lead = yield findLead(token.lead);
  if (!lead) throw new Problem(410, "token_superseded");
  if (tokens.isExpired(token, ctx.now)) return expired(ctx, form);
  const [response, isGiven] = asset ? yield* fileOf(ctx, asset) : yield* given(ctx, form, magnet, lead);
  if (ctx.request.method === "GET" && isGiven) yield note(...rules.downloaded(ctx, lead.id));
  return response;
}

/** → [response, whether the lead then has what it asked for]. */
function* fileOf(ctx, asset) {
  const where = yield locate(asset);
  if (where === null) throw new Problem(503, "store_unavailable", [], [["retry-after", "60"]]);
  const isElsewhere = typeof where === "string";
  const response = isElsewhere ? makeResponse(302, [["location", where]]) : attachment(ctx, asset, where);
  return [response, [200, 302].includes(response.status)];
}

/** What is no file: an address to go to, or the lead's code. It only looks: programs follow links, too. */
function* given(ctx, form, magnet, lead) {
  const isSingle = magnet.codes.length > 0;
  if (!magnet.code && !isSingle) return [redirect(magnet.url, 302), true];
  const code = isSingle ? codeOf(ctx.site, lead, yield findCodes([lead.id])) : magnet.code;
  if (wantsJson(ctx.request)) {
    return [jsonResponse(code ? { ok: true, code, url: magnet.url || null } : { ok: true, code: null }), Boolean(code)];
  }
  // Nothing was claimed by looking, and one may be free now: the button asks as the one of an expired link does.
  if (!code) return [html(ctx, page(ctx.site, "soldout", { button: "soldout" }), 200, form.next), false];
  const link = magnet.url ? [magnet.url, magnet.label] : null;
  return [html(ctx, page(ctx.site, "code", { code, link })), true];
}

function expired(ctx, form) {
  if (wantsJson(ctx.request)) return problem(ctx, new Problem(410, "token_expired"));
  return html(ctx, page(ctx.site, "expired", { button: "expired" }), 410, form.next);
}

/** A fresh link goes to the lead's own address, whoever pressed the button. */
function* sendAgain(ctx, form, token) {
  sameSite(ctx);
  const outcome = yield transact(...rules.freshLink(ctx, form, token));
  if (outcome.fault) throw new Problem(410, outcome.fault);
  return accepted(ctx, outcome.answer);
}

/** The file, or the part of it that is asked for (RFC 9110, 14). */
function attachment(ctx, asset, size) {
  const etag = `"${asset.sha256}"`;
  const ending = asset.filename.slice(asset.filename.lastIndexOf(".") + 1).toLowerCase();
  const headers = [
    ["content-type", TYPES.get(ending) ?? "application/octet-stream"],
    ["content-disposition", disposition(asset.filename)],
    ["accept-ranges", "bytes"],
    ["etag", etag],
  ];
  const whole = () => makeResponse(200, headers, undefined, { asset: asset.name, start: 0, length: size });
  const wanted = ctx.request.method === "GET" ? header(ctx, "range") : null;
  if (wanted === null || ![null, etag].includes(header(ctx, "if-range"))) return whole();
  const part = partOf(wanted, size);
  if (!part) return whole();
  const [first, last] = part;
  if (first > last) throw new Problem(416, "range", [], [["content-range", `bytes */${size}`]]);
  const span = ["content-range", `bytes ${first}-${last}/${size}`];
  const file = { asset: asset.name, start: first, length: last - first + 1 };
  return makeResponse(206, [...headers, span], undefined, file);
}

/** First and last byte; first beyond last: nothing of the file; null: no range that is understood. */
function partOf(text, size) {
  const match = RANGE.exec(strip(text));
  if (!match || !(match[1] || match[2])) return null;
  // Numbers of 18 digits compare exactly only as these.
  const [from, to] = [BigInt(match[1]), BigInt(match[2])];
  if (!match[1]) return [Math.max(0, size - Number(to)), to ? size - 1 : -1];
  if (match[2] && to < from) return null;
  const last = match[2] && to < size ? Number(to) : size - 1;
  return from < size ? [Number(from), last] : [size, -1];
}

/** RFC 6266: a plain name for all, and the real one for those that read it. */
export function disposition(filename) {
  const plain = filename.replace(/[^A-Za-z0-9 ._-]/gu, "_");
  const text = `attachment; filename="${plain}"`;
  return plain === filename ? text : `${text}; filename*=UTF-8''${quote(filename)}`;
}
