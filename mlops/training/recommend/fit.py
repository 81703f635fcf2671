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


@dataclass(slots=True)
class _Gathered:
    """Examples of one slot: of the held-out windows, whole and sampled, and of those before them."""

    held_out: list[Examples] = field(default_factory=list)
    newest: list[Examples] = field(default_factory=list)
    older: list[Examples] = field(default_factory=list)

    @property
    def measured(self) -> int:
        return sum(len(each.sizes) for each in self.held_out)


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
    gathered = {slot: _Gathered() for slot in ranked}
    for place, start in enumerate(starts):
        tell(f"window {place + 1} of {len(starts)}: generators")
        signals = fit_signals(sales.before(start), start, length, half_life=cold.half_life, content=content)
        for slot in ranked:
            _gather(gathered[slot], slot, sales, signals, length, place, seed)
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


def _gather(
    found: _Gathered, slot: Slot, sales: Sales, signals: Signals, length: float, place: int, seed: int
) -> None:
    """Add a window's examples; the newest window is place 0."""
    generator = np.random.default_rng([seed, place, list(Slot).index(slot)])
    asked = ask(slot, sales, signals.now, length, generator, MOST_QUERIES[slot])
    if not len(asked):
        return
    # A small shop asks little in one window: it holds out more of them, as long as nothing is learnt from those.
    if place and (found.older or found.measured >= ENOUGH_HELD_OUT):
        found.older.append(examples(signals, asked, slot, generator, NEGATIVES[slot]))
        return
    chosen = np.zeros(len(asked), bool)
    chosen[generator.permutation(len(asked))[:HELD_OUT]] = True
    found.held_out.append(examples(signals, asked.of(chosen), slot, generator))
    found.newest.append(found.held_out[-1].sampled(NEGATIVES[slot], generator))
    if not chosen.all():
        found.newest.append(examples(signals, asked.of(~chosen), slot, generator, NEGATIVES[slot]))


def _learn(
    slot: Slot, found: _Gathered, rankers: dict[Slot, lgb.Booster], seed: int
) -> tuple[Choice, dict[str, Any]]:
    if not found.held_out:
        return DEFAULTS[slot], {}
    learnt = learn(slot, found.older, found.newest, joined(found.held_out), seed)
    if learnt.ranker is not None:
        rankers[slot] = learnt.ranker
    return learnt.choice, learnt.held_out
