/**
 * What a decision loads from D1, in one round trip, and what must still be so when its changes are written.
 *
 * D1 has no transaction that a decision could run in, only batches. So each part of a snapshot is a question with one
 * value as its answer, and the batch that writes asks the same questions first: a different answer, and nothing of it
 * is written. Only what the decision has looked at is asked again, so that two that do not concern each other never
 * meet.
 */

import { asIdem, asLead, asSubmission, IDEM, LEAD, statement, SUBMISSION } from "./d1-rows.mjs";

/** A piece of SQL with the values that it binds. */
function piece(sql, ...values) {
  return { sql, values };
}

/** `sql` with each `{}` replaced by a piece. */
function built(sql, ...pieces) {
  const texts = pieces.map((one) => one.sql);
  return piece(sql.replaceAll("{}", () => texts.shift()), ...pieces.flatMap((one) => one.values));
}

function array(columns) {
  return `json_array(${columns.join(",")})`;
}

/** Whose address it is: as given, or that of the submission, or that of the lead; null where nothing says. */
function keyOf(load) {
  if (load.email_key) return piece("?", load.email_key);
  const found = [];
  if (load.submission) found.push(piece("(SELECT email_key FROM submission WHERE id=?)", load.submission));
  if (load.lead) found.push(piece("(SELECT email_key FROM lead WHERE id=?)", load.lead));
  return found.length === 2 ? built("coalesce({},{})", ...found) : (found[0] ?? null);
}

/** Which lead it is about, as a condition; null where nothing says. */
function leadOf(load, key) {
  if (load.lead) return piece("id=?", load.lead);
  if (!key || !(load.form || load.submission)) return null;
  const ofSubmission = "(SELECT form_id FROM submission WHERE id=?)";
  const form = load.form ? piece("?", load.form) : piece(ofSubmission, load.submission);
  return built("form_id={} AND email_key={}", form, key);
}

/** Thrown where a decision looks at what waits, and it was not read: then it is read, and decided again. */
export const WAITING = new Error("what waits was not read");

/**
 * The parts of a snapshot that a load asks for: name → {read, same}, both pieces with one value as their answer.
 * `same`: what must not have changed, where that is less than what was read. `whole`: with what waits, which a
 * submission does not look at, and anybody can make long.
 */
function parts(load, whole) {
  const key = keyOf(load);
  const lead = leadOf(load, key);
  const found = new Map();
  const ask = (name, read, same) => found.set(name, same ? { read, same } : { read });
  if (load.idem?.length) ask("idem", idem(load));
  if (lead) ask("lead", built(`SELECT ${array(LEAD)} FROM lead WHERE {}`, lead));
  if (load.submission) {
    ask("submission", piece(`SELECT ${array(SUBMISSION)} FROM submission WHERE id=?`, load.submission));
  }
  if (lead && (whole || !load.email_key)) ask("waiting", ids(waitingOf(lead, "id")));
  if (load.count_max) count(load, ask);
  if (!key) return found;
  ask("loose", built("SELECT count(*) FROM submission WHERE lead_id IS NULL AND email_key={}", key));
  ask("suppressed", built("SELECT reason FROM suppression WHERE email_key={}", key));
  if (load.mails_since) ask("mails", mails(load, key));
  if (load.every_form) {
    const rows = built(`SELECT ${array(LEAD)} AS found FROM lead WHERE email_key={} ORDER BY form_id`, key);
    ask("leads", built("SELECT json_group_array(json(found)) FROM ({})", rows));
    ask("received", received(key));
  }
  return found;
}

function idem(load) {
  const marks = load.idem.map(() => "?").join(",");
  const rows = `SELECT ${array(IDEM)} AS found FROM idem WHERE form_id=? AND key IN (${marks}) ORDER BY key`;
  return piece(`SELECT json_group_array(json(found)) FROM (${rows})`, load.form ?? "", ...load.idem);
}

/** Submissions that wait for their lead to be confirmed. What they say never changes, so their ids tell enough. */
function waitingOf(lead, columns) {
  const rows = `SELECT ${columns} FROM submission WHERE lead_id=(SELECT id FROM lead WHERE {}) AND applied_at IS NULL `;
  return built(`${rows}ORDER BY created_at, id`, lead);
}

function ids(rows) {
  return built("SELECT json_group_array(id) FROM ({})", rows);
}

/** Of the count, only whether it has reached its limit must stay: else any two submissions would meet. */
function count(load, ask) {
  const recent =
    "SELECT count(*) FROM (" +
    "SELECT 1 FROM submission WHERE form_id=? AND created_at>? AND status<>'quarantined' LIMIT ?)";
  const read = piece(recent, load.form ?? "", load.since ?? 0, load.count_max);
  ask("count", read, built("SELECT ({})>={}", read, piece("?", load.count_max)));
}

function mails(load, key) {
  const rows = built(
    "SELECT kind, created_at FROM outbox WHERE lead_id IN (SELECT id FROM lead WHERE email_key={}) " +
      "AND dest='mail' AND created_at>{} ORDER BY created_at",
    key,
    piece("?", load.mails_since),
  );
  return built("SELECT json_group_array(json_array(kind,created_at)) FROM ({})", rows);
}

/** Destinations, mail apart, that a lead was sent to: also where the answer never came. */
function received(key) {
  const rows = built(
    "SELECT DISTINCT lead_id, dest FROM outbox WHERE lead_id IN (SELECT id FROM lead WHERE email_key={}) " +
      "AND kind LIKE 'lead.%' AND (state='done' OR attempts>0) ORDER BY lead_id, dest",
    key,
  );
  return built("SELECT json_group_array(json_array(lead_id,dest)) FROM ({})", rows);
}

/**
 * The questions of a load, and what their answers mean. `whole`: with the submissions that wait.
 * @returns {{statements: object[], found: (results: object[][]) => Found}}
 */
export function asking(load, whole = false) {
  const asked = parts(load, whole);
  const names = [...asked.keys()];
  const columns = names.flatMap((name) => Object.entries(asked.get(name)).map(([use, one]) => [`${name}_${use}`, one]));
  const statements = [];
  if (columns.length) {
    const list = columns.map(([name]) => `({}) AS ${name}`).join(", ");
    statements.push(built(`SELECT ${list}`, ...columns.map(([, one]) => one)));
  }
  const lead = leadOf(load, keyOf(load));
  if (lead && whole) statements.push(waitingOf(lead, "*"));
  const waiting = (results) => (whole || !lead ? (results[1] ?? []) : null);
  return { statements, found: (results) => new Found(load, asked, results[0]?.[0] ?? {}, waiting(results)) };
}

/** What was found: `snapshot` for the decision, and `guard` once it has decided. */
class Found {
  #asked;
  #row;
  #seen = new Set();

  constructor(load, asked, row, waiting) {
    this.#asked = asked;
    this.#row = row;
    this.snapshot = this.#watched(read(load, row, waiting));
  }

  /** The snapshot, noting which of its parts are looked at. */
  #watched(values) {
    const watched = {};
    for (const [name, value] of Object.entries(values)) {
      const get = () => {
        this.#seen.add(name);
        if (value === WAITING) throw WAITING;
        return value;
      };
      Object.defineProperty(watched, name, { get, enumerable: true });
    }
    return Object.freeze(watched);
  }

  /** The first statement of the batch that writes: it fails if anything that was looked at has changed. */
  guard(id) {
    const seen = [...this.#seen].filter((name) => this.#asked.has(name));
    const same = seen.map((name) => {
      const use = this.#asked.get(name).same ? "same" : "read";
      return built("({}) IS {}", this.#asked.get(name)[use], piece("?", this.#row[`${name}_${use}`]));
    });
    const all = same.length ? built(same.map(() => "{}").join(" AND "), ...same) : piece("1");
    return statement(`INSERT INTO guard(id, at, unchanged) SELECT ?, unixepoch(), ${all.sql}`, id, ...all.values);
  }
}

function read(load, row, waiting) {
  const leads = (parsed(row.leads_read) ?? []).map((values) => asLead(zipped(LEAD, values)));
  const answers = (parsed(row.idem_read) ?? []).map((values) => asIdem(zipped(IDEM, values)));
  const first = load.idem?.map((key) => answers.find((found) => found.key === key)).find(Boolean);
  const pairs = parsed(row.received_read) ?? [];
  return {
    idem: first ?? null,
    lead: row.lead_read ? asLead(zipped(LEAD, parsed(row.lead_read))) : null,
    leads,
    submission: row.submission_read ? asSubmission(zipped(SUBMISSION, parsed(row.submission_read))) : null,
    waiting: waiting?.map(asSubmission) ?? (mayWait(row) ? WAITING : []),
    loose: row.loose_read ?? 0,
    count: row.count_read ?? 0,
    mails: parsed(row.mails_read) ?? [],
    suppressed: row.suppressed_read ?? "",
    received: Object.fromEntries(leads.map(({ id }) => [id, pairs.filter((pair) => pair[0] === id).map((p) => p[1])])),
  };
}

/** Whether anything may wait that was not read: there is a lead, and nobody has said that nothing does. */
function mayWait(row) {
  return Boolean(row.lead_read) && row.waiting_read !== "[]";
}

function parsed(text) {
  return text ? JSON.parse(text) : null;
}

function zipped(columns, values) {
  return Object.fromEntries(columns.map((name, at) => [name, values[at]]));
}
