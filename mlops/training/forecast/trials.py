"""Inner rolling origins: what the ensemble would have said, by models that had not seen the answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.panel import Doubles, Panel
from mlops.training.forecast.members import Answers, Fitted, View, ask, fit

MOST_HORIZONS = 3
FEWEST_SEASONS = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """One inner origin.

    Args:
        panel: as it was known then.
        truth: float64 [S, H]; NaN where there is no record.
        answers: of every member.
    """

    panel: Panel
    truth: Doubles
    answers: Answers


@dataclass(frozen=True, slots=True)
class Trials:
    """What inner origins gave, and the models that gave it; no trials and no models where the past is too short."""

    trials: list[Trial]
    fitted: Fitted | None


def inner_origins(panel: Panel) -> list[int]:
    """Origins half a horizon apart, the first of them at most three horizons before the end, none without a past of
    its own twice as long as the horizon; none at all when the history is too short."""
    steps, horizon = panel.grid.steps, panel.grid.horizon
    shortest = max(2 * horizon, FEWEST_SEASONS * panel.grid.season)
    for times in range(MOST_HORIZONS, 0, -1):
        first = steps - times * horizon
        if first >= shortest:
            return list(range(first, steps - horizon + 1, max(1, horizon // 2)))
    return []


def trials(panel: Panel, *, seed: int) -> Trials:
    """Models fitted once, to what was known at the first inner origin, and asked at each."""
    at = inner_origins(panel)
    if not at:
        return Trials([], None)
    horizon = panel.grid.horizon
    fitted = fit(View.of(panel.until(at[0], horizon)), last=at[0], quantiles=True, seed=seed)
    out = []
    for origin in at:
        then = panel.until(origin, horizon)
        answers = ask(fitted, View.of(then))
        truth = panel.y[:, origin : origin + horizon].astype(np.float64)
        out.append(Trial(then, truth, answers))
    return Trials(out, fitted)
