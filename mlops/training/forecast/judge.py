"""How good the forecast of each series is, against seasonal naive at the same inner origins, and where naive is served. Pure.

A mean is judged by squared errors and a median by absolute ones: each is the best answer only by its own measure. Naive is
served where the ensemble loses by both. By one alone it would be served to series whose few sales it missed by luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles, Flags
from mlops.predictors.demand.quantiles import MEDIAN

WORST = -1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One inner origin.

    Args:
        mean: float64 [S, H], as it would have been served.
        quantiles: float64 [5, S, H], likewise.
        naive: float64 [S, H], seasonal naive.
        truth: float64 [S, H]; NaN where there is no record.
        scale: float64 [S], mean absolute step of each series before; 0 where unknown.
    """

    mean: Doubles
    quantiles: Doubles
    naive: Doubles
    truth: Doubles
    scale: Doubles


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of each series, over all inner origins; NaN where nothing could be measured (a constant series has no step). Each [S].

    Args:
        mase: mean absolute error of the median, by the series' mean absolute step before.
        naive_mase: that of seasonal naive.
        bias: (forecast - sold) / sold, of the mean.
        coverage: share of records within the 90 % interval.
        fva: forecast value added, 1 less the ratio of the two errors; 0 where neither errs, never below -1.
        naive: seasonal naive is served, for the ensemble lost to it by squared and by absolute error.
    """

    mase: Doubles
    naive_mase: Doubles
    bias: Doubles
    coverage: Doubles
    fva: Doubles
    naive: Flags


def judge(origins: list[Judged], series: int) -> Accuracy:
    """Accuracy of `series` series; all unknown without origins."""
    unknown = np.full(series, np.nan)
    if not origins:
        return Accuracy(unknown, unknown, unknown, unknown, unknown, np.zeros(series, np.bool_))
    sums = [_sums(each) for each in origins]
    total = {name: np.sum([each[name] for each in sums], axis=0) for name in sums[0]}
    error, naive_error = total["error"], total["naive_error"]
    with np.errstate(invalid="ignore", divide="ignore"):
        fva = np.where(naive_error > 0, 1 - error / naive_error, np.where(error > 0, WORST, 0.0))
    return Accuracy(
        mase=_ratio(total["scaled_error"], total["measured"]),
        naive_mase=_ratio(total["scaled_naive_error"], total["measured"]),
        bias=_ratio(total["over"], total["sold"]),
        coverage=_ratio(total["held"], total["records"]),
        fva=np.where(total["records"] > 0, np.maximum(fva, WORST), np.nan),
        naive=(total["lost"] > 0) & (error > naive_error),
    )


def _sums(each: Judged) -> dict[str, Doubles]:
    known = np.isfinite(each.truth)
    truth = np.nan_to_num(each.truth)

    def added(values: Array) -> Doubles:
        return np.asarray(np.where(known, values, 0.0).sum(axis=1), np.float64)

    def scaled(values: Doubles) -> Doubles:
        told: Doubles = np.divide(values, each.scale, out=np.zeros(len(values)), where=each.scale > 0)
        return told

    records = known.sum(axis=1).astype(np.float64)
    error = added(np.abs(truth - each.quantiles[MEDIAN]))
    naive_error = added(np.abs(truth - each.naive))
    return {
        "error": error,
        "naive_error": naive_error,
        "lost": added((truth - each.mean) ** 2 - (truth - each.naive) ** 2),
        "scaled_error": scaled(error),
        "scaled_naive_error": scaled(naive_error),
        "measured": np.where(each.scale > 0, records, 0.0),
        "over": added(each.mean - truth),
        "sold": added(truth),
        "held": added((truth >= each.quantiles[0] - 1e-9) & (truth <= each.quantiles[-1] + 1e-9)),
        "records": records,
    }


def _ratio(a: Doubles, b: Doubles) -> Doubles:
    told: Doubles = np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)
    return told
