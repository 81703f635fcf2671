"""What the views are computed from: what happened in a shop, each row with the time it happened and the time we knew. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

import polars as pl

MOMENT = pl.Datetime("us", "UTC")
Schema = Mapping[str, pl.DataType | type[pl.DataType]]

# One row per version of an order and product in it; a version without products has one row, and product_id is null.
#   order_at    event time: when it was placed
#   version_at  when it came to be as it stands here
#   known_at    when we learnt of it
#   event       its number in the log: of two versions of one second the later told stands
#   counts      not a test, not cancelled, not deleted
#   units       that the buyer keeps
#   spend       units times the price after line discounts, in the shop's currency
LINES: Schema = {
    "order_id": pl.Int64, "event": pl.Int64, "order_at": MOMENT, "version_at": MOMENT, "known_at": MOMENT, "counts": pl.Boolean,
    "product_id": pl.Int64, "variant_id": pl.Int64, "units": pl.Float64, "spend": pl.Float64,
}  # fmt: skip
# The same versions, one row each: whose the order is, and what all of its lines come to.
ORDERS: Schema = {
    "order_id": pl.Int64, "event": pl.Int64, "order_at": MOMENT, "version_at": MOMENT, "known_at": MOMENT, "counts": pl.Boolean,
    "customer_id": pl.Int64, "spend": pl.Float64,
}  # fmt: skip
# Accounts that were joined: what `customer_id` bought counts for `kept_id` from then on.
MERGES: Schema = {"customer_id": pl.Int64, "kept_id": pl.Int64, "version_at": MOMENT, "known_at": MOMENT}
# One row per version of a product and variant in it; without variants, or deleted: one row, and variant_id is null.
#   listed      active and published
#   stock       units on hand as the product told; null: not tracked
OFFERS: Schema = {
    "product_id": pl.Int64, "event": pl.Int64, "version_at": MOMENT, "known_at": MOMENT, "created_at": MOMENT,
    "listed": pl.Boolean, "variant_id": pl.Int64, "item_id": pl.Int64, "price": pl.Float64, "compare_at": pl.Float64,
    "stock": pl.Float64, "oversell": pl.Boolean,
}  # fmt: skip
# Units at one location from a moment on; null: not stocked there.
STOCK: Schema = {
    "item_id": pl.Int64, "location_id": pl.Int64, "stock": pl.Float64, "event": pl.Int64, "version_at": MOMENT,
    "known_at": MOMENT,
}  # fmt: skip
# What browsers told. `kind`: view, cart, or bought (one row per product of a finished checkout). `gone_at`: from when we
# knew that it does not count; null: it does.
VISITS: Schema = {
    "visitor": pl.String, "product_id": pl.Int64, "kind": pl.String, "version_at": MOMENT, "known_at": MOMENT,
    "gone_at": MOMENT,
}  # fmt: skip
# Values of chosen metafields of products and variants. Both are null where there is no usable value any more.
#   number  of one value, as `metafields.number` has it
#   items   of a list, the same of each
METAFIELDS: Schema = {
    "owner_id": pl.Int64, "attribute_id": pl.Int64, "number": pl.Float64, "items": pl.List(pl.Float64), "event": pl.Int64,
    "version_at": MOMENT, "known_at": MOMENT,
}  # fmt: skip
# Where the fifths of the shop's buyers end at the begin of a period, when that was computed before (see `rfm`).
LIMITS: Schema = {
    "period": MOMENT, "recency_days_limits": pl.List(pl.Float64), "orders_365d_limits": pl.List(pl.Float64),
    "spend_365d_limits": pl.List(pl.Float64),
}  # fmt: skip


def _empty(schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(schema))


@dataclass(frozen=True)
class Tables:
    """Everything that a view may look at.

    Args:
        zone: IANA name of the shop's clock.
        markets: ISO 3166 codes of the countries whose holidays matter.
    """

    lines: pl.DataFrame = field(default_factory=lambda: _empty(LINES))
    orders: pl.DataFrame = field(default_factory=lambda: _empty(ORDERS))
    merges: pl.DataFrame = field(default_factory=lambda: _empty(MERGES))
    offers: pl.DataFrame = field(default_factory=lambda: _empty(OFFERS))
    stock: pl.DataFrame = field(default_factory=lambda: _empty(STOCK))
    visits: pl.DataFrame = field(default_factory=lambda: _empty(VISITS))
    metafields: pl.DataFrame = field(default_factory=lambda: _empty(METAFIELDS))
    limits: pl.DataFrame = field(default_factory=lambda: _empty(LIMITS))
    zone: str = "UTC"
    markets: tuple[str, ...] = ()


def as_known(tables: Tables, by: datetime) -> Tables:
    """The same tables as they are known at one later moment, for training on history from before the app came.

    Whatever was learnt until `by` counts as known when it happened. Of what an import told, only the last state exists:
    it stands for the subject from its beginning on (an order from when it was placed, a product from its creation), so
    that refunds and prices of before the import are as they were at the end. That is a look ahead, taken knowingly and
    said in the lineage; what was known at the time is what the tables themselves say.
    """
    known: dict[str, pl.DataFrame] = {}
    for each in fields(tables):
        frame = getattr(tables, each.name)
        if isinstance(frame, pl.DataFrame) and "known_at" in frame.columns:
            known[each.name] = frame.filter(pl.col("known_at") <= by).with_columns(
                pl.col("version_at").alias("known_at")
            )
    # A robot that was found out later is one from its first page on.
    known["visits"] = known["visits"].filter(pl.col("gone_at").is_null() | (pl.col("gone_at") > by))
    for name, key, began in (
        ("lines", "order_id", "order_at"),
        ("orders", "order_id", "order_at"),
        ("offers", "product_id", "created_at"),
    ):
        first = pl.col("version_at") == pl.col("version_at").min().over(key)
        stands = pl.when(first).then(pl.min_horizontal(began, "version_at")).otherwise("version_at")
        known[name] = known[name].with_columns(stands.alias("version_at"), stands.alias("known_at"))
    return replace(tables, **known)  # type: ignore[arg-type]
