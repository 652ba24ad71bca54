/**
 * What an entry of a log holds, and which blobs beside the log go with it. Pure.
 *
 * An entry: `tables` (the rows of one address), `claims` (how claims on idempotency keys were settled here), `index`
 * (its keys in the index), `due` (its marker for the outbox, or empty) and `floor` (entries before it are to be empty).
 */

import {
  claimKey,
  deadKey,
  dueKey,
  FLAG,
  indexKey,
  pointerKey,
  readDueKey,
  readIndexKey,
  tidyKey,
} from "./blob-keys.mjs";
import { emptyTables, pack, QUARANTINE_MS, unpack, where } from "./tables.mjs";

/** A marker may say this much too soon that something waits: less than another marker would be worth. */
const EARLY_MS = 60_000;
/** Every so many entries, a log is marked to be looked at. */
const TIDY_EVERY = 16;
/** And when that is to be: once they are old enough to go. */
export const TIDY_MS = 3_900_000;

/** The rows of a log as it stands, to be changed at will. `found`: {log, n, entry}. */
export function tablesOf(found) {
  return found.entry ? unpack(found.entry.tables) : emptyTables();
}

/** How a claim on a key was settled in a log → {form, key, k, over}, or null. `over`: it counts no more. */
export function settled(found, form, key) {
  return found.entry?.claims.find((claim) => claim.form === form && claim.key === key) ?? null;
}

/** A log's claims with one of them settled. */
export function withClaim(found, { form, key, k, over }) {
  const others = (found.entry?.claims ?? []).filter((claim) => claim.form !== form || claim.key !== key);
  return [...others, { form, key, k, over }];
}

/**
 * The next entry of a log, and what goes with it; null if nothing has changed.
 *
 * → {log, n, entry, before, ended, gone, emptied}. `before`: [key, text] of what is written before the entry, so that
 * nothing in it can be overlooked; without the entry it does no harm. An empty text stands for the time. `ended`:
 * claims whose answers have run out, of no use already. `gone`: keys that are of no use once the entry stands.
 * `emptied`: it has removed what nobody may read any more, in older entries either.
 */
export function nextEntry(found, tables, { now = 0, claims = found.entry?.claims ?? [] } = {}) {
  const { log, entry } = found;
  const n = found.n + 1;
  const old = tablesOf(found);
  const packed = pack(tables);
  if (same(packed, entry?.tables ?? pack(old)) && same(claims, entry?.claims ?? [])) return null;
  const removed = [...missing(tables.leads, old.leads), ...missing(tables.submissions, old.submissions)];
  const answers = missing(tables.idem, old.idem);
  const made = indexOf(log, old, tables);
  const index = [...(entry?.index ?? []), ...made];
  const unlisted = removed.length ? index.filter((key) => !readIndexKey(key).flags.includes(FLAG.outbox)) : [];
  const due = markerOf(entry?.due ?? "", log, n, tables, now);
  const next = {
    floor: removed.length ? n : (entry?.floor ?? 0),
    due,
    index: index.filter((key) => !unlisted.includes(key)),
    claims: claims.filter((claim) => !answers.some((row) => isOf(claim, row))),
    tables: packed,
  };
  const ended = answers.flatMap((row) => claimKeys(claims.find((claim) => isOf(claim, row))));
  const emptied = removed.length > 0;
  const gone = [
    ...(entry?.due && entry.due !== due ? [entry.due] : []),
    ...removed.map((row) => pointerKey(row.id)),
    ...unlisted,
    ...(emptied ? ended : []),
  ];
  const markers = [...made, ...(due && due !== entry?.due ? [due] : []), ...newlyDead(log, old, tables)];
  const tidy = tidyKeys(log, n, old, tables, now);
  const before = [...pointers(log, old, tables), ...[...markers, ...tidy].map((key) => [key, ""])];
  return { log, n, entry: next, before, ended: emptied ? [] : ended, gone, emptied };
}

/** Pointers and keys of the index that belong to an entry. */
export function besides({ entry }) {
  if (!entry) return [];
  const { leads, submissions, outbox } = entry.tables;
  return [...entry.index, ...[...leads, ...submissions, ...outbox].map((row) => pointerKey(row.id))];
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Rows of one table that another has not. */
function missing(table, from) {
  return [...from].filter(([key]) => !table.has(key)).map(([, row]) => row);
}

function isOf(claim, row) {
  return claim.form === row.form && claim.key === row.key;
}

/** All blobs of a claim that ends here. Where it ended before, the key is another log's. */
function claimKeys(claim) {
  if (!claim || claim.over) return [];
  return Array.from({ length: claim.k }, (_, at) => claimKey(claim.form, claim.key, claim.k - at));
}

function pointers(log, old, tables) {
  const rows = ["leads", "submissions", "outbox"].flatMap((name) => missing(old[name], tables[name]));
  return rows.map((row) => [pointerKey(row.id), log]);
}

/** Keys in the index for what is new: one for each submission, and one for each time at which anything was made. */
function indexOf(log, old, tables) {
  const groups = new Map();
  const note = (row, flag) => {
    const name = `${row.created_at}/${row.form}`;
    groups.set(name, [...(groups.get(name) ?? []), { row, flag }]);
  };
  for (const row of missing(old.submissions, tables.submissions)) note(row, FLAG[row.status]);
  for (const row of missing(old.leads, tables.leads)) note(row, FLAG.lead);
  for (const row of missing(old.outbox, tables.outbox)) note(row, FLAG.outbox);
  return [...groups.values()].flatMap((made) => {
    const count = Math.max(1, made.filter(({ row }) => "fields" in row).length);
    const [first, ...others] = made.slice(0, count);
    const flags = [first.flag, ...made.slice(count).map(({ flag }) => flag)];
    const keyOf = ({ row }, letters) => indexKey({ ...row, log, flags: [...new Set(letters)].join("") });
    return [keyOf(first, flags), ...others.map((other) => keyOf(other, [other.flag]))];
  });
}

/** The marker that a log's outbox needs. One that says nearly the same stays. */
function markerOf(before, log, n, tables, now) {
  const waiting = where(tables.outbox, (row) => row.state === "due" || row.state === "leased");
  if (!waiting.length) return "";
  const at = Math.min(...waiting.map((row) => row.next_at));
  const made = dueKey(at, log, n, waiting.map((row) => row.dest));
  const [old, fresh] = [before && readDueKey(before), readDueKey(made)];
  const serves = old && old.codes === fresh.codes && old.at <= at && at - Math.max(old.at, now) <= EARLY_MS;
  return serves ? before : made;
}

function newlyDead(log, old, tables) {
  const isNew = (row) => row.state === "dead" && old.outbox.get(row.id)?.state !== "dead";
  return where(tables.outbox, isNew).length ? [deadKey(log)] : [];
}

/** When a log is to be looked at for what it has got now. */
function tidyKeys(log, n, old, tables, now) {
  const answers = [...tables.idem].filter(([key, row]) => old.idem.get(key)?.expires_at !== row.expires_at);
  const bots = missing(old.submissions, tables.submissions).filter((row) => row.status === "quarantined");
  const times = [
    ...answers.map(([, row]) => row.expires_at + 1),
    ...bots.map((row) => row.created_at + QUARANTINE_MS + 1),
    ...(now && n % TIDY_EVERY === 0 ? [now + TIDY_MS] : []),
  ];
  return [...new Set(times)].map((at) => tidyKey(at, log));
}
