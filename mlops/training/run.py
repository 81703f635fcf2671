"""Shell of training: takes a run one step further at a time, whatever it trains (`mlops.training.pipelines`).

A step computes, then what it found and the next state are saved in one transaction that holds the shop's TRAINING lock. A
process that dies gives the lock back at once, and the tick begins the same step again; how often a step was begun is
counted before it begins, so one that kills its worker is given up after `MOST_ATTEMPTS`. One that raises is tried again
after `RETRY_AFTER`, because what is wrong then (a full disk) rarely passes within a second. One that
runs out of memory, and says so or dies of it `DEATHS_OF_MEMORY` times without a word, goes on with half of the work, where its
pipeline knows how.

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
from mlops.training import workfiles
from mlops.training.gates import Promotion
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.pipeline import End
from mlops.training.pipelines import pipeline
from tenancy import incidents
from tenancy.errors import UserFixable
from tenancy.locks import LockKind, try_lock
from tenancy.models import Shop
from tenancy.outages import AWAY
from tenancy.reading import Purpose, reading

log = logging.getLogger("shelfwise.training")
MOST_ATTEMPTS = 5
RETRY_AFTER = timedelta(minutes=5)
# A worker that the kernel kills for memory leaves no word; this often in one step it was hardly somebody else's kill.
DEATHS_OF_MEMORY = 3


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
    promotion: Promotion | None = None,
) -> TrainingRun:
    """Ask for a new version; while a run is open, the same run again. Call it in the shop's scope or outside any.

    Args:
        promotion: how this one is compared with the version before; None: as the shop chose.

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
                    shop=shop,
                    use_case=use_case,
                    state=first,
                    reason=reason,
                    actor=actor,
                    promotion=promotion.value if promotion else "",
                    requested_at=now,
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
        if run.attempts >= DEATHS_OF_MEMORY and not run.message and _halve(run, "its worker died"):
            return True
        run.attempts += 1
        run.in_flight_since = now
        run.started_at = run.started_at or now
        run.save(update_fields=["attempts", "in_flight_since", "started_at"])
    try:
        return _step(shop, now)
    except Exception as error:
        if _out_of_memory(error):
            with transaction.atomic():
                if try_lock(shop, LockKind.TRAINING) and _halve(
                    TrainingRun.objects.get(pk=run.pk), "memory ran out"
                ):
                    return True
        with transaction.atomic():
            TrainingRun.objects.filter(pk=run.pk).update(
                in_flight_since=None,
                # A service that was away for a moment is back when this is written.
                retry_at=None if isinstance(error, AWAY) else now + RETRY_AFTER,
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
        spent = run.work.setdefault("steps", {})
        spent[state] = round(spent.get(state, 0.0) + seconds, 3)
        if isinstance(found, End):
            _end(run, found, now)
        else:
            _go_on(run, steps.after(state, found))
        log.info(
            "training.step", extra={"shop_id": shop.pk, "run": run.pk, "step": state, "s": round(seconds, 2)}
        )
        return not isinstance(found, End) or _due(shop, now) is not None


def _halve(run: TrainingRun, why: str) -> bool:
    """Go on with half of the work; False when the pipeline cannot make it smaller. Call it under the lock."""
    steps, state = pipeline(run.use_case), run.state
    found = steps.smaller(run) if steps.smaller is not None else None
    if found is None:
        return False
    run.state, run.attempts, run.in_flight_since = steps.after(state, found), 0, None
    run.save()
    log.warning("training.halved", extra={"shop_id": run.shop_id, "run": run.pk, "step": state, "why": why})
    return True


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python and NumPy raise MemoryError, LightGBM and polars their own errors with these words."""
    told = str(error).lower()
    return isinstance(error, MemoryError) or any(
        each in told for each in ("bad_alloc", "out of memory", "memory allocation", "bad allocation")
    )


def _due(shop: Shop, now: datetime) -> TrainingRun | None:
    """The open run that was asked for first and waits for nothing."""
    runs = TrainingRun.objects.exclude(state__in=FINAL).filter(shop_id=shop.pk)
    return runs.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now)).order_by("pk").first()


def _go_on(run: TrainingRun, after: str) -> None:
    run.state = after
    run.attempts, run.in_flight_since, run.retry_at, run.message = 0, None, None, ""
    run.save(
        update_fields=[
            "state", "work", "snapshot", "version", "validation", "attempts", "in_flight_since", "retry_at", "message"
        ]
    )  # fmt: skip


def _end(run: TrainingRun, end: End, now: datetime) -> None:
    run.state, run.finished_at, run.in_flight_since, run.retry_at = end.state, now, None, None
    run.code, run.message = end.code[:32], end.message
    run.save()
    workfiles.sweep(Shop.objects.get(pk=run.shop_id))
