"""Shell of training: takes a run one step further at a time, whatever it trains (`mlops.training.pipelines`).

A step computes, then what it found and the next state are saved in one transaction that holds the shop's TRAINING lock. A
process that dies gives the lock back at once, and the tick begins the same step again; how often a step was begun is
counted before it begins, so one that kills its worker is given up after `MOST_ATTEMPTS`. One that raises is tried again
after `RETRY_AFTER`, because what is wrong then (a full disk, a service that is away) rarely passes within a second.

A shop has at most one open run of each use case; they take turns, the one that was asked for first goes first, and never
compute side by side: the memory of one training is bounded, that of several is not.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from mlops.registry.models import UseCase
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.pipeline import End, Pipeline
from mlops.training.pipelines import pipeline
from tenancy import incidents
from tenancy.errors import UserFixable
from tenancy.locks import LockKind, try_lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading

log = logging.getLogger("shelfwise.training")
MOST_ATTEMPTS = 5
RETRY_AFTER = timedelta(minutes=5)


class TrainingHalted(UserFixable):
    """An open incident says that the shop's data must not be learnt from."""

    code = "training_halted"


def request(
    shop: Shop,
    *,
    reason: str,
    actor: str,
    now: datetime,
    use_case: UseCase = UseCase.RECOMMENDATIONS,
) -> TrainingRun:
    """Ask for a new version; while a run is open, the same run again. Call it in the shop's scope or outside any.

    Raises:
        TrainingHalted: an incident stops the training of this shop; nothing was begun.
        Bug: nothing trains this use case.
    """
    from mlops.training.tasks import step
    from tenancy.scope import scope

    first = pipeline(use_case).steps[0].name
    stop = incidents.halted(shop)
    if stop is not None:
        raise TrainingHalted(
            f"Training is stopped since {stop.opened_at:%Y-%m-%d %H:%M} UTC: {stop.told}",
            next_step=stop.next_step,
        )
    with scope(shop):
        try:
            with transaction.atomic():
                run = TrainingRun.objects.create(
                    shop=shop, use_case=use_case, state=first, reason=reason, actor=actor, requested_at=now
                )
        except IntegrityError:
            run = TrainingRun.objects.exclude(state__in=FINAL).get(use_case=use_case)
    step.send(shop)
    return run


def open_run(shop: Shop, use_case: UseCase = UseCase.RECOMMENDATIONS) -> TrainingRun | None:
    """The run of this use case under way in the scope's shop."""
    return TrainingRun.objects.exclude(state__in=FINAL).filter(shop_id=shop.pk, use_case=use_case).first()


@reading(actor="system:training", purpose=Purpose.TRAINING)
def advance(shop: Shop, *, now: datetime) -> bool:
    """Take the shop's oldest open run one step further; True when there is more to do now.

    False also when another process is at it, or what failed waits for its next try.
    """
    with transaction.atomic():
        if not try_lock(shop, LockKind.TRAINING):
            return False
        run = _due(shop, now)
        if run is None:
            return False
        if run.attempts >= MOST_ATTEMPTS:
            why = f": {run.message}" if run.message else ""
            _end(
                run,
                End(RunState.FAILED, "gave_up", f"the step {run.state} failed {run.attempts} times{why}"),
                now,
            )
            return _due(shop, now) is not None
        run.attempts += 1
        run.in_flight_since = now
        run.started_at = run.started_at or now
        run.save(update_fields=["attempts", "in_flight_since", "started_at"])
    try:
        return _step(shop, now)
    except Exception as error:
        with transaction.atomic():
            TrainingRun.objects.filter(pk=run.pk).update(
                in_flight_since=None,
                retry_at=now + RETRY_AFTER,
                message=f"{type(error).__name__}: {error}"[:500],
            )
        raise


def _step(shop: Shop, now: datetime) -> bool:
    with transaction.atomic():
        if not try_lock(shop, LockKind.TRAINING):
            return False
        run = _due(shop, now)
        if run is None:
            return False
        began, state, steps = time.monotonic(), run.state, pipeline(run.use_case)
        found = steps.steps[steps.place(state)].take(shop, run, now)
        seconds = time.monotonic() - began
        if isinstance(found, End):
            _end(run, found, now)
        else:
            _go_on(run, steps, found, seconds)
        log.info(
            "training.step", extra={"shop_id": shop.pk, "run": run.pk, "step": state, "s": round(seconds, 2)}
        )
        return not isinstance(found, End) or _due(shop, now) is not None


def _due(shop: Shop, now: datetime) -> TrainingRun | None:
    """The open run that was asked for first and waits for nothing."""
    runs = TrainingRun.objects.exclude(state__in=FINAL).filter(shop_id=shop.pk)
    return runs.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("pk").first()


def _go_on(run: TrainingRun, steps: Pipeline, found: str | None, seconds: float) -> None:
    spent = run.work.setdefault("steps", {})
    spent[run.state] = round(spent.get(run.state, 0.0) + seconds, 3)
    run.state = steps.after(run.state, found)
    run.attempts, run.in_flight_since, run.retry_at, run.message = 0, None, None, ""
    run.save(
        update_fields=[
            "state", "work", "snapshot", "version", "validation", "attempts", "in_flight_since", "retry_at", "message"
        ]
    )  # fmt: skip


def _end(run: TrainingRun, end: End, now: datetime) -> None:
    run.state, run.finished_at, run.in_flight_since, run.retry_at = end.state, now, None, None
    run.code, run.message = end.code, end.message
    run.save()
