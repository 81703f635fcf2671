"""Change markers: what happened to the shop that may explain its numbers. Kept in the event log, shown on every chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from mlops.features.append import append
from mlops.features.events import MarkerKind, ShopMarker, Source
from mlops.features.models import EventRecord
from tenancy import audit
from tenancy.errors import NotFound
from tenancy.models import Shop
from tenancy.scope import scope

# A chart with more marks than this is a wall; the newest are shown.
MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Marker:
    """Args:
    marker_id: its number in the event log.
    by: `staff:<id>` for a note, else empty.
    """

    marker_id: int
    kind: MarkerKind
    at: datetime
    detail: str
    by: str


def mark(shop: Shop, kind: MarkerKind, *, at: datetime, now: datetime, detail: str = "") -> bool:
    """Keep something that the app saw happen. Safe to repeat with the same facts; True when it is new."""
    told = append(shop, [ShopMarker(kind, at, detail=detail)], source=Source.APP, now=now)
    return told.new > 0


def note(shop: Shop, text: str, *, at: datetime, by: str, now: datetime) -> Marker:
    """Keep a person's own note about a moment. The same note by the same person is one."""
    append(shop, [ShopMarker(MarkerKind.NOTE, at, detail=text, by=by)], source=Source.APP, now=now)
    with scope(shop):
        found = EventRecord.objects.filter(
            kind="marker", occurred_at=at, payload__kind=MarkerKind.NOTE, payload__by=by
        )
        return _shown(found.order_by("-id")[0])


def withdraw(shop: Shop, marker_id: int, *, by: str, now: datetime) -> None:
    """Take a note off the charts; the log keeps that it was there. Safe to repeat.

    Raises:
        NotFound: no note of this shop has this number; what the app saw itself cannot be withdrawn.
    """
    with scope(shop):
        note_row = EventRecord.objects.filter(
            pk=marker_id, kind="marker", payload__kind=MarkerKind.NOTE
        ).first()
    if note_row is None:
        raise NotFound("there is no such note", code="note_not_found", next_step="Reload the page.")
    # The note's own time makes a repeated withdrawal the same event.
    gone = ShopMarker(MarkerKind.NOTE_WITHDRAWN, note_row.occurred_at, detail=str(marker_id))
    with transaction.atomic():
        if append(shop, [gone], source=Source.APP, now=now).new:
            data = {"note": marker_id, "text": note_row.payload.get("detail", "")}
            audit.record(shop, actor=by, action="note.withdrawn", now=now, data=data)


def between(shop: Shop, since: datetime, until: datetime) -> tuple[Marker, ...]:
    """Markers of [since, until), oldest first, the newest `MOST_SHOWN` of them; withdrawn notes are left out."""
    with scope(shop):
        rows = EventRecord.objects.filter(kind="marker", occurred_at__gte=since, occurred_at__lt=until)
        found = [_shown(row) for row in rows.order_by("-occurred_at", "-id")[:MOST_SHOWN]]
    gone = {int(each.detail) for each in found if each.kind is MarkerKind.NOTE_WITHDRAWN}
    kept = (
        each
        for each in reversed(found)
        if each.kind is not MarkerKind.NOTE_WITHDRAWN and each.marker_id not in gone
    )
    return tuple(kept)


def _shown(row: EventRecord) -> Marker:
    told = row.payload
    return Marker(
        marker_id=row.pk,
        kind=MarkerKind(told["kind"]),
        at=row.occurred_at,
        detail=told.get("detail", ""),
        by=told.get("by", ""),
    )
