"""The report of `backtest shop` from what was found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops.backtest.report.forecasting import forecasting
from mlops.backtest.report.markup import element
from mlops.backtest.report.page import Page, bullets
from mlops.backtest.report.recommending import recommending


def report(found: Mapping[str, Any], plotly: str) -> str:
    """One HTML file.

    Args:
        found: what `mlops.backtest.shop` puts together.
        plotly: the text of plotly.js.
    """
    page = Page(f"What the models would have done for {found['shop']}")
    enough = found["sufficiency"]
    page.add(
        element(
            "p",
            f"Made on {found['made_on']} from orders of {enough['first_day']} to {enough['last_day']}. "
            f"Seed {found['seed']}; the same data and seed give the same numbers.",
            class_="soft",
        )
    )
    page.section("Is there enough to learn from?")
    page.add(element("p", element("strong", f"Level: {enough['level']}"), f": {enough['means']}."))
    cards = {
        "orders": enough["orders"],
        "order lines": enough["order_lines"],
        "products": enough["products"],
        "days": enough["days"],
        "customers": enough["customers"],
        "of them returned": enough["returning_customers"],
        "guests' orders": enough["guest_orders"],
        "orders of several products": enough["baskets_of_several"],
    }
    page.add(
        element(
            "ul",
            *[element("li", element("strong", f"{value:,}"), name) for name, value in cards.items()],
            class_="cards",
        )
    )
    if found["notes"]:
        page.add(element("h3", "What was read"), bullets(found["notes"]))
    recommending(page, found["recommendations"])
    forecasting(page, found["forecasts"], currency=found["currency"])
    page.section("What these numbers do not say")
    page.add(bullets(found["limits"]))
    return page.html(plotly)
