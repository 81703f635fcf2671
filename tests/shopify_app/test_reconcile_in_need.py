"""The sweep in need: without points, with a worker that is killed, with members that nothing told of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from devstore import shop_changes
from mlops.features.models import Collection
from shopify_app.graphql import budget
from shopify_app.graphql.throttle import Bucket, Priority
from shopify_app.sync import reconcile
from shopify_app.sync.models import OPEN_SWEEPS, Resource, Sweep, SweepState
from tenancy.models import Incident, Shop
from tenancy.scope import scope
from tests.devstore.running import DOMAIN, SECRET, RunningDevstore
from tests.shopify_app.conftest import CLIENT_ID
from tests.shopify_app.test_reconcile import difference, live_a_little, place, sweep, work_on
from tests.shopify_app.test_reconcile import doorstep as doorstep
from tests.shopify_app.test_reconcile import shop as shop
from tests.shopify_app.test_reconcile import shopify as shopify

ROOT = Path(__file__).parents[2]


def test_a_sweep_without_points_waits_and_is_no_trouble(shop: Shop, shopify: RunningDevstore) -> None:
    """Another part of the app has just used our share up for some seconds to come."""
    place(shopify.platform.store(DOMAIN), 3, now=timezone.now())
    used = budget.take(shop, 250, Priority.FOLLOW_UP, patience_s=0)
    budget.report(shop, used, Bucket(2000, 1000, 100, time.time()), spent=1300)
    with scope(shop):
        first = reconcile.start(shop, now=timezone.now(), resources=(Resource.ORDERS,))[0]
        began = time.monotonic()
        assert reconcile.step(shop, first.pk) is False
        assert time.monotonic() - began < 1, "the worker is free for others meanwhile"
        first.refresh_from_db()
        assert (first.state, first.troubles, first.problem) == (SweepState.WALKING, 0, "")
        assert first.next_step_at > timezone.now()
        work_on(shop, first, timezone.now)
        assert first.state == SweepState.RESTING
    sweep(shop)
    assert difference(shop, shopify) == []


def test_members_of_a_collection_are_compared(shop: Shop, shopify: RunningDevstore) -> None:
    """A deleted product leaves its collections without a change of theirs; the webhooks that told it are lost."""
    made = shopify.platform.store(DOMAIN)
    products = [row["id"] for row in made.read("SELECT id FROM products ORDER BY id")]
    then = timezone.now() - timedelta(hours=2)
    made_now = shop_changes.create_collection(made, title="Autumn", product_ids=products[:3], now=then)
    sweep(shop)
    with scope(shop):
        assert Collection.objects.get(collection_id=made_now[0].id).product_ids == products[:3]
        Sweep.objects.update(watermark=timezone.now())
    shop_changes.delete_product(made, products[0])
    found = sweep(shop)
    assert sum(found["collections"].wrong.values()) == 1
    with scope(shop):
        assert Collection.objects.get(collection_id=made_now[0].id).product_ids == products[1:3]
    assert sweep(shop, after=timedelta(minutes=6))["collections"].repaired == 0


WORKER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shopify_app.settings"
import django
django.setup()
import shopify_app.celery, time
from shopify_app.sync import reconcile, repair
from shopify_app.sync.models import OPEN_SWEEPS, Sweep
from tenancy.models import Shop
from tenancy.scope import scope
repair.PIECE = reconcile.PIECE = 2  # many small transactions: the kill falls between and inside them
shop = Shop.objects.get()
print("ready", flush=True)
with scope(shop):
    while sweeps := list(Sweep.objects.filter(state__in=OPEN_SWEEPS)):
        for each in sweeps:
            reconcile.step(shop, each.pk)
        time.sleep(0.01)
"""


@pytest.mark.django_db(transaction=True)
def test_kill_9_in_the_middle_of_a_sweep_changes_nothing_of_its_end(
    shop: Shop, shopify: RunningDevstore, doorstep: Any, settings: Settings
) -> None:
    settings.API_HEADROOM_PERCENT = (
        0  # what a killed call had reserved of our share would have to flow in again
    )
    live_a_little(shopify, Random(3), things=12)
    doorstep[1].clear()
    assert difference(shop, shopify) != []
    shopify.control("POST", "/faults", {"api": {"slow_s": 0.03}})
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    if not database["HOST"].startswith("/"):
        url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    env = {
        **os.environ, "DATABASE_URL": url, "SHOPIFY_SHOP_ORIGIN": shopify.url, "SHOPIFY_API_KEY": CLIENT_ID,
        "SHOPIFY_API_SECRET": SECRET, "API_HEADROOM_PERCENT": "0",
    }  # fmt: skip
    later = timezone.now() + timedelta(minutes=5)
    with scope(shop):
        reconcile.start(shop, now=timezone.now())
        Sweep.objects.update(began_at=later)  # what is missing is nobody's delivery any more
    kills = 0
    for delay in (0.3, 0.5, 0.8):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )  # fmt: skip
        assert worker.stdout is not None
        try:
            worker.stdout.readline()
            worker.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            kills += 1
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
        with scope(shop):  # the lease of the dead lapses: the test does not wait for it
            Sweep.objects.exclude(lease_token="").update(lease_until=timezone.now() - timedelta(seconds=1))
    assert kills >= 2
    with scope(shop):
        held = list(Sweep.objects.filter(state__in=OPEN_SWEEPS))
        assert held, "something was left to do"
        for each in held:
            work_on(shop, each, timezone.now)
        still = Sweep.objects.filter(state__in=OPEN_SWEEPS)
        assert not still, [
            (each.resource, each.problem, each.troubles, each.next_step_at, each.lease_until)
            for each in still
        ]
        told = Incident.objects.filter(kind=reconcile.INCIDENT).values_list("subject", flat=True)
        assert list(told).count(Resource.ORDERS) == 1, "told once, whoever had to finish it"
    assert difference(shop, shopify) == []
