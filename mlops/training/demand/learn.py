"""From frozen tables to the book that is served. Pure; the same tables and seed give the same bytes.

Discounts are taken out of the past before anything is learnt, and put back when the forecast is read: the models speak of demand
at full price, the lift of discounts is a number of its own, and what a promotion adds can be shown and taken away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from mlops.predictors.demand.book import EPOCH, LIVES, LOST_DAYS, SERVED, DemandBook, Life, Served
from mlops.predictors.demand.classes import PATTERNS, dead_series, new_series
from mlops.predictors.demand.panel import Array, Doubles, Panel
from mlops.predictors.demand.reorder import LEVELS, sums_of, tie_of
from mlops.training.demand import lift, lost
from mlops.training.demand.assemble import Shop, assemble
from mlops.training.demand.frozen import Frozen
from mlops.training.demand.judge import ratios, served, whole
from mlops.training.forecast.judge import Judged
from mlops.training.forecast.launch import unknown
from mlops.training.forecast.run import Forecast, forecast, uncensored

HISTORY_DAYS = 182
HORIZON = 28
MOST_TIED = 200  # series of each pattern, from which it is learnt how days go together
DEFAULT_TIE = 0.1


class Knowledge(StrEnum):
    """How much of a past there is to learn from."""

    NOTHING = "nothing"  # nothing was ever sold
    GUESS = "guess"  # too short to measure anything
    MEASURED = "measured"  # measured on the shop's own past
    SEASON = "season"  # and more than a year of it


@dataclass(frozen=True, slots=True)
class Learnt:
    """Args:
    metrics: of the whole shop, for the registry and the list of versions.
    """

    book: DemandBook
    metrics: dict[str, Any]


def knowledge(frozen: Frozen, *, measured: bool) -> Knowledge:
    """How much the shop's history tells."""
    if frozen.sales.is_empty() or float(frozen.sales["units"].sum()) <= 0:
        return Knowledge.NOTHING
    if not measured:
        return Knowledge.GUESS
    return Knowledge.SEASON if frozen.days >= 364 + 2 * frozen.horizon else Knowledge.MEASURED


def learn(frozen: Frozen, *, seed: int, tell: Callable[[str], object]) -> Learnt:
    """The forecast of every variant that is offered."""
    shop = assemble(frozen)
    steps = shop.panel.grid.steps
    buyable = uncensored(shop.panel)
    codes = shop.panel.levels.get("product_type")
    learnt = lift.learn(buyable.y, shop.deal[:, :steps], codes)
    times = lift.times(learnt.slope, shop.deal)
    panel = replace(shop.panel, y=(shop.panel.y / times[:, :steps]).astype(np.float32))
    freed = uncensored(panel)
    told = forecast(panel, seed=seed, tell=tell)
    measured = whole(told)
    keep = shop.offered
    tell("drawing paths of demand")
    book = _book(frozen, shop, freed, told, learnt.slope, times, seed)
    known = knowledge(frozen, measured=bool(measured))
    about = {
        "level_names": list(panel.levels),
        "labels": [list(panel.labels[name]) for name in panel.levels],
        "shop": measured,
        "told": told.served,
        "knowledge": known.value,
        "lift": {"slope": round(learnt.shop, 4), "days": learnt.days},
        "days": frozen.days,
    }
    words = np.frombuffer(json.dumps(about, sort_keys=True, ensure_ascii=False).encode(), np.uint8)
    metrics = {
        "measured": bool(measured),
        "knowledge": known.value,
        "series": int(keep.sum()),
        "by_naive": int((told.accuracy.naive & keep).sum()),
        "demand": {name: round(value, 6) for name, value in measured.items()},
    }
    return Learnt(replace(book, words=words), metrics)


def _book(
    frozen: Frozen, shop: Shop, freed: Panel, told: Forecast, slope: Doubles, times: Doubles, seed: int
) -> DemandBook:
    grid, keep, codes = freed.grid, shop.offered, told.codes
    steps = grid.steps
    by = np.full(len(freed), SERVED.index(Served.MODEL), np.int8)
    by[told.accuracy.naive] = SERVED.index(Served.NAIVE)
    by[unknown(freed)] = SERVED.index(Served.RELATIVES)
    life = np.full(len(freed), LIVES.index(Life.USUAL), np.int8)
    life[dead_series(freed.y, grid.step)] = LIVES.index(Life.DYING)
    life[new_series(freed.y, grid.step)] = LIVES.index(Life.NEW)
    missed = lost.wanted(freed.y, shop.out, times[:, :steps])
    days = min(HISTORY_DAYS, steps)
    levels = list(freed.levels.values())
    mean, quantiles = told.mean[keep], told.quantiles[:, keep]
    ties = _ties(told.past, codes)
    sums = np.empty((int(keep.sum()), grid.horizon, len(LEVELS)), np.float32)
    for row, code in enumerate(codes[keep].tolist()):
        sums[row] = sums_of(quantiles[:, row], mean[row], tie=ties[code], seed=seed + row)
    first = (frozen.first - EPOCH).days + steps
    return DemandBook(
        first=np.array([first], np.int64),
        variant_ids=shop.variant_ids[keep],
        product_ids=shop.product_ids[keep],
        base=mean.astype(np.float32),
        quantiles=quantiles.astype(np.float32),
        deal=shop.deal[keep, steps:].astype(np.float32),
        struck=shop.struck[keep],
        slope=slope[keep].astype(np.float32),
        sums=sums,
        pattern=codes[keep].astype(np.int8),
        served=by[keep],
        life=life[keep],
        accuracy=served(told)[keep].astype(np.float32),
        history=shop.sold[keep, steps - days :],
        out=shop.out[keep, steps - days :],
        past_deal=shop.deal[keep, steps - days : steps].astype(np.float32),
        lost=np.stack([missed[keep, -each:].sum(axis=1) for each in LOST_DAYS], axis=1).astype(np.float32),
        revenue=np.maximum(shop.revenue[keep], 0.0),
        price=np.maximum(shop.price[keep], 0.0),
        levels=np.stack([each[keep] for each in levels]).astype(np.int32)
        if levels
        else np.zeros((0, int(keep.sum())), np.int32),
        ratios=_ratios(told.past, shop, levels),
        words=np.zeros(0, np.uint8),
    )


def _ratios(past: tuple[Judged, ...], shop: Shop, levels: list[Array]) -> Doubles:
    """Of sums at full price: the shop's, then each level's groups together."""
    every = np.ones((1, len(shop.panel)), np.bool_)
    rows = [ratios(past, every)]
    for codes in levels:
        rows.append(ratios(past, np.arange(int(codes.max()) + 1)[:, None] == codes[None, :]))
    return np.stack(rows)


def _ties(past: tuple[Judged, ...], codes: Array) -> list[float]:
    """Of each pattern: how strongly the days of one forecast go together."""
    out = [DEFAULT_TIE] * len(PATTERNS)
    if not past:
        return out
    for code in range(len(PATTERNS)):
        rows = np.flatnonzero(codes == code)
        # Evenly over all of them, so that nothing is drawn.
        rows = rows[:: max(1, len(rows) // MOST_TIED)]
        if len(rows) < 5:
            continue
        ranks = np.concatenate([_ranks(each.truth[rows], each.quantiles[:, rows]) for each in past])
        out[code] = tie_of(ranks)
    return out


def _ranks(truth: Doubles, quantiles: Doubles) -> Doubles:
    """[n, H]: about where sales lay among their quantiles; the middle of the steps that they lie between or upon."""
    below = (quantiles < truth).sum(axis=0)
    upto = (quantiles <= truth).sum(axis=0)
    edges = np.array([0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
    rank = (edges[below] + edges[np.minimum(upto + 1, len(edges) - 1)]) / 2
    return np.asarray(np.where(np.isfinite(truth), rank, np.nan))
