"""The bus on Redis Streams: one stream a topic, its own consumer groups, one round trip for each call.

A message is deleted when the last of its topic's declared groups has acknowledged it, so the length of a stream is what
is unprocessed, and `Topic.most` bounds it by refusing, never by trimming.
"""

from __future__ import annotations

import contextlib
import functools
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tenancy.bus import dead_letters, scripts
from tenancy.bus.interface import BusAway, BusFull, DeadLetter, Delivery, Lag, Message
from tenancy.bus.topics import Topic, named
from tenancy.errors import Refused, Transient
from tenancy.redis import client, key

# Below the socket's timeout, so that a quiet topic is told from a Redis that hangs.
LONGEST_BLOCK_MS = 1_000
# A consumer that has held a message for so long is dead: none works on a batch for more than some seconds.
ABANDONED_MS = 60_000
_POLL_S = 0.05
_DAY_MS = 86_400_000
_NUMBER = struct.Struct(">I").pack


class RedisBus:
    """An `EventBus`; holds no state of its own."""

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if not messages:
            return
        declared = named(topic)
        packed = b"".join(part for message in messages for part in _packed(declared, message))
        with translated():
            taken: Any = client().eval(
                scripts.PUBLISH,
                2,
                _stream(topic),
                dead_letters.totals(topic),
                declared.most,
                len(messages),
                packed,
            )
        if not taken:
            raise BusFull(f"{topic}: {declared.most:,} messages wait; {len(messages)} more were refused")

    def consume(
        self, topic: str, group: str, consumer: str, *, count: int, block_ms: int = 0
    ) -> list[Delivery]:
        deadline = time.monotonic() + block_ms / 1000
        while True:
            left_ms = int((deadline - time.monotonic()) * 1000)
            found = self._read(topic, group, consumer, count, min(left_ms, LONGEST_BLOCK_MS))
            if found or left_ms <= LONGEST_BLOCK_MS:
                return found

    def reclaim(self, topic: str, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        after = "0-0"
        while len(found) < count:
            arguments = (group, consumer, idle_ms, count - len(found), after)
            answer: Any = self._in_group(
                topic, functools.partial(client().eval, scripts.RECLAIM, 1, _stream(topic), *arguments)
            )
            if answer is None:
                break
            found += [_delivery(entry_id, values, attempts) for entry_id, values, attempts in answer[1]]
            after = answer[0].decode()
            if after == "0-0":
                break
        return found

    def ack(self, topic: str, group: str, ids: Collection[str]) -> None:
        if ids:
            with translated():
                client().eval(scripts.ACK, 1, _stream(topic), group, *_groups(named(topic)), len(ids), *ids)

    def give_back(
        self, topic: str, group: str, deliveries: Collection[Delivery], *, at_once: bool = False
    ) -> None:
        by_attempts: dict[int, list[Any]] = defaultdict(list)
        for each in deliveries:
            by_attempts[each.attempts].append(each.id)
        with translated():
            for attempts, ids in by_attempts.items():
                client().xclaim(
                    _stream(topic), group, "nobody", 0, ids,
                    idle=_DAY_MS if at_once else 0, retrycount=attempts - 1, justid=True,
                )  # fmt: skip

    def dead(self, topic: str, group: str, delivery: Delivery, reason: str) -> None:
        keys = (_stream(topic), dead_letters.totals(topic), dead_letters.stream(topic, group))
        arguments = (group, *_groups(named(topic)), delivery.id, dead_letters.MOST_KEPT)
        with translated():
            client().eval(scripts.DEAD, 3, *keys, *arguments, *dead_letters.packed(delivery, reason))

    def dead_letters(self, topic: str, group: str, *, count: int = 100) -> list[DeadLetter]:
        with translated():
            return dead_letters.oldest(topic, group, count=count)

    def replay(self, topic: str, group: str, *, count: int = 1_000) -> int:
        declared = named(topic)
        keys = (_stream(topic), dead_letters.totals(topic), dead_letters.stream(topic, group))
        with translated():
            letters = dead_letters.oldest(topic, group, count=count)
            pipe = client().pipeline(transaction=False)
            for letter in letters:
                pipe.eval(scripts.REPLAY, 3, *keys, letter.id, *flat(declared, letter.fields))
            return sum(int(done) for done in pipe.execute())

    def lag(self, topic: str, group: str) -> Lag:
        with translated():
            answer: Any = client().eval(
                scripts.LAG, 2, _stream(topic), dead_letters.stream(topic, group), group
            )
        waiting, pending, dead, age_ms = map(int, answer)
        return Lag(waiting=waiting, pending=pending, dead=dead, oldest_s=age_ms / 1000)

    def counts(self, topic: str) -> Mapping[str, int]:
        with translated():
            return dead_letters.counts(topic)

    def count_lost(self, topic: str, count: int) -> None:
        with translated():
            client().hincrby(dead_letters.totals(topic), "lost", count)

    def settle(self, topic: str, group: str, *, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        with translated():
            until = _last_id(topic)
            while _owes(topic, group, until):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_S)
        return True

    def forget(
        self, topic: str, *, shop_id: int, visitors: Collection[str] | None = None, timeout_s: float = 30.0
    ) -> int:
        sought = None if visitors is None else frozenset(each.encode() for each in visitors)
        declared = named(topic)
        gone = 0
        with translated():
            erased: list[str] = []
            for page in dead_letters.pages(_stream(topic), until=_last_id(topic)):
                ids = [id_ for id_, fields in page if dead_letters.is_about(fields, shop_id, sought)]
                if ids:
                    gone += int(client().xdel(_stream(topic), *ids))
                    erased += ids
            deadline = time.monotonic() + timeout_s
            for group in declared.groups:
                _wait_for_hands(topic, group, erased, deadline)
                # Last, because a consumer may just have given one of them up.
                gone += dead_letters.forget(topic, group, shop_id=shop_id, visitors=sought)
        return gone

    def _read(self, topic: str, group: str, consumer: str, count: int, block_ms: int) -> list[Delivery]:
        read: Any = self._in_group(
            topic,
            lambda: client().xreadgroup(
                group, consumer, {_stream(topic): ">"}, count=count, block=block_ms if block_ms > 0 else None
            ),
        )
        if not read:
            return []
        # The older and the newer form of the protocol put the one stream's entries differently.
        found: Any = next(iter(read.values())) if isinstance(read, dict) else read[0][1]
        if found and isinstance(found[0], list) and found[0] and isinstance(found[0][0], (list, tuple)):
            found = found[0]
        return [Delivery(entry_id, fields, 1) for entry_id, fields in dead_letters.entries(found)]

    def _in_group(self, topic: str, call: Callable[[], Any]) -> Any:
        """The answer of a call that needs the groups; they are made when the stream is new or was lost."""
        with translated():
            try:
                return call()
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
            _make_groups(named(topic))
            return call()


def flat(topic: Topic, message: Message) -> list[bytes]:
    """Names and values in turn.

    Raises:
        Refused: the message is empty or larger than its topic allows.
    """
    values = [part if isinstance(part, bytes) else part.encode() for pair in message.items() for part in pair]
    size = sum(map(len, values))
    if not values or size > topic.largest:
        raise Refused(
            f"a message of {size:,} bytes does not fit into {topic.name}: 1 to {topic.largest:,}",
            code="message_size",
        )
    return values


def _packed(topic: Topic, message: Message) -> list[bytes]:
    """The number of values, then each with its length before it."""
    values = flat(topic, message)
    found = [_NUMBER(len(values))]
    for value in values:
        found += (_NUMBER(len(value)), value)
    return found


def _stream(topic: str) -> str:
    return key("bus", topic)


def _groups(topic: Topic) -> list[str | int]:
    return [len(topic.groups), *topic.groups]


def _make_groups(topic: Topic) -> None:
    for group in topic.groups:
        try:
            client().xgroup_create(_stream(topic.name), group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def _delivery(entry_id: bytes, values: list[bytes], attempts: int) -> Delivery:
    fields = {values[at].decode(errors="replace"): values[at + 1] for at in range(0, len(values), 2)}
    return Delivery(entry_id.decode(), fields, int(attempts))


def _last_id(topic: str) -> str:
    """The newest message ever published, also when it is deleted by now."""
    if not client().exists(_stream(topic)):
        return "0-0"
    facts: Any = client().xinfo_stream(_stream(topic))
    last: bytes | str = facts.get("last-generated-id", b"0-0")
    return last.decode() if isinstance(last, bytes) else last


def _owes(topic: str, group: str, until: str) -> bool:
    """Whether the group has yet to finish a message up to this one. What it has finished may still be in the stream."""
    reached = "0-0"
    if not client().exists(_stream(topic)):
        return False
    groups: Any = client().xinfo_groups(_stream(topic))
    for found in groups:
        if found["name"] == group.encode():
            reached = found["last-delivered-id"].decode()
            if client().xpending_range(_stream(topic), group, "-", until, 1):
                return True
    return bool(client().xrange(_stream(topic), min=f"({reached}", max=until, count=1))


def _wait_for_hands(topic: str, group: str, ids: Sequence[str], deadline: float) -> None:
    """Return when no consumer of the group works on one of these erased messages any more."""
    held = list(ids)
    while True:
        pipe = client().pipeline(transaction=False)
        for each in held:
            pipe.xpending_range(_stream(topic), group, each, each, 1)
        try:
            found = [rows[0] for rows in pipe.execute() if rows]
        except ResponseError as error:
            if "NOGROUP" in str(error) or "no such key" in str(error):
                return
            raise
        abandoned = [row["message_id"] for row in found if row["time_since_delivered"] >= ABANDONED_MS]
        if abandoned:
            client().xack(_stream(topic), group, *abandoned)
        held = [row["message_id"].decode() for row in found if row["message_id"] not in set(abandoned)]
        if not held:
            return
        if time.monotonic() > deadline:
            raise Transient(
                f"{topic}: the consumers of {group} still work on {len(held)} of these messages",
                code="still_consumed",
            )
        time.sleep(_POLL_S)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Redis' errors in this block become the bus's own."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise BusAway(f"Redis does not answer: {error}") from error
    except OutOfMemoryError as error:
        raise BusFull(f"Redis has no memory left: {error}") from error
