"""Each customer's orders in time, and what a sequence model learns from them. Pure and deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.sequence import FLOOR, gap_rows
from mlops.training.recommend.item_signals import decay
from mlops.training.recommend.sales import GUEST, Sales

# Orders looked back at: as many as 95 in 100 customers with a second order have, within these.
LOOKED_BACK, SHORTEST, LONGEST = 0.95, 5, 50
# Half-lives in days of the popularities that are told beside the orders; they are counted anew every so many days.
HALF_LIVES = (10.0, 30.0, 365.0)
SHARES = tuple(f"h{each:g}" for each in HALF_LIVES)
MOMENT_DAYS, MOST_MOMENTS = 7.0, 104


@dataclass(frozen=True, slots=True)
class Histories:
    """Args:
    orders: CSR [n_orders, n_items], 1 for each item; those of one customer lie together, oldest first.
    days: float64 [n_orders].
    gaps: int64 [n_orders], how long after the customer's order before, as `gap_rows` tells it.
    starts: int64 [n_customers + 1], where each customer's orders begin.
    """

    orders: sparse.csr_matrix
    days: npt.NDArray[np.float64]
    gaps: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    def lengths(self, until: float = np.inf) -> npt.NDArray[np.int64]:
        """Orders of each customer before a day, int64 [n_customers]."""
        counted = np.concatenate([[0], np.cumsum(self.days < until)])
        return np.asarray(counted[self.starts[1:]] - counted[self.starts[:-1]], np.int64)

    def followed(self, until: float = np.inf) -> int:
        """Orders before a day that another one of the same customer follows before it."""
        return int(np.maximum(self.lengths(until) - 1, 0).sum())

    def longest(self, until: float = np.inf) -> int:
        """Orders that are worth looking back at."""
        lengths = self.lengths(until)
        again = lengths[lengths > 1]
        return int(np.clip(np.quantile(again, LOOKED_BACK), SHORTEST, LONGEST)) if len(again) else SHORTEST


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a network learns from.

    Args:
        shares: float16 [n_moments, n_items, len(SHARES)], logarithms of the popularities that are added to the scores;
            of no shares where days of different customers cannot be compared.
        moment: int64 [n_orders], the last moment before each order.
        counts: float64 [n_items], orders of each item.
    """

    histories: Histories
    shares: npt.NDArray[np.float16]
    moment: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]


def histories(sales: Sales) -> Histories:
    """What named customers bought. Orders of one customer at one moment are one: nobody knows which came first."""
    rows = np.flatnonzero(sales.customer != GUEST)
    rows = rows[np.argsort(sales.customer[rows], kind="stable")]
    customer, day, item = sales.customer[rows], sales.day[rows], sales.item[rows]
    begins = np.ones(len(rows), bool)
    begins[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    order = np.cumsum(begins) - 1
    held = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (order, item)), shape=(int(begins.sum()), sales.n_items)
    )
    held.sum_duplicates()
    held.data[:] = 1.0
    starts = np.searchsorted(customer[begins], np.arange(sales.n_customers + 1)).astype(np.int64)
    return Histories(held, day[begins], gap_rows(day[begins], starts), starts)


def lesson(sales: Sales) -> Lesson:
    """What these sales teach."""
    found = histories(sales)
    counts = np.bincount(sales.item, minlength=sales.n_items).astype(np.float64)
    if not sales.dated or not len(sales):
        return Lesson(
            found, np.zeros((1, sales.n_items, 0), np.float16), np.zeros(len(found.days), np.int64), counts
        )
    span = sales.day[-1] - sales.day[0]
    step = max(MOMENT_DAYS, span / (MOST_MOMENTS - 1))
    moment = np.floor((found.days - sales.day[0]) / step).astype(np.int64)
    return Lesson(found, _shares_by_moment(sales, step), moment, counts)


def chunks(told: Histories, longest: int, until: float, most: int) -> npt.NDArray[np.int64]:
    """Orders that are read together, int64 [n, 2]: the first one and how many. The order after them is told by them.

    Args:
        longest: orders of a chunk.
        until: only orders before this day are read and told.
        most: orders in all; the oldest chunks are left out.
    """
    found: list[tuple[int, int]] = []
    lengths = told.lengths(until)
    for customer in np.flatnonzero(lengths > 1):
        begin = int(told.starts[customer])
        end = begin + int(lengths[customer]) - 1
        while end > begin:
            count = min(longest, end - begin)
            end -= count
            found.append((end, count))
    made = np.array(found, np.int64).reshape(-1, 2)
    newest = np.argsort(-told.days[made.sum(axis=1)], kind="stable")
    kept = newest[np.cumsum(made[newest, 1]) <= most]
    return made[np.sort(kept)]


def next_chunks(told: Histories, longest: int, since: float) -> npt.NDArray[np.int64]:
    """As `chunks`: what each customer bought before a day, where an order follows from that day on."""
    before = told.lengths(since)
    asked = np.flatnonzero((before > 0) & (told.lengths() > before))
    count = np.minimum(before[asked], longest)
    return np.stack([told.starts[asked] + before[asked] - count, count], axis=1)


def _shares_by_moment(sales: Sales, step: float) -> npt.NDArray[np.float16]:
    at = np.floor((sales.day - sales.day[0]) / step).astype(np.int64)
    moments = int(at[-1]) + 1
    found = np.empty((moments, sales.n_items, len(HALF_LIVES)), np.float16)
    # Rows are in order of time.
    begins = np.searchsorted(at, np.arange(moments + 1))
    for place, half_life in enumerate(HALF_LIVES):
        held = np.zeros(sales.n_items)
        for moment in range(moments):
            total = max(float(held.sum()), 1e-9)
            found[moment, :, place] = np.log(held / total * sales.n_items + FLOOR)
            rows = slice(begins[moment], begins[moment + 1])
            age = sales.day[0] + (moment + 1) * step - sales.day[rows]
            held = held * 0.5 ** (step / half_life)
            held += np.bincount(sales.item[rows], decay(age, half_life), sales.n_items)
    return found
