"""How good what is served would have been at the inner origins: of each series, of the shop, and of sums. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles
from mlops.predictors.demand.quantiles import TAUS
from mlops.training.forecast.judge import Judged
from mlops.training.forecast.run import Forecast

FEWEST_RATIOS = 28


def served(told: Forecast) -> Doubles:
    """float64 [S, 6], columns as `book.ACCURACY`: of what is served, but for FVA, which is the ensemble's.

    Sales are whole units, so intervals are shown, and measured, rounded outward. Where seasonal naive is served, its interval
    has not been measured.
    """
    it = told.accuracy
    bias, days, coverage = it.bias.copy(), np.zeros(len(it.bias)), np.full(len(it.bias), np.nan)
    if told.past:
        truth = np.concatenate([each.truth for each in told.past], axis=1)
        naive = np.concatenate([each.naive for each in told.past], axis=1)
        known = np.isfinite(truth)
        days = known.sum(axis=1).astype(np.float64)
        held = sum(_inside(each).sum(axis=1) for each in told.past)
        coverage = np.divide(held, days, out=coverage, where=(days > 0) & ~it.naive)
        sold = np.where(known, truth, 0.0).sum(axis=1)
        over = np.where(known, naive - truth, 0.0).sum(axis=1)
        theirs = np.divide(over, sold, out=np.full(len(sold), np.nan), where=sold > 0)
        bias = np.where(it.naive, theirs, bias)
    return np.stack(
        [
            np.where(it.naive, it.naive_mase, it.mase),
            it.naive_mase,
            bias,
            coverage,
            it.fva,
            days,
        ],
        axis=1,
    )


def whole(told: Forecast) -> dict[str, float]:
    """The measures over all series and days: WAPE, bias and coverage, and FVA by root mean squared error; empty without any."""
    naive = told.accuracy.naive[:, None]
    sold = error = theirs = over = held = count = square = square_naive = 0.0
    for each in told.past:
        known = np.isfinite(each.truth)
        mean = np.where(naive, each.naive, each.mean)
        gap, gap_naive = (mean - each.truth)[known], (each.naive - each.truth)[known]
        sold += float(each.truth[known].sum())
        error, theirs = error + float(np.abs(gap).sum()), theirs + float(np.abs(gap_naive).sum())
        over, held, count = over + float(gap.sum()), held + float(_inside(each).sum()), count + len(gap)
        square, square_naive = square + float((gap**2).sum()), square_naive + float((gap_naive**2).sum())
    if sold <= 0:
        return {}
    return {
        "wape": error / sold,
        "wape_naive": theirs / sold,
        "bias": over / sold,
        "coverage_90": held / count,
        "fva": 1 - float(np.sqrt(square / square_naive)) if square_naive > 0 else 0.0,
        "origins": float(len(told.past)),
    }


def _inside(each: Judged) -> Array:
    """bool [S, H]: sales that lie in the 90 % interval, rounded outward; false where there is no record."""
    low, high = np.floor(each.quantiles[0]), np.ceil(each.quantiles[-1])
    return np.asarray((each.truth >= low) & (each.truth <= high))


def ratios(past: Sequence[Judged], member: Array) -> Doubles:
    """[5]: quantiles of what a sum of series sold by what was forecast of it, day by day; ones where too little is known.

    Quantiles of sums are not sums of quantiles; the errors of the sums themselves tell. Each origin's are freed of its mean
    error: a shift that was learnt in one season is wrong in the next.

    Args:
        member: bool [G, S], sums; the days of all of them are taken together.
    """
    found = []
    weights = member.astype(np.float64)
    for each in past:
        known = np.isfinite(each.truth)
        sold = weights @ np.where(known, each.truth, 0.0)
        told = weights @ np.where(known, each.mean, 0.0)
        ok = told > 1e-6
        if sold[ok].sum() > 0:
            found.append(sold[ok] / told[ok] * (told[ok].sum() / sold[ok].sum()))
    ratio = np.concatenate(found) if found else np.zeros(0)
    if len(ratio) < FEWEST_RATIOS:
        return np.ones(len(TAUS))
    return np.asarray(np.quantile(ratio, TAUS))
