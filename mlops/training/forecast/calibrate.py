"""How far learnt quantiles must be stretched to hold, found on inner origins. Pure.

Each quantile has one factor by class of series: that with the least pinball loss over all inner origins, in units of the
series' own mean step, shrunk towards the factor of all series and that towards 1. Nothing is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import MEDIAN, TAUS, Stretch, follow, stretched

FACTORS = np.round(np.arange(0.5, 2.51, 0.1), 2)
FOLLOWS = (0.0, 0.5, 1.0)
PRIOR_SERIES = 200.0
PRIOR_TRIALS = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of one inner origin.

    Args:
        quantiles: float64 [5, S, H], as the quantile models say.
        own: float64 [S, H], the mean of the member that shares their rows.
        mean: float64 [S, H], the ensemble's.
        truth: float64 [S, H]; NaN where there is no record.
        codes: int8 [S], classes.
        scale: float64 [S], mean absolute step of the series; 0 where unknown.
    """

    quantiles: Doubles
    own: Doubles
    mean: Doubles
    truth: Doubles
    codes: Array
    scale: Doubles


def calibrate(spreads: list[Spread]) -> Stretch:
    """The stretch that would have served best at these origins; none without any."""
    factors = np.ones((len(PATTERNS), len(TAUS)))
    if not spreads:
        return Stretch(1.0, factors)
    power = min(FOLLOWS, key=lambda each: sum(_loss(s, each) for s in spreads))
    trust = len(spreads) / (len(spreads) + PRIOR_TRIALS)
    tables = [_losses(each, power) for each in spreads]  # each [F, 5, S]
    total = sum(table.sum(axis=2) for table in tables)
    every = 1 + trust * (FACTORS[np.argmin(total, axis=0)] - 1)
    for code in range(len(PATTERNS)):
        count = np.mean([(each.codes == code).sum() for each in spreads])
        if count == 0:
            factors[code] = every
            continue
        own = sum(
            table[:, :, each.codes == code].sum(axis=2) for table, each in zip(tables, spreads, strict=True)
        )
        best = 1 + trust * (FACTORS[np.argmin(own, axis=0)] - 1)
        factors[code] = (count * best + PRIOR_SERIES * every) / (count + PRIOR_SERIES)
    factors[:, MEDIAN] = 1.0
    return Stretch(power, factors)


def _moved(each: Spread, power: float) -> Doubles:
    return follow(each.quantiles, each.mean, each.own, power)


def _loss(each: Spread, power: float) -> float:
    moved = _moved(each, power)
    return float(sum(_pinball(each, moved[k], tau).sum() for k, tau in enumerate(TAUS)))


def _losses(each: Spread, power: float) -> Doubles:
    """[F, 5, S]: loss of each factor for each quantile of each series."""
    moved = _moved(each, power)
    out = np.empty((len(FACTORS), len(TAUS), len(each.truth)))
    for f, factor in enumerate(FACTORS):
        wide = stretched(moved, np.full(1, factor))
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
