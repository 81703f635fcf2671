"""May this version serve? One pure function, whoever asks: a person, a continuous integration job, or the clock.

Three questions, in this order:
1. Absolute gates: numbers that the shop (or its operator) asks for.
2. Beside the free baselines: not worse than the better of popularity and own frequency, beyond the interval.
3. Beside the version before: by `Promotion`, clearly better, or not worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Comparator(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


class Action(StrEnum):
    """What an absolute gate does."""

    REQUIRE = "require"  # where it does not hold, the version is shelved
    STAGE = "stage"  # where it holds, the version is good enough for staging, though it may not serve
    RETRAIN = "retrain"  # where it holds, the version is shelved and another training is called for


class Promotion(StrEnum):
    """How the version is compared with the one before it."""

    IMPROVES = "improves"  # at least `min_relative_improvement` better: for people and continuous integration
    NOT_WORSE = "not_worse"  # non-inferiority: for retraining by the clock
    ALWAYS = (
        "always"  # the version before must not serve on (an erased customer): nothing is asked of this one
    )


class Verdict(StrEnum):
    PROMOTE = "promote"  # may serve
    STAGE = "stage"  # kept warm, does not serve
    SHELVE = "shelve"  # kept, does not serve


@dataclass(frozen=True, slots=True)
class Gate:
    """Args:
    metric: a name of the values given, as `cart.ndcg@10`.
    """

    metric: str
    comparator: Comparator
    value: float
    action: Action = Action.REQUIRE

    def holds(self, found: float) -> bool:
        return {
            Comparator.ABOVE: found > self.value,
            Comparator.AT_LEAST: found >= self.value,
            Comparator.BELOW: found < self.value,
            Comparator.AT_MOST: found <= self.value,
        }[self.comparator]

    def __str__(self) -> str:
        return f"{self.metric} {self.comparator} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Beside:
    """The version less something else, relative to it, on the same queries.

    Args:
        gain, low, high: relative: 0.02 is two percent better.
    """

    name: str
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What a shop asks of a version.

    Args:
        min_relative_improvement: for `Promotion.IMPROVES`.
        margin: for `Promotion.NOT_WORSE`, how much worse the mean may be.
        lowest: for `Promotion.NOT_WORSE`, where the lower end of the 95 % interval must lie at least.
    """

    promotion: Promotion = Promotion.NOT_WORSE
    min_relative_improvement: float = 0.02
    margin: float = 0.0
    lowest: float = -0.005
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """Args:
    reasons: why it is not promoted, for people; empty when it is.
    checked: every question with its answer, ready for JSON.
    retrain: a gate calls for another training.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    checked: tuple[dict[str, Any], ...] = field(default=())
    retrain: bool = False


def judge(
    policy: Policy,
    values: Mapping[str, float],
    *,
    baselines: Sequence[Beside] = (),
    previous: Beside | None = None,
) -> Judged:
    """The verdict on a version.

    Args:
        values: its measures by name.
        baselines: the version beside the better free baseline, slot by slot, where it was measured.
        previous: the version beside the one before; None when there is none, or they cannot be compared.
    """
    reasons: list[str] = []
    checked: list[dict[str, Any]] = []
    staged = retrain = False
    for gate in policy.gates:
        found = values.get(gate.metric)
        holds = found is not None and gate.holds(found)
        checked.append({"gate": str(gate), "action": gate.action.value, "found": found, "holds": holds})
        if gate.action is Action.REQUIRE and not holds:
            told = "was not measured" if found is None else f"is {found:.4g}"
            reasons.append(f"{gate.metric} {told}, and must be {gate.comparator} {gate.value:g}")
        elif gate.action is Action.RETRAIN and holds:
            retrain = True
            reasons.append(f"{gate.metric} is {found:.4g}: below {gate.value:g} it must be trained anew")
        elif gate.action is Action.STAGE and holds:
            staged = True
    for beside in baselines:
        worse = beside.high < 0
        checked.append({"gate": f"not worse than {beside.name}", "found": beside.gain, "low": beside.low,
                        "high": beside.high, "holds": not worse})  # fmt: skip
        if worse:
            reasons.append(f"it is {-beside.gain:.1%} worse than {beside.name}")
    if previous is not None:
        told, holds = _beside_previous(policy, previous)
        checked.append({"gate": told, "found": previous.gain, "low": previous.low, "high": previous.high,
                        "holds": holds})  # fmt: skip
        if not holds:
            reasons.append(
                f"beside {previous.name} it gains {previous.gain:+.1%} ({previous.low:+.1%} to {previous.high:+.1%}),"
                f" and must be {told}"
            )
    if policy.promotion is Promotion.ALWAYS or not reasons:
        return Judged(Verdict.PROMOTE, (), tuple(checked), retrain)
    return Judged(
        Verdict.STAGE if staged and not retrain else Verdict.SHELVE, tuple(reasons), tuple(checked), retrain
    )


def _beside_previous(policy: Policy, previous: Beside) -> tuple[str, bool]:
    if policy.promotion is Promotion.IMPROVES:
        least = policy.min_relative_improvement
        return f"at least {least:.1%} better than the version before", previous.gain >= least
    if policy.promotion is Promotion.NOT_WORSE:
        told = f"not worse than the version before (interval from {policy.lowest:.1%})"
        return told, previous.gain >= -policy.margin and previous.low >= policy.lowest
    return "whatever the version before was", True
