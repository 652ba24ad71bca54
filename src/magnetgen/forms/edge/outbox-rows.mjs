/** The outbox as rows (store/outbox_sql.py): leasing, finishing, failing. `tables`: see tables.mjs. */

export const LEASE_MAX_MS = 3_600_000;

export const DELIVERY = [
  "id", "lead", "form", "dest", "kind", "cause", "body", "created_at", "state", "attempts", "next_at", "last_code",
];
export const DELIVERY_DEFAULTS = Object.freeze({ state: "due", attempts: 0, next_at: 0, last_code: "" });

/** Text by code points, as Python and the databases compare it; JavaScript's own order differs beyond U+FFFF. */
export function compareText(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const a = one.charCodeAt(at);
    const b = other.charCodeAt(at);
    if (a !== b) return beyondSurrogates(a) - beyondSurrogates(b);
  }
  return one.length - other.length;
}

function beyondSurrogates(unit) {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** The rows of a table that a test takes. */
export function where(table, test) {
  const found = [];
  for (const row of table.values()) if (test(row)) found.push(row);
  return found;
}

/** How many they are. */
export function countOf(table, test) {
  let n = 0;
  for (const row of table.values()) if (test(row)) n += 1;
  return n;
}

/** A new delivery; nothing where there is one for the same cause. */
export function insertDelivery(tables, made) {
  const same = (row) =>
    row.lead === made.lead && row.dest === made.dest && row.kind === made.kind && row.cause === made.cause;
  if (tables.outbox.has(made.id) || where(tables.outbox, same).length) return;
  tables.outbox.set(made.id, Object.freeze({ ...made, lease_owner: "", lease_until: 0 }));
}

function change(tables, row, changed) {
  tables.outbox.set(row.id, Object.freeze({ ...row, ...changed }));
}

/** Nothing of it is left to send, or to read. */
export function scrub(tables, row) {
  change(tables, row, { body: {}, state: row.state === "done" ? "done" : "dead", last_code: "erased" });
}

function asDelivery(row) {
  return Object.freeze(Object.fromEntries(DELIVERY.map((name) => [name, row[name]])));
}

function waits(row) {
  return row.state === "due" || row.state === "leased";
}

/** Whether a delivery may be taken. A lease that ends later than any can was made before the clock was set back. */
function isOpen(row, now) {
  return row.state === "due" ||
    (row.state === "leased" && (row.lease_until <= now || row.lease_until - LEASE_MAX_MS > now));
}

/** Ids of what is due, up to `limit` a destination; of one that is probed a single one, due or not. */
export function takeable(tables, now, limit, skip, probe) {
  const [skipped, probed] = [new Set(skip), new Set(probe)];
  const ids = [];
  for (const dest of [...new Set(where(tables.outbox, waits).map((row) => row.dest))].sort(compareText)) {
    if (skipped.has(dest) && !probed.has(dest)) continue;
    const until = probed.has(dest) ? Infinity : now;
    const open = where(tables.outbox, (row) => row.dest === dest && row.next_at <= until && isOpen(row, now));
    open.sort((a, b) => a.next_at - b.next_at || compareText(a.id, b.id));
    ids.push(...open.slice(0, probed.has(dest) ? 1 : limit).map((row) => row.id));
  }
  return ids;
}

/** Take what is due. A probe before its time is none of the attempts after which a delivery is dead. */
export function lease(tables, owner, now, seconds, limit, skip, probe) {
  return take(tables, owner, now, seconds, takeable(tables, now, limit, skip, probe));
}

/** Lease these deliveries → them as they are now. */
export function take(tables, owner, now, seconds, ids) {
  return ids.map((id) => {
    const row = tables.outbox.get(id);
    const attempts = row.attempts + (row.next_at <= now || row.attempts === 0 ? 1 : 0);
    change(tables, row, { state: "leased", lease_owner: owner, lease_until: now + seconds * 1000, attempts });
    return asDelivery(tables.outbox.get(id));
  });
}

/** It was sent. */
export function finish(tables, id, code) {
  const row = tables.outbox.get(id);
  if (row) change(tables, row, { state: "done", last_code: code, lease_until: 0 });
}

/** It was not sent. A delivery that was cancelled or erased while it was on its way stays so. */
export function fail(tables, id, code, nextAt) {
  const row = tables.outbox.get(id);
  if (row?.state !== "leased") return;
  const state = nextAt === null ? "dead" : "due";
  change(tables, row, { state, last_code: code, next_at: nextAt ?? 0, lease_until: 0 });
}

/** What was taken and not begun: as it was before, and no attempt. Another's lease ends at another moment than `until`. */
export function giveBack(tables, id, until) {
  const row = tables.outbox.get(id);
  if (row?.state === "leased" && row.lease_until === until) change(tables, row, { state: "due", attempts: row.attempts - 1, lease_until: 0 });
}

/** Due now, with all its attempts before it → whether there is one. What was erased has nothing left to send. */
export function retry(tables, id, now) {
  const row = tables.outbox.get(id);
  if (!row || Object.keys(row.body).length === 0) return false;
  change(tables, row, { state: "due", attempts: 0, next_at: now });
  disable(tables, row.dest, now, false);
  return true;
}

/** What waits for a destination is due now: what was taken and never sent, too. */
export function hasten(tables, dest, now) {
  for (const row of where(tables.outbox, (one) => one.dest === dest && waits(one) && one.next_at > now)) {
    change(tables, row, { next_at: now });
  }
}

/** Destinations that have said that they are gone. */
export function disabled(tables) {
  return new Set(tables.disabled.keys());
}

export function disable(tables, dest, now, off) {
  if (!off) tables.disabled.delete(dest);
  else if (!tables.disabled.has(dest)) tables.disabled.set(dest, now);
}

/** Mails to a lead that were not sent yet are not sent any more. */
export function cancelMails(tables, lead) {
  for (const row of where(tables.outbox, (one) => one.lead === lead && one.dest === "mail" && waits(one))) {
    change(tables, row, { state: "dead", last_code: "cancelled" });
  }
}

/** The newest deliveries of a state, or of all. */
export function outbox(tables, state = "", limit = 100) {
  const rows = where(tables.outbox, (row) => !state || row.state === state);
  return rows.sort((a, b) => b.created_at - a.created_at || compareText(a.id, b.id)).slice(0, limit).map(asDelivery);
}

/** Destinations, mail apart, that a lead was sent to: also where the answer never came. */
export function received(tables, lead) {
  const sent = (row) => row.kind.startsWith("lead.") && (row.state === "done" || row.attempts > 0);
  const rows = where(tables.outbox, (row) => row.lead === lead && sent(row));
  return [...new Set(rows.map((row) => row.dest))].sort(compareText);
}
