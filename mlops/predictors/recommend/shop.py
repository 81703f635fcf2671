"""A shop's recommender version: the two-stage recommender with the shop's own numbers for products and customers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.neighbours import Neighbours
from mlops.predictors.protocols import Ids, Indices, Query, Ranked, Recommended, Spoke
from mlops.predictors.recommend import packing
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.predictors.recommend.two_stage import NAMED, RANKER, Answer, TwoStage, never

# Of a session the newest views speak: a longer list says what the visitor wanted before.
MOST_RECENT = 10
FUSED_AFTER = 10.0
_MODEL = "model/"
_OWN: dict[str, type[np.generic]] = {
    "product_ids": np.int64,
    "customers": np.int64,
    "content_indptr": np.int32,
    "content_indices": np.int32,
    "content_scores": np.float32,
}


@dataclass(frozen=True, slots=True)
class ShopRecommender:
    """Items are positions in `product_ids_`, customers positions in `customers_`.

    Args:
        product_ids_: int64 [n_items], ascending: what has sold, and what the catalogue held beside it.
        customers_: int64 [n_customers], ascending: pseudonyms of those with an order.
        model_: what is learnt; its numbers are those positions.
        content_: what is alike by what it is, for products that never sold.
    """

    product_ids_: Ids
    customers_: Ids
    model_: TwoStage
    content_: Neighbours

    kind: ClassVar[str] = "two_stage"

    def __post_init__(self) -> None:
        signals = self.model_.signals
        for name, ids, n in (
            ("products", self.product_ids_, signals.n_items),
            ("customers", self.customers_, signals.own.shape[0]),
        ):
            if ids.shape != (n,):
                raise ValueError(f"the model knows {n} {name}, but ids of {ids.shape} are given")
            if n > 1 and not bool(np.all(np.diff(ids) > 0)):
                raise ValueError(f"ids of {name} must ascend")
        if len(self.content_.indptr_) != signals.n_items + 1:
            raise ValueError(
                f"{signals.n_items} products, but a table of {len(self.content_.indptr_) - 1} rows"
            )

    def sold(self, product_id: int) -> bool:
        at = _positions(self.product_ids_, (product_id,))
        return len(at) > 0 and bool(self.model_.signals.known[at[0]])

    def recommend(self, query: Query, count: int, *, late: Callable[[], bool] = never) -> Recommended:
        context = _positions(self.product_ids_, query.context)
        known = self.model_.signals.known
        who = _positions(self.customers_, () if query.customer is None else (query.customer,))
        customer = int(who[0]) if len(who) else UNKNOWN
        recent = [each for each in query.recent if each not in query.context][:MOST_RECENT]
        seen = _positions(self.product_ids_, recent)
        sold, seen = context[known[context]], seen[known[seen]]

        def ask(items: Indices, *, exclude_owned: bool) -> tuple[Answer, str | None]:
            batch = Batch(
                customer=np.array([customer], np.int32),
                at=np.array([max(query.day, self.model_.signals.now)]),
                context=_row(items, len(self.product_ids_)),
                exclude_owned=np.array([exclude_owned]),
            )
            return self.model_.answer(batch, count + len(context), late=late)

        alone = not len(sold) and len(seen) > 0 and customer == UNKNOWN
        answer, by = ask(seen if alone else sold, exclude_owned=query.exclude_owned)
        items, named = answer.item, int(np.count_nonzero(answer.score >= NAMED))
        alike = self._alike(context, count)
        if len(alike):
            items, named, by = _after(alike, items), len(alike), Spoke.CONTENT
        if len(seen) and not alone:
            session, spoke = ask(seen, exclude_owned=query.exclude_owned)
            of_session = session.item[session.score >= NAMED]
            fused = _fused(items[:named], of_session)
            items, named, by = _after(fused, items), len(fused), by or spoke
        here = ~np.isin(items, context)
        named = min(int(np.count_nonzero(here[:named])), count)
        items = items[here][:count]
        ranked = Ranked(self.product_ids_[items], -np.arange(len(items), dtype=np.float64))
        return Recommended(ranked, _spoke(by) if named else Spoke.TRENDING, named)

    def trending(self, count: int) -> Ranked:
        items = self.model_.trending(count)
        return Ranked(self.product_ids_[items], self.model_.newcomers[items].astype(np.float64))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] = {
            "product_ids": self.product_ids_,
            "customers": self.customers_,
            "content_indptr": self.content_.indptr_,
            "content_indices": self.content_.indices_,
            "content_scores": self.content_.scores_,
        }
        return found | {f"{_MODEL}{name}": each for name, each in packing.to_arrays(self.model_).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        model = {name.removeprefix(_MODEL): each for name, each in arrays.items() if name.startswith(_MODEL)}
        if set(arrays) != {*_OWN, *(f"{_MODEL}{name}" for name in model)}:
            raise ValueError(f"arrays of a two_stage recommender are {sorted(_OWN)} and those of its model")
        for name, kind in _OWN.items():
            if arrays[name].dtype != kind or arrays[name].ndim != 1:
                raise ValueError(
                    f"{name} must be {np.dtype(kind)} [n], not {arrays[name].dtype} {arrays[name].shape}"
                )
        return cls(
            product_ids_=arrays["product_ids"],
            customers_=arrays["customers"],
            model_=packing.from_arrays(model),
            content_=Neighbours(
                arrays["content_indptr"], arrays["content_indices"], arrays["content_scores"]
            ),
        )

    def _alike(self, context: Indices, count: int) -> Indices:
        """What is like the products of the context, when none of them ever sold."""
        if not len(context) or self.model_.signals.known[context].any():
            return np.empty(0, np.int32)
        total = self.content_.sum_over(context)
        total[context] = 0.0
        found = np.flatnonzero(total > 0)
        order = np.lexsort((found, -total[found]))[:count]
        return found[order].astype(np.int32)


def neighbours_of(table: sparse.csr_matrix | None, n: int) -> Neighbours:
    """A table of items by items as stored neighbours, each row best first and without the item itself.

    Args:
        table: positive scores [n, n]; None = nothing is alike.
    """
    if table is None:
        return Neighbours(np.zeros(n + 1, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    rows = np.repeat(np.arange(n), np.diff(table.indptr))
    held = (table.data > 0) & (table.indices != rows)
    rows, columns, scores = rows[held], table.indices[held], table.data[held].astype(np.float32)
    order = np.lexsort((columns, -scores, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    return Neighbours(indptr.astype(np.int32), columns[order].astype(np.int32), scores[order])


def _spoke(by: str | None) -> Spoke:
    if by == Spoke.CONTENT:
        return Spoke.CONTENT
    return Spoke.RANKER if by == RANKER else Spoke.GENERATOR


def _after(first: Any, then: Any) -> npt.NDArray[np.int64]:
    """Both, each item once."""
    return np.concatenate([first, then[~np.isin(then, first)]]).astype(np.int64)


def _fused(main: npt.NDArray[np.int64], session: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Two lists as one by their reciprocal ranks (Cormack et al. 2009): what is high in both comes first, then by item."""
    items, at = np.unique(np.concatenate([main, session]), return_inverse=True)
    weight = np.concatenate([1 / (FUSED_AFTER + np.arange(len(each))) for each in (main, session)])
    fused: npt.NDArray[np.int64] = items[np.lexsort((items, -np.bincount(at, weight, len(items))))]
    return fused


def _positions(ids: Ids, asked: Sequence[int]) -> Indices:
    """Positions of those that are known, ascending, each once."""
    if not len(ids) or not asked:
        return np.empty(0, np.int32)
    wanted = np.unique(np.asarray(asked, np.int64))
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    found: Indices = at[ids[at] == wanted].astype(np.int32)
    return found


def _row(items: Indices, n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(items), np.float32), items, [0, len(items)]), shape=(1, n))
