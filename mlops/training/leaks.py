"""The leak detector: a single feature that tells what was bought almost by itself has seen it. Pure.

An honest feature of a ranker tells a little; one that was computed from the answer tells nearly all. Above an AUC (the chance
that a bought candidate has the higher value than one that was not) of 0.98, or below 0.02, the training is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

MOST_AUC = 0.98
# Fewer bought candidates than this reach such an AUC by chance.
LEAST_POSITIVES = 50
MOST_ROWS = 100_000
MOST_TOGETHER = 2
OF_AN_EASY_SHOP = 0.9995


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature that knows too much."""

    feature: str
    auc: float


def auc(values: npt.NDArray[np.floating], bought: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve of one feature; 0.5 when one of the classes is not there. Missing values count as lowest."""
    positives = int(bought.sum())
    negatives = len(bought) - positives
    if not positives or not negatives:
        return 0.5
    told = np.asarray(values, np.float64)
    ranks = rankdata(np.where(np.isnan(told), -np.inf, told))
    return float((ranks[bought].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def leaks(
    x: npt.NDArray[np.floating],
    bought: npt.NDArray[np.bool_],
    names: tuple[str, ...],
    *,
    most: float = MOST_AUC,
) -> list[Leak]:
    """The features that tell the label by themselves, the worst first; at most `MOST_ROWS` rows are looked at.

    Args:
        x: [n_rows, n_features].
        bought: bool [n_rows].
    """
    step = max(1, len(bought) // MOST_ROWS)
    x, bought = x[::step], bought[::step]
    if int(bought.sum()) < LEAST_POSITIVES:
        return []
    found = []
    for at, name in enumerate(names):
        value = auc(x[:, at], bought)
        if max(value, 1 - value) > most:
            found.append(Leak(name, round(value, 5)))
    # Where many that know nothing of each other tell it, the shop is easy to tell, as where everybody buys everything of a kind;
    # what has seen the answer still stands above them.
    if _families(found) > MOST_TOGETHER:
        found = [each for each in found if max(each.auc, 1 - each.auc) > OF_AN_EASY_SHOP]
    if _families(found) > MOST_TOGETHER:
        return []
    return sorted(found, key=lambda each: -abs(each.auc - 0.5))


def _families(found: list[Leak]) -> int:
    """How many generators or facts these features are made of."""
    return len({each.feature.partition(":")[0] for each in found})
