"""One consumer group of one Kafka topic, as this process sees it: what it has in hand, and how far the group has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from tenancy.bus.interface import Delivery
from tenancy.bus.topics import Topic
from tenancy.redis import client, key

# A killed process's partitions are handed on after this long.
SESSION_MS = 10_000
# A broker is asked over the network: an answer that is on its way is worth waiting for.
FETCH_S = 0.2
ANSWER_S = 5.0
# Errors that pass by themselves, or only say that there is nothing.
_QUIET = frozenset(
    {
        KafkaError._PARTITION_EOF,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
# A commit that comes after the group has dealt out its partitions anew.
_HANDED_ON = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)


@dataclass(slots=True)
class _Held:
    fields: Mapping[str, bytes]
    attempts: int
    since: float


class Group:
    """Safe to use from many threads. Joins the group with the first `take`, not before."""

    def __init__(self, shared: Mapping[str, Any], topic: Topic, group: str, *, name: str) -> None:
        self._topic, self._group, self._name = topic.name, group, name
        self._settings = {
            "session.timeout.ms": SESSION_MS,
            "max.poll.interval.ms": 300_000,
            **shared,
            "group.id": f"{name}.{group}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        self._lock = threading.RLock()
        self._reader: Consumer | None = None
        self._view = Consumer(self._settings)  # asks, and never joins
        self._held: dict[int, dict[int, _Held]] = {}
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def take(self, count: int, wait_s: float) -> list[Delivery]:
        """Messages new to this process; what a killed one had not finished is among them, with its attempts."""
        with self._lock:
            reader = self._joined()
            first = reader.poll(max(wait_s, FETCH_S))
            if first is None:
                return []
            records = [first, *(reader.consume(count - 1, timeout=0.01) if count > 1 else ())]
            return self._counted([record for record in records if _is_good(record)])

    def again(self, idle_s: float, count: int) -> list[Delivery]:
        """What this process has held for so long without finishing it."""
        with self._lock:
            before = time.monotonic() - idle_s
            found = [
                (part, offset)
                for part, records in self._held.items()
                for offset, held in records.items()
                if held.since <= before
            ][:count]
            attempts = self._add_attempts([_id(*place) for place in found], 1)
            taken = []
            for (part, offset), number in zip(found, attempts, strict=True):
                held = self._held[part][offset]
                held.attempts, held.since = number, time.monotonic()
                taken.append(Delivery(_id(part, offset), held.fields, number))
            return taken

    def holds(self, message_id: str) -> bool:
        part, offset = _place(message_id)
        with self._lock:
            return offset in self._held.get(part, {})

    def done(self, ids: Collection[str]) -> None:
        """Strike these off, and move the group's place up to the first message that is left."""
        if not ids:
            return
        with self._lock:
            for message_id in ids:
                part, offset = _place(message_id)
                self._held.get(part, {}).pop(offset, None)
            self._commit()
        client().hdel(self._attempts, *ids)

    def give_back(self, deliveries: Collection[Delivery], *, at_once: bool) -> None:
        with self._lock:
            for each in deliveries:
                part, offset = _place(each.id)
                held = self._held.get(part, {}).get(offset)
                if held is not None:
                    held.attempts -= 1
                    held.since = 0.0 if at_once else time.monotonic()
        self._add_attempts([each.id for each in deliveries], -1)

    def lag(self) -> tuple[int, int, float]:
        """Messages not done, those of them in this process's hands, and the age in seconds of the oldest."""
        with self._lock:
            begins = {part: place for part, place in self.committed().items() if place < self.ends()[part]}
            pending = sum(len(records) for records in self._held.values())
            return self.owed(), pending, self._age(begins)

    def owed(self) -> int:
        """Messages not done by the group. Those done out of turn are known only to the process that did them."""
        with self._lock:
            committed, total = self.committed(), 0
            for part, end in self.ends().items():
                if part in self._next:
                    total += max(0, end - self._next[part]) + len(self._held.get(part, ()))
                else:
                    total += max(0, end - committed[part])
            return total

    def ends(self) -> dict[int, int]:
        """The place after the last message of each partition."""
        with self._lock:
            return {part: self._bounds(part)[1] for part in self._parts()}

    def committed(self) -> dict[int, int]:
        """The group's place in each partition; its beginning where the group has none."""
        with self._lock:
            asked = [TopicPartition(self._name, part) for part in self._parts()]
            found = self._view.committed(asked, timeout=ANSWER_S)
            return {each.partition: max(each.offset, self._bounds(each.partition)[0]) for each in found}

    def close(self) -> None:
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._view.close()

    @property
    def _attempts(self) -> str:
        return key("bus", self._topic, "attempts", self._group)

    def _joined(self) -> Consumer:
        if self._reader is None:
            self._reader = Consumer(self._settings)
            self._reader.subscribe([self._name], on_revoke=self._revoked, on_lost=self._revoked)
        return self._reader

    def _revoked(self, _: Consumer, parts: Collection[TopicPartition]) -> None:
        # Another process has them now, and begins where the group had come to.
        for each in parts:
            for known in (self._held, self._next, self._committed):
                known.pop(each.partition, None)

    def _counted(self, records: Collection[Record]) -> list[Delivery]:
        places = [(_number(record.partition()), _number(record.offset())) for record in records]
        attempts = self._add_attempts([_id(*place) for place in places], 1)
        found = []
        for (part, offset), number, record in zip(places, attempts, records, strict=True):
            headers: Any = record.headers() or ()
            fields: dict[str, bytes] = {name: value or b"" for name, value in headers}
            self._held.setdefault(part, {})[offset] = _Held(fields, number, time.monotonic())
            self._next[part] = offset + 1
            found.append(Delivery(_id(part, offset), fields, number))
        return found

    def _add_attempts(self, ids: Collection[str], by: int) -> list[int]:
        if not ids:
            return []
        pipe = client().pipeline(transaction=False)
        for message_id in ids:
            pipe.hincrby(self._attempts, message_id, by)
        return [int(number) for number in pipe.execute()]

    def _commit(self) -> None:
        moved = []
        for part, after in self._next.items():
            place = next(iter(self._held.get(part, ())), after)
            if place > self._committed.get(part, 0):
                self._committed[part] = place
                moved.append(TopicPartition(self._name, part, place))
        if not moved or self._reader is None:
            return
        try:
            self._reader.commit(offsets=moved, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _HANDED_ON:
                raise
            # Another process has the partition now: it repeats what could not be committed, which does no harm.
            for each in moved:
                self._committed.pop(each.partition, None)

    def _parts(self) -> list[int]:
        about = self._view.list_topics(self._name, timeout=ANSWER_S).topics[self._name]
        if about.error is not None:
            raise KafkaException(about.error)
        return sorted(about.partitions)

    def _bounds(self, part: int) -> tuple[int, int]:
        low, high = self._view.get_watermark_offsets(TopicPartition(self._name, part), timeout=ANSWER_S)
        return low, high

    def _age(self, begins: Mapping[int, int]) -> float:
        if not begins:
            return 0.0
        self._view.assign([TopicPartition(self._name, part, place) for part, place in begins.items()])
        oldest, seen = time.time() * 1000, set[int]()
        deadline = time.monotonic() + 2.0
        while len(seen) < len(begins) and time.monotonic() < deadline:
            record = self._view.poll(0.2)
            if record is not None and _is_good(record) and record.partition() not in seen:
                seen.add(_number(record.partition()))
                oldest = min(oldest, record.timestamp()[1])
        self._view.unassign()
        return max(0.0, time.time() - oldest / 1000)


def _is_good(record: Record) -> bool:
    error = record.error()
    if error is None:
        return True
    if error.code() in _QUIET:
        return False
    raise KafkaException(error)


def _id(part: int, offset: int) -> str:
    return f"{part}-{offset}"


def _place(message_id: str) -> tuple[int, int]:
    part, _, offset = message_id.partition("-")
    return int(part), int(offset)


def _number(found: int | None) -> int:
    assert found is not None, "a record without an error has a place"
    return found
