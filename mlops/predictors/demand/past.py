"""Running sums over a panel, from which any window before any column is one subtraction. Pure.

All arrays have one column more than the panel: column t holds what was known before column t. `Past` can be written on,
so a recursive forecast may append what it expects and ask again.
"""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles, Floats

HALF_LIVES = (7, 28, 91)  # days


class Past:
    """Windows of the past of S series.

    Args:
        y: float32 [S, T]; NaN where there is no record.
        room: columns that may be appended.
        season: columns of the short cycle.
        step: days in a column.
    """

    def __init__(self, y: Floats, *, room: int, season: int, step: int) -> None:
        series, steps = y.shape
        width = steps + room + 1
        self.season = season
        self.steps = steps
        self.total: Doubles = np.zeros((series, width))
        self.squares: Doubles = np.zeros((series, width))
        self.records = np.zeros((series, width), np.float32)
        self.sellings = np.zeros((series, width), np.float32)
        self.phase: Doubles = np.zeros((series, width + season - 1))
        self.phase_records = np.zeros((series, width + season - 1), np.float32)
        self.smooth = np.zeros((len(HALF_LIVES), series, width), np.float32)
        self.smooth_records = np.zeros((len(HALF_LIVES), series, width), np.float32)
        self.last_sale = np.full((series, width), -1, np.int32)
        self.first_sale = np.full(series, -1, np.int32)
        self.values = np.full((series, steps + room), np.nan, np.float32)
        self._decay = [np.float32(0.5 ** (step / half)) for half in HALF_LIVES]
        for column in range(steps):
            self.append(column, y[:, column])

    def append(self, column: int, sold: Array) -> None:
        """Write what was sold in `column`; everything before it must have been written."""
        known = np.isfinite(sold)
        value = np.where(known, sold, 0.0)
        now = column + 1
        self.values[:, column] = sold
        self.total[:, now] = self.total[:, column] + value
        self.squares[:, now] = self.squares[:, column] + value * value
        self.records[:, now] = self.records[:, column] + known
        sells = value > 0
        self.sellings[:, now] = self.sellings[:, column] + sells
        self.phase[:, column + self.season] = self.phase[:, column] + value
        self.phase_records[:, column + self.season] = self.phase_records[:, column] + known
        for k, decay in enumerate(self._decay):
            keep = np.where(known, decay, np.float32(1.0))
            self.smooth[k, :, now] = self.smooth[k, :, column] * keep + value
            self.smooth_records[k, :, now] = self.smooth_records[k, :, column] * keep + known
        self.last_sale[:, now] = np.where(sells, column, self.last_sale[:, column])
        self.first_sale = np.where((self.first_sale < 0) & sells, column, self.first_sale).astype(np.int32)

    def window(self, end: int, length: int) -> tuple[Doubles, Floats]:
        """(sum, records) of the `length` columns before `end`, each [S]."""
        start = max(0, end - length)
        return self.total[:, end] - self.total[:, start], self.records[:, end] - self.records[:, start]

    def between(self, starts: Array, ends: Array, rows: Array) -> tuple[Doubles, Floats]:
        """(sum, records) of columns [start, end) of each of `rows`; bounds outside the past are cut."""
        low = np.clip(starts, 0, self.total.shape[1] - 1)
        high = np.maximum(np.clip(ends, 0, self.total.shape[1] - 1), low)
        return (
            self.total[rows, high] - self.total[rows, low],
            self.records[rows, high] - self.records[rows, low],
        )

    def same_phase(self, columns: Array, count: int, rows: Array) -> tuple[Doubles, Floats]:
        """(sum, records) of `count` columns of one phase of the season, the newest being `columns`, for each of `rows`."""
        high = columns + self.season
        low = np.maximum(high - count * self.season, np.mod(high, self.season))
        return (
            self.phase[rows, high] - self.phase[rows, low],
            self.phase_records[rows, high] - self.phase_records[rows, low],
        )
