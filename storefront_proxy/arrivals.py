"""Storefront events between the collector and Postgres: onto the bus, and from there in batches, once each.

Written before it is acknowledged, and idempotent by the event's id, so a worker that dies in between costs a repetition.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlops.feature_store import erase as vectors
from mlops.features import erase, store
from mlops.features.storefront import CartLine, Consent, Exclusion, StorefrontEvent, StorefrontKind
from tenancy import measures
from tenancy.bus import in_flight
from tenancy.bus.interface import SHOP, VISITOR, Delivery
from tenancy.bus.opened import open_bus
from tenancy.bus.topics import Topic, declare
from tenancy.bus.work import IDLE_MS, Handled, work
from tenancy.models import Shop
from tenancy.outages import AWAY
from tenancy.redis import client, key

GROUP = "postgres"
# One message is one batch of a browser: 1 kB as a rule, 32 kB at most.
TOPIC = declare(Topic("storefront_events", (GROUP,), most=100_000, largest=64 * 1024))
BATCH = 200
LONGEST_RUN_S = 5.0
DROPPED_KEPT = timedelta(days=40)

_arrived = measures.counter(
    "storefront_events_total", "Events from web pixels, by what became of them", ["outcome"]
)


def send(shop_id: int, visitor: str | None, events: Sequence[StorefrontEvent]) -> None:
    """Queue the events of one browser.

    Raises:
        Transient: the bus is full or away.
    """
    packed = json.dumps([_packed(each) for each in events], separators=(",", ":"))
    open_bus().publish(TOPIC.name, [_message(shop_id, visitor, events=packed)])


def send_withdrawal(shop_id: int, visitor: str) -> None:
    """A visitor took their consent back: what is linked to them is unlinked soon, and nothing is linked after that."""
    open_bus().publish(TOPIC.name, [_message(shop_id, visitor, withdrawn="1")])


def send_staff(shop_id: int, visitor: str) -> None:
    """The visitor's browser is one of the shop's own people's."""
    open_bus().publish(TOPIC.name, [_message(shop_id, visitor, staff="1")])


def count_dropped(shop_id: int, dropped: Mapping[str, int], now: datetime) -> None:
    """Count what was not taken, by reason and day in UTC. A rough figure: it is lost with Redis."""
    if not dropped:
        return
    pipe = client().pipeline(transaction=False)
    name = key("storefront_dropped", shop_id, now.date().isoformat())
    for reason, count in dropped.items():
        pipe.hincrby(name, reason, count)
    pipe.expire(name, DROPPED_KEPT)
    _arrived.add(sum(dropped.values()), to=pipe, outcome="dropped")
    pipe.execute()


def dropped(shop_id: int, *, days: int, now: datetime) -> dict[str, int]:
    """What `count_dropped` has counted over the last days, by reason. Empty when Redis does not answer."""
    pipe = client().pipeline(transaction=False)
    for each in range(min(days, DROPPED_KEPT.days)):
        pipe.hgetall(key("storefront_dropped", shop_id, (now - timedelta(days=each)).date().isoformat()))
    found: Counter[str] = Counter()
    try:
        for counts in pipe.execute():
            found.update({reason.decode(): int(count) for reason, count in counts.items()})
    except AWAY:
        return {}
    return dict(found)


def flush(*, consumer: str, now: datetime, stale_ms: int = IDLE_MS) -> int:
    """Move what waits into Postgres; returns how many messages were settled.

    Args:
        consumer: a name of this process's own.
        stale_ms: take over what another consumer has held so long.
    """
    worked = work(
        open_bus(),
        TOPIC.name,
        GROUP,
        lambda deliveries: _settle(deliveries, now),
        consumer=consumer,
        most_s=LONGEST_RUN_S,
        idle_ms=stale_ms,
        batch=BATCH,
    )
    return worked.done + worked.dead


@dataclass(slots=True)
class _Shops:
    """What a batch of messages asks for, for one shop."""

    events: list[StorefrontEvent] = field(default_factory=list)
    staff: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


def _settle(deliveries: Iterable[Delivery], now: datetime) -> Handled:
    wanted: dict[int, _Shops] = defaultdict(_Shops)
    refused: dict[str, str] = {}
    for each in deliveries:
        try:
            shop_id, visitor = int(each.fields[SHOP]), each.fields.get(VISITOR, b"").decode()
            if each.fields.get("withdrawn") == b"1":
                wanted[shop_id].gone.add(visitor)
            elif each.fields.get("staff") == b"1":
                wanted[shop_id].staff.add(visitor)
            else:
                wanted[shop_id].events += [
                    _event(one, visitor or None) for one in json.loads(each.fields["events"])
                ]
        except (ValueError, KeyError, TypeError, ArithmeticError):
            refused[each.id] = "the message is not a batch of events"
    for shop in Shop.objects.filter(pk__in=wanted):
        asked = wanted[shop.pk]
        for visitor in sorted(asked.gone):
            erase.forget_visitor(shop, visitor, now=now)
        vectors.forget(shop, visitors=asked.gone)
        in_flight.forget_dead(shop.pk, visitors=asked.gone)
        visited = store.record_visits(shop, asked.events)
        for visitor in sorted(asked.staff - asked.gone):
            store.exclude(shop, visitor, Exclusion.STAFF, now=now)
        for outcome, count in Counter(kept=visited.new, repeated=visited.repeated).items():
            if count:
                _arrived.add(count, outcome=outcome)
    return Handled(refused=refused)


def _message(shop_id: int, visitor: str | None, **fields: str) -> dict[str, bytes | str]:
    told: dict[str, bytes | str] = {SHOP: str(shop_id), **fields}
    if visitor is not None:
        told[VISITOR] = visitor
    return told


def _packed(event: StorefrontEvent) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": event.event_id, "kind": event.kind, "at": event.at.isoformat(), "client": event.client_at.isoformat(),
        "received": event.received_at.isoformat(), "consent": event.consent,
        "product": event.product_id, "variant": event.variant_id, "collection": event.collection_id,
        "quantity": event.quantity, "price": None if event.price is None else str(event.price),
        "currency": event.currency, "search": event.search, "exposure": event.exposure_id, "order": event.order_id,
        "lines": [[e.product_id, e.variant_id, e.quantity, None if e.price is None else str(e.price)] for e in event.lines],
        "excluded": event.excluded,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _event(packed: Mapping[str, Any], visitor: str | None) -> StorefrontEvent:
    return StorefrontEvent(
        event_id=packed["id"],
        kind=StorefrontKind(packed["kind"]),
        at=_moment(packed["at"]),
        client_at=_moment(packed["client"]),
        received_at=_moment(packed["received"]),
        consent=Consent(packed["consent"]),
        visitor=visitor,
        product_id=packed.get("product"),
        variant_id=packed.get("variant"),
        collection_id=packed.get("collection"),
        quantity=packed.get("quantity"),
        price=_money(packed.get("price")),
        currency=packed.get("currency", ""),
        search=packed.get("search"),
        exposure_id=packed.get("exposure"),
        order_id=packed.get("order"),
        lines=tuple(CartLine(p, v, q, _money(m)) for p, v, q, m in packed.get("lines", [])),
        excluded=Exclusion(packed["excluded"]) if "excluded" in packed else None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
