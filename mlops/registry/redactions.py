"""Which versions learnt from somebody who was erased since. A version's bytes never change, so it is told beside them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from mlops.registry.models import Version


def flag(
    *, snapshots: Iterable[int], doubtful: Iterable[int], first_order_at: datetime | None, now: datetime
) -> int:
    """Flag the versions of the scope's shop that learnt from an erased customer; how many are flagged anew.

    Args:
        snapshots: those that held the customer.
        doubtful: those of which nobody can tell; a version counts if its data reaches past the first order.
    """
    learnt = Q(snapshot_id__in=list(snapshots))
    if first_order_at is not None:
        learnt |= Q(snapshot_id__in=list(doubtful), data_until__gt=first_order_at)
    return Version.objects.filter(learnt).update(redacted_at=now, unlearned_at=None)


def flagged() -> list[Version]:
    """The versions of the scope's shop with an erased customer in what they learnt, oldest first."""
    return list(Version.objects.filter(redacted_at__isnull=False).order_by("id"))


def settle(version_ids: Iterable[int], *, unlearned_at: datetime | None) -> None:
    """Say since when a version without the erased serves in their place; None when one of them serves again."""
    rows = Version.objects.filter(pk__in=list(version_ids), redacted_at__isnull=False)
    if unlearned_at is None:
        rows.update(unlearned_at=None)
    else:
        rows.filter(unlearned_at__isnull=True).update(unlearned_at=unlearned_at)
