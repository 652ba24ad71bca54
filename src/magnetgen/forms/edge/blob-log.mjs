/**
 * A numbered log of immutable entries: the one primitive of the store on Netlify Blobs.
 *
 * An entry holds all that its log knows, so the newest one is the state; to change it is to add the next number, which
 * only one can. Nothing is ever read from a list but a number to begin at: from there on, strong reads find the end.
 * No list, however old, can lead two writers to the same end of a different log: entries vanish from the oldest on,
 * number 1 stays as a stub, and a reader that meets a gap or a stub where the end should be begins again.
 */

import { randomUUID } from "node:crypto";

import { entryKey, entryNumber } from "./blob-keys.mjs";
import { StoreUnavailable } from "./records.mjs";

/** What is left of an entry that was emptied. */
export const STUB = "{}";
/** How long an entry is kept after the next one has come, by the machine's clock: longer than any list lags behind. */
export const KEPT_MS = 3_600_000;
const TRIES = 6;
const HINTS_MAX = 500;
const AT_ONCE = 8;

export class Logs {
  #hints = new Map();

  constructor(blobs, { wall, pause }) {
    Object.assign(this, { blobs, wall, pause });
  }

  /** The newest entry → {log, n, entry}; n is 0 and entry null where there is none yet. */
  async newest(log) {
    let hint = this.#hints.get(log) ?? 0;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const listed = hint || Math.max(0, ...(await this.numbers(log)));
      const found = await this.#forward(log, listed);
      if (found) return this.#remember(log, found);
      hint = 0;
      await this.pause(attempt);
    }
    throw new StoreUnavailable("blobs: the end of a log is not to be found");
  }

  /** On from where an entry is said to be. Null: there is none, or the end is a stub, so it was said wrongly. */
  async #forward(log, listed) {
    let n = Math.max(1, listed);
    let [text, next] = await Promise.all([this.#text(log, n), this.#text(log, n + 1)]);
    if (text === null) return listed || next ? null : { n: 0, entry: null };
    while (next !== null) {
      [n, text] = [n + 1, next];
      next = await this.#text(log, n + 1);
    }
    return text === STUB ? null : { n, entry: JSON.parse(text) };
  }

  #text(log, n) {
    return this.blobs.get(entryKey(log, n));
  }

  #remember(log, { n, entry }) {
    this.#hints.delete(log);
    if (n) this.#hints.set(log, n);
    if (this.#hints.size > HINTS_MAX) this.#hints.delete(this.#hints.keys().next().value);
    return { log, n, entry };
  }

  forget() {
    this.#hints.clear();
  }

  /** The numbers of a log's entries as a list knows them. */
  async numbers(log) {
    return (await this.blobs.list(`${log}/`)).map(entryNumber).filter(Boolean);
  }

  /**
   * Add entry n → whether it is ours now. Only what is read back is believed: an answer may be lost, and a store may
   * say that it has written what it has not. While nothing is there, the same is sent again; it cannot be added twice.
   * @throws {StoreUnavailable} if it stays unclear; then it may still come to be written.
   */
  async append(log, n, entry) {
    const key = entryKey(log, n);
    const text = JSON.stringify({ ...entry, id: randomUUID(), at: this.wall() });
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      await this.blobs.setNew(key, text);
      const found = await this.blobs.get(key);
      if (found === text) return this.#added(log, n);
      if (found !== null) return false;
      await this.pause(attempt);
    }
    throw new StoreUnavailable("blobs: what was written is not read back");
  }

  #added(log, n) {
    this.#remember(log, { n, entry: null });
    return true;
  }

  /** Empty all entries before n, the newest first: they are not all in a list yet. */
  async empty(log, n) {
    for (let m = n - 1; m > 0; ) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, m) }, (_, at) => m - at);
      const texts = await Promise.all(numbers.map((number) => this.#text(log, number)));
      const full = numbers.filter((_, at) => texts[at] !== null && texts[at] !== STUB);
      await Promise.all(full.map((number) => this.blobs.set(entryKey(log, number), STUB)));
      m -= numbers.length;
      // Entries vanish from the oldest on: below a gap there is only number 1.
      if (texts.includes(null)) m = Math.min(m, 1);
    }
  }

  /** Remove entries that were followed by another long ago → how many are still to go. */
  async compact(log, newest) {
    const old = (await this.numbers(log)).filter((n) => n > 1 && n < newest).sort((a, b) => a - b);
    const before = this.wall() - KEPT_MS;
    for (const [at, n] of old.entries()) {
      if (!(await this.#followedBefore(log, n, newest, before))) return old.length - at;
      if (at === 0 && (await this.#text(log, 1)) !== STUB) await this.blobs.set(entryKey(log, 1), STUB);
      await this.blobs.remove(entryKey(log, n));
    }
    return 0;
  }

  /** Whether the entry after n was there before a time. A stub says nothing: then the one after it is asked. */
  async #followedBefore(log, n, newest, before) {
    for (let m = n + 1; m <= newest; m += 1) {
      const text = await this.#text(log, m);
      if (text !== null && text !== STUB) return JSON.parse(text).at <= before;
    }
    return false;
  }
}
