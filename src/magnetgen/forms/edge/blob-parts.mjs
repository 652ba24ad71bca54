/** Which log each row of a decision's changes belongs to: nearly always they are one address's. */

import { looseLog, personLog } from "./blob-keys.mjs";

/**
 * Changes by log → Map of log → changes. `home`: the log that was loaded, with its rows in `tables`, or null;
 * `locate(id)`: the log that a pointer names, or null.
 */
export async function partsOf(changes, home, tables, locate) {
  const parts = new Map();
  const of = (log) => {
    if (!parts.has(log)) parts.set(log, { leads: [], submissions: [], outbox: [], now: changes.now ?? 0 });
    return parts.get(log);
  };
  const leads = new Map((changes.leads ?? []).map((lead) => [lead.id, personLog(lead.email_key)]));
  const sent = new Map((changes.submissions ?? []).map((row) => [row.id, logOfSubmission(row, changes, home, tables)]));
  const fallback = () => home?.log ?? parts.keys().next().value ?? null;
  for (const lead of changes.leads ?? []) of(leads.get(lead.id)).leads.push(lead);
  for (const row of changes.submissions ?? []) of(sent.get(row.id)).submissions.push(row);
  const { suppress, release, erase } = changes;
  for (const [name, key] of [["suppress", suppress?.[0]], ["release", release], ["erase", erase]]) {
    if (key) of(personLog(key))[name] = changes[name];
  }
  for (const made of changes.outbox ?? []) {
    const isHere = home && (tables.leads.has(made.lead) || tables.submissions.has(made.cause));
    const known = leads.get(made.lead) ?? sent.get(made.cause) ?? (isHere ? home.log : null);
    of(known ?? (await locate(made.lead || made.cause)) ?? fallback() ?? looseLog(made.id)).outbox.push(made);
  }
  const { idem, cancel_mails: lead } = changes;
  if (lead) {
    const known = leads.get(lead) ?? (tables.leads.has(lead) ? home.log : await locate(lead));
    of(known ?? looseLog(lead)).cancel_mails = lead;
  }
  if (idem) {
    const known = sent.get(idem.submission) ?? fallback() ?? (await locate(idem.submission));
    of(known ?? looseLog(idem.form, idem.key)).idem = idem;
  }
  return parts;
}

function logOfSubmission(row, { idem }, home, tables) {
  if (row.email_key) return personLog(row.email_key);
  if (home && tables.submissions.has(row.id)) return home.log;
  return idem?.submission === row.id ? looseLog(idem.form, idem.key) : looseLog(row.id);
}
