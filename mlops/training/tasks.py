"""Celery's door to training. Every task may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from mlops.deployments import store as deployments
from mlops.deployments.models import Slot
from mlops.features.events import SlotName
from mlops.training import run as training
from mlops.training.demand.observe import observe
from mlops.training.models import FINAL, TrainingRun
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope, unscoped
from tenancy.tasks import ShopTask


@shared_task(name="training.step", base=ShopTask)
def step(shop: Shop) -> None:
    """One step of the shop's open runs; the next one is sent when there is more to do."""
    if training.advance(shop, now=timezone.now()):
        step.send(shop)


@shared_task(name="training.observe_demand", base=ShopTask)
def observe_demand(shop: Shop) -> None:
    """What was sold since, against what had been forecast: each whole day once."""
    with reading(actor="system:training", purpose=Purpose.TRAINING):
        observe(shop, now=timezone.now())


@shared_task(name="training.observe_all")
def observe_all() -> None:
    """Every shop with a forecast; a day ends at another moment in each zone, so this runs every hour."""
    with unscoped(why="shops with a forecast are looked up; the work is done per shop"):
        shops = set(Slot.objects.filter(name=SlotName.FORECAST.value).values_list("shop_id", flat=True))
    for shop_id in sorted(shops):
        observe_demand.delay(shop_id)


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
