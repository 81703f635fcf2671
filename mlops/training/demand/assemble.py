"""From frozen tables to the panel that is forecast: one series for each variant. Pure.

A merchant orders variants: stock, cases and suppliers are theirs. Products, types, vendors and collections are sums of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.predictors.demand.panel import Codes, Doubles, Flags, Floats, Grid, Panel
from mlops.training.demand.frozen import Frozen

LONGEST_DAYS = 1461
# From half a day without stock on, the day says nothing of demand; of less, what was sold is scaled up.
CENSORED = 0.5
MOST_GROUPS = 300
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Shop:
    """A panel with what belongs to its series.

    Args:
        panel: its `y` are units as they would have been at full price all day, once `freed` is applied.
        variant_ids, product_ids: int64 [S].
        offered: bool [S], variants of living products; the others only teach.
        sold: float32 [S, T], units as they were sold; NaN before a series began.
        out: float32 [S, T], share of the day without stock.
        deal: float32 [S, T + H], discounts: planned ones and struck-out prices; those that last go on lasting.
        struck: float32 [S], of a struck-out price on the last day.
        revenue: float64 [S], of the last 364 days.
        price: float64 [S], of now; 0 where unknown.
    """

    panel: Panel
    variant_ids: npt.NDArray[np.int64]
    product_ids: npt.NDArray[np.int64]
    offered: Flags
    sold: Floats
    out: Floats
    deal: Floats
    struck: Floats
    revenue: Doubles
    price: Doubles


def assemble(frozen: Frozen) -> Shop:
    """The panel of the shop."""
    steps, horizon = frozen.days, frozen.horizon
    grid = Grid(frozen.first, 1, steps, horizon)
    catalogue = frozen.catalogue.sort("variant_id")
    recent = frozen.sales.filter(pl.col("day") >= steps - 364)
    ended = recent.join(catalogue, on="variant_id", how="anti")["variant_id"].unique()
    ids = np.union1d(catalogue["variant_id"].to_numpy(), ended.to_numpy())
    place = pl.DataFrame({"variant_id": ids, "row": np.arange(len(ids), dtype=np.int32)})
    about = place.join(catalogue, on="variant_id", how="left", maintain_order="left")
    sold = _dense(frozen.sales, place, "units", (len(ids), steps))
    out = _dense(frozen.offered, place, "out", (len(ids), steps))
    began = _begin(sold, about["since"].to_numpy())
    before = np.arange(steps) < began[:, None]
    sold = np.where(before, np.float32("nan"), np.maximum(sold, 0))
    in_stock = out < CENSORED
    scaled = np.where(in_stock, sold / (1 - np.where(in_stock, out, 0)), sold).astype(np.float32)
    levels, labels = _levels(about)
    panel = Panel(
        ids=tuple(map(str, ids.tolist())),
        grid=grid,
        y=scaled,
        known=_season(frozen, len(ids)),
        levels=levels,
        labels=labels,
        words=tuple(tuple(sorted(set(_WORD.findall((title or "").lower())))) for title in about["title"]),
        in_stock=in_stock if (~in_stock).any() else None,
    )
    struck = _dense(frozen.offered, place, "discount", (len(ids), steps))
    revenue = recent.join(place, on="variant_id").group_by("row").agg(pl.col("revenue").sum())
    brought = np.zeros(len(ids))
    brought[revenue["row"].to_numpy()] = revenue["revenue"].to_numpy()
    return Shop(
        panel=panel,
        variant_ids=ids.astype(np.int64),
        product_ids=about["product_id"].fill_null(0).to_numpy().astype(np.int64),
        offered=about["product_id"].is_not_null().to_numpy(),
        sold=sold.astype(np.float32),
        out=out,
        deal=_deals(frozen, place, about, struck),
        struck=struck[:, -1],
        revenue=brought,
        price=about["price"].fill_null(0.0).to_numpy().astype(np.float64),
    )


def _dense(table: pl.DataFrame, place: pl.DataFrame, column: str, shape: tuple[int, int]) -> Floats:
    found = table.join(place, on="variant_id", how="inner").filter(
        (pl.col("day") >= 0) & (pl.col("day") < shape[1])
    )
    out = np.zeros(shape, np.float32)
    out[found["row"].to_numpy(), found["day"].to_numpy()] = found[column].to_numpy()
    return out


def _begin(sold: Floats, since: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The first day that counts: the first sale, or the day it was first offered where that is earlier."""
    steps = sold.shape[1]
    any_sale = (sold > 0).any(axis=1)
    first = np.where(any_sale, (sold > 0).argmax(axis=1), steps)
    offered = np.clip(np.nan_to_num(since.astype(np.float64), nan=steps), 0, steps)
    return np.asarray(np.minimum(first, offered), np.int64)


def _season(frozen: Frozen, series: int) -> dict[str, Floats]:
    season = frozen.season.sort("day")
    if season.is_empty() or season["holiday"].null_count() == season.height:
        return {}
    holiday = np.full(frozen.days + frozen.horizon, np.nan, np.float32)
    inside = season.filter((pl.col("day") >= 0) & (pl.col("day") < len(holiday)))
    holiday[inside["day"].to_numpy()] = inside["holiday"].fill_null(0.0).to_numpy()
    # The forecaster finds that it is the same for every series; the rows share their memory.
    return {"holiday": np.broadcast_to(holiday, (series, len(holiday)))}


def _deals(frozen: Frozen, place: pl.DataFrame, about: pl.DataFrame, struck: Floats) -> Floats:
    width = frozen.days + frozen.horizon
    deal = np.zeros((len(place), width), np.float32)
    deal[:, : frozen.days] = struck
    deal[:, frozen.days :] = struck[:, -1:]
    planned = about.select("row", "product_id").join(frozen.promotions, on="product_id", how="inner")
    planned = planned.filter((pl.col("day") >= 0) & (pl.col("day") < width))
    at = planned["row"].to_numpy(), planned["day"].to_numpy()
    np.maximum.at(deal, at, planned["discount"].to_numpy())
    return deal


def _levels(about: pl.DataFrame) -> tuple[dict[str, Codes], dict[str, tuple[str, ...]]]:
    """Type, vendor and collection where they tell series apart; variants of nothing known share a group without a name."""
    levels: dict[str, Codes] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for name in ("product_type", "vendor", "collection"):
        text = about[name].fill_null("").to_list()
        distinct = sorted(set(text))
        if 2 <= len(distinct) <= min(MOST_GROUPS, max(2, len(text) // 2)):
            code = {label: k for k, label in enumerate(distinct)}
            levels[name] = np.array([code[each] for each in text], np.int32)
            labels[name] = tuple(distinct)
    return levels, labels
