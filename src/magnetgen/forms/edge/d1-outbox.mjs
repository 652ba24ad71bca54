/** The outbox as rows of D1: leasing, finishing, failing (store/outbox_sql.py). Statements, {sql, values}. */

export const COLUMNS = [
  "id", "lead_id", "form_id", "dest", "kind", "cause", "body", "created_at", "state", "attempts", "next_at",
  "last_code",
];
const LEASE_MAX_MS = 3_600_000;
// A lease that ends later than any lease can was made before the clock was set back.
const OPEN = `(state='due' OR (state='leased' AND (lease_until<=? OR lease_until-${LEASE_MAX_MS}>?)))`;
const EVER = Number.MAX_SAFE_INTEGER;

export function values(delivery) {
  const { id, lead, form, dest, kind, cause, created_at: createdAt } = delivery;
  const { state = "due", attempts = 0, next_at: nextAt = 0, last_code: code = "" } = delivery;
  return [id, lead, form, dest, kind, cause, JSON.stringify(delivery.body), createdAt, state, attempts, nextAt, code];
}

export function asDelivery(row) {
  return Object.freeze({
    id: row.id, lead: row.lead_id, form: row.form_id, dest: row.dest, kind: row.kind, cause: row.cause,
    body: JSON.parse(row.body), created_at: row.created_at, state: row.state, attempts: row.attempts,
    next_at: row.next_at, last_code: row.last_code,
  });
}

/** Destinations that something waits for, and whether something is `due`: one step of the index each. */
export function waiting(now) {
  const open = "FROM outbox WHERE state IN ('due','leased')";
  const sql =
    `WITH RECURSIVE waiting(dest) AS (SELECT min(dest) ${open} UNION ALL ` +
    `SELECT (SELECT min(dest) ${open} AND dest>waiting.dest) FROM waiting WHERE dest IS NOT NULL) ` +
    `SELECT dest, EXISTS(SELECT 1 ${open} AND ${OPEN} AND dest=waiting.dest AND next_at<=?) AS due ` +
    "FROM waiting WHERE dest IS NOT NULL ORDER BY dest";
  return { sql, values: [now, now, now] };
}

/**
 * Take what is due, and one delivery of each destination that is to be probed: a statement for each, oldest first.
 * A probe before its time is none of the attempts after which a delivery is dead.
 */
export function leasing(found, owner, now, seconds, limit, skip, probe) {
  const statements = [];
  for (const { dest, due } of found) {
    if (probe.has(dest)) statements.push(taking(dest, owner, now, seconds, 1, EVER));
    else if (due && !skip.has(dest)) statements.push(taking(dest, owner, now, seconds, limit, now));
  }
  return statements;
}

function taking(dest, owner, now, seconds, limit, until) {
  // What is open is looked at by the statement that takes it: of two drains, one finds it taken.
  const ids =
    `SELECT id FROM outbox WHERE state IN ('due','leased') AND ${OPEN} AND dest=? AND next_at<=? ` +
    "ORDER BY next_at LIMIT ?";
  const sql =
    "UPDATE outbox SET state='leased', lease_owner=?, lease_until=?, " +
    "attempts=attempts + CASE WHEN next_at<=? OR attempts=0 THEN 1 ELSE 0 END " +
    `WHERE id IN (${ids}) RETURNING ${COLUMNS.join(", ")}`;
  return { sql, values: [owner, now + seconds * 1000, now, now, now, dest, until, limit] };
}

export function finishing(id, code) {
  return { sql: "UPDATE outbox SET state='done', last_code=?, lease_until=0 WHERE id=?", values: [code, id] };
}

/** A delivery that was cancelled or erased while it was on its way stays so. */
export function failing(id, code, nextAt) {
  const sql = "UPDATE outbox SET state=?, last_code=?, next_at=?, lease_until=0 WHERE id=? AND state='leased'";
  return { sql, values: [nextAt === null ? "dead" : "due", code, nextAt ?? 0, id] };
}

/** Another's lease ends at another moment than `until`. */
export function givingBack(ids, until) {
  const sql =
    "UPDATE outbox SET state='due', attempts=attempts-1, lease_until=0 " +
    "WHERE id IN (SELECT value FROM json_each(?)) AND state='leased' AND lease_until=?";
  return { sql, values: [JSON.stringify(ids), until] };
}

/** Due now, with all its attempts before it. What was erased has nothing left to send. */
export function retrying(id, now) {
  return [
    {
      sql: "DELETE FROM disabled WHERE dest=(SELECT dest FROM outbox WHERE id=? AND body<>'{}')",
      values: [id],
    },
    {
      sql: "UPDATE outbox SET state='due', attempts=0, next_at=? WHERE id=? AND body<>'{}' RETURNING dest",
      values: [now, id],
    },
  ];
}

/** What was taken and never sent, too: it would wait for a turn that was reckoned while the destination was away. */
export function hastening(dest, now) {
  const sql = "UPDATE outbox SET next_at=? WHERE dest=? AND state IN ('due','leased') AND next_at>?";
  return { sql, values: [now, dest, now] };
}

export function disabling(dest, now, off) {
  if (off) return { sql: "INSERT INTO disabled VALUES(?,?) ON CONFLICT DO NOTHING", values: [dest, now] };
  return { sql: "DELETE FROM disabled WHERE dest=?", values: [dest] };
}

/** Mails to a lead that were not sent yet are not sent any more. */
export function cancelMails(lead) {
  const sql =
    "UPDATE outbox SET state='dead', last_code='cancelled' " +
    "WHERE lead_id=? AND dest='mail' AND state IN ('due','leased')";
  return { sql, values: [lead] };
}

export function listing(state, limit) {
  const sql =
    `SELECT ${COLUMNS.join(", ")} FROM outbox WHERE ${state ? "state=?" : "''=?"} ` +
    "ORDER BY created_at DESC, id LIMIT ?";
  return { sql, values: [state, limit] };
}
