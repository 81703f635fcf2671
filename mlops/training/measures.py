"""How good rankings are, over the whole eligible catalogue: no sampled negatives. Pure.

Krichene and Rendle 2020, "On Sampled Metrics for Item Recommendation", show that a measure on a sample may order models
wrongly. Answers are int64 [n_queries, `DEPTH`], items best first, `NOBODY` after the last one. What is right has weight 1.

- NDCG@k (Jarvelin and Kekalainen 2002), Recall@k: hits / min(k, relevant), MRR@k: 1 / rank of the first hit,
  MAP@k: mean over the hits of precision at their rank, divided by min(k, relevant);
- coverage: share of the catalogue that stands in any of the first ten places; Gini: how unevenly those places are shared
  (0 = every product as often, 1 = one product alone); novelty: mean of -log2 of the share of orders with the product;
- diversity: 1 - mean likeness of two products of one list by what they are; in stock: share of places that can be bought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

KS = (5, 10, 20)
DEPTH = max(KS)
SHOWN = 10
NOBODY = -1
NAMES = tuple(f"{name}@{k}" for k in KS for name in ("ndcg", "recall", "mrr", "map"))
# What people are shown first; the others stand beside it.
HEADLINE = ("ndcg@10", "recall@20")
RESAMPLES, AT_ONCE = 1_000, 100

Items = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % percentile interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What could be answered.

    Args:
        eligible: bool [n_items].
        share: float64 [n_items], share of the orders before the window that hold the item.
        alike: items by items, likeness from 0 to 1; None when products have no words.
        in_stock: bool [n_items]; None when it is not known.
    """

    eligible: npt.NDArray[np.bool_]
    share: Doubles
    alike: sparse.csr_matrix | None = None
    in_stock: npt.NDArray[np.bool_] | None = None


def per_query(answers: Items, relevant: Sequence[npt.NDArray[Any]]) -> Doubles:
    """Every measure of `NAMES` of every query: float64 [n_queries, len(NAMES)].

    Args:
        relevant: per query the items that are right, distinct; a query with none counts 0.
    """
    hits = np.zeros((len(answers), DEPTH), bool)
    width = min(answers.shape[1], DEPTH)
    for row, right in enumerate(relevant):
        hits[row, :width] = np.isin(answers[row, :width], right)
    number = np.array([len(each) for each in relevant], np.int64)
    rank = np.arange(1, DEPTH + 1)
    discount = 1 / np.log2(rank + 1)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    found = np.zeros((len(answers), len(NAMES)))
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, DEPTH + 1)
    precision = np.cumsum(hits, axis=1) / rank
    for place, k in enumerate(KS):
        most = np.maximum(np.minimum(number, k), 1)
        found[:, 4 * place] = (hits[:, :k] @ discount[:k]) / ideal[most]
        found[:, 4 * place + 1] = hits[:, :k].sum(axis=1) / most
        found[:, 4 * place + 2] = np.where(first <= k, 1 / first, 0.0)
        found[:, 4 * place + 3] = (precision * hits)[:, :k].sum(axis=1) / most
    return found


def intervals(values: Doubles, units: npt.NDArray[Any], seed: int) -> list[Interval]:
    """Mean and interval of each column, units (customers) resampled with replacement, the same draws for all columns.

    A column that is a difference of two models gives the paired interval.

    Args:
        values: float64 [n_queries, n_columns].
        units: [n_queries], whose query it is.
    """
    if not len(values):
        return [Interval(0.0, 0.0, 0.0)] * values.shape[1]
    _, unit = np.unique(units, return_inverse=True)
    n = int(unit.max()) + 1
    sums = np.stack([np.bincount(unit, column, n) for column in values.T], axis=1)
    counts = np.bincount(unit, minlength=n).astype(np.float64)
    generator = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, values.shape[1]))
    for start in range(0, RESAMPLES, AT_ONCE):
        times = generator.multinomial(n, np.full(n, 1 / n), size=AT_ONCE).astype(np.float64)
        means[start : start + AT_ONCE] = (times @ sums) / (times @ counts)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    middle = values.mean(axis=0)
    return [Interval(*map(float, each)) for each in zip(middle, low, high, strict=True)]


def of_lists(answers: Items, catalogue: Catalogue) -> dict[str, float]:
    """What the first ten places of all answers are like; a measure that cannot be told is left out."""
    shown = answers[:, :SHOWN]
    flat = shown[shown != NOBODY]
    n = int(catalogue.eligible.sum())
    if not len(flat) or not n:
        return {}
    counts = np.bincount(flat, minlength=len(catalogue.eligible))
    found = {
        "coverage@10": float((counts > 0).sum() / n),
        "gini@10": gini(counts[catalogue.eligible]),
        "novelty@10": float(-np.log2(np.maximum(catalogue.share[flat], 1e-12)).mean()),
    }
    if catalogue.alike is not None:
        found["diversity@10"] = _diversity(shown, catalogue.alike)
    if catalogue.in_stock is not None:
        found["in_stock@10"] = float(catalogue.in_stock[flat].mean())
    return found


def gini(counts: npt.NDArray[Any]) -> float:
    """Gini coefficient of counts: 0 when all are equal, towards 1 when one has everything."""
    ordered = np.sort(counts.astype(np.float64))
    n, total = len(ordered), float(ordered.sum())
    if not n or not total:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def report(
    answers: Mapping[str, Items],
    relevant: Sequence[npt.NDArray[Any]],
    units: npt.NDArray[Any],
    catalogue: Catalogue,
    *,
    baseline: str,
    seed: int,
) -> dict[str, Any]:
    """The measures of one slot beside its rivals, ready for JSON.

    Args:
        answers: by who answered; `model` is measured, all others are what it is compared with, on the same queries.
        baseline: the one that stands beside every headline.
    """
    ours = per_query(answers["model"], relevant)
    rivals = {name: per_query(each, relevant) for name, each in answers.items() if name != "model"}
    alone = dict(zip(NAMES, intervals(ours, units, seed), strict=True))
    ahead = {
        name: dict(zip(NAMES, intervals(ours - theirs, units, seed), strict=True))
        for name, theirs in rivals.items()
    }
    found: dict[str, Any] = {"queries": len(ours)}
    for name in HEADLINE:
        at = NAMES.index(name)
        found[name] = {
            **alone[name].to_json(),
            "baseline": float(rivals[baseline][:, at].mean()) if len(ours) else 0.0,
            "difference": ahead[baseline][name].to_json(),
        }
    lists = {name: of_lists(each, catalogue) for name, each in answers.items()}
    if "coverage@10" in lists["model"]:
        found["coverage@10"] = {
            "value": lists["model"]["coverage@10"],
            "baseline": lists[baseline].get("coverage@10", 0.0),
        }
    found["against"] = {
        name: {
            each: {"value": float(theirs[:, NAMES.index(each)].mean()) if len(ours) else 0.0,
                   "difference": ahead[name][each].to_json()}
            for each in HEADLINE
        } | {"lists": lists[name]}
        for name, theirs in rivals.items()
    }  # fmt: skip
    found["more"] = {name: each.to_json() for name, each in alone.items()} | lists["model"]
    return found


def _diversity(shown: Items, alike: sparse.csr_matrix) -> float:
    """1 - mean likeness over the pairs of each list, then over lists of at least two."""
    found = []
    for row in shown:
        items = row[row != NOBODY]
        if len(items) > 1:
            block = alike[items][:, items]
            found.append(1 - float(block.sum() - block.diagonal().sum()) / (len(items) * (len(items) - 1)))
    return float(np.mean(found)) if found else 1.0
