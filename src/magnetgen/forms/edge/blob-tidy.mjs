/**
 * What has served its time, and what was erased.
 *
 * An entry that removes what nobody may read any more leaves it in the entries before. So a `scrub` marker is written
 * before that entry, with the keys that are to go, and removed when all is gone: what was cut off, a later drain ends.
 */

import { readScrubKey, readTidyKey, rateFolder, scrubKey, tidyFolder, tidyKey } from "./blob-keys.mjs";
import { TIDY_MS } from "./blob-state.mjs";
import * as rows from "./tables.mjs";

/** Logs that one purge looks at. What is left is for the next. */
const LOGS_MAX = 40;
const RATES_MAX = 500;
const HOUR_MS = 3_600_000;
const AT_ONCE = 8;
/** For so long an entry may be on its way after its marker. */
const COMING_MS = 600_000;

export class Tidy {
  constructor(blobs, logs, { wall, update }) {
    Object.assign(this, { blobs, logs, wall, update });
  }

  async purge(now) {
    const scrubs = (await this.blobs.list("scrub/", LOGS_MAX)).map(readScrubKey).filter(Boolean);
    await each(scrubs.slice(0, LOGS_MAX), (marker) => this.#scrubLate(marker, now));
    const due = await this.#due(now);
    const first = due.sort((a, b) => a.at - b.at).slice(0, LOGS_MAX);
    const logs = new Set(first.map(({ log }) => log));
    await each([...logs], (log) => this.#tidy(log, first.filter((marker) => marker.log === log), now));
    await this.#purgeRates(now);
  }

  /** Markers whose time has come, of the oldest hours that have any. What bots leave waits for a month unread. */
  async #due(now) {
    const found = [];
    const hours = (await this.blobs.folders("tidy/")).map(Number).filter(Number.isInteger);
    for (const hour of hours.sort((a, b) => a - b)) {
      if (hour * HOUR_MS > now || found.length >= LOGS_MAX) break;
      const markers = (await this.blobs.list(tidyFolder(hour))).map(readTidyKey);
      found.push(...markers.filter((marker) => marker && marker.at <= now));
    }
    return found;
  }

  /** Look at a log: what is over goes, then entries that are not needed to read it; if they are still young, later. */
  async #tidy(log, markers, now) {
    await this.update(log, (_, tables) => ({ result: rows.purge(tables, now), now }));
    const { n } = await this.logs.newest(log);
    if (n > 1 && (await this.logs.compact(log, n))) await this.blobs.set(tidyKey(now + TIDY_MS, log), "1");
    await each(markers, ({ key }) => this.blobs.remove(key));
  }

  /** Before an entry is added that removes: what will have to go with it. */
  announce({ log, n, gone }) {
    return this.blobs.set(scrubKey(log, n), JSON.stringify({ gone, at: this.wall() }));
  }

  /** After it was added. */
  async scrub({ log, n, gone }, now) {
    await this.logs.empty(log, n);
    await each(gone, (key) => this.blobs.remove(key));
    await this.blobs.set(tidyKey(now + TIDY_MS, log), "1");
    await this.blobs.remove(scrubKey(log, n));
  }

  /** A scrub that was announced: its entry stands, or has lost against another, or is on its way, or never came. */
  async #scrubLate({ key, log, n }, now) {
    const text = await this.blobs.get(key);
    if (text === null) return;
    const { gone, at } = JSON.parse(text);
    const found = await this.logs.newest(log);
    if ((found.entry?.floor ?? 0) >= n) await this.scrub({ log, n, gone }, now);
    else if (found.n >= n || at < this.wall() - COMING_MS) await this.blobs.remove(key);
  }

  async #purgeRates(now) {
    const over = (await this.blobs.folders("rate/")).map(Number).filter((endsAt) => endsAt < now).sort((a, b) => a - b);
    let left = RATES_MAX;
    for (const endsAt of over) {
      const keys = (await this.blobs.list(rateFolder(endsAt))).slice(0, left);
      await each(keys, (key) => this.blobs.remove(key));
      left -= keys.length;
      if (left <= 0) return;
    }
  }
}

/** Do something with each, some at once. */
export async function each(items, work) {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}
