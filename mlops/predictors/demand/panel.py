"""Sales of many series on one grid of days or weeks, and what else is known of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of a panel: column 0 is `first`, each column is `step` days later.

    Args:
        steps: observed columns; the last of them is the cut-off.
        horizon: columns after the cut-off.
        season: columns of the short cycle: 7 days of a week; 1 where a step is a week.
        year: columns of a year that ends on the same weekday: 364 days or 52 weeks.
    """

    first: date
    step: int
    steps: int
    horizon: int

    @property
    def season(self) -> int:
        return 7 if self.step == 1 else 1

    @property
    def year(self) -> int:
        return 364 // self.step

    def day(self, column: int) -> date:
        return self.first + timedelta(days=self.step * column)

    def scaled(self, days: int) -> int:
        """So many days in columns, at least one."""
        return max(1, round(days / self.step))


@dataclass(frozen=True, slots=True)
class Panel:
    """S series over T observed columns and H to come.

    Args:
        ids: the series, in the order of the rows of every array.
        y: float32 [S, T], units sold; NaN where there is no record.
        known: covariates whose future is told, float32 [S, T + H]; NaN where it is not.
        levels: attributes that group series (hierarchy levels), int32 [S], codes from 0 by the order of their labels.
        labels: of each level, its groups' names by code.
        words: words of the series' titles, for kinship; one tuple for each series.
        in_stock: bool [S, T], whether the series could be sold; None when nothing tells.
        price: float32 [S, T], what a unit brought; only weighs levels against each other.
    """

    ids: tuple[str, ...]
    grid: Grid
    y: Floats
    known: Mapping[str, Floats] = field(default_factory=dict)
    levels: Mapping[str, Codes] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: tuple[tuple[str, ...], ...] = ()
    in_stock: Flags | None = None
    price: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def until(self, steps: int, horizon: int) -> Panel:
        """The same panel as it was known when column `steps - 1` was the last, for the `horizon` after it."""
        if not 0 < steps <= self.grid.steps:
            raise ValueError(f"the panel has {self.grid.steps} columns, none to cut at {steps}")
        end = steps + horizon
        return replace(
            self,
            grid=replace(self.grid, steps=steps, horizon=horizon),
            y=self.y[:, :steps],
            known={name: each[:, :end] for name, each in self.known.items()},
            in_stock=None if self.in_stock is None else self.in_stock[:, :steps],
            price=None if self.price is None else self.price[:, :steps],
        )

    def subset(self, rows: slice) -> Panel:
        """Some of the series; codes and labels of levels stay those of the whole panel."""
        return replace(
            self,
            ids=self.ids[rows],
            y=self.y[rows],
            known={name: each[rows] for name, each in self.known.items()},
            levels={name: each[rows] for name, each in self.levels.items()},
            words=self.words[rows] if self.words else (),
            in_stock=None if self.in_stock is None else self.in_stock[rows],
            price=None if self.price is None else self.price[rows],
        )
