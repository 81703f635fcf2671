"""Order lines, as a file or a snapshot tells them, become `Sales` with names for the numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.predictors.recommend.signals import UNKNOWN
from mlops.training.recommend.sales import GUEST, Sales

DAY = 86_400_000.0
# Of the customers of a set of bare steps nearly all have each step; a few may have lost one to a filter.
STEPPING_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Ledger:
    """Args:
    sales: what was sold, and not taken back at once.
    skus: name of each item, ascending.
    customers: number of each customer by name.
    now: the first midnight after the last row, in days on the clock of `sales`.
    prices_known: whether any line has a price.
    """

    sales: Sales
    skus: Sequence[str]
    customers: Mapping[str, int]
    now: float
    prices_known: bool

    def customer(self, names: Sequence[str | None]) -> npt.NDArray[np.int32]:
        """Numbers of these customers; `UNKNOWN` for nobody and for strangers."""
        return np.array(
            [UNKNOWN if name is None else self.customers.get(name, UNKNOWN) for name in names], np.int32
        )

    def day(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Moments in milliseconds, as days on the clock of the sales and never before `now`."""
        if not self.sales.dated:
            return np.full(len(at), self.now)
        return np.maximum(at / DAY, self.now)


def ledger(lines: pl.DataFrame, *, also: pl.Series | None = None, dated: bool | None = None) -> Ledger:
    """What these lines sold.

    Args:
        also: items that are there beside those that sold.
        dated: whether the times are dates; None = told by what they look like.
        lines: order_id, customer_id (null = guest), at (milliseconds, UTC), sku, quantity, unit_price, cancelled. In any
            order, also with lines that come twice; a cancelled line or one of no units sells nothing.
    """
    sold = lines.filter(~pl.col("cancelled") & (pl.col("quantity") > 0))
    rows = (
        sold.group_by("order_id", "sku")
        .agg(
            pl.col("customer_id").min(),
            pl.col("at").min(),
            pl.col("quantity").sum(),
            pl.when(pl.col("unit_price") > 0).then(pl.col("unit_price")).mean().alias("unit_price"),
        )
        # An order is one moment and one customer, whatever its lines say.
        .with_columns(pl.col("at").min().over("order_id"), pl.col("customer_id").min().over("order_id"))
        .sort("at", "order_id", "sku")
    )
    skus = (rows["sku"] if also is None else pl.concat([rows["sku"], also])).unique().sort()
    customers = rows["customer_id"].drop_nulls().unique().sort()
    dated = not _steps_only(rows) if dated is None else dated
    day = rows["at"].to_numpy() / DAY
    customer = _numbers(rows["customer_id"], customers, GUEST)
    if not dated:
        day = day - rows.select(pl.col("at").max().over("customer_id"))["at"].to_numpy() / DAY
    order = rows["order_id"].rle_id().to_numpy().astype(np.int32)
    by_day = np.lexsort((rows["order_id"].rle_id().to_numpy(), day))
    if not dated:
        # Another clock, another sequence: orders are numbered by time.
        order = np.unique(_first_places(order[by_day]), return_inverse=True)[1].astype(np.int32)
    sales = Sales(
        n_items=len(skus),
        n_customers=len(customers),
        n_orders=int(order.max(initial=-1)) + 1,
        order=order if not dated else order[by_day],
        item=_numbers(rows["sku"], skus, 0)[by_day],
        customer=customer[by_day],
        day=day[by_day],
        units=rows["quantity"].cast(pl.Float32).to_numpy()[by_day],
        price=rows["unit_price"].cast(pl.Float32).fill_null(float("nan")).to_numpy()[by_day],
        dated=dated,
    )
    now = float(np.floor(sales.day[-1]) + 1) if len(sales) else 0.0
    known = bool(np.isfinite(sales.price).any())
    return Ledger(
        sales, skus.to_list(), {name: at for at, name in enumerate(customers.to_list())}, now, known
    )


def _numbers(names: pl.Series, known: pl.Series, otherwise: int) -> npt.NDArray[np.int32]:
    table = pl.DataFrame({"name": known, "number": pl.Series(np.arange(len(known), dtype=np.int32))})
    found = pl.DataFrame({"name": names}).join(table, on="name", how="left", maintain_order="left")["number"]
    return found.fill_null(otherwise).to_numpy()


def _first_places(order: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """For each row the position of its order's first row."""
    _, first, inverse = np.unique(order, return_index=True, return_inverse=True)
    found: npt.NDArray[np.int64] = first[inverse]
    return found


def _steps_only(rows: pl.DataFrame) -> bool:
    """Whether the times are mere step numbers: whole days, all customers from the same one on, no day left out."""
    if rows["customer_id"].null_count() or not len(rows) or (rows["at"] % int(DAY) != 0).any():
        return False
    steps = rows.group_by("customer_id").agg(
        (pl.col("at").min() // int(DAY)).alias("first"),
        (pl.col("at").max() // int(DAY)).alias("last"),
        pl.col("at").n_unique().alias("steps"),
        pl.col("order_id").n_unique().alias("orders"),
    )
    start = steps["first"].min()
    stepping = (pl.col("first") == start) & (pl.col("last") - pl.col("first") + 1 == pl.col("steps"))
    one_each = pl.col("orders") == pl.col("steps")
    share = steps.select((stepping & one_each).mean()).item()
    return bool(share >= STEPPING_SHARE and steps.select((pl.col("steps") > 1).mean()).item() > 0.5)
