/** What was made when: pages of leads, submissions and deliveries, newest first; how many submissions came lately. */

import { FLAG, hourOf, hourStart, indexFolder, readIndexKey, safe } from "./blob-keys.mjs";
import { tablesOf } from "./blob-state.mjs";
import { matches, newestFirst } from "./tables.mjs";

const AT_ONCE = 12;
const HOUR_MS = 3_600_000;
const COUNTED = [FLAG.accepted, FLAG.held];
/** Keys of an hour that are looked at for a count: with more of them than this, a form is taken for full. */
const COUNTED_MAX = 5000;

export class Index {
  constructor(blobs, logs) {
    Object.assign(this, { blobs, logs });
  }

  /**
   * Submissions to a form since a time, quarantined ones apart, as far as a list knows them; at most `max`. What bots
   * send is not read: a submission's own flag comes first.
   */
  async count(form, since, max) {
    const hours = [...new Set([since, since + HOUR_MS].map(hourOf))];
    const most = Math.max(max, COUNTED_MAX);
    const prefixes = hours.flatMap((hour) => COUNTED.map((flag) => indexFolder(hour, form) + flag));
    const lists = await Promise.all(prefixes.map((prefix) => this.blobs.list(prefix, most)));
    if (lists.some((keys) => keys.length >= most)) return max;
    const counted = lists.flat().map(readIndexKey).filter((key) => key && key.ms > since);
    return Math.min(counted.length, max);
  }

  /** Leads that a query asks for. */
  leads(query) {
    return this.#page(query, [FLAG.lead], (tables) => tables.leads);
  }

  /** Submissions that a query asks for. What is held or quarantined was so from the start. */
  submissions(query) {
    const all = [FLAG.accepted, FLAG.held, FLAG.quarantined];
    const flags = { held: [FLAG.held], quarantined: [FLAG.quarantined] }[query.status] ?? all;
    return this.#page(query, flags, (tables) => tables.submissions);
  }

  /** The newest deliveries that a test takes. */
  deliveries(limit, test) {
    return this.#page({ limit }, [FLAG.outbox], (tables) => tables.outbox, test);
  }

  async #page(query, flags, tableOf, test = () => true) {
    const rows = new Map();
    const limit = query.limit ?? 50;
    const logs = new Map();
    for await (const keys of this.#chunks(query, flags)) {
      await Promise.all([...new Set(keys.map(({ log }) => log))].map((log) => this.#read(log, logs)));
      for (const { log, ms } of keys) {
        for (const row of tableOf(logs.get(log)).values()) {
          if (row.created_at === ms && matches(row, query) && test(row)) rows.set(row.id, row);
        }
      }
      if (rows.size >= limit) break;
    }
    return [...rows.values()].sort(newestFirst).slice(0, limit);
  }

  async #read(log, logs) {
    if (!logs.has(log)) logs.set(log, tablesOf(await this.logs.newest(log)));
  }

  /** Keys of the index by time, newest first, some at once; those of one time are never in two chunks. */
  async *#chunks({ since = null, form = "", after = null }, flags) {
    for (const hour of (await this.blobs.folders("index/")).sort()) {
      if (since !== null && hourStart(hour) + HOUR_MS <= since) return;
      if (after && hourStart(hour) > after[0]) continue;
      const keys = (await this.blobs.list(indexFolder(hour))).map(readIndexKey).filter(Boolean);
      const isOf = (key) => (!form || key.form === safe(form)) && flags.some((flag) => key.flags.includes(flag));
      const left = keys.filter((key) => isOf(key) && (!after || key.ms <= after[0])).sort((a, b) => b.ms - a.ms);
      while (left.length) {
        const chunk = left.splice(0, AT_ONCE);
        while (left[0]?.ms === chunk.at(-1).ms) chunk.push(left.shift());
        yield chunk;
      }
    }
  }
}
