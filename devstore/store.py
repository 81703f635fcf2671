"""One shop of the local Shopify: an SQLite file, its schema, and the few ways to reach it.

The local Shopify must outlive the app's own databases when those are killed in a test, so it keeps its
own file. Columns are documented in schema.sql, next to this file.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

SCHEMA_VERSION = 1
PLATFORM_FILE = "platform.sqlite3"
COUNTED = {  # name in counts() -> table
    "orders": "orders",
    "lines": "order_lines",
    "customers": "customers",
    "products": "products",
    "variants": "variants",
    "collections": "collections",
    "refunds": "refunds",
}
# Where each kind of id starts. Steps are wide, because Shopify's numbers are shared by all its shops.
ID_STEP = 32_768
ID_BASE = {
    "products": 8_200_000_000_000,
    "variants": 44_100_000_000_000,
    "inventory_items": 46_200_000_000_000,
    "collections": 430_000_000_000,
    "customers": 7_100_000_000_000,
    "orders": 5_600_000_000_000,
    "order_lines": 14_300_000_000_000,
    "refunds": 930_000_000_000,
    "refund_lines": 690_000_000_000,
    "themes": 160_000_000_000,
    "locations": 82_000_000_000,
    "metafields": 27_000_000_000_000,
}
WIDTH = {  # columns of the tables that are filled in bulk
    "products": 15,
    "variants": 13,
    "customers": 8,
    "orders": 30,
    "order_lines": 17,
    "refunds": 6,
    "refund_lines": 6,
}
DEFAULT_STAFF = (
    (1001, "Olivia", "Owner", "olivia@example.com", 1, "en"),
    (1002, "Oscar", "Operator", "oscar@example.com", 0, "en"),
    (1003, "Vera", "Viewer", "vera@example.com", 0, "en"),
)
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.myshopify\.com")
_HERE = Path(__file__).parent
_DEFINITIONS = (_HERE / "definitions.sql").read_text()

SqlParams = Sequence[Any] | Mapping[str, Any]


class BadDomainError(ValueError):
    """The name is not `<letters, digits, hyphens>.myshopify.com` in lower case."""


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """The shop's own settings, as Shopify's Shop object has them."""

    shop_id: int
    name: str
    domain: str
    currency: str
    iana_timezone: str
    email: str
    plan: str
    country: str
    created_at: str


def insert_sql(table: str) -> str:
    """The statement that inserts a whole row into one of the tables of WIDTH, columns as in schema.sql."""
    return f"INSERT INTO {table} VALUES ({', '.join('?' * WIDTH[table])})"  # noqa: S608  names come from WIDTH


def utc_text(moment: datetime) -> str:
    """An aware time as the store keeps it: UTC, whole seconds, ending in Z."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_time(text: str) -> datetime:
    """The aware UTC time that `utc_text` wrote."""
    return datetime.fromisoformat(text)


def domain_offset(domain: str) -> int:
    """Keeps the ids of two shops apart, as on Shopify: a multiple of 7 below ID_STEP, from the name."""
    digest = hashlib.blake2b(domain.encode(), digest_size=4).digest()
    return int.from_bytes(digest) % (ID_STEP // 7) * 7


def shop_path(data: Path, domain: str) -> Path:
    """The file of one shop under the data folder. Raises BadDomainError for any other name."""
    if not _DOMAIN.fullmatch(domain):
        raise BadDomainError(f"{domain!r} is not like birch-and-co.myshopify.com")
    return data / f"{domain}.sqlite3"


def shop_paths(data: Path) -> list[Path]:
    """Every shop file under the data folder, the first made first."""
    found = []
    for path in data.glob("*.myshopify.com.sqlite3"):
        with sqlite3.connect(path) as connection:
            found.append((connection.execute("SELECT made_at FROM file").fetchone()[0], path))
        connection.close()
    return [path for _, path in sorted(found)]


class _Held:
    """A thread's own connection, closed when the thread ends: a server's worker threads come and go."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class Store:
    """One shop's rows. Safe to share between threads: each thread gets its own connection.

    `read` and `one` see the last committed state; `transaction` is the only way to write, takes the
    write lock at once and commits or rolls back as a whole.
    """

    def __init__(self, path: Path, domain: str) -> None:
        self.path = path
        self.domain = domain
        self._local = threading.local()
        self._open: WeakSet[_Held] = WeakSet()
        self._writing = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a shop file that exists. Raises FileNotFoundError, or ValueError for another schema."""
        if not path.is_file():
            raise FileNotFoundError(path)
        store = cls(path, path.name.removesuffix(".sqlite3"))
        row = store.one("SELECT schema_version FROM file")
        if row is None or row[0] != SCHEMA_VERSION:
            store.close()
            raise ValueError(f"{path} was made by another version of the local Shopify: generate it again")
        # Files that were made before metafields had definitions get an empty table of them.
        store.connection().executescript(_DEFINITIONS)
        return store

    @classmethod
    def create(cls, path: Path, *, domain: str, facts: Mapping[str, str]) -> Self:
        """Make an empty shop at `path`, in place of anything there: schema, default staff, shop facts.

        Indexes are left to `finish_load`, so that a bulk load stays quick.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_shop_file(path)
        store = cls(path, domain)
        connection = store.connection()
        connection.executescript((_HERE / "schema.sql").read_text() + _DEFINITIONS)
        with store.transaction() as tx:
            tx.execute("INSERT INTO file VALUES (?, ?)", (SCHEMA_VERSION, time.time()))
            tx.executemany("INSERT INTO shop VALUES (?, ?)", sorted(facts.items()))
            tx.executemany("INSERT INTO staff VALUES (?, ?, ?, ?, ?, ?)", DEFAULT_STAFF)
            tx.executemany(
                "INSERT INTO sequences VALUES (?, ?, ?)",
                [(name, base + domain_offset(domain), ID_STEP) for name, base in ID_BASE.items()],
            )
            tx.execute("INSERT INTO sequences VALUES ('order_number', 1000, 1)")
        return store

    def finish_load(self) -> None:
        """After a bulk load: build indexes, let sequences go on from the highest id, fold the log away."""
        connection = self.connection()
        connection.executescript((_HERE / "indexes.sql").read_text())
        with self.transaction() as tx:
            for name in ID_BASE:
                table, column = (
                    ("variants", "inventory_item_id") if name == "inventory_items" else (name, "id")
                )
                top = tx.execute(f"SELECT max({column}) FROM {table}").fetchone()[0]  # noqa: S608  our names
                tx.execute("UPDATE sequences SET last_id = max(last_id, ?) WHERE name = ?", (top or 0, name))
            tx.execute(
                "UPDATE sequences SET last_id = max(last_id, coalesce((SELECT max(number) FROM orders), 0))"
                " WHERE name = 'order_number'"
            )
        connection.execute("PRAGMA optimize")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None:
            return held.connection
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=OFF", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")
        self._local.held = _Held(connection)
        self._open.add(self._local.held)
        return connection

    def read(self, sql: str, params: SqlParams = ()) -> list[sqlite3.Row]:
        return self.connection().execute(sql, params).fetchall()

    def one(self, sql: str, params: SqlParams = ()) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.connection().execute(sql, params).fetchone()
        return row

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time in this process and, by BEGIN IMMEDIATE, between processes. Not reentrant."""
        connection = self.connection()
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def next_id(self, tx: sqlite3.Connection, name: str) -> int:
        """A fresh id of one kind (a key of ID_BASE, or `order_number`). Deleted ids are never used again."""
        row = tx.execute(
            "UPDATE sequences SET last_id = last_id + step WHERE name = ? RETURNING last_id", (name,)
        ).fetchone()
        return int(row[0])

    def counts(self) -> dict[str, int]:
        """How many orders, lines, customers, products, variants, collections and refunds there are."""
        found = {}
        for name, table in COUNTED.items():
            row = self.one(f"SELECT count(*) FROM {table}")  # noqa: S608  names come from COUNTED
            found[name] = int(row[0]) if row else 0
        return found

    def values(self) -> dict[str, str]:
        """The shop table as it is."""
        return {row["key"]: row["value"] for row in self.read("SELECT key, value FROM shop")}

    def facts(self) -> ShopFacts:
        value = self.values()
        return ShopFacts(
            shop_id=int(value["shop_id"]),
            name=value["name"],
            domain=value["domain"],
            currency=value["currency"],
            iana_timezone=value["iana_timezone"],
            email=value["email"],
            plan=value["plan"],
            country=value["country"],
            created_at=value["created_at"],
        )

    def close(self) -> None:
        """Close every thread's connection. The store must not be used afterwards."""
        for held in list(self._open):
            held.connection.close()
        self._open.clear()
        self._local = threading.local()


def shop_values(
    *, domain: str, name: str, currency: str, iana_timezone: str, country: str, created_at: str, **more: str
) -> dict[str, str]:
    """The keys that every shop table holds, with believable defaults for the rest."""
    digest = hashlib.blake2b(domain.encode(), digest_size=5).digest()
    return {
        "shop_id": str(60_000_000_000 + int.from_bytes(digest) % 10_000_000_000),
        "domain": domain,
        "name": name,
        "currency": currency,
        "iana_timezone": iana_timezone,
        "country": country,
        "email": f"hello@{domain.split('.')[0]}.example.com",
        "plan": "Basic",
        "created_at": created_at,
        **more,
    }


def remove_shop_file(path: Path) -> None:
    """Remove a shop file with its log and index of the log, if they are there."""
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)


def put_in_place(store: Store, path: Path) -> None:
    """Close a store that was built under another name and move it to `path` in one step.

    Whoever reads the old file keeps reading the old shop until it opens the store again.
    """
    store.connection().execute("PRAGMA journal_mode=DELETE")
    store.close()
    remove_shop_file(path)
    store.path.replace(path)
