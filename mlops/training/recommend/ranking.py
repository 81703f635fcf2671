"""The ranker of a slot: LightGBM's LambdaRank over the union of the generators, and who may answer. Pure.

Burges 2010, "From RankNet to LambdaRank to LambdaMART". It learns on the older windows, and is measured on the newest one
beside each generator; then it learns once more on all of them, with the number of trees that was best there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.two_stage import RANKER, Choice
from mlops.training.recommend.examples import Examples, ndcg

MOST_TREES, STEP = 160, 20
# Below this many held-out queries nothing is told apart.
LEAST_HELD_OUT = 50
LEAST_POSITIVES = 200
DEFAULTS = {
    Slot.HOME: Choice("own_h180", "popular"),
    Slot.NEW: Choice("popular", "popular"),
    Slot.PAGE: Choice("x_given_own", "x_given_own"),
    Slot.CART: Choice("x_order", "x_order"),
}
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "label_gain": [0, 1],
    "lambdarank_truncation_level": 40,
    "learning_rate": 0.1,
    "num_leaves": 15,
    "feature_fraction": 0.35,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
# A leaf holds at least this share of the rows, so that a small shop's trees do not learn single orders by heart.
THREADS, LEAST_ROWS_FOR_THREADS = 2, 50_000
LEAF_SHARE, LARGEST_LEAF, SMALLEST_LEAF = 1 / 3_000, 200, 20


@dataclass(frozen=True, slots=True)
class Setting:
    """How a ranker is fitted.

    Args:
        parameters: LightGBM's, where they are not the usual ones.
        windows: how many of the older windows it learns from, newest first; None = all.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    windows: int | None = None
    most_trees: int = MOST_TREES


USUAL = Setting("usual")


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that was tried.

    Args:
        trees: how many were best.
        ndcg: float64 [n_queries], NDCG@10 of each held-out query with so many.
    """

    setting: Setting
    trees: int
    ndcg: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Args:
    ranker: None when it may answer nobody.
    held_out: NDCG@10 by name and by known or unknown customer, on the newest window.
    """

    ranker: lgb.Booster | None
    choice: Choice
    held_out: dict[str, Any]


class _Stored(lgb.Sequence):
    """Rows in half precision, given to LightGBM a piece at a time."""

    batch_size = 8192

    def __init__(self, x: npt.NDArray[np.float16]) -> None:
        self.x = x

    def __getitem__(self, at: int | slice | list[int]) -> npt.NDArray[np.float64]:
        return self.x[at].astype(np.float64)

    def __len__(self) -> int:
        return len(self.x)


def learn(
    slot: Slot, older: Sequence[Examples], newest: Sequence[Examples], held_out: Examples, seed: int
) -> Learnt:
    """The ranker of a slot and who answers it.

    Args:
        older: examples of the windows before the held-out ones.
        newest: examples of the held-out windows, for the last fit.
        held_out: queries of those windows with all of their candidates.
    """
    trial = attempt(older, held_out, seed) if learnable(older, held_out) else None
    choice, told = decide(slot, held_out, trial)
    if trial is None or RANKER not in (choice.known, choice.unknown):
        return Learnt(None, choice, told)
    return Learnt(fit([*newest, *older], trial.trees, seed), choice, told)


def learnable(older: Sequence[Examples], held_out: Examples) -> bool:
    """Whether there is enough to learn an order from, and to tell whether it is a good one."""
    positives = sum(int(each.bought.sum()) for each in older)
    return positives >= LEAST_POSITIVES and len(held_out.sizes) >= LEAST_HELD_OUT


def attempt(
    older: Sequence[Examples],
    held_out: Examples,
    seed: int,
    setting: Setting = USUAL,
    *,
    until: float | None = None,
) -> Trial:
    """Fit a ranker to the older windows and measure it on the held-out ones.

    Args:
        older: the newest of them first.
        until: no tree is begun after this moment of `time.monotonic`; the trees there are by then are measured.
    """
    ranker = fit(older[: setting.windows], setting.most_trees, seed, setting, until=until)
    by_trees = _by_trees(ranker, held_out)
    trees = max(by_trees, key=lambda each: (by_trees[each].mean(), -each))
    return Trial(setting, trees, by_trees[trees])


def decide(slot: Slot, held_out: Examples, trial: Trial | None) -> tuple[Choice, dict[str, Any]]:
    """Who answers the slot: the ranker where it clearly beats the best single generator, else that one.

    Returns the choice, and NDCG@10 by name and by known or unknown customer.
    """
    choice, told = _best_generators(held_out, DEFAULTS[slot])
    if trial is None:
        return choice, {}
    told |= {"trees": trial.trees, "queries": len(held_out.sizes)}
    answers = {}
    for known in (True, False):
        of = held_out.known == known
        who = choice.of(known=known)
        group = "known" if known else "unknown"
        if of.sum() >= LEAST_HELD_OUT:
            gain = trial.ndcg[of] - ndcg(_column(held_out, who), held_out)[of]
            told[f"{RANKER}, {group}"] = float(trial.ndcg[of].mean())
            who = RANKER if gain.mean() > standard_error(gain, held_out.unit[of]) else who
        elif len(held_out.sizes) - of.sum() < LEAST_HELD_OUT:
            who = choice.of(known=known)
        answers[known] = who
    return Choice(answers[True], answers[False]), told


def fit(
    parts: Sequence[Examples],
    trees: int,
    seed: int,
    setting: Setting = USUAL,
    *,
    until: float | None = None,
) -> lgb.Booster:
    """A ranker of so many trees; the same parts and seed give the same text.

    Args:
        until: no tree is begun after this moment of `time.monotonic`; there is at least one.
    """
    rows = sum(len(each.item) for each in parts)
    leaf = int(np.clip(rows * LEAF_SHARE, SMALLEST_LEAF, LARGEST_LEAF))
    # The trees do not depend on the number of threads (`deterministic`); for few rows a second one is in the way.
    threads = 1 if rows < LEAST_ROWS_FOR_THREADS else THREADS
    parameters = {**PARAMETERS, "min_data_in_leaf": leaf, "seed": seed, "num_threads": threads}
    parameters |= setting.parameters
    stored = [_Stored(each.x) for each in parts if len(each.x)]
    data = lgb.Dataset(
        stored,
        label=np.concatenate([each.bought for each in parts]).astype(np.float32),
        group=np.concatenate([each.sizes for each in parts]),
        feature_name=[name.replace(":", "__") for name in parts[0].names],
        params=parameters,
    )
    return lgb.train(parameters, data, trees, callbacks=[] if until is None else [_ending(until)])


def _ending(until: float) -> Callable[[lgb.callback.CallbackEnv], None]:
    def look(at: lgb.callback.CallbackEnv) -> None:
        if time.monotonic() > until:
            raise lgb.callback.EarlyStopException(at.iteration, [])

    return look


def _by_trees(ranker: lgb.Booster, found: Examples) -> dict[int, npt.NDArray[np.float64]]:
    """NDCG@10 of each query by number of trees."""
    total = np.zeros(len(found.item))
    x = found.x.astype(np.float32)
    held: dict[int, npt.NDArray[np.float64]] = {}
    for start in range(0, ranker.current_iteration(), STEP):
        total += np.asarray(
            ranker.predict(x, start_iteration=start, num_iteration=STEP, num_threads=1), np.float64
        )
        held[min(start + STEP, ranker.current_iteration())] = ndcg(total, found)
    return held


def _best_generators(found: Examples, default: Choice) -> tuple[Choice, dict[str, Any]]:
    """The best single generator for known and for unknown customers; another than the default must clearly beat it."""
    told: dict[str, Any] = {}
    chosen = {}
    names = [name.removesuffix(":ratio") for name in found.names if name.endswith(":ratio")] + ["popular"]
    for known in (True, False):
        of = found.known == known
        usual = default.of(known=known)
        chosen[known] = usual
        if of.sum() < LEAST_HELD_OUT or usual not in names:
            continue
        measured = {name: ndcg(_column(found, name), found)[of] for name in names}
        told |= {
            f"{name}, {'known' if known else 'unknown'}": float(each.mean())
            for name, each in measured.items()
        }
        best = max(measured, key=lambda name: (measured[name].mean(), name))
        gain = measured[best] - measured[usual]
        # The best of m that are all alike lies so many errors ahead by chance alone.
        if gain.mean() > np.sqrt(2 * np.log(len(names))) * standard_error(gain, found.unit[of]):
            chosen[known] = best
    return Choice(chosen[True], chosen[False]), told


def _column(found: Examples, name: str) -> npt.NDArray[np.float32]:
    return found.x[:, found.names.index(name)].astype(np.float32)


def standard_error(differences: npt.NDArray[np.float64], unit: npt.NDArray[np.int64] | None = None) -> float:
    """Standard error of the mean where queries of one customer are alike; infinite for fewer than two customers.

    The sandwich of sums by customer (Liang and Zeger 1986): a small shop holds out several windows, in which the same
    customers ask again.

    Args:
        unit: int64 [n_queries], whose query each is; None = each is another's.
    """
    owner = np.arange(len(differences)) if unit is None else np.unique(unit, return_inverse=True)[1]
    units = int(owner.max(initial=-1)) + 1
    if units < 2:
        return float("inf")
    off = np.bincount(owner, differences - differences.mean())
    return float(np.sqrt((off**2).sum() * units / (units - 1)) / len(differences))
