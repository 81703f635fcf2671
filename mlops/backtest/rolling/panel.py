"""Order lines as daily sales of each variant. Pure."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlops.backtest.store.history import History
from mlops.predictors.demand.panel import Codes, Grid, Panel

MEMORY_DAYS = 1456  # older days are not learnt from
MOST_SERIES = 5_000
MOST_GROUPS = 200
_WORD = re.compile(r"[^\W\d_]{3,}")


def daily_panel(history: History, horizon: int) -> tuple[Panel, int]:
    """The variants' sales by day of the shop, and how many variants were left out: the least sold ones beyond `MOST_SERIES`.

    From a variant's first sale on, a day without one is a day of 0.
    """
    sold = history.lines.filter(~pl.col("cancelled") & (pl.col("quantity") > 0))
    last: Any = sold["day"].max()
    sold = sold.filter(pl.col("day") > last - timedelta(days=MEMORY_DAYS))
    first: Any = sold["day"].min()
    units = sold.group_by("variant").agg(pl.col("quantity").sum(), pl.col("sku").first())
    kept = units.sort(["quantity", "variant"], descending=[True, False]).head(MOST_SERIES).sort("variant")
    grid = Grid(first, 1, (last - first).days + 1, horizon)
    place = kept.select("variant").with_row_index("row")
    days = (
        sold.join(place, on="variant")
        .group_by("row", "day")
        .agg(pl.col("quantity").sum(), pl.col("unit_price").mean())
    )
    row, column = days["row"].to_numpy(), (days["day"] - first).dt.total_days().to_numpy()
    y = np.zeros((len(kept), grid.steps), np.float32)
    y[row, column] = days["quantity"].to_numpy()
    began = np.maximum.accumulate(y > 0, axis=1)
    price = np.full(y.shape, np.nan, np.float32)
    price[row, column] = days["unit_price"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
    products = [history.products.get(sku) for sku in kept["sku"]]
    levels: dict[str, Codes] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for name in ("type", "vendor"):
        text = ["" if each is None else each.words.get(name, "") for each in products]
        distinct = sorted(set(text))
        if 2 <= len(distinct) <= min(MOST_GROUPS, len(text) // 2):
            code = {label: k for k, label in enumerate(distinct)}
            levels[name] = np.array([code[each] for each in text], np.int32)
            labels[name] = tuple(distinct)
    words = tuple(
        tuple(sorted(set(_WORD.findall((history.variants.get(each) or "").lower()))))
        for each in kept["variant"]
    )
    panel = Panel(
        ids=tuple(kept["variant"]),
        grid=grid,
        y=np.where(began, y, np.float32("nan")),
        levels=levels,
        labels=labels,
        words=words if any(words) else (),
        price=price if np.isfinite(price).any() else None,
    )
    return panel, len(units) - len(kept)


def until(history: History, day: date) -> History:
    """The lines of days before this one."""
    return History(
        history.name,
        history.lines.filter(pl.col("day") < day),
        history.products,
        history.variants,
        history.currency,
        history.notes,
    )
