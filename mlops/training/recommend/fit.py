"""From sales to a recommender: windows, generators, rankers, and who answers what. Pure and deterministic.

The generators are fitted once for each window and once for now, whatever number of slots is asked for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy import sparse

from mlops.predictors.recommend.features import SEQUENCE, Slot
from mlops.predictors.recommend.signals import Signals
from mlops.predictors.recommend.two_stage import Choice, TwoStage
from mlops.training.recommend.cold_start import fit_cold_start
from mlops.training.recommend.examples import MOST_QUERIES, NEGATIVES, Examples, examples, joined
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.ranking import DEFAULTS, learn
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.sequence import Chain, begin, go_on, with_sequence
from mlops.training.recommend.sequence_worth import worth
from mlops.training.recommend.windows import ask, window_length, window_starts

# Queries of the newest window that measure; an NDCG of 1,500 has an error of about 0.007.
HELD_OUT = 1_500
ENOUGH_HELD_OUT = 100
FEWEST_QUERIES = 500
SEQUENCE_SLOTS = (Slot.HOME, Slot.NEW)


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

    def without_sequence(self) -> Gathered:
        held_out = None if self.held_out is None else self.held_out.without_sequence(rows=True)
        return Gathered(held_out, tuple(each.without_sequence(rows=False) for each in self.sampled))


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

    def drop_sequence(self) -> None:
        """As if no sequence model had spoken."""
        self.windows = [each.without_sequence() for each in self.windows]


def fit_recommender(
    sales: Sales,
    now: float,
    slots: Collection[Slot],
    seed: int,
    tell: Callable[[str], object],
    *,
    content: sparse.csr_matrix | None = None,
    sequence: bool = True,
) -> Fitted:
    """Learn what these slots need.

    Args:
        sales: rows before `now`.
        tell: is told how far it is.
        content: items by items, how alike they are by what they are.
        sequence: whether a transformer over customers' orders may speak, where it is installed and earns it.
    """
    length = window_length(sales, now)
    ranked = [slot for slot in Slot if slot in slots and slot != Slot.COLD]
    starts = window_starts(sales, now) if ranked else []
    tell("newcomers")
    cold = fit_cold_start(sales, now, length, seed)
    chains = _sequences(sales, starts, length, seed, ranked if sequence else [], tell)
    gathered = {slot: _Known() for slot in ranked}
    for place, start in enumerate(starts):
        tell(f"window {place + 1} of {len(starts)}: generators")
        before = sales.before(start)
        signals = fit_signals(before, start, length, half_life=cold.half_life, content=content)
        signals = with_sequence(signals, chains[place], before, SEQUENCE_SLOTS)
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
    told_by_slot: dict[str, dict[str, float]] = {}
    kept: list[Slot] = []
    report: dict[str, Any] = {"window_days": length, "windows": len(starts), "slots": {}}
    for slot in ranked:
        tell(f"{slot}: ranker")
        known = gathered.pop(slot)
        if known.held_out and SEQUENCE in known.held_out[0].names:
            judged = worth(known.older, joined(known.held_out), seed)
            told_by_slot[slot.value] = judged.told
            if judged.kept:
                kept.append(slot)
            else:
                known.drop_sequence()
        choices[slot], told = _learn(slot, known, rankers, seed)
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
    last = chains[0]
    if kept:
        last = go_on(last, sales, len(starts))
        signals = with_sequence(signals, last, sales, tuple(kept))
    report["sequence"] = {"kept": [slot.value for slot in kept], "held_out": told_by_slot, **last.report}
    return Fitted(TwoStage(signals, cold.scores(signals.popularity), rankers, choices), report)


def _sequences(
    sales: Sales,
    starts: Sequence[float],
    length: float,
    seed: int,
    slots: Collection[Slot],
    tell: Callable[[str], object],
) -> list[Chain]:
    """What reads customers' orders, at the start of each window, the newest first; one that is silent where none is."""
    tell("sequences of orders")
    chain = begin(sales, starts, length, seed, wanted=any(slot in SEQUENCE_SLOTS for slot in slots))
    found = [chain]
    for place in reversed(range(len(starts))):
        chain = go_on(chain, sales.before(starts[place]), place)
        found.append(chain)
    return found[:0:-1] or found


def holds_out(place: int, *, learns: bool, held: int) -> bool:
    """Whether a window measures: the newest does. A small shop asks little in one: it holds out more of them.

    Args:
        place: 0 for the newest.
        learns: a newer window than this one is learnt from already.
        held: queries that are held out already.
    """
    return place == 0 or not (learns or held >= ENOUGH_HELD_OUT)


def gather(
    slot: Slot,
    sales: Sales,
    signals: Signals,
    length: float,
    place: int,
    seed: int,
    *,
    hold_out: bool,
    share: float = 1.0,
) -> Gathered | None:
    """Examples of a slot from the window that begins at the signals' cut-off; None when nothing is asked there.

    Args:
        place: 0 for the newest window; each has its own draws.
        share: of the usual number of queries at most, for a run with less time; never fewer than `FEWEST_QUERIES`.
    """
    generator = np.random.default_rng([seed, place, list(Slot).index(slot)])
    most = max(round(MOST_QUERIES[slot] * share), FEWEST_QUERIES)
    asked = ask(slot, sales, signals.now, length, generator, most)
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
