"""Celery's doors to this room. Every task may run any number of times."""

from __future__ import annotations

import time

from celery import shared_task
from django.utils import timezone

from mlops.feature_store import changes, freshness, refresh
from tenancy.models import Shop, ShopState
from tenancy.tasks import ShopTask

# What changes is gathered for a moment: the events of one order come together.
GATHER_S = 5.0


@shared_task(name="features.tick")
def tick() -> None:
    """Look at every installed shop: is a refresh due, and is one late?"""
    for shop_id in Shop.objects.filter(state=ShopState.INSTALLED).values_list("pk", flat=True):
        refresh_when_due.delay(shop_id)


@shared_task(name="features.refresh", base=ShopTask)
def refresh_when_due(shop: Shop) -> None:
    now = timezone.now()
    try:
        if refresh.due(shop, now=now):
            refresh.refresh(shop, now=now)
    finally:
        freshness.look(shop, now=timezone.now())


@shared_task(name="features.refresh_now", base=ShopTask)
def refresh_now(shop: Shop) -> None:
    """After an import: what was computed of the empty shop is not four hours old, and says nothing."""
    refresh.refresh(shop, now=timezone.now())


@shared_task(name="features.catch_up")
def catch_up() -> None:
    changes.pay(before=time.time() - GATHER_S, now=timezone.now())
