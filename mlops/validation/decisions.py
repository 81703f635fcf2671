"""What a person decides about held rows: replay them, dismiss them, release a halt. Each with an audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from mlops.features.append import LOCK_WAIT_S
from mlops.features.events import Event, Source
from mlops.validation import content, gate, halts, quarantine
from mlops.validation.models import Halt, HeldRow, HeldState
from tenancy import audit
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

# Rows replayed in one transaction.
PIECE = 500
# Rows that a person's request waits for; more follow in the background.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of rows that were sent through the gate again.

    Args:
        arrived: are in the event log now.
        held: still fail; they stay where they are, with the reason of today.
        unreadable: became no event when they came, so there is nothing to send: import them again.
        left: are still to be sent, in the background.
    """

    arrived: int = 0
    held: int = 0
    unreadable: int = 0
    left: int = 0

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(
            self.arrived + other.arrived,
            self.held + other.held,
            self.unreadable + other.unreadable,
            other.left,
        )


def find(shop: Shop, *, ids: Sequence[int] | None = None, resource: str | None = None) -> QuerySet[HeldRow]:
    """Rows that wait for a decision: those named, those of a resource, or all."""
    rows = HeldRow.objects.filter(shop=shop, state=HeldState.HELD)
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    return rows if resource is None else rows.filter(resource=resource)


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def replay(
    shop: Shop,
    *,
    actor: str,
    reason: str,
    now: datetime,
    ids: Sequence[int] | None = None,
    resource: str | None = None,
    accepted: bool = False,
) -> Replayed:
    """Send held rows through the gate again. Safe to repeat: the log takes each event once.

    Args:
        accepted: the batch is judged to be right; rows that are impossible by themselves stay held all the same.

    Raises:
        Transient: another writer of this shop held on for `LOCK_WAIT_S` seconds; what was replayed before that is kept.
    """
    with scope(shop):
        waiting = list(find(shop, ids=ids, resource=resource).order_by("id").values_list("pk", flat=True))
        done = Replayed()
        for start in range(0, len(waiting), PIECE):
            done += _replay(shop, waiting[start : start + PIECE], accepted=accepted, now=now)
        if waiting:
            audit.record(
                shop,
                actor=actor,
                action="validation.replayed",
                now=now,
                reason=reason,
                data={
                    "resource": resource or "",
                    "arrived": done.arrived,
                    "held": done.held,
                    "unreadable": done.unreadable,
                    "accepted": accepted,
                },
            )
        return done


def dismiss(
    shop: Shop,
    *,
    actor: str,
    reason: str,
    now: datetime,
    ids: Sequence[int] | None = None,
    resource: str | None = None,
) -> int:
    """Leave held rows out for good, also when the same row is met again; the number of them."""
    with scope(shop), transaction.atomic():
        rows = find(shop, ids=ids, resource=resource)
        resources = sorted(set(rows.order_by().values_list("resource", flat=True)))
        count = rows.update(state=HeldState.DISMISSED, decided_at=now, decided_by=actor)
        if count:
            for each in resources:
                quarantine.tell(shop, each, now)
            audit.record(
                shop,
                actor=actor,
                action="validation.dismissed",
                now=now,
                reason=reason,
                data={"resources": resources, "rows": count},
            )
        return count


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def release(shop: Shop, resource: str, *, accepted: bool, actor: str, reason: str, now: datetime) -> Replayed:
    """End the halt of a resource by a person's decision, so that training goes on.

    Args:
        accepted: the held rows are right: they arrive now, but for those that are impossible by themselves. Otherwise
            they are dismissed.

    Raises:
        NotFound: nothing of this resource is halted.
        Transient: as `replay`.
    """
    from mlops.validation.tasks import bring_in as in_background

    with scope(shop), transaction.atomic():
        halt = halts.find(shop, resource)
        how = "released" if accepted else "dismissed"
        told = f"The held rows of {resource} were {how} by hand; training goes on."
        halts.close(shop, halt, actor=actor, reason=reason, told=told, now=now, accepted=accepted)
        if not accepted:
            dismiss(shop, actor=actor, reason=reason, now=now, ids=_held_with(halt))
            return Replayed()
        done = bring_in(shop, halt.pk, now=now, most=AT_ONCE)
        if done.left:
            in_background.send(shop, halt.pk)
        return done


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def bring_in(shop: Shop, halt_id: int, *, now: datetime, most: int) -> Replayed:
    """Send up to `most` rows of an accepted halt through the gate; those that still fail leave it and stay held.

    Safe to repeat and to break off: the rows that are left are those that still name the halt.
    """
    done = Replayed()
    with scope(shop):
        halt = Halt.objects.filter(pk=halt_id, accepted=True).first()
        ids = [] if halt is None else _held_with(halt)
        for start in range(0, min(len(ids), most), PIECE):
            piece = ids[start : min(start + PIECE, most)]
            with transaction.atomic():
                done += _replay(shop, piece, accepted=True, now=now)
                HeldRow.objects.filter(pk__in=piece, state=HeldState.HELD).update(halt=None)
    return replace(done, left=max(0, len(ids) - most))


def unfinished(shop: Shop) -> list[int]:
    """Accepted halts of which rows are still to be brought in."""
    waiting = HeldRow.objects.filter(shop=shop, state=HeldState.HELD, halt__accepted=True)
    return sorted(set(waiting.order_by().values_list("halt_id", flat=True)))


def _held_with(halt: Halt) -> list[int]:
    rows = HeldRow.objects.filter(halt=halt, state=HeldState.HELD)
    return list(rows.order_by("id").values_list("pk", flat=True))


def _replay(shop: Shop, ids: Sequence[int], *, accepted: bool, now: datetime) -> Replayed:
    with transaction.atomic():
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        held = HeldRow.objects.filter(pk__in=ids, state=HeldState.HELD)
        rows = list(held.order_by("id"))
        sent: dict[str, list[tuple[HeldRow, Event]]] = {}
        unreadable = 0
        for row in rows:
            event = content.restore(row.kind, row.content, customer_id=row.customer_id, visitor=row.visitor)
            if event is None:
                unreadable += 1
            else:
                sent.setdefault(row.source, []).append((row, event))
        for source, told in sent.items():
            gate.admit(
                shop,
                [event for _, event in told],
                source=Source(source),
                now=now,
                origins={at: row.delivery for at, (row, _) in enumerate(told)},
                accepted=accepted,
            )
        names = sorted({row.resource for row in rows})
        still = held.count() - unreadable
        for each in names:
            quarantine.tell(shop, each, now)
        return Replayed(arrived=len(rows) - unreadable - still, held=still, unreadable=unreadable)
