"""Fitting gradient-boosted trees to rows. Pure; the same rows and seed give the same trees.

Targets are divided by the series' level at the origin and weighted by level^0.8: Tweedie's deviance with p = 1.2 is then that of
the units themselves (it is homogeneous of degree 2 - p). Quantiles are fitted to the scaled target without weights, for they
are judged series by series. Leaves are large and trees see few features: single sales are mostly noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from mlops.predictors.demand.panel import Doubles, Floats
from mlops.training.forecast.rows import Rows

WEIGHT_POWER = 0.8
FEWEST_SALES = 20  # expected in a leaf
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.06,
    "num_leaves": 31,
    "min_data_in_leaf": 300,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Trees:
    """A fitted model.

    Args:
        columns: of the features it was fitted to, those it reads.
    """

    booster: lgb.Booster
    columns: tuple[int, ...]

    def predict(self, features: Floats) -> Doubles:
        """float64 [n], in units of the rows' scale."""
        told: Doubles = np.asarray(
            self.booster.predict(features[:, list(self.columns)], num_threads=1), dtype=np.float64
        )
        return told


def fit_mean(rows: Rows, columns: tuple[int, ...], *, power: float, rounds: int, seed: int) -> Trees:
    """Trees whose answer is the mean demand, with Tweedie's variance of mean^`power`."""
    return _fit(
        rows, columns, rounds, seed, weight=rows.level.astype(np.float64) ** WEIGHT_POWER,
        objective="tweedie", tweedie_variance_power=power,
    )  # fmt: skip


def fit_quantile(rows: Rows, columns: tuple[int, ...], tau: float, *, rounds: int, seed: int) -> Trees:
    """Trees whose answer is the `tau` quantile of demand."""
    return _fit(rows, columns, rounds, seed, weight=None, objective="quantile", alpha=tau)


def _fit(
    rows: Rows, columns: tuple[int, ...], rounds: int, seed: int, *, weight: Doubles | None, **objective: Any
) -> Trees:
    settings = {**SETTINGS, **objective, "seed": seed}
    # A leaf without a sale says "nothing ever": where sales are rare, leaves are larger, until some are expected in each.
    rare = FEWEST_SALES / max(float((rows.y > 0).mean()), 1e-6)
    fewest = int(np.clip(len(rows) // 600, 10, SETTINGS["min_data_in_leaf"]))
    settings["min_data_in_leaf"] = int(min(max(fewest, rare), max(fewest, len(rows) // 4)))
    data = lgb.Dataset(
        rows.features[:, list(columns)], rows.y / rows.level, weight=weight, free_raw_data=True
    )
    return Trees(lgb.train(settings, data, rounds), columns)
