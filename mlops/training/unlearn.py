"""Unlearning: a serving version that learnt from an erased customer is replaced within the promised days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from mlops.deployments.models import Slot
from mlops.registry import redactions
from mlops.training import run as training
from mlops.training import workfiles
from mlops.training.gates import Promotion
from mlops.training.models import FINAL, TrainingRun
from mlops.training.pipelines import pipeline
from tenancy import audit
from tenancy.models import Shop
from tenancy.scope import scope

ACTOR = "system:privacy"


def begin_again(shop: Shop, *, snapshots: Iterable[int]) -> int:
    """Send open runs that learn from these snapshots back to their first step: what they had found is dropped. How many.

    Call it in the transaction of the erasure, under the TRAINING lock, after the log was erased.
    """
    changed = 0
    for run in TrainingRun.objects.exclude(state__in=FINAL).filter(snapshot_id__in=list(snapshots)):
        run.state, run.work, run.snapshot = pipeline(run.use_case).steps[0].name, {}, None
        run.attempts, run.in_flight_since = 0, None
        run.save()
        changed += 1
    if changed:
        transaction.on_commit(lambda: _sweep(shop))
    return changed


def _sweep(shop: Shop) -> None:
    with scope(shop):
        workfiles.sweep(shop)


class Unlearning(StrEnum):
    NOTHING = "nothing"  # no serving version learnt from an erased customer
    WAITING = "waiting"  # it is not yet time to train again
    ASKED = "asked"  # a training run is asked for, or under way


def look(shop: Shop, *, now: datetime) -> Unlearning:
    """Settle the flags of versions that serve no more; ask for training when one that serves is due. Safe to repeat.

    A flag that was settled comes back when somebody rolls back to that version.
    """
    with transaction.atomic(), scope(shop):
        flagged = redactions.flagged()
        serving = set(Slot.objects.values_list("version_id", flat=True))
        owing = [each for each in flagged if each.pk in serving]
        newest = max((each.redacted_at for each in flagged if each.redacted_at), default=None)
        clean = not owing and bool(serving)
        if clean and newest is not None:
            settled = [each.pk for each in flagged if each.unlearned_at is None]
            if settled:
                redactions.settle(settled, unlearned_at=now)
                audit.record(shop, actor=ACTOR, action="privacy.unlearned", now=now, data={"versions": len(settled)},
                             reason="a version that never knew the erased customers serves")  # fmt: skip
        redactions.settle([each.pk for each in owing], unlearned_at=None)
        if not owing:
            return Unlearning.NOTHING
        oldest = min(each.redacted_at for each in owing if each.redacted_at)
        if oldest + timedelta(days=settings.RETRAIN_AFTER_REDACTION_DAYS) > now:
            return Unlearning.WAITING
        under_way = training.open_run(shop)
    if under_way is None:
        why = "a customer it learnt from was erased"
        training.request(shop, reason=why, actor=ACTOR, now=now, promotion=Promotion.ALWAYS)
    return Unlearning.ASKED
