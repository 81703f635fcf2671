"""The first kind of recommender, as stored versions still hold it: pairs counted, nothing tuned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending


def co_purchase(baskets: Sequence[Sequence[int]]) -> CoPurchase:
    """Neighbours by the number of common baskets; trending by the number of baskets."""
    ids = sorted({each for basket in baskets for each in basket})
    place = {each: at for at, each in enumerate(ids)}
    pairs = Counter(pair for basket in baskets for pair in permutations(sorted(set(basket)), 2))
    rows: list[list[tuple[float, int]]] = [[] for _ in ids]
    for (one, other), count in pairs.items():
        rows[place[one]].append((-float(count), place[other]))
    ordered = [sorted(row) for row in rows]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in ordered])]).astype(np.int32)
    indices = np.array([at for row in ordered for _, at in row], np.int32)
    scores = np.array([-score for row in ordered for score, _ in row], np.float32)
    table = Neighbours(indptr, indices, scores)
    sold = Counter(each for basket in baskets for each in set(basket))
    trend = sorted(ids, key=lambda each: (-sold[each], each))
    trending = Trending(
        np.array([place[each] for each in trend], np.int32),
        np.array([sold[each] for each in trend], np.float32),
    )
    return CoPurchase(np.array(ids, np.int64), table, table, trending)
