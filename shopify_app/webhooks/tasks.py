"""Celery's doors to the inbox, and the hint that something came in."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.utils import timezone

from shopify_app.webhooks import drain as drains
from shopify_app.webhooks import inbox
from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy.models import Shop
from tenancy.scope import unscoped
from tenancy.tasks import ShopTask

log = logging.getLogger("shelfwise.webhooks")
MESSAGE_LIFE_S = 10
BATCHES_PER_TASK = 3
# One message starts a drain of all that is there, so more of them in so short a time say nothing new.
HINT_EVERY_S = 0.05
REST_AFTER_FAILURE_S = 5.0
_silent_until: dict[int, float] = {}


@shared_task(name="webhooks.drain_all", ignore_result=True)
def drain_all() -> int:
    """Send one drain for each shop that has something due, longest waiting first; the beat that needs no hints."""
    now = timezone.now()
    with unscoped(why="the scheduler looks into the inbox of every shop"):
        inbox.forget_old(now)
        waiting = InboxDelivery.objects.filter(state=DeliveryState.PENDING, next_try_at__lte=now)
        shops = list(dict.fromkeys(waiting.order_by("id").values_list("shop_id", flat=True)[:2000]))
    for shop_id in shops:
        drain.apply_async((shop_id,), queue="webhooks", expires=MESSAGE_LIFE_S)
    return len(shops)


@shared_task(name="webhooks.drain", base=ShopTask, runs_when_uninstalled=True)
def drain(shop: Shop) -> None:
    for _ in range(BATCHES_PER_TASK):
        if drains.drain(shop, timezone.now()) < inbox.BATCH:
            return
    drain.apply_async((shop.pk,), queue="webhooks", expires=MESSAGE_LIFE_S)


def hint(shop_id: int) -> None:
    """Tell a worker at once that this shop's inbox has something. Best effort: `drain_all` finds it within seconds."""
    moment = time.monotonic()
    if moment < max(_silent_until.get(shop_id, 0.0), _silent_until.get(0, 0.0)):
        return
    _silent_until[shop_id] = moment + HINT_EVERY_S
    try:
        drain.apply_async((shop_id,), queue="webhooks", expires=MESSAGE_LIFE_S, retry=False)
    except Exception as error:
        _silent_until[0] = moment + REST_AFTER_FAILURE_S
        log.warning("webhooks.hint_failed", extra={"reason": type(error).__name__})
