"""How much a shop's history can teach, and what would teach more. Pure.

The thresholds are those of the trainer: 200 order lines before a window and 50 in it, a history of three windows of at least
a week, 50 held-out queries, 30 newcomers (`mlops.training.recommend`). Nothing is promised that was not measured: the level
says what can be learnt, the measures of a version say how well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import polars as pl


class Level(StrEnum):
    """What the recommendations stand on."""

    NONE = "none"  # no order: the newest products
    STARTING = "starting"  # what sells, and what is alike by its words
    LEARNING = "learning"  # what is bought together; too little to measure
    MEASURED = "measured"  # measured on later orders it had not seen
    PERSONAL = "personal"  # and on returning customers' own histories


LEAST_ORDERS, LEAST_PAIRS = 10, 20
MEASURED_LINES, MEASURED_DAYS = 250, 28
PERSONAL_RETURNING = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """Args:
    orders, lines, customers, products: in the frozen history.
    pairs: different pairs of products that were bought in one order.
    returning: customers with at least two orders.
    days: from the first to the last order.
    """

    orders: int
    lines: int
    customers: int
    products: int
    pairs: int
    returning: int
    days: float


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """Args:
    told: what the level means, for people.
    unlocks: what is still needed for the next level; empty at the highest.
    """

    level: Level
    facts: Facts
    told: str
    unlocks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level.value,
            "told": self.told,
            "unlocks": list(self.unlocks),
            **asdict(self.facts),
        }


def facts(frame: pl.DataFrame) -> Facts:
    """What a frozen history holds (columns of `mlops.features.read.ORDER_FRAME_SCHEMA`)."""
    if frame.is_empty():
        return Facts(0, 0, 0, 0, 0, 0, 0.0)
    # An order of a hundred products has 4,950 pairs; the first twenty of each order say enough.
    lines = frame.select("order_id", "product_id").unique().sort("order_id", "product_id")
    head = lines.group_by("order_id", maintain_order=True).head(20)
    pairs = head.join(head, on="order_id").filter(pl.col("product_id") < pl.col("product_id_right"))
    named = frame.drop_nulls("customer_id").group_by("customer_id").agg(pl.col("order_id").n_unique())
    span = frame.select((pl.col("ordered_at").max() - pl.col("ordered_at").min()).dt.total_seconds()).item()
    return Facts(
        orders=frame["order_id"].n_unique(),
        lines=frame.height,
        customers=named.height,
        products=frame["product_id"].n_unique(),
        pairs=pairs.select("product_id", "product_id_right").unique().height,
        returning=int((named["order_id"] > 1).sum()),
        days=round(span / 86_400, 2),
    )


def sufficiency(found: Facts) -> Sufficiency:
    """The level of a history, and what unlocks the next."""
    steps: tuple[tuple[Level, str, tuple[tuple[float, float, str], ...]], ...] = (
        (Level.STARTING, "It shows what sells, and what is alike by its words.", ((1, found.orders, "a first order"),)),
        (
            Level.LEARNING,
            "It shows what is bought together. There is too little to measure how well.",
            (
                (LEAST_ORDERS, found.orders, "{} more orders"),
                (LEAST_PAIRS, found.pairs, "{} more different pairs of products bought in one order"),
            ),
        ),
        (
            Level.MEASURED,
            "It is measured on later orders that it had not seen.",
            (
                (MEASURED_LINES, found.lines, "{} more order lines"),
                (MEASURED_DAYS, found.days, "{} more days of orders"),
            ),
        ),
        (
            Level.PERSONAL,
            "It knows returning customers by what they bought, and is measured on them.",
            ((PERSONAL_RETURNING, found.returning, "{} more customers who come back"),),
        ),
    )  # fmt: skip
    level, told = Level.NONE, "There is no order yet; it shows the newest products."
    for name, words, needs in steps:
        missing = tuple(text.format(_rounded(least - have)) for least, have, text in needs if have < least)
        if missing:
            return Sufficiency(level, found, told, missing)
        level, told = name, words
    return Sufficiency(level, found, told, ())


def _rounded(missing: float) -> int:
    return int(-(-missing // 1))
