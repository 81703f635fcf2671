"""The forecaster at rolling origins: what it would have said, beside rules that cost nothing. Pure and seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mlops.backtest.measures.demand import Scales, per_series, pit_gap, wrmsse
from mlops.backtest.measures.intervals import Doubles
from mlops.predictors.demand import baselines
from mlops.predictors.demand.classes import patterns
from mlops.predictors.demand.panel import Array, Codes, Flags, Panel
from mlops.predictors.demand.quantiles import empirical
from mlops.training.forecast.run import forecast

YEAR, RECENT_DAYS = 365, 56
MOST_DAYS_SOLD, FEWEST_DAYS_SOLD, FEWEST_SERIES = 10, 2, 20
BLOCK = 7
OURS = "Shelfwise"
Tell = Callable[[str], object]


class Rule(StrEnum):
    """What we are measured beside; each with quantiles of the last 56 days."""

    NAIVE = "seasonal naive"
    WINDOW = "mean of 28 days"
    WEEKDAY = "mean of 8 same weekdays"
    TSB = "TSB"


@dataclass(frozen=True, slots=True)
class Origin:
    """One origin.

    Args:
        step: column of the first day that was not known.
        rows: int [n], the scored series by their place in the panel.
        y: float64 [n, H].
        mean: [n, H], quantiles: [5, n, H] by system.
        series: measures of each series by system.
        hierarchy: RMSSE of the levels by system.
        gaps: PIT gap by system.
        codes: int8 [n], pattern of each series.
        weight: float64 [n], recent revenue.
        served: what served which class, for people.
    """

    step: int
    rows: Codes
    y: Doubles
    mean: Mapping[str, Doubles]
    quantiles: Mapping[str, Doubles]
    series: Mapping[str, Mapping[str, Doubles]]
    hierarchy: Mapping[str, Mapping[str, float]]
    gaps: Mapping[str, float]
    codes: Array
    weight: Doubles
    served: tuple[str, ...]


def origins_of(panel: Panel, count: int, horizon: int) -> list[int]:
    """At most so many columns, a horizon apart, oldest first; each has twice the horizon before it, and four weeks."""
    steps = panel.grid.steps
    found = [steps - (place + 1) * horizon for place in range(count)]
    return sorted(step for step in found if step >= max(2 * horizon, 4 * panel.grid.season))


def scored(y: Array) -> tuple[Flags, int]:
    """bool [S], which series are measured, and on how many days of the last year each of them must have sold.

    A series that sold twice in a year is not told from noise; a shop of slow sellers is measured on what it has.
    """
    days = (np.nan_to_num(y[:, -YEAR:]) > 0).sum(axis=1)
    least = MOST_DAYS_SOLD
    while least > FEWEST_DAYS_SOLD and int((days >= least).sum()) < FEWEST_SERIES:
        least -= 1
    chosen: Flags = days >= least
    return chosen, least


def roll(panel: Panel, *, origins: Sequence[int], seed: int, tell: Tell) -> list[Origin]:
    """Measure each origin; the panel's horizon is that of every origin."""
    found = []
    for place, step in enumerate(origins):
        tell(f"forecasts, origin {place + 1} of {len(origins)}")
        found.append(_origin(panel, step, seed, lambda line: tell(f"  {line}")))
    return [each for each in found if len(each.rows)]


def _origin(panel: Panel, step: int, seed: int, tell: Tell) -> Origin:
    horizon = panel.grid.horizon
    then = panel.until(step, horizon)
    chosen, _ = scored(then.y)
    rows = np.flatnonzero(chosen)
    told = forecast(then, seed=seed, tell=tell)
    past = then.y[rows]
    price = None if then.price is None else then.price[rows]
    scales = Scales.of(past, season=then.grid.season, horizon=horizon, price=price)
    y = panel.y[rows, step : step + horizon].astype(np.float64)
    mean: dict[str, Doubles] = {OURS: told.mean[rows]}
    quantiles: dict[str, Doubles] = {OURS: told.quantiles[:, rows]}
    for rule, each in rules(past, then).items():
        mean[rule.value] = each
        quantiles[rule.value] = empirical(past, horizon, then.grid.season, RECENT_DAYS)
    levels = {name: code[rows] for name, code in panel.levels.items()}
    return Origin(
        step=step,
        rows=rows.astype(np.int32),
        y=y,
        mean=mean,
        quantiles=quantiles,
        series={
            name: per_series(y, each, quantiles[name], scales, block=BLOCK) for name, each in mean.items()
        },
        hierarchy={name: wrmsse(past, y, each, scales.weight, levels) for name, each in mean.items()},
        gaps={name: pit_gap(y, each) for name, each in quantiles.items()},
        codes=patterns(past),
        weight=scales.weight,
        served=tuple(told.served),
    )


def rules(past: Array, panel: Panel) -> dict[Rule, Doubles]:
    """Each rule's mean, float64 [n, H].

    Args:
        past: [n, T], rows of the panel.
    """
    grid = panel.grid
    return {
        Rule.NAIVE: baselines.seasonal_naive(past, grid.horizon, grid.season),
        Rule.WINDOW: baselines.window_mean(past, grid.horizon, grid.scaled(28)),
        Rule.WEEKDAY: baselines.phase_mean(past, grid.horizon, grid.season),
        Rule.TSB: baselines.smoothed(past, grid)["tsb"],
    }
