"""How good ranked answers are, over the whole catalogue: no sampled negatives. Pure.

A query without an answer counts 0. Truth has weights; for what is bought or not they are 1.

- NDCG@10: sum of weight / log2(rank + 1) over the hits, by the same sum of the best list there could be;
- Recall@10 and @20: hits by what could be hit, min(k, relevant);
- HitRate@10: whether there is a hit; MRR@10: 1 / rank of the first hit;
- coverage@10: distinct items in all first tens by the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.backtest.measures.intervals import Doubles, Interval, drawn_means, drawn_ratios, percentiles

METRICS = ("ndcg@10", "recall@10", "recall@20", "hit@10", "mrr@10")
NDCG = METRICS.index("ndcg@10")
Items = npt.NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of two systems on the same queries.

    Args:
        difference: the first less the second, drawn in pairs.
        relative: the same by the second; None where the second reaches nothing.
    """

    difference: Interval
    relative: Interval | None


def per_query(answers: Items, truth: sparse.csr_matrix) -> Doubles:
    """float64 [n_queries, len(METRICS)].

    Args:
        answers: int64 [n_queries, k], items best first, `NOBODY` after the last one.
        truth: [n_queries, n_items], weights above 0; every row holds at least one.
    """
    n, width = answers.shape
    truth = truth.tocsr()
    relevant = np.diff(truth.indptr)
    found = np.zeros((n, len(METRICS)))
    if not n:
        return found
    gain = _weights(answers, truth)
    rank = np.arange(1, width + 1)
    first10, first20 = gain[:, :10], gain[:, :20]
    dcg = (first10 / np.log2(rank[:10] + 1)).sum(axis=1)
    hit = first10 > 0
    found[:, NDCG] = dcg / _ideal(truth)
    found[:, METRICS.index("recall@10")] = hit.sum(axis=1) / np.minimum(10, relevant)
    found[:, METRICS.index("recall@20")] = (first20 > 0).sum(axis=1) / np.minimum(20, relevant)
    found[:, METRICS.index("hit@10")] = hit.any(axis=1)
    found[:, METRICS.index("mrr@10")] = (hit / rank[:10]).max(axis=1, initial=0.0)
    return found


def hits(answers: Items, truth: sparse.csr_matrix) -> npt.NDArray[np.bool_]:
    """bool [n_queries, k]: where the item that is named is right."""
    return _weights(answers, truth) > 0


def _weights(answers: Items, truth: sparse.csr_matrix) -> Doubles:
    """float64 [n_queries, k]: what each named item is worth."""
    rows = np.repeat(np.arange(len(answers)), answers.shape[1])
    flat = answers.ravel()
    found = np.zeros(len(flat))
    held = flat != NOBODY
    if held.any():
        found[held] = np.asarray(truth[rows[held], flat[held]]).ravel()
    return found.reshape(answers.shape)


def only(truth: sparse.csr_matrix, entries: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    """The truth of these entries alone; rows may end up empty.

    Args:
        entries: bool [nnz], in the order of `truth.indices`.
    """
    found = truth.copy()
    found.data = np.where(entries, found.data, 0.0)
    found.eliminate_zeros()
    return found


def _ideal(truth: sparse.csr_matrix) -> Doubles:
    """DCG@10 of each query's best list."""
    row = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    order = np.lexsort((-truth.data, row))
    place = np.arange(len(order)) - truth.indptr[row[order]]
    first = place < 10
    gain = truth.data[order][first].astype(np.float64) / np.log2(place[first] + 2)
    return np.bincount(row[order][first], gain, truth.shape[0]).astype(np.float64)


def summary(values: Doubles, units: npt.NDArray[Any], *, seed: int = 0) -> dict[str, Interval]:
    """Means over the queries with intervals over units, by name."""
    if not len(values):
        return {}
    drawn = drawn_means(values, units, seed=seed)
    return {
        name: Interval(float(values[:, k].mean()), *percentiles(drawn[:, k]))
        for k, name in enumerate(METRICS)
    }


def compared(
    ours: Doubles, theirs: Doubles, units: npt.NDArray[Any], *, metric: str = "ndcg@10", seed: int = 0
) -> Compared:
    """The paired difference of a measure, both float64 [n_queries, len(METRICS)]."""
    k = METRICS.index(metric)
    mine = drawn_means(ours[:, k : k + 1], units, seed=seed)[:, 0]
    other = drawn_means(theirs[:, k : k + 1], units, seed=seed)[:, 0]
    base = float(theirs[:, k].mean())
    gain = float(ours[:, k].mean()) - base
    difference = Interval(gain, *percentiles(mine - other))
    if base <= 0 or not (other > 0).all():
        return Compared(difference, None)
    return Compared(difference, Interval(gain / base, *percentiles((mine - other) / other)))


def coverage(answers: Items, catalogue: int) -> float:
    """Share of the catalogue that stands in any first ten."""
    shown = np.unique(answers[:, :10])
    return float((shown != NOBODY).sum() / catalogue) if catalogue else float("nan")


def share_found(found: Doubles, asked: Doubles, units: npt.NDArray[Any], *, seed: int = 0) -> Interval:
    """Hits by what could be hit, summed over queries, both [n_queries]; NaN where nothing could be."""
    total = float(asked.sum())
    if not total:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = drawn_ratios(found[:, None], asked[:, None], units, seed=seed)[:, 0]
    return Interval(float(found.sum()) / total, *percentiles(drawn))


def tabled(told: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    """Ready for JSON."""
    return {name: each.json() for name, each in told.items()}
