"""Intervals that go on holding after they were calibrated: adaptive conformal inference, by class and horizon group. Pure.

Gibbs and Candes 2021: the share of misses asked of an interval moves by `GAMMA` times (share promised - share missed) after each
day, and the interval is the quantile of recent scores at that share. A score is the factor by which the interval would have had
to be stretched about its median to hold just what was sold (Romano et al. 2019, scaled), so a season that is twice as wild
widens intervals within weeks, without a refit.

    state = fresh()
    state = observed(state, sold=..., quantiles=..., codes=..., ahead=...)    # once a day (or week), for what was sold on it
    served = bounded(adapted(state, quantiles, codes=..., step=...), y, grid)

Quantiles are always those before adaptation: what is asked each day is whether today's stretch would have held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import MEDIAN, TAUS

GAMMA = 0.01
HORIZON_EDGES = (7, 14, 28)  # days; groups are up to and with each, and beyond
GROUPS = len(HORIZON_EDGES) + 1
INTERVALS = ((0, 4), (1, 3))  # ends, as places in TAUS
KEPT = 400  # scores of each interval
MOST_A_DAY = 20  # of them: all series of a day share its surprise
PRIOR_SCORES = 20.0  # for which "no stretch" counts
SMALLEST_SHARE, LARGEST_SHARE = 0.002, 0.8
SMALLEST_WIDTH = 0.5  # units: an interval of one number can widen too
NARROWEST, WIDEST = 0.4, 5.0


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What the days so far have taught.

    Args:
        moved: float64 [C, G, I], what was added to the share of misses promised by each interval.
        scores: float64 [C, G, I, KEPT], the newest last; NaN before the first.
    """

    moved: Doubles
    scores: Doubles

    def record(self) -> dict[str, Any]:
        """As JSON; `of` reads it."""
        groups = []
        for place in np.ndindex(self.moved.shape):
            scores = self.scores[place]
            told = [round(float(each), 4) for each in scores[np.isfinite(scores)]]
            if told:
                groups.append({"at": list(place), "moved": float(self.moved[place]), "scores": told})
        return {"groups": groups}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Adaptation:
        """
        Raises:
            ValueError, KeyError, IndexError: the record is not one that `record` wrote.
        """
        state = fresh()
        for group in record["groups"]:
            place = tuple(group["at"])
            told = np.asarray(group["scores"], np.float64)[-KEPT:]
            if len(place) != state.moved.ndim or not np.isfinite(told).all():
                raise ValueError(
                    "a group is a class, a horizon group and an interval, and its scores are numbers"
                )
            state.moved[place] = float(group["moved"])
            state.scores[place][KEPT - len(told) :] = told
        return state


def fresh() -> Adaptation:
    """Nothing observed: `adapted` changes nothing."""
    shape = (len(PATTERNS), GROUPS, len(INTERVALS))
    return Adaptation(np.zeros(shape), np.full((*shape, KEPT), np.nan))


def groups(ahead: Array) -> Array:
    """int [n]: the horizon group of so many days ahead (1 is the day after the cut-off)."""
    return np.asarray(np.searchsorted(HORIZON_EDGES, ahead))


def observed(state: Adaptation, *, sold: Array, quantiles: Doubles, codes: Array, ahead: Array) -> Adaptation:
    """The state after one day (or week), from everything that had been forecast of it.

    Args:
        sold: float [n]; NaN where there is no record, which teaches nothing.
        quantiles: float64 [5, n], before adaptation.
        codes: int [n], classes.
        ahead: int [n], days between the cut-off of the forecast and the day.
    """
    moved, scores = state.moved.copy(), state.scores.copy()
    known = np.isfinite(sold) & np.isfinite(quantiles).all(axis=0)
    place = groups(ahead)
    for code, group in sorted(set(zip(codes[known].tolist(), place[known].tolist(), strict=True))):
        rows = known & (codes == code) & (place == group)
        for k, ends in enumerate(INTERVALS):
            told = _scores(sold[rows], quantiles[:, rows], ends)
            promised = _promised(quantiles[:, rows], ends)
            missed = told > _factor(state, code, group, k) + 1e-9
            at = (code, group, k)
            moved[at] = np.clip(moved[at] + GAMMA * float((promised - missed).mean()), -1.0, 1.0)
            # Those of a day lie as its quantiles do, so that few of them tell of all.
            few = told
            if len(told) > MOST_A_DAY:
                few = np.quantile(told, (np.arange(MOST_A_DAY) + 0.5) / MOST_A_DAY)
            scores[at] = np.concatenate([scores[at], few])[-KEPT:]
    return Adaptation(moved, scores)


def factors(state: Adaptation) -> Doubles:
    """float64 [C, G, I]: what the intervals of 90 % and 50 % are stretched by; 1 where nothing was observed."""
    out = np.ones(state.moved.shape)
    for code, group, k in np.ndindex(state.moved.shape):
        out[code, group, k] = _factor(state, code, group, k)
    return out


def adapted(state: Adaptation, quantiles: Doubles, *, codes: Array, step: int) -> Doubles:
    """[5, S, H]: quantiles stretched about their median; ordered and not negative.

    Args:
        quantiles: float64 [5, S, H], before adaptation.
        codes: int8 [S], classes.
        step: days in a step of the horizon.
    """
    table = factors(state)
    place = groups((np.arange(quantiles.shape[2]) + 1) * step)
    out = quantiles.copy()
    middle = quantiles[MEDIAN]
    for k, ends in enumerate(INTERVALS):
        factor = table[codes[:, None], place[None, :], k]
        for end in ends:
            away = _width(quantiles, end)
            sign = 1.0 if end > MEDIAN else -1.0
            far = quantiles[end] + sign * (factor - 1) * away
            if end > MEDIAN:
                out[end] = np.maximum(far, middle)
            else:
                # What begins at 0 goes on to: it holds every day without a sale.
                out[end] = np.where(quantiles[end] > 0, np.minimum(far, middle), 0.0)
    told: Doubles = np.sort(np.maximum(out, 0.0), axis=0)
    return told


def _factor(state: Adaptation, code: int, group: int, k: int) -> float:
    scores = state.scores[code, group, k]
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return 1.0
    low, high = INTERVALS[k]
    share = np.clip(1 - (TAUS[high] - TAUS[low]) + state.moved[code, group, k], SMALLEST_SHARE, LARGEST_SHARE)
    level = min(1.0, float(1 - share) * (1 + 1 / len(scores)))
    told = float(np.quantile(scores, level))
    shrunk = (len(scores) * told + PRIOR_SCORES) / (len(scores) + PRIOR_SCORES)
    return float(np.clip(shrunk, NARROWEST, WIDEST))


def _width(quantiles: Doubles, end: int) -> Doubles:
    away: Doubles = np.maximum(np.abs(quantiles[end] - quantiles[MEDIAN]), SMALLEST_WIDTH)
    return away


def _scores(sold: Array, quantiles: Doubles, ends: tuple[int, int]) -> Doubles:
    """[n]: the factor with which the interval holds just what was sold."""
    low, high = ends
    below = 1 + (quantiles[low] - sold) / _width(quantiles, low)
    above = 1 + (sold - quantiles[high]) / _width(quantiles, high)
    # No interval is below 0, so its lower end there holds whatever the factor is.
    told: Doubles = np.maximum(np.where(quantiles[low] > 0, below, -np.inf), np.maximum(above, 0.0))
    return told


def _promised(quantiles: Doubles, ends: tuple[int, int]) -> Doubles:
    """[n]: the share of misses; an end at 0 cannot be missed, and what it promised is not added to the other."""
    low, high = ends
    return np.where(quantiles[low] > 0, TAUS[low], 0.0) + (1 - TAUS[high])
