"""platform.sqlite3: what the platform, not a shop, remembers across restarts.

Installs, tokens, shop-specific subscriptions, deliveries and the fault switches. One connection behind a lock:
statements are short, and the file survives the death of the app's own databases.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstore.store import SqlParams

SCHEMA = """
CREATE TABLE IF NOT EXISTS installs (
    shop TEXT PRIMARY KEY, scopes TEXT NOT NULL, installed_at REAL NOT NULL, uninstalled_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    access_token TEXT PRIMARY KEY, shop TEXT NOT NULL, kind TEXT NOT NULL, scopes TEXT NOT NULL,
    staff_id INTEGER, created_at REAL NOT NULL, expires_at REAL, revoked_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS tokens_of_shop ON tokens (shop) WHERE revoked_at IS NULL;
CREATE TABLE IF NOT EXISTS refresh_tokens (
    refresh_token TEXT PRIMARY KEY, shop TEXT NOT NULL, expires_at REAL NOT NULL,
    replaced_by TEXT, retired_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS subscriptions (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, topic TEXT NOT NULL, uri TEXT NOT NULL, name TEXT, filter TEXT,
    include_fields TEXT NOT NULL, metafield_namespaces TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, event_id TEXT NOT NULL, shop TEXT NOT NULL, topic TEXT NOT NULL,
    uri TEXT NOT NULL, name TEXT, subscription_id INTEGER, api_version TEXT NOT NULL, body BLOB NOT NULL,
    triggered_at REAL NOT NULL, state TEXT NOT NULL, duplicate INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at REAL, last_status INTEGER, last_error TEXT, finished_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_of_shop ON deliveries (shop, id);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class Ledger:
    """Thread-safe access to platform.sqlite3; every call is one short transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)

    def rows(self, sql: str, params: SqlParams = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, params).fetchall()

    def row(self, sql: str, params: SqlParams = ()) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, params).fetchone()
            return found

    def execute(self, sql: str, params: SqlParams = ()) -> int:
        """Run one change and return how many rows it touched."""
        with self._lock:
            return self._connection.execute(sql, params).rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Several changes that happen together or not at all. Not reentrant."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._connection.close()
