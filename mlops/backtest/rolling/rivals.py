"""What a shop gets without a model of ours: bestsellers, the customer's own repeats, what was bought together. Pure.

`together` counts in how many orders two products stood side by side, as the related products that Shopify offers by itself do
when they have a history to go by; where no product is looked at, the customer's last order is. All are filled up with bestsellers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.backtest.measures.ranking import NOBODY, Items
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.training.recommend.sales import GUEST, Sales

LATELY_DAYS, REPEAT_DAYS = 30.0, 180.0  # half-lives
AT_ONCE = 256


class Rival(StrEnum):
    """What we are measured beside."""

    POPULAR = "bestsellers"
    LATELY = "bestsellers lately"
    REPEAT = "own repeats"
    TOGETHER = "bought together"


@dataclass(frozen=True, slots=True)
class Rivals:
    """Args:
    sold: bool [n_items], sold before now.
    popular, lately: float64 [n_items], orders, whole and decayed.
    owned: customers by items, decayed orders.
    last: customers by items, 1 for what is in the last order.
    together: items by items, in how many orders both are.
    """

    sold: npt.NDArray[np.bool_]
    popular: npt.NDArray[np.float64]
    lately: npt.NDArray[np.float64]
    owned: sparse.csr_matrix
    last: sparse.csr_matrix
    together: sparse.csr_matrix

    @classmethod
    def of(cls, sales: Sales, now: float) -> Rivals:
        """From the sales before `now`."""
        age = now - sales.day
        n = sales.n_items
        baskets = sales.orders_matrix()
        baskets.data[:] = 1.0
        together = (baskets.T @ baskets).tocsr()
        together.setdiag(0)
        together.eliminate_zeros()
        newest = np.full(sales.n_customers, -1)
        named = sales.customer != GUEST
        np.maximum.at(newest, sales.customer[named], sales.order[named])
        in_last = (named & (sales.order == newest[np.maximum(sales.customer, 0)])) if len(newest) else named
        return cls(
            np.bincount(sales.item, minlength=n) > 0,
            np.bincount(sales.item, minlength=n).astype(np.float64),
            np.bincount(sales.item, np.exp2(-age / LATELY_DAYS), n).astype(np.float64),
            sales.customers_matrix(np.exp2(-age / REPEAT_DAYS).astype(np.float32)),
            sales.take(in_last).customers_matrix(),
            together,
        )

    def speaking(self, slot: Slot) -> tuple[Rival, ...]:
        """Those that have anything to say in a slot."""
        if slot == Slot.COLD:
            return (Rival.POPULAR, Rival.LATELY)
        if slot == Slot.NEW:
            return (Rival.POPULAR, Rival.LATELY, Rival.TOGETHER)
        return tuple(Rival)

    def answers(self, rival: Rival, batch: Batch, count: int) -> Items:
        """int64 [n_queries, count], best first, `NOBODY` where nothing is left to name."""
        found = np.full((len(batch), count), NOBODY, np.int64)
        for start in range(0, len(batch), AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, len(batch)))
            part = batch.take(rows)
            best = self.best(self._scores(rival, part), part, count)
            found[rows, : best.shape[1]] = best
        return found

    def best(self, scores: npt.NDArray[np.float64], batch: Batch, count: int) -> Items:
        """The highest of what may be answered: sold before, not in the context, not owned where that is asked.

        Args:
            scores: [n_queries, n_items].
        """
        return _best(scores, self._allowed(batch), count)

    def _scores(self, rival: Rival, batch: Batch) -> npt.NDArray[np.float64]:
        """By hundredfold steps, so that what fills up never comes before what is named."""
        fill = self.lately / max(float(self.lately.max(initial=0.0)), 1e-12) * 1e-6
        if rival in (Rival.POPULAR, Rival.LATELY):
            of = self.popular if rival is Rival.POPULAR else self.lately
            return np.repeat(of[None, :], len(batch), axis=0)
        known = np.flatnonzero(batch.customer != UNKNOWN)
        who = batch.customer[known]
        if rival is Rival.REPEAT:
            named = _spread(self.owned[who], known, len(batch))
        else:
            seen = batch.context.copy()
            silent = np.flatnonzero(np.diff(seen.indptr) == 0)
            unseen = np.intersect1d(silent, known)
            seen = seen + _placed(self.last[batch.customer[unseen]], unseen, len(batch))
            named = np.asarray((seen @ self.together).toarray(), np.float64)
        return named + fill[None, :]

    def _allowed(self, batch: Batch) -> npt.NDArray[np.bool_]:
        found = np.repeat(self.sold[None, :], len(batch), axis=0)
        row = np.repeat(np.arange(len(batch)), np.diff(batch.context.indptr))
        found[row, batch.context.indices] = False
        for place in np.flatnonzero(batch.exclude_owned & (batch.customer != UNKNOWN)):
            who = batch.customer[place]
            found[place, self.owned.indices[self.owned.indptr[who] : self.owned.indptr[who + 1]]] = False
        return found


def _placed(rows: sparse.csr_matrix, at: npt.NDArray[np.intp], n: int) -> sparse.csr_matrix:
    """The rows at their places among n."""
    lengths = np.zeros(n, np.int64)
    lengths[at] = np.diff(rows.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((rows.data, rows.indices, indptr), shape=(n, rows.shape[1]))


def _spread(rows: sparse.csr_matrix, at: npt.NDArray[np.intp], n: int) -> npt.NDArray[np.float64]:
    found = np.zeros((n, rows.shape[1]))
    found[at] = rows.toarray()
    return found


def _best(scores: npt.NDArray[np.float64], allowed: npt.NDArray[np.bool_], count: int) -> Items:
    """The highest of each row; equal scores by item."""
    value = np.where(allowed, scores, -np.inf)
    order = np.argsort(-value, axis=1, kind="stable")[:, :count]
    named = np.take_along_axis(value, order, axis=1) > -np.inf
    return np.where(named, order, NOBODY)
