"""How good forecasts are. Pure. y: sold, f: forecast mean, h: scored steps of a series; NaN in y is not scored.

- WAPE: sum |y - f| / sum |y|, by step, by block of a week (or four weeks) and by each series' total over the horizon;
- bias: sum (f - y) / sum y;
- RMSSE: sqrt(mean (y - f)^2 / mean squared step of the past from the first sale) (Makridakis et al. 2022, M5 accuracy);
- WRMSSE: RMSSE of the sums at each level, weighted by recent revenue, averaged over the levels;
- MASE: mean |y - f| by the mean |y_t - y_(t-season)| of the past;
- WSPL: mean over five quantiles of the pinball loss by the mean step of the past (M5 uncertainty);
- coverage: share of y inside [q25, q75] and [q05, q95];
- PIT gap: how far tau lies outside [P(y < q), P(y <= q)], mean over the quantiles; 0 is calibrated up to the atoms of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.backtest.measures.intervals import DRAWS, Doubles, Interval, percentiles
from mlops.predictors.demand.quantiles import TAUS

Codes = npt.NDArray[np.integer[Any]]
LOW90, LOW50, MEDIAN, HIGH50, HIGH90 = range(5)
SUMS = ("ae", "ae_block", "ae_total", "ae50", "y", "f", "abs_y", "h", "in50", "in90", "w50", "w90")
SCORES = ("rmsse", "mase", "spl")


@dataclass(frozen=True, slots=True)
class Scales:
    """What errors of each series are divided by, from its past; NaN where it has none.

    Args:
        squared, absolute: float64 [S], mean squared and absolute step from the first sale on.
        seasonal: float64 [S], mean absolute step of a season; `absolute` where that cannot be told.
        weight: float64 [S], recent revenue.
    """

    squared: Doubles
    absolute: Doubles
    seasonal: Doubles
    weight: Doubles

    @classmethod
    def of(cls, y: npt.NDArray[Any], *, season: int, horizon: int, price: npt.NDArray[Any] | None) -> Scales:
        """Args:
        y: [S, T]; NaN where there is no record: the records that are there stand side by side.
        horizon: columns whose revenue weighs.
        price: [S, T]; where a step has none, the last one before it.
        """
        squared, absolute, seasonal = (np.full(len(y), np.nan) for _ in range(3))
        for row, each in enumerate(np.asarray(y, np.float64)):
            told = each[np.isfinite(each)]
            begun = np.flatnonzero(told != 0)
            if not len(begun):
                continue
            told = told[begun[0] :]
            step, long = np.diff(told), told[season:] - told[:-season]
            if len(step):
                squared[row], absolute[row] = np.mean(step**2), np.mean(np.abs(step))
            seasonal[row] = np.mean(np.abs(long)) if len(long) else np.nan
        flat = ~(seasonal > 0)
        seasonal[flat] = absolute[flat]
        paid = np.ones(1) if price is None else np.nan_to_num(_carried(price))[:, -horizon:]
        weight = np.maximum((np.nan_to_num(y[:, -horizon:]) * paid).sum(axis=1), 0.0)
        return cls(squared, absolute, seasonal, np.asarray(weight, np.float64))


def _carried(price: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each row's last known value at or before each column."""
    known = np.isfinite(price)
    at = np.maximum.accumulate(np.where(known, np.arange(price.shape[1]), 0), axis=1)
    return np.take_along_axis(price, at, axis=1)


def per_series(
    y: Doubles, mean: Doubles, quantiles: Doubles | None, scales: Scales, *, block: int
) -> dict[str, Doubles]:
    """Sums and scores of each series, float64 [S] by name (`SUMS`, `SCORES`); those of quantiles only with quantiles.

    Args:
        y, mean: [S, H].
        quantiles: [5, S, H], of `TAUS`.
        block: steps of a block, counted from the first step ahead.
    """
    known = np.isfinite(y)
    sold, told = np.where(known, y, 0.0), np.where(known, mean, 0.0)
    gap = sold - told
    steps = known.sum(axis=1).astype(np.float64)
    count = np.maximum(steps, 1)
    blocks = [slice(start, start + block) for start in range(0, y.shape[1], block)]
    out: dict[str, Doubles] = {
        "h": steps,
        "y": sold.sum(axis=1),
        "f": told.sum(axis=1),
        "abs_y": np.abs(sold).sum(axis=1),
        "ae": np.abs(gap).sum(axis=1),
        "ae_block": np.sum([np.abs(gap[:, each].sum(axis=1)) for each in blocks], axis=0),
        "ae_total": np.abs(gap.sum(axis=1)),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        ok = steps > 0
        out["rmsse"] = np.where(
            ok & (scales.squared > 0), np.sqrt((gap**2).sum(axis=1) / count / scales.squared), np.nan
        )
        out["mase"] = np.where(ok & (scales.seasonal > 0), out["ae"] / count / scales.seasonal, np.nan)
        if quantiles is not None:
            q = np.where(known, quantiles, 0.0)
            off = sold - q
            tau = np.array(TAUS)[:, None, None]
            loss = np.maximum(tau * off, (tau - 1) * off).mean(axis=0)
            out["spl"] = np.where(
                ok & (scales.absolute > 0), loss.sum(axis=1) / count / scales.absolute, np.nan
            )
            out["ae50"] = np.abs(off[MEDIAN]).sum(axis=1)
            for name, low, high in (("50", LOW50, HIGH50), ("90", LOW90, HIGH90)):
                out[f"in{name}"] = ((sold >= q[low]) & (sold <= q[high]) & known).sum(axis=1).astype(float)
                out[f"w{name}"] = (q[high] - q[low]).sum(axis=1)
    return out


def summary(series: Mapping[str, Doubles], weight: Doubles | None = None) -> dict[str, float]:
    """Measures over all of these series; those without a scale are left out of what is scaled."""
    sold = series["abs_y"].sum()
    out = {
        "series": float(len(series["y"])),
        "wape": _by(series["ae"].sum(), sold),
        "wape_block": _by(series["ae_block"].sum(), sold),
        "wape_total": _by(series["ae_total"].sum(), sold),
        "bias": _by(series["f"].sum() - series["y"].sum(), series["y"].sum()),
        "rmsse": _mean(series["rmsse"]),
        "mase": _mean(series["mase"]),
    }
    if weight is not None:
        out["rmsse_weighted"] = weighted(series["rmsse"], weight)
    if "spl" in series:
        rows = series["h"].sum()
        out["wape_q50"] = _by(series["ae50"].sum(), sold)
        out["wspl"] = _mean(series["spl"])
        for name in ("50", "90"):
            out[f"coverage{name}"] = _by(series[f"in{name}"].sum(), rows)
            out[f"width{name}"] = _by(series[f"w{name}"].sum(), sold)
    return out


def pit_gap(y: Doubles, quantiles: Doubles) -> float:
    """NaN in y is left out."""
    known = np.isfinite(y)
    sold = y[known]
    if not len(sold):
        return float("nan")
    gaps = []
    for tau, each in zip(TAUS, quantiles, strict=True):
        below = float((sold < each[known] - 1e-9).mean())
        at_most = float((sold <= each[known] + 1e-9).mean())
        gaps.append(max(0.0, below - tau, tau - at_most))
    return float(np.mean(gaps))


def wrmsse(
    past: npt.NDArray[Any], y: Doubles, mean: Doubles, weight: Doubles, levels: Mapping[str, Codes]
) -> dict[str, float]:
    """RMSSE of each level's sums, weighted by revenue, by name (`total`, the levels, `item`), and their mean `wrmsse`.

    Args:
        past: [S, T] of the scored series.
        levels: group of each series, int [S], by name of the level.
    """
    groups = {"total": np.zeros(len(y), np.int64), **levels, "item": np.arange(len(y))}
    out: dict[str, float] = {}
    for name, code in groups.items():
        _, code = np.unique(code, return_inverse=True)
        n = int(code.max(initial=-1)) + 1
        scale = Scales.of(_summed(past, code, n), season=1, horizon=1, price=None).squared
        known = np.isfinite(y)
        gap = _summed(np.where(known, y - mean, 0.0), code, n)
        count = (_summed(known.astype(float), code, n) > 0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(
                (count > 0) & (scale > 0),
                np.sqrt((gap**2).sum(axis=1) / np.maximum(count, 1) / scale),
                np.nan,
            )
        out[name] = weighted(score, np.bincount(code, weight, n).astype(np.float64))
    out["wrmsse"] = float(np.mean([out[name] for name in groups]))
    return out


def _summed(values: npt.NDArray[Any], code: npt.NDArray[np.intp], n: int) -> Doubles:
    """Sums of the rows by group, [n, columns]; NaN only where no row of the group has a record."""
    known = np.isfinite(values)
    total = np.zeros((n, values.shape[1]))
    count = np.zeros((n, values.shape[1]))
    np.add.at(total, code, np.where(known, values, 0.0))
    np.add.at(count, code, known)
    return np.where(count > 0, total, np.nan)


def paired(
    ours: Mapping[str, Doubles],
    theirs: Mapping[str, Doubles],
    units: npt.NDArray[Any] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 1,
) -> dict[str, Interval]:
    """Ours less theirs with intervals over series; negative is better for us.

    Args:
        units: [n], the series of each row where a series comes at several origins; each row its own when left out.
    """
    _, code = np.unique(np.arange(len(ours["y"])) if units is None else units, return_inverse=True)
    n = int(code.max(initial=-1)) + 1
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    out: dict[str, Interval] = {}
    for name, column in (("wape", "ae"), ("wape_block", "ae_block"), ("wape_total", "ae_total")):
        drawn, point = zip(
            *(_drawn(each[column], each["abs_y"], code, times) for each in (ours, theirs)), strict=True
        )
        out[name] = Interval(point[0] - point[1], *percentiles(drawn[0] - drawn[1]))
    for name, column in (("rmsse", "rmsse"), ("mase", "mase"), ("wspl", "spl")):
        if column in ours and column in theirs:
            drawn, point = zip(
                *(
                    _drawn(np.nan_to_num(each[column]), np.isfinite(each[column]) * 1.0, code, times)
                    for each in (ours, theirs)
                ),
                strict=True,
            )
            out[name] = Interval(point[0] - point[1], *percentiles(drawn[0] - drawn[1]))
    return out


def _drawn(over: Doubles, under: Doubles, code: Codes, times: Doubles) -> tuple[Doubles, float]:
    """The ratio of the sums, in each draw and as it is."""
    n = times.shape[1]
    top, base = np.bincount(code, over, n), np.bincount(code, under, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (times @ top) / (times @ base), float(np.float64(top.sum()) / base.sum())


def weighted(values: Doubles, weight: Doubles) -> float:
    """Weighted mean where there is a value and a weight."""
    ok = np.isfinite(values) & (weight > 0)
    return _by(float((values[ok] * weight[ok]).sum()), float(weight[ok].sum()))


def _mean(values: Doubles) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _by(over: float, under: float) -> float:
    return float(over / under) if under else float("nan")
