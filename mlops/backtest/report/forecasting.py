"""The part of the report that tells of forecasts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops.backtest.report.charts import bars, lines
from mlops.backtest.report.markup import MISSING, Html, change, element, number, percent, spread, table
from mlops.backtest.report.page import Page, bullets

OURS = "Shelfwise"
MEASURES = {
    "wape_total": "WAPE of the total",
    "wape": "WAPE by day",
    "bias": "bias",
    "rmsse": "RMSSE",
    "wspl": "WSPL",
    "coverage50": "in the 50 % interval",
    "coverage90": "in the 90 % interval",
}
Found = Mapping[str, Any]


def forecasting(page: Page, found: Found | None, *, currency: str) -> None:
    """All of it; None where the history is too short."""
    page.section("Demand forecasts")
    if found is None:
        page.add(
            element(
                "p",
                "The history is too short to measure a forecast: it needs twice the horizon and four weeks before the "
                "days that are foretold, and variants that sold on two days at least.",
            )
        )
        return
    page.add(
        element(
            "p",
            f"At {', '.join(found['origins'])} the next {found['horizon_days']} days of {found['series']:,} variants were foretold "
            f"(of {found['series_in_all']:,}; measured are those that had sold on at least {found['least_days_sold']} days of the "
            "year before). The total is what a reorder needs; by day, lumpy demand cannot be met, and forecasting nothing at all "
            "has a WAPE of 1. WSPL and coverage tell of the intervals.",
        )
    )
    total = found["total"]
    page.figure(
        f"All measured variants from {found['origins'][-1]}: sold and foretold",
        lines(
            "units a day",
            total["days"],
            {"sold": total["sold"], OURS: total["forecast"], "seasonal naive": total["naive"]},
        ),
        "Lines of units sold and foretold by day.",
    )
    against = {each["name"]: each for each in found["against"]}
    page.add(
        table(
            "Accuracy over all origins",
            ["", *MEASURES.values(), "PIT gap", f"{OURS} against it, WAPE of the total"],
            [
                [
                    each["name"],
                    *[_shown(name, each["measures"].get(name)) for name in MEASURES],
                    number(each["pit_gap"]),
                    Html(MISSING)
                    if each["name"] == OURS
                    else change(against[each["name"]].get("wape_total"), less_is_better=True, share=False),
                ]
                for each in found["systems"]
            ],
        )
    )
    _coverage(page, found)
    _classes(page, found)
    page.add(
        table(
            "RMSSE by level, weighted by revenue (the shop's total has a smaller error than its products)",
            ["", *[each["name"] for each in found["systems"]]],
            [
                [
                    each["name"] if each["name"] != "wrmsse" else "mean of the levels (WRMSSE)",
                    *[number(each["rmsse"].get(one["name"])) for one in found["systems"]],
                ]
                for each in found["levels"]
            ],
        )
    )
    page.add(element("h3", "What is served"), bullets(found["served"]))
    _products(page, found["products"], currency)


def _shown(name: str, value: float | None) -> str:
    if name == "bias":
        return MISSING if value is None else f"{value:+.1%}"
    return percent(value) if name.startswith("coverage") else number(value)


def _coverage(page: Page, found: Found) -> None:
    page.add(
        table(
            "Coverage of our intervals: the share of days that lay inside",
            ["interval", "lay inside"],
            [[each["name"], spread(each["share"])] for each in found["coverage"]],
        ),
        element(
            "p",
            "An interval that begins at 0 holds every day without a sale, so that slow sellers are covered more often than "
            "the name says; the PIT gap does not have that flaw (0 is calibrated).",
            class_="soft",
        ),
    )


def _classes(page: Page, found: Found) -> None:
    names = [each["name"] for each in found["systems"]]
    page.figure(
        "WAPE of the total by class of demand (less is better)",
        bars(
            "WAPE",
            [f"{each['name']} ({each['series']:,})" for each in found["classes"]],
            {
                name: [
                    next(
                        {"value": one["measures"].get("wape_total")}
                        for one in each["systems"]
                        if one["name"] == name
                    )
                    for each in found["classes"]
                ]
                for name in names
            },
        ),
        "Bars of WAPE by class of demand and system; the same numbers are in the table below.",
    )
    page.add(
        table(
            "WAPE of the total by class of demand",
            ["", "variants", *names, f"{OURS} against seasonal naive"],
            [
                [
                    each["name"],
                    f"{each['series']:,}",
                    *[number(one["measures"].get("wape_total")) for one in each["systems"]],
                    change(each["against_naive"].get("wape_total"), less_is_better=True, share=False),
                ]
                for each in found["classes"]
            ],
        )
    )


def _products(page: Page, found: Found, currency: str) -> None:
    for name, caption in (
        ("best", "Where most was won against the seasonal naive forecast"),
        ("worst", "Where the error costs most"),
    ):
        page.add(
            table(
                f"{caption} (total of each horizon, in units; the value in {currency or 'the currency of the prices'})",
                ["", "class", "why", "sold", "forecast", "error", "naive error", "value of the error"],
                [
                    [
                        each["title"],
                        each["class"] or MISSING,
                        each["why"],
                        number(each["sold"], 0),
                        number(each["forecast"], 0),
                        number(each["error"], 0),
                        number(each["naive_error"], 0),
                        number(each["value"], 0),
                    ]
                    for each in found[name]
                ],
                texts=3,
            )
        )
