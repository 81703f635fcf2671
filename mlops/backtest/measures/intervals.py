"""How sure a measure is: bootstraps over units, and Wilson's interval of a share. Pure and seeded.

A unit is a customer (or a series): all that belongs to it is drawn together. Two systems are compared on the same draws, and a
difference is read from the interval of the paired difference, never from two intervals that overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
DRAWS = 1_000
AT_ONCE = 100
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def drawn_means(values: Doubles, units: npt.NDArray[Any], *, draws: int = DRAWS, seed: int = 0) -> Doubles:
    """Means of the columns of `values` [n, m] over `draws` resamples of the units: [draws, m]."""
    return drawn_ratios(values, np.ones_like(values), units, draws=draws, seed=seed)


def drawn_ratios(
    over: Doubles, under: Doubles, units: npt.NDArray[Any], *, draws: int = DRAWS, seed: int = 0
) -> Doubles:
    """Sums of the columns of `over` by those of `under`, both [n, m], over resamples of the units: [draws, m]."""
    _, code = np.unique(units, return_inverse=True)
    n = int(code.max(initial=-1)) + 1
    top = np.stack([np.bincount(code, column, n) for column in over.T], axis=1)
    base = np.stack([np.bincount(code, column, n) for column in under.T], axis=1)
    generator = np.random.default_rng(seed)
    found = np.empty((draws, over.shape[1]))
    for start in range(0, draws, AT_ONCE):
        times = generator.multinomial(n, np.full(n, 1 / n), size=min(AT_ONCE, draws - start)).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[start : start + len(times)] = (times @ top) / (times @ base)
    return found


def percentiles(values: npt.ArrayLike) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of what is finite; NaN where nothing is."""
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def by_units(
    values: Doubles,
    units: npt.NDArray[Any],
    measure: Callable[[Doubles], Doubles] | None = None,
    *,
    seed: int = 0,
) -> Interval:
    """The mean of `values` [n] with its interval; `measure` turns drawn means into what is told."""
    told = measure or (lambda each: each)
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = told(drawn_means(values[:, None], units, seed=seed)[:, 0])
    return Interval(float(told(np.array([values.mean()]))[0]), *percentiles(drawn))


def wilson(hits: float, n: float) -> Interval:
    """A share with Wilson's 95 % interval (Wilson 1927); NaN where n is 0."""
    if not n:
        return Interval(float("nan"), float("nan"), float("nan"))
    share, z2 = hits / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(share, float(middle - half), float(middle + half))
