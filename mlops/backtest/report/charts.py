"""Figures for Plotly as plain data: what it draws is in the tables beside them too. Pure.

Plotly reads a small set of tags in labels, so that words of a shop are escaped for it as for a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

OURS_COLOUR = "#0b6b50"
COLOURS = ("#8a8f98", "#b7791f", "#5b6ee1", "#9b4a8f", "#3f8fb0")
Figure = dict[str, Any]


def _layout(y: str, **more: Any) -> dict[str, Any]:
    return {
        "yaxis": {"title": {"text": escape(y)}, "rangemode": "tozero", "gridcolor": "#e6e8eb"},
        "xaxis": {"automargin": True},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2328"},
        "legend": {"orientation": "h", "y": -0.18, "yanchor": "top"},
        "margin": {"l": 56, "r": 8, "t": 16, "b": 40},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "hovermode": "closest",
        **more,
    }


def bars(
    y: str,
    groups: Sequence[str],
    systems: Mapping[str, Sequence[Mapping[str, float | None] | None]],
) -> Figure:
    """Bars side by side with intervals; the first system is ours.

    Args:
        systems: for each the values (`value`, `low`, `high`) of the groups; None where it has none.
    """
    data = []
    for place, (name, values) in enumerate(systems.items()):
        told = [each or {"value": None, "low": None, "high": None} for each in values]
        data.append(
            {
                "type": "bar",
                "name": escape(name),
                "x": [escape(each) for each in groups],
                "y": [each["value"] for each in told],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_gap(each.get("high"), each["value"]) for each in told],
                    "arrayminus": [_gap(each["value"], each.get("low")) for each in told],
                    "thickness": 1.2,
                    "width": 3,
                },
                "marker": {"color": OURS_COLOUR if place == 0 else COLOURS[(place - 1) % len(COLOURS)]},
            }
        )
    return {"data": data, "layout": _layout(y, barmode="group")}


def _gap(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else max(0.0, high - low)


def lines(y: str, days: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Figure:
    """Lines over days; the first is what happened, the second ours."""
    colours = ("#1f2328", OURS_COLOUR, *COLOURS)
    dashes = ("solid", "solid", "dot")
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": escape(name),
            "x": list(days),
            "y": list(values),
            "line": {"color": colours[place % len(colours)], "width": 2, "dash": dashes[min(place, 2)]},
        }
        for place, (name, values) in enumerate(series.items())
    ]
    return {"data": data, "layout": _layout(y)}
