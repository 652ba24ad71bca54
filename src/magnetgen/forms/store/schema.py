"""The tables, in words that SQLite reads; what PostgreSQL calls otherwise is exchanged."""

from __future__ import annotations

from collections.abc import Iterator

from magnetgen.forms.site import SiteFault
from magnetgen.forms.store.connection import Connection

VERSION = 1
"""Rises when older code would go wrong on the tables. What it can leave alone is added without a new one, so that a
deploy can be undone."""

_TABLES = """
CREATE TABLE IF NOT EXISTS lead(
  id TEXT PRIMARY KEY, form_id TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT NOT NULL,
  status TEXT NOT NULL CHECK(status IN ('pending','confirmed','unsubscribed')),
  data TEXT NOT NULL, consent TEXT NOT NULL, created_at INTEGER NOT NULL,
  confirmed_at INTEGER, unsubscribed_at INTEGER, downloaded_at INTEGER,
  UNIQUE(form_id, email_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lead_newest ON lead(created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS lead_person ON lead(email_key);
CREATE TABLE IF NOT EXISTS submission(
  id TEXT PRIMARY KEY, form_id TEXT NOT NULL, lead_id TEXT REFERENCES lead(id), email TEXT NOT NULL, email_key TEXT,
  status TEXT NOT NULL CHECK(status IN ('accepted','held','quarantined')), reason TEXT NOT NULL,
  fields TEXT NOT NULL, consent TEXT NOT NULL, source TEXT NOT NULL, created_at INTEGER NOT NULL, applied_at INTEGER,
  CHECK((status = 'accepted') = (lead_id IS NOT NULL))) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS submission_lead ON submission(lead_id, created_at);
CREATE INDEX IF NOT EXISTS submission_person ON submission(email_key) WHERE lead_id IS NULL;
CREATE INDEX IF NOT EXISTS submission_newest ON submission(created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS submission_recent ON submission(form_id, created_at);
CREATE INDEX IF NOT EXISTS submission_status ON submission(status, created_at) WHERE status <> 'accepted';
CREATE TABLE IF NOT EXISTS idem(
  form_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, response TEXT NOT NULL,
  expires_at INTEGER NOT NULL, submission_id TEXT NOT NULL, PRIMARY KEY(form_id, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idem_expiry ON idem(expires_at);
CREATE INDEX IF NOT EXISTS idem_submission ON idem(submission_id);
CREATE TABLE IF NOT EXISTS outbox(
  id TEXT PRIMARY KEY, lead_id TEXT NOT NULL, form_id TEXT NOT NULL, dest TEXT NOT NULL, kind TEXT NOT NULL,
  cause TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('due','leased','done','dead')), attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL, lease_owner TEXT NOT NULL DEFAULT '', lease_until INTEGER NOT NULL DEFAULT 0,
  last_code TEXT NOT NULL DEFAULT '', UNIQUE(lead_id, dest, kind, cause)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox(dest, next_at) WHERE state IN ('due','leased');
CREATE INDEX IF NOT EXISTS outbox_newest ON outbox(created_at DESC);
CREATE TABLE IF NOT EXISTS suppression(email_key TEXT PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disabled(dest TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS probe(id INTEGER PRIMARY KEY CHECK(id = 1), at INTEGER NOT NULL);
"""
LATEST = "code"
"""The table that was added last: a store that has it has all of them."""
_CODES = """
CREATE TABLE IF NOT EXISTS code(
  magnet TEXT NOT NULL, code TEXT NOT NULL, lead_id TEXT REFERENCES lead(id) ON DELETE SET NULL, at INTEGER NOT NULL,
  PRIMARY KEY(magnet, code), UNIQUE(lead_id, magnet)) WITHOUT ROWID;
"""
"""Erasing a lead keeps the row, and nobody knows by it who had the code: not even if code erases that knows no codes."""
RATE = (
    "CREATE TABLE IF NOT EXISTS rate(bucket TEXT, key TEXT, n INTEGER NOT NULL, ends_at INTEGER NOT NULL, "
    "PRIMARY KEY(bucket, key)) WITHOUT ROWID"
)
_GUARD = (
    "CREATE TABLE IF NOT EXISTS guard(id TEXT PRIMARY KEY, at INTEGER NOT NULL, "
    "unchanged INTEGER NOT NULL CONSTRAINT unchanged CHECK(unchanged)) WITHOUT ROWID"
)
"""D1 has no transaction that a decision could run in. Each commit begins with a row here, which cannot be written when
what was read has changed since; it is the commit's receipt, too, should its answer get lost."""
TABLES = ("code", "submission", "idem", "outbox", "lead", "suppression", "disabled", "probe")


_POSTGRES = (("INTEGER", "BIGINT"), ("TEXT", 'TEXT COLLATE "C"'), (" WITHOUT ROWID", ""))
"""Ids and keys compare by their bytes, as in SQLite: no update of a system's locales can disorder an index."""


def for_sqlite() -> Iterator[str]:
    for tables in (_TABLES, _CODES):
        yield from tables.strip().split(";\n")


def for_postgres() -> Iterator[str]:
    for statement in for_sqlite():
        for sqlite, postgres in _POSTGRES:
            statement = statement.replace(sqlite, postgres)
        yield statement


def for_d1() -> Iterator[str]:
    """Each on one line, as D1's `exec()` wants them; counting has no file of its own there."""
    for statements in migrations().values():
        yield from statements


def migrations() -> dict[str, tuple[str, ...]]:
    """The same, a file for each version: D1 remembers names, and what it has once applied must not change."""
    own = (RATE, "CREATE INDEX IF NOT EXISTS rate_end ON rate(ends_at)", _GUARD)
    first, second = _TABLES.strip().split(";\n"), _CODES.strip().split(";\n")
    made = {"0001_magnetgen.sql": (*first, *own), "0002_codes.sql": second}
    return {name: tuple(" ".join(text.rstrip(";").split()) for text in texts) for name, texts in made.items()}


def check(version: int) -> None:
    """A newer magnetgen's tables are refused, not guessed at."""
    if version > VERSION:
        raise SiteFault(
            f"the store has version {version}, and this magnetgen knows versions up to {VERSION}: install the newer one"
        )


def write_probe(connection: Connection, now: int) -> int | None:
    """Write the time; what the row holds then."""
    connection.execute("INSERT INTO probe VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET at = excluded.at", (now,))
    return read_probe(connection)


def read_probe(connection: Connection) -> int | None:
    row = connection.execute("SELECT at FROM probe").fetchone()
    return row[0] if row else None


def clear(connection: Connection) -> None:
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")
