"""The parts of the report that tell of recommendations. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops.backtest.report.charts import bars
from mlops.backtest.report.markup import (
    MISSING,
    Html,
    change,
    element,
    joined,
    number,
    percent,
    spread,
    table,
)
from mlops.backtest.report.page import Page, bullets
from mlops.backtest.rolling.rivals import Rival

OURS = "Shelfwise"
MEASURES = {
    "ndcg@10": "NDCG@10",
    "recall@20": "Recall@20",
    "hit@10": "A hit in ten",
    "mrr@10": "MRR@10",
}
SHORT = {"home": "Home", "new": "New", "page": "Page", "cart": "Cart", "cold": "Newcomers"}
Found = Mapping[str, Any]


def recommending(page: Page, found: Found) -> None:
    """All of them."""
    page.section("Recommendations")
    origins = found["origins"]
    if not found["slots"]:
        page.add(
            element(
                "p",
                "Nothing could be measured: before any window of the past there was next to no history, or nobody who asked. "
                "The shop would be served its bestsellers.",
            )
        )
        return
    page.add(
        element(
            "p",
            f"At {len(origins)} moment{'s' if len(origins) > 1 else ''} of the past ({', '.join(origins)}) everything was learnt "
            "from what was known then, and shoppers of the "
            f"{found['window_days']:g} days that followed were asked for. Answers rank the whole catalogue. Every system answers the "
            "same questions; a difference counts where its 95 % interval, drawn over customers in pairs, leaves out 0.",
        )
    )
    slots = found["slots"]
    names = list(dict.fromkeys(each["name"] for slot in slots for each in slot["systems"]))
    page.figure(
        "How well the first ten are ranked (NDCG@10), with 95 % intervals",
        bars(
            "NDCG@10",
            [SHORT[slot["slot"]] for slot in slots],
            {
                name: [
                    next(
                        (each["metrics"]["ndcg@10"] for each in slot["systems"] if each["name"] == name), None
                    )
                    for slot in slots
                ]
                for name in names
            },
        ),
        "Bars of NDCG@10 by place of the shop and system; the same numbers are in the tables below.",
    )
    for slot in slots:
        _slot(page, slot)
    _cold_start(page, found["cold_start"])
    _new_products(page, found["new_products"])
    _products(page, found["products"])
    _customers(page, found["customers"])


def _slot(page: Page, slot: Found) -> None:
    page.add(element("h3", slot["title"]))
    against = {each["name"]: each for each in slot["against"]}
    rows = [
        [
            each["name"],
            *[spread(each["metrics"].get(name)) for name in MEASURES],
            percent(each["coverage@10"]),
            Html(MISSING) if each["name"] == OURS else _relative(against[each["name"]]),
        ]
        for each in slot["systems"]
    ]
    caption = f"{slot['title']}: {slot['queries']:,} questions of {slot['customers']:,} customers"
    head = ["", *MEASURES.values(), "Catalogue shown", f"{OURS} against it, NDCG@10"]
    page.add(table(caption, head, rows))
    if slot["groups"]:
        names = list(slot["groups"][0]["ndcg@10"])
        page.add(
            table(
                f"{slot['title']}: NDCG@10 by whether the customer is known",
                ["", "questions", *names],
                [
                    [
                        each["name"],
                        f"{each['queries']:,}",
                        *[spread(each["ndcg@10"].get(name)) for name in names],
                    ]
                    for each in slot["groups"]
                ],
            )
        )
    who = [f"{each['known'] or 'default'} / {each['unknown'] or 'default'}" for each in slot["answered_by"]]
    if any(each["known"] or each["unknown"] for each in slot["answered_by"]):
        page.add(
            element(
                "p",
                "Who answered, by origin (known / unknown customer): "
                + "; ".join(who)
                + ". A ranker that did not beat "
                "the best single generator on questions held out before the origin had given way to it.",
                class_="soft",
            )
        )


def _relative(each: Found) -> Html:
    return (
        change(each["relative"]) if each["relative"] is not None else change(each["difference"], share=False)
    )


def _cold_start(page: Page, found: list[Found]) -> None:
    page.add(element("h3", "Customers of few orders"))
    if not found:
        page.add(element("p", "No customer was asked for."))
        return
    names = list(dict.fromkeys(name for each in found for name in each["ndcg@10"]))
    page.add(
        table(
            "NDCG@10 by how many orders the customer had made before (home page; newcomers get one list for all)",
            ["", "questions", *names, f"{OURS} against {Rival.LATELY.value}"],
            [
                [
                    each["name"],
                    f"{each['queries']:,}",
                    *[spread(each["ndcg@10"].get(name)) for name in names],
                    _relative(each["against_lately"]),
                ]
                for each in found
            ],
        )
    )


def _new_products(page: Page, found: list[Found]) -> None:
    page.add(element("h3", "New products"))
    told = [each for each in found if each["purchases"]]
    if not told:
        page.add(element("p", "No product that was bought had first sold within the last 14 days."))
        return
    names = list(dict.fromkeys(name for each in told for name in each["recall@20"]))
    page.add(
        table(
            "Purchases of products that had first sold within 14 days: share of them among the first twenty",
            ["", "purchases", *names],
            [
                [
                    each["title"],
                    f"{each['purchases']:,}",
                    *[spread(each["recall@20"].get(name)) for name in names],
                ]
                for each in told
            ],
        )
    )


def _products(page: Page, found: Found) -> None:
    for name, caption in (("best", "Foretold best"), ("worst", "Missed most often")):
        rows = [
            [
                each["title"],
                each["why"],
                f"{each['asked']:,}",
                percent(each["found"] / each["asked"], 0),
                f"{each['recommended']:,}",
            ]
            for each in found[name]
        ]
        page.add(element("h3", f"Products: {caption.lower()}"))
        page.add(
            table(
                f"{caption}, of products that were right at least {found['least_bought']} times",
                ["", "why", "was right", "was in the first ten then", "recommended"],
                rows,
                texts=2,
            )
        )


def _customers(page: Page, found: list[Found]) -> None:
    page.section("Three customers")
    if not found:
        page.add(element("p", "No known customer bought in the newest window."))
        return
    page.add(
        element(
            "p",
            "What would have stood on the home page at the newest origin, and why. Customers are told apart by letters alone. "
            "Shares say how much of what spoke for the product was of which kind; what spoke against it has a minus.",
        )
    )
    for each in found:
        page.add(
            element(
                "h3",
                f"{each['name']}: orders {each['orders']:,}, different products {each['distinct_products']:,}",
            )
        )
        page.add(
            element("p", "Bought last:"),
            bullets(
                [joined([one["title"], " ", element("small", one["day"])]) for one in each["bought_last"]]
            ),
        )
        hits = sum(1 for one in each["recommended"] if one["bought_then"])
        page.add(
            table(
                f"Recommended to {each['name']}; bought {each['bought_then']:,} products then, {hits} of these",
                ["", "why", "bought then", "features that moved it most"],
                [
                    [one["title"], _reasons(one), "yes" if one["bought_then"] else "no", _features(one)]
                    for one in each["recommended"]
                ],
                texts=4,
            )
        )


def _reasons(one: Found) -> Html:
    """Up to three kinds of what spoke for it, and the strongest against it; the reason alone where a generator answers."""
    if one["by"] != "ranker":
        return joined([one["reasons"][0]["reason"], " ", element("small", one["by"])])
    speaking = [(each["reason"], each["share"] or 0.0) for each in one["reasons"]]
    total = sum(abs(share) for _, share in speaking) or 1.0
    lines = [(name, share / total) for name, share in speaking if share > 0][:3]
    against = [(name, share / total) for name, share in speaking if share < 0][-1:]
    shown = [
        element("li", f"{name} ", element("small", f"{share:+.0%}")) for name, share in [*lines, *against]
    ]
    return element("ul", *shown)


def _features(one: Found) -> Html:
    if not one["features"]:
        return Html(MISSING)
    return element(
        "small",
        ", ".join(f"{each['name']} {number(each['value'], 2)}" for each in one["features"]),
        class_="wrap",
    )
