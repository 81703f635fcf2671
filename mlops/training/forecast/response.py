"""How sales answer to a series' own covariates (price, deal, feature): a log-linear law, pooled and shrunk. Pure.

    log(sold / base) = x · (b + b_group + ... + b_series)

x are the series' own covariates against their usual value, a price by its logarithm. Each finer group learns only what is left,
by ridge regression. A deal reaches all series of a group in the same step, so a step is one observation however many series
it has: the penalty counts as `PENALTY_STEPS` steps of no effect, and never as fewer than `PENALTY_ROWS` rows. The law is what
trees are bad at: a smooth slope that holds between and beyond the prices that a series has seen.
"""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.covariates import Covariates, Kind
from mlops.predictors.demand.panel import Array, Doubles, Floats, Panel

PENALTY_STEPS = 40.0
PENALTY_ROWS = 300.0
LIMIT = 2.5  # of logarithms
MEMORY = 728  # days


def responses(panel: Panel, covariates: Covariates, *, rounds: int = 2) -> Floats | None:
    """float32 [S, T + H]: the logarithm of what the covariates multiply sales by; None where no series has any of its own.

    Only sales before the panel's cut-off are read.
    """
    x = _design(panel, covariates)
    if x is None:
        return None
    steps = panel.grid.steps
    y = panel.y.astype(np.float64)
    start = max(0, steps - panel.grid.scaled(MEMORY))
    law = np.zeros((len(panel), x.shape[1]))
    for _ in range(rounds):
        base = _base(y / np.exp(law[:, :steps]), panel.grid.scaled(182))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.log((y + 0.05 * base) / (1.05 * base))
        z = np.where(np.isfinite(y) & (base > 0), z, np.nan)
        z[:, :start] = np.nan
        law = np.clip(_fit(x, z, panel), -LIMIT, LIMIT)
    return law.astype(np.float32)


def _design(panel: Panel, covariates: Covariates) -> Doubles | None:
    """float64 [S, T + H, K]"""
    columns: list[Array] = []
    for each in covariates.columns:
        if each.kind is not Kind.OWN:
            continue
        values = each.values.astype(np.float64)
        known = np.isfinite(values)
        if values[known].min() > 0:
            values = np.log(values)
        columns.append(_against_usual(values, panel.grid.steps))
        if not each.numbered:
            before = np.concatenate([np.zeros((len(values), 1)), columns[-1][:, :-1]], axis=1)
            columns.append(before)
    if not columns:
        return None
    x = np.stack(columns, axis=2)
    spread = np.sqrt((x[:, : panel.grid.steps] ** 2).mean(axis=(0, 1)))
    scaled: Doubles = x[:, :, spread > 1e-9] / spread[spread > 1e-9]
    return scaled if scaled.shape[2] else None


def _against_usual(values: Doubles, steps: int) -> Doubles:
    told = np.isfinite(values[:, :steps])
    mean = np.where(told, values[:, :steps], 0.0).sum(axis=1) / np.maximum(told.sum(axis=1), 1)
    against: Doubles = np.nan_to_num(values - mean[:, None])
    return against


def _base(y: Doubles, length: int) -> Doubles:
    """Mean of the `length` columns around each, [S, T]."""
    known = np.isfinite(y)
    total = np.cumsum(np.where(known, y, 0.0), axis=1)
    count = np.cumsum(known, axis=1)
    end = np.minimum(np.arange(y.shape[1]) + length // 2, y.shape[1] - 1)
    start = np.arange(y.shape[1]) - length // 2
    low = np.maximum(start, 0)
    before = np.where(start > 0, total[:, low - 1], 0.0), np.where(start > 0, count[:, low - 1], 0)
    mean: Doubles = (total[:, end] - before[0]) / np.maximum(count[:, end] - before[1], 1)
    return mean


def _fit(x: Doubles, z: Doubles, panel: Panel) -> Doubles:
    series, _, width = x.shape
    steps = z.shape[1]
    known = np.isfinite(z)
    gram = np.einsum("stk,stl,st->skl", x[:, :steps], x[:, :steps], known, optimize=True)
    left = np.where(known, z, 0.0)
    left = (left - left.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)) * known
    out = np.zeros(x.shape[:2])
    groups = [np.zeros(series, np.int32), *panel.levels.values(), np.arange(series, dtype=np.int32)]
    for codes in groups:
        count = int(codes.max()) + 1
        grams = np.zeros((count, width, width))
        np.add.at(grams, codes, gram)
        moments = np.zeros((count, width))
        np.add.at(moments, codes, np.einsum("stk,st->sk", x[:, :steps], left, optimize=True))
        penalty = np.maximum(PENALTY_STEPS * np.bincount(codes, minlength=count), PENALTY_ROWS)
        beta = np.linalg.solve(grams + penalty[:, None, None] * np.eye(width), moments[:, :, None])[:, :, 0]
        told = np.einsum("stk,sk->st", x, beta[codes], optimize=True)
        out += told
        left = left - told[:, :steps] * known
    return out
