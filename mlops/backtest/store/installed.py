"""An installed shop's kept orders as a history: what training would see, line by line. Needs Postgres."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from io import BytesIO

import polars as pl
from django.db import connection

from mlops.backtest.commands import BadInput
from mlops.backtest.store.history import SCHEMA, History, Product
from tenancy.models import Shop, ShopState
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

_LINES = """
copy (select o.order_id, o.customer_id, (extract(epoch from o.ordered_at) * 1000)::bigint,
             l.product_id, coalesce(l.variant_id, l.product_id), l.current_quantity, l.unit_price
        from features_order o join features_orderline l using (shop_id, order_id)
       where o.shop_id = %s and o.ordered_at < %s and o.deleted_at is null and o.cancelled_at is null
         and not o.test and l.product_id is not null and l.current_quantity > 0
       order by o.ordered_at, o.order_id, l.line_id)
  to stdout with (format csv)
"""
_COLUMNS = {
    "order_id": pl.Int64,
    "customer_id": pl.Int64,
    "at": pl.Int64,
    "product_id": pl.Int64,
    "variant_id": pl.Int64,
    "quantity": pl.Float64,
    "unit_price": pl.Float64,
}


def read_shop(domain: str, until: datetime, tell: Callable[[str], object]) -> History:
    """The shop's history before a moment. Pseudonyms become numbers of this run and are not kept.

    Raises:
        BadInput: no such shop, or nothing was sold.
    """
    shop = Shop.objects.filter(domain=domain).first()
    if shop is None or shop.state == ShopState.UNINSTALLED:
        raise BadInput(f"--shop {domain}: has not installed the app")
    tell(f"reading the orders of {domain}")
    with scope(shop):
        with reading(actor="system:backtest", purpose=Purpose.OPERATION), connection.cursor() as cursor:
            cursor.execute("analyze features_order, features_orderline")
            with cursor.copy(_LINES, [shop.pk, until]) as copy:
                received = b"".join(bytes(part) for part in copy)
        products, variants = _catalogue(shop)
    if not received:
        raise BadInput(f"--shop {domain}: no order line was bought and kept, so there is nothing to measure")
    frame = pl.read_csv(BytesIO(received), has_header=False, schema=_COLUMNS)
    lines = frame.with_columns(
        pl.col("order_id").rle_id().cast(pl.Int32),
        pl.when(pl.col("customer_id").is_not_null()).then(pl.col("customer_id").rank("dense")).cast(pl.Int32),
        pl.from_epoch("at", time_unit="ms")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(shop.timezone)
        .dt.date()
        .alias("day"),
        pl.col("product_id").cast(pl.String).alias("sku"),
        pl.col("variant_id").cast(pl.String).alias("variant"),
        pl.lit(value=False).alias("cancelled"),
    ).select(*SCHEMA)
    notes = ["Cancelled, test and deleted orders, and refunded or removed units, were left out."]
    if lines["customer_id"].is_null().all():
        notes.append("No order names a customer: nothing personal could be learnt or measured.")
    return History(domain, lines, products, variants, shop.currency, tuple(notes))


def _catalogue(shop: Shop) -> tuple[dict[str, Product], dict[str, str]]:
    """Products by id, and the title of each variant; of a product that was deleted only the id is left."""
    products: dict[str, Product] = {}
    titles: dict[str, str] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select product_id, title, vendor, product_type, tags from features_product where shop_id = %s",
            [shop.pk],
        )
        for product_id, title, vendor, kind, tags in cursor.fetchall():
            words = {"vendor": vendor, "type": kind, "tags": ", ".join(tags)}
            products[str(product_id)] = Product(title, words)
            titles[str(product_id)] = title
        cursor.execute(
            "select variant_id, product_id, title, sku from features_variant where shop_id = %s", [shop.pk]
        )
        for variant_id, product_id, title, sku in cursor.fetchall():
            known = products.get(str(product_id))
            named = "" if title in ("", "Default Title") else f" - {title}"
            titles[str(variant_id)] = f"{known.title if known else sku or product_id}{named}"
    return products, titles
