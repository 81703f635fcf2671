"""What the steps of `mlops.training.recommendations` share: the run's `work` read and written, files opened, rivals built."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl
from django.conf import settings

from mlops.feature_store import loading, offers, registered
from mlops.features import snapshots
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender
from mlops.predictors.recommend.signals import Floats, Signals
from mlops.predictors.recommend.two_stage import RANKER, TwoStage
from mlops.registry.models import UseCase, Version
from mlops.training import workfiles
from mlops.training.budget import Budget
from mlops.training.models import TrainingRun
from mlops.training.recommend import measured
from mlops.training.recommend.examples import Examples, joined
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.measured import Answered
from mlops.training.recommend.ranking import fit
from mlops.training.recommend.recipes import BY_NAME, RANKED, Recipe
from mlops.training.recommend.shop_history import History, open_history
from mlops.training.revision import lock_hash
from tenancy.models import Shop

Work = dict[str, Any]
# Read as of the test window; what is in stock decides nothing that is learnt, it is measured.
VIEWS = (offers.PRODUCT,)


def history(run: TrainingRun) -> History:
    """The frozen history of the run."""
    assert run.snapshot is not None
    frame, catalogue = snapshots.read(run.snapshot), snapshots.read_catalogue(run.snapshot)
    return open_history(frame, catalogue, halvings=run.work.get("halvings", 0))


def signals(found: History, at: float, work: Work) -> Signals:
    """Generators and features on what was sold before a moment: by the same numbers for the measured model and the last."""
    return fit_signals(
        found.sales.before(at), at, work["length"], half_life=work["half_life"], content=found.content
    )


def budget(run: TrainingRun) -> Budget:
    """What is left for the step that begins now."""
    spent = float(sum(run.work.get("steps", {}).values()))
    return Budget(settings.TRAINING_MAX_SECONDS, settings.TRAINING_MAX_MODELS, spent, time.monotonic())


def seconds_of_a_window(work: Work) -> float:
    """The longest that one took; 0 before the first."""
    return max((float(each["seconds"]) for each in work.get("windows", [])), default=0.0)


def slots(work: Mapping[str, Any]) -> list[Slot]:
    """The slots that were asked for in some window."""
    return [slot for slot in RANKED if any(slot.value in each["slots"] for each in work["windows"])]


def held_out_queries(work: Mapping[str, Any], slot: Slot) -> int:
    return sum(
        int(each["slots"][slot.value]["queries"]) for each in work["windows"] if slot.value in each["slots"]
    )


def next_slot(done: Mapping[str, Any]) -> Slot | None:
    """The first slot that is not done yet."""
    return next((slot for slot in RANKED if slot.value not in done), None)


def examples(shop: Shop, work: Work, slot: Slot) -> tuple[list[Examples], list[Examples], Examples | None]:
    """A slot's examples: of the windows that teach, of the held-out ones, and the held-out queries; None without any."""
    older: list[Examples] = []
    newest: list[Examples] = []
    held_out: list[Examples] = []
    for window in work["windows"]:
        told = window["slots"].get(slot.value)
        if told is None:
            continue
        sampled = [workfiles.read_examples(shop.pk, each) for each in told["sampled"]]
        if told["held_out"] is None:
            older += sampled
        else:
            newest += sampled
            held_out.append(workfiles.read_examples(shop.pk, told["held_out"]))
    return older, newest, joined(held_out) if held_out else None


def fitted(parts: Sequence[Examples], recipe: Recipe, seed: int, until: float) -> lgb.Booster:
    """A ranker by a recipe."""
    setting = BY_NAME[recipe.setting]
    most = None if setting.windows is None else setting.windows + 1
    return fit(parts[:most], recipe.trees, seed, setting, until=until)


def keep_ranker(shop: Shop, ranker: lgb.Booster) -> str:
    return workfiles.keep(shop.pk, {"text": np.frombuffer(ranker.model_to_string().encode(), np.uint8)})


def rankers(shop: Shop, kept: Mapping[str, str]) -> dict[Slot, lgb.Booster]:
    """The rankers of these files, by slot."""
    return {
        Slot(name): lgb.Booster(model_str=workfiles.read(shop.pk, digest)["text"].tobytes().decode())
        for name, digest in kept.items()
    }


def recipes(work: Work) -> dict[Slot, Recipe]:
    return {Slot(name): Recipe.from_json(told) for name, told in work["recipes"].items()}


def setting_before(run: TrainingRun) -> str | None:
    """The setting that most slots of the version before have."""
    before = previous_recipes(run)
    names = [each.setting for each in before.values() if each.trees]
    return max(sorted(set(names)), key=names.count) if names else None


def previous_recipes(run: TrainingRun) -> dict[Slot, Recipe]:
    """The recipes of the newest version of the shop, where it has any of this build."""
    version = previous_version(run)
    try:
        told = version.parameters["recipe"] if version is not None else {}
        return {Slot(name): Recipe.from_json(each) for name, each in told.items()}
    except (KeyError, TypeError, ValueError):
        return {}


def previous_version(run: TrainingRun) -> Version | None:
    return (
        Version.objects.filter(use_case=UseCase.RECOMMENDATIONS, kind=ShopRecommender.kind)
        .exclude(run_id=run.pk)
        .order_by("-number")
        .first()
    )


def previous_model(
    shop: Shop, run: TrainingRun, found: Signals, newcomers: Floats, model: TwoStage
) -> TwoStage | None:
    """The recipes of the version before, fitted to what this version was fitted to; None when there are none.

    The stored version itself has seen the orders of the test window, so it cannot be asked about them. The recipe, fitted
    anew without them, can; where it is this version's own, it is this version's model.
    """
    before, work = previous_recipes(run), run.work
    if set(before) != set(RANKED):
        return None
    now = recipes(work)
    if before == now:
        return model
    kept, left = dict(model.rankers), budget(run)
    for slot, recipe in before.items():
        if RANKER not in (recipe.choice.known, recipe.choice.unknown):
            continue
        if (recipe.setting, recipe.trees) != (now[slot].setting, now[slot].trees):
            older, newest, _ = examples(shop, work, slot)
            keep = 2 * seconds_of_a_window(work)
            if not (older or newest) or left.left() < keep:
                return None
            kept[slot] = fitted([*newest, *older], recipe, run.seed, left.until(keep=keep))
        elif slot not in kept:
            return None
    return TwoStage(found, newcomers, kept, {slot: each.choice for slot, each in before.items()})


def previous_told(run: TrainingRun, before: TwoStage | None) -> dict[str, Any]:
    """Which version that was, and why it was not asked, for people."""
    version = previous_version(run)
    if version is None:
        return {"number": None, "why": "there is no earlier version of this kind"}
    why = "" if before is not None else "its recipe could not be fitted anew"
    return {"number": version.number, "why": why}


def give_way(
    run: TrainingRun, found: dict[Slot, Answered], model: TwoStage
) -> tuple[TwoStage, dict[str, str]]:
    """Let a baseline answer where the model is worse than it beyond the interval; the model that results, and who took over."""
    work, told = run.work, {}
    choices, newcomers = dict(model.choices), model.newcomers
    for slot, answered in found.items():
        choice = measured.giving_way(slot, answered, run.seed)
        if choice is None:
            continue
        told[slot.value] = measured.better_baseline(answered)
        if slot == Slot.COLD:
            newcomers = model.signals.popularity["popular"]
        else:
            choices[slot] = choice
            work["recipes"][slot.value] = Recipe(work["recipes"][slot.value]["setting"], 0, choice).to_json()
            work["rankers"].pop(slot.value, None)
    if not told:
        return model, told
    changed = replace(model, newcomers=newcomers, choices=choices)
    for slot, answered in found.items():
        if slot.value in told:
            answered.answers["model"] = measured.answers_of(changed, answered.asked.batch)
    return changed, told


def in_stock(shop: Shop, found: History, day: float) -> npt.NDArray[np.bool_] | None:
    """What could be bought at that moment, as far as it is known; None when nothing is known of stock."""
    at = moment(day)
    asked = pl.DataFrame({"product_id": found.product_ids}).with_columns(at=pl.lit(at))
    told = loading.frame(shop, VIEWS, asked, known_by=datetime.now(UTC))[f"{offers.PRODUCT.name}.in_stock"]
    if told.null_count() == len(told):
        return None
    return told.fill_null(0.0).to_numpy() > 0


def features(shop: Shop, now: datetime) -> dict[str, str]:
    """The versions of the views that were read, by view."""
    return {name: row.digest for name, row in registered.ensure(shop, VIEWS, now=now).items()}


def values(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Measures by the names that gates use: `cart.ndcg@10`."""
    found = {}
    for place, told in (metrics.get("slots") or {}).items():
        for name, each in (told.get("more") or {}).items():
            found[f"{place}.{name}"] = float(each["value"] if isinstance(each, dict) else each)
    return found


def parameters(run: TrainingRun, found: Mapping[Slot, Recipe]) -> dict[str, Any]:
    """Everything that was decided, so that the same snapshot gives the same bytes again."""
    work = run.work
    return {
        "recipe": {slot.value: each.to_json() for slot, each in found.items()},
        "half_life": work["half_life"],
        "window_days": work["length"],
        "windows": len(work["windows"]),
        "halvings": work.get("halvings", 0),
        "share_of_queries": work["share"],
        "lock": lock_hash(),
        **({"cut_short": work["cut_short"]} if "cut_short" in work else {}),
    }


def trials_told(work: Work) -> list[dict[str, Any]]:
    """What was tried, without names of files."""
    return [{name: each[name] for name in each if name != "each"} for each in work["trials"]]


def moment(day: float) -> datetime:
    """Days since 1970 as a time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
