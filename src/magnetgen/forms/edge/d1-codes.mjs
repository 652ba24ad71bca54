/** Single-use codes as rows of D1: who has which (store/rows.py). Statements, {sql, values}. */

/** Codes that one statement is given: at their longest they are less than the two million bytes that D1 takes. */
const CODES_MAX = 4000;

const HAS_ONE = "SELECT 1 FROM code WHERE magnet=? AND lead_id=?";
const IS_TAKEN = "SELECT 1 FROM code AS taken WHERE taken.magnet=? AND taken.code=listed.value";

/** How much of each list is gone, from its beginning, as far as an isolate has seen it: see store/codes.py. */
export class Gone {
  #known = new Map();

  of({ magnet, codes }) {
    const known = this.#known.get(magnet);
    return known?.codes === codes ? known.number : 0;
  }

  learn({ magnet, codes }, number) {
    if (number > this.of({ magnet, codes })) this.#known.set(magnet, { codes, number });
  }

  forget() {
    this.#known.clear();
  }
}

/**
 * Give a lead the first code that nobody has had, unless it has one. It is picked by the statement that takes it, and
 * D1 runs one batch at a time: whoever comes next finds it taken. A long list is gone through piece by piece. `start`: how many of the list's first are known to be gone.
 */
export function claiming({ magnet, codes, lead }, now, start) {
  if (start === codes.length) return [];
  // By rowid: so they are looked at in their order, and only as far as the first that is free.
  const sql =
    "INSERT INTO code(magnet, code, lead_id, at) SELECT ?, listed.value, ?, ? FROM json_each(?) AS listed " +
    `WHERE NOT EXISTS(${HAS_ONE}) AND NOT EXISTS(${IS_TAKEN}) ORDER BY listed.rowid LIMIT 1 RETURNING code`;
  const statements = [];
  for (let at = start; at < codes.length; at += CODES_MAX) {
    const listed = JSON.stringify(codes.slice(at, at + CODES_MAX));
    statements.push({ sql, values: [magnet, lead, now, listed, magnet, lead, magnet] });
  }
  return [...statements, { sql: HAS_ONE, values: [magnet, lead] }];
}

/** How much of the list is gone, by the answers of a claim's statements that were committed. */
export function goneBy({ codes }, start, answers) {
  const [given] = answers.slice(0, -1).flat();
  // All before the one that was picked were taken, and now it is, too.
  if (given) return codes.indexOf(given.code, start) + 1;
  return answers.at(-1).length ? start : codes.length;
}

/** Codes that leads have: lead, magnet, code. */
export function ofLeads(ids) {
  const sql = "SELECT lead_id AS lead, magnet, code FROM code WHERE lead_id IN (SELECT value FROM json_each(?))";
  return { sql, values: [JSON.stringify(ids)] };
}
