"""What is served of demand: the live book, the promotions and stock of now, and what to order therefore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from mlops.demand import promotions, terms
from mlops.demand.promotions import Planned
from mlops.deployments import store as deployments
from mlops.features.days import day_of
from mlops.features.events import SlotName
from mlops.predictors.demand import reorder
from mlops.predictors.demand.book import DemandBook
from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.reorder import Advice, Importance, Terms
from mlops.registry import loader
from mlops.registry.models import Version
from tenancy.models import Shop
from tenancy.scope import scoped

SHOWN_DAYS = 28
COVER_DAYS = 180  # beyond this, stock lasts "for months"


@dataclass(frozen=True, slots=True)
class Item:
    """A variant as it is now. `stock`: units at hand less what is promised; None where stock is not tracked."""

    variant_id: int
    product_id: int
    title: str
    sku: str
    vendor: str
    product_type: str
    price: float
    stock: float | None


@dataclass(frozen=True, slots=True)
class Live:
    """The forecast that is live, at a day.

    Args:
        rows: of the book, those of variants that there still are; every array below has one entry for each.
        items: of the same variants.
        deals: float [S, COVER_DAYS], discounts of the days from today on.
        mean: float64 [S, COVER_DAYS], expected demand of the days from today on.
        planned: promotions that touch those days.
    """

    version: Version
    book: DemandBook
    today: date
    rows: Array
    items: list[Item]
    deals: Doubles
    mean: Doubles
    planned: list[Planned]


@dataclass(frozen=True, slots=True)
class Suggested:
    """Of each variant of a `Live`.

    Args:
        cover: days that the stock lasts at the expected demand; `COVER_DAYS` for longer.
        tracked: bool, whether the stock is known.
    """

    terms: Terms
    classes: list[Importance]
    advice: Advice
    stock: Doubles
    tracked: Array
    cover: Array
    low: Doubles
    high: Doubles


@scoped
def live(shop: Shop, *, now: datetime) -> Live | None:
    """The forecast that serves; None while there is none.

    Raises:
        FileUnusable, BadArtefact: the file of the version does not load.
    """
    found = deployments.slots(shop).get(SlotName.FORECAST)
    if found is None:
        return None
    book = loader.load(shop.pk, found.version.artefact_digest).book
    # A shop that moved its clock back may have a today of before the first forecast day.
    today = max(day_of(now, shop.timezone), book.first_day)
    there = {each.variant_id: each for each in items(shop)}
    rows = np.array([k for k, each in enumerate(book.variant_ids.tolist()) if each in there], np.int64)
    planned = promotions.between(shop, today, today + timedelta(days=COVER_DAYS - 1))
    deals = deals_of(book, rows, planned, today)
    base = book.base[rows][:, book.columns(today, COVER_DAYS)].astype(np.float64)
    mean = base * np.exp(book.slope[rows, None].astype(np.float64) * deals)
    return Live(
        found.version, book, today, rows, [there[each] for each in book.variant_ids[rows].tolist()], deals, mean, planned
    )  # fmt: skip


def deals_of(book: DemandBook, rows: Array, planned: Sequence[Planned], today: date) -> Doubles:
    """float64 [n, COVER_DAYS]: struck-out prices go on, of several discounts on one day the largest counts."""
    deals = np.repeat(book.struck[rows, None].astype(np.float64), COVER_DAYS, axis=1)
    products = book.product_ids[rows]
    for each in planned:
        begin = max((each.starts_on - today).days, 0)
        end = min((each.ends_on - today).days + 1, COVER_DAYS)
        if begin >= end:
            continue
        mine = slice(None) if each.product_ids is None else np.isin(products, each.product_ids)
        deals[mine, begin:end] = np.maximum(deals[mine, begin:end], each.discount)
    return deals


@scoped
def suggest(shop: Shop, found: Live) -> Suggested:
    """When to order what, by the shop's terms."""
    book, rows = found.book, found.rows
    classes = reorder.importance(book.revenue[rows])
    how = terms.arrays(
        terms.every(shop), [each.variant_id for each in found.items], [each.vendor for each in found.items], classes
    )  # fmt: skip
    tracked = np.array([each.stock is not None for each in found.items], np.bool_)
    stock = np.array([each.stock or 0.0 for each in found.items], np.float64)
    sums = book.sums[rows]
    advice = reorder.advise(
        sums, how, stock=stock, on_order=np.zeros(len(rows)), scale=scale(found, how.late + how.review),
        today=found.mean[:, :SHOWN_DAYS].mean(axis=1),
    )  # fmt: skip
    order = np.where(tracked, advice.order, 0)
    total = np.cumsum(found.mean, axis=1)
    cover = np.where(tracked, (total < stock[:, None]).sum(axis=1), COVER_DAYS)
    spread = reorder.demand_over(
        sums, np.full(len(rows), SHOWN_DAYS), scale(found, np.full(len(rows), SHOWN_DAYS))
    )
    mean = found.mean[:, :SHOWN_DAYS].sum(axis=1)
    low, high = reorder.LEVELS.index(0.06), reorder.LEVELS.index(0.95)
    return Suggested(
        how, classes, Advice(advice.point, advice.safety, order.astype(np.int64), advice.covered), stock, tracked, cover,
        np.floor(np.minimum(spread[:, low], mean)), np.ceil(np.maximum(spread[:, high], mean)),
    )  # fmt: skip


def scale(found: Live, days: Array) -> Doubles:
    """float64 [n]: expected demand of so many days from now on, against that of as many from the first forecast day on."""
    row = np.arange(len(days))
    last = np.clip(days, 1, COVER_DAYS) - 1
    now = np.cumsum(found.mean, axis=1)[row, last]
    first = found.book.columns(found.book.first_day, COVER_DAYS)
    then = np.cumsum(found.book.base[found.rows][:, first].astype(np.float64), axis=1)[row, last]
    return np.asarray(np.divide(now, then, out=np.ones(len(days)), where=then > 1e-9))


@scoped
def items(shop: Shop) -> list[Item]:
    """Every variant that can be ordered, with its stock as the product cards count it."""
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS_SQL, {"shop": shop.pk})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [Item(*row) for row in rows]


_ITEMS_SQL = """
select v.variant_id, v.product_id,
       case when v.title in ('Default Title', 'Default', '') then p.title else p.title || ' · ' || v.title end,
       v.sku, p.vendor, p.product_type, v.price::float8,
       case when v.available is null then null
            else coalesce(case when s.at >= p.version_at then s.total end, v.available)::float8 end
  from features_product p
  join features_variant v using (shop_id, product_id)
  left join (select inventory_item_id, max(version_at) as at, sum(coalesce(available, 0)) as total
               from features_stocklevel where shop_id = %(shop)s group by 1) s using (inventory_item_id)
 where p.shop_id = %(shop)s and p.deleted_at is null and p.status <> 'archived' and not p.gift_card
"""
