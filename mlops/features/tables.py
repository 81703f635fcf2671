"""Set-based writes: rows go in as one array per column, so a batch is one statement whatever its size.

Arrays of arrays do not exist in this form: a list of ids travels as a text, see `id_list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from mlops.features.arrays import array


@dataclass(frozen=True, slots=True)
class Table:
    """A table of present state.

    Args:
        key: columns that, with the shop, name a row.
        columns: name to Postgres type, in the order in which rows give their values; the key comes first.
        newest_wins: a row is replaced only by one whose `version_at` is not older.
        casts: SQL that turns the sent value of a column (named `u.<column>`) into the stored one.
        keeps: columns whose stored value stays when the new row does not tell it.
        blanks: SQL for the required columns of a tombstone whose subject was never seen alive.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    newest_wins: bool
    casts: tuple[tuple[str, str], ...] = ()
    blanks: tuple[tuple[str, str], ...] = ()
    keeps: tuple[str, ...] = ()

    def upsert(self, cursor: CursorWrapper, shop_id: int, rows: Sequence[tuple[Any, ...]]) -> set[Any]:
        """Write the rows; the result holds the keys of those that were written (a tuple when there are several).

        The rows must have distinct keys.
        """
        newest = f"excluded.version_at >= {self.name}.version_at" if self.newest_wins else ""
        return self._upsert(cursor, shop_id, rows, newest)

    def sooner_or_later(
        self, cursor: CursorWrapper, shop_id: int, rows: Sequence[tuple[Any, ...]], now: datetime
    ) -> set[Any]:
        """As `upsert`, for tables whose last column is `told_at`: it decides between states of one version time.

        Of two that were sent, the one sent later is kept, in whatever order they arrive. One that was read just now (its
        `told_at` is None) replaces either.
        """
        sent = [row for row in rows if row[-1] is not None]
        read = [(*row[:-1], now) for row in rows if row[-1] is None]
        held = self.name
        later = (
            f"excluded.version_at > {held}.version_at or (excluded.version_at = {held}.version_at"
            f" and ({held}.told_at is null or excluded.told_at >= {held}.told_at))"
        )
        return self._upsert(cursor, shop_id, sent, later) | self.upsert(cursor, shop_id, read)

    def _upsert(
        self, cursor: CursorWrapper, shop_id: int, rows: Sequence[tuple[Any, ...]], where: str
    ) -> set[Any]:
        if not rows:
            return set()
        names = [name for name, _ in self.columns]
        casts = dict(self.casts)
        given = ", ".join(casts.get(name, f"u.{name}") for name in names)
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in self.columns)
        changes = ", ".join(
            f"{name} = coalesce(excluded.{name}, {self.name}.{name})"
            if name in self.keeps
            else f"{name} = excluded.{name}"
            for name in names
            if name not in self.key
        )
        action = f"do update set {changes}" + (f" where {where}" if where else "")
        cursor.execute(
            f"insert into {self.name} (shop_id, {', '.join(names)}) select %s, {given}"  # noqa: S608 constants of this file
            f" from unnest({arrays}) as u({', '.join(names)})"
            f" on conflict (shop_id, {', '.join(self.key)}) {action}"
            f" returning {', '.join(f'{self.name}.{name}' for name in self.key)}",
            [
                shop_id,
                *(
                    array(kind, values)
                    for (_, kind), values in zip(self.columns, zip(*rows, strict=True), strict=True)
                ),
            ],
        )
        return {row[0] if len(row) == 1 else row for row in cursor.fetchall()}

    def bury(self, cursor: CursorWrapper, shop_id: int, deaths: Sequence[tuple[int, datetime]]) -> set[int]:
        """Mark subjects as deleted at these version times; the result holds those that were not deleted later."""
        if not deaths:
            return set()
        extra = "".join(f", {name}" for name, _ in self.blanks)
        values = "".join(f", {sql}" for _, sql in self.blanks)
        cursor.execute(
            f"insert into {self.name} (shop_id, {self.key[0]}, version_at, told_at, deleted_at{extra})"  # noqa: S608
            f" select %s, u.id, u.at, u.at, u.at{values} from unnest(%s::bigint[], %s::timestamptz[]) as u(id, at)"
            f" on conflict (shop_id, {self.key[0]}) do update"
            f" set version_at = excluded.version_at, told_at = excluded.told_at, deleted_at = excluded.deleted_at"
            f" where excluded.version_at >= {self.name}.version_at returning"
            f" {self.name}.{self.key[0]}",
            [shop_id, *(list(column) for column in zip(*deaths, strict=True))],
        )
        return {row[0] for row in cursor.fetchall()}


PRODUCT = Table(
    name="features_product",
    key=("product_id",),
    columns=(
        ("product_id", "bigint"),
        ("version_at", "timestamptz"),
        ("handle", "text"),
        ("title", "text"),
        ("product_type", "text"),
        ("vendor", "text"),
        ("status", "text"),
        ("tags", "text"),
        ("created_at", "timestamptz"),
        ("published_at", "timestamptz"),
        ("image_url", "text"),
        ("gift_card", "boolean"),
        ("deleted_at", "timestamptz"),
        ("told_at", "timestamptz"),
    ),
    newest_wins=True,
    casts=(("tags", "array(select jsonb_array_elements_text(u.tags::jsonb))"),),
    blanks=(
        ("handle", "''"),
        ("title", "''"),
        ("product_type", "''"),
        ("vendor", "''"),
        ("status", "'deleted'"),
        ("tags", "'{}'"),
        ("created_at", "u.at"),
        ("gift_card", "false"),
    ),
)
VARIANT = Table(
    name="features_variant",
    key=("variant_id",),
    columns=(
        ("variant_id", "bigint"),
        ("product_id", "bigint"),
        ("title", "text"),
        ("sku", "text"),
        ("price", "numeric"),
        ("compare_at_price", "numeric"),
        ("position", "integer"),
        ("inventory_item_id", "bigint"),
        ("available", "integer"),
        ("continue_selling", "boolean"),
    ),
    newest_wins=False,
)
STOCK_LEVEL = Table(
    name="features_stocklevel",
    key=("inventory_item_id", "location_id"),
    columns=(
        ("inventory_item_id", "bigint"),
        ("location_id", "bigint"),
        ("available", "integer"),
        ("version_at", "timestamptz"),
        ("told_at", "timestamptz"),
    ),
    newest_wins=True,
)
COLLECTION = Table(
    name="features_collection",
    key=("collection_id",),
    columns=(
        ("collection_id", "bigint"),
        ("version_at", "timestamptz"),
        ("handle", "text"),
        ("title", "text"),
        ("product_ids", "text"),
        ("deleted_at", "timestamptz"),
        ("told_at", "timestamptz"),
    ),
    newest_wins=True,
    casts=(("product_ids", "u.product_ids::bigint[]"),),
    blanks=(("handle", "''"), ("title", "''")),
    keeps=("product_ids",),
)
CUSTOMER = Table(
    name="features_customer",
    key=("customer_id",),
    columns=(
        ("customer_id", "bigint"),
        ("version_at", "timestamptz"),
        ("created_at", "timestamptz"),
        ("merged_into", "bigint"),
        ("deleted_at", "timestamptz"),
        ("told_at", "timestamptz"),
    ),
    newest_wins=True,
    blanks=(("created_at", "u.at"),),
    keeps=("merged_into",),
)
ORDER = Table(
    name="features_order",
    key=("order_id",),
    columns=(
        ("order_id", "bigint"),
        ("version_at", "timestamptz"),
        ("ordered_at", "timestamptz"),
        ("name", "text"),
        ("customer_id", "bigint"),
        ("currency", "text"),
        ("presentment_currency", "text"),
        ("presentment_total", "numeric"),
        ("total", "numeric"),
        ("refunded", "numeric"),
        ("cancelled_at", "timestamptz"),
        ("test", "boolean"),
        ("source_name", "text"),
        ("visitor", "text"),
        ("deleted_at", "timestamptz"),
        ("told_at", "timestamptz"),
    ),
    newest_wins=True,
    blanks=(
        ("ordered_at", "u.at"),
        ("name", "''"),
        ("currency", "''"),
        ("presentment_currency", "''"),
        ("total", "0"),
        ("refunded", "0"),
        ("test", "false"),
        ("source_name", "''"),
    ),
)
ORDER_LINE = Table(
    name="features_orderline",
    key=("order_id", "line_id"),
    columns=(
        ("order_id", "bigint"),
        ("line_id", "bigint"),
        ("product_id", "bigint"),
        ("variant_id", "bigint"),
        ("sku", "text"),
        ("quantity", "integer"),
        ("current_quantity", "integer"),
        ("unit_price", "numeric"),
        ("exposure", "text"),
    ),
    newest_wins=False,
)
REFUND = Table(
    name="features_refund",
    key=("refund_id",),
    columns=(
        ("refund_id", "bigint"),
        ("order_id", "bigint"),
        ("version_at", "timestamptz"),
        ("amount", "numeric"),
        ("currency", "text"),
    ),
    newest_wins=True,
)
REFUND_LINE = Table(
    name="features_refundline",
    key=("refund_id", "line_id"),
    columns=(("refund_id", "bigint"), ("line_id", "bigint"), ("quantity", "integer"), ("amount", "numeric")),
    newest_wins=False,
)
OUTCOME = Table(
    name="features_outcome",
    key=("key",),
    columns=(
        ("key", "text"),
        ("kind", "text"),
        ("exposure_id", "text"),
        ("at", "timestamptz"),
        ("product_id", "bigint"),
        ("visitor", "text"),
        ("order_id", "bigint"),
        ("line_id", "bigint"),
        ("quantity", "integer"),
        ("amount", "numeric"),
    ),
    newest_wins=False,
)
