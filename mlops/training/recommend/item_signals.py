"""What is known of each item: how it sells, to whom, since when, at what price, in which season. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlops.predictors.recommend.signals import Floats
from mlops.training.recommend.sales import GUEST, Sales

HALF_LIVES = (4.0, 10.0, 30.0, 90.0, 365.0)
YEAR = 365.0
# Fewer sale lines than this in a season's window say nothing of single items.
LEAST_SEASON = 200

Doubles = npt.NDArray[np.float64]


def decay(age: Doubles, half_life: float) -> Floats:
    """0.5 ** (age / half_life)."""
    return np.exp2(-age / half_life).astype(np.float32)


def share(item: npt.NDArray[np.int32], weight: npt.NDArray[np.floating], n: int) -> Floats:
    """Each item's share of the summed weights, float32 [n]; zeros when there are none."""
    found = np.bincount(item, weights=weight, minlength=n)
    return (found / max(float(found.sum()), 1e-9)).astype(np.float32)


def first_orders(sales: Sales) -> npt.NDArray[np.bool_]:
    """Rows that belong to the first order of a named customer."""
    named = sales.customer != GUEST
    earliest = np.full(sales.n_customers, np.inf)
    np.minimum.at(earliest, sales.customer[named], sales.day[named])
    found: npt.NDArray[np.bool_] = named.copy()
    found[named] = sales.day[named] <= earliest[sales.customer[named]]
    return found


def popularity(sales: Sales, now: float) -> dict[str, Floats]:
    """Decayed shares of the order lines by half-life, and of customers' first orders (`first`)."""
    age, n = now - sales.day, sales.n_items
    found = {f"h{half_life:g}": share(sales.item, decay(age, half_life), n) for half_life in HALF_LIVES}
    first = first_orders(sales)
    for half_life in (20.0, 60.0, 150.0):
        found[f"first_h{half_life:g}"] = share(sales.item[first], decay(age[first], half_life), n)
    return found


def item_features(
    sales: Sales, now: float, window: float, shares: dict[str, Floats]
) -> tuple[Floats, tuple[str, ...]]:
    """Features [n_items, n_features] and their names; NaN where a thing is not known.

    Args:
        window: days that queries look ahead, for the season.
        shares: what `popularity` found.
    """
    n, age = sales.n_items, now - sales.day
    lines = np.bincount(sales.item, minlength=n)
    columns: dict[str, npt.NDArray[np.floating]] = {"log_orders": np.log1p(lines)}
    for name in ("h4", "h10", "h30", "h90", "h365", "first_h60"):
        columns[f"pop_{name}"] = np.log(shares[name] * n + 1e-3)
    for short, long in (("h4", "h30"), ("h10", "h90"), ("h30", "h365"), ("h10", "h365")):
        columns[f"trend_{short}_{long}"] = np.log((shares[short] + 1e-6) / (shares[long] + 1e-6))
    earliest, latest = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(earliest, sales.item, sales.day)
    np.maximum.at(latest, sales.item, sales.day)
    columns["age"] = np.where(lines > 0, now - earliest, np.nan)
    columns["since_last_sale"] = np.where(lines > 0, now - latest, np.nan)
    columns |= _buyers(sales, age)
    columns |= _season(sales, now, window, shares)
    columns |= _price_and_basket(sales, age)
    return np.stack([np.asarray(each, np.float32) for each in columns.values()], axis=1), tuple(columns)


def _buyers(sales: Sales, age: Doubles) -> dict[str, npt.NDArray[np.floating]]:
    n = sales.n_items
    named = np.flatnonzero(sales.customer != GUEST)
    item = sales.item[named]
    pair = sales.customer[named].astype(np.int64) * n + item
    # Rows are in order of time, so the first row of a pair is the customer's first purchase of the item.
    _, first, counts = np.unique(pair, return_index=True, return_counts=True)
    rows = named[first]
    buyers = np.bincount(sales.item[rows], minlength=n)
    again = np.bincount(sales.item[rows][counts > 1], minlength=n)
    newly = {h: share(sales.item[rows], decay(age[rows], h), n) for h in (10.0, 30.0)}
    by_named = share(item, decay(age[named], 30.0), n)
    return {
        "named_share": np.bincount(item, minlength=n) / np.maximum(np.bincount(sales.item, minlength=n), 1),
        "buyers": np.log1p(buyers),
        "rebuy_share": (again + 1) / (buyers + 5),
        "pop_newly_h10": np.log(newly[10.0] * n + 1e-3),
        "pop_newly_h30": np.log(newly[30.0] * n + 1e-3),
        "pop_named_h30": np.log(by_named * n + 1e-3),
        "new_share_h30": np.log((newly[30.0] + 1e-6) / (by_named + 1e-6)),
    }


def _season(
    sales: Sales, now: float, window: float, shares: dict[str, Floats]
) -> dict[str, npt.NDArray[np.floating]]:
    """What sold a year ago in the days that are now ahead, against the whole year and against the days before them."""
    n = sales.n_items
    unknown = np.full(n, np.nan)

    def sold(start: float, end: float) -> Floats | None:
        inside = (sales.day >= start) & (sales.day < end)
        if not len(sales) or sales.day[0] > start + 1 or inside.sum() < LEAST_SEASON:
            return None
        return share(sales.item[inside], np.ones(int(inside.sum())), n)

    ahead = sold(now - YEAR, now - YEAR + window) if sales.dated else None
    behind = sold(now - YEAR - window / 2, now - YEAR) if sales.dated else None
    return {
        "season_ahead": unknown if ahead is None else np.log(ahead * n + 1e-3),
        "season_lift": unknown if ahead is None else np.log((ahead + 1e-5) / (shares["h365"] + 1e-5)),
        "season_turn": unknown
        if ahead is None or behind is None
        else np.log((ahead + 1e-5) / (behind + 1e-5)),
    }


def _price_and_basket(sales: Sales, age: Doubles) -> dict[str, npt.NDArray[np.floating]]:
    n = sales.n_items
    priced = np.isfinite(sales.price) & (sales.price > 0)
    weight = decay(age, 90.0) + np.float32(1e-6)
    # Logarithms: one price of ten million moves a mean by little.
    price = np.bincount(sales.item[priced], np.log(sales.price[priced]) * weight[priced], n)
    with np.errstate(invalid="ignore", divide="ignore"):
        _, order, size = np.unique(sales.order, return_inverse=True, return_counts=True)
        lines = np.bincount(sales.item, minlength=n)
        return {
            "log_price": price / np.bincount(sales.item[priced], weight[priced], n),
            "log_units": np.bincount(sales.item, np.log1p(sales.units) * weight, n)
            / np.bincount(sales.item, weight, n),
            "basket": np.bincount(sales.item, np.log(size[order]), n) / lines,
        }
