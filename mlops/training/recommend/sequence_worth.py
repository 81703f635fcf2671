"""Whether the sequence model earns its place in a slot: the ranker with it beside the ranker without. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops.training.recommend.examples import Examples
from mlops.training.recommend.ranking import Setting, attempt, learnable, standard_error

# Both rankers are kept short: what is compared is what they are told.
SHORT = Setting("short", most_trees=80)
# One-sided 95 %: it costs time and memory, so it must be told from chance more surely than one generator from another.
SURE = 1.645


@dataclass(frozen=True, slots=True)
class Worth:
    """Args:
    told: NDCG@10 `with` and `without` on the held-out queries, and the `error` of the mean difference by customer.
    """

    kept: bool
    told: dict[str, float]


def worth(older: Sequence[Examples], held_out: Examples, seed: int) -> Worth:
    """Kept where the mean gain over the held-out customers is surely above 0.

    Args:
        older: examples of the windows before the held-out ones, with the sequence model's candidates and features.
        held_out: queries of those windows with all of their candidates.
    """
    if not learnable(older, held_out):
        return Worth(False, {})
    whole = attempt(older, held_out, seed, SHORT).ndcg
    usual = [each.without_sequence(rows=False) for each in older]
    without = attempt(usual, held_out.without_sequence(rows=True), seed, SHORT).ndcg
    _, unit = np.unique(held_out.unit, return_inverse=True)
    gain = np.bincount(unit, whole - without) / np.bincount(unit)
    error = standard_error(gain)
    told = {"with": float(whole.mean()), "without": float(without.mean()), "error": error}
    return Worth(bool(gain.mean() > SURE * error), told)
