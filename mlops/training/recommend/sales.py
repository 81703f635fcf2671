"""What was sold, as arrays: one row per order and product, in order of time. Pure.

Time is a number of days. A shop's orders have dates, and every row lies on one clock (`dated`). Bare sequences and
baskets have steps alone, and the steps of two customers cannot be compared; each customer's clock is then set so that
its last step lies at day 0. "Everything before the last step of everybody" is a cut in time in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

GUEST = -1


@dataclass(frozen=True, slots=True)
class Sales:
    """Rows are sorted by day, order, item; (order, item) is unique.

    Args:
        n_items, n_customers, n_orders: sizes of the number ranges, whatever is left after a cut.
        order, item, customer: int32 [n_rows]; customer is `GUEST` where nobody is named.
        day: float64 [n_rows], days on the clock described above.
        units, price: float32 [n_rows]; NaN where the file has none.
        dated: whether days of different customers may be compared.
    """

    n_items: int
    n_customers: int
    n_orders: int
    order: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    customer: npt.NDArray[np.int32]
    day: npt.NDArray[np.float64]
    units: npt.NDArray[np.float32]
    price: npt.NDArray[np.float32]
    dated: bool = True

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: npt.NDArray[Any]) -> Sales:
        """The rows of a mask or of ascending positions."""
        names = ("order", "item", "customer", "day", "units", "price")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def before(self, day: float) -> Sales:
        return self.take(self.day < day)

    def within(self, start: float, end: float) -> Sales:
        return self.take((self.day >= start) & (self.day < end))

    def orders_matrix(self, weight: npt.NDArray[np.float32] | None = None) -> sparse.csr_matrix:
        """Orders by items, float32; only orders that have rows here, in order of time."""
        _, row = np.unique(self.order, return_inverse=True)
        data = np.ones(len(self), np.float32) if weight is None else weight
        return sparse.csr_matrix((data, (row, self.item)), shape=(int(row.max(initial=-1)) + 1, self.n_items))

    def customers_matrix(self, weight: npt.NDArray[np.float32] | None = None) -> sparse.csr_matrix:
        """Customers by items, float32: summed weights, 1 for each order by default."""
        named = self.customer != GUEST
        data = np.ones(len(self), np.float32) if weight is None else weight
        return sparse.csr_matrix(
            (data[named], (self.customer[named], self.item[named])), shape=(self.n_customers, self.n_items)
        )
