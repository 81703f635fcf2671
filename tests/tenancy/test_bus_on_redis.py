"""The bus on a real Valkey: the battery, and what only streams promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.test import override_settings

from tenancy.bus.interface import BusAway, Delivery, EventBus
from tenancy.bus.redis_streams import RedisBus
from tenancy.bus.work import Handled, work
from tenancy.errors import Transient
from tenancy.redis import client, key
from tests.tenancy.bus_battery import Battery, numbered, numbers, taken


@pytest.fixture
def bus() -> EventBus:
    return RedisBus()


class TestRedisBus(Battery):
    pass


def test_nothing_done_stays_in_the_stream(bus: EventBus) -> None:
    for topic, groups in (("test-one", ["readers"]), ("test-two", ["readers", "writers"])):
        bus.publish(topic, numbered(300))
        for group in groups:
            found = taken(bus, topic, group, 300)
            bus.ack(topic, group, [each.id for each in found[150:]])
            bus.ack(topic, group, [each.id for each in found[:150]])
        assert client().xlen(key("bus", topic)) == 0


def test_one_round_trip_takes_a_batch(bus: EventBus) -> None:
    before = client().info("commandstats")
    bus.publish("test-one", numbered(200))
    after = client().info("commandstats")
    calls = {
        name: stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
        if name not in ("cmdstat_info", "cmdstat_xadd", "cmdstat_xlen", "cmdstat_hincrby")
    }
    assert {name: count for name, count in calls.items() if count} == {"cmdstat_eval": 1}


def test_a_redis_that_is_away_says_so(bus: EventBus) -> None:
    with override_settings(REDIS_URL="unix:///nowhere/valkey.sock"):
        for call in (
            lambda: bus.publish("test-one", numbered(1)),
            lambda: bus.consume("test-one", "readers", "one", count=1),
            lambda: bus.lag("test-one", "readers"),
        ):
            with pytest.raises(BusAway):
                call()


def test_a_group_that_is_new_gets_what_is_left(bus: EventBus) -> None:
    bus.publish("test-two", numbered(3))
    client().xgroup_create(key("bus", "test-two"), "readers", id="0")
    found = taken(bus, "test-two", "readers", 3)
    bus.ack("test-two", "readers", [each.id for each in found])
    assert numbers(taken(bus, "test-two", "writers", 3)) == [0, 1, 2]


def visits(*visitors: str | None, shop: int = 1) -> list[dict[str, str]]:
    return [
        {"number": str(at), "shop": str(shop), **({"visitor": visitor} if visitor else {})}
        for at, visitor in enumerate(visitors)
    ]


def test_a_visitor_is_forgotten_wherever_a_message_waits(bus: EventBus) -> None:
    bus.publish("test-two", visits("ada-0000", "bob-0000", "ada-0000", None))
    bus.publish("test-two", visits("ada-0000", shop=2))
    dead = taken(bus, "test-two", "readers", 1)[0]
    bus.dead("test-two", "readers", dead, "ada's")
    assert bus.forget("test-two", shop_id=1, visitors=["ada-0000"], timeout_s=1) == 3
    streams = [name for name in client().scan_iter(key("bus", "*")) if client().type(name) == b"stream"]
    kept: Any = [fields for name in streams for _, fields in client().xrange(name) or ()]
    assert len(kept) == 3
    assert {(each[b"shop"], each.get(b"visitor")) for each in kept} == {
        (b"1", b"bob-0000"),
        (b"1", None),
        (b"2", b"ada-0000"),
    }
    assert bus.dead_letters("test-two", "readers") == []
    left = [
        (each.fields["shop"], each.fields.get("visitor")) for each in taken(bus, "test-two", "writers", 3)
    ]
    assert left == [(b"1", b"bob-0000"), (b"1", None), (b"2", b"ada-0000")]


def test_a_shop_is_forgotten_whole(bus: EventBus) -> None:
    bus.publish("test-one", visits("ada-0000", None) + visits("ada-0000", shop=12))
    assert bus.forget("test-one", shop_id=1) == 2
    assert [each.fields["shop"] for each in taken(bus, "test-one", "readers", 1)] == [b"12"]


def test_forgetting_waits_for_the_hands_that_hold_the_message(bus: EventBus) -> None:
    bus.publish("test-one", visits("ada-0000", "bob-0000"))
    held = taken(bus, "test-one", "readers", 2)
    with pytest.raises(Transient, match="still work on 1"):
        bus.forget("test-one", shop_id=1, visitors=["ada-0000"], timeout_s=0.2)
    bus.publish("test-one", visits("ada-0000"))
    forgotten: list[float] = []

    def forget() -> None:
        bus.forget("test-one", shop_id=1, visitors=["ada-0000"], timeout_s=20)
        forgotten.append(time.monotonic())

    held += taken(bus, "test-one", "readers", 1)
    thread = threading.Thread(target=forget)
    thread.start()
    time.sleep(0.3)
    assert not forgotten
    written = time.monotonic()
    bus.ack("test-one", "readers", [each.id for each in held])
    thread.join(timeout=20)
    assert forgotten[0] > written
    assert bus.lag("test-one", "readers").messages == 0


def test_what_a_dead_consumer_held_is_not_delivered_once_it_is_forgotten(bus: EventBus) -> None:
    bus.publish("test-one", visits("ada-0000", "bob-0000"))
    taken(bus, "test-one", "readers", 2, consumer="dead")
    with pytest.raises(Transient):
        bus.forget("test-one", shop_id=1, visitors=["ada-0000"], timeout_s=0)
    again = bus.reclaim("test-one", "readers", "two", idle_ms=0, count=10)
    assert [each.fields["visitor"] for each in again] == [b"bob-0000"]
    bus.forget("test-one", shop_id=1, visitors=["ada-0000"], timeout_s=0)


def test_a_hundred_thousand_messages_stay_within_memory(bus: EventBus) -> None:
    before = client().info("memory")["used_memory"]
    body = "x" * 300
    for start in range(0, 100_000, 1_000):
        bus.publish("test-one", [{**each, "body": body} for each in numbered(1_000, start=start)])
    full = client().info("memory")["used_memory"] - before
    assert full < 100_000 * 600, "a message of 320 bytes takes less than 600"
    seen: set[int] = set()

    def handle(found: Sequence[Delivery]) -> Handled:
        assert len(found) <= 1_000
        seen.update(numbers(found))
        return Handled()

    worked = work(bus, "test-one", "readers", handle, consumer="one", most_s=60)
    assert (worked.done, len(seen)) == (100_000, 100_000)
    assert client().xlen(key("bus", "test-one")) == 0
    assert (client().memory_usage(key("bus", "test-one")) or 0) < 100_000
