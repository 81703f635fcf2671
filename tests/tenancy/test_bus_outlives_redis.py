"""A server of its own that is killed and comes back: what was taken is there, what was in hand is delivered again."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from tenancy.bus.interface import BusAway
from tenancy.bus.redis_streams import RedisBus
from tenancy.embedded import Embedded
from tests.tenancy.bus_battery import numbered, numbers, taken


@pytest.fixture
def server() -> Iterator[Embedded]:
    with tempfile.TemporaryDirectory(prefix="bus") as folder:
        own = Embedded(Path(folder))
        own.start("valkey")
        try:
            with override_settings(REDIS_URL=own.redis_url):
                yield own
        finally:
            own.stop()


def test_a_killed_redis_comes_back_with_every_message(server: Embedded) -> None:
    bus = RedisBus()
    bus.publish("test-one", numbered(1_000))
    held = taken(bus, "test-one", "readers", 400)
    bus.ack("test-one", "readers", [each.id for each in held[:100]])
    bus.dead("test-one", "readers", held[100], "bad")
    pid = server.pid("valkey")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BusAway):
        bus.publish("test-one", numbered(1))
    server.start("valkey")
    lag = bus.lag("test-one", "readers")
    assert (lag.waiting, lag.pending, lag.dead) == (600, 299, 1)
    again = bus.reclaim("test-one", "readers", "two", idle_ms=0, count=1_000)
    assert (numbers(again), {each.attempts for each in again}) == (numbers(held[101:]), {2})
    new = taken(bus, "test-one", "readers", 600, consumer="two")
    bus.ack("test-one", "readers", [each.id for each in (*again, *new)])
    assert bus.lag("test-one", "readers").messages == 0
    assert [letter.reason for letter in bus.dead_letters("test-one", "readers")] == ["bad"]
