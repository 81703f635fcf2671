"""Order lines as arrays: who bought what when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Purchases:
    """Distinct (order, product) pairs in order of time.

    Args:
        product_ids: int64 [n_products], ascending: every product that sold.
        product: int32 [n_pairs], position in product_ids.
        order: int32 [n_pairs], 0 .. n_orders - 1, rising with time.
        ordered_at_us: int64 [n_orders], microseconds since 1970 UTC, not falling.
        customer: int64 [n_orders], the pseudonym; -1 for a guest.
    """

    product_ids: npt.NDArray[np.int64]
    product: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    ordered_at_us: npt.NDArray[np.int64]
    customer: npt.NDArray[np.int64]

    @property
    def n_orders(self) -> int:
        return len(self.ordered_at_us)

    def before(self, at: datetime) -> Purchases:
        """Only what was ordered before `at`; products that had not sold by then are not in it."""
        return self.between(_EPOCH, at)

    def between(self, since: datetime, until: datetime) -> Purchases:
        """Only what was ordered in [since, until)."""
        first = int(np.searchsorted(self.ordered_at_us, _us(since), side="left"))
        last = int(np.searchsorted(self.ordered_at_us, _us(until), side="left"))
        held = (self.order >= first) & (self.order < last)
        sold, product = np.unique(self.product[held], return_inverse=True)
        return Purchases(
            product_ids=self.product_ids[sold],
            product=product.astype(np.int32),
            order=self.order[held] - np.int32(first),
            ordered_at_us=self.ordered_at_us[first:last],
            customer=self.customer[first:last],
        )

    def baskets(self) -> sparse.csr_matrix:
        """1.0 where an order holds a product: [n_orders, n_products]."""
        return _ones(self.order, self.product, (self.n_orders, len(self.product_ids)))

    def histories(self) -> sparse.csr_matrix:
        """1.0 where a customer ever bought a product: [n_customers, n_products]; guests are left out."""
        customer = self.customer[self.order]
        known = customer >= 0
        who, row = np.unique(customer[known], return_inverse=True)
        return _ones(row, self.product[known], (len(who), len(self.product_ids)))

    def age_days(self, now: datetime) -> npt.NDArray[np.float64]:
        """Age of each order at `now`, in days: float64 [n_orders]."""
        ages: npt.NDArray[np.float64] = (_us(now) - self.ordered_at_us) / 86_400e6
        return ages


def from_frame(frame: pl.DataFrame) -> Purchases:
    """Arrays of an order frame (see `mlops.features.read.order_frame`), whatever the order of its rows."""
    pairs = (
        frame.select("ordered_at", "order_id", "product_id", pl.col("customer_id").fill_null(-1))
        .unique()
        .sort("ordered_at", "order_id", "product_id")
    )
    orders = pairs.select("ordered_at", "order_id", "customer_id").unique(maintain_order=True)
    order = pairs["order_id"].rle_id().cast(pl.Int32).to_numpy()
    product_ids, product = np.unique(pairs["product_id"].to_numpy(), return_inverse=True)
    return Purchases(
        product_ids=product_ids.astype(np.int64),
        product=product.astype(np.int32),
        order=order,
        ordered_at_us=orders["ordered_at"].dt.epoch("us").to_numpy(),
        customer=orders["customer_id"].to_numpy(),
    )


def moment(us: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=us)


def _us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _ones(row: npt.NDArray[Any], column: npt.NDArray[Any], shape: tuple[int, int]) -> sparse.csr_matrix:
    found = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
    found.data[:] = 1.0  # pairs that occur twice were added up
    return found
