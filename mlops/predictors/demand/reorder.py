"""When to order and how much: from sums of simulated paths, never z times a standard deviation. Pure.

Demand that comes in lumps is not normal, and quantiles of days do not add. So paths are drawn: each step from its own forecast
quantiles, the steps of a path tied together by a common factor (a Gaussian copula with equal correlation), and quantiles are taken
of the paths' sums. What is promised is a fill rate: of 100 units that are asked for, so many are there. Looking every R days,
with an order arriving L days after it was placed, the level that keeps it is the smallest S with

    E[(D(L + R) - S)+] - E[(D(L) - S)+] <= (1 - fill) E[D(R)]

D(n): demand of the n days after the look (Silver, Pyke and Thomas 2017, 7.9: periodic review, order up to a level).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from mlops.predictors.demand.panel import Array, Doubles, Floats
from mlops.predictors.demand.quantiles import TAUS

PATHS = 2000
# Demand above the 95 % quantile is that and an exponential share more, on average so much of the way from the 75 % quantile to it:
# 0.43 under a normal law, 0.62 under an exponential one, less where quantiles of counts are rounded up to whole units. Which it is nearer to is told by that way against the one from the median.
NORMAL_TAIL, EXPONENTIAL_TAIL = 0.43, 0.57
NORMAL_WAY, EXPONENTIAL_WAY = 1.44, 2.32
A_SHARE, B_SHARE = 0.8, 0.95
# Of a sum, as it is kept: close together where shortages are decided.
LEVELS = (
    0.0, 0.02, 0.06, 0.12, 0.2, 0.28, 0.36, 0.44, 0.5, 0.56, 0.62, 0.68, 0.73, 0.78, 0.82, 0.86, 0.89, 0.915, 0.935, 0.95, 0.962,
    0.973, 0.982, 0.99, 0.995, 1.0,
)  # fmt: skip
HALVINGS = 50
MOST_LEADS = 11


class Importance(StrEnum):
    """By share of revenue: the products that bring 80 % of it, the next 15 %, the rest."""

    A = "A"
    B = "B"
    C = "C"


FILL = {Importance.A: 0.98, Importance.B: 0.95, Importance.C: 0.90}


@dataclass(frozen=True, slots=True)
class Terms:
    """How n products are bought.

    Args:
        lead: int [n], days from an order to its arrival, as agreed; at least 1.
        late: int [n], days that a late one takes; not less than `lead`. All days between are equally likely.
        review: days between two looks at the stock; at least 1.
        minimum: int [n], fewest units in an order; pack: int [n], units in a case: orders are whole cases.
        fill: float [n], share of the units asked for that are to be there, between 0 and 1.

    Raises:
        ValueError: a term cannot be.
    """

    lead: npt.NDArray[np.int64]
    late: npt.NDArray[np.int64]
    review: int
    minimum: npt.NDArray[np.int64]
    pack: npt.NDArray[np.int64]
    fill: Doubles

    def __post_init__(self) -> None:
        if (self.lead < 1).any() or (self.late < self.lead).any():
            raise ValueError("a lead time is at least one day, and a late one not shorter than it")
        if self.review < 1 or (self.minimum < 0).any() or (self.pack < 1).any():
            raise ValueError("review and pack are at least 1, the minimum is not negative")
        if not ((self.fill > 0) & (self.fill < 1)).all():
            raise ValueError("a fill rate is between 0 and 1")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about n products.

    Args:
        point: int [n], order when stock and what is on its way are below this; units.
        safety: float [n], the part of it above the mean demand until an order of the next look arrives.
        order: int [n], units to order now; 0 while there is enough.
        covered: float [n], the chance that what is there lasts until an order of now arrives.
    """

    point: npt.NDArray[np.int64]
    safety: Doubles
    order: npt.NDArray[np.int64]
    covered: Doubles


def importance(revenue: Array) -> list[Importance]:
    """Of each product, by its share of all revenue; without any revenue all are C."""
    total = float(revenue.sum())
    if total <= 0:
        return [Importance.C] * len(revenue)
    order = np.argsort(-revenue, kind="stable")
    before = (np.cumsum(revenue[order]) - revenue[order]) / total
    out = [Importance.C] * len(revenue)
    for place, share in zip(order, before, strict=True):
        out[place] = Importance.A if share < A_SHARE else Importance.B if share < B_SHARE else Importance.C
    return out


def demand_paths(quantiles: Doubles, mean: Doubles, *, tie: float, seed: int, paths: int = PATHS) -> Doubles:
    """float64 [paths, H]: demand drawn from forecast quantiles, [5, H], and means, [H].

    Between two quantiles the curve is bent by one exponent a step, such that the drawn mean is the forecast's: a straight
    line between "none in half of all days" and "five in a quarter of them" would sell something every day.

    Args:
        tie: correlation between the steps of a path, 0 to 1: how much a good day tells of the days after it.
    """
    if not 0 <= tie <= 1:
        raise ValueError("a tie is between 0 and 1")
    horizon = quantiles.shape[1]
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((paths, 1)), rng.standard_normal((paths, horizon))
    rank = ndtr(math.sqrt(tie) * common + math.sqrt(1 - tie) * own)
    low = np.maximum(quantiles[0] - (quantiles[1] - quantiles[0]), 0.0)
    table = np.vstack([low, quantiles])
    place = np.array([0.0, *TAUS])
    rise = np.diff(table, axis=0)
    width = np.diff(place)[:, None]
    high, excess = quantiles[-1], _excess(quantiles)
    rest = 1 - TAUS[-1]
    floor, lift = (width * table[:-1]).sum(axis=0), (width * rise).sum(axis=0)
    wanted = np.maximum(mean - floor - rest * (high + excess), 1e-12)
    # A piece bent by the exponent b rises by 1 / (b + 1) of its height in the mean.
    bend = np.clip(np.divide(lift, wanted, out=np.ones(horizon), where=lift > 0) - 1, 0.1, 50.0)
    piece = np.clip(np.searchsorted(place, rank, side="right") - 1, 0, len(place) - 2)
    column = np.arange(horizon)
    part = (np.minimum(rank - place[piece], np.diff(place)[piece]) / np.diff(place)[piece]) ** bend
    drawn: Doubles = table[piece, column] + part * rise[piece, column]
    far = rank > TAUS[-1]
    beyond = high - excess * np.log(np.maximum((1 - rank) / rest, 1e-4))
    return np.where(far, beyond, drawn)


def _excess(quantiles: Doubles) -> Doubles:
    """[H]: how far above the 95 % quantile demand above it lies on average."""
    near, far = quantiles[-2] - quantiles[TAUS.index(0.5)], quantiles[-1] - quantiles[-2]
    way = np.divide(far, near, out=np.full(len(far), EXPONENTIAL_WAY), where=near > 0)
    part = np.clip((way - NORMAL_WAY) / (EXPONENTIAL_WAY - NORMAL_WAY), 0.0, 1.0)
    return np.asarray((NORMAL_TAIL + part * (EXPONENTIAL_TAIL - NORMAL_TAIL)) * far)


def tie_of(ranks: Array) -> float:
    """How strongly steps of one forecast go together, from past forecasts' ranks.

    Args:
        ranks: float [n, H], where each sale lay among its forecast's quantiles, 0 to 1; NaN where unknown.
    """
    scores = ndtri(np.clip(ranks, 0.01, 0.99))
    scores = scores[np.isfinite(scores).all(axis=1)]
    if len(scores) < 2 or scores.shape[1] < 2:
        return 0.0
    scores = scores - scores.mean()
    variance = float((scores**2).mean())
    if variance <= 0:
        return 0.0
    count = scores.shape[1]
    of_mean = float((scores.mean(axis=1) ** 2).mean())
    # The variance of a mean of equally correlated scores is v (1 + (H - 1) r) / H.
    return float(np.clip((of_mean / variance * count - 1) / (count - 1), 0.0, 1.0))


def sums_of(quantiles: Doubles, mean: Doubles, *, tie: float, seed: int, paths: int = PATHS) -> Doubles:
    """float64 [H, K]: `LEVELS` quantiles of the demand of the first 1 .. H steps."""
    drawn = np.sort(np.cumsum(demand_paths(quantiles, mean, tie=tie, seed=seed, paths=paths), axis=1), axis=0)
    told = drawn[np.round(np.array(LEVELS) * (paths - 1)).astype(np.int64)].T.copy()
    # The largest of some paths is an accident: the end lies where a straight line to it has the mean of those beyond.
    beyond = drawn[math.floor(LEVELS[-2] * paths) :].mean(axis=0)
    told[:, -1] = np.maximum(2 * beyond - told[:, -2], told[:, -2])
    return np.asarray(told)


def demand_over(sums: Floats, days: Array, scale: Array) -> Doubles:
    """float64 [n, K]: quantiles of the demand of so many days; behind the horizon each path goes on as it went.

    Args:
        sums: float32 [n, H, K]; days: int [n]; scale: float [n], what is asked for now against what `sums` expected.
    """
    horizon = sums.shape[1]
    inside = np.clip(days, 1, horizon)
    told = sums[np.arange(len(sums)), inside - 1].astype(np.float64)
    more = np.where(days < 1, 0.0, np.maximum(days / horizon, 1.0)) * scale
    return np.asarray(told * more[:, None])


def advise(
    sums: Floats, terms: Terms, *, stock: Array, on_order: Array, scale: Array, today: Array
) -> Advice:
    """What to do about products.

    Args:
        stock: float [n], units at hand less what is promised already; negative when sold out and promised.
        on_order: float [n], units on their way.
        scale: as of `demand_over`, for the days until an order arrives.
        today: float [n], mean demand a day from now on; what nobody will buy is not ordered.
    """
    leads = _leads(terms)
    until = [demand_over(sums, lead, scale) for lead in leads]
    after = [demand_over(sums, lead + terms.review, scale) for lead in leads]
    point = _level(until, after, terms.fill)
    expected = np.mean([_mean(each) for each in after], axis=0)
    have = stock + on_order
    wanted = np.where((have < point) & (today > 0), point - have, 0.0)
    wanted = np.where(wanted > 0, np.maximum(wanted, terms.minimum), 0.0)
    order = np.ceil(wanted / terms.pack - 1e-9) * terms.pack
    covered = np.mean([_share_below(each, have) for each in until], axis=0)
    return Advice(point, np.maximum(point - expected, 0.0), order.astype(np.int64), covered)


def _leads(terms: Terms) -> list[npt.NDArray[np.int64]]:
    """Lead times that stand for all between the agreed and the late one, each [n]."""
    width = terms.late - terms.lead + 1
    count = int(min(MOST_LEADS, width.max(initial=1)))
    places = [(k + 0.5) / count for k in range(count)]
    return [terms.lead + np.floor(width * place).astype(np.int64) for place in places]


def _level(until: list[Doubles], after: list[Doubles], fill: Doubles) -> npt.NDArray[np.int64]:
    """int [n]: the smallest level that keeps the fill rate."""
    allowed = (1 - fill) * np.mean([_mean(b) - _mean(a) for a, b in zip(until, after, strict=True)], axis=0)
    low = np.zeros(len(fill))
    high = np.max([each[:, -1] for each in after], axis=0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = np.mean(
            [_short(b, middle) - _short(a, middle) for a, b in zip(until, after, strict=True)], axis=0
        )
        enough = short <= allowed
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return np.asarray(np.ceil(high - 1e-6), np.int64)


_WIDTHS = np.diff(np.array(LEVELS))


def _mean(table: Doubles) -> Doubles:
    """[n]: of quantile functions that are straight between `LEVELS`."""
    return np.asarray(((table[:, 1:] + table[:, :-1]) / 2) @ _WIDTHS)


def _short(table: Doubles, level: Doubles) -> Doubles:
    """[n]: the mean of what demand is above a level."""
    low, high = table[:, :-1], table[:, 1:]
    s = level[:, None]
    rise = np.maximum(high - low, 1e-12)
    part = np.where(s <= low, (low + high) / 2 - s, np.maximum(high - s, 0.0) ** 2 / (2 * rise))
    return np.asarray(np.where(s >= high, 0.0, part) @ _WIDTHS)


def _share_below(table: Doubles, level: Doubles) -> Doubles:
    """[n]: the chance that demand is at most a level."""
    low, high = table[:, :-1], table[:, 1:]
    s = level[:, None]
    part = np.clip((s - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    return np.asarray(np.where(s >= high, 1.0, np.where(s < low, 0.0, part)) @ _WIDTHS)
