"""What is chosen for each slot, and the short list that it is chosen from. Pure.

The settings are tried in this order while the budget lasts, the first one on all slots, then the next. One is taken instead of
the version's before (the usual one, when there is none) only where it is better on the validation window by a standard error of
the paired difference: of several that are equally good, one is always best by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.two_stage import Choice
from mlops.training.recommend.ranking import DEFAULTS, USUAL, Setting, Trial, standard_error

SETTINGS: tuple[Setting, ...] = (
    USUAL,
    Setting("wider", {"num_leaves": 31, "lambda_l2": 10.0}),
    Setting("newer", windows=2),
    Setting("slower", {"learning_rate": 0.05}, most_trees=240),
    Setting("plainer", {"num_leaves": 7}),
)
BY_NAME: Mapping[str, Setting] = {each.name: each for each in SETTINGS}
RANKED: tuple[Slot, ...] = tuple(slot for slot in Slot if slot != Slot.COLD)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one slot is answered, so that the same can be fitted to other orders.

    Args:
        setting: name of the ranker's setting.
        trees: 0 when there is no ranker.
    """

    setting: str
    trees: int
    choice: Choice

    def to_json(self) -> dict[str, Any]:
        return {
            "setting": self.setting, "trees": self.trees, "known": self.choice.known, "unknown": self.choice.unknown
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Recipe:
        """Raises:
        KeyError: it is no recipe of this build.
        """
        BY_NAME[told["setting"]]
        return cls(told["setting"], int(told["trees"]), Choice(told["known"], told["unknown"]))


def usual(slot: Slot) -> Recipe:
    """Without anything measured: the slot's usual generator."""
    return Recipe(USUAL.name, 0, DEFAULTS[slot])


def to_try(before: str | None, slots: Sequence[Slot] = RANKED) -> list[tuple[Setting, Slot]]:
    """The trials in their order.

    Args:
        before: the setting of the version before, which comes first.
    """
    ordered = sorted(SETTINGS, key=lambda each: each.name != before)
    return [(setting, slot) for setting in ordered for slot in slots]


def best(trials: Sequence[Trial]) -> Trial | None:
    """The first one, or the best of those that beat it clearly; None when there is none."""
    if not trials:
        return None
    first, found = trials[0], trials[0]
    for each in trials[1:]:
        gain = each.ndcg - first.ndcg
        if gain.mean() > standard_error(gain) and each.ndcg.mean() > found.ndcg.mean():
            found = each
    return found
