"""Exposures while consumers are killed with SIGKILL in the middle of a batch: each arrives, and counts once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from mlops.features.models import Exposure
from storefront_proxy import exposures
from tenancy.bus.opened import open_bus
from tenancy.models import Shop
from tenancy.scope import scope
from tests.mlops.builders import exposure

MESSAGES = 6_000
KILLS = 6
CONSUMER = """
import sys, time
import django
django.setup()
from django.utils import timezone
from storefront_proxy import exposures
while True:
    exposures.flush(consumer=sys.argv[1], now=timezone.now(), stale_ms=400)
    time.sleep(0.02)
"""


@contextmanager
def consumer(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works as the task does, on the database of this test."""
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
        "SHELFWISE_LOCAL": "1",
        "REDIS_PREFIX": settings.REDIS_PREFIX,
        "REDIS_URL": settings.REDIS_URL,
        "DATABASE_URL": database.replace("postgresql:/shelfwise", "postgresql:///shelfwise"),
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([sys.executable, "-c", CONSUMER, name], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.django_db(transaction=True)
def test_no_message_is_lost_and_none_counts_twice(shop: Shop) -> None:
    for start in range(0, MESSAGES, 200):
        exposures.send_exposures(
            [exposure(shop.pk, [7], exposure_id=f"exposure-{start + at}") for at in range(200)]
        )
    bus = open_bus()
    killed_in_hand = 0
    for at in range(KILLS):
        with consumer(f"consumer-{at}") as process:
            deadline = time.monotonic() + 60
            # New work in hand, beside what the one before left.
            left = bus.lag("exposures", exposures.GROUP).pending
            while bus.lag("exposures", exposures.GROUP).pending in (0, left):
                assert time.monotonic() < deadline
                if bus.lag("exposures", exposures.GROUP).messages == 0:
                    break
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed_in_hand += bus.lag("exposures", exposures.GROUP).pending > 0
    assert killed_in_hand, "no consumer was killed with a batch in hand"
    with consumer("the last"):
        deadline = time.monotonic() + 60
        while bus.lag("exposures", exposures.GROUP).messages:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    lag = bus.lag("exposures", exposures.GROUP)
    assert (lag.waiting, lag.pending, lag.dead, lag.oldest_s) == (0, 0, 0, 0)
    with scope(shop):
        kept = list(Exposure.objects.values_list("exposure_id", flat=True))
    assert sorted(kept) == sorted(f"exposure-{at}" for at in range(MESSAGES))
