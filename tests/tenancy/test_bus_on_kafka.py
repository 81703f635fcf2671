"""The bus over Kafka's protocol: the battery against a broker in memory, or against a real one when KAFKA_URL names it.

The broker in memory is librdkafka's own: it speaks the protocol over TCP, with groups, commits and idempotent producers.
It can neither make topics on demand nor delete records: both are tried against a real broker only (`make test-kafka KAFKA_URL=kafka://…`).
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from django.conf import settings
from django.test import override_settings

from tenancy.bus import opened
from tenancy.bus.address import BusAddress, address
from tenancy.bus.interface import BusAway, EventBus
from tenancy.bus.kafka import KafkaBus
from tests.tenancy.bus_battery import KILLED, ONE, SMALL, TWO, Battery, numbered, taken

REAL = os.environ.get("KAFKA_URL", "")


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    if REAL:
        yield address(REAL).servers
        return
    holder = Producer({"bootstrap.servers": "in-memory", "test.mock.num.brokers": 1, "log_level": 0})
    for topic in (ONE, TWO, SMALL, KILLED):
        # To ask for a topic makes it here; of a real broker the bus has to demand it.
        broker = next(iter(holder.list_topics(f"test.{topic.name}", timeout=10).brokers.values()))
    yield f"{broker.host}:{broker.port}"


@pytest.fixture(scope="module")
def shared(servers: str) -> Iterator[KafkaBus]:
    """One for all tests, because joining a group takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        # A real broker remembers the topics of the run before.
        patch.setattr(settings, "REDIS_PREFIX", f"test-{secrets.token_hex(4)}" if REAL else "test")
        bus = KafkaBus(servers, address(REAL).options if REAL else {}, fullness_s=0)
        yield bus
        bus.close()


@pytest.fixture
def bus(shared: KafkaBus) -> KafkaBus:
    for topic in (ONE, TWO, SMALL):
        for group in topic.groups:
            while shared.lag(topic.name, group).messages:
                left = shared.reclaim(topic.name, group, "cleaner", idle_ms=0, count=1_000)
                left += shared.consume(topic.name, group, "cleaner", count=1_000, block_ms=200)
                shared.ack(topic.name, group, [each.id for each in left])
    return shared


class TestKafkaBus(Battery):
    pass


def test_a_kafka_that_is_away_says_so() -> None:
    away = KafkaBus("127.0.0.1:9", {"log_level": "0"})
    with pytest.raises(BusAway):
        away.publish("test-one", numbered(1))


@pytest.mark.skipif(not REAL, reason="the broker in memory cannot delete records: give KAFKA_URL")
def test_forgetting_deletes_what_is_done(bus: EventBus) -> None:
    bus.publish("test-one", [{"number": "1", "shop": "1", "visitor": "ada-0000"}])
    (found,) = taken(bus, "test-one", "readers", 1)
    bus.dead("test-one", "readers", found, "ada's")
    assert bus.forget("test-one", shop_id=1, visitors=["ada-0000"]) == 1
    assert bus.dead_letters("test-one", "readers") == []


CONSUMER = """
import sys, time
import django
django.setup()
from tenancy.bus.kafka import KafkaBus
from tests.tenancy import bus_battery
bus = KafkaBus(sys.argv[1], {"session.timeout.ms": "6000", "max.poll.interval.ms": "6000"})
while True:
    found = bus.consume("test-killed", "readers", "victim", count=50, block_ms=500)
    if found:
        bus.ack("test-killed", "readers", [each.id for each in found[:10]])
        print(len(found), flush=True)
"""


def test_what_a_killed_consumer_held_comes_to_another(shared: KafkaBus, servers: str) -> None:
    shared.publish("test-killed", numbered(200))
    environment = {
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
        "SHELFWISE_LOCAL": "1",
        "REDIS_PREFIX": settings.REDIS_PREFIX,
        "REDIS_URL": settings.REDIS_URL,
    }
    victim = subprocess.Popen(
        [sys.executable, "-c", CONSUMER, servers], env=environment, stdout=subprocess.PIPE
    )
    try:
        assert victim.stdout is not None
        assert int(victim.stdout.readline()) > 10
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    lag = shared.lag("test-killed", "readers").messages
    assert lag >= 1
    # Another process's consumer: what the victim had not finished, and nothing of what it had.
    seen: dict[str, int] = {}
    deadline = time.monotonic() + 90
    while shared.lag("test-killed", "readers").messages:
        assert time.monotonic() < deadline
        found = shared.consume("test-killed", "readers", "heir", count=100, block_ms=500)
        seen.update({each.fields["number"].decode(): each.attempts for each in found})
        shared.ack("test-killed", "readers", [each.id for each in found])
    assert len(seen) >= lag
    assert max(seen.values()) >= 2, "what the victim had in hand counts as tried"
    assert shared.lag("test-killed", "readers").messages == 0
    assert shared.consume("test-killed", "readers", "heir", count=10) == []


@pytest.mark.parametrize("url", ["", "kafka://", "rabbit://host", "kafka://user:word@host:9092", "redis://h"])
def test_an_address_that_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        address(url)


def test_the_address_chooses_the_bus(servers: str) -> None:
    found = address(f"kafka://{servers}?client.rack=b1")
    assert found == BusAddress(servers, {"client.rack": "b1"})
    with override_settings(EVENT_BUS=found):
        assert isinstance(opened.open_bus(), KafkaBus)
        assert opened.open_bus() is opened.open_bus()
    assert not isinstance(opened.open_bus(), KafkaBus)
