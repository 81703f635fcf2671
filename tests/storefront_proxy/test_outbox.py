"""Exposures on their way to Redis: gathered, never lost to a Redis that is away or to an orderly end, and bounded."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from storefront_proxy import exposures, outbox
from tenancy.bus.interface import BusAway
from tenancy.bus.opened import open_bus
from tenancy.models import Shop
from tenancy.redis import client, key
from tests.mlops.builders import exposure

AWAY = "unix:///nowhere/valkey.sock"


def put(shop: Shop, number: int) -> None:
    for _ in range(number):
        outbox.put(exposure(shop.pk, [7]))


def test_what_is_put_is_in_the_stream_within_a_tenth_of_a_second(shop: Shop) -> None:
    put(shop, 5)
    deadline = time.monotonic() + 1.0
    while exposures.waiting() < 5:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_many_go_in_few_messages(shop: Shop) -> None:
    before = client().info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"]
    put(shop, 1_000)
    outbox.drain()
    assert exposures.waiting() == 1_000
    assert client().info("commandstats")["cmdstat_eval"]["calls"] - before <= 1_000 // outbox.BATCH + 2


def test_a_redis_that_is_away_loses_nothing(shop: Shop) -> None:
    with override_settings(REDIS_URL=AWAY):
        put(shop, 300)
        with pytest.raises(BusAway):
            outbox.drain()
    outbox.drain()
    assert exposures.waiting() == 300


def test_a_redis_that_stays_away_costs_the_oldest_only(shop: Shop) -> None:
    with override_settings(REDIS_URL=AWAY):
        put(shop, 10)
        put(shop, outbox.MOST_HELD - 1)
        outbox.put(exposure(shop.pk, [7], exposure_id="newest"))
        with pytest.raises(BusAway):
            outbox.drain()
    outbox.drain()
    assert exposures.waiting() == outbox.MOST_HELD
    counts = open_bus().counts(exposures.TOPIC.name)
    assert counts == {"published": outbox.MOST_HELD, "lost": 10}
    newest: Any = client().xrevrange(key("bus", "exposures"), count=1)
    assert b'"id": "newest"' in newest[0][1][b"body"]


LAST_WORDS = """
import django
django.setup()
from storefront_proxy import outbox
from tests.mlops.builders import exposure
outbox.put(exposure(1, [7]))
"""


def test_a_process_that_ends_sends_what_it_holds(shop: Shop) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
        "SHELFWISE_LOCAL": "1",
        "REDIS_PREFIX": settings.REDIS_PREFIX,
        "REDIS_URL": settings.REDIS_URL,
        "DATABASE_URL": settings.DATABASE_URL,
    }
    subprocess.run([sys.executable, "-c", LAST_WORDS], env=environment, check=True, timeout=30)
    assert exposures.waiting() == 1
