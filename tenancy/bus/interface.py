"""What an event bus promises, whichever server carries it.

A message is a small mapping of texts. It is published to a topic and delivered to every consumer group of that topic at
least once: a delivery that is neither acknowledged nor given back, because its consumer died, is delivered again. Order is
not promised across retries, so consumers are idempotent. Nothing unprocessed is ever dropped: a full topic refuses.

Two field names mean the same everywhere, so that a person can be forgotten without knowing a topic's messages:
`shop` (the shop's id, decimal) and `visitor` (a storefront pseudonym, left out without consent).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tenancy.errors import Transient

SHOP = "shop"
VISITOR = "visitor"

Message = Mapping[str, bytes | str]


class BusFull(Transient):
    """The topic holds as many unprocessed messages as it may; none of the batch was taken, and that was counted."""

    code = "bus_full"


class BusAway(Transient):
    """The server behind the bus does not answer. Publishing again may double a message, never lose one."""

    code = "bus_away"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in the hands of one consumer.

    Args:
        id: the message's place in its topic; later messages of one topic compare greater only within one server.
        fields: names as text, values as they were published, in bytes.
        attempts: how often it was delivered to this group, this time included and give-backs left out.
    """

    id: str
    fields: Mapping[str, bytes]
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a group gave up, kept until it is replayed or forgotten.

    Args:
        id: the dead letter's own.
        message_id: the id it had when it was delivered.
    """

    id: str
    message_id: str
    fields: Mapping[str, bytes]
    reason: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind.

    Args:
        waiting: messages not delivered to it yet.
        pending: delivered, and neither acknowledged nor dead.
        dead: dead letters kept.
        oldest_s: age of the oldest message of the first two kinds; 0 when there is none.
    """

    waiting: int
    pending: int
    dead: int
    oldest_s: float

    @property
    def messages(self) -> int:
        """Everything the group still owes."""
        return self.waiting + self.pending


class EventBus(Protocol):
    """Safe to use from many threads and processes. Every method may raise `BusAway`."""

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Take all of these messages, or none, in one round trip.

        Raises:
            BusFull: the topic is at its limit. Refused messages are counted.
            Refused: a message is larger than the topic allows.
        """

    def consume(
        self, topic: str, group: str, consumer: str, *, count: int, block_ms: int = 0
    ) -> list[Delivery]:
        """Up to `count` messages that were not delivered to this group before; waits at most `block_ms` for the first."""

    def reclaim(self, topic: str, group: str, consumer: str, *, idle_ms: int, count: int) -> list[Delivery]:
        """Take over up to `count` deliveries that nobody finished within `idle_ms`."""

    def ack(self, topic: str, group: str, ids: Collection[str]) -> None:
        """These are done. What all groups have done leaves the topic. Repeating it is harmless."""

    def give_back(
        self, topic: str, group: str, deliveries: Collection[Delivery], *, at_once: bool = False
    ) -> None:
        """Not now, and not the messages' fault: the attempt does not count.

        Args:
            at_once: the next `reclaim` may have them; else they rest for its `idle_ms` first.
        """

    def dead(self, topic: str, group: str, delivery: Delivery, reason: str) -> None:
        """Give it up for this group: kept with the reason, no longer delivered."""

    def dead_letters(self, topic: str, group: str, *, count: int = 100) -> list[DeadLetter]:
        """The oldest ones kept."""

    def replay(self, topic: str, group: str, *, count: int = 1_000) -> int:
        """Publish up to `count` dead letters anew, oldest first; returns how many. Killed half-way it may double one."""

    def lag(self, topic: str, group: str) -> Lag:
        """How far the group is behind."""

    def counts(self, topic: str) -> Mapping[str, int]:
        """Totals since the topic began: `published`, `refused` (topic full, the publisher was told), `lost` (dropped by
        a publisher that could hold no more), `dead`, `dead_dropped` (beyond what is kept)."""

    def count_lost(self, topic: str, count: int) -> None:
        """A publisher confesses that it had to drop so many messages."""

    def settle(self, topic: str, group: str, *, timeout_s: float) -> bool:
        """Wait until everything published before this call is done or dead for the group; False when time ran out."""

    def forget(
        self, topic: str, *, shop_id: int, visitors: Collection[str] | None = None, timeout_s: float = 30.0
    ) -> int:
        """Erase what was published about these visitors (None: about the whole shop) before this call, dead letters
        included; returns how many messages. Once it returns no consumer holds one of them any more.

        Raises:
            Transient: a consumer still holds one after `timeout_s`; what was erased stays erased, so repeat it.
        """
