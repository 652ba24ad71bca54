/**
 * Leads, submissions and answers as rows of D1: what is asked, and how changes are written (store/rows.py). Each
 * function gives statements, {sql, values}, and asks nobody. A statement binds at most 100 values.
 */

import * as outbox from "./d1-outbox.mjs";

export const QUARANTINE_MS = 30 * 86_400_000;
/** Values that D1 binds to one statement. */
export const VALUES_MAX = 100;
/** Characters of a value: D1 takes two million bytes. */
const TEXT_MAX = 400_000;

export const LEAD = [
  "id", "form_id", "email", "email_key", "status", "data", "consent", "created_at", "confirmed_at", "unsubscribed_at",
  "downloaded_at",
];
export const SUBMISSION = [
  "id", "form_id", "lead_id", "email", "email_key", "status", "reason", "fields", "consent", "source", "created_at",
  "applied_at",
];
export const IDEM = ["form_id", "key", "fingerprint", "response", "expires_at", "submission_id"];

const LEAD_CHANGES = ["email", "status", "data", "consent", "confirmed_at", "unsubscribed_at", "downloaded_at"];
const SUBMISSION_CHANGES = ["lead_id", "status", "reason", "source", "applied_at"];
const IDEM_CHANGES = ["fingerprint", "response", "expires_at", "submission_id"];
const TABLES = ["code", "submission", "idem", "outbox", "lead", "suppression", "disabled", "probe", "rate", "guard"];
const TEXTS = new Set(["data", "consent", "fields", "source", "body", "response"]);
/** How long a commit's receipt is kept: far longer than anybody waits for the answer. */
const RECEIPT_SECONDS = 600;

/** A statement. */
export function statement(sql, ...values) {
  return { sql, values };
}

/**
 * Rows of one table. `after`: what happens where there is one already. Rows with more values than a statement binds are
 * bound as JSON: D1 also counts statements, and anybody can send so often that there are hundreds of rows.
 */
export function insert(table, columns, rows, after) {
  if (!rows.length) return [];
  const into = `INSERT INTO ${table}(${columns.join(",")})`;
  if (rows.length * columns.length > VALUES_MAX) {
    const picked = columns.map((_, at) => `json_extract(value,'$[${at}]')`).join(",");
    const sql = `${into} SELECT ${picked} FROM json_each(?) WHERE 1 ON CONFLICT${after}`;
    return texts(rows).map((text) => statement(sql, text));
  }
  const marks = `(${columns.map(() => "?").join(",")})`;
  return [statement(`${into} VALUES${rows.map(() => marks).join(",")} ON CONFLICT${after}`, ...rows.flat())];
}

/** Rows as arrays in JSON, each small enough to be bound. */
function texts(rows) {
  const found = [[]];
  let size = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (size + text.length > TEXT_MAX && size) [size] = [0, found.push([])];
    size += text.length;
    found.at(-1).push(text);
  }
  return found.map((some) => `[${some.join(",")}]`);
}

function update(key, columns) {
  return `(${key}) DO UPDATE SET ${columns.map((name) => `${name}=excluded.${name}`).join(", ")}`;
}

// Records

export function asLead(row) {
  return Object.freeze({
    id: row.id, form: row.form_id, email: row.email, email_key: row.email_key, status: row.status,
    data: JSON.parse(row.data), consent: JSON.parse(row.consent), created_at: row.created_at,
    confirmed_at: row.confirmed_at, unsubscribed_at: row.unsubscribed_at, downloaded_at: row.downloaded_at,
  });
}

export function asSubmission(row) {
  return Object.freeze({
    id: row.id, form: row.form_id, lead: row.lead_id, email: row.email, email_key: row.email_key, status: row.status,
    reason: row.reason, fields: JSON.parse(row.fields), consent: JSON.parse(row.consent),
    source: JSON.parse(row.source), created_at: row.created_at, applied_at: row.applied_at,
  });
}

export function asIdem(row) {
  return Object.freeze({
    form: row.form_id, key: row.key, fingerprint: row.fingerprint, response: JSON.parse(row.response),
    expires_at: row.expires_at, submission: row.submission_id,
  });
}

function leadValues(lead) {
  const texts = [JSON.stringify(lead.data), JSON.stringify(lead.consent)];
  const times = [lead.created_at, lead.confirmed_at ?? null, lead.unsubscribed_at ?? null, lead.downloaded_at ?? null];
  return [lead.id, lead.form, lead.email, lead.email_key, lead.status, ...texts, ...times];
}

function submissionValues(sent) {
  const head = [sent.id, sent.form, sent.lead ?? null, sent.email, sent.email_key ?? null, sent.status, sent.reason];
  const texts = [JSON.stringify(sent.fields), JSON.stringify(sent.consent), JSON.stringify(sent.source)];
  return [...head, ...texts, sent.created_at, sent.applied_at ?? null];
}

function idemValues(idem) {
  const response = JSON.stringify(idem.response);
  return [idem.form, idem.key, idem.fingerprint, response, idem.expires_at, idem.submission ?? ""];
}

// Writing

/** What a decision writes, but for its claim; none where it writes nothing. `changes`: see records. */
export function writing(changes) {
  const { leads = [], submissions = [], idem, release, suppress = ["", ""], erase } = changes;
  return [
    ...insert("lead", LEAD, leads.map(leadValues), update("id", LEAD_CHANGES)),
    ...insert("submission", SUBMISSION, submissions.map(submissionValues), update("id", SUBMISSION_CHANGES)),
    ...insert("idem", IDEM, idem ? [idemValues(idem)] : [], update("form_id, key", IDEM_CHANGES)),
    ...(changes.cancel_mails ? [outbox.cancelMails(changes.cancel_mails)] : []),
    ...insert("outbox", outbox.COLUMNS, (changes.outbox ?? []).map(outbox.values), " DO NOTHING"),
    ...(release ? [statement("DELETE FROM suppression WHERE email_key=?", release)] : []),
    ...(suppress[0] ? suppressing(...suppress, changes.now ?? 0) : []),
    ...(erase ? erasing(erase) : []),
  ];
}

function suppressing(key, reason, now) {
  const columns = ["email_key", "reason", "at"];
  return insert("suppression", columns, [[key, reason, now]], update("email_key", ["reason", "at"]));
}

/** Everything of an address but the keyed hash. What was waiting for it is cancelled, and its bodies are emptied. */
function erasing(key) {
  const mine = "(SELECT id FROM lead WHERE email_key=?)";
  const sent = `(SELECT id FROM submission WHERE lead_id IN ${mine} OR email_key=?)`;
  const held = "(SELECT id FROM submission WHERE lead_id IS NULL AND email_key=?)";
  const scrub =
    "UPDATE outbox SET body='{}', state=CASE state WHEN 'done' THEN 'done' ELSE 'dead' END, last_code='erased'";
  return [
    statement(`DELETE FROM idem WHERE submission_id IN ${sent}`, key, key),
    statement(`${scrub} WHERE kind<>'lead.erased' AND lead_id IN ${mine}`, key),
    statement(`${scrub} WHERE kind<>'lead.erased' AND cause IN ${held}`, key),
    statement(`DELETE FROM submission WHERE lead_id IN ${mine} OR email_key=?`, key, key),
    statement("DELETE FROM lead WHERE email_key=?", key),
  ];
}

export function rating(counts) {
  const rows = counts.map((count) => [count.bucket, count.key, 1, count.ends_at]);
  return insert("rate", ["bucket", "key", "n", "ends_at"], rows, " DO UPDATE SET n=n+1 RETURNING n");
}

/** Write the time, and read it back. */
export function probing(now) {
  return [
    statement("INSERT INTO probe VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET at = excluded.at", now),
    statement("SELECT at FROM probe"),
  ];
}

/** `status<>'accepted'` is for the index: without it, every old submission would be read each time. */
export function purging(now) {
  const old = "FROM submission WHERE status='quarantined' AND status<>'accepted' AND created_at<?";
  const before = now - QUARANTINE_MS;
  return [
    statement("DELETE FROM idem WHERE expires_at<?", now),
    statement(`DELETE FROM idem WHERE submission_id IN (SELECT id ${old})`, before),
    statement(`DELETE ${old}`, before),
    statement("DELETE FROM rate WHERE ends_at<?", now),
    statement(`DELETE FROM guard WHERE at<unixepoch()-${RECEIPT_SECONDS}`),
  ];
}

export function clearing() {
  return TABLES.map((table) => statement(`DELETE FROM ${table}`));
}

// Lists

/** A page of a table by (created_at, id), newest first. */
export function paged(table, query) {
  const where = ["1=1"];
  const values = [];
  const also = (text, ...more) => {
    where.push(text);
    values.push(...more);
  };
  if (query.since !== null && query.since !== undefined) also("created_at>=?", query.since);
  if (query.form) also("form_id=?", query.form);
  if (query.status) also("status=?", query.status);
  if (query.after) also("(created_at,id)<(?,?)", ...query.after);
  const sql = `SELECT * FROM ${table} WHERE ${where.join(" AND ")} ORDER BY created_at DESC, id DESC LIMIT ?`;
  return statement(sql, ...values, query.limit ?? 50);
}

/** All that is known of an address: leads, submissions, deliveries, and why it is suppressed. */
export function ofPerson(key) {
  const mine = "lead_id IN (SELECT id FROM lead WHERE email_key=?)";
  const shown = "id, lead_id, form_id, dest, kind, state, attempts, created_at, next_at, last_code";
  return [
    statement("SELECT * FROM lead WHERE email_key=? ORDER BY created_at", key),
    statement(`SELECT * FROM submission WHERE email_key=? OR ${mine} ORDER BY created_at`, key, key),
    statement(`SELECT ${shown} FROM outbox WHERE ${mine} ORDER BY created_at`, key),
    statement("SELECT reason FROM suppression WHERE email_key=?", key),
  ];
}

/** Everything, for tests: leads, submissions, outbox, suppression, idem. */
export function dumping() {
  return [
    statement("SELECT * FROM lead ORDER BY created_at, id"),
    statement("SELECT * FROM submission ORDER BY created_at, id"),
    statement("SELECT * FROM outbox ORDER BY created_at, dest, kind, cause"),
    statement("SELECT reason, at FROM suppression ORDER BY at"),
    statement("SELECT * FROM idem ORDER BY expires_at"),
  ];
}

/** A row as plain data, without the address's key. */
export function named(row) {
  const kept = Object.entries(row).filter(([name]) => name !== "email_key");
  return Object.fromEntries(
    kept.map(([name, value]) => [name === "form_id" ? "form" : name, TEXTS.has(name) ? JSON.parse(value) : value]),
  );
}
