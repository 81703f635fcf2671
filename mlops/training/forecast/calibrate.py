"""Quantiles that hold: learnt ones and those of the ensemble's own errors, in equal parts, then stretched. Pure.

Learnt quantiles know which days are uncertain; errors at inner origins know how wrong this ensemble is. Errors are ratios of
what was sold to the mean forecast, by class of series and by what is told of the target, freed of each origin's own bias:
spread is learnt, never a shift. What remains is one factor for each interval by class of series: that with the least pinball
loss, in units of the series' own mean step, where a factor other than 1 costs a share of the loss that grows with the square
of its logarithm; shrunk towards the factor of all series. Both ends of an interval share it, for two factors would be a shift
by another name.

Where products are too few or too odd to learn from each other, their own past sales are told by nothing better: a share of
them is mixed in, chosen like the factor, for a cost that grows with its square.

Every inner origin is judged by the ratios of the others (leave-one-out, after split conformal prediction).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import MEDIAN, TAUS, Calibration, Ratios, calibrated, stretched

FACTORS = np.round(np.arange(0.5, 2.51, 0.1), 2)
PRIOR_SERIES = 200.0
STRETCH_COST = 0.4  # of the loss, for a factor of e
SHARES = np.round(np.arange(0.0, 1.01, 0.1), 2)
PAST_COST = 0.02  # of the loss, for quantiles of the past alone
UNMEASURED_PAST = 0.5
FEWEST_RATIOS = 200
SMALLEST_MEAN = 1e-6


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of one inner origin.

    Args:
        quantiles: float64 [5, S, H], as the quantile models say.
        past: float64 [5, S, H], of the series' own sales.
        own: float64 [S, H], the mean of the member that shares their rows.
        mean: float64 [S, H], the ensemble's.
        told: float64 [S, H], what the ratios are told apart by.
        truth: float64 [S, H]; NaN where there is no record.
        codes: int8 [S], classes.
        scale: float64 [S], mean absolute step of the series; 0 where unknown.
    """

    quantiles: Doubles
    past: Doubles
    own: Doubles
    mean: Doubles
    told: Doubles
    truth: Doubles
    codes: Array
    scale: Doubles


def calibrate(spreads: list[Spread], edges: tuple[float, ...]) -> Calibration:
    """The calibration that these origins advise; one that changes nothing without any.

    Args:
        edges: between the bins of `Spread.told`.
    """
    factors = np.ones((len(PATTERNS), len(TAUS)))
    ratios = _ratios(spreads, edges)
    if ratios is None or len(spreads) < 2:
        return Calibration(ratios, np.full(len(PATTERNS), UNMEASURED_PAST), factors)
    plain = [
        _served(each, _ratios(spreads[:k] + spreads[k + 1 :], edges), np.zeros(len(PATTERNS)))
        for k, each in enumerate(spreads)
    ]
    tables = [_mixing(each, told) for each, told in zip(spreads, plain, strict=True)]
    shares = _by_class(tables, spreads, _share)[:, 0]
    tables = []
    for each, told in zip(spreads, plain, strict=True):
        share = shares[each.codes][:, None]
        tables.append(_losses(each, (1 - share) * told + share * each.past))
    stretch = _by_class(tables, spreads, _best)
    stretch[:, MEDIAN] = 1.0
    return Calibration(ratios, shares, stretch)


def _served(each: Spread, ratios: Ratios | None, past: Doubles) -> Doubles:
    plain = Calibration(ratios, past, np.ones((len(PATTERNS), len(TAUS))))
    return calibrated(
        plain, each.quantiles, past=each.past, own=each.own, mean=each.mean, told=each.told, codes=each.codes
    )


def _by_class(tables: list[Doubles], spreads: list[Spread], best: Callable[[Doubles], Doubles]) -> Doubles:
    """[C, n]: what `best` says of each class's losses, [F, n], shrunk towards what it says of all."""
    every = best(np.asarray(sum(table.sum(axis=2) for table in tables)))
    out = np.repeat(every[None, :], len(PATTERNS), axis=0)
    for code in range(len(PATTERNS)):
        count = float(np.mean([(each.codes == code).sum() for each in spreads]))
        if count > 0:
            pairs = zip(tables, spreads, strict=True)
            own = np.asarray(sum(table[:, :, each.codes == code].sum(axis=2) for table, each in pairs))
            out[code] = (count * best(own) + PRIOR_SERIES * every) / (count + PRIOR_SERIES)
    return out


def _mixing(each: Spread, told: Doubles) -> Doubles:
    """[F, 1, S]: loss of each share of the past, over all quantiles."""
    out = np.empty((len(SHARES), 1, len(each.truth)))
    for f, share in enumerate(SHARES):
        mixed = (1 - share) * told + share * each.past
        out[f, 0] = np.sum([_pinball(each, mixed[k], tau) for k, tau in enumerate(TAUS)], axis=0)
    return out


def _share(losses: Doubles) -> Doubles:
    """[1]"""
    cost = losses[:, 0] + PAST_COST * losses[0, 0] * SHARES**2
    return SHARES[[int(np.argmin(cost))]]


def _ratios(spreads: list[Spread], edges: tuple[float, ...]) -> Ratios | None:
    """Quantiles of truth by mean, each origin's freed of its bias; None where too few are known."""
    found: list[Doubles] = []
    codes: list[Array] = []
    bins: list[Array] = []
    for each in spreads:
        known = np.isfinite(each.truth) & (each.mean > SMALLEST_MEAN)
        sold = each.truth[known].sum()
        if sold <= 0:
            continue
        found.append(each.truth[known] / each.mean[known] * (each.mean[known].sum() / sold))
        codes.append(np.broadcast_to(each.codes[:, None], known.shape)[known])
        bins.append(np.digitize(each.told, edges)[known])
    if sum(map(len, found)) < FEWEST_RATIOS:
        return None
    ratio, code, place = np.concatenate(found), np.concatenate(codes), np.concatenate(bins)
    table = np.empty((len(PATTERNS), len(edges) + 1, len(TAUS)))
    table[:] = np.quantile(ratio, TAUS)
    for k in range(len(PATTERNS)):
        of_class = code == k
        if of_class.sum() >= FEWEST_RATIOS:
            table[k] = np.quantile(ratio[of_class], TAUS)
        for b in range(len(edges) + 1):
            here = of_class & (place == b)
            if here.sum() >= FEWEST_RATIOS:
                table[k, b] = np.quantile(ratio[here], TAUS)
    return Ratios(edges, table)


def _best(losses: Array) -> Doubles:
    """[5]: the factor of each quantile from losses [F, 5]."""
    paired = losses + losses[:, ::-1]
    plain = paired[int(np.argmin(np.abs(FACTORS - 1)))]
    cost = paired + STRETCH_COST * plain * np.log(FACTORS)[:, None] ** 2
    return np.asarray(FACTORS[np.argmin(cost, axis=0)])


def _losses(each: Spread, quantiles: Doubles) -> Doubles:
    """[F, 5, S]: loss of each factor for each quantile of each series."""
    out = np.empty((len(FACTORS), len(TAUS), len(each.truth)))
    for f, factor in enumerate(FACTORS):
        wide = stretched(quantiles, np.full(1, factor))
        for k, tau in enumerate(TAUS):
            out[f, k] = _pinball(each, wide[k], tau)
    return out


def _pinball(each: Spread, quantile: Doubles, tau: float) -> Doubles:
    """[S]: mean pinball loss over the horizon by the series' scale."""
    gap = each.truth - quantile
    loss = np.nan_to_num(np.maximum(tau * gap, (tau - 1) * gap))
    count = np.maximum(np.isfinite(each.truth).sum(axis=1), 1)
    scaled: Doubles = np.divide(
        loss.sum(axis=1) / count, each.scale, out=np.zeros(len(loss)), where=each.scale > 0
    )
    return scaled
