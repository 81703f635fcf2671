"""Who works on a job: a lease that lapses when its holder dies, and a token that shuts out a holder who comes back."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from shopify_app.sync.models import OPEN_STATES, ImportJob
from tenancy.errors import Transient

LEASE = timedelta(seconds=20)


class LeaseLost(Transient):
    """Another process took the job over: what this one had in hand is rolled back."""

    code = "lease_lost"


def claim(job_id: int, now: datetime) -> ImportJob | None:
    """Take the job if it is open, due and free; a lease that lapsed counts as one trouble."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    token = secrets.token_hex(16)
    died = ImportJob.objects.filter(pk=job_id, lease_until__lt=now).exclude(lease_token="")
    taken = ImportJob.objects.filter(free, pk=job_id, state__in=OPEN_STATES, next_step_at__lte=now)
    trouble = 1 if died.exists() else 0
    if not taken.update(lease_token=token, lease_until=now + LEASE, troubles=F("troubles") + trouble):
        return None
    return ImportJob.objects.get(pk=job_id)


def save(job: ImportJob, now: datetime, **fields: Any) -> None:
    """Write fields of a job that we hold, and renew the lease.

    Raises:
        LeaseLost: we do not hold it any more; the surrounding transaction must not commit.
    """
    held = ImportJob.objects.filter(pk=job.pk, lease_token=job.lease_token)
    # The lease never gets shorter, whatever the clock of another machine said.
    if not held.update(lease_until=Greatest(F("lease_until"), Value(now + LEASE)), **fields):
        raise LeaseLost(f"the {job.resource} import is in other hands")
    for name, value in fields.items():
        setattr(job, name, value)


def release(job: ImportJob) -> None:
    ImportJob.objects.filter(pk=job.pk, lease_token=job.lease_token).update(lease_token="", lease_until=None)
