"""What every bus must do, whatever server carries it. A test module gives `bus` and inherits this class."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tenancy.bus.interface import BusFull, Delivery, EventBus
from tenancy.bus.topics import Topic, declare
from tenancy.bus.work import Handled, work
from tenancy.errors import Bug, Refused, Transient

ONE = declare(Topic("test-one", groups=("readers",), most=100_000))
TWO = declare(Topic("test-two", groups=("readers", "writers")))
KILLED = declare(Topic("test-killed", groups=("readers",)))
SMALL = declare(Topic("test-small", groups=("readers",), most=5, largest=100))


def numbered(count: int, *, start: int = 0, shop: int = 1) -> list[dict[str, str]]:
    return [{"number": str(start + at), "shop": str(shop)} for at in range(count)]


def numbers(found: Sequence[Delivery]) -> list[int]:
    return sorted(int(each.fields["number"]) for each in found)


def taken(bus: EventBus, topic: str, group: str, count: int, *, consumer: str = "one") -> list[Delivery]:
    """As many new messages as asked for; a server may hand them out in pieces."""
    found: list[Delivery] = []
    for _ in range(100):
        found += bus.consume(topic, group, consumer, count=count - len(found), block_ms=200)
        if len(found) >= count:
            return found
    raise AssertionError(f"only {len(found)} of {count} came")


class Battery:
    """Each test begins with empty topics."""

    def test_what_is_published_is_delivered_once_and_gone_when_acknowledged(self, bus: EventBus) -> None:
        bus.publish("test-one", [{"number": "7", "shop": "1", "body": b"\x00\xff\xfe bytes"}])
        (found,) = taken(bus, "test-one", "readers", 1)
        assert found.fields == {"number": b"7", "shop": b"1", "body": b"\x00\xff\xfe bytes"}
        assert found.attempts == 1
        assert bus.consume("test-one", "readers", "two", count=10) == []
        lag = bus.lag("test-one", "readers")
        assert (lag.waiting, lag.pending, lag.dead) == (0, 1, 0)
        bus.ack("test-one", "readers", [found.id])
        bus.ack("test-one", "readers", [found.id])
        assert bus.lag("test-one", "readers").messages == 0
        assert bus.reclaim("test-one", "readers", "two", idle_ms=0, count=10) == []

    def test_every_group_gets_every_message(self, bus: EventBus) -> None:
        bus.publish("test-two", numbered(10))
        read = taken(bus, "test-two", "readers", 10)
        bus.ack("test-two", "readers", [each.id for each in read])
        assert bus.lag("test-two", "writers").messages == 10
        written = taken(bus, "test-two", "writers", 10)
        assert numbers(read) == numbers(written) == list(range(10))
        bus.ack("test-two", "writers", [each.id for each in reversed(written)])
        assert bus.lag("test-two", "writers").messages == bus.lag("test-two", "readers").messages == 0

    def test_a_full_topic_refuses_whole_batches_and_counts_them(self, bus: EventBus) -> None:
        bus.publish("test-small", numbered(4))
        with pytest.raises(BusFull):
            bus.publish("test-small", numbered(2, start=4))
        assert bus.counts("test-small")["refused"] == 2
        found = taken(bus, "test-small", "readers", 4)
        assert numbers(found) == [0, 1, 2, 3]
        with pytest.raises(BusFull):  # read is not done
            bus.publish("test-small", numbered(2, start=4))
        bus.ack("test-small", "readers", [each.id for each in found])
        bus.publish("test-small", numbered(5, start=4))
        assert numbers(taken(bus, "test-small", "readers", 5)) == [4, 5, 6, 7, 8]

    @pytest.mark.parametrize("message", [{}, {"body": "x" * 200}])
    def test_a_message_of_the_wrong_size_is_refused(self, bus: EventBus, message: dict[str, str]) -> None:
        with pytest.raises(Refused):
            bus.publish("test-small", [message])
        assert bus.lag("test-small", "readers").messages == 0

    def test_a_topic_nobody_declared_is_a_bug(self, bus: EventBus) -> None:
        with pytest.raises(Bug, match="no topic is called 'nobody'"):
            bus.publish("nobody", numbered(1))

    def test_what_was_not_acknowledged_comes_again_with_its_attempts(self, bus: EventBus) -> None:
        bus.publish("test-one", numbered(3))
        found = taken(bus, "test-one", "readers", 3)
        bus.ack("test-one", "readers", [found[1].id])
        left = {0, 1, 2} - {int(found[1].fields["number"])}
        assert bus.reclaim("test-one", "readers", "one", idle_ms=60_000, count=10) == []
        again = bus.reclaim("test-one", "readers", "one", idle_ms=0, count=10)
        assert (set(numbers(again)), {each.attempts for each in again}) == (left, {2})
        third = bus.reclaim("test-one", "readers", "one", idle_ms=0, count=1)
        assert [each.attempts for each in third] == [3]

    def test_a_message_given_back_does_not_count_it(self, bus: EventBus) -> None:
        bus.publish("test-one", numbered(2))
        found = taken(bus, "test-one", "readers", 2)
        bus.give_back("test-one", "readers", found[:1], at_once=True)
        bus.give_back("test-one", "readers", found[1:])
        again = bus.reclaim("test-one", "readers", "one", idle_ms=60_000, count=10)
        assert [(each.id, each.attempts) for each in again] == [(found[0].id, 1)]

    def test_a_dead_letter_is_kept_with_its_reason_and_can_be_replayed(self, bus: EventBus) -> None:
        bus.publish("test-one", numbered(2))
        bad, good = taken(bus, "test-one", "readers", 2)
        bus.dead("test-one", "readers", bad, "no such product")
        bus.dead("test-one", "readers", bad, "no such product")
        bus.ack("test-one", "readers", [good.id])
        (letter,) = bus.dead_letters("test-one", "readers")
        assert (letter.fields, letter.reason, letter.attempts) == (bad.fields, "no such product", 1)
        assert letter.message_id == bad.id
        lag = bus.lag("test-one", "readers")
        assert (lag.messages, lag.dead) == (0, 1)
        assert bus.replay("test-one", "readers") == 1
        assert bus.replay("test-one", "readers") == 0
        (again,) = taken(bus, "test-one", "readers", 1)
        assert (again.fields, again.attempts) == (bad.fields, 1)
        assert bus.dead_letters("test-one", "readers") == []

    def test_the_lag_tells_the_age_of_the_oldest(self, bus: EventBus) -> None:
        assert bus.lag("test-one", "readers").oldest_s == 0
        bus.publish("test-one", numbered(1))
        assert bus.lag("test-one", "readers").waiting == 1
        assert 0 <= bus.lag("test-one", "readers").oldest_s < 5
        (found,) = taken(bus, "test-one", "readers", 1)
        assert 0 <= bus.lag("test-one", "readers").oldest_s < 30
        bus.ack("test-one", "readers", [found.id])
        assert bus.lag("test-one", "readers").oldest_s == 0

    def test_it_settles_when_everything_before_is_done(self, bus: EventBus) -> None:
        assert bus.settle("test-one", "readers", timeout_s=0.2)
        bus.publish("test-one", numbered(2))
        assert not bus.settle("test-one", "readers", timeout_s=0.2)
        found = taken(bus, "test-one", "readers", 2)
        bus.ack("test-one", "readers", [found[0].id])
        assert not bus.settle("test-one", "readers", timeout_s=0.2)
        bus.dead("test-one", "readers", found[1], "never")
        assert bus.settle("test-one", "readers", timeout_s=5)

    def test_a_poison_message_is_given_up_and_does_not_block(self, bus: EventBus) -> None:
        seen: list[int] = []

        def handle(found: Sequence[Delivery]) -> Handled:
            if any(each.fields["number"] == b"3" for each in found):
                raise ValueError("three is poison")
            seen.extend(numbers(found))
            return Handled(refused={each.id: "odd one" for each in found if each.fields["number"] == b"5"})

        bus.publish("test-one", numbered(8))
        for _ in range(60):
            work(bus, "test-one", "readers", handle, consumer="one", most_s=2, idle_ms=0, most_attempts=3)
            lag = bus.lag("test-one", "readers")
            if lag.messages == 0:
                break
        assert (lag.messages, lag.dead) == (0, 2)
        assert sorted(seen) == [0, 1, 2, 4, 5, 6, 7]
        reasons = {
            letter.fields["number"]: (letter.reason, letter.attempts)
            for letter in bus.dead_letters("test-one", "readers")
        }
        assert reasons == {b"3": ("ValueError: three is poison", 3), b"5": ("odd one", 1)}

    def test_what_is_away_behind_a_handler_costs_no_attempt(self, bus: EventBus) -> None:
        def away(found: Sequence[Delivery]) -> Handled:
            raise Transient("the database is away")

        bus.publish("test-one", numbered(2))
        for _ in range(4):
            try:
                work(bus, "test-one", "readers", away, consumer="one", most_s=2, idle_ms=0, most_attempts=2)
            except Transient:
                continue
        done: list[Delivery] = []

        def well(found: Sequence[Delivery]) -> Handled:
            done.extend(found)
            return Handled()

        for _ in range(30):
            work(bus, "test-one", "readers", well, consumer="one", most_s=2, idle_ms=0)
            if bus.lag("test-one", "readers").messages == 0:
                break
        assert numbers(done) == [0, 1]
        assert bus.lag("test-one", "readers").dead == 0

    def test_what_one_consumer_kills_only_condemns_itself(self, bus: EventBus) -> None:
        """A message that ends its process cannot be caught; its neighbours must not be given up with it."""
        done: list[int] = []

        class Killed(BaseException):
            pass

        def handle(found: Sequence[Delivery]) -> Handled:
            if 5 in numbers(found):
                raise Killed
            done.extend(numbers(found))
            return Handled()

        bus.publish("test-one", numbered(10))
        for at in range(20):
            try:
                work(
                    bus,
                    "test-one",
                    "readers",
                    handle,
                    consumer=f"c{at}",
                    most_s=5,
                    idle_ms=0,
                    most_attempts=4,
                )
            except Killed:
                continue
            if bus.lag("test-one", "readers").messages == 0:
                break
        assert sorted(done) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
        (letter,) = bus.dead_letters("test-one", "readers")
        assert (letter.fields["number"], letter.reason) == (b"5", "delivered 5 times and never finished")
