"""Ranking measures over the full catalogue, with bootstrap intervals. Pure.

Every query ranks all products that the model may name; nothing is sampled (Krichene and Rendle 2020, "On sampled
metrics for item recommendation"). Intervals resample units (customers), because one customer's queries are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 1_000
DEPTH = 20

Ranking = Sequence[int]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % percentile interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def ndcg(ranking: Ranking, relevant: Collection[int], k: int) -> float:
    """Normalised discounted cumulative gain at k with gains of 0 and 1 (Jarvelin and Kekalainen 2002)."""
    if not relevant:
        return 0.0
    gained = sum(1 / math.log2(rank + 2) for rank, each in enumerate(ranking[:k]) if each in relevant)
    best = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gained / best


def recall(ranking: Ranking, relevant: Collection[int], k: int) -> float:
    """Share of what could be found that was found among the first k: hits / min(k, relevant)."""
    if not relevant:
        return 0.0
    return sum(each in relevant for each in ranking[:k]) / min(k, len(relevant))


def coverage(rankings: Sequence[Ranking], catalogue_size: int, k: int) -> float:
    """Share of the catalogue that occurs in any of the first k places."""
    shown = {each for ranking in rankings for each in ranking[:k]}
    return len(shown) / catalogue_size if catalogue_size else 0.0


def bootstrap(
    values: npt.NDArray[np.float64], units: npt.NDArray[np.int64], generator: np.random.Generator
) -> Interval:
    """Mean of the values with its interval, units resampled with replacement.

    Args:
        values: float64 [n_queries].
        units: int64 [n_queries].
    """
    if not len(values):
        return Interval(0.0, 0.0, 0.0)
    _, unit = np.unique(units, return_inverse=True)
    sums, counts = np.bincount(unit, weights=values), np.bincount(unit).astype(np.float64)
    means = np.empty(RESAMPLES)
    for each in range(RESAMPLES):
        drawn = generator.integers(len(sums), size=len(sums))
        means[each] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def report(
    *,
    rankings: Sequence[Ranking],
    baseline: Sequence[Ranking],
    relevant: Sequence[Collection[int]],
    units: Sequence[int],
    catalogue_size: int,
    seed: int,
) -> dict[str, Any]:
    """The measures of one slot beside a baseline, ready for JSON.

    Args:
        rankings, baseline: per query, product ids, best first, at most `DEPTH`.
        relevant: per query, what was right.
        units: per query, whose it was.
    """
    found: dict[str, Any] = {"queries": len(rankings)}
    unit_array = np.asarray(units, np.int64)
    kinds: dict[str, Callable[[Ranking, Collection[int]], float]] = {
        "ndcg@10": lambda ranking, right: ndcg(ranking, right, 10),
        "recall@20": lambda ranking, right: recall(ranking, right, 20),
    }
    for name, measure in kinds.items():
        ours = np.array([measure(ranking, right) for ranking, right in zip(rankings, relevant, strict=True)])
        theirs = np.array(
            [measure(ranking, right) for ranking, right in zip(baseline, relevant, strict=True)]
        )
        found[name] = {
            **bootstrap(ours, unit_array, np.random.default_rng(seed)).to_json(),
            "baseline": float(theirs.mean()) if len(theirs) else 0.0,
            "difference": bootstrap(ours - theirs, unit_array, np.random.default_rng(seed)).to_json(),
        }
    found["coverage@10"] = {
        "value": coverage(rankings, catalogue_size, 10),
        "baseline": coverage(baseline, catalogue_size, 10),
    }
    return found
