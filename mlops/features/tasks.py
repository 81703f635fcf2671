"""Celery's door to features. Every task may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mlops.features import catalogue, newcomers
from tenancy.models import Shop, ShopState
from tenancy.tasks import ShopTask


@shared_task(name="features.watch_catalogue", base=ShopTask)
def watch_catalogue(shop: Shop) -> None:
    """Mark it when prices or stock jumped since yesterday."""
    catalogue.watch(shop, now=timezone.now())


@shared_task(name="features.watch_catalogues")
def watch_catalogues() -> None:
    """Look at the catalogue of every installed shop."""
    for shop_id in Shop.objects.filter(state=ShopState.INSTALLED).values_list("pk", flat=True):
        watch_catalogue.delay(shop_id)


@shared_task(name="features.renew_newcomers", base=ShopTask)
def renew_newcomers(shop: Shop) -> None:
    """Find out what the shop's new products are like, so that they can be shown."""
    newcomers.renew(shop, now=timezone.now())


@shared_task(name="features.newcomers")
def renew_all_newcomers() -> None:
    """Look at the new products of every installed shop."""
    for shop_id in Shop.objects.filter(state=ShopState.INSTALLED).values_list("pk", flat=True):
        renew_newcomers.delay(shop_id)
