"""The co-purchase trainer: baskets and histories to stored neighbours. Pure and deterministic.

For each basket (or history) of size s and age a, every pair in it counts  (s / mean s) ** -size_exponent *
0.5 ** (a / half-life): a pair in a basket of two says more than one in a basket of fifty. With c the counted pairs and
d the counted products, product i's neighbour j scores

    c_ij / (d_i ** 0.5 * d_j ** popularity_exponent + SHRINKAGE)

which is the cosine for exponent 0.5 and favours what sells for less; SHRINKAGE keeps a single shared basket from being
a perfect score (Sarwar et al. 2001, "Item-based collaborative filtering", with the damping of Bell and Koren 2007).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending
from mlops.training.purchases import Purchases

SHRINKAGE = 10.0
MOST_NEIGHBOURS = 200
BASKET_HALF_LIFE_DAYS = 180.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one table of neighbours.

    Args:
        history_weight: how much the customers' whole histories count beside single baskets.
    """

    name: str
    size_exponent: float
    popularity_exponent: float
    history_weight: float


# Tried on the shop's own validation window; the best for each slot is taken, the earlier one on a tie.
RECIPES = (
    Recipe("baskets, cosine", 0.5, 0.5, 0.0),
    Recipe("small baskets, cosine", 1.0, 0.5, 0.0),
    Recipe("baskets, popular first", 0.5, 0.3, 0.0),
    Recipe("baskets and histories", 0.5, 0.5, 1.0),
    Recipe("baskets and histories, popular first", 0.5, 0.3, 1.0),
)
HALF_LIVES_DAYS = (7.0, 30.0, 90.0)


@dataclass(frozen=True, slots=True)
class CoPurchaseTrainer:
    """Holds settings only; `fit` remembers nothing."""

    page: Recipe
    cart: Recipe
    half_life_days: float

    def fit(self, bought: Purchases, *, now: datetime) -> CoPurchase:
        """Learn from these purchases; ages are counted from `now`."""
        page = neighbours(bought, self.page, now=now)
        cart = page if self.cart == self.page else neighbours(bought, self.cart, now=now)
        return CoPurchase(bought.product_ids, page, cart, trending(bought, self.half_life_days, now=now))

    def parameters(self) -> dict[str, Any]:
        return {
            "page": asdict(self.page),
            "cart": asdict(self.cart),
            "half_life_days": self.half_life_days,
            "basket_half_life_days": BASKET_HALF_LIFE_DAYS,
            "shrinkage": SHRINKAGE,
            "most_neighbours": MOST_NEIGHBOURS,
        }


def neighbours(bought: Purchases, recipe: Recipe, *, now: datetime) -> Neighbours:
    """The table of neighbours of one recipe."""
    weight = 0.5 ** (bought.age_days(now) / BASKET_HALF_LIFE_DAYS)
    scores = _scores(_pairs(bought.baskets(), recipe.size_exponent, weight), recipe.popularity_exponent)
    if recipe.history_weight:
        histories = bought.histories()
        if histories.shape[0]:
            pairs = _pairs(histories, recipe.size_exponent, np.ones(histories.shape[0]))
            scores = scores + recipe.history_weight * _scores(pairs, recipe.popularity_exponent)
    return _best(scores)


def trending(bought: Purchases, half_life_days: float, *, now: datetime) -> Trending:
    """Products by number of orders, each counting 0.5 ** (age / half-life)."""
    weight = 0.5 ** (bought.age_days(now) / half_life_days)
    counted = np.bincount(bought.product, weights=weight[bought.order], minlength=len(bought.product_ids))
    scores = counted.astype(np.float32)
    order = np.lexsort((np.arange(len(scores)), -scores))
    order = order[scores[order] > 0]
    return Trending(order.astype(np.int32), scores[order])


def _pairs(
    sets: sparse.csr_matrix, size_exponent: float, weight: npt.NDArray[np.float64]
) -> sparse.csr_matrix:
    """Counted pairs [n_products, n_products]; the diagonal counts the products."""
    size = np.diff(sets.indptr).astype(np.float64)
    mean = size.mean() if len(size) else 1.0
    counts = np.where(size > 0, (np.maximum(size, 1) / max(mean, 1e-9)) ** -size_exponent, 0.0) * weight
    scaled = sets.multiply(counts[:, None]).tocsr()
    found = (sets.T.tocsr() @ scaled).tocsr()
    found.sort_indices()
    return found


def _scores(pairs: sparse.csr_matrix, popularity_exponent: float) -> sparse.csr_matrix:
    counted = pairs.diagonal()
    rows = np.repeat(np.arange(pairs.shape[0], dtype=np.int32), np.diff(pairs.indptr))
    below = np.sqrt(counted)[rows] * (counted**popularity_exponent)[pairs.indices] + SHRINKAGE
    data = np.where(rows == pairs.indices, 0.0, pairs.data / below)
    return sparse.csr_matrix((data, pairs.indices, pairs.indptr), shape=pairs.shape)


def _best(scores: sparse.csr_matrix) -> Neighbours:
    """The best of each row, best first, equal scores by position."""
    scores.sort_indices()
    indices: list[npt.NDArray[np.int32]] = []
    kept: list[npt.NDArray[np.float32]] = []
    lengths = np.zeros(scores.shape[0], np.int64)
    for row in range(scores.shape[0]):
        begin, end = scores.indptr[row], scores.indptr[row + 1]
        # Single precision before ranking, so that the stored order is the order of the stored scores.
        values = scores.data[begin:end].astype(np.float32)
        columns = scores.indices[begin:end]
        held = values > 0
        values, columns = values[held], columns[held]
        if len(values) > MOST_NEIGHBOURS:
            least = np.partition(values, len(values) - MOST_NEIGHBOURS)[len(values) - MOST_NEIGHBOURS]
            values, columns = values[values >= least], columns[values >= least]
        order = np.lexsort((columns, -values))[:MOST_NEIGHBOURS]
        indices.append(columns[order].astype(np.int32))
        kept.append(values[order])
        lengths[row] = len(order)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return Neighbours(
        indptr,
        np.concatenate(indices) if indices else np.empty(0, np.int32),
        np.concatenate(kept) if kept else np.empty(0, np.float32),
    )
