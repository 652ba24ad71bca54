/**
 * The store's tables in memory, with the meaning that they have in SQL (store/rows.py, store/outbox_sql.py): what a
 * decision loads, how its changes are written, and the outbox. Pure but for the tables that are handed in.
 */

import {
  cancelMails,
  compareText,
  countOf,
  DELIVERY,
  DELIVERY_DEFAULTS,
  insertDelivery,
  received,
  scrub,
  where,
} from "./outbox-rows.mjs";
import { StoreUnavailable } from "./records.mjs";

export * from "./outbox-rows.mjs";

export const QUARANTINE_MS = 30 * 86_400_000;

const LEAD = [
  "id", "form", "email", "email_key", "status", "data", "consent", "created_at", "confirmed_at", "unsubscribed_at",
  "downloaded_at",
];
const LEAD_UPDATED = ["email", "status", "data", "consent", "confirmed_at", "unsubscribed_at", "downloaded_at"];
const SUBMISSION = [
  "id", "form", "lead", "email", "email_key", "status", "reason", "fields", "consent", "source", "created_at",
  "applied_at",
];
const SUBMISSION_UPDATED = ["lead", "status", "reason", "source", "applied_at"];
const IDEM = ["form", "key", "fingerprint", "response", "expires_at", "submission"];
const LEAD_STATUSES = ["pending", "confirmed", "unsubscribed"];
const SUBMISSION_STATUSES = ["accepted", "held", "quarantined"];

/** Tables without a row. */
export function emptyTables() {
  return {
    leads: new Map(),
    submissions: new Map(),
    idem: new Map(),
    outbox: new Map(),
    suppression: new Map(),
    disabled: new Map(),
    codes: new Map(),
    rates: new Map(),
    probe: null,
  };
}

// Loading

/** What a decision needs to see, as it stands. `load`: see records. */
export function snapshot(tables, load) {
  const submission = (load.submission && tables.submissions.get(load.submission)) || null;
  const form = load.form || (submission ? submission.form : "");
  const wanted = load.email_key || (submission && submission.email_key) || "";
  const lead = load.lead ? findLead(tables, load.lead) : leadOf(tables, form, wanted);
  const key = wanted || (lead ? lead.email_key : "");
  const leads = load.every_form && key ? leadsOf(tables, key) : [];
  return {
    idem: idemOf(tables, load),
    lead,
    leads,
    submission,
    waiting: lead ? waitingOf(tables, lead.id) : [],
    loose: key ? countOf(tables.submissions, (sent) => sent.lead === null && sent.email_key === key) : 0,
    count: load.count_max ? recent(tables, load) : 0,
    mails: load.mails_since && key ? mailsTo(tables, key, load.mails_since) : [],
    suppressed: key ? suppressedFor(tables, key) : "",
    received: Object.fromEntries(leads.map((found) => [found.id, received(tables, found.id)])),
  };
}

function idemOf(tables, load) {
  for (const key of load.idem ?? []) {
    const found = tables.idem.get(idemKey(load.form ?? "", key));
    if (found) return found;
  }
  return null;
}

function idemKey(form, key) {
  return JSON.stringify([form, key]);
}

/** A lead by its id, or null. */
export function findLead(tables, id) {
  return tables.leads.get(id) ?? null;
}

function leadOf(tables, form, key) {
  if (!form || !key) return null;
  return where(tables.leads, (lead) => lead.email_key === key && lead.form === form)[0] ?? null;
}

function leadsOf(tables, key) {
  return where(tables.leads, (lead) => lead.email_key === key).sort((a, b) => compareText(a.form, b.form));
}

function waitingOf(tables, lead) {
  return where(tables.submissions, (sent) => sent.lead === lead && sent.applied_at === null).sort(oldestFirst);
}

function recent(tables, load) {
  const counts = (sent) => sent.form === load.form && sent.created_at > load.since && sent.status !== "quarantined";
  return Math.min(countOf(tables.submissions, counts), load.count_max);
}

function mailsTo(tables, key, since) {
  const mine = new Set(leadsOf(tables, key).map((lead) => lead.id));
  const mails = where(tables.outbox, (row) => row.dest === "mail" && row.created_at > since && mine.has(row.lead));
  return mails.sort((a, b) => a.created_at - b.created_at).map((row) => [row.kind, row.created_at]);
}

function suppressedFor(tables, key) {
  return tables.suppression.get(key)?.reason ?? "";
}

function oldestFirst(a, b) {
  return a.created_at - b.created_at || compareText(a.id, b.id);
}

// Writing

/**
 * Write what was decided, all of it or nothing.
 * @throws {StoreUnavailable} if the changes break a rule of the tables; then they are as they were.
 */
export function apply(tables, changes) {
  const leads = (changes.leads ?? []).map((lead) => columns(lead, LEAD));
  const submissions = (changes.submissions ?? []).map((sent) => columns(sent, SUBMISSION));
  const idem = changes.idem ? columns({ submission: "", ...changes.idem }, IDEM) : null;
  const outbox = (changes.outbox ?? []).map((made) => columns({ ...DELIVERY_DEFAULTS, ...made }, DELIVERY));
  checkRules(tables, leads, submissions);
  for (const lead of leads) upsert(tables.leads, lead, LEAD_UPDATED);
  for (const sent of submissions) upsert(tables.submissions, sent, SUBMISSION_UPDATED);
  if (idem) tables.idem.set(idemKey(idem.form, idem.key), idem);
  if (changes.cancel_mails) cancelMails(tables, changes.cancel_mails);
  for (const delivery of outbox) insertDelivery(tables, delivery);
  if (changes.claim) claim(tables, changes.claim, changes.now ?? 0);
  if (changes.release) tables.suppression.delete(changes.release);
  const [key, reason] = changes.suppress ?? ["", ""];
  if (key) tables.suppression.set(key, Object.freeze({ email_key: key, reason, at: changes.now ?? 0 }));
  if (changes.erase) erase(tables, changes.erase);
}

/** A row of its own: what is kept shares nothing with what was handed in. */
function columns(record, names) {
  return Object.freeze(Object.fromEntries(names.map((name) => [name, copied(record[name] ?? null)])));
}

function copied(value) {
  if (value instanceof Map || value instanceof Set || typeof value === "function") {
    throw new TypeError("a row holds only what JSON can");
  }
  return typeof value === "object" ? JSON.parse(JSON.stringify(value)) : value;
}

/** The rules that a database would hold the rows to. */
function checkRules(tables, leads, submissions) {
  const after = new Map();
  for (const lead of leads) {
    const kept = after.get(lead.id) ?? tables.leads.get(lead.id);
    after.set(lead.id, kept ? { ...lead, form: kept.form, email_key: kept.email_key } : lead);
    if (!LEAD_STATUSES.includes(lead.status)) broken("a lead's status");
  }
  for (const lead of after.values()) {
    const same = (other) => other.id !== lead.id && other.form === lead.form && other.email_key === lead.email_key;
    if (where(tables.leads, same).length || where(after, same).length) broken("one lead of an address on a form");
  }
  for (const sent of submissions) {
    if (!SUBMISSION_STATUSES.includes(sent.status)) broken("a submission's status");
    if ((sent.status === "accepted") !== (sent.lead !== null)) broken("a lead for what is accepted, and only for that");
    if (sent.lead !== null && !after.has(sent.lead) && !tables.leads.has(sent.lead)) broken("a submission's lead");
  }
}

function broken(rule) {
  throw new StoreUnavailable(`the rows would break a rule: ${rule}`);
}

function upsert(table, row, updated) {
  const kept = table.get(row.id);
  const changed = Object.fromEntries(updated.map((name) => [name, row[name]]));
  table.set(row.id, kept ? Object.freeze({ ...kept, ...changed }) : row);
}

/** Everything of an address but the keyed hash. What was waiting for it is cancelled, and its bodies are emptied. */
function erase(tables, key) {
  const mine = new Set(leadsOf(tables, key).map((lead) => lead.id));
  const sent = where(tables.submissions, (row) => mine.has(row.lead) || row.email_key === key);
  const loose = new Set(sent.filter((row) => row.lead === null && row.email_key === key).map((row) => row.id));
  const gone = new Set(sent.map((row) => row.id));
  removeWhere(tables.idem, (row) => gone.has(row.submission));
  const scrubbed = (row) => row.kind !== "lead.erased" && (mine.has(row.lead) || loose.has(row.cause));
  for (const row of where(tables.outbox, scrubbed)) scrub(tables, row);
  for (const id of gone) tables.submissions.delete(id);
  for (const id of mine) tables.leads.delete(id);
  for (const row of where(tables.codes, (one) => mine.has(one.lead))) keepCode(tables, { ...row, lead: null });
}

/** The first code that nobody has had, unless the lead has one. A row stays when its lead goes. */
function claim(tables, { magnet, codes, lead }, at) {
  if (where(tables.codes, (row) => row.lead === lead && row.magnet === magnet).length) return;
  const code = codes.find((one) => !tables.codes.has(codeKey(magnet, one)));
  if (code !== undefined) keepCode(tables, { magnet, code, lead, at });
}

function keepCode(tables, row) {
  tables.codes.set(codeKey(row.magnet, row.code), Object.freeze(row));
}

function codeKey(magnet, code) {
  return JSON.stringify([magnet, code]);
}

function removeWhere(table, test) {
  for (const [key, row] of table) if (test(row)) table.delete(key);
}

// Reading

/** A page of leads by (created_at, id), newest first. `query`: {since, form, status, after, limit}. */
export function leads(tables, query = {}) {
  return paged(tables.leads, query);
}

/** A page of submissions, in the same order. */
export function submissions(tables, query = {}) {
  return paged(tables.submissions, query);
}

function paged(table, query) {
  return where(table, (row) => matches(row, query)).sort(newestFirst).slice(0, query.limit ?? 50);
}

/** Whether a page of this query may hold a row. */
export function matches(row, query) {
  if ((query.since ?? null) !== null && row.created_at < query.since) return false;
  if (query.form && row.form !== query.form) return false;
  if (query.status && row.status !== query.status) return false;
  if (!query.after) return true;
  return newestFirst({ created_at: query.after[0], id: query.after[1] }, row) < 0;
}

/** The order of pages. */
export function newestFirst(a, b) {
  return b.created_at - a.created_at || compareText(b.id, a.id);
}

/** All that is known of an address, as plain data: {leads, submissions, deliveries, suppressed}. */
export function person(tables, key) {
  const mine = new Set(leadsOf(tables, key).map((lead) => lead.id));
  const sent = where(tables.submissions, (row) => row.email_key === key || mine.has(row.lead));
  const deliveries = where(tables.outbox, (row) => mine.has(row.lead)).sort(asWritten);
  return {
    leads: leadsOf(tables, key).sort(oldestFirst).map(plainLead),
    submissions: sent.sort(oldestFirst).map(plainSubmission),
    deliveries: deliveries.map(shownDelivery),
    suppressed: suppressedFor(tables, key),
  };
}

/** Single-use codes that leads have → [{lead, magnet, code}]. */
export function codes(tables, ids) {
  const asked = new Set(ids);
  return where(tables.codes, (row) => asked.has(row.lead)).map(({ lead, magnet, code }) => ({ lead, magnet, code }));
}

function shownDelivery(row) {
  const { id, lead, form, dest, kind, state, attempts, created_at, next_at, last_code } = row;
  return { id, lead_id: lead, form, dest, kind, state, attempts, created_at, next_at, last_code };
}

function plainLead(row) {
  const { email_key, ...shown } = row;
  return shown;
}

function plainSubmission(row) {
  const { id, form, lead, email_key, ...shown } = row;
  return { id, form, lead_id: lead, ...shown };
}

function plainIdem(row) {
  const { submission, ...shown } = row;
  return { ...shown, submission_id: submission };
}

function plainDelivery(row) {
  const { lead, ...shown } = row;
  return { ...shown, lead_id: lead };
}

function asWritten(a, b) {
  return a.created_at - b.created_at || compareText(a.dest, b.dest) || compareText(a.kind, b.kind) ||
    compareText(a.cause, b.cause);
}

/** Everything, for tests. */
export function dump(tables) {
  const suppression = [...tables.suppression.values()].sort((a, b) => a.at - b.at);
  return {
    leads: [...tables.leads.values()].sort(oldestFirst).map(plainLead),
    submissions: [...tables.submissions.values()].sort(oldestFirst).map(plainSubmission),
    outbox: [...tables.outbox.values()].sort(asWritten).map(plainDelivery),
    suppression: suppression.map(({ reason, at }) => ({ reason, at })),
    idem: [...tables.idem.values()].sort((a, b) => a.expires_at - b.expires_at).map(plainIdem),
  };
}

// Counting, tending

/** Count one more in each window → the counts. */
export function rate(tables, counts) {
  return counts.map(({ bucket, key, ends_at }) => {
    const name = JSON.stringify([bucket, key]);
    const n = (tables.rates.get(name)?.n ?? 0) + 1;
    tables.rates.set(name, { n, ends_at: tables.rates.get(name)?.ends_at ?? ends_at });
    return n;
  });
}

/** Remove what has served its time: old answers, quarantined submissions after 30 days, windows that are over. */
export function purge(tables, now) {
  removeWhere(tables.idem, (row) => row.expires_at < now);
  const old = where(tables.submissions, (row) => row.status === "quarantined" && row.created_at < now - QUARANTINE_MS);
  const gone = new Set(old.map((row) => row.id));
  removeWhere(tables.idem, (row) => gone.has(row.submission));
  for (const id of gone) tables.submissions.delete(id);
  removeWhere(tables.rates, (row) => row.ends_at < now);
}

/** Tables as JSON can hold them, without windows and probe; `unpack` reads them again. */
export function pack(tables) {
  const { leads: people, submissions: sent, idem, outbox: rows, suppression } = tables;
  const lists = { leads: people, submissions: sent, idem, outbox: rows, suppression };
  return Object.fromEntries(Object.entries(lists).map(([name, table]) => [name, [...table.values()]]));
}

export function unpack(packed) {
  const tables = emptyTables();
  for (const row of packed.leads) tables.leads.set(row.id, row);
  for (const row of packed.submissions) tables.submissions.set(row.id, row);
  for (const row of packed.idem) tables.idem.set(idemKey(row.form, row.key), row);
  for (const row of packed.outbox) tables.outbox.set(row.id, row);
  for (const row of packed.suppression) tables.suppression.set(row.email_key, row);
  return tables;
}
