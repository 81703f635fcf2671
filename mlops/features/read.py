"""Reads of the present state: exact counts, and the frame of order lines that training starts from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from django.db import connection

from tenancy.errors import Bug
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scoped

ORDER_FRAME_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "order_id": pl.Int64,
    "customer_id": pl.Int64,
    "ordered_at": pl.Datetime("us", "UTC"),
    "product_id": pl.Int64,
    "quantity": pl.Int32,
    "unit_price": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Living rows of a shop; test and cancelled orders are orders too."""

    orders: int
    lines: int
    customers: int
    products: int
    variants: int
    collections: int
    refunds: int


@scoped
@reading(actor="system:figures", purpose=Purpose.FIGURES)
def counts(shop: Shop) -> Counts:
    """How many of each the shop has, exactly, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select (select count(*) from features_order where shop_id = %(s)s and deleted_at is null),"
            " (select count(*) from features_orderline where shop_id = %(s)s),"
            " (select count(*) from features_customer where shop_id = %(s)s and deleted_at is null),"
            " (select count(*) from features_product where shop_id = %(s)s and deleted_at is null),"
            " (select count(*) from features_variant where shop_id = %(s)s),"
            " (select count(*) from features_collection where shop_id = %(s)s and deleted_at is null),"
            # Shopify drops an order's refunds with it; a refund may also arrive before its order.
            " (select count(*) from features_refund r where r.shop_id = %(s)s and not exists (select from"
            " features_order o where o.shop_id = r.shop_id and o.order_id = r.order_id and o.deleted_at is not null))",
            {"s": shop.pk},
        )
        return Counts(*cursor.fetchone())


@scoped
def order_frame(shop: Shop, *, until: datetime) -> pl.DataFrame:
    """Lines that were bought and kept, of orders placed before `until`, oldest first.

    Test, cancelled and deleted orders are out; so are lines without a product and units that were refunded or removed, and
    orders of visitors who did not count when they bought (crawlers, staff and test visitors; see `mlops.features.conduct`).
    Columns and types: `ORDER_FRAME_SCHEMA`; customer_id is null for guests; unit_price is the mean over the units, in the
    shop's currency; sorted by time, order, product. One row per order and product.
    """
    with connection.cursor() as cursor:
        # Right after an import the planner still believes the tables empty, and would loop over every pair of rows.
        cursor.execute("analyze features_order, features_orderline")
        with cursor.copy(FRAME_SQL, [shop.pk, until]) as copy:
            received = b"".join(bytes(part) for part in copy)
    rows = np.frombuffer(
        received, _ROW, count=(len(received) - _HEADER - _TRAILER) // _ROW.itemsize, offset=_HEADER
    )
    if np.any(rows["fields"] != len(ORDER_FRAME_SCHEMA)):
        raise Bug("Postgres sent another row layout than the frame is read with")
    columns = {name: rows[name].astype(rows[name].dtype.newbyteorder("=")) for name in ORDER_FRAME_SCHEMA}
    return (
        pl.DataFrame(columns)
        .with_columns(
            pl.col("customer_id").replace(_GUEST, None),
            pl.from_epoch("ordered_at", time_unit="us").dt.replace_time_zone("UTC"),
        )
        .sort("ordered_at", "order_id", "product_id")
    )


# Postgres's binary COPY: a header, then per row the number of fields and each field's length before its value. Without
# nulls every row has the same length, so a million of them are one array of 70 MB instead of five million objects.
_GUEST = -1
_HEADER, _TRAILER = 19, 2
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("order_id_length", ">i4"),
        ("order_id", ">i8"),
        ("customer_id_length", ">i4"),
        ("customer_id", ">i8"),
        ("ordered_at_length", ">i4"),
        ("ordered_at", ">i8"),
        ("product_id_length", ">i4"),
        ("product_id", ">i8"),
        ("quantity_length", ">i4"),
        ("quantity", ">i4"),
        ("unit_price_length", ">i4"),
        ("unit_price", ">f8"),
    ]
)
FRAME_SQL = """
copy (select o.order_id, coalesce(o.customer_id, -1), (extract(epoch from o.ordered_at) * 1000000)::bigint,
             l.product_id, sum(l.current_quantity)::integer,
             (sum(l.unit_price * l.current_quantity) / sum(l.current_quantity))::float8
        from features_order o join features_orderline l using (shop_id, order_id)
       where o.shop_id = %s and o.ordered_at < %s and o.deleted_at is null and o.cancelled_at is null
         and not o.test and l.product_id is not null and l.current_quantity > 0
         and (o.visitor is null or not exists (select from features_excluded_visitor e where e.shop_id = o.shop_id
              and e.visitor = o.visitor and e.since <= o.ordered_at and (e.until is null or o.ordered_at < e.until)))
       group by o.order_id, o.customer_id, o.ordered_at, l.product_id)
  to stdout with (format binary)
"""


@scoped
def eligible_products(shop: Shop) -> frozenset[int]:
    """Products that are active and published, whatever their stock at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select product_id from features_product where shop_id = %s and deleted_at is null"
            " and status = 'active' and published_at is not null",
            [shop.pk],
        )
        return frozenset(row[0] for row in cursor.fetchall())
