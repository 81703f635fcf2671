"""A shop's frozen history as the trainer uses it: sales in numbers, and which number is which product and customer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from mlops.training.recommend.content import content_table
from mlops.training.recommend.ledger import ledger
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.windows import window_length, window_starts

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class History:
    """Args:
    sales: items are positions in `product_ids`, customers in `customers`; days since 1970 UTC.
    product_ids: int64, ascending: what sold, and the rest of the catalogue.
    customers: int64, ascending pseudonyms.
    now: the first midnight after the last order.
    content: items by items, how alike they are by words and codes; None when none is.
    """

    sales: Sales
    product_ids: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]
    now: float
    content: sparse.csr_matrix | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of a training.

        first sale --- [ starts[-1] ) ... [ starts[0] ) [ test_from ) now

    Args:
        length: days of each window.
        test_from: what is sold from then on measures; None when the history is too short to measure anything.
        starts: windows before it, newest first: the rankers of the measured model learn from them, and settings are
            chosen on the newest.
    """

    length: float
    test_from: float | None
    starts: tuple[float, ...]


def open_history(frame: pl.DataFrame, catalogue: pl.DataFrame, *, halvings: int = 0) -> History:
    """Numbers of a frozen frame and catalogue.

    Args:
        frame: columns of `mlops.features.read.ORDER_FRAME_SCHEMA`, sorted by time.
        catalogue: columns of `mlops.features.catalogue_words.SCHEMA`.
        halvings: so many times the older half of the lines is left out, when memory does not hold them.
    """
    kept = frame.tail(-(-frame.height // 2**halvings))
    lines = kept.select(
        "order_id",
        "customer_id",
        pl.col("ordered_at").dt.epoch("ms").alias("at"),
        pl.col("product_id").alias("sku"),
        pl.col("quantity").cast(pl.Float64),
        "unit_price",
        pl.lit(False).alias("cancelled"),
    )
    book = ledger(lines, also=catalogue["product_id"], dated=True)
    told = {product: (words, code) for product, words, code in catalogue.iter_rows()}
    names = [str(each) for each in book.skus]
    content = content_table(
        names,
        {str(product): {"words": words} for product, (words, _) in told.items()},
        codes=True,
        codes_of=[told.get(int(each), ("", ""))[1] for each in book.skus],
    )
    return History(
        book.sales,
        np.array(book.skus, np.int64),
        np.array(list(book.customers), np.int64),
        book.now,
        content,
    )


def plan(history: History) -> Plan:
    """The windows of a history: the newest measures, those before it teach."""
    sales, now = history.sales, history.now
    length = window_length(sales, now)
    newest = window_starts(sales, now)
    if not newest:
        return Plan(length, None, ())
    test_from = newest[0]
    return Plan(length, test_from, tuple(window_starts(sales.before(test_from), test_from, length)))
