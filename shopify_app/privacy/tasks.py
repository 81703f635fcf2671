"""Celery's doors: the search after an erasure, and what is done once a day. Each may run any number of times."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from mlops.training import unlearn
from shopify_app.privacy import certificate, retention, shop_erasures
from tenancy.errors import Transient
from tenancy.locks import LockKind, alone
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import unscoped
from tenancy.tasks import ShopTask

log = logging.getLogger("shelfwise.privacy")
DAY_S = int(timedelta(days=1).total_seconds())


@shared_task(name="privacy.tick", ignore_result=True)
def tick() -> int:
    """Search for people and shops erased lately, and once a day send each shop its day's work."""
    now = timezone.now()
    with unscoped(why="the scheduler looks for due searches of every shop"):
        waiting = certificate.due(now)
    shops = shop_erasures.due(now)
    if waiting or shops:
        # One search at a time over all processes: it reads every row.
        with alone(LockKind.SEARCH) as taken:
            for redaction in waiting if taken else ():
                certificate.certify(redaction, now=timezone.now())
            for erasure in shops if taken else ():
                try:
                    shop_erasures.certify(erasure, now=timezone.now())
                except Transient as error:
                    # The next tick tries again; the others need not wait for it.
                    log.info("privacy.shop_search_later", extra={"code": error.code})
    # Lost with Redis, it is a day's work done twice, which finds nothing to do.
    if client().set(key("privacy", "day", now.date().isoformat()), "1", nx=True, ex=2 * DAY_S):
        retention.logs(now=now)
        for shop_id in Shop.objects.values_list("pk", flat=True):
            daily.delay(shop_id)
    return len(waiting) + len(shops)


@shared_task(name="privacy.daily", base=ShopTask, runs_when_uninstalled=True)
def daily(shop: Shop) -> None:
    """Forget what has lapsed; see to it that what learnt from an erased customer is replaced in time."""
    now = timezone.now()
    retention.enforce(shop, now=now)
    unlearn.look(shop, now=now)
