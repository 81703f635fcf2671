"""Writes of the quarantine: rows are held once, however often they are met, until somebody or something decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q

from mlops.features.events import Event
from mlops.validation import content
from mlops.validation.content import Cut
from mlops.validation.models import HeldRow, HeldState
from tenancy import incidents
from tenancy.models import Severity, Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scoped

KIND = "validation_quarantine"
LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Holding:
    """A row to hold, and why.

    Args:
        line_number: of the file that it came in, where known.
        delivery: id of the webhook that brought it, where known.
        halt_id: the halt with whose batch it is held.
    """

    resource: str
    cut: Cut
    source: str
    expectation: str
    observed: str
    allowed: str
    reason: str
    suite_number: int
    line_number: int | None = None
    delivery: str = ""
    halt_id: int | None = None


@dataclass(frozen=True, slots=True)
class Prior:
    """What is in the quarantine already about a thing that a batch tells of."""

    state: str
    by_a_person: bool


def any_row(shop: Shop) -> bool:
    """False nearly always: then nothing has to be looked for."""
    return HeldRow.objects.filter(shop=shop).exists()


def prior(shop: Shop, subjects: Mapping[str, Sequence[int]]) -> dict[tuple[str, int], dict[str, Prior]]:
    """What was held of these things before, by resource and number, then by the row's key."""
    wanted = Q()
    for resource, ids in subjects.items():
        wanted |= Q(resource=resource, subject_id__in=ids)
    found: dict[tuple[str, int], dict[str, Prior]] = {}
    if not wanted:
        return found
    columns = ("resource", "subject_id", "key", "state", "decided_by")
    for resource, subject, key, state, by in HeldRow.objects.filter(wanted, shop=shop).values_list(*columns):
        person = bool(by) and not by.startswith("system:")
        found.setdefault((resource, subject), {})[key] = Prior(state, person)
    return found


@scoped
def keep(shop: Shop, holdings: Sequence[Holding], now: datetime) -> None:
    """Hold these rows. One that is there already is counted once more; what was replayed is held again."""
    if not holdings:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into validation_heldrow as h (shop_id, resource, kind, key, subject_id, version_at, line_number,"
            " delivery, source, expectation, observed, allowed, reason, suite_number, content, customer_id, visitor,"
            " halt_id, state, seen, first_seen_at, last_seen_at, decided_by)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, 'held', 1, %s, %s, '')"
            " on conflict (shop_id, resource, key) do update set seen = h.seen + 1,"
            " last_seen_at = excluded.last_seen_at, halt_id = coalesce(excluded.halt_id, h.halt_id),"
            " state = case when h.state = 'replayed' then 'held' else h.state end",
            [
                (
                    shop.pk, each.resource, each.cut.kind, each.cut.key, each.cut.subject_id, each.cut.version_at,
                    each.line_number, each.delivery[:100], each.source, each.expectation[:64], each.observed[:200],
                    each.allowed[:200], each.reason[:LONGEST_REASON], each.suite_number, each.cut.content,
                    each.cut.customer_id, each.cut.visitor, each.halt_id, now, now,
                )
                for each in holdings
            ],
        )  # fmt: skip


def settle(shop: Shop, arrived: Mapping[str, Sequence[tuple[int, Event]]], now: datetime) -> None:
    """Close what is held of things that have just arrived: the same row was replayed, an older one is pointless.

    Args:
        arrived: by resource: number and event of things of which something was held before.
    """
    for resource, rows in arrived.items():
        closed = 0
        for subject, event in rows:
            held = HeldRow.objects.filter(
                shop=shop, resource=resource, subject_id=subject, state=HeldState.HELD
            )
            key = content.cut(event).key
            closed += held.filter(key=key).update(
                state=HeldState.REPLAYED, decided_at=now, decided_by="system:gate"
            )
            older = Q(version_at__lte=event.version_at) | Q(version_at__isnull=True)
            closed += held.filter(older).update(
                state=HeldState.DISMISSED, decided_at=now, decided_by="system:newer version"
            )
        if closed:
            tell(shop, resource, now)


def holds(shop: Shop, resource: str, key: str) -> bool:
    return HeldRow.objects.filter(shop=shop, resource=resource, key=key).exists()


def waiting(shop: Shop, resource: str) -> int:
    return HeldRow.objects.filter(shop=shop, resource=resource, state=HeldState.HELD).count()


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def tell(shop: Shop, resource: str, now: datetime) -> None:
    """Bring the incident about held rows up to date: open while some wait for a decision, closed when none does."""
    count = waiting(shop, resource)
    if not count:
        incidents.close_incident(shop, kind=KIND, subject=resource, now=now)
        return
    newest = (
        HeldRow.objects.filter(shop=shop, resource=resource, state=HeldState.HELD).order_by("-id").first()
    )
    assert newest is not None
    rows = "row" if count == 1 else "rows"
    incidents.open_incident(
        shop,
        kind=KIND,
        subject=resource,
        severity=Severity.WARNING,
        told=(
            f"{count} {rows} of {resource} cannot be true and were held back; all others arrived."
            f" The newest: {newest.reason}"
        ),
        next_step="Look at them under Data quality: correct them in Shopify, replay them, or dismiss them.",
        now=now,
        data={"resource": resource, "held": count},
    )
