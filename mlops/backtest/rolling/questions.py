"""What shoppers would have asked in a window of the past, and what was right. Pure and seeded.

| slot | query | right |
|---|---|---|
| home | a customer with history, at the window's start | all they buy in the window, re-buys included |
| new | the same | what they buy and never bought before |
| product page | one product of an order of the window | the order's other products |
| cart | an order of three or more products, one left out | that one |
| cold | a customer without history | all they buy in the window |

Half of the page's and cart's queries name their customer. Only what had been sold before the window can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.training.recommend.sales import GUEST, Sales

MOST_QUERIES = 1_500  # of one slot and window


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries of one slot.

    Args:
        truth: [n_queries, n_items], 1 where right; every row holds at least one.
        unit: int64 [n_queries], who is behind the query, for intervals: the customer, or the order of a guest.
        orders: int64 [n_queries], orders of the named customer before the window.
    """

    batch: Batch
    truth: sparse.csr_matrix
    unit: npt.NDArray[np.int64]
    orders: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.unit)


def questions(
    slot: Slot,
    sales: Sales,
    start: float,
    end: float,
    generator: np.random.Generator,
    most: int = MOST_QUERIES,
) -> Questions:
    """At most `most` queries of days `start` (included) to `end`; when there are more, as many are drawn."""
    before, window = sales.before(start), sales.within(start, end)
    window = window.take((np.bincount(before.item, minlength=sales.n_items) > 0)[window.item])
    orders = _orders_of_customers(before)
    if slot in (Slot.PAGE, Slot.CART):
        return _of_orders(slot, window, orders, generator, most)
    bought = _ones(window.customers_matrix())
    if slot == Slot.NEW:
        owned = _ones(before.customers_matrix())
        bought = (bought - bought.multiply(owned)).tocsr()
        bought.eliminate_zeros()
    asked = np.flatnonzero((np.diff(bought.indptr) > 0) & ((orders > 0) != (slot == Slot.COLD)))
    asked = _drawn(asked, most, generator)
    n = len(asked)
    batch = Batch(
        np.full(n, UNKNOWN, np.int32) if slot == Slot.COLD else asked.astype(np.int32),
        np.full(n, start),
        sparse.csr_matrix((n, sales.n_items), dtype=np.float32),
        np.full(n, slot == Slot.NEW),
    )
    return Questions(batch, bought[asked], asked.astype(np.int64), orders[asked])


def _of_orders(
    slot: Slot, window: Sales, orders: npt.NDArray[np.int64], generator: np.random.Generator, most: int
) -> Questions:
    _, first, counts = np.unique(window.order, return_index=True, return_counts=True)
    chosen = _drawn(np.flatnonzero(counts >= (2 if slot == Slot.PAGE else 3)), most, generator)
    n = len(chosen)
    pick = first[chosen] + (generator.random(n) * counts[chosen]).astype(np.int64)
    row = np.repeat(np.arange(n), counts[chosen])
    at = np.concatenate(
        [np.arange(first[k], first[k] + counts[k]) for k in chosen] or [np.empty(0, np.int64)]
    )
    picked = at == np.repeat(pick, counts[chosen])
    shape = (n, window.n_items)
    one = _matrix(row[picked], window.item[at[picked]], shape)
    rest = _matrix(row[~picked], window.item[at[~picked]], shape)
    who = window.customer[first[chosen]]
    history = np.where(who == GUEST, 0, orders[np.maximum(who, 0)]) if len(orders) else np.zeros(n, np.int64)
    named = (np.arange(n) % 2 == 0) & (history > 0)
    batch = Batch(
        np.where(named, who, UNKNOWN).astype(np.int32),
        window.day[first[chosen]],
        one if slot == Slot.PAGE else rest,
        np.zeros(n, bool),
    )
    unit = np.where(who == GUEST, window.n_customers + window.order[first[chosen]].astype(np.int64), who)
    return Questions(batch, rest if slot == Slot.PAGE else one, unit, np.where(named, history, 0))


def _orders_of_customers(before: Sales) -> npt.NDArray[np.int64]:
    """Distinct orders of each customer, int64 [n_customers]."""
    named = before.customer != GUEST
    order, at = np.unique(before.order[named], return_index=True)
    del order
    return np.bincount(before.customer[named][at], minlength=before.n_customers)


def _drawn(rows: npt.NDArray[np.intp], most: int, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _matrix(row: npt.NDArray[Any], column: npt.NDArray[Any], shape: tuple[int, int]) -> sparse.csr_matrix:
    return _ones(sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=shape))
