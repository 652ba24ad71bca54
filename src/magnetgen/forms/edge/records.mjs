/**
 * What a store keeps, what it is asked for, and what it is told to change. Times are milliseconds since the epoch.
 *
 * Rows are plain objects with the keys of records.py. The frozen defaults below are spread where one is made:
 * `{ ...LOAD, form, idem }`. What is null there has no value; what is missing there must be given.
 */

export const [PENDING, CONFIRMED, UNSUBSCRIBED] = ["pending", "confirmed", "unsubscribed"];
export const [ACCEPTED, HELD, QUARANTINED] = ["accepted", "held", "quarantined"];
export const [DUE, LEASED, DONE, DEAD] = ["due", "leased", "done", "dead"];

/** The part of a submission's `source` that is for judging it later, and for nobody to see. */
export const PRIVATE = "_challenge";

/** Locked for too long, full, gone: try again later. Nothing was written. */
export class StoreUnavailable extends Error {
  constructor(message = "") {
    super(message);
    this.name = "StoreUnavailable";
  }
}

/** Why a store takes no decision that hands out a single-use code. */
export const NO_CODES = "a store without transactions cannot keep two leads from getting one code";

/** Where a submission came from, without what only the handler needs. */
export function shownSource(source) {
  return Object.fromEntries(Object.entries(source).filter(([name]) => name !== PRIVATE));
}

/** A person on one form, with id, form, email, email_key, status, data, consent, created_at. */
export const LEAD = Object.freeze({ confirmed_at: null, unsubscribed_at: null, downloaded_at: null });

/**
 * What was sent once: id, form, lead (null while held or quarantined), email, email_key, status, reason, fields,
 * consent, source, created_at; `applied_at`: when it became the lead's data.
 */
export const SUBMISSION = Object.freeze({ applied_at: null });

/** An answer that was given for a key: form, key, fingerprint, response, expires_at. */
export const IDEM = Object.freeze({ submission: "" });

/** One outgoing message: id, lead, form, dest, kind, cause, body, created_at. (lead, dest, kind, cause) is unique. */
export const DELIVERY = Object.freeze({ state: DUE, attempts: 0, next_at: 0, last_code: "" });

/**
 * What a decision needs to see. Empty: not asked for. `form` with `idem` and `email_key` for a submission; `lead` or
 * `submission` by id; `email_key` alone: of all forms. `since`: since when the form's submissions are counted;
 * `mails_since`: since when mails to the address are listed.
 */
export const LOAD = Object.freeze({
  form: "",
  idem: Object.freeze([]),
  email_key: "",
  lead: "",
  submission: "",
  every_form: false,
  since: 0,
  count_max: 0,
  mails_since: 0,
});

/**
 * What was loaded, as it stands inside the transaction. `waiting`: the lead's accepted submissions that are not
 * applied, oldest first; `loose`: submissions of the address without a lead; `mails`: [kind, when it was decided on]
 * of mails to the address, oldest first; `received`: lead's id → destinations that have, or may have, received it.
 */
export const SNAPSHOT = Object.freeze({
  idem: null,
  lead: null,
  leads: Object.freeze([]),
  submission: null,
  waiting: Object.freeze([]),
  loose: 0,
  count: 0,
  mails: Object.freeze([]),
  suppressed: "",
  received: Object.freeze({}),
});

/**
 * What a decision writes, all of it or nothing. `answer` is handed back once it is durable; `cancel_mails`: a lead
 * whose waiting mails are not to be sent; `suppress`: [email_key, reason]; `release`: an email_key that is no longer
 * suppressed; `erase`: an email_key of which everything goes, and only the suppression stays. `claim`: {magnet, codes,
 * lead}: the lead gets the first of the codes that nobody has had, unless it has one; where none is left, nothing.
 */
export const CHANGES = Object.freeze({
  answer: null,
  idem: null,
  leads: Object.freeze([]),
  submissions: Object.freeze([]),
  outbox: Object.freeze([]),
  cancel_mails: "",
  suppress: Object.freeze(["", ""]),
  release: "",
  erase: "",
  claim: null,
  now: 0,
});

/** A page of leads or submissions, newest first. `after`: the [created_at, id] of the last one seen. */
export const QUERY = Object.freeze({ since: null, form: "", status: "", after: null, limit: 50 });

/** One more in a window: `bucket` names the window, `key` who is counted. */
export function count(bucket, key, limit, endsAt) {
  return { bucket, key, limit, ends_at: endsAt };
}
