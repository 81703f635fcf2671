"""A folder of Shopify's CSV exports as a shop's history. Reads files; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from mlops.backtest.commands import BadInput
from mlops.backtest.store.history import SCHEMA, History, Product
from mlops.backtest.store.orders_export import Orders, read_orders
from mlops.backtest.store.products_export import Listed, read_products


def read_folder(folder: Path, now: datetime, tell: Callable[[str], object]) -> History:
    """What the exports of this folder tell.

    Args:
        now: no order can be later.

    Raises:
        BadInput: no orders export is there, or a file cannot be used.
    """
    orders = read_orders(_files(folder, "orders"), now, tell)
    listed = read_products(_files(folder, "products", needed=False), tell)
    frame = orders.frame()
    if not len(frame.filter(~pl.col("cancelled"))):
        raise BadInput(
            f"{folder}: column Lineitem quantity: no order line is a sale that was kept, so there is nothing to measure"
        )
    keys, products, unlisted = _products(list(orders.goods), listed)
    variants = [sku or title for sku, title in orders.goods]
    frame = frame.with_columns(
        pl.Series("sku", keys, dtype=pl.String).gather(frame["good"]).alias("sku"),
        pl.Series("variant", variants, dtype=pl.String).gather(frame["good"]).alias("variant"),
    )
    titles: dict[str, str] = {}
    for (sku, title), variant in zip(orders.goods, variants, strict=True):
        titles.setdefault(variant, title or sku)
    return History(
        folder.resolve().name,
        frame.select(*SCHEMA),
        products,
        titles,
        orders.main_currency,
        tuple(_notes(orders, listed, unlisted=unlisted, no_customers=frame["customer_id"].is_null().all())),
    )


def _files(folder: Path, kind: str, *, needed: bool = True) -> list[Path]:
    """The exports of a kind by name; a sample is left out where the whole is there."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder")
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.startswith(f"{kind}_export") and path.name.endswith((".csv", ".csv.gz"))
    ]  # fmt: skip
    whole = [path for path in found if "_sample" not in path.name]
    if needed and not found:
        raise BadInput(f"{folder}: holds no {kind}_export*.csv or {kind}_export*.csv.gz")
    return whole or found


def _products(
    goods: list[tuple[str, str]], listed: Mapping[str, Listed]
) -> tuple[list[str], dict[str, Product], int]:
    """The product of each kind of line, what is told of each product, and how many kinds are not listed.

    A product goes by its SKU where it has one alone, else by its handle; a line whose product is not listed goes by its SKU,
    or else by its name.
    """
    by_sku: dict[str, str] = {}
    by_name: dict[str, str] = {}
    doubled = Counter(sku for each in listed.values() for sku in {sku for sku, _ in each.variants if sku})
    keys: dict[str, str] = {}
    for each, product in listed.items():
        skus = {sku for sku, _ in product.variants}
        only = next(iter(skus)) if len(skus) == 1 else ""
        keys[each] = only if only and doubled[only] == 1 else each
        for sku, name in product.variants:
            if sku and doubled[sku] == 1:
                by_sku[sku] = each
            by_name.setdefault(name, each)
    found: list[str] = []
    products: dict[str, Product] = {}
    unlisted = 0
    for sku, title in goods:
        handle: str | None = by_sku.get(sku) or by_name.get(title)
        key = sku or title if handle is None else keys[handle]
        found.append(key)
        if handle is not None:
            products[key] = Product(listed[handle].title, listed[handle].words)
        else:
            unlisted += 1
            products.setdefault(key, Product(title or sku))
    return found, products, unlisted


def _notes(orders: Orders, listed: Mapping[str, Listed], *, unlisted: int, no_customers: bool) -> list[str]:
    told = orders.counts
    out = []
    if not listed:
        out.append("No products export: products are told apart by the SKU or name of their order lines.")
    elif unlisted:
        out.append(
            f"{unlisted:,} of {len(orders.goods):,} kinds of order lines are not in the products export; they go by their "
            "own SKU or name."
        )
    if no_customers:
        out.append("No order names a customer: nothing personal could be learnt or measured.")
    if told["cancelled"]:
        out.append(f"{told['cancelled']:,} cancelled orders were left out.")
    if told["voided or refunded in full"]:
        out.append(f"{told['voided or refunded in full']:,} voided or fully refunded orders were left out.")
    if told["refunded in part"]:
        out.append(
            f"{told['refunded in part']:,} orders were refunded in part; the export does not say which lines, so "
            "they count whole."
        )
    if told["in two files"]:
        out.append(f"{told['in two files']:,} orders stand in two files and were counted once.")
    if len(orders.currencies) > 1:
        others = sum(orders.currencies.values()) - orders.currencies[orders.main_currency]
        out.append(
            f"{others:,} orders are in another currency than {orders.main_currency or 'none'}: their sales count, "
            "their prices do not."
        )
    if told["times without a zone"]:
        out.append(
            f"{told['times without a zone']:,} orders have a time without a zone; it was taken as UTC."
        )
    if told["removed lines"]:
        out.append(f"{told['removed lines']:,} lines of no units (removed from their order) were left out.")
    return out
