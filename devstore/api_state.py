"""admin_api.sqlite3: what the Admin API itself remembers for each shop and app.

Bulk operations (written by their own processes as well), web pixels and received Flow triggers. Apart from the shop
files, which may be replaced while the server runs, and from platform.sqlite3, which only the server writes.
"""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

STATE_FILE = "admin_api.sqlite3"
SCHEMA = """
CREATE TABLE IF NOT EXISTS bulk_operations (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, query TEXT NOT NULL, plan TEXT NOT NULL,
    group_objects INTEGER NOT NULL, base_url TEXT NOT NULL, file TEXT NOT NULL,
    status TEXT NOT NULL, error_code TEXT, created_at TEXT NOT NULL, completed_at TEXT,
    object_count INTEGER NOT NULL DEFAULT 0, root_object_count INTEGER NOT NULL DEFAULT 0, file_size INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0, orders_since TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS bulk_operations_of_shop ON bulk_operations (shop, id);
CREATE TABLE IF NOT EXISTS web_pixels (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, settings TEXT NOT NULL, installed_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS flow_triggers (
    id INTEGER PRIMARY KEY, shop TEXT NOT NULL, handle TEXT NOT NULL, payload TEXT NOT NULL, received_at TEXT NOT NULL
) STRICT;
"""


class BulkStatus(StrEnum):
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


UNFINISHED = (BulkStatus.CREATED, BulkStatus.RUNNING, BulkStatus.CANCELING)
_UNFINISHED_SQL = "status IN ('CREATED', 'RUNNING', 'CANCELING')"


@dataclass(frozen=True)
class BulkRow:
    """One bulk operation.

    `file` is the unguessable stem of its result file; `told`: the finish webhook was sent; `orders_since`: older orders
    are hidden from it, None when none are.
    """

    id: int
    shop: str
    query: str
    plan: str
    group_objects: bool
    base_url: str
    file: str
    status: BulkStatus
    error_code: str | None
    created_at: str
    completed_at: str | None
    object_count: int
    root_object_count: int
    file_size: int | None
    attempts: int
    told: bool
    orders_since: str | None

    @property
    def finished(self) -> bool:
        return self.status not in UNFINISHED


class ApiState:
    """Thread-safe, and safe beside the processes that run bulk operations: every call is one short statement."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, params).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Several statements that see and change one state. Not reentrant."""
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

    # Bulk operations

    def add_bulk(self, *, limit: int, **values: Any) -> BulkRow | None:
        """Write down a new operation; None when the shop has `limit` unfinished ones already."""
        names = ", ".join(values)
        with self.transaction() as tx:
            (running,) = tx.execute(
                f"SELECT count(*) FROM bulk_operations WHERE shop = ? AND {_UNFINISHED_SQL}",
                (values["shop"],),
            ).fetchone()
            if running >= limit:
                return None
            row = tx.execute(
                f"INSERT INTO bulk_operations ({names}) VALUES ({', '.join('?' * len(values))}) RETURNING *",
                tuple(values.values()),
            ).fetchone()
        return _bulk_row(row)

    def bulk(self, shop: str, identifier: int) -> BulkRow | None:
        rows = self.rows("SELECT * FROM bulk_operations WHERE shop = ? AND id = ?", (shop, identifier))
        return _bulk_row(rows[0]) if rows else None

    def bulk_by_file(self, file: str) -> BulkRow | None:
        rows = self.rows("SELECT * FROM bulk_operations WHERE file = ?", (file,))
        return _bulk_row(rows[0]) if rows else None

    def bulks(self, shop: str) -> list[BulkRow]:
        """Every operation of the shop, oldest first."""
        return [
            _bulk_row(row)
            for row in self.rows("SELECT * FROM bulk_operations WHERE shop = ? ORDER BY id", (shop,))
        ]

    def open_bulks(self) -> list[BulkRow]:
        """Operations that are not finished, or whose end nobody was told of."""
        return [
            _bulk_row(row)
            for row in self.rows(
                f"SELECT * FROM bulk_operations WHERE told = 0 OR {_UNFINISHED_SQL} ORDER BY id"
            )
        ]

    def move_bulk(
        self, identifier: int, before: Sequence[BulkStatus], after: BulkStatus, **values: Any
    ) -> bool:
        """Change the status if it is one of `before`, with other columns; False when it was not."""
        sets = "".join(f", {name} = ?" for name in values)
        with self._lock:
            cursor = self._connection.execute(
                f"UPDATE bulk_operations SET status = ?{sets} WHERE id = ? AND status IN ({', '.join('?' * len(before))})",
                (after, *values.values(), identifier, *before),
            )
        return cursor.rowcount == 1

    def progress(self, identifier: int, *, objects: int, roots: int, size: int) -> BulkStatus:
        """Write how far the operation is; returns its status, which someone may have changed to CANCELING."""
        with self._lock:
            row = self._connection.execute(
                "UPDATE bulk_operations SET object_count = ?, root_object_count = ?, file_size = ? WHERE id = ?"
                " RETURNING status",
                (objects, roots, size, identifier),
            ).fetchone()
        return BulkStatus(row["status"]) if row else BulkStatus.CANCELING

    def tell_bulk(self, identifier: int) -> bool:
        """Claim the sending of the finish webhook; False when it was claimed before."""
        with self._lock:
            sql = "UPDATE bulk_operations SET told = 1 WHERE id = ? AND told = 0"
            return self._connection.execute(sql, (identifier,)).rowcount == 1

    # Web pixels: one per shop and app, gone with the install it was made in

    def pixel(self, shop: str, installed_at: float) -> Mapping[str, Any] | None:
        rows = self.rows(
            "SELECT * FROM web_pixels WHERE shop = ? AND installed_at = ? ORDER BY id DESC LIMIT 1",
            (shop, installed_at),
        )
        return dict(rows[0]) if rows else None

    def add_pixel(self, shop: str, installed_at: float, settings: str) -> Mapping[str, Any]:
        rows = self.rows(
            "INSERT INTO web_pixels (shop, settings, installed_at) VALUES (?, ?, ?) RETURNING *",
            (shop, settings, installed_at),
        )
        return dict(rows[0])

    def change_pixel(self, identifier: int, settings: str | None) -> None:
        """Replace the settings, or delete the pixel with None."""
        if settings is None:
            self.rows("DELETE FROM web_pixels WHERE id = ?", (identifier,))
        else:
            self.rows("UPDATE web_pixels SET settings = ? WHERE id = ?", (settings, identifier))

    # Flow triggers

    def add_flow_trigger(self, shop: str, handle: str, payload: str, received_at: str) -> None:
        self.rows(
            "INSERT INTO flow_triggers (shop, handle, payload, received_at) VALUES (?, ?, ?, ?)",
            (shop, handle, payload, received_at),
        )

    def flow_triggers(self) -> list[sqlite3.Row]:
        return self.rows("SELECT * FROM flow_triggers ORDER BY id")


def _bulk_row(row: sqlite3.Row) -> BulkRow:
    values = dict(row)
    values["group_objects"] = bool(values["group_objects"])
    values["told"] = bool(values["told"])
    values["status"] = BulkStatus(values["status"])
    return BulkRow(**values)
