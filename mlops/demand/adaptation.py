"""What the days since have taught of intervals: one state a shop. Each day is looked at once, however often it is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from django.db import transaction

from mlops.demand.models import Adaptation as Row
from mlops.predictors.demand import adapt
from mlops.predictors.demand.adapt import Adaptation
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scoped

Learn = Callable[[Adaptation], Adaptation]


@scoped
def state(shop: Shop) -> Adaptation:
    """What is known now; one that changes nothing before the first day, or when the stored one is not of this build."""
    row = Row.objects.filter(shop=shop).first()
    return _read(row)


@scoped
def through(shop: Shop) -> date | None:
    """The last day that was looked at."""
    row = Row.objects.filter(shop=shop).first()
    return row.through if row is not None else None


@scoped
def take(shop: Shop, day: date, learn: Learn, *, now: datetime) -> bool:
    """Learn from a day, unless it or a later one was learnt from; True when it was. State and day change together."""
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        row = Row.objects.filter(shop=shop).first()
        if row is not None and row.through >= day:
            return False
        after = learn(_read(row)).record()
        if row is None:
            Row.objects.create(shop=shop, through=day, state=after, changed_at=now)
        else:
            row.through, row.state, row.changed_at = day, after, now
            row.save()
    return True


def _read(row: Row | None) -> Adaptation:
    if row is None:
        return adapt.fresh()
    try:
        return Adaptation.of(row.state)
    except (ValueError, KeyError, IndexError, TypeError):
        return adapt.fresh()
