/**
 * The outbox over logs: deliveries are rows of their address's log, so to lease one, or to say what became of it, is to
 * add an entry, and no two can do so at once. Markers say which logs are worth a look; they are never believed.
 *
 * A marker is written before the entry that needs it, and removed after an entry that does not. So what is due is
 * always marked, whenever a writer dies. A marker that its log's entry does not name belongs to an entry that lost, or
 * never came: it goes once its number is passed.
 */

import { randomUUID } from "node:crypto";

import { destCode, disabledKey, pointerKey, readDueKey } from "./blob-keys.mjs";
import { tablesOf } from "./blob-state.mjs";
import { each } from "./blob-tidy.mjs";
import * as rows from "./tables.mjs";

const AT_ONCE = 8;
/** For so long, in ms, a lease looks for more while it has something. */
const LOOKING_MS = 5000;
/** For so long an entry may be on its way after its marker. */
const COMING_MS = 600_000;

export class Outbox {
  /** Markers that this process wrote: a list may not know them yet. */
  #fresh = new Set();
  /** Where the deliveries are that this process leased. */
  #homes = new Map();

  constructor(blobs, logs, { wall, update }) {
    Object.assign(this, { blobs, logs, wall, update });
  }

  forget() {
    this.#fresh.clear();
    this.#homes.clear();
  }

  /** An entry stands: `due` is its marker, `gone` are those that are over. */
  noteMarkers(due, gone) {
    for (const key of gone) this.#fresh.delete(key);
    if (due) this.#fresh.add(due);
  }

  /** All markers, the earliest first. */
  async #markers() {
    const keys = new Set([...(await this.blobs.list("due/")), ...this.#fresh]);
    const found = [...keys].map(readDueKey).filter(Boolean);
    return found.sort((a, b) => a.at - b.at);
  }

  /** Take what is due, the oldest first whatever log it is in: what is newer than a log not yet read waits for that one. */
  async lease(now, seconds, limit, skip, probe) {
    const turn = new Turn(now, seconds, limit, skip, probe);
    const until = this.wall() + LOOKING_MS;
    let fault = null;
    const left = placesOf((await this.#markers()).filter((marker) => turn.wants(marker)));
    while (left.length && (this.wall() < until || !turn.taken.length)) {
      const chunk = [];
      while (left.length && chunk.length < AT_ONCE) {
        const place = left.shift();
        if (place.markers.some((marker) => turn.wants(marker))) chunk.push(place);
      }
      const looked = await Promise.allSettled(chunk.map((place) => this.#look(place, turn)));
      const places = looked.flatMap(({ value }) => value ?? []);
      const later = turn.pick(places, left[0]?.at ?? Infinity);
      const taking = places.filter(({ picked }) => picked.length).map((place) => this.#take(place, turn));
      fault ??= [...looked, ...(await Promise.allSettled(taking))].find(({ status }) => status === "rejected")?.reason;
      left.push(...later);
      left.sort((one, other) => one.at - other.at);
    }
    // A log that cannot be read now must not keep the others waiting.
    if (fault && !turn.taken.length) throw fault;
    return turn.taken.sort(inOrder);
  }

  /** Read a log → the place, with the log's entry and what of it may be taken. */
  async #look(place, turn) {
    const found = await this.logs.newest(place.log);
    const others = place.isKnown ? [] : place.markers.filter((marker) => marker.key !== found.entry?.due);
    await Promise.all(others.map((marker) => this.#removeStale(marker, found)));
    return { ...place, isKnown: true, found, open: turn.open(tablesOf(found)), picked: [] };
  }

  async #take({ log, found, picked }, turn) {
    const taking = this.update(log, (_, tables) => {
      const open = new Set(turn.open(tables).map((row) => row.id));
      const ids = picked.map((row) => row.id).filter((id) => open.has(id));
      return { result: rows.take(tables, turn.owner, turn.now, turn.seconds, ids), now: turn.now };
    }, found);
    const taken = await taking.catch((error) => {
      turn.release(picked);
      throw error;
    });
    const mine = new Set(taken.map((delivery) => delivery.id));
    turn.release(picked.filter((row) => !mine.has(row.id)));
    for (const delivery of taken) this.#homes.set(delivery.id, log);
    turn.taken.push(...taken);
  }

  /** A marker that no entry names: its own has lost, or is on its way, or never came. */
  async #removeStale({ key, n }, found) {
    const isPassed = n <= found.n;
    if (!isPassed && !(Number(await this.blobs.get(key)) < this.wall() - COMING_MS)) return;
    this.#fresh.delete(key);
    await this.blobs.remove(key);
  }

  /** Change a delivery wherever it is → what `change` says, or `otherwise` if there is none. */
  async #change(id, now, change, otherwise) {
    const log = this.#homes.get(id) ?? (await this.blobs.get(pointerKey(id)));
    if (!log) return otherwise;
    return this.update(log, (_, tables) => ({ result: change(tables), now }));
  }

  async finish(id, now, code) {
    await this.#change(id, now, (tables) => rows.finish(tables, id, code));
    this.#homes.delete(id);
  }

  async fail(id, now, code, nextAt) {
    await this.#change(id, now, (tables) => rows.fail(tables, id, code, nextAt));
    this.#homes.delete(id);
  }

  async giveBack(ids, now, until) {
    await each(ids, (id) => this.#change(id, now, (tables) => rows.giveBack(tables, id, until)));
  }

  async retry(id, now) {
    const again = (tables) => rows.retry(tables, id, now) && tables.outbox.get(id).dest;
    const dest = await this.#change(id, now, again, false);
    if (dest === false) return false;
    await this.disable(dest, now, false);
    return true;
  }

  async hasten(dest, now) {
    const code = destCode(dest);
    const markers = (await this.#markers()).filter((marker) => marker.serves((one) => one === code));
    const hastened = (_, tables) => ({ result: rows.hasten(tables, dest, now), now });
    await each([...new Set(markers.map(({ log }) => log))], (log) => this.update(log, hastened));
  }

  async disabled() {
    const keys = await this.blobs.list("disabled/");
    return new Set(keys.map((key) => Buffer.from(key.slice("disabled/".length), "base64url").toString()));
  }

  async disable(dest, now, off) {
    if (off) await this.blobs.set(disabledKey(dest), String(now));
    else await this.blobs.remove(disabledKey(dest));
  }

  /** The newest deliveries of a state that is marked: what waits, and what is dead. */
  async marked(state, limit) {
    const waits = async () => new Set((await this.#markers()).map(({ log }) => log));
    const dead = async () => new Set((await this.blobs.list("dead/")).map((key) => key.slice("dead/".length)));
    const merged = rows.emptyTables();
    await each([...(await (state === "dead" ? dead() : waits()))], async (log) => {
      for (const row of tablesOf(await this.logs.newest(log)).outbox.values()) merged.outbox.set(row.id, row);
    });
    return rows.outbox(merged, state, limit);
  }
}

function inOrder(a, b) {
  return rows.compareText(a.dest, b.dest) || a.next_at - b.next_at || rows.compareText(a.id, b.id);
}

/** Markers, the earliest first, by the log that they are of → [{log, at, markers}]. */
function placesOf(markers) {
  const places = new Map();
  for (const marker of markers) {
    const place = places.get(marker.log);
    if (place) place.markers.push(marker);
    else places.set(marker.log, { log: marker.log, at: marker.at, markers: [marker] });
  }
  return [...places.values()];
}

/** One lease: what it may take, and what it has taken. */
class Turn {
  #left = new Map();

  constructor(now, seconds, limit, skip, probe) {
    Object.assign(this, { now, seconds, limit, skip: new Set(skip), probe: new Set(probe), taken: [] });
    this.owner = randomUUID();
    this.skipped = new Set([...this.skip].filter((dest) => !this.probe.has(dest)).map(destCode));
    this.probed = new Set([...this.probe].map(destCode));
    this.full = new Set();
  }

  wants(marker) {
    const isWanted = (code) => this.probed.has(code) || (marker.at <= this.now && !this.skipped.has(code));
    return marker.serves((code) => isWanted(code) && !this.full.has(code));
  }

  /** Rows of a log that may be taken. */
  open(tables) {
    const ids = rows.takeable(tables, this.now, this.limit, this.skip, this.probe);
    return ids.map((id) => tables.outbox.get(id));
  }

  /**
   * Share what is left for each destination among logs, the oldest first → places to look at again, since they have
   * something that is newer than `horizon`.
   */
  pick(places, horizon) {
    const all = places.flatMap((place) => place.open.map((row) => [row, place]));
    all.sort(([one], [other]) => one.next_at - other.next_at || rows.compareText(one.id, other.id));
    const later = new Map();
    for (const [row, place] of all) {
      if (row.next_at > horizon) later.set(place, Math.min(later.get(place) ?? Infinity, row.next_at));
      else if (this.#spend(row.dest, 1)) place.picked.push(row);
    }
    return [...later].map(([{ log, markers, isKnown }, at]) => ({ log, markers, isKnown, at }));
  }

  /** Rows that were picked and not taken. */
  release(picked) {
    for (const row of picked) this.#spend(row.dest, -1);
  }

  #spend(dest, n) {
    const left = (this.#left.get(dest) ?? (this.probe.has(dest) ? 1 : this.limit)) - n;
    if (left < 0) return false;
    this.#left.set(dest, left);
    if (left === 0) this.full.add(destCode(dest));
    else this.full.delete(destCode(dest));
    return true;
  }
}
