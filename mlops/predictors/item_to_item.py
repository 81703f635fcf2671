"""Products that are bought together: stored neighbours, summed over the context. Pure.

Two tables of neighbours, because two questions are asked: what goes with this product (product page), and what completes
this basket (cart). Both hold at most a few hundred neighbours per product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending
from mlops.predictors.protocols import Ids, Indices, Query, Ranked, Recommended, Spoke

_NOTHING = Ranked(np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class CoPurchase:
    """The first recommender: neighbours from baskets and histories, and what trends.

    Args:
        product_ids_: int64 [n_products], ascending; a position in it is what all other arrays mean by a product.
    """

    product_ids_: Ids
    page_: Neighbours
    cart_: Neighbours
    trending_: Trending

    kind: ClassVar[str] = "co_purchase"

    def __post_init__(self) -> None:
        n = len(self.product_ids_)
        if n > 1 and not bool(np.all(np.diff(self.product_ids_) > 0)):
            raise ValueError("product ids must ascend")
        for table in (self.page_, self.cart_):
            if len(table.indptr_) != n + 1:
                raise ValueError(f"{n} products, but a table of {len(table.indptr_) - 1} rows")
        if len(self.trending_.order_) and int(self.trending_.order_.max()) >= n:
            raise ValueError("a trending product lies outside the catalogue")

    def positions(self, product_ids: Sequence[int]) -> Indices:
        """Positions of those that are known, ascending, each once."""
        if not len(self.product_ids_) or not product_ids:
            return np.empty(0, np.int32)
        if len(product_ids) == 1:
            place = int(self.product_ids_.searchsorted(product_ids[0]))
            here = place < len(self.product_ids_) and self.product_ids_[place] == product_ids[0]
            return np.array([place] if here else [], np.int32)
        asked = np.unique(np.asarray(product_ids, np.int64))
        at = np.searchsorted(self.product_ids_, asked)
        known = (at < len(self.product_ids_)) & (
            self.product_ids_[np.minimum(at, len(self.product_ids_) - 1)] == asked
        )
        found: Indices = at[known].astype(np.int32)
        return found

    def sold(self, product_id: int) -> bool:
        return len(self.positions([product_id])) > 0

    def recommend(self, query: Query, count: int, *, late: Callable[[], bool] | None = None) -> Recommended:
        """What goes with the context, then what trends; it knows nobody and looks at nothing else."""
        asked = self.positions(query.context)
        table = self.page_ if len(query.context) == 1 else self.cart_
        named = self._rank(table, asked, count)
        taken = {*named.product_ids.tolist(), *query.context}
        trending = self.trending(count + len(taken))
        rest = np.array([each not in taken for each in trending.product_ids.tolist()], bool)
        ids = np.concatenate([named.product_ids, trending.product_ids[rest]])[:count]
        # Shares of orders are below the least neighbour's score by construction: places are told, not amounts.
        scores = -np.arange(len(ids), dtype=np.float64)
        by = Spoke.GENERATOR if len(named) else Spoke.TRENDING
        return Recommended(Ranked(ids, scores), by, len(named))

    def similar(self, product_id: int, count: int) -> Ranked:
        return self._rank(self.page_, self.positions([product_id]), count)

    def for_cart(self, product_ids: Sequence[int], count: int) -> Ranked:
        return self._rank(self.cart_, self.positions(product_ids), count)

    def for_carts(self, carts: Sequence[Sequence[int]], count: int) -> list[Ranked]:
        """`for_cart` for many at once, with the same answers."""
        return self._rank_many(self.cart_, [self.positions(cart) for cart in carts], count)

    def similar_many(self, product_ids: Sequence[int], count: int) -> list[Ranked]:
        """`similar` for many at once, with the same answers."""
        return self._rank_many(self.page_, [self.positions([each]) for each in product_ids], count)

    def trending(self, count: int) -> Ranked:
        head = self.trending_.order_[:count]
        return Ranked(self.product_ids_[head], self.trending_.scores_[:count].astype(np.float64))

    def _rank(self, table: Neighbours, context: Indices, count: int) -> Ranked:
        if not len(context):
            return _NOTHING
        if len(context) == 1:
            # One row is ranked as it is stored: no sum to make, nothing to sort.
            indices, scores = table.row(context[0])
            return Ranked(self.product_ids_[indices[:count]], scores[:count].astype(np.float64))
        total = table.sum_over(context)
        total[context] = 0.0
        found = np.flatnonzero(total > 0)  # four times as fast on truths as on numbers
        return self._best(found, total, count)

    def _rank_many(self, table: Neighbours, contexts: Sequence[Indices], count: int) -> list[Ranked]:
        n = len(self.product_ids_)
        matrix = table.matrix()
        answers: list[Ranked] = []
        # 512 dense rows of 100,000 products are 400 MB; of 5,000 products 20 MB.
        step = max(1, min(512, 50_000_000 // max(n, 1) // 8))
        for start in range(0, len(contexts), step):
            part = contexts[start : start + step]
            indptr = np.concatenate([[0], np.cumsum([len(each) for each in part])])
            indices = np.concatenate(part) if len(part) else np.empty(0, np.int32)
            asked = sparse.csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(part), n))
            totals = (asked @ matrix).toarray()
            for row, context in enumerate(part):
                totals[row, context] = 0.0
                answers.append(self._best(np.flatnonzero(totals[row]), totals[row], count))
        return answers

    def _best(self, found: npt.NDArray[np.intp], total: npt.NDArray[np.float64], count: int) -> Ranked:
        scores = total[found]
        if len(found) > count:
            # Everything that ties with the last place stays in, so that equal scores are ordered by id.
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            found, scores = found[scores >= least], scores[scores >= least]
        order = np.lexsort((found, -scores))[:count]
        return Ranked(self.product_ids_[found[order]], scores[order])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "product_ids": self.product_ids_,
            "page_indptr": self.page_.indptr_,
            "page_indices": self.page_.indices_,
            "page_scores": self.page_.scores_,
            "cart_indptr": self.cart_.indptr_,
            "cart_indices": self.cart_.indices_,
            "cart_scores": self.cart_.scores_,
            "trending_order": self.trending_.order_,
            "trending_scores": self.trending_.scores_,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        missing = sorted(set(_TYPES) - set(arrays))
        if missing or len(arrays) != len(_TYPES):
            raise ValueError(f"arrays of a co_purchase predictor are {sorted(_TYPES)}, not {sorted(arrays)}")
        for name, kind in _TYPES.items():
            if arrays[name].dtype != kind or arrays[name].ndim != 1:
                raise ValueError(
                    f"{name} must be {np.dtype(kind)} [n], not {arrays[name].dtype} {arrays[name].shape}"
                )
        return cls(
            product_ids_=arrays["product_ids"],
            page_=Neighbours(arrays["page_indptr"], arrays["page_indices"], arrays["page_scores"]),
            cart_=Neighbours(arrays["cart_indptr"], arrays["cart_indices"], arrays["cart_scores"]),
            trending_=Trending(arrays["trending_order"], arrays["trending_scores"]),
        )


_TYPES: dict[str, type[np.generic]] = {
    "product_ids": np.int64,
    "page_indptr": np.int32,
    "page_indices": np.int32,
    "page_scores": np.float32,
    "cart_indptr": np.int32,
    "cart_indices": np.int32,
    "cart_scores": np.float32,
    "trending_order": np.int32,
    "trending_scores": np.float32,
}
