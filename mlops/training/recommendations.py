"""The pipeline of recommendations: snapshot, choose (one recipe a part), measure, fit (and register), deploy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlops.deployments import store as deployments
from mlops.features import snapshots
from mlops.features.events import STOREFRONT_SLOTS
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from mlops.training import steps
from mlops.training.co_purchase import RECIPES
from mlops.training.models import RunState, TrainingRun
from mlops.training.pipeline import End, Pipeline, Step
from mlops.training.revision import code_revision
from mlops.validation import suites, tallies
from tenancy import incidents
from tenancy.models import Shop


def _snapshot(shop: Shop, run: TrainingRun, now: datetime) -> End | None:
    stop = incidents.halted(shop)
    if stop is not None:  # it was asked for before the data went wrong
        return End(RunState.FAILED, "training_halted", f"training is stopped: {stop.told}")
    run.validation = tallies.lineage(shop, suites.current(shop, now=now))
    run.snapshot = snapshots.take(shop, until=run.requested_at, now=now)
    if not run.snapshot.orders:
        told = "there are no orders to learn from yet; the storefront shows the newest products"
        return End(RunState.DONE, "no_orders", told)
    return None


def _choose(shop: Shop, run: TrainingRun, now: datetime) -> str | None:
    history = _history(run)
    if history.windows is None:
        return None
    tried = run.work.setdefault("recipes", {})
    left = [recipe for recipe in RECIPES if recipe.name not in tried]
    if left:
        tried[left[0].name] = steps.choose(history, left[0], seed=run.seed)
        return "choose"
    run.work["half_lives"] = steps.choose_half_life(history, seed=run.seed)
    return None


def _measure(shop: Shop, run: TrainingRun, now: datetime) -> None:
    run.work["metrics"] = steps.measure(_history(run), steps.trainer_of(run.work), seed=run.seed)


def _fit(shop: Shop, run: TrainingRun, now: datetime) -> None:
    snapshot = run.snapshot
    assert snapshot is not None
    trainer = steps.trainer_of(run.work)
    about = {
        "parameters": trainer.parameters(),
        "seed": run.seed,
        "snapshot": snapshot.digest,
        "orders": snapshot.orders,
        "lines": snapshot.lines,
        "metrics": run.work["metrics"],
    }
    run.version = registry.register(
        shop,
        use_case=UseCase.RECOMMENDATIONS,
        content=steps.fit(_history(run), trainer, about=about),
        metrics=run.work["metrics"],
        lineage=Lineage(
            run_id=run.pk,
            snapshot_id=snapshot.pk,
            snapshot_digest=snapshot.digest,
            data_since=snapshot.since,
            data_until=snapshot.until,
            parameters=trainer.parameters(),
            seed=run.seed,
            code_revision=code_revision(),
            duration_s=round(sum(run.work.get("steps", {}).values()), 3),
        ),
        now=now,
    )


def _deploy(shop: Shop, run: TrainingRun, now: datetime) -> End:
    assert run.version is not None
    for slot in STOREFRONT_SLOTS:
        deployments.deploy(shop, slot, run.version, actor=run.actor, reason=run.reason, now=now)
    return End(RunState.DONE)


def _history(run: TrainingRun) -> steps.History:
    assert run.snapshot is not None
    return steps.open_history(snapshots.read(run.snapshot))


def _recipes(work: Mapping[str, Any]) -> tuple[int, int]:
    return min(len(work.get("recipes", {})), len(RECIPES)), len(RECIPES) + 1


RECOMMENDATIONS = Pipeline(
    UseCase.RECOMMENDATIONS,
    (
        Step("snapshot", "collecting orders", _snapshot),
        Step("choose", "trying settings on your own orders", _choose, weight=4.0, parts=_recipes),
        Step("measure", "measuring on later orders", _measure),
        Step("fit", "learning from all orders", _fit),
        Step("deploy", "putting it live", _deploy, weight=0.1),
    ),
)
