"""Quantiles that hold: learnt ones and those of the ensemble's own errors, in equal parts, then stretched. Pure.

Learnt quantiles know which days are uncertain; errors at inner origins know how wrong this ensemble is. Errors are ratios of
what was sold to the mean forecast, by class of series and by what is told of the target, freed of each origin's own bias:
spread is learnt, never a shift. What remains is one factor for each interval by class of series: that with the least pinball
loss, in units of the series' own mean step, shrunk towards the factor of all series and that towards 1. Both ends of an
interval share it, for two factors would be a shift by another name.

Every inner origin is judged by the ratios of the others (leave-one-out, after split conformal prediction).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import MEDIAN, TAUS, Calibration, Ratios, calibrated, stretched

FACTORS = np.round(np.arange(0.5, 2.51, 0.1), 2)
PRIOR_SERIES = 200.0
PRIOR_TRIALS = 20.0
FEWEST_RATIOS = 200
SMALLEST_MEAN = 1e-6


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of one inner origin.

    Args:
        quantiles: float64 [5, S, H], as the quantile models say.
        own: float64 [S, H], the mean of the member that shares their rows.
        mean: float64 [S, H], the ensemble's.
        told: float64 [S, H], what the ratios are told apart by.
        truth: float64 [S, H]; NaN where there is no record.
        codes: int8 [S], classes.
        scale: float64 [S], mean absolute step of the series; 0 where unknown.
    """

    quantiles: Doubles
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
        return Calibration(ratios, factors)
    tables = []
    for k, spread in enumerate(spreads):
        others = _ratios(spreads[:k] + spreads[k + 1 :], edges)
        plain = Calibration(others, factors)
        served = calibrated(
            plain, spread.quantiles, own=spread.own, mean=spread.mean, told=spread.told, codes=spread.codes
        )
        tables.append(_losses(spread, served))
    trust = len(spreads) / (len(spreads) + PRIOR_TRIALS)
    every = _best(sum(table.sum(axis=2) for table in tables), trust)
    stretch = np.ones_like(factors)
    for code in range(len(PATTERNS)):
        count = float(np.mean([(each.codes == code).sum() for each in spreads]))
        stretch[code] = every
        if count > 0:
            pairs = zip(tables, spreads, strict=True)
            own = sum(table[:, :, each.codes == code].sum(axis=2) for table, each in pairs)
            stretch[code] = (count * _best(own, trust) + PRIOR_SERIES * every) / (count + PRIOR_SERIES)
    stretch[:, MEDIAN] = 1.0
    return Calibration(ratios, stretch)


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


def _best(losses: Array, trust: float) -> Doubles:
    """[5]: the factor of each quantile from losses [F, 5], shrunk towards 1."""
    paired = losses + losses[:, ::-1]
    return np.asarray(1 + trust * (FACTORS[np.argmin(paired, axis=0)] - 1))


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
