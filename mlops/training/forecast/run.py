"""From a panel to forecasts: inner origins first, what they teach, then the models of the whole past. Pure.

1. Models fitted to what was known three horizons ago answer at inner origins half a horizon apart.
2. Those answers give the members' weights by class, the correction of the total, and the quantiles' stretch.
3. Means are fitted again to everything; the quantile models are not, so that their calibration stays theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlops.predictors.demand.classes import PATTERNS, patterns
from mlops.predictors.demand.panel import Array, Doubles, Grid, Panel
from mlops.predictors.demand.quantiles import (
    LARGEST_TIMES,
    Calibration,
    bounded,
    calibrated,
    largest,
)
from mlops.training.forecast.blend import Case, Weights, blended, weigh
from mlops.training.forecast.calibrate import Spread, calibrate
from mlops.training.forecast.correct import PRIOR_SHARE, factor, last_year, opinions, season_power, share
from mlops.training.forecast.judge import Accuracy, Judged, judge
from mlops.training.forecast.launch import launched, unknown
from mlops.training.forecast.members import NAIVE, RECENT, Answers, View, ask, fit
from mlops.training.forecast.trials import Trial, trials

Tell = Callable[[str], object]
LAW_EDGES = (0.0, 0.4, 1.0)  # logarithms: below the usual, usual, a deal, a large one
MEAN_EDGES = (0.1, 0.3, 1.0, 3.0, 10.0)  # units
OUTLIER_TIMES = 20.0
FEWEST_SALES = 5


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is served.

    Args:
        mean: float64 [S, H], not negative.
        quantiles: float64 [5, S, H], ordered, not negative, bounded by the series' own sales.
        served: of each class that occurs, what serves it and why, for people.
        accuracy: of each series at the inner origins, and for which of them seasonal naive is served.
        codes: int8 [S], classes, by which intervals adapt.
        past: the inner origins, oldest first, as the ensemble would have answered; none where the history is too short.
    """

    mean: Doubles
    quantiles: Doubles
    served: list[str]
    accuracy: Accuracy
    codes: Array
    past: tuple[Judged, ...]


def forecast(panel: Panel, *, seed: int, tell: Tell) -> Forecast:
    """The forecast of the panel's horizon.

    Days without stock and without sales count as no record: what was not there could not be sold.
    """
    given = panel
    panel = capped(uncensored(panel))
    tell("measuring at inner origins")
    measured = trials(panel, seed=seed)
    tell("fitting to the whole history")
    view = View.of(panel)
    whole = fit(view, last=panel.grid.steps, quantiles=measured.fitted is None, seed=seed)
    if measured.fitted is not None:
        whole = replace(whole, quantiles=measured.fitted.quantiles)
    return serve(given, panel, measured.trials, ask(whole, view))


def serve(given: Panel, panel: Panel, measured: list[Trial], answers: Answers) -> Forecast:
    """What the members said, weighed, corrected and calibrated by what they had said at inner origins.

    Args:
        given: the panel as it came.
        panel: as it was learnt from.
    """
    # What could not be measured at the inner origins is not served.
    told = [trial.answers.means for trial in measured]
    members = tuple(
        name for name in answers.means if name not in (NAIVE, RECENT) and all(name in each for each in told)
    )
    cases = [_case(trial, members) for trial in measured]
    weights = weigh(cases, members)
    codes = patterns(panel.y)
    blends = [blended(case.means, weights, case.codes) for case in cases]
    correct = _correction(panel.grid, answers.total, measured, blends, told=answers.law is not None)
    spreads = [
        _spread(trial, correct(each, trial.answers), case)
        for trial, case, each in zip(measured, cases, blends, strict=True)
    ]
    calibration = calibrate(spreads, MEAN_EDGES if answers.law is None else LAW_EDGES)
    pairs = zip(measured, spreads, strict=True)
    past = [_judged(trial, spread, calibration) for trial, spread in pairs]
    accuracy = judge(past, len(panel))
    mean = correct(blended(answers.means, weights, codes), answers)
    mean = _limited(np.where(accuracy.naive[:, None], answers.means[NAIVE], mean), panel)
    raw, own = _quantiles(panel, answers)
    quantiles = calibrated(
        calibration, raw, past=answers.past, own=own, mean=mean, told=_told(mean, answers), codes=codes
    )
    quantiles = bounded(quantiles, panel.y, panel.grid)
    mean, quantiles = launched(panel, mean, quantiles)
    cut = int((np.nan_to_num(panel.y) < np.nan_to_num(given.y)).sum())
    fresh = unknown(panel)
    served = _served(weights, codes[~fresh])
    if accuracy.naive.any():
        served.append(
            f"{int(accuracy.naive.sum())} series of these by seasonal naive, which was better at inner origins"
        )
    if fresh.any():
        served.append(f"{int(fresh.sum())} series without a past, by their relatives' first steps")
    if cut:
        served.insert(0, f"{cut} records far beyond anything else of their series were cut before learning")
    return Forecast(mean, quantiles, served, accuracy, codes, tuple(past))


def uncensored(panel: Panel) -> Panel:
    """The panel without records of what could not be sold."""
    if panel.in_stock is None:
        return panel
    y = np.where(panel.in_stock, panel.y, np.float32("nan"))
    # A series that never was in stock keeps its records: there is nothing else to learn from.
    never = ~np.isfinite(y).any(axis=1)
    y[never] = panel.y[never]
    return replace(panel, y=y)


def capped(panel: Panel) -> Panel:
    """The panel with records beyond `OUTLIER_TIMES` the series' 98th percentile of sales cut to that; a typing error or
    one bulk order would else be every average. Series with few sales are left as they are."""
    y = panel.y
    sold = np.where(np.nan_to_num(y) > 0, y, np.nan)
    times = np.isfinite(sold).sum(axis=1)
    enough = times >= FEWEST_SALES
    if not enough.any():
        return panel
    top = np.full(len(y), np.inf)
    # Of n sales the largest is above the 98th percentile only if n > 50: the second largest is taken where it is not.
    ordered = np.sort(np.where(np.isfinite(sold), sold, -np.inf), axis=1)
    place = np.maximum(y.shape[1] - 1 - np.maximum(1, np.ceil(0.02 * times).astype(np.int64)), 0)
    usual = ordered[np.arange(len(y)), place]
    top[enough] = OUTLIER_TIMES * usual[enough]
    return replace(panel, y=np.minimum(y, top[:, None]).astype(np.float32))


def _limited(mean: Doubles, panel: Panel) -> Doubles:
    """Not negative, and no mean above what the quantiles may reach."""
    top = LARGEST_TIMES * largest(panel.y, panel.grid)
    return np.minimum(np.maximum(mean, 0.0), top[:, None])


def _correction(
    grid: Grid, total: Doubles, measured: list[Trial], blends: list[Doubles], *, told: bool
) -> Callable[[Doubles, Answers], Doubles]:
    """A function that moves means towards the total's own forecast, by as much as inner origins advise.

    Args:
        told: prices or deals of the days to come are known.
    """
    if grid.horizon < grid.season:
        return lambda mean, _: mean  # a part of a week says nothing of the weeks around it
    power = season_power(total, grid)

    def own(answers: Answers, known: Array) -> float:
        recent = float((answers.means[RECENT] * known).sum())
        rule = recent * float(np.exp(power * last_year(answers.total, grid)))
        models = [each for name, each in answers.means.items() if name.startswith("recursive")]
        # The last of them knows most of what is told of the days to come.
        return opinions(rule, float((models[-1] * known).sum())) if models else rule

    known = [np.isfinite(trial.truth) for trial in measured]
    summed = np.array([(each * k).sum() for each, k in zip(blends, known, strict=True)])
    theirs = np.array([own(trial.answers, k) for trial, k in zip(measured, known, strict=True)])
    sold = np.array([np.nansum(trial.truth) for trial in measured])
    moved = share(summed, theirs, sold, start=0.0 if told else PRIOR_SHARE)

    def correct(mean: Doubles, answers: Answers) -> Doubles:
        moved_to: Doubles = mean * factor(float(mean.sum()), own(answers, np.ones(1)), moved)
        return moved_to

    return correct


def _case(trial: Trial, members: tuple[str, ...]) -> Case:
    means = {name: each for name, each in trial.answers.means.items() if name in members}
    return Case(means, trial.truth, patterns(trial.panel.y), steps_squared(trial.panel.y))


def _spread(trial: Trial, mean: Doubles, case: Case) -> Spread:
    raw, own = _quantiles(trial.panel, trial.answers)
    scale = steps_absolute(trial.panel.y)
    return Spread(
        raw, trial.answers.past, own, mean, _told(mean, trial.answers), trial.truth, case.codes, scale
    )


def _judged(trial: Trial, spread: Spread, calibration: Calibration) -> Judged:
    quantiles = calibrated(
        calibration,
        spread.quantiles,
        past=spread.past,
        own=spread.own,
        mean=spread.mean,
        told=spread.told,
        codes=spread.codes,
    )
    panel = trial.panel
    return Judged(
        spread.mean,
        bounded(quantiles, panel.y, panel.grid),
        trial.answers.means[NAIVE],
        trial.truth,
        spread.scale,
    )


def _told(mean: Doubles, answers: Answers) -> Doubles:
    """What tells errors apart: the covariates' law where there is one, else how much is expected."""
    return mean if answers.law is None else answers.law


def _quantiles(panel: Panel, answers: Answers) -> tuple[Doubles, Doubles]:
    """(quantiles, the mean that belongs to them)."""
    if answers.quantiles is not None:
        own = np.mean([each for name, each in answers.means.items() if name.startswith("direct")], axis=0)
        return answers.quantiles, own
    return answers.past, answers.means["phase" if panel.grid.season > 1 else "window"]


def steps_squared(y: Array) -> Doubles:
    """[S]: mean squared difference of neighbouring records from the first sale on; 0 where there is none."""
    return _steps(y, 2)


def steps_absolute(y: Array) -> Doubles:
    """[S]: mean absolute difference of neighbouring records from the first sale on; 0 where there is none."""
    return _steps(y, 1)


def _steps(y: Array, power: int) -> Doubles:
    alive = np.logical_or.accumulate(np.nan_to_num(y) > 0, axis=1)[:, :-1]
    gap = np.diff(y.astype(np.float64), axis=1)
    known = np.isfinite(gap) & alive
    total = (np.abs(np.where(known, gap, 0.0)) ** power).sum(axis=1)
    mean: Doubles = total / np.maximum(known.sum(axis=1), 1)
    return mean


def _served(weights: Weights, codes: Array) -> list[str]:
    out = []
    for code, pattern in enumerate(PATTERNS):
        count = int((codes == code).sum())
        if not count:
            continue
        parts = [
            f"{name} {weight:.2f}"
            for name, weight in zip(weights.members, weights.table[code], strict=True)
            if weight >= 0.005
        ]
        out.append(f"{pattern}: {count} series, ensemble of {', '.join(parts)}")
    return out
