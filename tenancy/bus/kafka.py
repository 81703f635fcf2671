"""The bus on Kafka, for an installation that has one: extra `kafka` of pyproject.toml, EVENT_BUS_URL=kafka://host:9092.

A consumer group of the bus is a consumer group of Kafka and its commits are what is done, so Kafka's own tools see the
lag. Kafka commits a place, not a message: the place moves up to the first message that is not done. What Kafka does not
have (counts of attempts, dead letters that can be listed, replayed and erased one by one) is kept in Redis.

A message's fields are headers. Topics are made with unlimited retention; what every group has done is deleted from the
log once a minute, so that nothing unprocessed expires and nothing processed is kept.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.conf import settings

from tenancy.bus import dead_letters
from tenancy.bus.interface import BusAway, BusFull, DeadLetter, Delivery, Lag, Message
from tenancy.bus.kafka_group import Group
from tenancy.bus.redis_streams import flat, translated
from tenancy.bus.topics import Topic, named
from tenancy.errors import Transient
from tenancy.redis import client

log = logging.getLogger("shelfwise.bus")

PARTITIONS = 6
ANSWER_S = 5.0
# How old the number of unprocessed messages may be that a publisher is held to.
FULLNESS_S = 1.0
PRUNE_EVERY_S = 60.0
_POLL_S = 0.1


class KafkaBus:
    """An `EventBus`. One per process: it holds connections, and what this process's consumers have in hand.

    Args:
        servers: `host:port,host:port`.
        options: settings of librdkafka, for instance of security.
    """

    def __init__(
        self, servers: str, options: Mapping[str, str] | None = None, *, fullness_s: float = FULLNESS_S
    ) -> None:
        self._settings: dict[str, Any] = {
            **(options or {}),
            "bootstrap.servers": servers,
            "client.id": "shelfwise",
            "logger": logging.getLogger("shelfwise.kafka"),
        }
        self._fullness_s = fullness_s
        self._admin = AdminClient(self._settings)
        # Delivered once and in order even when a connection breaks; given up soon, because the outbox holds on.
        durable = {"acks": "all", "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 4_000}
        self._producer = Producer({**self._settings, **durable})
        self._groups: dict[tuple[str, str], Group] = {}
        self._unprocessed: dict[str, tuple[float, int]] = {}
        self._pruned: dict[str, float] = {}

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        declared = named(topic)
        for message in messages:
            flat(declared, message)  # refuses the batch before any of it is sent
        self._refuse_when_full(declared, len(messages))
        failed: list[KafkaError] = []

        def told(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                failed.append(error)

        with kafka_translated():
            for message in messages:
                headers: list[Any] = list(message.items())
                self._producer.produce(_name(topic), headers=headers, on_delivery=told)
            left = self._producer.flush(ANSWER_S)
        if failed or left:
            raise BusAway(f"Kafka took {len(messages) - len(failed) - left} of {len(messages)} messages")
        with translated():
            client().hincrby(dead_letters.totals(topic), "published", len(messages))

    def consume(
        self, topic: str, group: str, consumer: str, *, count: int, block_ms: int = 0
    ) -> list[Delivery]:
        with translated(), kafka_translated():
            return self._group(topic, group).take(count, block_ms / 1000)

    def reclaim(self, topic: str, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Delivery]:
        with translated(), kafka_translated():
            return self._group(topic, group).again(idle_ms / 1000, count)

    def ack(self, topic: str, group: str, ids: Collection[str]) -> None:
        with translated(), kafka_translated():
            self._group(topic, group).done(ids)
        self._prune(named(topic))

    def give_back(
        self, topic: str, group: str, deliveries: Collection[Delivery], *, at_once: bool = False
    ) -> None:
        with translated():
            self._group(topic, group).give_back(deliveries, at_once=at_once)

    def dead(self, topic: str, group: str, delivery: Delivery, reason: str) -> None:
        """As promised; killed between its two steps it keeps the dead letter and delivers the message again."""
        with translated(), kafka_translated():
            if self._group(topic, group).holds(delivery.id):
                dead_letters.keep(topic, group, delivery, reason)
                self._group(topic, group).done([delivery.id])

    def dead_letters(self, topic: str, group: str, *, count: int = 100) -> list[DeadLetter]:
        with translated():
            return dead_letters.oldest(topic, group, count=count)

    def replay(self, topic: str, group: str, *, count: int = 1_000) -> int:
        with translated():
            letters = dead_letters.oldest(topic, group, count=count)
        self.publish(topic, [letter.fields for letter in letters])
        if letters:
            with translated():
                client().xdel(dead_letters.stream(topic, group), *(letter.id for letter in letters))
        return len(letters)

    def lag(self, topic: str, group: str) -> Lag:
        """As promised; what is in the hands of other processes counts as waiting, because only they know of it."""
        with translated(), kafka_translated():
            owed, pending, oldest_s = self._group(topic, group).lag()
            dead = int(client().xlen(dead_letters.stream(topic, group)))
        return Lag(waiting=owed - pending, pending=pending, dead=dead, oldest_s=oldest_s)

    def counts(self, topic: str) -> Mapping[str, int]:
        with translated():
            return dead_letters.counts(topic)

    def count_lost(self, topic: str, count: int) -> None:
        with translated():
            client().hincrby(dead_letters.totals(topic), "lost", count)

    def settle(self, topic: str, group: str, *, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        with kafka_translated():
            reading = self._group(topic, group)
            until = reading.ends()
            while any(reading.committed().get(part, 0) < end for part, end in until.items() if end):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_S)
        return True

    def forget(
        self, topic: str, *, shop_id: int, visitors: Collection[str] | None = None, timeout_s: float = 30.0
    ) -> int:
        """A single message cannot be deleted from Kafka's log, so all groups finish first what was published before;
        then that part of the log is deleted. Returns the number of dead letters erased."""
        declared = named(topic)
        sought = None if visitors is None else frozenset(each.encode() for each in visitors)
        for group in declared.groups:
            if not self.settle(topic, group, timeout_s=timeout_s):
                raise Transient(
                    f"{topic}: {group} has not finished what was published before", code="still_consumed"
                )
        with kafka_translated():
            self._delete_done(declared)
        with translated():
            return sum(
                dead_letters.forget(topic, group, shop_id=shop_id, visitors=sought)
                for group in declared.groups
            )

    def close(self) -> None:
        """Leave all groups, so that others take over at once."""
        for group in self._groups.values():
            group.close()
        self._groups.clear()

    def _group(self, topic: str, group: str) -> Group:
        found = self._groups.get((topic, group))
        if found is None:
            declared = named(topic)
            self._make(declared)
            made = Group(self._settings, declared, group, name=_name(topic))
            found = self._groups.setdefault((topic, group), made)
        return found

    def _make(self, topic: Topic) -> None:
        config = {"retention.ms": "-1", "retention.bytes": "-1"}
        wanted = NewTopic(_name(topic.name), num_partitions=PARTITIONS, replication_factor=-1, config=config)
        with kafka_translated():
            if _name(topic.name) in self._admin.list_topics(timeout=ANSWER_S).topics:
                return
            for made in self._admin.create_topics([wanted], request_timeout=ANSWER_S).values():
                try:
                    made.result(ANSWER_S)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    def _refuse_when_full(self, topic: Topic, count: int) -> None:
        at, unprocessed = self._unprocessed.get(topic.name, (0.0, 0))
        if time.monotonic() - at >= self._fullness_s:
            with kafka_translated():
                unprocessed = max(self._group(topic.name, group).owed() for group in topic.groups)
            at = time.monotonic()
        if unprocessed + count > topic.most:
            self._unprocessed[topic.name] = (at, unprocessed)
            with translated():
                client().hincrby(dead_letters.totals(topic.name), "refused", count)
            raise BusFull(f"{topic.name}: {unprocessed:,} messages wait; {count} more were refused")
        self._unprocessed[topic.name] = (at, unprocessed + count)

    def _prune(self, topic: Topic) -> None:
        now = time.monotonic()
        if now - self._pruned.setdefault(topic.name, now) < PRUNE_EVERY_S:
            return
        self._pruned[topic.name] = now
        try:
            self._delete_done(topic)
        except KafkaException as error:
            # An old broker, or no right to: the messages stay, and only `forget` has to insist.
            log.warning("bus.kafka_keeps_what_is_done", extra={"topic": topic.name, "error": str(error)})

    def _delete_done(self, topic: Topic) -> None:
        places = [self._group(topic.name, group).committed() for group in topic.groups]
        upto = {part: min(place.get(part, 0) for place in places) for part in places[0]}
        wanted = [TopicPartition(_name(topic.name), part, place) for part, place in upto.items() if place > 0]
        if wanted:
            for deleted in self._admin.delete_records(wanted, request_timeout=ANSWER_S).values():
                deleted.result(ANSWER_S)


@contextlib.contextmanager
def kafka_translated() -> Iterator[None]:
    """Kafka's errors in this block become the bus's own."""
    try:
        yield
    except (KafkaException, BufferError, TimeoutError) as error:
        raise BusAway(f"Kafka does not answer as it should: {error}") from error


def _name(topic: str) -> str:
    return f"{settings.REDIS_PREFIX}.{topic}"
