"""What a backtest found, as plain data: the report shows it, `--json` writes it. Pure.

Numbers that cannot be told (nothing was asked, nothing was sold) are None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.backtest.measures.intervals import Interval
from mlops.backtest.measures.ranking import compared, share_found, summary
from mlops.backtest.rolling.reasons import why
from mlops.backtest.rolling.recommend import COUNT, NEW_DAYS, OURS, Asked, Rolled
from mlops.backtest.rolling.rivals import Rival
from mlops.backtest.store.history import History
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.two_stage import TwoStage
from mlops.training.recommend.ledger import Ledger

TITLES = {
    Slot.HOME: "Home page, known customer",
    Slot.NEW: "Something new for a known customer",
    Slot.PAGE: "Product page",
    Slot.CART: "Cart",
    Slot.COLD: "Somebody of whom nothing is known",
}
GROUPS = (("no orders", 0, 0), ("1 order", 1, 1), ("2 to 5 orders", 2, 5), ("6 orders or more", 6, 10**9))
MOST_PRODUCTS = 8
SHOWN, REMEMBERED = 6, 5
LEVELS = (
    (2_000, "full", "enough to learn a ranking for each place, and to measure it"),
    (500, "good", "enough to learn from, intervals are wide"),
    (20, "little", "bestsellers and what was bought together carry most of it"),
    (0, "next to none", "bestsellers alone; come back after more orders"),
)


def sufficiency(history: History) -> dict[str, Any]:
    """How much there is to learn from."""
    sold = history.lines.filter(~pl.col("cancelled") & (pl.col("quantity") > 0))
    orders = sold.group_by("order_id").agg(pl.col("customer_id").first(), pl.len())
    named = orders["customer_id"].drop_nulls()
    customers = named.n_unique()
    again = int((named.value_counts()["count"] > 1).sum()) if customers else 0
    first: Any = sold["day"].min()
    last: Any = sold["day"].max()
    _, level, means = next(each for each in LEVELS if len(orders) >= each[0])
    return {
        "level": level,
        "means": means,
        "orders": len(orders),
        "order_lines": len(sold),
        "products": sold["sku"].n_unique(),
        "variants": sold["variant"].n_unique(),
        "customers": customers,
        "returning_customers": again,
        "guest_orders": len(orders) - len(named),
        "baskets_of_several": int((orders["len"] > 1).sum()),
        "first_day": str(first),
        "last_day": str(last),
        "days": (last - first).days + 1,
    }


def recommendations(history: History, book: Ledger, rolled: Rolled, *, seed: int) -> dict[str, Any]:
    """Measures by slot, cold start, new products, best and worst products, three customers."""
    return {
        "origins": [_day(book, each) for each in rolled.origins],
        "window_days": rolled.length,
        "slots": [_slot(slot, asked, rolled) for slot, asked in sorted(rolled.slots.items(), key=_order)],
        "cold_start": _cold_start(rolled),
        "new_products": [
            _new(slot, asked) for slot, asked in sorted(rolled.slots.items(), key=_order) if slot != Slot.COLD
        ],
        "products": _products(history, book, rolled),
        "customers": _customers(history, book, rolled, seed),
    }


def _order(each: tuple[Slot, Asked]) -> int:
    return list(Slot).index(each[0])


def _slot(slot: Slot, asked: Asked, rolled: Rolled) -> dict[str, Any]:
    unit = np.concatenate(asked.unit)
    ours = asked.of(OURS)
    return {
        "slot": slot.value,
        "title": TITLES[slot],
        "queries": len(unit),
        "customers": len(np.unique(unit)),
        "systems": [
            {
                "name": name,
                "metrics": told_all(summary(asked.of(name), unit)),
                "coverage@10": told(float(np.mean(asked.shown[name]))),
            }
            for name in asked.systems
        ],
        "against": [
            {"name": name, **_against(ours, asked.of(name), unit)} for name in asked.systems if name != OURS
        ],
        "groups": _known(asked, ours, unit) if slot in (Slot.PAGE, Slot.CART) else [],
        "answered_by": [
            {key: each["slots"].get(slot.value, {}).get(key) for key in ("known", "unknown")}
            for each in rolled.reports
        ],
    }


def _against(ours: Any, theirs: Any, unit: npt.NDArray[np.int64]) -> dict[str, Any]:
    found = compared(ours, theirs, unit)
    return {
        "difference": interval(found.difference),
        "relative": None if found.relative is None else interval(found.relative),
    }


def _known(asked: Asked, ours: Any, unit: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    known = np.concatenate(asked.known)
    out = []
    for name, rows in (("customer known", known), ("customer unknown", ~known)):
        if rows.any():
            systems = {
                each: interval(summary(asked.of(each)[rows], unit[rows])["ndcg@10"]) for each in asked.systems
            }
            out.append({"name": name, "queries": int(rows.sum()), "ndcg@10": systems})
    return out


def _cold_start(rolled: Rolled) -> list[dict[str, Any]]:
    """NDCG@10 by how many orders the customer had made."""
    out = []
    for name, least, most in GROUPS:
        asked = rolled.slots.get(Slot.COLD if most == 0 else Slot.HOME)
        if asked is None:
            continue
        orders = np.concatenate(asked.orders)
        rows = (orders >= least) & (orders <= most)
        if not rows.any():
            continue
        unit = np.concatenate(asked.unit)[rows]
        ours = asked.of(OURS)[rows]
        systems = {each: interval(summary(asked.of(each)[rows], unit)["ndcg@10"]) for each in asked.systems}
        against = _against(ours, asked.of(Rival.LATELY)[rows], unit)
        out.append({"name": name, "queries": int(rows.sum()), "ndcg@10": systems, "against_lately": against})
    return out


def _new(slot: Slot, asked: Asked) -> dict[str, Any]:
    unit = np.concatenate(asked.unit)
    wanted = np.concatenate(asked.asked_new)
    found = {
        name: interval(share_found(np.concatenate(each), wanted, unit))
        for name, each in asked.found_new.items()
    }
    return {
        "slot": slot.value,
        "title": TITLES[slot],
        "days": NEW_DAYS,
        "purchases": int(wanted.sum()),
        f"recall@{COUNT}": found,
    }


def _products(history: History, book: Ledger, rolled: Rolled) -> dict[str, Any]:
    """Which products were foretold best and worst, over the slots in which a customer or a product speaks."""
    n = book.sales.n_items
    sold, hit, named = (np.zeros(n, np.int64) for _ in range(3))
    for slot, asked in rolled.slots.items():
        if slot != Slot.COLD and asked.sold is not None and asked.hit is not None and asked.named is not None:
            sold, hit, named = sold + asked.sold, hit + asked.hit, named + asked.named
    least = max(5, int(np.quantile(sold[sold > 0], 0.5))) if (sold > 0).any() else 5
    told_often = np.flatnonzero(sold >= least)
    share = hit / np.maximum(sold, 1)
    best = told_often[np.lexsort((told_often, -sold[told_often], -share[told_often]))][:MOST_PRODUCTS]
    missed = (sold - hit)[told_often]
    worst = told_often[np.lexsort((told_often, share[told_often], -missed))][:MOST_PRODUCTS]
    facts = _facts(book, rolled.origins[-1] if rolled.origins else book.now)
    return {
        "least_bought": least,
        "best": [_product(history, book, k, sold, hit, named, facts) for k in best],
        "worst": [_product(history, book, k, sold, hit, named, facts) for k in worst],
    }


def _facts(book: Ledger, start: float) -> dict[str, npt.NDArray[np.float64]]:
    """What was known of each item at the newest origin."""
    before = book.sales.before(start)
    n = before.n_items
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, before.item, before.day)
    np.maximum.at(last, before.item, before.day)
    lately = before.day >= start - 30
    return {
        "lines": np.bincount(before.item, minlength=n).astype(np.float64),
        "age": start - first,
        "quiet": start - last,
        "lately": np.bincount(before.item[lately], minlength=n).astype(np.float64),
        "buyers": np.bincount(
            np.unique(before.customer.astype(np.int64) * n + before.item) % n, minlength=n
        ).astype(np.float64),
    }


def _product(
    history: History,
    book: Ledger,
    item: int,
    sold: npt.NDArray[np.int64],
    hit: npt.NDArray[np.int64],
    named: npt.NDArray[np.int64],
    facts: Mapping[str, npt.NDArray[np.float64]],
) -> dict[str, Any]:
    share = hit[item] / sold[item]
    return {
        "title": title(history, book.skus[item]),
        "asked": int(sold[item]),
        "found": int(hit[item]),
        "recommended": int(named[item]),
        "why": _why_product(
            share, {name: float(each[item]) for name, each in facts.items()}, int(named[item])
        ),
    }


def _why_product(share: float, facts: Mapping[str, float], named: int) -> str:
    if share >= 0.5:
        return (
            f"{facts['lines']:.0f} order lines of {facts['buyers']:.0f} buyers to learn from, "
            f"{facts['lately']:.0f} in the last 30 days"
        )
    if facts["age"] < 30:
        return f"new: first sold {facts['age']:.0f} days before the newest window"
    if facts["quiet"] > 60:
        return f"back after a pause of {facts['quiet']:.0f} days"
    if facts["lines"] < 30:
        return f"only {facts['lines']:.0f} order lines to learn from"
    if named == 0:
        return "bought by all sorts of customers with all sorts of products: never among the first ten"
    return f"bought widely; recommended {named:,} times, mostly to others than those who bought it"


def _customers(history: History, book: Ledger, rolled: Rolled, seed: int) -> list[dict[str, Any]]:
    """One customer of one order, one of a few, one of many, as far as there are such."""
    asked, recommender = rolled.last_home, rolled.last
    if asked is None or recommender is None or not rolled.origins:
        return []
    generator = np.random.default_rng([seed, 3])
    chosen: list[int] = []
    for _, least, most in GROUPS[1:]:
        rows = np.flatnonzero((asked.orders >= least) & (asked.orders <= most))
        if len(rows):
            chosen.append(int(generator.choice(rows)))
    others = np.setdiff1d(np.arange(len(asked)), chosen)
    missing = min(len(GROUPS) - 1 - len(chosen), len(others))
    chosen += [int(each) for each in generator.choice(others, missing, replace=False)]
    return [
        _customer(history, book, rolled, recommender, row, letter)
        for row, letter in zip(chosen, "ABC", strict=False)
    ]


def _customer(
    history: History, book: Ledger, rolled: Rolled, recommender: TwoStage, row: int, letter: str
) -> dict[str, Any]:
    assert rolled.last_home is not None
    asked = rolled.last_home
    query = asked.batch.take(np.array([row]))
    answer = recommender.recommend(query, np.array([SHOWN], np.int64))[0]
    before = book.sales.before(rolled.origins[-1])
    mine = np.flatnonzero(before.customer == query.customer[0])
    newest = mine[np.lexsort((before.item[mine], -before.day[mine]))][:REMEMBERED]
    truth = set(asked.truth[row].indices.tolist())
    return {
        "name": f"Customer {letter}",
        "orders": int(asked.orders[row]),
        "distinct_products": len(np.unique(before.item[mine])),
        "bought_last": [
            {"title": title(history, book.skus[before.item[k]]), "day": _day(book, before.day[k])}
            for k in newest
        ],
        "bought_then": len(truth),
        "recommended": [
            {
                "title": title(history, book.skus[int(item)]),
                "bought_then": int(item) in truth,
                "by": each.by,
                "reasons": [{"reason": reason.value, "share": told(value)} for reason, value in each.reasons],
                "features": [{"name": name, "value": told(value)} for name, value in each.features],
            }
            for item, each in zip(answer.item, why(recommender, Slot.HOME, query, answer), strict=True)
        ],
    }


def title(history: History, sku: str) -> str:
    found = history.products.get(sku)
    return found.title if found is not None and found.title else sku


def _day(book: Ledger, day: float) -> str:
    if not book.sales.dated:
        return f"step {day:.0f}"
    return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=float(day))).date())


def told(value: float) -> float | None:
    """Six digits; None for what is no number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def interval(each: Interval) -> dict[str, float | None]:
    return {"value": told(each.value), "low": told(each.low), "high": told(each.high)}


def told_all(found: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: interval(each) for name, each in found.items()}


def limits(history: History, found: Mapping[str, Any], today: date) -> list[str]:
    """What these numbers do not say."""
    enough = found["sufficiency"]
    out = [
        "What was bought is taken for what was wanted: a product that nobody was shown could not be bought, so no backtest "
        "tells how much more a recommendation would have sold. Only an experiment in the shop does.",
        "Products that had not sold before a window cannot be asked for in it; in the shop they are recommended by "
        "their words, type and price from their first day.",
        "Stock of the past is not in an export: a product that was sold out counts as one that nobody wanted.",
        "Planned prices and promotions are not in an export; where they are known, forecasts are better.",
    ]
    last = date.fromisoformat(enough["last_day"])
    if (today - last).days > 60:
        out.insert(0, f"The newest order is of {last}: the shop of today may be another one.")
    if enough["days"] < 2 * 365:
        out.append(
            "Less than two years of history: what comes back every year could hardly be learnt or measured."
        )
    if enough["customers"] == 0:
        out.append("No customer is named: nothing personal could be measured.")
    elif enough["returning_customers"] < 50:
        out.append(f"Only {enough['returning_customers']} customers came back: personal measures say little.")
    return out
