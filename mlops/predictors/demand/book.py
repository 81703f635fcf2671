"""The forecast of a shop as it is kept and read: arrays by series and day, with what belongs to them. Pure.

`base` is demand at full price. What discounts that are planned multiply it by is computed when it is asked for, so a change of
the plans needs no training. Sums of any level are sums of series, in 64-bit floats: they agree by construction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Codes, Doubles, Floats
from mlops.predictors.demand.quantiles import TAUS
from mlops.predictors.demand.reorder import LEVELS

EPOCH = date(1970, 1, 1)
WEEK = 7
Ids = npt.NDArray[np.int64]
Small = npt.NDArray[np.int8]
ACCURACY = ("mase", "naive_mase", "bias", "coverage_90", "fva", "days")
LOST_DAYS = (28, 91)


class Served(StrEnum):
    """What a series' forecast is."""

    MODEL = "model"
    NAIVE = "naive"  # as in the same days of the last week: the model did not beat it
    RELATIVES = "relatives"  # no past of its own


class Life(StrEnum):
    """Where in its life a series is."""

    USUAL = "usual"
    NEW = "new"
    DYING = "dying"


SERVED, LIVES = tuple(Served), tuple(Life)


@dataclass(frozen=True, slots=True)
class DemandBook:
    """S series over H days.

    Args:
        first: int64 [1], days from 1970 to the first forecast day.
        variant_ids: int64 [S], rising; product_ids: int64 [S].
        base: float32 [S, H], mean demand at full price.
        quantiles: float32 [5, S, H], of `TAUS`, at full price.
        deal: float32 [S, H], the discounts that were planned when it was learnt.
        struck: float32 [S], the discount of a struck-out price at the end of the history: it goes on.
        slope: float32 [S], logarithm of demand for each unit of discount.
        sums: float32 [S, H, K], `reorder.LEVELS` quantiles of the demand of the first 1 .. H days, at full price.
        pattern, served, life: int8 [S], places in `PATTERNS`, `SERVED`, `LIVES`.
        accuracy: float32 [S, 6], columns as `ACCURACY`; NaN where unknown.
        history: float32 [S, D], units sold on the last D days; NaN before it was offered.
        out: float32 [S, D], share of those days without stock.
        past_deal: float32 [S, D], discounts of those days.
        lost: float32 [S, 2], units that were not sold for want of stock in the last `LOST_DAYS`.
        revenue: float64 [S], of the last 364 days; price: float64 [S], when it was learnt.
        levels: int32 [L, S], groups by level; ratios: float64 [L + 1, 5], spread of the sums' errors, the shop's first.
        words: uint8 [n], JSON: names of levels, labels of groups, measures of the shop, what serves.
    """

    kind = "demand"

    first: Ids
    variant_ids: Ids
    product_ids: Ids
    base: Floats
    quantiles: Floats
    deal: Floats
    struck: Floats
    slope: Floats
    sums: Floats
    pattern: Small
    served: Small
    life: Small
    accuracy: Floats
    history: Floats
    out: Floats
    past_deal: Floats
    lost: Floats
    revenue: Doubles
    price: Doubles
    levels: Codes
    ratios: Doubles
    words: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.variant_ids)

    @property
    def horizon(self) -> int:
        return int(self.base.shape[1])

    @property
    def first_day(self) -> date:
        return EPOCH + timedelta(days=int(self.first[0]))

    @property
    def about(self) -> dict[str, Any]:
        """level_names, labels (of each level), shop (measures), told (what serves, for people), knowledge, lift."""
        found: dict[str, Any] = json.loads(self.words.tobytes())
        return found

    def columns(self, since: date, days: int) -> npt.NDArray[np.int64]:
        """The columns of so many days from a day on; behind the horizon its last week goes on.

        Raises:
            ValueError: the day is before the first one.
        """
        begin = (since - self.first_day).days
        if begin < 0:
            raise ValueError(f"the forecast begins on {self.first_day}, not on {since}")
        wanted = np.arange(begin, begin + days)
        week = min(WEEK, self.horizon)
        beyond = self.horizon - week + (wanted - self.horizon) % week
        return np.asarray(np.where(wanted < self.horizon, wanted, beyond), np.int64)

    def lift(self, deal: Array) -> Doubles:
        """What discounts multiply demand by.

        Args:
            deal: float [S, n].
        """
        return np.asarray(np.exp(self.slope[:, None].astype(np.float64) * deal))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Every array by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: an array is missing, has another shape or type than promised, or holds what no forecast can.
        """
        names = {each.name for each in fields(cls)}
        if set(arrays) != names:
            raise ValueError(f"a demand forecast has {', '.join(sorted(names))}")
        found = cls(**{name: arrays[name] for name in names})
        _check(found)
        return found


def _check(book: DemandBook) -> None:
    series, horizon = book.base.shape if book.base.ndim == 2 else (-1, -1)
    days = book.history.shape[1] if book.history.ndim == 2 else -1
    count = book.levels.shape[0] if book.levels.ndim == 2 else -1
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "first": ("int64", (1,)),
        "variant_ids": ("int64", (series,)),
        "product_ids": ("int64", (series,)),
        "base": ("float32", (series, horizon)),
        "quantiles": ("float32", (len(TAUS), series, horizon)),
        "deal": ("float32", (series, horizon)),
        "struck": ("float32", (series,)),
        "slope": ("float32", (series,)),
        "sums": ("float32", (series, horizon, len(LEVELS))),
        "pattern": ("int8", (series,)),
        "served": ("int8", (series,)),
        "life": ("int8", (series,)),
        "accuracy": ("float32", (series, len(ACCURACY))),
        "history": ("float32", (series, days)),
        "out": ("float32", (series, days)),
        "past_deal": ("float32", (series, days)),
        "lost": ("float32", (series, len(LOST_DAYS))),
        "revenue": ("float64", (series,)),
        "price": ("float64", (series,)),
        "levels": ("int32", (count, series)),
        "ratios": ("float64", (count + 1, len(TAUS))),
        "words": ("uint8", (len(book.words),)),
    }
    for name, (dtype, shape) in shapes.items():
        array = getattr(book, name)
        if str(array.dtype) != dtype or array.shape != shape:
            raise ValueError(f"{name} is {dtype} {list(shape)}, not {array.dtype} {list(array.shape)}")
    for name in (
        "base",
        "quantiles",
        "deal",
        "struck",
        "slope",
        "sums",
        "lost",
        "revenue",
        "price",
        "ratios",
    ):
        array = getattr(book, name)
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(f"{name} holds what is negative or no number")
    if (np.diff(book.quantiles, axis=0) < 0).any() or (np.diff(book.sums, axis=2) < 0).any():
        raise ValueError("quantiles are not in order")
    if (np.diff(book.variant_ids) <= 0).any():
        raise ValueError("variants are not in order, or one is there twice")
    for name, kinds in (("pattern", PATTERNS), ("served", SERVED), ("life", LIVES)):
        codes = getattr(book, name)
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(kinds):
            raise ValueError(f"{name} names none of {', '.join(kinds)}")
    about = book.about
    labels = about["labels"]
    if len(about["level_names"]) != count or len(labels) != count:
        raise ValueError("levels are not those that are named")
    for codes, names in zip(book.levels, labels, strict=True):
        if series and not 0 <= codes.min() <= codes.max() < len(names):
            raise ValueError("a series stands in a group that has no name")
