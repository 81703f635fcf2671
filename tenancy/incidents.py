"""The only writer of incidents: open one, add to it, close it.

Call these in the transaction of what they tell of, so that neither exists without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from tenancy.models import Incident, Severity, Shop
from tenancy.scope import scoped


@scoped
def open_incident(
    shop: Shop,
    *,
    kind: str,
    told: str,
    severity: Severity,
    now: datetime,
    subject: str = "",
    next_step: str = "",
    halts_training: bool = False,
    data: Mapping[str, Any] | None = None,
) -> Incident:
    """Open the incident, or bring the open one of the same kind and subject up to date. Safe to repeat.

    Args:
        told: what happened and what was kept safe, one or two sentences for the merchant.
        halts_training: nothing is learnt from this shop's data until it is closed.
    """
    facts: dict[str, Any] = {
        "severity": severity,
        "updated_at": now,
        "told": told,
        "next_step": next_step,
        "halts_training": halts_training,
        "data": dict(data or {}),
    }
    still_open = Incident.objects.filter(shop=shop, kind=kind, subject=subject, closed_at__isnull=True)
    if not still_open.update(**facts):
        try:
            with transaction.atomic():
                return Incident.objects.create(shop=shop, kind=kind, subject=subject, opened_at=now, **facts)
        except IntegrityError:  # another process opened it in the same moment
            still_open.update(**facts)
    return still_open.get()


@scoped
def note_incident(
    shop: Shop,
    *,
    kind: str,
    told: str,
    severity: Severity,
    now: datetime,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
) -> Incident:
    """Keep what was wrong and is repaired already: an incident that is closed from the start."""
    return Incident.objects.create(
        shop=shop, kind=kind, subject=subject, severity=severity, opened_at=now, updated_at=now, closed_at=now,
        told=told, data=dict(data or {}),
    )  # fmt: skip


@scoped
def close_incident(shop: Shop, *, kind: str, now: datetime, subject: str = "", told: str = "") -> bool:
    """Close the open incident of this kind and subject, if there is one; `told` replaces its text. Safe to repeat."""
    facts: dict[str, Any] = {"closed_at": now, "updated_at": now, "next_step": ""}
    if told:
        facts["told"] = told
    return (
        Incident.objects.filter(shop=shop, kind=kind, subject=subject, closed_at__isnull=True).update(**facts)
        > 0
    )


@scoped
def halted(shop: Shop) -> Incident | None:
    """The oldest open incident that stops this shop's training, or None."""
    return (
        Incident.objects.filter(shop=shop, halts_training=True, closed_at__isnull=True).order_by("id").first()
    )
