"""What a mutation of the store caused, or why it was refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from devstore.store import utc_text

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Change:
    """One webhook that Shopify would send: its topic and the object it tells of.

    `id` is the numeric id of the object; for `inventory_levels/update` that of the inventory item.
    `extra` holds what cannot be read from the store afterwards (a deleted or merged object, scopes).
    """

    topic: str
    resource: str
    id: int
    extra: Mapping[str, Any] = field(default_factory=dict)


class RefusalCode(StrEnum):
    NOT_FOUND = "not_found"
    SOLD_OUT = "sold_out"
    INVALID = "invalid"


class ChangeRefusedError(Exception):
    """The store would not do it; nothing was written. `code` for programs, the text for people."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def money(amount: Decimal) -> str:
    """Decimal text with two places, rounded half up as on a receipt."""
    return str(amount.quantize(CENT, ROUND_HALF_UP))


def later(now: datetime, previous: str) -> str:
    """The time of a change: now, but never before the object's last change."""
    return max(utc_text(now), previous)


def found(row: sqlite3.Row | None, what: str, object_id: int) -> sqlite3.Row:
    """The row, or a refusal that names what is missing."""
    if row is None:
        raise ChangeRefusedError(RefusalCode.NOT_FOUND, f"There is no {what} {object_id}.")
    return row


def move_stock(tx: sqlite3.Connection, deltas: Mapping[int, int], now: datetime) -> list[Change]:
    """Add to the stock of tracked variants (`deltas` by variant id); untracked and deleted ones are left.

    One inventory change per variant and one product change per product, as Shopify sends them.
    """
    changes: list[Change] = []
    products: dict[int, None] = {}
    for variant_id, delta in deltas.items():
        row = tx.execute("SELECT * FROM variants WHERE id = ? AND tracked = 1", (variant_id,)).fetchone()
        if row is None or delta == 0:
            continue
        tx.execute(
            "UPDATE variants SET available = available + ?, updated_at = ? WHERE id = ?",
            (delta, later(now, row["updated_at"]), variant_id),
        )
        changes.append(Change("inventory_levels/update", "inventory_item", row["inventory_item_id"]))
        products[row["product_id"]] = None
    return changes + [touch_product(tx, product_id, now) for product_id in products]


def touch_product(tx: sqlite3.Connection, product_id: int, now: datetime) -> Change:
    """Mark a product as changed at `now`."""
    tx.execute(
        "UPDATE products SET updated_at = max(updated_at, ?) WHERE id = ?",
        (utc_text(now), product_id),
    )
    return Change("products/update", "product", product_id)
