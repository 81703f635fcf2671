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
from mlops.predictors.demand.pools import Pool, pools
from mlops.predictors.demand.quantiles import TAUS, empirical
from mlops.training.forecast.correct import recent_steps
from mlops.training.forecast.response import responses
from mlops.training.forecast.rows import FEWEST_ROWS, Rows, origins, training_rows
from mlops.training.forecast.trees import Trees, fit_mean, fit_quantile

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
EMPIRICAL_DAYS = 91
MOST_CELLS = 4_000_000  # of 68 bytes
PLAIN = ""
LAW = "_law"
RECENT = "recent"  # no member: what the correction of the total starts from
NAIVE = "naive"


@dataclass(frozen=True, slots=True)
class View:
    """A panel up to an origin, as models see it: plain, and freed of its covariates' law where there is one.

    Args:
        law: float32 [S, T + H], logarithms; None where series have no covariates of their own.
        cells: series times steps whose running sums are held at once.
    """

    panel: Panel
    covariates: Covariates
    kin: list[Pool]
    law: Floats | None
    cells: int

    @classmethod
    def of(cls, panel: Panel, *, cells: int = MOST_CELLS) -> View:
        covariates = Covariates.of(panel.known, panel.grid)
        return cls(panel, covariates, pools(panel), responses(panel, covariates), cells)

    @property
    def names(self) -> tuple[str, ...]:
        return (PLAIN,) if self.law is None else (PLAIN, LAW)

    def slices(self) -> list[slice]:
        """Of the series, so that no part's running sums take more memory than `MOST_CELLS` of them."""
        grid = self.panel.grid
        size = max(1, self.cells // (grid.steps + grid.horizon))
        return [slice(start, start + size) for start in range(0, len(self.panel), size)]

    def describer(self, name: str, rows: slice) -> Describer:
        law = None if self.law is None or name == PLAIN else self.law[rows]
        kin = [pool.subset(rows) for pool in self.kin]
        return Describer(self.panel.subset(rows), kin, self.covariates.subset(rows), law)


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
        past: float64 [5, S, H], of the series' own past sales, freed of the law and multiplied back.
        total: float64 [T], the shop's past sales, freed of the covariates' law where there is one.
        law: float64 [S, H], the logarithm of what the covariates to come multiply sales by; None where none is known.
    """

    means: dict[str, Doubles]
    quantiles: Doubles | None
    past: Doubles
    total: Doubles
    law: Doubles | None


def fit(view: View, *, last: int, quantiles: bool, seed: int) -> Fitted:
    """Models of targets before column `last` of the view's panel."""
    out = Fitted()
    grid = view.panel.grid
    rows = _rows(view, PLAIN, last=last, horizon=grid.horizon, gap=grid.season, draws=DRAWS, seed=seed)
    if rows is not None:
        columns = tuple(range(len(rows.names)))
        out.direct[PLAIN] = fit_mean(rows, columns, power=DIRECT_POWER, rounds=ROUNDS, seed=seed)
        if quantiles:
            part = rows.where(np.random.default_rng(seed).random(len(rows)) < MOST_QUANTILE_ROWS / len(rows))
            out.quantiles[PLAIN] = tuple(
                fit_quantile(part, columns, tau, rounds=QUANTILE_ROUNDS, seed=seed) for tau in TAUS
            )
    del rows
    for name in view.names:
        rows = _rows(view, name, last=last, horizon=1, gap=1, draws=1, seed=seed)
        if rows is not None:
            columns = tuple(k for k, each in enumerate(rows.names) if not NOT_RECURSIVE.match(each))
            out.recursive[name] = fit_mean(rows, columns, power=RECURSIVE_POWER, rounds=ROUNDS, seed=seed)
    return out


def _rows(view: View, name: str, *, last: int, horizon: int, gap: int, draws: int, seed: int) -> Rows | None:
    """At most about `MOST_ROWS`; None where there are too few to learn from."""
    grid = view.panel.grid
    shortest = min(grid.scaled(SHORTEST_DAYS), max(1, last // 3))
    at = origins(last, gap=gap, span=grid.scaled(LEARNT_DAYS[grid.step]), shortest=shortest)
    draws = min(draws, horizon)
    share = min(1.0, MOST_ROWS / max(1, len(view.panel) * len(at) * draws))
    parts = [
        training_rows(
            view.describer(name, each),
            at,
            last=last,
            horizon=horizon,
            draws=draws,
            seed=seed + k,
            share=share,
        )
        for k, each in enumerate(view.slices())
    ]
    found = [part for part in parts if part is not None]
    rows = Rows.joined(found) if found else None
    return rows if rows is not None and len(rows) >= FEWEST_ROWS else None


def ask(fitted: Fitted, view: View) -> Answers:
    """What each member says of the view's horizon."""
    parts = [_ask(fitted, view, rows) for rows in view.slices()]
    means = {name: np.concatenate([part.means[name] for part in parts]) for name in parts[0].means}
    quantiles = [part.quantiles for part in parts if part.quantiles is not None]
    laws = [part.law for part in parts if part.law is not None]
    return Answers(
        means,
        np.concatenate(quantiles, axis=1) if quantiles else None,
        np.concatenate([part.past for part in parts], axis=1),
        np.sum([part.total for part in parts], axis=0),
        np.concatenate(laws) if laws else None,
    )


def _ask(fitted: Fitted, view: View, part: slice) -> Answers:
    panel = view.panel.subset(part)
    series, horizon, origin = len(panel), panel.grid.horizon, panel.grid.steps
    means: dict[str, Doubles] = {}
    quantiles: Doubles | None = None
    for name in view.names:
        describer = view.describer(name, part)
        if name in fitted.direct:
            rows = np.repeat(np.arange(series, dtype=np.int32), horizon)
            ahead = np.tile(np.arange(1, horizon + 1, dtype=np.int32), series)
            features = describer.at(origin, rows, ahead)
            scale = describer.scale(origin, rows, ahead)
            means[f"direct{name}"] = _units(fitted.direct[name].predict(features), scale, series)
            if name in fitted.quantiles:
                told = [_units(each.predict(features), scale, series) for each in fitted.quantiles[name]]
                quantiles = np.sort(np.stack(told), axis=0)
            del features
        if name in fitted.recursive:
            means[f"recursive{name}"] = _recurse(fitted.recursive[name], describer)
    law = None if view.law is None else view.law[part].astype(np.float64)
    y = panel.y if law is None else panel.y / np.exp(law[:, :origin])
    ahead_law = None if law is None else law[:, origin : origin + horizon]
    means.update(rules(y, panel, np.ones((1, 1)) if ahead_law is None else np.exp(ahead_law)))
    total = np.asarray(np.nansum(y, axis=0, dtype=np.float64))
    grid = panel.grid
    past = empirical(
        panel.y, horizon, grid.season, grid.scaled(EMPIRICAL_DAYS), None if law is None else np.exp(law)
    )
    return Answers(means, quantiles, past, total, ahead_law)


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
