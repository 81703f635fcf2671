"""The recommender: several generators name candidates, one ranker per slot orders them. Pure.

Where a ranker did not beat the best generator on held-out queries of this shop, that generator answers (`Choice`). Every
query is answered with as many items as are eligible: what neither names is filled from the list for newcomers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from mlops.predictors.recommend.features import (
    Slot,
    eligible_items,
    generator_scores,
    owned_places,
    pairs,
    slots_of,
)
from mlops.predictors.recommend.signals import UNKNOWN, Batch, Floats, Signals

# Dense numbers of one generator in a batch: 1.2 million are 5 MB, and about thirty such arrays live at once.
DENSE = 1_200_000
RANKER = "ranker"
# Scores of what was named begin here; what fills an answer lies in (0, 1].
NAMED = 2.0


# Who answers a single query whose ranker would come too late; the first that the shop's data can feed.
STAND_INS: dict[Slot, tuple[str, ...]] = {
    Slot.HOME: ("own_h180",),
    Slot.NEW: ("customer_h60",),
    Slot.PAGE: ("x_given_h365", "x_customer"),
    Slot.CART: ("x_order", "x_customer"),
}


def never() -> bool:
    """There is time enough."""
    return False


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers a slot, by whether the customer is known: `RANKER` or the name of a generator."""

    known: str
    unknown: str

    def of(self, *, known: bool) -> str:
        return self.known if known else self.unknown


@dataclass(frozen=True, slots=True)
class Answer:
    """Args:
    item: int64 [n], distinct, best first.
    score: float64 [n], not rising; equal scores are ordered by item.
    """

    item: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Args:
    signals: what is known of the shop.
    newcomers: float32 [n_items], the list for people of whom nothing is known.
    rankers: LightGBM models in text form, by slot.
    choices: who answers which slot.
    """

    signals: Signals
    newcomers: Floats
    rankers: Mapping[Slot, lgb.Booster]
    choices: Mapping[Slot, Choice]
    _order: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _place: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = np.argsort(-self.newcomers, kind="stable")
        # From 1 towards 0 by place, so that a filled item never comes before a named one.
        place = np.empty(len(order))
        place[order] = 1 - np.arange(len(order)) / max(len(order), 1)
        object.__setattr__(self, "_order", order[self.signals.known[order]])
        object.__setattr__(self, "_place", place)

    def trending(self, count: int) -> npt.NDArray[np.intp]:
        """Items that newcomers are shown, best first."""
        return self._order[:count]

    def answer(
        self, asked: Batch, count: int, *, late: Callable[[], bool] = never
    ) -> tuple[Answer, str | None]:
        """What `recommend` answers to one query, in a fraction of its time, and who named items: None = nobody.

        Args:
            asked: one query.
            late: asked before each costly step; from its first True on, the slot's stand-in answers for the ranker.
        """
        slot = slots_of(asked)[0]
        choice = None if slot == Slot.COLD else self.choices.get(slot)
        who = None if choice is None else choice.of(known=bool(asked.customer[0] != UNKNOWN))
        eligible = eligible_items(self.signals, asked, owned_places(self.signals, asked))
        item, score = np.empty(0, np.int64), np.empty(0)
        if who is not None:
            scores = generator_scores(self.signals, asked, slot)
            if who == RANKER and late():
                who = next((each for each in STAND_INS[slot] if each in scores), "popular")
            if who == RANKER:
                found = pairs(self.signals, asked, slot, scores=scores, eligible=eligible)
                if late():
                    who = next((each for each in STAND_INS[slot] if each in scores), "popular")
                elif len(found.item):
                    item, score = found.item, predicted(self.rankers[slot], found.x)
                    score = NAMED + score - score.min()
            if who != RANKER and who in scores:
                row = scores[who][0]
                item = np.flatnonzero((row > 0) & eligible[0])
                score = (
                    NAMED + row[item].astype(np.float64) / max(float(np.nanmax(row)), 1e-12)
                    if len(item)
                    else score
                )
        best = np.lexsort((item, -score))[:count]
        item, score = item[best], score[best]
        return self._filled(item, score, eligible[0], count), who if len(item) else None

    def _filled(
        self,
        item: npt.NDArray[np.int64],
        score: npt.NDArray[np.float64],
        eligible: npt.NDArray[np.bool_],
        count: int,
    ) -> Answer:
        """What was named, and after it what newcomers are shown."""
        if len(item) < count:
            free = eligible.copy()
            free[item] = False
            rest = self._order[free[self._order]][: count - len(item)]
            item, score = np.concatenate([item, rest]), np.concatenate([score, self._place[rest]])
        return Answer(item, score)

    def recommend(self, batch: Batch, counts: npt.NDArray[np.int64]) -> list[Answer]:
        """Answers to queries of any slots, in their order.

        Args:
            counts: int64 [n_queries], how many items are wanted.
        """
        found: list[Answer | None] = [None] * len(batch)
        slots = np.array(slots_of(batch))
        for slot in Slot:
            rows = np.flatnonzero(slots == slot)
            for part in chunks(len(rows), self.signals):
                at = rows[part]
                for place, answer in zip(at, self._answer(batch.take(at), slot, counts[at]), strict=True):
                    found[place] = answer
        return [each for each in found if each is not None]

    def _answer(self, batch: Batch, slot: Slot, counts: npt.NDArray[np.int64]) -> list[Answer]:
        eligible = eligible_items(self.signals, batch, owned_places(self.signals, batch))
        value = np.broadcast_to(self._place, eligible.shape).astype(np.float64)
        choice = self.choices.get(slot)
        if choice is not None and slot != Slot.COLD:
            known = batch.customer != UNKNOWN
            for who in (choice.known, choice.unknown) if choice.known != choice.unknown else (choice.known,):
                rows = np.flatnonzero(np.where(known, choice.known == who, choice.unknown == who))
                if len(rows):
                    self._name(batch.take(rows), slot, who, value, rows)
        value[~eligible] = -np.inf
        return [_best(row, int(count)) for row, count in zip(value, counts, strict=True)]

    def _name(
        self, batch: Batch, slot: Slot, who: str, value: npt.NDArray[np.float64], rows: npt.NDArray[np.intp]
    ) -> None:
        """Lift what is named above 1, in its order."""
        if who == RANKER:
            found = pairs(self.signals, batch, slot)
            if len(found.query):
                score = predicted(self.rankers[slot], found.x)
                _, first, query = np.unique(found.query, return_index=True, return_inverse=True)
                value[rows[found.query], found.item] = (
                    NAMED + score - np.minimum.reduceat(score, first)[query]
                )
            return
        scores = generator_scores(self.signals, batch, slot).get(who)
        if scores is not None:
            named = np.where(scores > 0, scores, 0).astype(np.float64)
            highest = np.maximum(named.max(axis=1, initial=0.0, keepdims=True), 1e-12)
            value[rows] = np.where(named > 0, NAMED + named / highest, value[rows])


def predicted(ranker: lgb.Booster, x: npt.NDArray[np.float16]) -> npt.NDArray[np.float64]:
    """Scores of these pairs, float64 [n_pairs]; one thread, because threads that wait for each other cost more."""
    found: npt.NDArray[np.float64] = np.asarray(
        ranker.predict(x.astype(np.float32), num_threads=1), np.float64
    )
    return found


def chunks(n: int, signals: Signals) -> Iterator[slice]:
    """Parts of n queries that keep the dense arrays small."""
    widest = max(signals.n_items, signals.own.shape[0], signals.vectors["sessions"].shape[0], 1)
    step = int(np.clip(DENSE * 3 // widest, 8, 256))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _best(value: npt.NDArray[np.float64], count: int) -> Answer:
    allowed = np.flatnonzero(value > -np.inf)
    scores = value[allowed]
    if len(allowed) > count:
        # What ties with the last place stays in, so that equal scores are ordered by item.
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        allowed, scores = allowed[scores >= least], scores[scores >= least]
    order = np.lexsort((allowed, -scores))[:count]
    return Answer(allowed[order], scores[order])
