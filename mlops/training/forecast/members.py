"""The members of the ensemble: fitted to one past, asked at any later origin. Pure.

- direct: one model for all steps ahead; its target is the step itself.
- recursive: one model for the next step, fed with its own answers. It reads only features that a mean path does not distort.
- Where series have covariates of their own, the recursive model once more on sales freed from what a log-linear law says of
  the covariates (`response`), multiplied back: a law holds beyond the prices seen, trees know the exceptions.
- rules: the smoothing family and means (`baselines`), freed of the law as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from mlops.predictors.demand import baselines
from mlops.predictors.demand.covariates import Covariates
from mlops.predictors.demand.describe import Describer
from mlops.predictors.demand.panel import Array, Doubles, Floats, Panel
from mlops.predictors.demand.pools import pools
from mlops.training.forecast.correct import recent_steps
from mlops.training.forecast.response import responses
from mlops.training.forecast.rows import origins, training_rows
from mlops.training.forecast.trees import TAUS, Trees, fit_mean, fit_quantile

LEARNT_DAYS = {1: 400, 7: 728}  # how far back origins lie, by days in a step
SHORTEST_DAYS = 91  # of past before the first origin
DRAWS = 3
MOST_ROWS = 320_000
ROUNDS = 150
DIRECT_POWER = 1.5  # less swayed by bulk orders
RECURSIVE_POWER = 1.2  # less low in total
QUANTILE_ROUNDS = 100
MOST_QUANTILE_ROWS = 160_000
# A recursion runs on means: nothing that counts days without a sale, or how sales scatter, stays true on its path.
NOT_RECURSIVE = re.compile(r"^(selling_|since_sale|age$|spread|size|ahead)")
RECENT = "recent"  # no member: what the correction of the total starts from
NAIVE = "naive"


@dataclass(frozen=True, slots=True)
class View:
    """A panel up to an origin, as models see it: plain, and freed of its covariates' law where there is one.

    Args:
        laws: None for the plain view, else the law's logarithms, float32 [S, T + H].
    """

    panel: Panel
    describers: dict[str, Describer]

    @classmethod
    def of(cls, panel: Panel) -> View:
        covariates = Covariates(panel.known, panel.grid)
        law = responses(panel, covariates)
        kin = pools(panel)
        views = {"": Describer(panel, kin, covariates)}
        if law is not None:
            views["_law"] = Describer(panel, kin, covariates, law)
        return cls(panel, views)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Models by the name of their view."""

    direct: dict[str, Trees] = field(default_factory=dict)
    recursive: dict[str, Trees] = field(default_factory=dict)
    quantiles: dict[str, tuple[Trees, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What members say at an origin.

    Args:
        means: each float64 [S, H].
        quantiles: float64 [5, S, H], ordered and not negative; None where no such model could be fitted.
        total: float64 [T], the shop's past sales, freed of the covariates' law where there is one.
        law: float64 [S, H], the logarithm of what the covariates to come multiply sales by; None where none is known.
    """

    means: dict[str, Doubles]
    quantiles: Doubles | None
    total: Doubles
    law: Doubles | None


def fit(view: View, *, last: int, quantiles: bool, seed: int) -> Fitted:
    """Models of targets before column `last` of the view's panel."""
    out = Fitted()
    span, shortest = _reach(view.panel, last)
    for name, describer in view.describers.items():
        if name == "":
            _fit_direct(out, describer, last=last, quantiles=quantiles, seed=seed)
        at = origins(last, horizon=1, gap=1, span=span, shortest=shortest)
        share = min(1.0, MOST_ROWS / max(1, len(view.panel) * len(at)))
        rows = training_rows(describer, at, last=last, horizon=1, draws=1, seed=seed, share=share)
        if rows is not None:
            columns = tuple(k for k, name in enumerate(describer.names) if not NOT_RECURSIVE.match(name))
            out.recursive[name] = fit_mean(rows, columns, power=RECURSIVE_POWER, rounds=ROUNDS, seed=seed)
    return out


def _fit_direct(out: Fitted, describer: Describer, *, last: int, quantiles: bool, seed: int) -> None:
    panel, grid = describer.panel, describer.grid
    span, shortest = _reach(panel, last)
    at = origins(last, horizon=grid.horizon, gap=grid.season, span=span, shortest=shortest)
    draws = min(DRAWS, grid.horizon)
    share = min(1.0, MOST_ROWS / max(1, len(panel) * len(at) * draws))
    rows = training_rows(
        describer, at, last=last, horizon=grid.horizon, draws=draws, seed=seed, share=share
    )  # fmt: skip
    if rows is None:
        return
    columns = tuple(range(len(describer.names)))
    out.direct[""] = fit_mean(rows, columns, power=DIRECT_POWER, rounds=ROUNDS, seed=seed)
    if quantiles:
        keep = np.random.default_rng(seed).random(len(rows)) < MOST_QUANTILE_ROWS / len(rows)
        part = rows.where(keep)
        out.quantiles[""] = tuple(
            fit_quantile(part, columns, tau, rounds=QUANTILE_ROUNDS, seed=seed) for tau in TAUS
        )


def _reach(panel: Panel, last: int) -> tuple[int, int]:
    """(columns over which origins lie, the first that may be one)."""
    grid = panel.grid
    return grid.scaled(LEARNT_DAYS[grid.step]), min(grid.scaled(SHORTEST_DAYS), max(1, last // 3))


def ask(fitted: Fitted, view: View) -> Answers:
    """What each member says of the view's horizon. The describers' pasts are written on: ask a view once."""
    panel = view.panel
    series, horizon, origin = len(panel), panel.grid.horizon, panel.grid.steps
    rows = np.repeat(np.arange(series, dtype=np.int32), horizon)
    ahead = np.tile(np.arange(1, horizon + 1, dtype=np.int32), series)
    means: dict[str, Doubles] = {}
    quantiles: list[Doubles] = []
    for name, describer in view.describers.items():
        if name in fitted.direct:
            features = describer.at(origin, rows, ahead)
            scale = describer.scale(origin, rows, ahead)
            means[f"direct{name}"] = _units(fitted.direct[name].predict(features), scale, series)
            if name in fitted.quantiles:
                told = [_units(each.predict(features), scale, series) for each in fitted.quantiles[name]]
                quantiles.append(np.sort(np.stack(told), axis=0))
            del features
        if name in fitted.recursive:
            means[f"recursive{name}"] = _recurse(fitted.recursive[name], describer)
    freed = _freed(view)
    law = np.ones((1, 1)) if freed is None else np.exp(freed[:, origin : origin + horizon])
    y = panel.y if freed is None else panel.y / np.exp(freed[:, :origin])
    means.update(rules(y, panel, law))
    total = np.asarray(np.nansum(y, axis=0, dtype=np.float64))
    ahead_law = None if freed is None else freed[:, origin : origin + horizon].astype(np.float64)
    return Answers(means, np.mean(quantiles, axis=0) if quantiles else None, total, ahead_law)


def _freed(view: View) -> Floats | None:
    describer = view.describers.get("_law")
    return None if describer is None else describer.response


def rules(y: Array, panel: Panel, law: Array) -> dict[str, Doubles]:
    """The members that are fitted to each series by rule, and the naive one, which knows of nothing.

    Args:
        y: float [S, T], the panel's sales freed of the law.
        law: float [S or 1, H or 1], what the covariates to come multiply sales by.
    """
    grid = panel.grid
    out: dict[str, Doubles] = baselines.smoothed(y, grid)
    out["phase"] = baselines.phase_mean(y, grid.horizon, grid.season)
    out["window"] = baselines.window_mean(y, grid.horizon, grid.scaled(28 if grid.season > 1 else 91))
    out[RECENT] = baselines.window_mean(y, grid.horizon, recent_steps(grid))
    out = {name: each * law for name, each in out.items()}
    out[NAIVE] = baselines.seasonal_naive(panel.y, grid.horizon, grid.season)
    return out


def _recurse(trees: Trees, describer: Describer) -> Doubles:
    grid = describer.grid
    series, origin = len(describer.panel), grid.steps
    rows = np.arange(series, dtype=np.int32)
    one = np.ones(series, np.int32)
    out = np.zeros((series, grid.horizon))
    for step in range(grid.horizon):
        features = describer.at(origin + step, rows, one, told=origin)
        scaled = np.maximum(trees.predict(features), 0.0)
        out[:, step] = scaled * describer.scale(origin + step, rows, one)
        freed = scaled * describer.level(origin + step)
        describer.past.append(origin + step, freed.astype(np.float32))
    return out


def _units(scaled: Doubles, scale: Floats, series: int) -> Doubles:
    units: Doubles = np.maximum(scaled, 0.0) * scale
    return units.reshape(series, -1)
