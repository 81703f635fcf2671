"""Demand as facts for the reader: rows of variants, one variant or the whole shop day by day, and the order lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from mlops.demand import adaptation
from mlops.demand.plan import COVER_DAYS, SHOWN_DAYS, Live, Suggested
from mlops.demand.promotions import Planned
from mlops.predictors.demand import adapt
from mlops.predictors.demand.book import ACCURACY, LIVES, SERVED, DemandBook, Served
from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array
from tenancy.errors import NotFound
from tenancy.models import Shop

Facts = dict[str, Any]


def whole(found: Live, told: Suggested) -> Facts:
    book, rows = found.book, found.rows
    about = book.about
    lost = book.lost[rows, 0].astype(np.float64)
    prices = np.array([each.price for each in found.items])
    measured: Mapping[str, float] = about["shop"]
    return {
        "version": str(found.version.number),
        "made_at": found.version.registered_at,
        "first_day": book.first_day,
        "history_days": about["days"],
        "knowledge": about["knowledge"],
        "variants": len(rows),
        "by_naive": int((book.served[rows] == SERVED.index(Served.NAIVE)).sum()),
        "to_order": int((told.advice.order > 0).sum()),
        "forecast": float(found.mean[:, :SHOWN_DAYS].sum()),
        "lost_units": float(lost.sum()),
        "lost_value": float((lost * prices).sum()),
        **{name: measured.get(name) for name in ("wape", "wape_naive", "bias", "coverage_90")},
        "lift_days": about["lift"]["days"],
    }


def ordered(found: Live, told: Suggested, *, search: str, show: str, sort: str, rising: bool) -> list[int]:
    """Places of the rows that match, in the order asked for; equal ones by their variant's number."""
    book, rows = found.book, found.rows
    wanted = search.strip().casefold()
    match = np.array(
        [
            not wanted or wanted in f"{each.title}\n{each.sku}\n{each.vendor}".casefold()
            for each in found.items
        ],
        np.bool_,
    )
    mask: Mapping[str, Array] = {
        "all": np.ones(len(rows), np.bool_),
        "order": told.advice.order > 0,
        "sold_out": told.tracked & (told.stock <= 0),
        "naive": book.served[rows] == SERVED.index(Served.NAIVE),
        "new": book.life[rows] == 1,
        "dying": book.life[rows] == 2,
    }
    places: list[int] = np.flatnonzero(match & mask[show]).tolist()
    if sort == "title":
        titles = [each.title.casefold() for each in found.items]
        return sorted(places, key=lambda at: titles[at], reverse=not rising)
    prices = np.array([each.price for each in found.items])
    values: Mapping[str, Array] = {
        "forecast": found.mean[:, :SHOWN_DAYS].sum(axis=1),
        "stock": np.where(told.tracked, told.stock, np.inf),
        "cover": told.cover,
        # What to order first: the most money.
        "order": told.advice.order * np.maximum(prices, 0.01),
        "lost": book.lost[rows, 0] * prices,
        "accuracy": np.nan_to_num(book.accuracy[rows, ACCURACY.index("fva")], nan=-np.inf),
    }
    keys = values[sort]
    return sorted(places, key=lambda at: (keys[at] if rising else -keys[at], at))


def row(found: Live, told: Suggested, at: int) -> Facts:
    book, place, item = found.book, int(found.rows[at]), found.items[at]
    cover = int(told.cover[at])
    known = bool(told.tracked[at])
    lasts = cover if known and cover < COVER_DAYS else None
    lost = float(book.lost[place, 0])
    return {
        "variant_id": str(item.variant_id),
        "product_id": str(item.product_id),
        "title": item.title,
        "sku": item.sku,
        "vendor": item.vendor,
        "importance": told.classes[at].value,
        "served": SERVED[book.served[place]].value,
        "pattern": PATTERNS[book.pattern[place]].value,
        "life": LIVES[book.life[place]].value,
        "forecast": float(found.mean[at, :SHOWN_DAYS].sum()),
        "low": float(told.low[at]),
        "high": float(told.high[at]),
        "stock": float(told.stock[at]) if known else None,
        "cover_days": lasts,
        "runs_out_on": None if lasts is None else found.today + timedelta(days=lasts),
        "covered": float(told.advice.covered[at]) if known else 1.0,
        "reorder_point": int(told.advice.point[at]),
        "order": int(told.advice.order[at]),
        "lead_days": int(told.terms.lead[at]),
        "lost_units": lost,
        "lost_value": lost * item.price,
        "accuracy": _accuracy(book, place),
    }


def _accuracy(book: DemandBook, place: int) -> Facts:
    told = dict(zip(ACCURACY, book.accuracy[place].tolist(), strict=True))
    days = int(told.pop("days"))
    return {"days": days, **{name: None if np.isnan(value) else value for name, value in told.items()}}


def series(shop: Shop, found: Live, told: Suggested, variant_id: int) -> Facts:
    """One variant day by day.

    Raises:
        NotFound: the live forecast has no such variant.
    """
    at = next((at for at, each in enumerate(found.items) if each.variant_id == variant_id), None)
    if at is None:
        raise NotFound(
            "The forecast that is live knows no such product.",
            code="variant_not_found",
            next_step="Go back to the list.",
        )
    item, book, place = found.items[at], found.book, found.rows[at : at + 1]
    state = adaptation.state(shop)
    quantiles = adapt.adapted(
        state, book.quantiles[:, place].astype(np.float64), codes=book.pattern[place], step=1
    )
    columns = book.columns(found.today, SHOWN_DAYS)
    bands = quantiles[:, 0, columns] * np.exp(float(book.slope[place[0]]) * found.deals[at, :SHOWN_DAYS])
    plain = book.base[place[0], columns].astype(np.float64)
    planned = [
        each for each in found.planned if each.product_ids is None or item.product_id in each.product_ids
    ]
    return {
        "name": item.title,
        "row": row(found, told, at),
        "history": _history(book, place),
        "ahead": _ahead(found.today, found.mean[at, :SHOWN_DAYS], plain, bands, found.deals[at, :SHOWN_DAYS]),
        "slope": float(book.slope[place[0]]),
        "promotions": [promotion(each) for each in planned],
    }


def total(found: Live) -> Facts:
    """The whole shop day by day. Its intervals come from the errors of its sums."""
    book = found.book
    mean = found.mean[:, :SHOWN_DAYS].sum(axis=0)
    plain = book.base[found.rows][:, book.columns(found.today, SHOWN_DAYS)].astype(np.float64).sum(axis=0)
    bands = book.ratios[0][:, None] * mean
    return {
        "name": "",
        "row": None,
        "history": _history(book, found.rows),
        "ahead": _ahead(found.today, mean, plain, bands, np.zeros(SHOWN_DAYS)),
        "slope": None,
        "promotions": [promotion(each) for each in found.planned],
    }


def _history(book: DemandBook, places: Array) -> list[Facts]:
    sold = book.history[places]
    known = np.isfinite(sold)
    days = sold.shape[1]
    one = len(places) == 1
    told = []
    for at in range(days):
        any_known = bool(known[:, at].any())
        told.append(
            {
                "day": book.first_day - timedelta(days=days - at),
                "sold": float(np.nansum(sold[:, at])) if any_known else None,
                "without_stock": float(book.out[places[0], at]) if one else 0.0,
                "discount": float(book.past_deal[places[0], at]) if one else 0.0,
            }
        )
    return told


def _ahead(today: date, mean: Array, plain: Array, bands: Array, deals: Array) -> list[Facts]:
    return [
        {
            "day": today + timedelta(days=at),
            "mean": float(mean[at]),
            "plain": float(plain[at]),
            "q05": float(bands[0, at]),
            "q25": float(bands[1, at]),
            "q75": float(bands[3, at]),
            "q95": float(bands[4, at]),
            "discount": float(deals[at]),
        }
        for at in range(len(mean))
    ]


def promotion(each: Planned) -> Facts:
    return {
        "id": str(each.id),
        "name": each.name,
        "starts_on": each.starts_on,
        "ends_on": each.ends_on,
        "percent": round(each.discount * 100),
        "products": None if each.product_ids is None else [str(product) for product in each.product_ids],
    }


EXPORT = (
    "Variant", "SKU", "Title", "Vendor", "Class", "Served by", "Demand", "Life", "Forecast 28 days", "Low", "High", "Stock",
    "Days of cover", "Runs out on", "Reorder point", "Order now", "Lead time days", "Lost units 28 days", "MASE", "MASE of naive",
    "Bias", "Held by 90 % interval", "FVA",
)  # fmt: skip
PURCHASE = (
    "Vendor",
    "SKU",
    "Title",
    "Variant",
    "Quantity",
    "Stock",
    "Reorder point",
    "Lead time days",
    "Expected on",
)


def export(found: Live, told: Suggested, places: Iterable[int]) -> Iterable[Sequence[object]]:
    for at in places:
        it = row(found, told, at)
        how = it["accuracy"]
        yield (
            it["variant_id"], it["sku"], it["title"], it["vendor"], it["importance"], it["served"], it["pattern"], it["life"],
            round(it["forecast"], 2), it["low"], it["high"], it["stock"], it["cover_days"], it["runs_out_on"], it["reorder_point"],
            it["order"], it["lead_days"], round(it["lost_units"], 2), *(_short(how[n]) for n in ("mase", "naive_mase", "bias", "coverage_90", "fva")),
        )  # fmt: skip


def purchase(found: Live, told: Suggested) -> Iterable[Sequence[object]]:
    """A draft of orders, by vendor."""
    places = np.flatnonzero(told.advice.order > 0).tolist()
    for at in sorted(places, key=lambda at: (found.items[at].vendor, found.items[at].title, at)):
        item, lead = found.items[at], int(told.terms.lead[at])
        yield (
            item.vendor, item.sku, item.title, item.variant_id, int(told.advice.order[at]), told.stock[at], int(told.advice.point[at]),
            lead, found.today + timedelta(days=lead),
        )  # fmt: skip


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
