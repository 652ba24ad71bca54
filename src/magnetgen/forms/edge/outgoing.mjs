/** What is to be sent, and why: rows of the outbox, written in the same transaction as their cause. Pure. */

import { dumps } from "./json.mjs";
import { DELIVERY } from "./records.mjs";
import { destinationsOf } from "./site.mjs";
import { byteLength, cut } from "./text.mjs";

/** Bytes of a webhook's body. */
export const BODY_MAX = 20_000;

/** Bytes of the fields in a body that is shortened. */
export const FIELDS_MAX = 15_000;

/** The destination of mails to leads; mails to the owner have `email:ADDRESS`. */
export const MAIL = "mail";

/** A mail to the lead. Its text is made when it is sent, so links are fresh and nothing typed is kept twice. */
export function mail(ctx, lead, kind, cause) {
  return delivery(ctx, lead.id, lead.form, MAIL, `mail:${kind}`, cause, { mail: kind });
}

export function created(ctx, form, lead, sent, owner = true) {
  return [...events(ctx, form, lead, "lead.created", sent.id), ...(owner ? notices(ctx, form, lead, sent.id) : [])];
}

export function confirmed(ctx, form, lead, cause) {
  return [...events(ctx, form, lead, "lead.confirmed", cause), ...notices(ctx, form, lead, cause)];
}

export function unsubscribed(ctx, form, lead) {
  return events(ctx, form, lead, "lead.unsubscribed", `unsubscribe:${ctx.ms}`);
}

/** To those that had the lead: its id, and nothing else. */
export function erased(ctx, lead, dests) {
  const body = { type: "lead.erased", timestamp: time(ctx.ms), data: { id: lead.id } };
  return dests.map((dest) => delivery(ctx, lead.id, lead.form, dest, "lead.erased", "erased", body));
}

/** The owner is told of what was held, without anything that was typed. */
export function held(ctx, form, sent) {
  if (sent.status !== "held") return [];
  const body = { mail: "held", submission: sent.id, reason: sent.reason };
  return owners(form).map((dest) => delivery(ctx, "", form.name, dest, "mail:held", sent.id, body));
}

function owners(form) {
  return form.spec.notify.filter((name) => name.startsWith("email:"));
}

function notices(ctx, form, lead, cause) {
  return owners(form).map((dest) => delivery(ctx, lead.id, form.name, dest, "mail:notify", cause, { mail: "notify" }));
}

function events(ctx, form, lead, kind, cause) {
  const dests = destinationsOf(ctx.site, form);
  if (!dests.length) return [];
  const body = { type: kind, timestamp: time(ctx.ms), data: dataOf(lead) };
  if (spacedLength(body) > BODY_MAX) body.data = shortened(body.data);
  return dests.map((dest) => delivery(ctx, lead.id, form.name, dest.name, kind, cause, body));
}

function dataOf(lead) {
  return {
    id: lead.id,
    form: lead.form,
    email: lead.email,
    status: lead.status,
    fields: { ...lead.data },
    consent: lead.consent.map(({ name, given, version, submitted_at }) => ({ name, given, version, submitted_at })),
    created_at: time(lead.created_at),
    confirmed_at: lead.confirmed_at === null ? null : time(lead.confirmed_at),
  };
}

/** Long answers end early; the whole of them is in the store. */
function shortened(data) {
  const kept = Object.entries(data.fields).slice(0, 15).map(([name, value]) => [name, shortenedValue(value)]);
  // Answers with many choices can still be too much, all of them together.
  while (kept.length && spacedLength(Object.fromEntries(kept)) > FIELDS_MAX) kept.pop();
  return { ...data, fields: Object.fromEntries(kept), consent: data.consent.slice(0, 10), truncated: true };
}

function shortenedValue(value) {
  return typeof value === "string" ? cut(value, 200) : value.slice(0, 20).map((item) => cut(item, 200));
}

/** Bytes of a value as JSON with a space after every comma and colon. */
function spacedLength(value) {
  return byteLength(dumps(value, { item: ", ", key: ": " }));
}

function delivery(ctx, lead, form, dest, kind, cause, body) {
  const row = { id: ctx.newId(), lead, form, dest, kind, cause, body, created_at: ctx.ms };
  return Object.freeze({ ...row, ...DELIVERY, next_at: ctx.ms });
}

function time(ms) {
  return new Date(ms).toISOString();
}
