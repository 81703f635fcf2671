"""Celery's doors to the shops' web pixels."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from shopify_app.pixels import activate
from tenancy.models import Shop
from tenancy.tasks import ShopTask

SHOPS_PER_TICK = 100


@shared_task(name="pixels.settle_all", ignore_result=True)
def settle_all() -> int:
    """Send one task for each shop whose pixel is not as it should be."""
    found = activate.due(timezone.now())[:SHOPS_PER_TICK]
    for shop_id in found:
        settle.apply_async((shop_id,), expires=60)
    return len(found)


# Not tried again by itself: the tick sees what is still due.
@shared_task(name="pixels.settle", base=ShopTask, max_retries=0)
def settle(shop: Shop) -> None:
    activate.settle(shop, now=timezone.now())
