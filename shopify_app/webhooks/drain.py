"""Works off a shop's inbox: oldest first, data as one batch, everything else one by one."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from django.db import DatabaseError, transaction
from django.utils import timezone

from shopify_app.graphql.client import BudgetSpent
from shopify_app.sync import receive
from shopify_app.sync.receive import Received, Untranslatable
from shopify_app.sync.reread import Wanted
from shopify_app.webhooks import inbox
from shopify_app.webhooks.handlers import HANDLERS
from shopify_app.webhooks.models import InboxDelivery
from tenancy.errors import Transient, UserFixable
from tenancy.models import Shop

log = logging.getLogger("shelfwise.webhooks")


def drain(shop: Shop, now: datetime) -> int:
    """Work off up to one batch; the number of deliveries taken in hand. Safe to run at any time, by any process."""
    deliveries = inbox.claim(shop, now)
    data: list[tuple[InboxDelivery, Received]] = []
    for delivery in deliveries:
        if receive.handles(delivery.topic):
            translated = _translated(delivery)
            if translated is not None:
                data.append((delivery, translated))
            continue
        # An uninstall or a redaction must find everything before it done.
        _apply(shop, data, now)
        data = []
        inbox.renew(shop, timezone.now())
        _handle(shop, delivery, now)
    _apply(shop, data, now)
    return len(deliveries)


def _translated(delivery: InboxDelivery) -> Received | None:
    try:
        found = receive.translate(delivery.topic, delivery.payload, delivery.triggered_at)
        return replace(found, delivery=delivery.webhook_id)
    except Untranslatable as error:
        log.warning("webhooks.dead", extra={"topic": delivery.topic, "reason": str(error)})
        inbox.dead(delivery, str(error))
        return None


def _apply(shop: Shop, data: list[tuple[InboxDelivery, Received]], now: datetime) -> None:
    if not data:
        return
    told = [(delivery, received) for delivery, received in data if received.wanted is None]
    try:
        with transaction.atomic():
            receive.append(shop, [received for _, received in told], now)
            inbox.done([delivery for delivery, _ in told], now)
    except Transient as error:
        for delivery, _ in told:
            inbox.later(delivery, error.message, now)
    except (ValueError, DatabaseError):
        # One of them cannot be kept: find out which, so that the others do not suffer.
        log.exception("webhooks.batch_failed", extra={"shop_id": shop.pk})
        for delivery, received in told:
            _one_by_one(shop, delivery, received, now)
    wanted: defaultdict[Wanted, list[InboxDelivery]] = defaultdict(list)
    for delivery, received in data:
        if received.wanted is not None:
            wanted[received.wanted].append(delivery)
    for each, asking in wanted.items():
        inbox.renew(shop, timezone.now())
        _read_again(shop, each, asking, now)


def _one_by_one(shop: Shop, delivery: InboxDelivery, received: Received, now: datetime) -> None:
    try:
        with transaction.atomic():
            receive.append(shop, [received], now)
            inbox.done([delivery], now)
    except (Transient, ValueError, DatabaseError) as error:
        inbox.later(delivery, f"could not be kept ({type(error).__name__})", now)


def _read_again(shop: Shop, wanted: Wanted, asking: list[InboxDelivery], now: datetime) -> None:
    try:
        receive.read_again(shop, wanted, now)
    except BudgetSpent as error:
        inbox.wait(asking, error.wait_s or 1.0, now)
    except (Transient, UserFixable) as error:
        for delivery in asking:
            inbox.later(delivery, error.message, now)
    except Untranslatable as error:
        for delivery in asking:
            inbox.dead(delivery, str(error))
    else:
        inbox.done(asking, now)


def _handle(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    handler = HANDLERS.get(delivery.topic)
    if handler is None:
        inbox.dead(delivery, "no function handles this topic")
        return
    try:
        handler(shop, delivery, now)
    except Transient as error:
        inbox.later(delivery, error.message, now)
    except (UserFixable, Untranslatable) as error:
        inbox.dead(delivery, str(error))
    except Exception as error:
        log.exception("webhooks.handler_failed", extra={"shop_id": shop.pk, "topic": delivery.topic})
        inbox.later(delivery, f"failed inside ({type(error).__name__})", now)
    else:
        inbox.done([delivery], now)
