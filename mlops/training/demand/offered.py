"""How much of each day a variant could not be bought, and how far below its struck-out price it was. Pure.

Only what was told counts: before the first version that is known nobody can say whether it was in stock. From then on the state
of a version holds until the next. Stock is the total over locations when one of them changed after the product did, and the
total in the product itself otherwise, as on the product cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.training.demand.frozen import OFFERED

_SMALLEST = 1e-4  # of a day: less than 9 seconds


def offered(offers: pl.DataFrame, stock: pl.DataFrame, bounds: Sequence[datetime]) -> pl.DataFrame:
    """Days on which something was out of stock or reduced; columns as `OFFERED`.

    Args:
        offers: as `mlops.feature_store.tables.OFFERS`.
        stock: as `mlops.feature_store.tables.STOCK`.
        bounds: of the days, UTC, one more than there are days.
    """
    steps = _steps(offers, stock).filter(~pl.col("sells") | (pl.col("discount") > 0))
    if steps.is_empty() or len(bounds) < 2:
        return pl.DataFrame(schema=OFFERED)
    edges = np.array([int(each.timestamp() * 1e6) for each in bounds])
    begin = _in_days(steps["begin"].dt.epoch("us").to_numpy(), edges)
    end = _in_days(steps["end"].dt.epoch("us").fill_null(edges[-1]).to_numpy(), edges)
    parts = []
    # A variant at a time would be slow, all at once a matrix of every variant and day: some at a time.
    variants, codes = np.unique(steps["variant_id"].to_numpy(), return_inverse=True)
    width, size = len(edges) - 1, max(1, 4_000_000 // len(edges))
    out_of_stock = ~steps["sells"].to_numpy()
    reduced = np.where(out_of_stock, 0.0, steps["discount"].fill_null(0.0).to_numpy())
    for start in range(0, len(variants), size):
        mine = (codes >= start) & (codes < start + size)
        shape = (min(size, len(variants) - start), width)
        row, a, b = codes[mine] - start, begin[mine], end[mine]
        out = _overlap(shape, row, a, b, out_of_stock[mine].astype(np.float64))
        discount = _overlap(shape, row, a, b, reduced[mine])
        # Of the time in which it could be bought.
        discount = np.divide(discount, 1 - out, out=np.zeros(shape), where=out < 1 - _SMALLEST)
        found, day = np.nonzero((out > _SMALLEST) | (discount > _SMALLEST))
        parts.append(
            pl.DataFrame(
                {
                    "day": day.astype(np.int32),
                    "variant_id": variants[found + start],
                    "out": np.clip(out[found, day], 0, 1).astype(np.float32),
                    "discount": np.clip(discount[found, day], 0, 1).astype(np.float32),
                },
                schema=OFFERED,
            )
        )
    return pl.concat(parts)


def _steps(offers: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    """variant_id, begin, end (null: it lasts), sells, discount."""
    versions = offers.select("product_id", "event", "version_at", "listed").unique(["product_id", "event"])
    belongs = (
        offers.filter(pl.col("variant_id").is_not_null())
        .sort("version_at", "event")
        .group_by("variant_id")
        .agg(pl.col("product_id", "item_id").last(), since=pl.col("version_at").first())
    )
    told = offers.filter(pl.col("variant_id").is_not_null()).select(
        "variant_id", "event", "stock", "oversell", "price", "compare_at", there=pl.lit(True)
    )
    # A version in which the variant is missing is one in which it cannot be bought.
    points = (
        belongs.join(versions, on="product_id", how="inner")
        .filter(pl.col("version_at") >= pl.col("since"))
        .join(told, on=["variant_id", "event"], how="left")
        .select(
            "variant_id", begin="version_at", event="event", offer=pl.lit(True),
            listed=pl.col("listed") & pl.col("there").fill_null(False), stock="stock",
            oversell=pl.col("oversell").fill_null(False), price="price", compare_at="compare_at",
            total=pl.lit(None, pl.Float64),
        )
    )  # fmt: skip
    moves = (
        belongs.select("variant_id", "item_id")
        .join(stock.rename({"stock": "units"}), on="item_id", how="inner")
        .sort("variant_id", "version_at", "event")
        .with_columns(pl.col("units").fill_null(0.0))
        .with_columns(
            moved=pl.col("units") - pl.col("units").shift(1).over("variant_id", "location_id").fill_null(0.0)
        )
        .select(
            "variant_id", begin="version_at", event="event", offer=pl.lit(False), listed=pl.lit(None, pl.Boolean),
            stock=pl.lit(None, pl.Float64), oversell=pl.lit(None, pl.Boolean), price=pl.lit(None, pl.Float64),
            compare_at=pl.lit(None, pl.Float64), total=pl.col("moved").cum_sum().over("variant_id"),
        )
    )  # fmt: skip
    state = ("listed", "stock", "oversell", "price", "compare_at")
    return (
        pl.concat([points, moves])
        # At the same moment the product speaks first: a location's word is the newer one.
        .sort("variant_id", "begin", "offer", "event", descending=[False, False, True, False])
        .with_columns(turn=pl.col("offer").cast(pl.Int64).cum_sum().over("variant_id"))
        .filter(pl.col("turn") > 0)
        .with_columns(pl.col(*state).first().over("variant_id", "turn"))
        .with_columns(on_hand=pl.when("offer").then("stock").otherwise("total"))
        .select(
            "variant_id",
            "begin",
            end=pl.col("begin").shift(-1).over("variant_id"),
            sells=(
                pl.col("listed") & (pl.col("stock").is_null() | pl.col("oversell") | (pl.col("on_hand") > 0))
            ).fill_null(False),
            discount=pl.when(pl.col("compare_at") > pl.col("price"))
            .then(1 - pl.col("price") / pl.col("compare_at"))
            .otherwise(0.0),
        )
    )


def _in_days(moments: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Moments as days since the first bound, with the part of the day; cut to the days there are."""
    day = np.clip(np.searchsorted(edges, moments, side="right") - 1, 0, len(edges) - 2)
    part = (moments - edges[day]) / (edges[day + 1] - edges[day])
    return np.asarray(np.clip(day + part, 0.0, len(edges) - 1.0), np.float64)


def _overlap(
    shape: tuple[int, int],
    row: npt.NDArray[np.int64],
    begin: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """[n, T]: the weighted part of each day that lies in the intervals [begin, end) of its row."""
    change = np.zeros((shape[0], shape[1] + 2))
    for moment, sign in ((begin, 1.0), (end, -1.0)):
        day = moment.astype(np.int64)
        part = moment - day
        np.add.at(change, (row, day), sign * weight * (1 - part))
        np.add.at(change, (row, day + 1), sign * weight * part)
    return np.asarray(np.cumsum(change, axis=1)[:, : shape[1]])
