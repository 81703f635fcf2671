"""When to order and how much: quantiles of simulated lead-time demand, never z times a standard deviation. Pure.

Demand that comes in lumps is not normal, and quantiles of days do not add. So paths are drawn: each step from its own forecast
quantiles, the steps of a path tied together by a common factor (a Gaussian copula with equal correlation), the lead time from
what suppliers did; and the quantile is taken of the paths' sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import TAUS

PATHS = 2000
TAIL = (
    1.5  # the largest demand drawn: so many times the distance from the median to the 95 % quantile above it
)
A_SHARE, B_SHARE = 0.8, 0.95


class Importance(StrEnum):
    """By share of revenue: the products that bring 80 % of it, the next 15 %, the rest."""

    A = "A"
    B = "B"
    C = "C"


SERVICE = {Importance.A: 0.98, Importance.B: 0.95, Importance.C: 0.90}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a product is bought.

    Args:
        lead_times: int [n], steps that past deliveries took, or one agreed time; each at least 1.
        review: steps between two looks at the stock.
        minimum: fewest units in an order.
        pack: units in a case; orders are whole cases.
        service: share of lead times without running out, between 0 and 1.
    """

    lead_times: npt.NDArray[np.int64]
    review: int = 1
    minimum: int = 1
    pack: int = 1
    service: float = SERVICE[Importance.B]

    def __post_init__(self) -> None:
        if not len(self.lead_times) or self.lead_times.min() < 1:
            raise ValueError("a lead time is at least one step")
        if self.review < 1 or self.minimum < 0 or self.pack < 1 or not 0 < self.service < 1:
            raise ValueError(
                "review and pack are at least 1, the minimum is not negative, service is between 0 and 1"
            )


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do.

    Args:
        reorder_point: order when stock and what is on its way fall to this or below; units.
        safety: the part of it above the mean demand of the lead time; units.
        order: units to order now; 0 while there is enough.
        covered: share of simulated paths that do not run out before an order of now arrives.
    """

    reorder_point: int
    safety: float
    order: int
    covered: float


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
    middle, high = quantiles[TAUS.index(0.5)], quantiles[-1]
    low = np.maximum(quantiles[0] - (quantiles[1] - quantiles[0]), 0.0)
    table = np.vstack([low, quantiles, high + TAIL * (high - middle)])
    place = np.array([0.0, *TAUS, 1.0])
    rise = np.diff(table, axis=0)
    width = np.diff(place)[:, None]
    floor, lift = (width * table[:-1]).sum(axis=0), (width * rise).sum(axis=0)
    wanted = np.maximum(mean - floor, 1e-12)
    # A piece bent by the exponent b rises by 1 / (b + 1) of its height in the mean.
    bend = np.clip(np.divide(lift, wanted, out=np.ones(horizon), where=lift > 0) - 1, 0.1, 50.0)
    piece = np.clip(np.searchsorted(place, rank, side="right") - 1, 0, len(place) - 2)
    column = np.arange(horizon)
    part = ((rank - place[piece]) / np.diff(place)[piece]) ** bend
    drawn: Doubles = table[piece, column] + part * rise[piece, column]
    return drawn


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


def lead_time_demand(paths: Doubles, lead_times: Array, *, review: int, seed: int) -> tuple[Doubles, Doubles]:
    """(demand until an order of now arrives, demand until the order after it arrives), each [paths].

    A lead time beyond the horizon goes on with the path's mean.
    """
    rng = np.random.default_rng(seed)
    lead = rng.choice(np.asarray(lead_times, np.int64), len(paths))
    return _summed(paths, lead), _summed(paths, lead + review)


def advise(
    quantiles: Doubles,
    mean: Doubles,
    terms: Terms,
    *,
    stock: float,
    on_order: float,
    tie: float,
    seed: int,
) -> Advice:
    """What to do about one product.

    Args:
        quantiles: float64 [5, H], the forecast from tomorrow on.
        mean: float64 [H], of the same steps.
        stock: units at hand less what is promised already; negative when sold out and promised.
        on_order: units on their way.
    """
    paths = demand_paths(quantiles, mean, tie=tie, seed=seed)
    until, after = lead_time_demand(paths, terms.lead_times, review=terms.review, seed=seed + 1)
    point = math.ceil(float(np.quantile(until, terms.service)) - 1e-9)
    have = stock + on_order
    order = 0
    if have <= point and float(after.mean()) > 0:
        wanted = float(np.quantile(after, terms.service)) - have
        if wanted > 0:
            order = math.ceil(max(wanted, terms.minimum) / terms.pack - 1e-9) * terms.pack
    return Advice(point, point - float(until.mean()), order, float((until <= have).mean()))


def _summed(paths: Doubles, steps: Array) -> Doubles:
    horizon = paths.shape[1]
    sums = np.concatenate([np.zeros((len(paths), 1)), np.cumsum(paths, axis=1)], axis=1)
    row = np.arange(len(paths))
    beyond = np.maximum(steps - horizon, 0)
    told: Doubles = sums[row, np.minimum(steps, horizon)] + beyond * paths.mean(axis=1)
    return told
