"""A refresh that is killed at any moment: real processes on the real database and store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from mlops.feature_store import catalogue, online, packed, refresh, skew
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import Entity
from mlops.feature_store.models import FeatureDay
from mlops.features import store
from mlops.features.events import Source
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order
from tests.mlops.shops import stock

PRODUCTS, CUSTOMERS = 150, 3_000
FIRST = 4_000_000_000_000
BEFORE, AFTER = NOON + timedelta(minutes=1), NOON + timedelta(hours=5)
REFRESH = """
import sys, django
django.setup()
from datetime import datetime
from mlops.feature_store import refresh
from tenancy.models import Shop
refresh.refresh(Shop.objects.get(), now=datetime.fromisoformat(sys.argv[1]))
"""


@pytest.mark.django_db(transaction=True)
def test_a_killed_refresh_loses_nothing_and_leaves_no_half_vector(shop: Shop) -> None:
    stock(shop, products=PRODUCTS)
    told = [
        order(
            n, [line(n, 1 + n % PRODUCTS, 2)], customer_id=FIRST + n, ordered_at=NOON - timedelta(days=n % 90)
        )
        for n in range(1, CUSTOMERS + 1)
    ]
    store.append(shop, told, source=Source.BACKFILL, now=NOON)
    refresh.refresh(shop, now=BEFORE)
    packs = catalogue.services(catalogue.views(shop))
    everybody = {entity: ids for entity in packs if (ids := _ids(shop, entity))}
    times = {packed.microseconds(BEFORE)}
    for number, watched in enumerate((Entity.PRODUCT, Entity.VARIANT, Entity.CUSTOMER)):
        now = AFTER + timedelta(minutes=number)
        _killed_when_it_writes(shop, packs[watched], everybody[watched][0], now)
        times.add(packed.microseconds(now))
        seen: set[int] = set()
        for entity, ids in everybody.items():
            found, moments, _ = online.look(shop.pk, packs[entity], ids)
            assert found.all(), f"a {entity} has lost its vector"
            assert (moments == moments[:, :1]).all(), "a vector was written in halves"
            seen |= set(moments.ravel().tolist())
        assert seen <= times
        assert len(seen) > 1, "it was killed between two writes"
        compared = [
            each for each in skew.check(shop, pairs=400, moments=2, seed=1, now=now) if each.way == "stored"
        ]
        assert compared
        assert all(each.differing == 0 for each in compared), compared
        assert refresh.due(shop, now=now), "what was not finished is due again"
    last = AFTER + timedelta(minutes=5)
    refresh.refresh(shop, now=last)
    assert not refresh.due(shop, now=last)
    for entity, ids in everybody.items():
        moments = online.look(shop.pk, packs[entity], ids)[1]
        assert set(moments.ravel().tolist()) == {packed.microseconds(last)}
    with scope(shop):
        days = list(FeatureDay.objects.values_list("view", "feature", "day"))
        assert len(days) == len(set(days)) > 0


def _ids(shop: Shop, entity: Entity) -> list[Any]:
    if entity is Entity.VISITOR:
        return []
    with looking(), scope(shop):
        return skew._known(shop, entity)


def _killed_when_it_writes(shop: Shop, service: Service, first: Any, now: datetime) -> None:
    """Kill a refresh as soon as it has written this vector."""
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "DATABASE_URL": urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl(),
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_PREFIX": settings.REDIS_PREFIX,
    }
    command = [sys.executable, "-c", REFRESH, now.isoformat()]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) as running:
        until = time.monotonic() + 180
        while time.monotonic() < until and running.poll() is None:
            if online.look(shop.pk, service, [first])[1].max() == packed.microseconds(now):
                break
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL, "it had ended before it was killed"
