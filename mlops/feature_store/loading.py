"""Shell: the tables that some views need, reaching as far back as they look; and the offline frame made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

import polars as pl

from mlops.feature_store import catalogue, event_log, visit_log
from mlops.feature_store.declared import View, vectors
from mlops.feature_store.tables import Tables, as_known
from tenancy.models import Shop

EVER = timedelta(days=36_500)


def load(
    shop: Shop,
    views: Sequence[View],
    *,
    first: datetime,
    last: datetime,
    products: Sequence[int] | None = None,
    customers: Sequence[int] | None = None,
) -> Tables:
    """What these views need to speak of moments from `first` to `last`: rows known until `last`.

    Args:
        products, customers: only rows that decide theirs; all when None.

    Raises:
        UnattributedRead: outside a `reading`.
    """
    reach = {
        table: event_log.reaching(first, max(each.looks_back for each in views if table in each.reads))
        for table in {name for each in views for name in each.reads}
    }
    found: dict[str, Any] = {"zone": shop.timezone, "markets": markets(shop.timezone)}
    if "lines" in reach:
        found["lines"] = event_log.lines(shop, since=reach["lines"], until=last, products=products)
    if "orders" in reach:
        found["orders"] = event_log.orders(shop, since=reach["orders"], until=last, customers=customers)
    if "merges" in reach:
        found["merges"] = event_log.merges(shop, until=last)
    if "offers" in reach:
        found["offers"] = event_log.offers(shop, since=reach["offers"], until=last, products=products)
    if "stock" in reach:
        found["stock"] = event_log.stock(shop, since=reach["stock"], until=last, products=products)
    if "visits" in reach:
        found["visits"] = visit_log.visits(shop, since=reach["visits"], until=last)
    if "metafields" in reach:
        found["metafields"] = event_log.values(shop, catalogue.chosen(shop), until=last, products=products)
    return Tables(**found)


def frame(
    shop: Shop, views: Sequence[View], asked: pl.DataFrame, *, known_by: datetime | None = None
) -> pl.DataFrame:
    """The offline vectors: `asked` with a column `view.feature` for each feature of the views.

    Args:
        asked: the columns of every view's entity, and `at`, each row's moment: nothing that happened or was known after it
            is looked at.
        known_by: look at history as it was known at this later moment; see `tables.as_known`. None: as it was known then.

    Raises:
        ValueError: `asked` lacks a column, or asks for a moment after `known_by`.
        UnattributedRead: outside a `reading`.
    """
    absent = {name for each in views for name in (*each.entity.columns, "at")}.difference(asked.columns)
    if absent:
        raise ValueError(f"asked without {', '.join(sorted(absent))}")
    if asked.is_empty():
        return asked.with_columns(
            pl.lit(None, pl.Float64).alias(f"{view.name}.{name}") for view in views for name in view.names
        )
    first: Any = asked["at"].min()
    last: Any = asked["at"].max()
    if known_by is not None and known_by < last:
        raise ValueError(f"asked as of {last}, which is after {known_by}")
    tables = load(shop, views, first=first, last=known_by or last)
    if known_by is not None:
        tables = as_known(replace(tables), known_by)
    for each in views:
        found = vectors(each, tables, asked.select(*each.entity.columns, "at")).select(each.names)
        asked = asked.hstack(found.rename({name: f"{each.name}.{name}" for name in each.names}).get_columns())
    return asked


@lru_cache
def markets(zone: str) -> tuple[str, ...]:
    """The country of a time zone, as the shop's market: Shopify tells an app of this scope no other. None for `UTC`."""
    for line in files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        country, *rest = line.split("\t")
        if not country.startswith("#") and len(rest) > 1 and rest[1] == zone:
            return (country,)
    return ()
