"""What a live request can reach besides the shop's file. A bulk operation's process has none of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from devstore.api_state import ApiState
from devstore.effects import Change, touch_product
from devstore.resolvers.fields import BadArgument, Reader, Row
from devstore.store import Store, utc_text

if TYPE_CHECKING:
    from devstore.platform import Platform


class BulkRunner(Protocol):
    """How a mutation starts and stops bulk operations (devstore.bulk)."""

    def run_query(
        self, reader: Reader, query: str, *, group_objects: bool, limit: int
    ) -> tuple[Mapping[str, Any] | None, list[dict[str, Any]]]: ...

    def cancel(
        self, reader: Reader, identifier: int
    ) -> tuple[Mapping[str, Any] | None, list[dict[str, Any]]]: ...

    def row(self, reader: Reader, identifier: int) -> Mapping[str, Any] | None: ...

    def rows(self, reader: Reader) -> list[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Typed:
    """A row together with its type, where the schema only promises an interface or a payload's object."""

    type_name: str
    row: Row


@dataclass(frozen=True, slots=True)
class Services:
    platform: Platform
    store: Store
    state: ApiState
    bulk: BulkRunner

    def now(self) -> str:
        return utc_text(datetime.now(UTC))

    def installed_at(self) -> float:
        install = self.platform.installs.active(self.store.domain)
        return install.installed_at if install else 0.0

    def set_metafields(self, items: Sequence[tuple[str, str, str, str | None, str]]) -> list[sqlite3.Row]:
        """Create or change (owner, namespace, key, type, value) all together; returns the rows in the same order."""
        now = self.now()
        rows = []
        with self.store.transaction() as tx:
            for owner, namespace, key, kind, value in items:
                known = tx.execute(
                    "SELECT id, type FROM metafields WHERE owner_gid = ? AND namespace = ? AND key = ?",
                    (owner, namespace, key),
                ).fetchone()
                if known is None:
                    identifier = self.store.next_id(tx, "metafields")
                    tx.execute(
                        "INSERT INTO metafields VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            identifier,
                            owner,
                            namespace,
                            key,
                            kind or "single_line_text_field",
                            value,
                            now,
                            now,
                        ),
                    )
                else:
                    identifier = known["id"]
                    tx.execute(
                        "UPDATE metafields SET type = ?, value = ?, updated_at = ? WHERE id = ?",
                        (kind or known["type"], value, now, identifier),
                    )
                rows.append(tx.execute("SELECT * FROM metafields WHERE id = ?", (identifier,)).fetchone())
            changes = _touched(tx, [owner for owner, *_ in items])
        self.platform.emit(self.store, changes)
        return rows

    def delete_metafield(self, owner: str, namespace: str, key: str) -> bool:
        with self.store.transaction() as tx:
            sql = "DELETE FROM metafields WHERE owner_gid = ? AND namespace = ? AND key = ?"
            gone = tx.execute(sql, (owner, namespace, key)).rowcount == 1
            changes = _touched(tx, [owner]) if gone else []
        self.platform.emit(self.store, changes)
        return gone


def _touched(tx: sqlite3.Connection, owners: Sequence[str]) -> list[Change]:
    """The products whose own metafields, or whose variants' metafields, changed."""
    products: dict[int, None] = {}
    for owner in owners:
        kind, _, number = owner.removeprefix("gid://shopify/").partition("/")
        if kind == "Product":
            products[int(number)] = None
        elif kind == "ProductVariant":
            row = tx.execute("SELECT product_id FROM variants WHERE id = ?", (int(number),)).fetchone()
            if row is not None:
                products[row["product_id"]] = None
    return [touch_product(tx, product_id, datetime.now(UTC)) for product_id in products]


def services_of(reader: Reader) -> Services:
    """Raises BadArgument in a bulk operation, where such a field cannot be asked for."""
    services = reader.services
    if not isinstance(services, Services):
        raise BadArgument("This field cannot be used in a bulk operation.")
    return services
