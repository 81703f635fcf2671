"""Shell of training: takes a run one step further at a time.

    snapshot -> choose (one recipe a step) -> measure -> fit (and register) -> deploy -> done

A step computes, then saves what it found and the next state in one transaction that holds the shop's TRAINING lock. A
process that dies gives the lock back at once, and the tick begins the same step again; how often a step was begun is
counted before it begins, so one that kills its worker is given up after `MOST_ATTEMPTS`.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.db import IntegrityError, transaction

from mlops.deployments import store as deployments
from mlops.features import snapshots
from mlops.features.events import STOREFRONT_SLOTS
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from mlops.training import steps
from mlops.training.co_purchase import RECIPES
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.revision import code_revision
from mlops.validation import suites, tallies
from tenancy import incidents
from tenancy.errors import UserFixable
from tenancy.locks import LockKind, try_lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading

log = logging.getLogger("shelfwise.training")
MOST_ATTEMPTS = 5


class TrainingHalted(UserFixable):
    """An open incident says that the shop's data must not be learnt from."""

    code = "training_halted"


def request(shop: Shop, *, reason: str, actor: str, now: datetime) -> TrainingRun:
    """Ask for a new version; while a run is open, the same run again. Call it in the shop's scope or outside any.

    Raises:
        TrainingHalted: an incident stops the training of this shop; nothing was begun.
    """
    from mlops.training.tasks import step
    from tenancy.scope import scope

    stop = incidents.halted(shop)
    if stop is not None:
        raise TrainingHalted(
            f"Training is stopped since {stop.opened_at:%Y-%m-%d %H:%M} UTC: {stop.told}",
            next_step=stop.next_step,
        )
    with scope(shop):
        try:
            with transaction.atomic():
                run = TrainingRun.objects.create(shop=shop, reason=reason, actor=actor, requested_at=now)
        except IntegrityError:
            run = TrainingRun.objects.exclude(state__in=FINAL).get(use_case=UseCase.RECOMMENDATIONS)
    step.send(shop)
    return run


def open_run(shop: Shop) -> TrainingRun | None:
    """The run under way in the scope's shop."""
    return TrainingRun.objects.exclude(state__in=FINAL).filter(shop_id=shop.pk).first()


@reading(actor="system:training", purpose=Purpose.TRAINING)
def advance(shop: Shop, *, now: datetime) -> bool:
    """Take the shop's open run one step further; True when there is more to do.

    False also when another process is at it.
    """
    with transaction.atomic():
        if not try_lock(shop, LockKind.TRAINING):
            return False
        run = open_run(shop)
        if run is None:
            return False
        if run.attempts >= MOST_ATTEMPTS:
            _end(run, RunState.FAILED, now, "gave_up", f"the step {run.state} failed {run.attempts} times")
            return False
        run.attempts += 1
        run.in_flight_since = now
        run.started_at = run.started_at or now
        run.save(update_fields=["attempts", "in_flight_since", "started_at"])
    with transaction.atomic():
        if not try_lock(shop, LockKind.TRAINING):
            return False
        run = open_run(shop)
        if run is None:
            return False
        began, state = time.monotonic(), run.state
        _STEPS[RunState(run.state)](shop, run, now)
        seconds = time.monotonic() - began
        if run.state not in FINAL:
            run.work["seconds"] = round(run.work.get("seconds", 0.0) + seconds, 3)
            run.attempts, run.in_flight_since = 0, None
            fields = ["state", "work", "snapshot", "version", "validation", "attempts", "in_flight_since"]
            run.save(update_fields=fields)
        log.info(
            "training.step", extra={"shop_id": shop.pk, "run": run.pk, "step": state, "s": round(seconds, 2)}
        )
        return run.state not in FINAL


def _snapshot(shop: Shop, run: TrainingRun, now: datetime) -> None:
    stop = incidents.halted(shop)
    if stop is not None:  # it was asked for before the data went wrong
        _end(run, RunState.FAILED, now, "training_halted", f"training is stopped: {stop.told}")
        return
    run.validation = tallies.lineage(shop, suites.current(shop, now=now))
    run.snapshot = snapshots.take(shop, until=run.requested_at, now=now)
    if not run.snapshot.orders:
        message = "there are no orders to learn from yet; the storefront shows the newest products"
        run.save(update_fields=["snapshot", "validation"])
        _end(run, RunState.DONE, now, "no_orders", message)
        return
    run.state = RunState.CHOOSE


def _choose(shop: Shop, run: TrainingRun, now: datetime) -> None:
    history = _history(run)
    if history.windows is None:
        run.state = RunState.MEASURE
        return
    tried = run.work.setdefault("recipes", {})
    left = [recipe for recipe in RECIPES if recipe.name not in tried]
    if left:
        tried[left[0].name] = steps.choose(history, left[0], seed=run.seed)
        return
    run.work["half_lives"] = steps.choose_half_life(history, seed=run.seed)
    run.state = RunState.MEASURE


def _measure(shop: Shop, run: TrainingRun, now: datetime) -> None:
    run.work["metrics"] = steps.measure(_history(run), steps.trainer_of(run.work), seed=run.seed)
    run.state = RunState.FIT


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
            duration_s=run.work.get("seconds", 0.0),
        ),
        now=now,
    )
    run.state = RunState.DEPLOY


def _deploy(shop: Shop, run: TrainingRun, now: datetime) -> None:
    assert run.version is not None
    for slot in STOREFRONT_SLOTS:
        deployments.deploy(shop, slot, run.version, actor=run.actor, reason=run.reason, now=now)
    _end(run, RunState.DONE, now, "", "")


def _history(run: TrainingRun) -> steps.History:
    assert run.snapshot is not None
    return steps.open_history(snapshots.read(run.snapshot))


def _end(run: TrainingRun, state: RunState, now: datetime, code: str, message: str) -> None:
    run.state, run.finished_at, run.in_flight_since, run.code, run.message = state, now, None, code, message
    run.save(update_fields=["state", "finished_at", "in_flight_since", "code", "message"])


_STEPS = {
    RunState.SNAPSHOT: _snapshot,
    RunState.CHOOSE: _choose,
    RunState.MEASURE: _measure,
    RunState.FIT: _fit,
    RunState.DEPLOY: _deploy,
}
