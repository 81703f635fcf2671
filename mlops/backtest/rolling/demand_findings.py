"""What a backtest of the forecaster found, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops.backtest.measures.demand import paired, summary
from mlops.backtest.measures.intervals import Doubles, wilson
from mlops.backtest.rolling.findings import interval, told
from mlops.backtest.rolling.forecast import OURS, Origin, Rule, scored
from mlops.backtest.store.history import History
from mlops.predictors.demand.classes import PATTERNS, new_series
from mlops.predictors.demand.panel import Panel

MOST_PRODUCTS = 8
SHOWN = ("wape", "wape_total", "bias", "rmsse", "wspl", "coverage50", "coverage90", "width90")
COMPARED = ("wape", "wape_total", "rmsse", "wspl")
PAST_DAYS = 84


def forecasts(history: History, panel: Panel, origins: Sequence[Origin], *, left_out: int) -> dict[str, Any]:
    """Measures over all origins, by class of demand and by level; coverage; best and worst products; the shop's total."""
    systems = [OURS, *(rule.value for rule in Rule)]
    rows = np.concatenate([each.rows for each in origins])
    codes = np.concatenate([each.codes for each in origins])
    series = {name: _joined([each.series[name] for each in origins]) for name in systems}
    return {
        "horizon_days": panel.grid.horizon,
        "origins": [str(panel.grid.day(each.step)) for each in origins],
        "series": len(np.unique(rows)),
        "series_in_all": len(panel),
        "series_left_out": left_out,
        "least_days_sold": scored(panel.until(origins[-1].step, panel.grid.horizon).y)[1],
        "systems": [
            {
                "name": name,
                "measures": _measures(series[name]),
                "pit_gap": told(float(np.mean([each.gaps[name] for each in origins]))),
            }
            for name in systems
        ],
        "against": [
            {"name": name, **_compared(series[OURS], series[name], rows)} for name in systems if name != OURS
        ],
        "classes": [
            {
                "name": str(pattern),
                "series": len(np.unique(rows[codes == code])),
                "systems": [
                    {"name": name, "measures": _measures(_some(series[name], codes == code))}
                    for name in systems
                ],
                "against_naive": _compared(
                    _some(series[OURS], codes == code),
                    _some(series[Rule.NAIVE], codes == code),
                    rows[codes == code],
                ),
            }
            for code, pattern in enumerate(PATTERNS)
            if (codes == code).any()
        ],
        "levels": [
            {
                "name": level,
                "rmsse": {
                    name: told(float(np.mean([each.hierarchy[name][level] for each in origins])))
                    for name in systems
                },
            }
            for level in origins[-1].hierarchy[OURS]
        ],
        "coverage": _coverage(series[OURS]),
        "served": list(origins[-1].served),
        "products": _products(history, panel, origins),
        "total": _total(panel, origins[-1]),
    }


def _joined(parts: Sequence[Mapping[str, Doubles]]) -> dict[str, Doubles]:
    return {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}


def _some(series: Mapping[str, Doubles], chosen: Any) -> dict[str, Doubles]:
    return {name: each[chosen] for name, each in series.items()}


def _measures(series: Mapping[str, Doubles]) -> dict[str, float | None]:
    found = summary(series)
    return {name: told(found[name]) for name in SHOWN if name in found}


def _compared(ours: Mapping[str, Doubles], theirs: Mapping[str, Doubles], rows: Any) -> dict[str, Any]:
    found = paired(ours, theirs, rows)
    return {name: interval(found[name]) for name in COMPARED if name in found}


def _coverage(series: Mapping[str, Doubles]) -> list[dict[str, Any]]:
    """Shares of days inside the intervals; Wilson's interval takes days for independent, so it is too narrow."""
    days = float(series["h"].sum())
    return [
        {
            "name": f"{name} %",
            "wanted": int(name) / 100,
            "share": interval(wilson(float(series[f"in{name}"].sum()), days)),
        }
        for name in ("50", "90")
    ]


def _products(history: History, panel: Panel, origins: Sequence[Origin]) -> dict[str, Any]:
    """Where most money was saved and lost against the seasonal naive forecast of the horizon's total."""
    n = len(panel)
    ours, naive, sold, told_, weight = (np.zeros(n) for _ in range(5))
    for each in origins:
        ours[each.rows] += each.series[OURS]["ae_total"]
        naive[each.rows] += each.series[Rule.NAIVE]["ae_total"]
        sold[each.rows] += each.series[OURS]["y"]
        told_[each.rows] += each.series[OURS]["f"]
        weight[each.rows] += 1
    paid = np.ones(n) if panel.price is None else _usual(panel.price)
    at = np.flatnonzero(weight > 0)
    saved = (naive - ours) * paid
    best = at[np.lexsort((at, -saved[at]))][:MOST_PRODUCTS]
    worst = at[np.lexsort((at, -(ours * paid)[at]))][:MOST_PRODUCTS]
    codes = dict(zip(origins[-1].rows.tolist(), origins[-1].codes.tolist(), strict=True))

    def one(row: int) -> dict[str, Any]:
        return {
            "title": history.variants.get(panel.ids[row], panel.ids[row]),
            "class": str(PATTERNS[codes[row]]) if row in codes else None,
            "sold": told(sold[row]),
            "forecast": told(told_[row]),
            "error": told(ours[row]),
            "naive_error": told(naive[row]),
            "value": told(float(ours[row] * paid[row])),
            "why": _why(panel, origins, row),
        }

    return {"best": [one(int(row)) for row in best], "worst": [one(int(row)) for row in worst]}


def _usual(price: Any) -> Doubles:
    """Each series' median price, which one slip of a pen does not move; 1 where none is known."""
    out = np.ones(len(price))
    for row, each in enumerate(price):
        known = each[np.isfinite(each)]
        if len(known):
            out[row] = float(np.median(known))
    return out


def _why(panel: Panel, origins: Sequence[Origin], row: int) -> str:
    """What is remarkable of a series' sales around the newest origin at which it was scored."""
    newest = next(each for each in reversed(origins) if row in each.rows)
    past = np.nan_to_num(panel.y[row : row + 1, : newest.step])
    ahead = newest.y[np.flatnonzero(newest.rows == row)[0]]
    horizon = len(ahead)
    before, then = float(past[0, -horizon:].sum()), float(np.nansum(ahead))
    largest = float(np.nanmax(ahead, initial=0.0))
    usual = float(past[0, -182:].max(initial=0.0))
    if bool(new_series(panel.y[row : row + 1, : newest.step], panel.grid.step)[0]):
        return "new: it had sold for less than eight weeks"
    if then == 0:
        return f"it stopped selling: {before:.0f} in the {horizon} days before, none in the {horizon} after"
    if before > 2 * then:
        return f"sales fell from {before:.0f} to {then:.0f} in {horizon} days"
    if largest > 2 * usual:
        return f"one day of {largest:.0f}, twice as many as on any day of the half year before"
    if largest > 0.5 * then and then > 3:
        return (
            f"one day of {largest:.0f} is most of what was sold ({then:.0f}): an order in bulk, or a campaign"
        )
    if then > 2 * max(before, 1):
        return f"sales rose from {before:.0f} to {then:.0f} in {horizon} days"
    return f"steady: {before:.0f} in the {horizon} days before, {then:.0f} in the {horizon} after"


def _total(panel: Panel, origin: Origin) -> dict[str, Any]:
    """The scored series' sum by day: what was sold, and what we and the seasonal naive rule had said."""
    start = max(0, origin.step - PAST_DAYS)
    past = np.nan_to_num(panel.y[origin.rows, start : origin.step]).sum(axis=0)
    days = [str(panel.grid.day(column)) for column in range(start, origin.step + panel.grid.horizon)]
    return {
        "days": days,
        "sold": [told(float(each)) for each in [*past, *np.nansum(origin.y, axis=0)]],
        "forecast": [None] * len(past) + [told(float(each)) for each in origin.mean[OURS].sum(axis=0)],
        "naive": [None] * len(past) + [told(float(each)) for each in origin.mean[Rule.NAIVE].sum(axis=0)],
    }
