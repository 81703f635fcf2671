"""Celery's doors to this room. Every task may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mlops.validation import daily, decisions, profile
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
    for halt_id in decisions.unfinished(shop):
        bring_in.send(shop, halt_id)


@shared_task(name="validation.bring_in", base=ShopTask)
def bring_in(shop: Shop, halt_id: int) -> None:
    """Rows of a halt that a person released, a thousand at a time."""
    if decisions.bring_in(shop, halt_id, now=timezone.now(), most=decisions.AT_ONCE).left:
        bring_in.send(shop, halt_id)


@shared_task(name="validation.profile", base=ShopTask)
def learn(shop: Shop) -> None:
    """After an import: the history is the profile's data. A profile that is there is renewed."""
    with scope(shop):
        try:
            profile.profile(shop, now=timezone.now(), reason="history imported")
        except SuiteMoved:
            learn.send(shop)
