"""The floor: on no set, task or size of shop may we be worse than both bestsellers lately and the customer's own repeats.

Shops of several sizes are cut out of every set: orders of customers drawn at random, whole, until there are so many; and the same
without customers, without prices, and without dates. Questions are those of the newest window of each (`rolling.questions`).
It fails where the interval of the paired difference to the better of the two rules lies below 0; of a hundred that are as good as
the rule, two or three do by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.backtest.bench.sets import RankingSet
from mlops.backtest.measures.intervals import Doubles, Interval
from mlops.backtest.measures.ranking import NDCG, compared
from mlops.backtest.recommend_files import read_lines
from mlops.backtest.rolling.recommend import OURS, roll
from mlops.backtest.rolling.rivals import Rival
from mlops.predictors.recommend.features import Slot
from mlops.training.recommend.content import content_table
from mlops.training.recommend.ledger import DAY, Ledger, ledger
from mlops.training.recommend.windows import window_length

SIZES = (20, 100, 500, 5_000)
FLOORS = (Rival.LATELY, Rival.REPEAT)
FEWEST = 20  # questions, below which nothing is told apart
CUT_ORDERS, MOST_CUTS = 2_000, 5
START, ASKED = 946_684_800_000, 0.2  # 2000-01-01, milliseconds
EACH_ITS_OWN = 10**9  # apart from any number of a customer or an order
Tell = Callable[[str], object]


class Shape(StrEnum):
    """What a shop's file lacks."""

    WHOLE = "whole"
    NO_CUSTOMERS = "no customers"
    NO_PRICES = "no prices"
    NO_DATES = "no dates"  # nothing but the place of an order among the others
    BASKETS = "bare baskets"  # no customers, and all orders at one moment; a fifth of them is asked for


@dataclass(frozen=True, slots=True)
class Floor:
    """One shop and slot.

    Args:
        ours, floor: NDCG@10.
        against: of ours to the better rule.
    """

    shop: str
    orders: int
    shape: Shape
    slot: Slot
    queries: int
    ours: float
    floor: float
    rule: Rival
    against: Interval

    @property
    def failed(self) -> bool:
        return self.queries >= FEWEST and self.against.high < 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One shop and slot: measures of each query, ours and by rule."""

    ours: Doubles
    rules: dict[Rival, Doubles]
    unit: npt.NDArray[np.int64]


def floors(
    ranking: RankingSet, *, sizes: Sequence[int], shapes: Sequence[Shape], seed: int, tell: Tell
) -> Iterator[Floor]:
    """Every size and shape of shop that can be cut out of the set, smallest first; of small ones several are taken together."""
    lines = read_lines(ranking.train, now=datetime.now(UTC) + timedelta(days=1))
    for size in sizes:
        cuts = int(np.clip(CUT_ORDERS // size, 1, MOST_CUTS))
        parts = [part for k in range(cuts) if (part := cut(lines, size, seed + k)) is not None]
        if not parts:
            continue
        for shape in shapes:
            tell(f"{ranking.name}: {len(parts)} shops of {size:,} orders, {shape}")
            gathered: dict[Slot, list[_Part]] = {}
            for place, part in enumerate(parts):
                for slot, found in _of_shop(ledger(shaped(part, shape)), shape, seed):
                    gathered.setdefault(slot, []).append(
                        replace(found, unit=found.unit + place * EACH_ITS_OWN)
                    )
            for slot, several in gathered.items():
                yield _floor(ranking.name, size, shape, slot, several)


def cut(lines: pl.DataFrame, orders: int, seed: int) -> pl.DataFrame | None:
    """Whole customers (or guests' orders) at random until there are at least so many orders; None when there are fewer."""
    whose = lines.group_by("order_id").agg(pl.col("customer_id").first()).sort("order_id")
    if len(whose) < orders:
        return None
    whose = whose.with_columns(pl.col("customer_id").fill_null(pl.lit("guest ") + pl.col("order_id")))
    people = whose.group_by("customer_id").len().sort("customer_id")
    people = people.sample(fraction=1.0, shuffle=True, seed=seed)
    kept = people.filter(pl.col("len").cum_sum() - pl.col("len") < orders)
    return lines.join(
        whose.join(kept, on="customer_id", how="semi").select("order_id"), on="order_id", how="semi"
    )


def shaped(lines: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    """The lines without what the shape lacks."""
    if shape is Shape.NO_CUSTOMERS:
        return lines.with_columns(pl.lit(None, dtype=pl.String).alias("customer_id"))
    if shape is Shape.NO_PRICES:
        return lines.with_columns(pl.lit(None, dtype=pl.Float64).alias("unit_price"))
    if shape is Shape.NO_DATES:
        order = pl.struct("at", "order_id").rank("dense").cast(pl.Int64)
        # One order an hour in the order of the file: what is left of time when nobody wrote it down.
        return lines.with_columns((START + order * int(DAY / 24)).alias("at"))
    if shape is Shape.BASKETS:
        orders = lines["order_id"].unique().sort()
        asked = orders.sample(fraction=ASKED, seed=1)
        held = pl.col("order_id").is_in(asked.implode())
        return shaped(lines, Shape.NO_CUSTOMERS).with_columns(
            (START + held.cast(pl.Int64) * int(DAY)).alias("at")
        )
    return lines


def _of_shop(book: Ledger, shape: Shape, seed: int) -> Iterator[tuple[Slot, _Part]]:
    if not len(book.sales):
        return
    # Of bare baskets the last day holds those that are asked for.
    start = book.now - (1.0 if shape is Shape.BASKETS else window_length(book.sales, book.now))
    content = content_table(book.skus, {}, codes=book.sales.dated)
    rolled = roll(book.sales, book.now, origins=[start], content=content, seed=seed, tell=lambda line: None)
    for slot, asked in rolled.slots.items():
        rules = {rule: asked.of(rule.value) for rule in FLOORS if rule.value in asked.values}
        yield slot, _Part(asked.of(OURS), rules, np.concatenate(asked.unit))


def _floor(name: str, size: int, shape: Shape, slot: Slot, parts: Sequence[_Part]) -> Floor:
    unit = np.concatenate([each.unit for each in parts])
    ours = np.concatenate([each.ours for each in parts])
    rules = {rule: np.concatenate([each.rules[rule] for each in parts]) for rule in parts[0].rules}
    rule = max(rules, key=lambda each: _ndcg(rules[each]))
    against = compared(ours, rules[rule], unit).difference
    return Floor(name, size, shape, slot, len(unit), _ndcg(ours), _ndcg(rules[rule]), rule, against)


def _ndcg(values: Doubles) -> float:
    return float(values[:, NDCG].mean())


def table(found: Sequence[Floor]) -> list[str]:
    """Markdown: how many shops there were by size, and how many failed."""
    out = [
        "| orders | shops and slots | questions | worse beyond the interval | mean difference in NDCG@10 |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in sorted({each.orders for each in found}):
        told = [each for each in found if each.orders == size]
        mean = float(np.mean([each.against.value for each in told]))
        failed = sum(each.failed for each in told)
        out.append(
            f"| {size:,} | {len(told)} | {sum(each.queries for each in told):,} | {failed} | {mean:+.4f} |"
        )
    return [*out, ""]


def line(each: Floor) -> str:
    """One row's cells."""
    told = f"{each.against.value:+.4f} [{each.against.low:+.4f}, {each.against.high:+.4f}]"
    cells = [each.shop, f"{each.orders:,}", each.shape, each.slot, f"{each.queries:,}", f"{each.ours:.4f}"]
    return " | ".join([*cells, f"{each.floor:.4f}", each.rule, told])
