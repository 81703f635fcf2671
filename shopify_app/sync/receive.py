"""Takes in what webhooks tell about the shop's data: a payload becomes events, or an object to read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlops.features import markers
from mlops.features.events import (
    CollectionChanged,
    CollectionDeleted,
    CustomerChanged,
    CustomerDeleted,
    Event,
    MarkerKind,
    OrderDeleted,
    OrderPlaced,
    ProductChanged,
    ProductDeleted,
    ShopMarker,
    Source,
    StockChanged,
)
from mlops.features.models import Variant
from mlops.validation import gate
from shopify_app import installs
from shopify_app.sync import customers
from shopify_app.sync.reread import Kind, Wanted, read
from shopify_app.sync.translate import payloads
from shopify_app.sync.translate.shapes import SHAPES, keep
from shopify_app.sync.translate.values import Untranslatable, number
from tenancy import pseudonyms
from tenancy.models import Shop

__all__ = [
    "MarkerKind",
    "Received",
    "Untranslatable",
    "append",
    "cut",
    "handles",
    "note_change",
    "read_again",
    "translate",
]
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """What one delivery comes to.

    Args:
        references: sealed customer numbers by pseudonym, kept with the events.
        delivery: its webhook id, for the reason when a row of it is held.
    """

    events: tuple[Event, ...] = ()
    wanted: Wanted | None = None
    references: Mapping[int, bytes] = field(default_factory=dict)
    delivery: str = ""


def cut(topic: str, payload: Any) -> dict[str, Any] | None:
    """The payload without all that we never read, personal fields first of all; None when the topic is unknown."""
    if topic not in SHAPES:
        return None
    kept = keep(payload, SHAPES[topic])
    return kept if isinstance(kept, dict) else None


def without_numbers(shop: Shop, topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A cut payload as it may be stored: a pseudonym for the customer's number, save in Shopify's privacy requests."""
    return customers.in_payload(pseudonyms.of(shop), shop.pk, topic, payload)


def handles(topic: str) -> bool:
    """True when the topic is about the shop's data."""
    return topic in _TRANSLATORS


def translate(topic: str, payload: Payload, at: datetime) -> Received:
    """The events of one payload. Call it inside the shop's scope.

    Args:
        at: when Shopify triggered the delivery: the version time of deletions, which carry none, and what decides between
            two states of one second.

    Raises:
        Untranslatable: the payload lacks something that it must have.
    """
    try:
        found = _TRANSLATORS[topic](payload, at)
    except (AttributeError, TypeError, KeyError) as error:
        raise Untranslatable(f"the payload of {topic} has another form ({type(error).__name__})") from error
    return replace(found, events=tuple(_sent(event, at) for event in found.events))


def _sent(event: Event, at: datetime) -> Event:
    if isinstance(event, OrderPlaced | ProductChanged | CollectionChanged | CustomerChanged | StockChanged):
        return replace(event, told_at=at)
    return event


def append(shop: Shop, received: Iterable[Received], now: datetime) -> None:
    """Take in the events of several deliveries, those of each resource as one batch: a bad one holds up no other.

    Call it in a transaction.
    """
    references: dict[int, bytes] = {}
    batches: dict[str, list[tuple[Event, str]]] = {}
    for each in received:
        references |= each.references
        for event in each.events:
            batches.setdefault(gate.batch_of(event), []).append((event, each.delivery))
    for told in batches.values():
        origins = {index: delivery for index, (_, delivery) in enumerate(told)}
        gate.admit(shop, [event for event, _ in told], source=Source.WEBHOOK, now=now, origins=origins)
    customers.remember(shop, references, now)


def note_change(shop: Shop, kind: MarkerKind, *, at: datetime, now: datetime, detail: str) -> None:
    """Mark on every chart that the shop itself changed. Safe to repeat."""
    markers.mark(shop, kind, at=at, now=now, detail=detail)


def read_again(shop: Shop, wanted: Wanted, now: datetime) -> None:
    """Read the object from Shopify and take it in as it is now.

    Raises:
        as `AdminClient.run`.
    """
    gate.admit(shop, read(installs.admin_client(shop), wanted), source=Source.WEBHOOK, now=now)


def _order(payload: Payload, at: datetime) -> Received:
    return Received(tuple(payloads.order(payload)))


def _order_edited(payload: Payload, at: datetime) -> Received:
    edit = payload.get("order_edit") or {}
    return Received(wanted=Wanted(Kind.ORDER, number(edit.get("order_id"), "order_edit.order_id")))


def _refund(payload: Payload, at: datetime) -> Received:
    return Received((payloads.refund(payload),))


def _product(payload: Payload, at: datetime) -> Received:
    if not payloads.tells_all_variants(payload):
        return Received(wanted=Wanted(Kind.PRODUCT, number(payload.get("id"), "id")))
    if payloads.tells_tracking(payload):
        return Received((payloads.product(payload),))
    ids = payloads.variant_ids(payload)
    known = dict(Variant.objects.filter(variant_id__in=ids).values_list("variant_id", "available"))
    if set(ids) - set(known):
        return Received(wanted=Wanted(Kind.PRODUCT, number(payload.get("id"), "id")))
    untracked = frozenset(variant_id for variant_id, available in known.items() if available is None)
    return Received((payloads.product(payload, untracked=untracked),))


def _collection(payload: Payload, at: datetime) -> Received:
    return Received(wanted=Wanted(Kind.COLLECTION, number(payload.get("id"), "id")))


def _customer(payload: Payload, at: datetime) -> Received:
    changed = payloads.customer(payload)
    reference = customers.reference_in(payload)
    return Received((changed,), references={changed.customer_id: reference} if reference else {})


def _theme(payload: Payload, at: datetime) -> Received:
    return Received(
        (ShopMarker(MarkerKind.THEME_PUBLISHED, at, detail=f"theme {number(payload.get('id'), 'id')}"),)
    )


_TRANSLATORS: Mapping[str, Callable[[Payload, datetime], Received]] = {
    **dict.fromkeys(("orders/create", "orders/updated", "orders/cancelled", "orders/paid"), _order),
    "orders/edited": _order_edited,
    "orders/delete": lambda payload, at: Received((OrderDeleted(number(payload.get("id"), "id"), at),)),
    "refunds/create": _refund,
    **dict.fromkeys(("products/create", "products/update"), _product),
    "products/delete": lambda payload, at: Received((ProductDeleted(number(payload.get("id"), "id"), at),)),
    **dict.fromkeys(("collections/create", "collections/update"), _collection),
    "collections/delete": lambda payload, at: Received(
        (CollectionDeleted(number(payload.get("id"), "id"), at),)
    ),
    **dict.fromkeys(("customers/create", "customers/update"), _customer),
    "customers/delete": lambda payload, at: Received((CustomerDeleted(number(payload.get("id"), "id"), at),)),
    "customers/merge": lambda payload, at: Received((payloads.merge(payload, at=at),)),
    "inventory_levels/update": lambda payload, at: Received((payloads.stock(payload, at=at),)),
    "themes/publish": _theme,
}
