/** Leads, submissions and deliveries to put into a store, and how to look at what it holds (tests/forms/rows.py). */

import { CHANGES, DELIVERY, LEAD, LOAD, SUBMISSION } from "../../../src/magnetgen/forms/edge/records.mjs";

export const CANARY = "canary-7f3a@private.example";

export function lead(number = 1, more = {}) {
  const id = number.toString(16).padStart(32, "0");
  const head = { id, form: "news", email: CANARY, email_key: `key${number}`, status: "confirmed" };
  return { ...LEAD, ...head, data: { email: CANARY }, consent: [], created_at: 1000 + number, ...more };
}

export function sent(number, of, status = "accepted", more = {}) {
  const head = { id: `s${number}`, form: "news", lead: of, email: CANARY, email_key: "key1", status, reason: "" };
  const said = { fields: { email: CANARY }, consent: [], source: {}, created_at: 1000 + number, applied_at: 5 };
  return { ...SUBMISSION, ...head, ...said, ...more };
}

export function delivery(id, more = {}) {
  const head = { id, lead: lead().id, form: "news", dest: "crm", kind: "lead.created", cause: id };
  return { ...DELIVERY, ...head, body: { email: CANARY }, created_at: 1000, ...more };
}

export function idem(key = "k".repeat(16), more = {}) {
  return { form: "news", key, fingerprint: "print", response: { next: "x" }, expires_at: 99, submission: "", ...more };
}

export function changes(more) {
  return { ...CHANGES, ...more };
}

export function load(more) {
  return { ...LOAD, ...more };
}

export function write(store, more) {
  return store.submit(load(), () => changes(more));
}

/** The whole snapshot, as plain data. */
export async function see(store, more) {
  return store.submit(load(more), (found) => changes({ answer: { ...found } }));
}

export const QUERY = { since: null, form: "", status: "", after: null, limit: 50 };

export function query(more) {
  return { ...QUERY, ...more };
}

/** `many` calls at once → what became of each. */
export async function crowd(many, call) {
  return Promise.all(Array.from({ length: many }, (_, number) => call(number)));
}
