/**
 * What becomes of a submission, a confirmation, an end: decisions, each a pure function of what the store holds. Each
 * rule returns [load, decide]; `decide(snapshot)` gives the changes, whose answer mostly is an outcome {answer,
 * replayed, fault: a problem's code, or empty}.
 */

import { createHash } from "node:crypto";

import { claimOf } from "./magnets.mjs";
import * as outgoing from "./outgoing.mjs";
import { ACCEPTED, CONFIRMED, HELD, PENDING, UNSUBSCRIBED } from "./records.mjs";
import { CHANGES, IDEM, LEAD, LOAD, shownSource } from "./records.mjs";
import { magnetOf } from "./site.mjs";
import { partition, utf8 } from "./text.mjs";
import * as tokens from "./tokens.mjs";

export const IDEM_MS = 24 * 3_600_000;

/** A submission without a key is the same one in this bucket of time and the one before. */
export const BUCKET_MS = 600_000;
export const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];

/** Mails of one kind, other than confirmations, to one address in a day. */
export const RESENT_MAX = 5;

const outcome = (answer, replayed = false, fault = "") => ({ answer, replayed, fault });
const failed = (fault) => ({ ...CHANGES, answer: outcome({}, false, fault) });

export function iso(ms) {
  return `${new Date(ms).toISOString().slice(0, -5)}Z`;
}

/**
 * One transaction: the answer's record, the submission, the lead, and what is to be sent. `draft`: {submission,
 * fingerprint, key (the client's, or empty), spent (its challenge was answered with what had been used before)}.
 */
export function submit(ctx, form, draft) {
  const [sent, now] = [draft.submission, ctx.ms];
  const bucket = Math.floor(now / BUCKET_MS);
  // What a machine sent, or a person too fast, must not swallow the same answers of a person.
  const mark = sent.status === ACCEPTED ? draft.fingerprint : `${draft.fingerprint}/${sent.status}`;
  const derived = (n) => tokens.derivedIdempotency(ctx.keys, form.name, sent.email, mark, n);
  const keys = draft.key ? [draft.key] : [derived(bucket), derived(bucket - 1)];
  const [leadId, nonce] = [ctx.newId(), ctx.random(16)];

  const decide = (found) => {
    if (found.idem && found.idem.expires_at > now) return repeated(found.idem, draft);
    if (draft.spent) return failed("challenge_failed");
    const full = sent.status === ACCEPTED && form.per_hour > 0 && form.per_hour <= found.count;
    const kept = full ? { ...sent, status: HELD, reason: "volume" } : sent;
    const isAccepted = kept.status === ACCEPTED;
    const changes = isAccepted
      ? accept(ctx, form, kept, found, leadId)
      : { ...CHANGES, submissions: [kept], outbox: outgoing.held(ctx, form, kept) };
    const response = answerOf(ctx, form, isAccepted ? changes.leads[0].id : leadId, nonce);
    const expires = now + (draft.key ? IDEM_MS : 2 * BUCKET_MS);
    const answered = { form: form.name, key: keys[0], fingerprint: draft.fingerprint, response, expires_at: expires };
    return { ...changes, answer: outcome(response), idem: { ...IDEM, ...answered, submission: sent.id }, now };
  };

  const load = {
    ...LOAD,
    form: form.name,
    idem: keys,
    email_key: sent.email_key ?? "",
    since: now - HOUR_MS,
    count_max: form.per_hour,
    mails_since: now - DAY_MS,
  };
  return [load, decide];
}

function repeated(idem, draft) {
  const same = idem.fingerprint === draft.fingerprint;
  return { ...CHANGES, answer: outcome({ ...idem.response }, same, same ? "" : "idempotency_reused") };
}

/** The same for everybody: it depends on the form alone, and a token differs from another only in its letters. */
function answerOf(ctx, form, lead, nonce) {
  const status = form.spec.double_opt_in ? "confirm" : "accepted";
  if (form.spec.double_opt_in || !form.spec.magnet) return { status, next: form.next };
  return { status, next: withDownload(ctx, form, lead, form.next, nonce) };
}

/** A page's address with the download's token as its fragment, which no server sees. */
export function withDownload(ctx, form, lead, url, nonce) {
  const { magnet } = form.spec;
  const lives = magnetOf(ctx.site, form)?.valid_for;
  const token = tokens.issue(ctx.keys, tokens.DOWNLOAD, form.name, lead, ctx.now, nonce, magnet, lives);
  return `${partition(url, "#")[0]}#${token}`;
}

/** A submission that passed: a new lead, or one more of a known one. */
export function accept(ctx, form, given, found, leadId) {
  const before = found.lead;
  if (form.spec.double_opt_in) return acceptUnconfirmed(ctx, form, given, found, leadId);
  let [lead, sent] = [null, null];
  if (before && before.confirmed_at !== null) {
    // Who confirmed is never overwritten by who did not.
    lead = { ...before, status: CONFIRMED };
    sent = { ...given, lead: lead.id };
  } else {
    lead = { ...applied(before ?? newLead(ctx, given, leadId, CONFIRMED), [given]), status: CONFIRMED };
    sent = { ...given, lead: lead.id, applied_at: ctx.ms };
  }
  const isNew = !before || before.status !== CONFIRMED;
  const outbox = outgoing.created(ctx, form, lead, sent);
  const kind = form.spec.magnet ? "deliver" : isNew && !found.suppressed ? "welcome" : "";
  if (kind && mayMail(ctx, found, kind)) outbox.push(outgoing.mail(ctx, lead, kind, sent.id));
  // Also where no mail goes: the page after the form shows the code.
  const claim = claimOf(ctx.site, form, lead.id);
  return { ...CHANGES, leads: [lead], submissions: [sent], outbox, claim, release: lead.email_key };
}

function acceptUnconfirmed(ctx, form, given, found, leadId) {
  const before = found.lead;
  const lead = before ?? applied(newLead(ctx, given, leadId, PENDING), [given]);
  const sent = { ...given, lead: lead.id, applied_at: before ? null : ctx.ms };
  // Who has confirmed gets the thing again; anybody else is asked to confirm.
  const kind = lead.status === CONFIRMED && form.spec.magnet ? "deliver" : "confirm";
  const outbox = before ? [] : outgoing.created(ctx, form, lead, sent, false);
  const mails = mayMail(ctx, found, kind) ? [outgoing.mail(ctx, lead, kind, sent.id)] : [];
  const claim = mails.length && kind === "deliver" ? claimOf(ctx.site, form, lead.id) : null;
  return { ...CHANGES, leads: [lead], submissions: [sent], outbox: [...outbox, ...mails], claim };
}

/** Per address: one confirmation in 10 minutes and 3 in a day; of other mails a few a day. */
function mayMail(ctx, found, kind) {
  const times = found.mails.filter(([name, at]) => name === `mail:${kind}` && at > ctx.ms - DAY_MS).map(([, at]) => at);
  if (kind !== "confirm") return times.length < RESENT_MAX;
  return times.length < 3 && times.every((at) => at <= ctx.ms - 600_000);
}

/** A lead of now, though its submission may have been held for a while: who asks for what is new must see it. */
function newLead(ctx, sent, id, status) {
  const address = { email: sent.email, email_key: sent.email_key ?? "" };
  return { id, form: sent.form, ...address, status, data: {}, consent: [], created_at: ctx.ms, ...LEAD };
}

/** The lead with what was sent: later answers win, and a purpose once agreed to stays agreed to. */
function applied(before, submissions, confirmedAt = null) {
  const lead = submissions.reduce(withSubmission, before);
  if (confirmedAt === null) return lead;
  const stamp = iso(confirmedAt);
  const consent = lead.consent.map((record) => (record.given ? { ...record, confirmed_at: stamp } : { ...record }));
  return { ...lead, consent, confirmed_at: confirmedAt };
}

function withSubmission(lead, sent) {
  // What was held while the lead came in by another submission is older, though it is released later.
  const isOlder = sent.created_at < lead.created_at;
  const data = isOlder ? { ...sent.fields, ...lead.data } : { ...lead.data, ...sent.fields };
  const consent = new Map(lead.consent.map((record) => [record.name, record]));
  for (const record of sent.consent) {
    if (record.given || !consent.get(record.name)?.given) consent.set(record.name, record);
  }
  return { ...lead, data, consent: [...consent.values()], email: isOlder ? lead.email : sent.email };
}

/** What was agreed to, in which words, where and when. `given`: a Map of purposes. */
export function consentRecord(form, given, page, now) {
  return form.spec.consent.map((purpose) => ({
    name: purpose.name,
    given: given.get(purpose.name) ?? false,
    text: purpose.text,
    text_sha256: createHash("sha256").update(utf8(purpose.text)).digest("hex"),
    version: form.version,
    page,
    submitted_at: iso(now),
    confirmed_at: null,
  }));
}

/** The lead was erased, or has unsubscribed since the token was made. */
export function superseded(lead, token) {
  return !lead || (lead.unsubscribed_at !== null && token.issued * 1000 <= lead.unsubscribed_at);
}

/** `pending` → `confirmed`. Who comes first writes what is to be sent; repeats write nothing. */
export function confirm(ctx, form, token) {
  const nonce = ctx.random(16);
  const decide = ({ lead, waiting }) => {
    if (superseded(lead, token)) return failed("token_superseded");
    const next = form.spec.magnet ? withDownload(ctx, form, lead.id, form.confirmed, nonce) : form.confirmed;
    const answer = outcome({ status: "accepted", next });
    const isConfirmed = lead.status === CONFIRMED;
    // An old link of a confirmed lead vouches for nothing that was sent after it.
    const vouched = waiting.filter((sent) => !isConfirmed || sent.created_at <= token.issued * 1000 + 999);
    if (isConfirmed && !vouched.length) return { ...CHANGES, answer };
    const leadNow = { ...applied(lead, vouched, ctx.ms), status: CONFIRMED };
    const submissions = vouched.map((sent) => ({ ...sent, applied_at: ctx.ms }));
    const cause = isConfirmed ? vouched.at(-1).id : `confirm:${lead.unsubscribed_at ?? 0}`;
    const outbox = outgoing.confirmed(ctx, form, leadNow, cause);
    if (!isConfirmed) outbox.push(outgoing.mail(ctx, leadNow, form.spec.magnet ? "deliver" : "welcome", cause));
    const claim = isConfirmed ? null : claimOf(ctx.site, form, lead.id);
    return { ...CHANGES, answer, leads: [leadNow], submissions, outbox, claim, release: lead.email_key, now: ctx.ms };
  };
  return [{ ...LOAD, lead: token.lead }, decide];
}

/** It always works, and always looks the same. `form`: null where there is none any more. */
export function unsubscribe(ctx, form, token) {
  const decide = ({ lead }) => {
    const answer = outcome({});
    if (!lead || lead.status === UNSUBSCRIBED) return { ...CHANGES, answer };
    const ended = { ...lead, status: UNSUBSCRIBED, unsubscribed_at: ctx.ms };
    const outbox = form ? outgoing.unsubscribed(ctx, form, ended) : [];
    const suppress = [lead.email_key, "unsubscribed"];
    return { ...CHANGES, answer, leads: [ended], outbox, cancel_mails: lead.id, suppress, now: ctx.ms };
  };
  return [{ ...LOAD, lead: token.lead }, decide];
}

/** The download's mail once more, to the address that the lead has. */
export function freshLink(ctx, form, token) {
  const decide = (found) => {
    if (!found.lead) return failed("token_superseded");
    const cause = `fresh:${Math.floor(ctx.ms / BUCKET_MS)}`;
    const answer = outcome({ status: "accepted", next: form.next });
    if (!mayMail(ctx, found, "deliver")) return { ...CHANGES, answer };
    const outbox = [outgoing.mail(ctx, found.lead, "deliver", cause)];
    return { ...CHANGES, answer, outbox, claim: claimOf(ctx.site, form, found.lead.id), now: ctx.ms };
  };
  return [{ ...LOAD, lead: token.lead, mails_since: ctx.ms - DAY_MS }, decide];
}

/** Remember the first time; a lead's state is not touched. */
export function downloaded(ctx, leadId) {
  const decide = ({ lead }) => {
    if (!lead || lead.downloaded_at !== null) return CHANGES;
    return { ...CHANGES, leads: [{ ...lead, downloaded_at: ctx.ms }] };
  };
  return [{ ...LOAD, lead: leadId }, decide];
}

/** A held or quarantined submission goes on as if it had just passed. Answers the status, or a problem's code. */
export function release(ctx, id) {
  const leadId = ctx.newId();
  const decide = (found) => {
    const sent = found.submission;
    const form = sent ? ctx.site.forms.get(sent.form) : null;
    if (!form) return failed("not_found");
    if (sent.status === ACCEPTED) {
      return { ...CHANGES, answer: outcome({ status: ACCEPTED, lead: sent.lead ?? "" }, true) };
    }
    if (!sent.email_key || lacks(form, sent)) return failed("validation");
    const passed = { ...sent, status: ACCEPTED, reason: "released", source: shownSource(sent.source) };
    const changes = accept(ctx, form, passed, found, leadId);
    return { ...changes, answer: outcome({ status: ACCEPTED, lead: changes.leads[0].id }), now: ctx.ms };
  };
  return [{ ...LOAD, submission: id, mails_since: ctx.ms - DAY_MS }, decide];
}

/** A quarantined submission was stored with its faults; what the form demands, no release can supply. */
function lacks(form, sent) {
  const given = new Set(sent.consent.filter((record) => record.given).map((record) => record.name));
  const lacksField = form.spec.fields.some((field) => field.required && !Object.hasOwn(sent.fields, field.name));
  return lacksField || form.spec.consent.some((purpose) => purpose.required && !given.has(purpose.name));
}

/** Nobody is asked again about a submission whose challenge was unjudged: it waits for the owner. */
export function stayHeld(id, reason) {
  const decide = ({ submission: sent }) => {
    if (!sent || sent.status !== HELD || sent.reason !== "challenge") return CHANGES;
    return { ...CHANGES, submissions: [{ ...sent, reason, source: shownSource(sent.source) }] };
  };
  return [{ ...LOAD, submission: id }, decide];
}

/** Everything of an address, on every form. Answers how many leads and submissions without a lead went. */
export function erase(ctx, emailKey) {
  const decide = (found) => {
    const dests = (lead) => (Object.hasOwn(found.received, lead.id) ? found.received[lead.id] : []);
    const outbox = found.leads.flatMap((lead) => outgoing.erased(ctx, lead, dests(lead)));
    const gone = found.leads.length + found.loose;
    const suppress = gone ? [emailKey, "erased"] : CHANGES.suppress;
    return { ...CHANGES, answer: gone, outbox, erase: emailKey, suppress, now: ctx.ms };
  };
  return [{ ...LOAD, email_key: emailKey, every_form: true }, decide];
}
