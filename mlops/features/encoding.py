"""Events as rows of the log: kind, key and JSON. Pure.

The key names the content (subject, version time, digest), so the same delivery twice is one row, while two different
states that carry the same version second are two.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from mlops.features import events as vocabulary
from mlops.features.arrays import without_nul
from mlops.features.events import Event

EXPOSURE_ID = re.compile(r"[A-Za-z0-9_-]{16,40}")
VISITOR_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

_KINDS: dict[type, tuple[str, str]] = {
    vocabulary.OrderPlaced: ("order", "order_id"),
    vocabulary.OrderDeleted: ("order_deleted", "order_id"),
    vocabulary.RefundMade: ("refund", "refund_id"),
    vocabulary.ProductChanged: ("product", "product_id"),
    vocabulary.ProductDeleted: ("product_deleted", "product_id"),
    vocabulary.CollectionChanged: ("collection", "collection_id"),
    vocabulary.CollectionDeleted: ("collection_deleted", "collection_id"),
    vocabulary.CustomerChanged: ("customer", "customer_id"),
    vocabulary.CustomerDeleted: ("customer_deleted", "customer_id"),
    vocabulary.CustomerMerged: ("customer_merged", "deleted_id"),
    vocabulary.StockChanged: ("stock", "inventory_item_id"),
    vocabulary.ShopMarker: ("marker", ""),
}
_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in dataclasses.fields(kind) if field.name != "told_at")
    for kind in (
        *_KINDS,
        vocabulary.OrderLine,
        vocabulary.RefundLine,
        vocabulary.VariantState,
        vocabulary.AttributeTold,
    )
}
_VALUES: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    kind: attrgetter(*names) for kind, names in _NAMES.items()
}
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Encoded:
    """One event ready for the log."""

    event: Event
    kind: str
    subject_id: int
    version_at: datetime
    occurred_at: datetime
    key: str
    payload: str


def encode(event: Event) -> Encoded:
    """The event as a row of the log. Fields that are None or empty are left out of the payload.

    Raises:
        ValueError: a time without a zone.
    """
    event = clean(event)
    kind, subject_field = _KINDS[type(event)]
    subject_id = int(getattr(event, subject_field)) if subject_field else 0
    version_at = _utc(event.version_at)
    occurred_at = version_at
    if isinstance(event, vocabulary.OrderPlaced):
        occurred_at = _utc(event.ordered_at)
    elif isinstance(event, vocabulary.CustomerChanged):
        occurred_at = _utc(event.created_at)
    payload = _json(_plain(event))
    digest = hashlib.blake2b(payload.encode(), digest_size=8).hexdigest()
    key = f"{kind}:{subject_id}:{int(version_at.timestamp() * 1_000_000)}:{digest}"
    return Encoded(event, kind, subject_id, version_at, occurred_at, key, payload)


def clean(event: Event) -> Event:
    """Drop what a buyer's browser may have forged beyond form; the rest of the event is kept as it is."""
    if not isinstance(event, vocabulary.OrderPlaced):
        return event
    if event.visitor is not None and VISITOR_ID.fullmatch(event.visitor) is None:
        event = dataclasses.replace(event, visitor=None)
    if any(
        line.exposure is not None and EXPOSURE_ID.fullmatch(line.exposure) is None for line in event.lines
    ):
        lines = tuple(
            line
            if line.exposure is None or EXPOSURE_ID.fullmatch(line.exposure)
            else dataclasses.replace(line, exposure=None)
            for line in event.lines
        )
        event = dataclasses.replace(event, lines=lines)
    return event


def _plain(value: Any) -> dict[str, Any]:
    """A vocabulary value as JSON can hold it. It is called for each line of a history: by type, without a callback."""
    plain: dict[str, Any] = {}
    for name, found in zip(_NAMES[type(value)], _VALUES[type(value)](value), strict=True):
        kind = type(found)
        if kind is str:
            if found:
                plain[name] = without_nul(found)
        elif kind is tuple:
            if found:
                plain[name] = [_element(each) for each in found]
        elif kind is Decimal:
            plain[name] = str(found)
        elif kind is datetime:
            plain[name] = _utc(found).isoformat()
        elif found is not None:
            plain[name] = found
    return plain


def _element(value: Any) -> Any:
    if isinstance(value, str):
        return without_nul(value)
    return _plain(value) if type(value) in _NAMES else value


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC)
