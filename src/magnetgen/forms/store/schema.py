"""The tables of the SQLite store."""

from __future__ import annotations

import sqlite3

VERSION = 1

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
TABLES = ("submission", "idem", "outbox", "lead", "suppression", "disabled", "probe")


def create(connection: sqlite3.Connection, journal: str) -> None:
    """Make what is missing. A file of a newer magnetgen is refused, not guessed at."""
    connection.execute(f"PRAGMA journal_mode={journal}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError(f"the store has version {version}, this magnetgen knows {VERSION}")
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def write_probe(connection: sqlite3.Connection, now: int) -> None:
    connection.execute("INSERT INTO probe VALUES(1, ?) ON CONFLICT DO UPDATE SET at = excluded.at", (now,))


def read_probe(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT at FROM probe").fetchone()
    return row[0] if row else None


def clear(connection: sqlite3.Connection) -> None:
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")
