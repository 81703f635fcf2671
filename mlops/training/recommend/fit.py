"""From sales to a recommender: windows, generators, rankers, and who answers what. Pure and deterministic.

The generators are fitted once for each window and once for now, whatever number of slots is asked for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy import sparse

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import Signals
from mlops.predictors.recommend.two_stage import Choice, TwoStage
from mlops.training.recommend.cold_start import fit_cold_start
from mlops.training.recommend.examples import MOST_QUERIES, NEGATIVES, Examples, examples, joined
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.ranking import DEFAULTS, learn
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.windows import ask, window_length, window_starts

# Queries of the newest window that measure; an NDCG of 1,500 has an error of about 0.007.
HELD_OUT = 1_500
ENOUGH_HELD_OUT = 100


@dataclass(frozen=True, slots=True)
class Fitted:
    """Args:
    report: what was measured on the held-out windows, ready for JSON.
    """

    recommender: TwoStage
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Examples of one slot from one window.

    Args:
        held_out: queries with all of their candidates; None when the window is learnt from alone.
        sampled: all queries of the window, those included, with a part of the negatives.
    """

    held_out: Examples | None
    sampled: tuple[Examples, ...]


@dataclass(slots=True)
class _Known:
    """What was gathered for one slot, window by window, the newest first."""

    windows: list[Gathered] = field(default_factory=list)

    @property
    def held_out(self) -> list[Examples]:
        return [each.held_out for each in self.windows if each.held_out is not None]

    @property
    def newest(self) -> list[Examples]:
        return [part for each in self.windows if each.held_out is not None for part in each.sampled]

    @property
    def older(self) -> list[Examples]:
        return [part for each in self.windows if each.held_out is None for part in each.sampled]


def fit_recommender(
    sales: Sales,
    now: float,
    slots: Collection[Slot],
    seed: int,
    tell: Callable[[str], object],
    *,
    content: sparse.csr_matrix | None = None,
) -> Fitted:
    """Learn what these slots need.

    Args:
        sales: rows before `now`.
        tell: is told how far it is.
        content: items by items, how alike they are by what they are.
    """
    length = window_length(sales, now)
    ranked = [slot for slot in Slot if slot in slots and slot != Slot.COLD]
    starts = window_starts(sales, now) if ranked else []
    tell("newcomers")
    cold = fit_cold_start(sales, now, length, seed)
    gathered = {slot: _Known() for slot in ranked}
    for place, start in enumerate(starts):
        tell(f"window {place + 1} of {len(starts)}: generators")
        signals = fit_signals(sales.before(start), start, length, half_life=cold.half_life, content=content)
        for slot in ranked:
            known = gathered[slot]
            hold = holds_out(place, learns=bool(known.older), held=sum(len(e.sizes) for e in known.held_out))
            found = gather(slot, sales, signals, length, place, seed, hold_out=hold)
            if found is not None:
                known.windows.append(found)
        del signals
        gc.collect()
    rankers: dict[Slot, lgb.Booster] = {}
    choices: dict[Slot, Choice] = {}
    report: dict[str, Any] = {"window_days": length, "windows": len(starts), "slots": {}}
    for slot in ranked:
        tell(f"{slot}: ranker")
        choices[slot], told = _learn(slot, gathered.pop(slot), rankers, seed)
        report["slots"][slot.value] = {"known": choices[slot].known, "unknown": choices[slot].unknown, **told}
        gc.collect()
    report["slots"][Slot.COLD.value] = {
        "half_life": cold.half_life,
        "mixture": cold.weights is not None,
        **cold.held_out,
    }
    tell("generators of now")
    signals = fit_signals(
        sales, now, length, half_life=cold.half_life, content=content, tables_needed=bool(ranked)
    )
    return Fitted(TwoStage(signals, cold.scores(signals.popularity), rankers, choices), report)


def holds_out(place: int, *, learns: bool, held: int) -> bool:
    """Whether a window measures: the newest does. A small shop asks little in one: it holds out more of them.

    Args:
        place: 0 for the newest.
        learns: a newer window than this one is learnt from already.
        held: queries that are held out already.
    """
    return place == 0 or not (learns or held >= ENOUGH_HELD_OUT)


def gather(
    slot: Slot, sales: Sales, signals: Signals, length: float, place: int, seed: int, *, hold_out: bool
) -> Gathered | None:
    """Examples of a slot from the window that begins at the signals' cut-off; None when nothing is asked there.

    Args:
        place: 0 for the newest window; each has its own draws.
    """
    generator = np.random.default_rng([seed, place, list(Slot).index(slot)])
    asked = ask(slot, sales, signals.now, length, generator, MOST_QUERIES[slot])
    if not len(asked):
        return None
    if not hold_out:
        return Gathered(None, (examples(signals, asked, slot, generator, NEGATIVES[slot]),))
    chosen = np.zeros(len(asked), bool)
    chosen[generator.permutation(len(asked))[:HELD_OUT]] = True
    held_out = examples(signals, asked.of(chosen), slot, generator)
    sampled = [held_out.sampled(NEGATIVES[slot], generator)]
    if not chosen.all():
        sampled.append(examples(signals, asked.of(~chosen), slot, generator, NEGATIVES[slot]))
    return Gathered(held_out, tuple(sampled))


def _learn(
    slot: Slot, found: _Known, rankers: dict[Slot, lgb.Booster], seed: int
) -> tuple[Choice, dict[str, Any]]:
    if not found.held_out:
        return DEFAULTS[slot], {}
    learnt = learn(slot, found.older, found.newest, joined(found.held_out), seed)
    if learnt.ranker is not None:
        rankers[slot] = learnt.ranker
    return learnt.choice, learnt.held_out
