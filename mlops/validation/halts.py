"""Halts: a batch was held as a whole, and nothing is learnt from the shop's data until that is over.

A halt ends in one of two ways. A person releases it, with a reason, on the record. Or the data heals by itself: batches of
the same resource without any fault, together at least as many rows as were held (200 are enough), arrive after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from mlops.features.events import Source
from mlops.validation.models import Halt
from mlops.validation.signals import halt_ended
from tenancy import audit, incidents
from tenancy.errors import NotFound
from tenancy.models import Severity, Shop

KIND = "validation_halt"
ENOUGH_CLEAN = 200
MOST_REASONS = 20
_WAYS = {
    Source.BACKFILL: "the import",
    Source.WEBHOOK: "webhooks",
    Source.RECONCILIATION: "the comparison with Shopify",
}


def open_ones(shop: Shop) -> dict[str, Halt]:
    """The open halts by resource."""
    return {each.resource: each for each in Halt.objects.filter(shop=shop, closed_at__isnull=True)}


def open_halt(
    shop: Shop, resource: str, reasons: Sequence[str], *, rows: int, source: Source, now: datetime
) -> int:
    """Open a halt or add to the open one; its key. Call it under the shop's EVENTS lock."""
    halt = Halt.objects.filter(shop=shop, resource=resource, closed_at__isnull=True).first()
    if halt is None:
        halt = Halt(shop=shop, resource=resource, opened_at=now)
    halt.reasons = [*dict.fromkeys([*halt.reasons, *reasons])][:MOST_REASONS]
    halt.held += rows
    halt.clean_rows = 0
    halt.save()
    incidents.open_incident(
        shop,
        kind=KIND,
        subject=resource,
        severity=Severity.CRITICAL,
        told=(
            f"{halt.held} rows of {resource} from {_WAYS.get(source, str(source))} were held back together: {reasons[0]}."
            " Nothing of them was written and nothing is lost. No model is trained until this is over."
        ),
        next_step=(
            "Look at the held rows under Data quality. If they are right, release them; if not, correct the source in"
            " Shopify and dismiss them. The stop also ends by itself when enough rows without a fault have followed."
        ),
        now=now,
        halts_training=True,
        data={"resource": resource, "held": halt.held, "reasons": halt.reasons, "halt": halt.pk},
    )
    return halt.pk


def needed(halt: Halt) -> int:
    """So many rows without a fault end the halt by themselves."""
    return min(halt.held, ENOUGH_CLEAN)


def note_batch(shop: Shop, halt: Halt, *, rows: int, clean: bool, now: datetime) -> None:
    """A batch of the resource arrived after the halt: count it, and end the halt when enough were clean."""
    halt.clean_rows = halt.clean_rows + rows if clean else 0
    halt.save(update_fields=["clean_rows"])
    if halt.clean_rows >= needed(halt):
        told = (
            f"{halt.clean_rows} rows of {halt.resource} without a fault have arrived since; training goes on."
        )
        told += " The rows that were held are still in quarantine."
        close(shop, halt, actor="system:validation", reason="enough clean rows followed", told=told, now=now)


def close(
    shop: Shop, halt: Halt, *, actor: str, reason: str, told: str, now: datetime, accepted: bool = False
) -> None:
    """End the halt, with an audit entry, in one transaction. Safe to repeat.

    Args:
        accepted: its rows are right and are brought in by `decisions.bring_in`.
    """
    with transaction.atomic():
        ended = Halt.objects.filter(pk=halt.pk, shop=shop, closed_at__isnull=True).update(
            closed_at=now, closed_by=actor, accepted=accepted
        )
        if not ended:
            return
        incidents.close_incident(shop, kind=KIND, subject=halt.resource, now=now, told=told)
        audit.record(
            shop,
            actor=actor,
            action="validation.halt_ended",
            now=now,
            reason=reason,
            data={"resource": halt.resource, "held": halt.held, "halt": halt.pk},
        )
        transaction.on_commit(lambda: halt_ended.send(sender=None, shop=shop, now=now), robust=True)


def find(shop: Shop, resource: str) -> Halt:
    """The open halt of a resource.

    Raises:
        NotFound: there is none.
    """
    found = open_ones(shop).get(resource)
    if found is None:
        raise NotFound(
            "Nothing of this kind is stopped.", code="halt_not_found", next_step="Reload the page."
        )
    return found
