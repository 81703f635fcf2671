"""What would have been sold on days without stock. Pure."""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.baselines import profile
from mlops.predictors.demand.panel import Array, Doubles, Floats

AROUND = 28  # days on each side


def wanted(y: Floats, out: Floats, lift: Array) -> Doubles:
    """float64 [S, T]: units that were not sold because a part of the day, or all of it, had no stock.

    The days that could be bought on, within four weeks on each side, tell the level; the weekdays of the series and the shop
    tell how it lies over the week; a discount of the day multiplies it.

    Args:
        y: float32 [S, T], demand at full price of a whole day; NaN where it is not known, or the day was without stock.
        out: float32 [S, T], share of the day without stock.
        lift: float [S, T], what the day's discount multiplies by.
    """
    missing = out > 0
    if not missing.any():
        return np.zeros(y.shape)
    steps = y.shape[1]
    week = profile(y, 7, min(182, steps)) if steps >= 14 else np.ones((len(y), 7))
    shape = week[:, (np.arange(steps) - steps) % 7]
    known = np.isfinite(y)
    sums = _around(np.where(known, y, 0.0)), _around(np.where(known, shape, 0.0))
    level = np.divide(sums[0], sums[1], out=np.zeros(y.shape), where=sums[1] > 1e-9)
    alive = np.logical_or.accumulate(known, axis=1)
    return np.asarray(np.where(missing & alive, level * shape * lift * out, 0.0))


def _around(values: Array) -> Doubles:
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1, dtype=np.float64)], axis=1)
    at = np.arange(values.shape[1])
    high, low = np.minimum(at + AROUND + 1, values.shape[1]), np.maximum(at - AROUND, 0)
    return np.asarray(total[:, high] - total[:, low])
