/** A store in memory, for tests and races: each call is one step of the event loop, so each is a transaction. */

import { randomBytes } from "node:crypto";

import * as rows from "./tables.mjs";

/** @returns a store as store/__init__.py describes it, with promises instead of futures. */
export function memoryStore() {
  let tables = rows.emptyTables();
  return {
    promises: Object.freeze({ unique: true, counters: true, transactions: true, codes: true }),
    async submit(load, decide) {
      const changes = decide(rows.snapshot(tables, load));
      rows.apply(tables, changes);
      return changes.answer ?? null;
    },
    rate: async (counts, now) => rows.rate(tables, counts, now),
    leads: async (query) => rows.leads(tables, query),
    submissions: async (query) => rows.submissions(tables, query),
    codes: async (ids) => rows.codes(tables, ids),
    person: async (emailKey) => rows.person(tables, emailKey),
    outbox: async (state = "", limit = 100) => rows.outbox(tables, state, limit),
    lease: async (now, seconds, limit, skip, probe) =>
      rows.lease(tables, randomBytes(8).toString("hex"), now, seconds, limit, skip, probe),
    finish: async (id, now, code) => rows.finish(tables, id, code),
    fail: async (id, now, code, nextAt) => rows.fail(tables, id, code, nextAt),
    giveBack: async (ids, now, until) => ids.forEach((id) => rows.giveBack(tables, id, until)),
    retry: async (id, now) => rows.retry(tables, id, now),
    hasten: async (dest, now) => rows.hasten(tables, dest, now),
    disabled: async () => rows.disabled(tables),
    disable: async (dest, now, off) => rows.disable(tables, dest, now, off),
    findLead: async (id) => rows.findLead(tables, id),
    probe: async (now) => {
      tables.probe = now;
    },
    purge: async (now) => rows.purge(tables, now),
    dump: async () => rows.dump(tables),
    clear: async () => {
      tables = rows.emptyTables();
    },
    close: async () => {},
  };
}
