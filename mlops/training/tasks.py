"""Celery's door to training. Every task may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mlops.deployments import store as deployments
from mlops.deployments.models import Slot
from mlops.training import run as training
from mlops.training.models import FINAL, TrainingRun
from tenancy.models import Shop
from tenancy.scope import scope, unscoped
from tenancy.tasks import ShopTask


@shared_task(name="training.step", base=ShopTask)
def step(shop: Shop) -> None:
    """One step of the shop's open runs; the next one is sent when there is more to do."""
    if training.advance(shop, now=timezone.now()):
        step.send(shop)


@shared_task(name="training.tick_all")
def tick_all() -> None:
    """Begin again what a dead process left, and follow slot changes whose publisher died."""
    with unscoped(why="open runs and slots of all shops are looked up; the work is done per shop"):
        waiting = set(TrainingRun.objects.exclude(state__in=FINAL).values_list("shop_id", flat=True))
        deployed = set(Slot.objects.values_list("shop_id", flat=True))
    for shop_id in sorted(waiting):
        step.delay(shop_id)
    for shop in Shop.objects.filter(pk__in=deployed):
        with scope(shop):
            deployments.publish_all(shop)
