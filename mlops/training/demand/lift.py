"""How much more sells at a discount: one slope a series, shrunk to those of its type and of the shop. Pure.

    mean sales = usual sales * exp(slope * discount)

The slope is that with the highest quasi-Poisson likelihood under a normal prior, by Newton's method: on means, because most
days of most products sell nothing, and a logarithm of nothing is an opinion. A campaign reaches all products on the same days, so
the shop's and the types' slopes are judged by how much the shop's days scatter, not as if each product were an observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.baselines import profile
from mlops.predictors.demand.panel import Array, Codes, Doubles, Floats

AROUND = 28  # days on each side, from which the usual sales of a day are taken
MEMORY = 728  # days
SMALLEST_DISCOUNT = 0.01
# Standard deviations of slopes: of shops about none, of types about their shop's, of series about their type's.
SHOP_SPREAD, GROUP_SPREAD, SERIES_SPREAD = 2.0, 1.0, 1.0
LARGEST = 8.0  # at a discount of 30 %: eleven times the usual
ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Lift:
    """Args:
    slope: float64 [S], logarithm of sales for each unit of discount (1 is free of charge); not negative.
    shop: of the whole shop.
    days: days with a discount that were learnt from.
    """

    slope: Doubles
    shop: float
    days: int


def learn(y: Floats, deal: Floats, codes: Codes | None) -> Lift:
    """The lift that past discounts had.

    Args:
        y: float32 [S, T], units; NaN where there is no record.
        deal: float32 [S, T], discounts.
        codes: int32 [S], types; None where there are none.
    """
    series, steps = y.shape
    start = max(0, steps - MEMORY)
    seen: Doubles = y[:, start:].astype(np.float64)
    off_price: Doubles = deal[:, start:].astype(np.float64)
    reduced = off_price > SMALLEST_DISCOUNT
    if not reduced.any():
        return Lift(np.zeros(series), 0.0, 0)
    usual = _usual(seen, reduced)
    known = np.isfinite(seen) & np.isfinite(usual) & (usual > 0)
    learnt = known & reduced
    if not learnt.any():
        return Lift(np.zeros(series), 0.0, 0)
    scatter = _scatter(seen, usual, known & ~reduced)
    by_day = _scatter_of_days(seen, usual, known & ~reduced)
    row, column = np.nonzero(learnt)
    sold, base, off = seen[row, column], usual[row, column], off_price[row, column]
    none = np.zeros(len(row), np.int64)
    shop = _solve(sold, base, off, none, np.zeros(1), SHOP_SPREAD, np.full(1, by_day))
    start_at = shop
    group = none
    if codes is not None:
        group = codes[row].astype(np.int64)
        count = int(codes.max()) + 1
        start_at = _solve(
            sold, base, off, group, np.repeat(shop, count), GROUP_SPREAD, np.full(count, by_day)
        )
    own = start_at[codes] if codes is not None else np.repeat(shop, series)
    slope = _solve(sold, base, off, row, own, SERIES_SPREAD, scatter)
    return Lift(
        np.clip(slope, 0.0, LARGEST), float(np.clip(shop[0], 0.0, LARGEST)), int(learnt.any(axis=0).sum())
    )


def times(slope: Array, deal: Array) -> Doubles:
    """What discounts multiply sales by: [S, n] from slopes [S] and discounts [S, n]."""
    return np.asarray(np.exp(slope[:, None].astype(np.float64) * deal))


def _usual(y: Doubles, reduced: Array) -> Doubles:
    """[S, T]: the mean of the days at full price around each day, by the series' weekdays; NaN without any."""
    plain = np.where(reduced, np.nan, y)
    week = profile(plain, 7, min(182, y.shape[1])) if y.shape[1] >= 14 else np.ones((len(y), 7))
    shape = week[:, (np.arange(y.shape[1]) - y.shape[1]) % 7]
    known = np.isfinite(plain)
    weight = np.where(known, shape, 0.0)
    sums = _around(np.where(known, plain, 0.0)), _around(weight)
    level = np.divide(sums[0], sums[1], out=np.full(y.shape, np.nan), where=sums[1] > 1e-9)
    return np.asarray(level * shape)


def _around(values: Doubles) -> Doubles:
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    at = np.arange(values.shape[1])
    high, low = np.minimum(at + AROUND + 1, values.shape[1]), np.maximum(at - AROUND, 0)
    return np.asarray(total[:, high] - total[:, low])


def _scatter(y: Doubles, usual: Doubles, known: Array) -> Doubles:
    """[S]: variance over mean of the days at full price; at least 1, that of all where a series has few."""
    gap = np.where(known, (y - usual) ** 2, 0.0).sum(axis=1)
    mean = np.where(known, usual, 0.0).sum(axis=1)
    every = gap.sum() / max(mean.sum(), 1e-9)
    own = np.divide(gap + 5 * every, mean + 5, out=np.full(len(y), every), where=mean > 0)
    return np.asarray(np.maximum(own, 1.0))


def _scatter_of_days(y: Doubles, usual: Doubles, known: Array) -> float:
    sold = np.where(known, y, 0.0).sum(axis=0)
    told = np.where(known, usual, 0.0).sum(axis=0)
    days = told > 0
    if not days.any():
        return 1.0
    return max(1.0, float(((sold - told)[days] ** 2).sum() / told[days].sum()))


def _solve(
    sold: Doubles, base: Doubles, off: Doubles, group: Array, prior: Doubles, spread: float, scatter: Doubles
) -> Doubles:
    """[G]: the slope of each group."""
    slope = prior.astype(np.float64).copy()
    for _ in range(ROUNDS):
        told = base * np.exp(np.clip(slope[group] * off, -5.0, 5.0))
        push = np.bincount(group, off * (sold - told), len(prior)) / scatter - (slope - prior) / spread**2
        hold = np.bincount(group, off * off * told, len(prior)) / scatter + 1 / spread**2
        slope = np.clip(slope + np.clip(push / hold, -1.0, 1.0), -LARGEST, LARGEST)
    return slope
