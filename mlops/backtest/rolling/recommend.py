"""The recommender at rolling origins: fitted to what was known then, asked what shoppers asked next. Pure and seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.backtest.measures.intervals import Doubles
from mlops.backtest.measures.ranking import NOBODY, Items, coverage, hits, only, per_query
from mlops.backtest.rolling.questions import MOST_QUERIES, Questions, questions
from mlops.backtest.rolling.rivals import Rivals
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.two_stage import TwoStage
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.windows import window_length

COUNT = 20
NEW_DAYS = 14.0
LEAST_HISTORY = 20  # order lines before an origin
Tell = Callable[[str], object]


@dataclass(slots=True)
class Asked:
    """One slot over all origins; arrays are by query.

    Args:
        values: float64 [n, len(METRICS)] of each system; `OURS` and the rivals that speak.
        unit: int64; orders: int64, of the customer before.
        known: bool, whether the query named a customer.
        catalogue: items that could be named at the last origin.
        shown: distinct items in the first tens, by origin and system: their share of the catalogue.
        asked_new, found_new: relevant items first sold within `NEW_DAYS` before the query, and hits@20 among them.
        sold: how often each item was relevant, int64 [n_items]; hit: how often it was in our first ten then; named: in our first ten.
    """

    values: dict[str, list[Doubles]] = field(default_factory=dict)
    unit: list[npt.NDArray[np.int64]] = field(default_factory=list)
    orders: list[npt.NDArray[np.int64]] = field(default_factory=list)
    known: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    shown: dict[str, list[float]] = field(default_factory=dict)
    asked_new: list[Doubles] = field(default_factory=list)
    found_new: dict[str, list[Doubles]] = field(default_factory=dict)
    sold: npt.NDArray[np.int64] | None = None
    hit: npt.NDArray[np.int64] | None = None
    named: npt.NDArray[np.int64] | None = None

    def of(self, system: str) -> Doubles:
        return np.concatenate(self.values[system])

    @property
    def systems(self) -> list[str]:
        return list(self.values)


OURS = "Shelfwise"


@dataclass(frozen=True, slots=True)
class Rolled:
    """Args:
    origins: days on the clock of the sales, oldest first.
    length: days of a window.
    slots: those that had a query.
    last: the recommender of the newest origin, with what its windows told.
    """

    origins: tuple[float, ...]
    length: float
    slots: dict[Slot, Asked]
    last: TwoStage | None
    last_home: Questions | None
    reports: tuple[dict[str, Any], ...]


def origins_of(sales: Sales, now: float, count: int) -> list[float]:
    """At most so many, a window apart, oldest first; those before which there is next to nothing are left out."""
    length = window_length(sales, now)
    found = [now - (place + 1) * length for place in range(count)]
    return sorted(start for start in found if int((sales.day < start).sum()) >= LEAST_HISTORY)


def roll(
    sales: Sales,
    now: float,
    *,
    origins: Sequence[float],
    content: sparse.csr_matrix | None,
    seed: int,
    tell: Tell,
    most: int = MOST_QUERIES,
) -> Rolled:
    """Measure all slots at each origin.

    Args:
        sales: all rows, before `now`.
        most: queries of a slot and origin.
    """
    length = window_length(sales, now)
    first = _first_sales(sales)
    slots: dict[Slot, Asked] = {}
    last: TwoStage | None = None
    last_home: Questions | None = None
    reports = []
    for place, start in enumerate(origins):
        generator = np.random.default_rng([seed, place])
        asked = {slot: questions(slot, sales, start, start + length, generator, most) for slot in Slot}
        wanted = {slot for slot, each in asked.items() if len(each)}
        if not wanted:
            continue
        tell(f"recommendations, origin {place + 1} of {len(origins)}")
        before = sales.before(start)
        fitted = fit_recommender(before, start, wanted, seed, lambda line: tell(f"  {line}"), content=content)
        last = fitted.recommender
        last_home = asked.get(Slot.HOME) if Slot.HOME in wanted else None
        reports.append(fitted.report)
        rivals = Rivals.of(before, start)
        for slot in Slot:
            if slot in wanted:
                tell(f"  {len(asked[slot])} queries: {slot}")
                _measure(slots.setdefault(slot, Asked()), slot, asked[slot], last, rivals, first)
    return Rolled(tuple(origins), length, slots, last, last_home, tuple(reports))


def answered(recommender: TwoStage, asked: Questions) -> Items:
    """Our answers, int64 [n_queries, COUNT]."""
    found = np.full((len(asked), COUNT), NOBODY, np.int64)
    for row, each in enumerate(recommender.recommend(asked.batch, np.full(len(asked), COUNT, np.int64))):
        found[row, : len(each.item)] = each.item
    return found


def _measure(
    into: Asked, slot: Slot, asked: Questions, recommender: TwoStage, rivals: Rivals, first: Doubles
) -> None:
    told = {OURS: answered(recommender, asked)}
    told |= {rival.value: rivals.answers(rival, asked.batch, COUNT) for rival in rivals.speaking(slot)}
    catalogue = int(rivals.sold.sum())
    into.unit.append(asked.unit)
    into.orders.append(asked.orders)
    into.known.append(asked.batch.customer >= 0)
    row = np.repeat(np.arange(len(asked)), np.diff(asked.truth.indptr))
    age = asked.batch.at[row] - first[asked.truth.indices]
    fresh = only(asked.truth, age < NEW_DAYS)
    into.asked_new.append(np.diff(fresh.indptr).astype(np.float64))
    for system, answers in told.items():
        into.values.setdefault(system, []).append(per_query(answers, asked.truth))
        into.shown.setdefault(system, []).append(coverage(answers, catalogue))
        into.found_new.setdefault(system, []).append(hits(answers, fresh).sum(axis=1).astype(np.float64))
    n = len(first)
    if into.sold is None or into.hit is None or into.named is None:
        into.sold, into.hit, into.named = (np.zeros(n, np.int64) for _ in range(3))
    top = told[OURS][:, :10]
    right = hits(top, asked.truth)
    into.sold += np.bincount(asked.truth.indices, minlength=n)
    into.hit += np.bincount(top[right], minlength=n)
    into.named += np.bincount(top[top != NOBODY], minlength=n)


def _first_sales(sales: Sales) -> Doubles:
    """Day of each item's first sale; infinite where there is none."""
    found = np.full(sales.n_items, np.inf)
    np.minimum.at(found, sales.item, sales.day)
    return found
