"""Quantiles of demand that are ordered, never negative and never absurd. Pure.

Quantiles are stretched about the median, never shifted: a shift learnt on one season is wrong in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles, Grid

TAUS = (0.05, 0.25, 0.50, 0.75, 0.95)
MEDIAN = TAUS.index(0.50)
LARGEST_TIMES = 5.0  # of the largest sale of the last year, for whole intervals
FEWEST_OF_PHASE = 8
NOTHING = 0.5  # of a unit, where sales are whole numbers
NEAR = 0.05  # of a unit, likewise
FOLLOW_LIMIT = 2.0
FOLLOW = 0.5  # the power with which learnt quantiles follow the ensemble's mean
ERROR_SHARE = 0.5  # of the served quantiles; the rest is learnt


@dataclass(frozen=True, slots=True)
class Ratios:
    """Quantiles of what was sold by the mean that had been forecast.

    Args:
        edges: between the bins of what is told of a target.
        table: float64 [C, len(edges) + 1, 5], by class and bin.
    """

    edges: tuple[float, ...]
    table: Doubles


@dataclass(frozen=True, slots=True)
class Calibration:
    """How learnt quantiles become served ones.

    Args:
        ratios: of the ensemble's errors; None leaves learnt quantiles alone.
        past: float64 [C], share of quantiles that is the series' own past.
        factors: float64 [C, 5], distance from the median by class of series; 1 leaves it.
    """

    ratios: Ratios | None
    past: Doubles
    factors: Doubles


def calibrated(
    calibration: Calibration,
    quantiles: Doubles,
    *,
    past: Doubles,
    own: Doubles,
    mean: Doubles,
    told: Array,
    codes: Array,
) -> Doubles:
    """[5, S, H]: learnt quantiles half way to the ensemble's mean, mixed with the quantiles of its errors and with those of the
    series' own past, stretched.

    Args:
        past: float64 [5, S, H], the series' own.
        own: float64 [S, H], the quantile models' own mean.
        mean: float64 [S, H], the ensemble's.
        told: float64 [S, H], what the ratios are told apart by.
        codes: int8 [S], classes.
    """
    out = follow(quantiles, mean, own, FOLLOW)
    ratios = calibration.ratios
    if ratios is not None:
        errors = ratios.table[codes[:, None], np.digitize(told, ratios.edges)]
        out = (1 - ERROR_SHARE) * out + ERROR_SHARE * np.moveaxis(errors * mean[:, :, None], 2, 0)
    share = calibration.past[codes][:, None]
    out = (1 - share) * out + share * past
    return stretched(out, calibration.factors[codes].T[:, :, None])


def follow(quantiles: Doubles, mean: Doubles, own: Doubles, power: float) -> Doubles:
    """[5, S, H]: quantiles moved in proportion to the ensemble's mean against the quantile model's own."""
    if power == 0:
        return quantiles
    ratio = np.divide(mean, own, out=np.ones_like(mean), where=own > 1e-9)
    moved: Doubles = quantiles * np.clip(ratio, 1 / FOLLOW_LIMIT, FOLLOW_LIMIT) ** power
    return moved


def stretched(quantiles: Doubles, factors: Array) -> Doubles:
    """[5, S, H] with each quantile's distance from the median times `factors`, [5, S, 1] or [5, 1, 1]."""
    middle = quantiles[MEDIAN]
    out: Doubles = middle + factors * (quantiles - middle)
    return np.maximum(out, 0.0)


def bounded(quantiles: Doubles, y: Array, grid: Grid) -> Doubles:
    """Ordered, not negative, and none above `LARGEST_TIMES` the series' largest sale of the last year.

    Where all sales were whole numbers, less than half a unit is nothing, and what is next to a whole number is that number.
    """
    ordered: Doubles = np.sort(np.maximum(quantiles, 0.0), axis=0)
    ordered = np.minimum(ordered, LARGEST_TIMES * largest(y, grid)[:, None])
    value = np.nan_to_num(y)
    whole = (value == np.rint(value)).all(axis=1)[:, None]
    nearest = np.rint(ordered)
    return np.where(whole & ((ordered < NOTHING) | (np.abs(ordered - nearest) < NEAR)), nearest, ordered)


def largest(y: Array, grid: Grid) -> Doubles:
    """[S]: of the last year; infinite where there is no record at all."""
    known = np.isfinite(y)
    top: Doubles = np.where(known, y, 0.0)[:, -grid.year - 1 :].max(axis=1, initial=0.0)
    return np.where(known.any(axis=1), top, np.inf)


def empirical(y: Array, horizon: int, season: int, length: int, scale: Array | None = None) -> Doubles:
    """[5, S, H]: quantiles of the last `length` columns' records, each phase of the season by itself where it was
    recorded at least `FEWEST_OF_PHASE` times; all of 0 where there is no record.

    Args:
        scale: [S, T + H], what sales are divided by before, and multiplied by after; None for plain sales.
    """
    series, steps = y.shape
    freed = y if scale is None else y / scale[:, :steps]
    recent = freed[:, -length:]
    out = np.zeros((len(TAUS), series, horizon))
    whole = _quantiles(recent, np.zeros((len(TAUS), series)))
    for phase in range(season):
        columns = np.arange(recent.shape[1] - season + phase, -1, -season)
        columns = columns[columns >= 0]
        told = _quantiles(recent[:, columns], whole) if len(columns) >= FEWEST_OF_PHASE else whole
        out[:, :, phase::season] = told[:, :, None]
    return out if scale is None else out * scale[:, steps : steps + horizon]


def _quantiles(y: Array, otherwise: Doubles) -> Doubles:
    """[5, S]: of the finite values of each row."""
    known = np.isfinite(y)
    count = known.sum(axis=1)
    ordered = np.sort(np.where(known, y, np.inf), axis=1)
    ordered[~np.isfinite(ordered)] = 0.0  # behind the last record; never picked
    out = np.empty((len(TAUS), len(y)))
    row = np.arange(len(y))
    for k, tau in enumerate(TAUS):
        place = tau * np.maximum(count - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        if y.shape[1] == 0:
            out[k] = otherwise[k]
            continue
        a, b = ordered[row, low], ordered[row, high]
        out[k] = np.where(count > 0, a + (place - low) * (b - a), otherwise[k])
    return out
