"""Why an item stands where it stands: the ranker's contributions, gathered into reasons that a merchant knows. Pure.

A contribution is what a feature added to or took from the score of this item for this query (Lundberg and Lee 2017; LightGBM's
`pred_contrib`); those of one query sum to its score but for a constant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mlops.backtest.measures.intervals import Doubles
from mlops.predictors.recommend.features import Slot, pairs
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.predictors.recommend.two_stage import RANKER, Answer, TwoStage


class Reason(StrEnum):
    """What a feature or generator speaks of."""

    OWN = "this customer's own history of it"
    ALIKE = "what customers alike bought"
    PROFILE = "goes with what this customer bought"
    CONTEXT = "goes with what is looked at"
    CONTENT = "alike by its words"
    SELLS = "sells well now"
    SEASON = "sold at this time last year"
    PRICE = "its price"
    NATURE = "what kind of product it is"
    CUSTOMER = "what kind of customer asks"
    NEWCOMERS = "what newcomers buy"
    OTHER = "other"


_FIRST_MATCH: tuple[tuple[str, Reason], ...] = (
    (r"content|text|title|code", Reason.CONTENT),
    (r"^(own_|x_own)", Reason.OWN),
    (r"^knn", Reason.ALIKE),
    (r"season", Reason.SEASON),
    (r"price", Reason.PRICE),
    (r"^(x_|to_x_)", Reason.CONTEXT),
    (r"^(customer_h|customer_r|fresh|order_h|cosine|recent|next|ease|factors|sequence)", Reason.PROFILE),
    (r"^(popular|pop_|trend|log_orders|since_last|new_share|named_share|first_)", Reason.SELLS),
    (r"^(c_|ahead)", Reason.CUSTOMER),
    (r"^(age|rebuy|buyers|basket|log_units)", Reason.NATURE),
)


def reason_of(name: str) -> Reason:
    """What this feature or generator speaks of."""
    return next((reason for pattern, reason in _FIRST_MATCH if re.search(pattern, name)), Reason.OTHER)


@dataclass(frozen=True, slots=True)
class Why:
    """Of one answered item.

    Args:
        by: `ranker`, or the generator that answers where no ranker beat it.
        reasons: contributions summed by reason, largest first; all of one for a generator.
        features: the largest single ones by name.
    """

    by: str
    reasons: tuple[tuple[Reason, float], ...]
    features: tuple[tuple[str, float], ...]


def why(recommender: TwoStage, slot: Slot, query: Batch, answer: Answer, most: int = 5) -> list[Why]:
    """Of each item of the answer to one query, in its order."""
    choice = recommender.choices.get(slot)
    if choice is None or slot == Slot.COLD:
        return [_single(Reason.NEWCOMERS.value, Reason.NEWCOMERS) for _ in answer.item]
    by = choice.of(known=bool(query.customer[0] != UNKNOWN))
    ranker = recommender.rankers.get(slot)
    if by != RANKER or ranker is None:
        return [_single(by, reason_of(by)) for _ in answer.item]
    found = pairs(recommender.signals, query, slot)
    places = {int(item): place for place, item in enumerate(found.item)}
    held = [places[int(item)] for item in answer.item if int(item) in places]
    told: dict[int, Doubles] = {}
    if held:
        x = found.x[held].astype(np.float32)
        contributions = np.asarray(ranker.predict(x, pred_contrib=True, num_threads=1), np.float64)
        told = dict(zip(held, contributions[:, :-1], strict=True))
    return [
        _of_ranker(told[places[int(item)]], found.names, most)
        if int(item) in places
        else _single("the list that fills up", Reason.NEWCOMERS)
        for item in answer.item
    ]


def _single(by: str, reason: Reason) -> Why:
    return Why(by, ((reason, 1.0),), ())


def _of_ranker(contributions: Doubles, names: tuple[str, ...], most: int) -> Why:
    summed: dict[Reason, float] = {}
    for name, value in zip(names, contributions, strict=True):
        reason = reason_of(name)
        summed[reason] = summed.get(reason, 0.0) + float(value)
    reasons = sorted(summed.items(), key=lambda each: (-each[1], each[0]))
    order = np.argsort(-np.abs(contributions), kind="stable")[:most]
    return Why(RANKER, tuple(reasons), tuple((names[k], float(contributions[k])) for k in order))
