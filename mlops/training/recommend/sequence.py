"""When a transformer over customers' orders is worth learning, and how it learns without seeing what it will be asked. Pure.

    ... history ...)[ stopping window )[ oldest window ) ... [ newest window ) now
                    ^ from scratch      ^ goes on        ...  ^               ^

How many passes over the orders are good is found on a window before the oldest one. The same weights then go on learning
from one window's start to the next and to now: at each start they know what was sold before it and nothing later, and all
of that costs about half as much again as learning once. Without torch (the extra `sequence`) nothing is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from time import monotonic
from typing import Any

import numpy as np

from mlops.predictors.recommend.sequence import SequenceModel, last_states
from mlops.predictors.recommend.signals import Floats, Signals
from mlops.training.recommend.histories import SHARES, chunks, histories, lesson, next_chunks
from mlops.training.recommend.sales import Sales

Weights = dict[str, Floats]

# Orders that follow another one of the same customer: fewer do not teach a network of this size what to look at.
LEAST_FOLLOWED = 2_000
# Of more the newest are learnt from, and larger catalogues are left alone: time and memory stay bounded.
MOST_FOLLOWED, MOST_ITEMS = 200_000, 100_000
MOST_PASSES, PATIENCE = 30, 2
# Passes are bounded by multiplications and not by the clock, so that the same sales give the same weights on every
# machine; the clock stops what would take far too long on a slow one.
MOST_MULTIPLICATIONS = 6e11
SECONDS = 180.0
# What all later learning may cost, in units of the first.
LATER = 0.5
MEASURED = 2_000


@dataclass(frozen=True, slots=True)
class Chain:
    """Weights that go on learning from one cut-off to the next.

    Args:
        why_not: why nothing is learnt; None when something is.
        passes: over all orders, at first.
        later: passes at each later cut-off.
        longest: orders looked back at.
        seconds: of the clock that are left.
        report: ready for JSON.
    """

    seed: int
    why_not: str | None
    weights: Weights
    passes: int = 0
    later: int = 0
    longest: int = 0
    seconds: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)


def begin(
    sales: Sales,
    starts: Sequence[float],
    length: float,
    seed: int,
    *,
    wanted: bool = True,
    seconds: float = SECONDS,
) -> Chain:
    """Learn from what was sold before the window in front of the oldest one.

    Args:
        sales: rows before now.
        starts: of the windows, newest first.
        length: days of a window.
        wanted: False leaves it alone.
        seconds: of the clock, for this and all that follows.
    """
    why_not = _why_not(sales, windows=len(starts), wanted=wanted)
    if why_not is not None:
        return _nothing(seed, why_not)
    try:
        from mlops.training.recommend.sequence_net import Network, drawn, one_thread
    except (ImportError, OSError) as error:
        return _nothing(seed, f"torch cannot be loaded: {error}")

    began = monotonic()
    stopping = starts[-1] - length
    seen = sales.before(stopping + length)
    told = histories(seen)
    followed = told.followed(stopping)
    if followed < LEAST_FOLLOWED:
        return _nothing(
            seed, f"{followed} orders follow another one of the same customer, fewer than {LEAST_FOLLOWED}"
        )
    longest = told.longest(stopping)
    learnt = chunks(told, longest, stopping, MOST_FOLLOWED)
    later = next_chunks(told, longest, stopping)
    if not len(later):
        return _nothing(seed, "nobody came back in the window that tells when to stop")
    generator = np.random.default_rng([seed, 0])
    if len(later) > MEASURED:
        later = later[np.sort(generator.choice(len(later), MEASURED, replace=False))]
    subject = lesson(seen)
    losses: list[float] = []
    with one_thread():
        network = Network(drawn(sales.n_items, subject.shares.shape[2], longest, seed), seed)
        work = network.multiplications(int(learnt[:, 1].sum()), int(subject.histories.orders.nnz))
        most = int(np.clip(MOST_MULTIPLICATIONS // work, 1, MOST_PASSES))
        best: Weights = {}
        whole = True
        while whole and len(losses) < most and len(losses) - _best(losses) < PATIENCE:
            whole = network.learn(subject, learnt, generator, until=began + seconds * (1 - LATER))
            loss = network.measure(subject, later)
            if not np.isfinite(loss):
                break
            losses.append(loss)
            if _best(losses) == len(losses):
                best = network.exported()
    if not losses:
        return _nothing(seed, "its loss is no number")
    passes = _best(losses)
    cutoffs = len(starts) + 1
    later_passes = max(1, round(LATER * passes / cutoffs))
    report = {
        "orders_followed": int(learnt[:, 1].sum()),
        "looked_back": longest,
        "passes": passes,
        "later_passes": later_passes,
        "losses": [round(each, 4) for each in losses],
        "stopped_by_clock": not whole,
    }
    return Chain(
        seed,
        None,
        best,
        passes,
        later_passes,
        longest,
        seconds - (monotonic() - began),
        report,
    )


def go_on(chain: Chain, sales: Sales, place: int) -> Chain:
    """Learn from what was sold since, too; unchanged when nothing is learnt or no time is left.

    Args:
        sales: rows before the cut-off.
        place: of the cut-off among all, for the draws.
    """
    if chain.why_not is not None:
        return chain
    from mlops.training.recommend.sequence_net import Network, one_thread

    began = monotonic()
    subject = lesson(sales)
    generator = np.random.default_rng([chain.seed, 1, place])
    learnt = chunks(subject.histories, chain.longest, np.inf, MOST_FOLLOWED)
    with one_thread():
        network = Network(chain.weights, chain.seed + 1 + place)
        whole = all(
            network.learn(subject, learnt, generator, until=began + chain.seconds) for _ in range(chain.later)
        )
        weights = network.exported()
    if not all(np.isfinite(each).all() for each in weights.values()):
        weights = chain.weights
    report = {**chain.report, "stopped_by_clock": chain.report["stopped_by_clock"] or not whole}
    return replace(chain, weights=weights, seconds=chain.seconds - (monotonic() - began), report=report)


def with_sequence(signals: Signals, chain: Chain, sales: Sales, slots: tuple[str, ...]) -> Signals:
    """The signals with what the chain says of each customer; unchanged when nothing is learnt.

    Args:
        sales: rows before the cut-off of both.
        slots: where it speaks.
    """
    if chain.why_not is not None or not slots:
        return signals
    told = histories(sales)
    states = np.zeros((sales.n_customers, chain.weights["items"].shape[1]), np.float32)
    for start in range(0, sales.n_customers, 1024):
        some = np.arange(start, min(start + 1024, sales.n_customers))
        states[some] = last_states(chain.weights, told.orders, told.gaps, told.starts, some)
    shares = SHARES if sales.dated else ()
    return replace(signals, sequence=SequenceModel(chain.weights, shares, states, slots))


def _why_not(sales: Sales, *, windows: int, wanted: bool) -> str | None:
    if not wanted:
        return "not asked for"
    if find_spec("torch") is None:
        return "torch is not installed"
    if windows < 2:
        return "the history is too short for two windows"
    if sales.n_items > MOST_ITEMS:
        return f"{sales.n_items} products, more than {MOST_ITEMS}"
    return None


def _nothing(seed: int, why_not: str) -> Chain:
    return Chain(seed, why_not, {}, report={"why_not": why_not})


def _best(losses: list[float]) -> int:
    """Passes after which the loss was lowest."""
    return int(np.argmin(losses)) + 1 if losses else 0
