"""Daily demand: units that were bought and kept, by variant and day of the shop."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
from django.db import connection

from mlops.features.days import days
from tenancy.models import Shop
from tenancy.scope import scoped

DEMAND_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "product_id": pl.Int64,
    "variant_id": pl.Int64,
    "units": pl.Int64,
    "ordered_units": pl.Int64,
    "orders": pl.Int64,
    "revenue": pl.Decimal(18, 4),
}


@scoped
def daily_demand(shop: Shop, *, since: date, until: date) -> pl.DataFrame:
    """Demand of the days from `since` to `until`, both included, cut in the shop's time zone.

    Test, cancelled and deleted orders are out; so are lines without a product. A day without sales of a variant has no
    row. Columns and types: `DEMAND_SCHEMA`; sorted by day, product, variant.

    - units: what the buyers keep: less refunds, edits and removals, whenever those happened.
    - ordered_units: what was ordered on that day; a return weeks later does not undo the wish to buy.
    - orders: orders with that variant.
    - revenue: units times the price after discounts, in the shop's currency, whatever the buyer paid in.

    Raises:
        ValueError: `until` is before `since`.
    """
    cut = days(shop.timezone, since=since, until=until)
    received = io.BytesIO()
    with connection.cursor() as cursor:
        with cursor.copy(_DEMAND_SQL, [list(cut.bounds), shop.pk, cut.begin, cut.end]) as copy:
            for part in copy:
                received.write(part)
    received.seek(0)
    raw = {**DEMAND_SCHEMA, "day": pl.Int32, "revenue": pl.String}
    if not received.getbuffer().nbytes:
        return pl.DataFrame(schema=DEMAND_SCHEMA)
    frame = pl.read_csv(received, has_header=False, new_columns=list(raw), schema_overrides=raw)
    return frame.with_columns(
        (pl.lit(cut.first) + pl.duration(days=pl.col("day"))).alias("day"),
        pl.col("revenue").cast(DEMAND_SCHEMA["revenue"]),
    ).sort("day", "product_id", "variant_id")


_DEMAND_SQL = """
copy (select width_bucket(o.ordered_at, %s::timestamptz[]) - 1, l.product_id, l.variant_id,
             sum(l.current_quantity), sum(l.quantity), count(distinct o.order_id),
             sum(l.current_quantity * l.unit_price)::numeric(18, 4)
        from features_order o join features_orderline l using (shop_id, order_id)
       where o.shop_id = %s and o.ordered_at >= %s and o.ordered_at < %s
         and o.deleted_at is null and o.cancelled_at is null and not o.test
         and l.product_id is not null and l.quantity > 0
       group by 1, 2, 3)
  to stdout with (format csv)
"""
