"""A shop's recommender version: the two-stage recommender with the shop's own numbers for products and customers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.neighbours import Neighbours
from mlops.predictors.protocols import Ids, Indices, Query, Ranked, Recommended, Spoke
from mlops.predictors.recommend import packing
from mlops.predictors.recommend.features import slots_of
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.predictors.recommend.two_stage import NAMED, RANKER, TwoStage

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
    _trending: Indices = field(init=False, repr=False, compare=False)

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
        order = np.argsort(-self.model_.newcomers, kind="stable").astype(np.int32)
        object.__setattr__(self, "_trending", order[signals.known[order]])

    def recommend(self, query: Query, count: int) -> Recommended:
        context = _positions(self.product_ids_, query.context)
        who = _positions(self.customers_, () if query.customer is None else (query.customer,))
        alike = self._alike(context, count)
        sold = context[self.model_.signals.known[context]]
        batch = Batch(
            customer=who if len(who) else np.array([UNKNOWN], np.int32),
            at=np.array([max(query.day, self.model_.signals.now)]),
            context=_row(sold, len(self.product_ids_)),
            exclude_owned=np.array([query.exclude_owned]),
        )
        answer = self.model_.recommend(batch, np.array([count + len(context)]))[0]
        named = int(np.count_nonzero(answer.score >= NAMED))
        if len(alike):
            items = np.concatenate([alike, answer.item[~np.isin(answer.item, alike)]])
            by, named = Spoke.CONTENT, len(alike)
        else:
            items = answer.item
            choice = self.model_.choices.get(slots_of(batch)[0])
            spoke = choice is not None and choice.of(known=bool(len(who))) == RANKER
            by = Spoke.RANKER if spoke else Spoke.GENERATOR
        items = items[~np.isin(items, context)][:count]
        named = min(named, len(items))
        ranked = Ranked(self.product_ids_[items], -np.arange(len(items), dtype=np.float64))
        return Recommended(ranked, by if named else Spoke.TRENDING, named)

    def trending(self, count: int) -> Ranked:
        items = self._trending[:count]
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
