"""The steps of a run that compute: frame in, JSON-able findings or artefact bytes out. Pure.

Each is a function of the snapshot, the seed and the findings of the steps before it, so a step that is repeated after
a crash finds the same, and the same snapshot gives the same artefact byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops.features.events import STOREFRONT_SLOTS, SlotName
from mlops.predictors import artefact
from mlops.predictors.item_to_item import CoPurchase
from mlops.training import co_purchase, measures
from mlops.training.co_purchase import HALF_LIVES_DAYS, RECIPES, CoPurchaseTrainer, Recipe
from mlops.training.purchases import Purchases, from_frame, moment
from mlops.training.queries import Query, queries
from mlops.training.splits import Windows, windows

# What a shop too small to choose for itself gets.
DEFAULT_RECIPE = RECIPES[0]
DEFAULT_HALF_LIFE_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class History:
    """A snapshot as the steps use it.

    Args:
        windows: None when the history is too short to measure anything.
    """

    bought: Purchases
    windows: Windows | None


def open_history(frame: pl.DataFrame) -> History:
    bought = from_frame(frame)
    if not bought.n_orders:
        return History(bought, None)
    first, last = moment(int(bought.ordered_at_us[0])), moment(int(bought.ordered_at_us[-1]))
    return History(bought, windows(first=first, last=last, orders=bought.n_orders))


def choose(history: History, recipe: Recipe, *, seed: int) -> dict[str, float]:
    """NDCG@10 of one recipe on the validation window, by slot."""
    split = _split(history)
    fit = history.bought.before(split.validation_from)
    window = history.bought.between(split.validation_from, split.test_from)
    table = co_purchase.neighbours(fit, recipe, now=split.validation_from)
    # Nothing trends here: a recipe is judged by its neighbours alone.
    predictor = CoPurchase(
        fit.product_ids, table, table, co_purchase.trending(fit, 1.0, now=split.validation_from)
    )
    found: dict[str, float] = {}
    for slot in (SlotName.PRODUCT_PAGE, SlotName.CART):
        asked = queries(slot, window, fit.product_ids, np.random.default_rng(seed))
        found[slot.value] = _mean_ndcg(_answers(predictor, slot, asked, fill=False), asked)
    return found


def choose_half_life(history: History, *, seed: int) -> dict[str, float]:
    """NDCG@10 of trending on the home slot in the validation window, by half-life."""
    split = _split(history)
    fit = history.bought.before(split.validation_from)
    window = history.bought.between(split.validation_from, split.test_from)
    asked = queries(SlotName.HOME, window, fit.product_ids, np.random.default_rng(seed))
    found: dict[str, float] = {}
    for half_life in HALF_LIVES_DAYS:
        trend = co_purchase.trending(fit, half_life, now=split.validation_from)
        head = fit.product_ids[trend.order_[: measures.DEPTH]].tolist()
        found[str(half_life)] = _mean_ndcg([head] * len(asked), asked)
    return found


def trainer_of(work: Mapping[str, Any]) -> CoPurchaseTrainer:
    """The best settings found, the earlier one on a tie; the defaults when nothing could be measured."""
    scores: Mapping[str, Mapping[str, float]] = work.get("recipes", {})
    tried = [recipe for recipe in RECIPES if recipe.name in scores]

    def best(slot: SlotName) -> Recipe:
        return max(tried, key=lambda recipe: scores[recipe.name][slot.value], default=DEFAULT_RECIPE)

    lives: Mapping[str, float] = work.get("half_lives", {})
    half_life = max(HALF_LIVES_DAYS, key=lambda each: lives[str(each)]) if lives else DEFAULT_HALF_LIFE_DAYS
    return CoPurchaseTrainer(best(SlotName.PRODUCT_PAGE), best(SlotName.CART), half_life)


def measure(history: History, trainer: CoPurchaseTrainer, *, seed: int) -> dict[str, Any]:
    """The trainer on the test window, by slot, beside popularity: what every model must beat.

    Popularity is the number of orders ever; on the home slot, where nothing is known of the visitor, the model is
    popularity with a half-life.
    """
    if history.windows is None:
        return {"measured": False, "orders": history.bought.n_orders}
    split = history.windows
    fit = history.bought.before(split.test_from)
    window = history.bought.between(split.test_from, split.until)
    predictor = trainer.fit(fit, now=split.test_from)
    ever = co_purchase.trending(fit, 1e6, now=split.test_from)
    popular: list[int] = fit.product_ids[ever.order_[: measures.DEPTH * 3]].tolist()
    slots: dict[str, Any] = {}
    for slot in STOREFRONT_SLOTS:
        asked = queries(slot, window, fit.product_ids, np.random.default_rng(seed))
        baseline = [[each for each in popular if each not in set(query.context)] for query in asked]
        slots[slot.value] = measures.report(
            rankings=_answers(predictor, slot, asked, fill=True),
            baseline=[ranking[: measures.DEPTH] for ranking in baseline],
            relevant=[query.relevant for query in asked],
            units=[query.unit for query in asked],
            catalogue_size=len(fit.product_ids),
            seed=seed,
        )
    return {
        "measured": True,
        "catalogue": len(fit.product_ids),
        "baseline": "number of orders",
        "test_from": split.test_from.isoformat(),
        "test_until": split.until.isoformat(),
        "slots": slots,
    }


def fit(history: History, trainer: CoPurchaseTrainer, *, about: Mapping[str, Any]) -> bytes:
    """The artefact of the trainer on the whole history."""
    last = int(history.bought.ordered_at_us[-1])
    return artefact.pack(trainer.fit(history.bought, now=moment(last)), about)


def _answers(predictor: CoPurchase, slot: SlotName, asked: Sequence[Query], *, fill: bool) -> list[list[int]]:
    """Per query the first `DEPTH` products; with `fill`, trending follows the neighbours as it does when serving."""
    if slot == SlotName.PRODUCT_PAGE:
        found = predictor.similar_many([query.context[0] for query in asked], measures.DEPTH)
    elif slot == SlotName.CART:
        found = predictor.for_carts([query.context for query in asked], measures.DEPTH)
    else:
        found = [predictor.trending(measures.DEPTH)] * len(asked)
    answers: list[list[int]] = [each.product_ids.tolist() for each in found]
    if fill:
        trend: list[int] = predictor.trending(measures.DEPTH * 4).product_ids.tolist()
        for answer, query in zip(answers, asked, strict=True):
            if len(answer) < measures.DEPTH:
                taken = {*answer, *query.context}
                answer += [each for each in trend if each not in taken][: measures.DEPTH - len(answer)]
    return answers


def _mean_ndcg(answers: Sequence[Sequence[int]], asked: Sequence[Query]) -> float:
    if not asked:
        return 0.0
    found = [measures.ndcg(answer, query.relevant, 10) for answer, query in zip(answers, asked, strict=True)]
    return float(np.mean(found))


def _split(history: History) -> Windows:
    if history.windows is None:
        raise ValueError("the history is too short to choose settings on")
    return history.windows
