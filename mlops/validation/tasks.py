"""Celery's doors to this room. Every task may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mlops.validation import daily, profile
from mlops.validation.suites import SuiteMoved
from tenancy.models import Shop
from tenancy.scope import scope
from tenancy.tasks import ShopTask


@shared_task(name="validation.check_all")
def check_all() -> None:
    """Send the daily check to every installed shop; a shop whose day was looked at does nothing."""
    for shop_id in Shop.objects.filter(uninstalled_at=None).values_list("pk", flat=True):
        check.delay(shop_id)


@shared_task(name="validation.check", base=ShopTask)
def check(shop: Shop) -> None:
    daily.check(shop, now=timezone.now())


@shared_task(name="validation.profile", base=ShopTask)
def learn(shop: Shop) -> None:
    """After an import: the history is the profile's data. A profile that is there is renewed."""
    with scope(shop):
        try:
            profile.profile(shop, now=timezone.now(), reason="history imported")
        except SuiteMoved:
            learn.send(shop)
