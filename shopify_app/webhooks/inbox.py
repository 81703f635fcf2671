"""Writes of the inbox: take a delivery in, claim some, close them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from shopify_app.verify.deliveries import Delivery
from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy.locks import LockKind, try_lock
from tenancy.models import Shop
from tenancy.scope import scoped

# What a killed drain had in hand waits this long. Longer than any one delivery takes; renewed between them.
LEASE = timedelta(seconds=10)
BATCH = 100
MOST_ATTEMPTS = 8


@scoped
def take_in(
    shop_id: int, delivery: Delivery, payload: dict[str, Any], *, triggered_at: datetime, now: datetime
) -> bool:
    """Store one delivery; False when it is there already. One statement: all that a webhook request waits for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into webhooks_inboxdelivery (shop_id, webhook_id, event_id, topic, triggered_at, received_at,"
            " payload, state, attempts, next_try_at, problem)"
            " values (%s, %s, %s, %s, %s, %s, %s::jsonb, 'pending', 0, %s, '')"
            " on conflict (shop_id, webhook_id) do nothing",
            [
                shop_id, delivery.webhook_id, delivery.event_id, delivery.topic, triggered_at, now,
                json.dumps(payload), now,
            ],
        )  # fmt: skip
        return int(cursor.rowcount) == 1


@scoped
def claim(shop: Shop, now: datetime) -> list[InboxDelivery]:
    """The oldest open deliveries, leased to the caller; empty while another process works for this shop."""
    with transaction.atomic():
        if not try_lock(shop, LockKind.WEBHOOKS):
            return []
        opened = InboxDelivery.objects.filter(shop=shop, state=DeliveryState.PENDING)
        if opened.filter(in_flight_until__gte=now).exists():
            return []
        found = list(opened.filter(next_try_at__lte=now).order_by("id")[:BATCH])
        # A delivery that kills its worker counts as tried each time, and so is parked in the end.
        InboxDelivery.objects.filter(pk__in=[each.pk for each in found]).update(
            in_flight_until=now + LEASE, attempts=F("attempts") + 1
        )
        for each in found:
            each.attempts += 1
        return found


@scoped
def renew(shop: Shop, now: datetime) -> None:
    """Keep what is in hand for another `LEASE`."""
    held = InboxDelivery.objects.filter(shop=shop, state=DeliveryState.PENDING, in_flight_until__isnull=False)
    held.update(in_flight_until=now + LEASE)


def done(deliveries: Iterable[InboxDelivery], now: datetime) -> None:
    InboxDelivery.objects.filter(pk__in=[each.pk for each in deliveries]).update(
        state=DeliveryState.DONE, done_at=now, payload={}, in_flight_until=None, problem=""
    )


def dead(delivery: InboxDelivery, reason: str) -> None:
    InboxDelivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.DEAD, problem=reason[:500], in_flight_until=None
    )


def later(delivery: InboxDelivery, reason: str, now: datetime) -> None:
    """Try again, each time after a longer wait; given up after `MOST_ATTEMPTS`."""
    if delivery.attempts >= MOST_ATTEMPTS:
        dead(delivery, f"tried {delivery.attempts} times; last: {reason}")
        return
    wait = timedelta(seconds=min(600, 2**delivery.attempts))
    InboxDelivery.objects.filter(pk=delivery.pk).update(
        next_try_at=now + wait, problem=reason[:500], in_flight_until=None
    )


def wait(deliveries: Iterable[InboxDelivery], seconds: float, now: datetime) -> None:
    """Take up again in so many seconds, as if they had not been tried: nothing failed."""
    InboxDelivery.objects.filter(pk__in=[each.pk for each in deliveries]).update(
        next_try_at=now + timedelta(seconds=seconds), attempts=F("attempts") - 1, in_flight_until=None
    )


@scoped
def replay(shop: Shop, delivery_ids: Iterable[int], now: datetime) -> int:
    """Send dead deliveries back to work; the number that were."""
    return InboxDelivery.objects.filter(
        shop=shop, pk__in=list(delivery_ids), state=DeliveryState.DEAD
    ).update(state=DeliveryState.PENDING, attempts=0, next_try_at=now, problem="")


@scoped
def forget_customer(shop: Shop) -> None:
    """Empty the dead deliveries about customers: no pseudonym tells whose privacy request one was."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update webhooks_inboxdelivery set payload = '{}'::jsonb where shop_id = %s and state = 'dead'"
            " and topic like 'customers/%%'",
            [shop.pk],
        )


def forget_old(now: datetime) -> int:
    """Delete deliveries done longer ago than they are kept, some thousand at a time. Call it unscoped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from webhooks_inboxdelivery where id in (select id from webhooks_inboxdelivery"
            " where state = 'done' and done_at < %s limit 5000)",
            [now - timedelta(days=settings.RETAIN_DAYS["inbox"])],
        )
        return int(cursor.rowcount)
