"""What to show to somebody of whom nothing is known: one list for the shop, learnt from what newcomers bought. Pure.

Each item's chance is a softmax of logarithms of its decayed shares of sales (several half-lives; all orders, and customers'
first orders alone). The weights are learnt on windows of the past: which mixture of what sold lately and what sells always
told best what newcomers went on to buy. A single half-life, chosen on the same windows, is served where it does as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import Floats
from mlops.training.recommend.item_signals import HALF_LIVES, popularity
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.windows import Asked, ask

# Windows overlap: a new one begins every quarter of a window.
STRIDE, MOST_WINDOWS = 0.25, 16
LEAST_NEWCOMERS = 30
LEAST_ROWS = 200
RIDGE = 0.01
# Shares are per item of the catalogue; this is added before the logarithm, so that an unsold item is not minus infinity.
FLOOR = 0.1
SHARES = (*(f"h{each:g}" for each in HALF_LIVES), "first_h20", "first_h60", "first_h150")

_DISCOUNT = 1 / np.log2(np.arange(2, 12))


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Args:
    half_life: name of the share that alone told best what was bought.
    weights: float64 [len(SHARES)] of the mixture; None when a single share does as well or newcomers are too few.
    held_out: NDCG@10 on the newest window of `single` and `mixture`, when both could be measured.
    """

    half_life: str
    weights: npt.NDArray[np.float64] | None
    held_out: dict[str, float]

    def scores(self, shares: dict[str, Floats]) -> Floats:
        """Score of each item, higher is better."""
        if self.weights is None:
            return shares[self.half_life]
        return (_design(shares) @ self.weights).astype(np.float32)


def fit_cold_start(sales: Sales, now: float, length: float, seed: int) -> ColdStart:
    """Choose and learn on windows before `now`."""
    windows: list[tuple[float, dict[str, Floats], Asked, Asked]] = []
    for place in range(MOST_WINDOWS):
        start = now - length * (1 + place * STRIDE)
        before = sales.before(start)
        if len(before) < LEAST_ROWS or (sales.dated and start - sales.day[0] < length):
            break
        generator = np.random.default_rng([seed, place])
        cold = ask(Slot.COLD, sales, start, length, generator)
        everybody = ask(Slot.HOME, sales, start, length, generator)
        windows.append((start, popularity(before, start), cold, everybody))
        if not sales.dated:
            break
    if not windows:
        return ColdStart("h30", None, {})
    half_life = _best_half_life([(shares, cold, everybody) for _, shares, cold, everybody in windows])
    learnable = [(start, shares, cold) for start, shares, cold, _ in windows if len(cold) >= LEAST_NEWCOMERS]
    newest = now - length
    if not learnable or learnable[0][0] < newest:
        return ColdStart(half_life, None, {})
    earlier = [(shares, cold) for start, shares, cold in learnable if start + length <= newest]
    if not earlier:
        return ColdStart(half_life, None, {})
    _, shares, truth = learnable[0]
    single_by = max(SHARES, key=lambda name: (np.mean([_ndcg(s[name], t) for s, t in earlier]), name))
    single = _ndcg(shares[single_by], truth)
    mixture = _ndcg(_design(shares) @ _learn(earlier), truth)
    held_out = {"single": single, "mixture": mixture}
    if mixture < single:
        return ColdStart(single_by, None, held_out)
    return ColdStart(half_life, _learn([(s, t) for _, s, t in learnable]), held_out)


def _best_half_life(windows: list[tuple[dict[str, Floats], Asked, Asked]]) -> str:
    """The half-life whose list was best for everybody who bought in the windows."""

    def told(name: str) -> float:
        found = [
            _ndcg(shares[name], truth)
            for shares, cold, home in windows
            for truth in (cold, home)
            if len(truth)
        ]
        return float(np.mean(found)) if found else 0.0

    names = [f"h{each:g}" for each in HALF_LIVES]
    return max(names, key=lambda name: (told(name), name == "h30"))


def _design(shares: dict[str, Floats]) -> npt.NDArray[np.float64]:
    n = len(shares[SHARES[0]])
    return np.stack([np.log(shares[name].astype(np.float64) * n + FLOOR) for name in SHARES], axis=1)


def _gain(truth: Asked, n: int) -> npt.NDArray[np.float64]:
    """What each item would have brought, a customer's best list being worth 1."""
    found: npt.NDArray[np.float64] = np.zeros(n)
    for items in truth.relevant:
        found[items] += 1 / _DISCOUNT[: len(items)].sum()
    return np.asarray(found / found.sum())


def _learn(windows: list[tuple[dict[str, Floats], Asked]]) -> npt.NDArray[np.float64]:
    """Weights of the least cross entropy between the softmax and the gains, with a ridge."""
    told = []
    for shares, truth in windows:
        sold = np.flatnonzero(shares["h365"] > 0)
        told.append((_design(shares)[sold], _gain(truth, len(shares["h365"]))[sold]))

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        value, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for design, gain in told:
            score = design @ weights
            score -= score.max()
            chance = np.exp(score)
            total = chance.sum()
            value -= float(gain @ (score - np.log(total))) / len(told)
            slope = slope + design.T @ (gain.sum() * chance / total - gain) / len(told)
        return value, slope

    start = np.full(len(SHARES), 1 / len(SHARES))
    found: npt.NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found


def _ndcg(scores: npt.NDArray[np.floating], truth: Asked) -> float:
    """Mean NDCG@10 of one list for all of the queries."""
    place = np.full(len(scores), 10)
    first = np.argsort(-scores, kind="stable")[:10]
    place[first] = np.arange(len(first))
    discount = np.append(_DISCOUNT, 0.0)
    found = [discount[place[items]].sum() / _DISCOUNT[: len(items)].sum() for items in truth.relevant]
    return float(np.mean(found)) if found else 0.0
