"""Windows of the past and what was asked in them, so that a ranker learns on the questions it will be asked. Pure.

    first sale ---- [ oldest window ) ... [ newest window ) now
                    |<--- length -->|

For each window everything is fitted on the sales before it; the window's sales are the truth. The newest window is held
out: it chooses the number of trees and whether the ranker may answer at all. Then the ranker learns on all windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.training.recommend.sales import GUEST, Sales

# A window is a tenth of the history, within these days: long enough to hold re-buys, short enough to have several.
SHARE, SHORTEST, LONGEST = 0.1, 7.0, 90.0
MOST_WINDOWS = 5
# Before the oldest window there must be at least as much history as this many windows hold.
HISTORY_WINDOWS = 2.0
LEAST_LINES = 200
MOST_QUERIES = 3_000
# Leaving one out of an order of twenty can be done twenty times; more than a few teach little.
PICKS = {Slot.PAGE: 2, Slot.CART: 3}


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of one slot and what was right.

    Args:
        relevant: per query, item numbers; never empty.
        unit: per query, whose it is: the customer's number, for intervals.
    """

    batch: Batch
    relevant: list[npt.NDArray[np.int32]]
    unit: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.relevant)

    def of(self, chosen: npt.NDArray[np.bool_]) -> Asked:
        """These queries alone."""
        rows = np.flatnonzero(chosen)
        return Asked(self.batch.take(rows), [self.relevant[row] for row in rows], self.unit[rows])


def window_length(sales: Sales, now: float) -> float:
    """Days of a window; one step where there are steps only."""
    if not sales.dated:
        return 1.0
    return (
        float(np.clip(np.round((now - sales.day[0]) * SHARE), SHORTEST, LONGEST)) if len(sales) else SHORTEST
    )


def window_starts(sales: Sales, now: float, length: float | None = None) -> list[float]:
    """Starts of the inner windows, newest first; none when the history is too short to learn a ranking from.

    Args:
        length: days of a window; None = `window_length`.
    """
    length = window_length(sales, now) if length is None else length
    found = []
    for place in range(1, MOST_WINDOWS + 1):
        start = now - place * length
        before = np.searchsorted(sales.day, start)
        # Of steps the earlier ones are those of customers with long histories alone.
        history = start - sales.day[0] if len(sales) else 0.0
        if before < LEAST_LINES or len(sales) - before < LEAST_LINES // 4:
            break
        if sales.dated and history < HISTORY_WINDOWS * length:
            break
        found.append(start)
        if not sales.dated and place == 2:
            break
    return found


def ask(
    slot: Slot,
    sales: Sales,
    start: float,
    length: float,
    generator: np.random.Generator,
    most: int = MOST_QUERIES,
) -> Asked:
    """What the slot would have been asked in a window.

    Args:
        most: queries; when there are more, as many are drawn.
    """
    before, window = sales.before(start), sales.within(start, start + length)
    catalogue = np.bincount(before.item, minlength=sales.n_items) > 0
    window = window.take(catalogue[window.item] & (window.customer != GUEST))
    history = np.zeros(sales.n_customers, bool)
    history[before.customer[before.customer != GUEST]] = True
    if slot in (Slot.PAGE, Slot.CART):
        return _of_orders(slot, window, history, generator, most)
    bought = window.customers_matrix()
    bought.data[:] = 1.0
    if slot == Slot.NEW:
        owned = before.customers_matrix()
        owned.data[:] = 1.0
        bought = (bought - bought.multiply(owned)).tocsr()
        bought.eliminate_zeros()
    bought.sort_indices()
    customers = np.flatnonzero((np.diff(bought.indptr) > 0) & (history != (slot == Slot.COLD)))
    if len(customers) > most:
        customers = np.sort(generator.choice(customers, most, replace=False))
    batch = Batch(
        np.full(len(customers), UNKNOWN, np.int32) if slot == Slot.COLD else customers.astype(np.int32),
        np.full(len(customers), start),
        sparse.csr_matrix((len(customers), sales.n_items), dtype=np.float32),
        np.full(len(customers), slot == Slot.NEW),
    )
    relevant = [bought.indices[bought.indptr[each] : bought.indptr[each + 1]] for each in customers]
    return Asked(batch, relevant, customers.astype(np.int64))


def _of_orders(
    slot: Slot, window: Sales, history: npt.NDArray[np.bool_], generator: np.random.Generator, most: int
) -> Asked:
    """Queries from orders: each is asked a few times, half of the time with its customer named."""
    _, first, counts = np.unique(window.order, return_index=True, return_counts=True)
    chosen = np.flatnonzero(counts >= (2 if slot == Slot.PAGE else 3))
    if len(chosen) * PICKS[slot] > most:
        chosen = np.sort(generator.choice(chosen, max(1, most // PICKS[slot]), replace=False))
    customer, at, contexts, relevant, unit = [], [], [], [], []
    for each in chosen:
        rows = slice(first[each], first[each] + counts[each])
        items, who = window.item[rows], window.customer[first[each]]
        picks = generator.permutation(len(items))[: PICKS[slot]]
        for turn, pick in enumerate(picks):
            rest = np.delete(items, pick)
            named = (turn + each) % 2 == 0 and history[who]
            customer.append(who if named else UNKNOWN)
            at.append(window.day[first[each]])
            unit.append(who)
            contexts.append(items[pick : pick + 1] if slot == Slot.PAGE else rest)
            relevant.append(rest if slot == Slot.PAGE else items[pick : pick + 1])
    batch = Batch(
        np.array(customer, np.int32),
        np.array(at, np.float64),
        context_matrix(contexts, window.n_items),
        np.zeros(len(customer), bool),
    )
    return Asked(batch, relevant, np.array(unit, np.int64))


def context_matrix(contexts: list[npt.NDArray[np.int32]], n_items: int) -> sparse.csr_matrix:
    """Contexts as queries by items, each item once."""
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in contexts], dtype=np.int64)])
    indices = np.concatenate(contexts) if contexts else np.empty(0, np.int32)
    found = sparse.csr_matrix(
        (np.ones(len(indices), np.float32), indices, indptr), shape=(len(contexts), n_items)
    )
    found.sum_duplicates()
    found.data[:] = 1.0
    return found
