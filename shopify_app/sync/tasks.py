"""Celery's doors to the import and to the sweeps: a tick that finds what is due, and one step of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from celery import shared_task
from django.utils import timezone

from shopify_app.sync import backfill, field_audit, reconcile
from shopify_app.sync.models import OPEN_STATES, OPEN_SWEEPS, ImportJob, Sweep
from tenancy.models import Shop
from tenancy.scope import scope, unscoped
from tenancy.tasks import ShopTask

log = logging.getLogger("shelfwise.sync")
# The tick names a due job again every two seconds, so an unclaimed message is worth nothing after that.
MESSAGE_LIFE_S = 5
JOBS_PER_TICK = 100


@shared_task(name="sync.tick_all", ignore_result=True)
def tick_all() -> int:
    """Send one step for each due job that nobody works on; also what takes jobs back from the dead."""
    now = timezone.now()
    with unscoped(why="the scheduler looks for due imports of every shop"):
        due = ImportJob.objects.filter(state__in=OPEN_STATES, next_step_at__lte=now).exclude(
            lease_until__gte=now
        )
        found = list(due.order_by("next_step_at").values_list("shop_id", "pk")[:JOBS_PER_TICK])
    for shop_id, job_id in found:
        step.apply_async((shop_id, job_id), queue="sync", expires=MESSAGE_LIFE_S)
    return len(found)


@shared_task(name="sync.step", base=ShopTask)
def step(shop: Shop, job_id: int) -> None:
    if backfill.step(shop, job_id):
        step.apply_async((shop.pk, job_id), queue="sync", expires=MESSAGE_LIFE_S)


@shared_task(name="sync.reconcile_all", ignore_result=True)
def reconcile_all() -> int:
    """Begin the sweeps of shops that had none for four hours, and send one step for each open one nobody works on.

    Four hours are kept in rows, not in the clock of this process, which forgets when it is started again.
    """
    now = timezone.now()
    with unscoped(why="the scheduler looks for due sweeps of every shop"):
        for shop in Shop.objects.filter(pk__in=reconcile.due(now)[:JOBS_PER_TICK]):
            with scope(shop):
                reconcile.start(shop, now=now)
        open_ones = Sweep.objects.filter(state__in=OPEN_SWEEPS, next_step_at__lte=now).exclude(
            lease_until__gte=now
        )
        found = list(open_ones.order_by("next_step_at").values_list("shop_id", "pk")[:JOBS_PER_TICK])
    for shop_id, sweep_id in found:
        reconcile_step.apply_async((shop_id, sweep_id), queue="sync", expires=MESSAGE_LIFE_S)
    return len(found)


def hint_sweeps(shop_id: int, sweep_ids: Sequence[int]) -> None:
    """Tell a worker at once that these sweeps were asked for. Best effort: `reconcile_all` finds them within seconds."""
    try:
        for each in sweep_ids:
            reconcile_step.apply_async((shop_id, each), queue="sync", expires=MESSAGE_LIFE_S, retry=False)
    except Exception as error:
        log.warning("sync.hint_failed", extra={"reason": type(error).__name__})


@shared_task(name="sync.reconcile", base=ShopTask)
def reconcile_step(shop: Shop, sweep_id: int) -> None:
    if reconcile.step(shop, sweep_id):
        reconcile_step.apply_async((shop.pk, sweep_id), queue="sync", expires=MESSAGE_LIFE_S)


@shared_task(name="sync.audit_all", ignore_result=True)
def audit_all() -> int:
    """Send one measurement for each shop whose data audit is a day old, or older than its last import."""
    with unscoped(why="the scheduler looks for due data audits of every shop"):
        found = field_audit.due(timezone.now())[:JOBS_PER_TICK]
    for shop_id in found:
        audit_fields.apply_async((shop_id,), queue="sync", expires=60)
    return len(found)


@shared_task(name="sync.audit_fields", base=ShopTask)
def audit_fields(shop: Shop) -> None:
    field_audit.refresh(shop, now=timezone.now())
