"""What a model sees of a series at one moment, for a step ahead. Pure.

Everything in units of sales is divided by the series' recent level, so that a model learns shapes that all series share.
Only columns before the origin are read, and known covariates up to the target's neighbour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlops.predictors.demand.covariates import Covariates
from mlops.predictors.demand.panel import Array, Doubles, Floats, Panel
from mlops.predictors.demand.past import HALF_LIVES, Past
from mlops.predictors.demand.pools import Pool

WINDOWS = (7, 14, 28, 56, 91, 182, 364)  # days
LEVEL_HALF_LIFE = 28  # days
PRIOR_STEPS = 3.0  # records that the long mean counts for in the level
RATIO_LIMIT = 3.0  # of logarithms
SAME_PHASE = (4, 8, 26)  # counts of equal phases (weekdays)


class Describer:
    """Features of a panel's series at any origin."""

    def __init__(
        self,
        panel: Panel,
        pools: list[Pool],
        covariates: Covariates,
        response: Floats | None = None,
    ) -> None:
        grid = panel.grid
        self.panel = panel
        self.grid = grid
        self.covariates = covariates
        self.response = response
        y = panel.y if response is None else (panel.y / np.exp(response[:, : grid.steps])).astype(np.float32)
        self.past = Past(y, room=grid.horizon, season=grid.season, step=grid.step)
        self._pools = [
            (pool, Past(pool.sums.astype(np.float32), room=grid.horizon, season=grid.season, step=grid.step))
            for pool in pools
        ]
        self._windows = sorted({grid.scaled(days) for days in WINDOWS})
        self._phases = SAME_PHASE if grid.season > 1 else ()
        self._weekdays = np.array([grid.day(k).weekday() for k in range(grid.steps + grid.horizon + 1)])
        self._names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of `at`."""
        return self._names

    def level(self, origin: int) -> Floats:
        """float32 [S]: the scale of each series as known before `origin`; above 0."""
        past = self.past
        k = HALF_LIVES.index(LEVEL_HALF_LIFE)
        total, records = past.window(origin, self.grid.year)
        whole, all_records = past.window(origin, origin)
        long = np.where(records > 0, total / np.maximum(records, 1), whole / np.maximum(all_records, 1))
        prior = PRIOR_STEPS * (1 if self.grid.season > 1 else 0.5)
        level = (past.smooth[k, :, origin] + prior * long) / (past.smooth_records[k, :, origin] + prior)
        floor = 0.02 * whole / np.maximum(all_records, 1)
        return np.maximum(np.maximum(level, floor), 1e-3).astype(np.float32)

    def scale(self, origin: int, rows: Array, ahead: Array) -> Floats:
        """float32 [n]: the units by which a target of these series and steps is divided."""
        level = self.level(origin)[rows]
        if self.response is None:
            return level
        scaled: Floats = level * np.exp(self.response[rows, origin + ahead - 1])
        return scaled

    def at(self, origin: int, rows: Array, ahead: Array, *, told: int | None = None) -> Floats:
        """float32 [n, F] for the steps `ahead` (1 = column `origin`) of the series `rows`.

        Args:
            told: the column from which on relatives' sales are not known; `origin` unless a recursion runs ahead.
        """
        level = self.level(origin)
        names: list[str] = []
        columns: list[npt.NDArray[np.float32]] = []

        def add(name: str, values: Array) -> None:
            names.append(name)
            columns.append(np.asarray(values, np.float32))

        for name, values in self._of_series(origin, level).items():
            add(name, values[rows])
        target = origin + ahead - 1
        add("ahead", ahead)
        # No day of the year: with one or two of each in the history, it names an occasion and learns its noise.
        if self.grid.season > 1:
            add("weekday", self._weekdays[target])
        for name, values in self._of_target(origin, rows, target, level[rows]).items():
            add(name, values)
        for name, values in self._of_pools(origin, told or origin, rows, target).items():
            add(name, values)
        for name, values in self.covariates.at(origin, rows, target).items():
            add(name, values)
        if self.response is not None:
            add("law", self.response[rows, target])
            add("law:before", self.response[rows, np.maximum(target - 1, 0)])
        for name, codes in self.panel.levels.items():
            if len(self.panel.labels.get(name, ())) < 255:
                add(f"level:{name}", codes[rows])
        self._names = tuple(names)
        return np.stack(columns, axis=1)

    def _of_series(self, origin: int, level: Floats) -> dict[str, Array]:
        past, grid = self.past, self.grid
        out: dict[str, Array] = {}
        for length in self._windows:
            total, records = past.window(origin, length)
            out[f"mean_{length}"] = _mean(total, records) / level
        for k, half in enumerate(HALF_LIVES):
            out[f"smooth_{half}"] = (
                _mean(past.smooth[k, :, origin], past.smooth_records[k, :, origin]) / level
            )
        for days in (28, 91, 364):
            length = grid.scaled(days)
            start = max(0, origin - length)
            _, records = past.window(origin, length)
            sold = past.sellings[:, origin] - past.sellings[:, start]
            out[f"selling_{length}"] = _mean(sold, records)
        length = grid.scaled(182)
        start = max(0, origin - length)
        total, records = past.window(origin, length)
        squares = past.squares[:, origin] - past.squares[:, start]
        mean = _mean(total, records)
        spread = np.sqrt(np.maximum(_mean(squares, records) - mean**2, 0))
        out["spread"] = spread / level
        out["size"] = _mean(total, past.sellings[:, origin] - past.sellings[:, start]) / level
        out["level"] = np.log(level)
        last = past.last_sale[:, origin]
        out["since_sale"] = np.where(last >= 0, np.minimum(origin - last, grid.year), np.nan)
        out["age"] = np.where(
            (past.first_sale >= 0) & (past.first_sale < origin),
            np.minimum(origin - past.first_sale, grid.year + 1),
            np.nan,
        )
        for back in range(1, 4):
            if origin >= back:
                out[f"lag_{back}"] = past.values[:, origin - back] / level
            else:
                out[f"lag_{back}"] = np.full(len(level), np.nan, np.float32)
        return out

    def _of_target(self, origin: int, rows: Array, target: Array, level: Array) -> dict[str, Array]:
        past, grid = self.past, self.grid
        out: dict[str, Array] = {}
        if grid.season > 1:
            back = (target - origin) // grid.season * grid.season + grid.season
            newest = target - back
            for count in (1, 2, *SAME_PHASE):
                total, records = past.same_phase(newest, count, rows)
                out[f"phase_{count}"] = _mean(total, records) / level
        around = grid.scaled(7)
        total, records = past.between(target - grid.year - around, target - grid.year + around + 1, rows)
        base, base_records = past.between(
            np.full(len(rows), origin - grid.year - grid.scaled(56)),
            np.full(len(rows), origin - grid.year),
            rows,
        )
        then, before = _mean(total, records), _mean(base, base_records)
        own = 0.3 * level
        out["year_ago"] = then / level
        out["year_shape"] = _log_ratio(then + own, before + own)
        return out

    def _of_pools(self, origin: int, told: int, rows: Array, target: Array) -> dict[str, Array]:
        grid = self.grid
        out: dict[str, Array] = {}
        steps = np.arange(int(target.min()), int(target.max()) + 1)
        week, month, quarter = grid.scaled(7), grid.scaled(28), grid.scaled(91)
        near = grid.scaled(3) if grid.step == 1 else 1
        for pool, past in self._pools:
            groups = np.arange(len(pool.sums))
            each = np.repeat(groups, len(steps))
            wanted = np.tile(steps, len(groups))
            means = {n: _mean(*past.window(told, n)) for n in (week, month, quarter)}
            series = {
                "week": _log_ratio(means[week], means[month]),
                "quarter": _log_ratio(means[month], means[quarter]),
            }
            ago = np.full(len(groups), told - grid.year)
            year = _mean(*past.between(ago - month, ago, groups))
            series["growth"] = _log_ratio(means[month], year)
            for name, values in series.items():
                out[f"{pool.name}:{name}"] = (pool.member @ np.nan_to_num(values))[rows]
            # float16 is not enough here: the shapes are multiplied back into the level.
            then = _mean(*past.between(wanted - grid.year - near, wanted - grid.year + near + 1, each))
            shape = _log_ratio(then, np.repeat(year, len(steps)))
            shape = np.where(np.repeat(ago - month < 0, len(steps)), np.nan, shape)
            out[f"{pool.name}:shape"] = _spread(pool, shape, steps)[rows, target - steps[0]]
            if grid.season > 1:
                back = np.maximum((wanted - told) // grid.season + 1, 0) * grid.season
                total, records = past.same_phase(wanted - back, 8, each)
                profile = _log_ratio(
                    _mean(total, records), np.repeat(_mean(*past.window(told, 56)), len(steps))
                )
                out[f"{pool.name}:profile"] = _spread(pool, profile, steps)[rows, target - steps[0]]
        return out


def _spread(pool: Pool, values: Doubles, steps: Array) -> Doubles:
    """[S, len(steps)] from values by group and step; NaN where the whole pool has none."""
    table = values.reshape(-1, len(steps))
    spread: Doubles = np.asarray(pool.member @ np.nan_to_num(table))
    if np.isnan(table).all():
        spread[:] = np.nan
    return spread


def _mean(total: Array, records: Array) -> Doubles:
    mean: Doubles = np.divide(total, records, out=np.full(np.shape(total), np.nan), where=records > 0)
    return mean


def _log_ratio(a: Array, b: Array) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(a) - np.log(b)
    clipped: Doubles = np.clip(np.where(np.isnan(ratio), np.nan, ratio), -RATIO_LIMIT, RATIO_LIMIT)
    return clipped
