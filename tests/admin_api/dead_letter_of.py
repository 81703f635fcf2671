"""A webhook delivery that was given up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy.models import Shop
from tenancy.scope import scope

LOST_ORDER = {"id": 5001, "updated_at": "2026-11-20T10:00:00Z"}


def dead_letter(
    shop: Shop,
    now: datetime,
    *,
    problem: str = "field currency is missing",
    payload: dict[str, Any] | None = None,
    topic: str = "orders/create",
) -> InboxDelivery:
    with scope(shop):
        number = InboxDelivery.objects.count() + 1
        return InboxDelivery.objects.create(
            shop=shop,
            webhook_id=f"w-{number}",
            topic=topic,
            triggered_at=now,
            received_at=now,
            payload=LOST_ORDER if payload is None else payload,
            state=DeliveryState.DEAD,
            attempts=8,
            next_try_at=now,
            problem=problem,
        )
