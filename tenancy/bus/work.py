"""The loop of a consumer: what others left first, then what is new; a bad message never holds up the good ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tenancy.bus.interface import Delivery, EventBus
from tenancy.errors import Transient
from tenancy.outages import AWAY

log = logging.getLogger("shelfwise.bus")

# Taken over from a consumer that has not finished in so long.
IDLE_MS = 10_000
BATCH = 1_000
# A message that fails, or kills its consumer, so often is given up.
MOST_ATTEMPTS = 5
# From here on it may be the one that kills its consumer, so it is handled alone.
SUSPECT = 2


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler says of a batch; whatever it does not name here is done.

    Args:
        later: ids to be delivered again, for instance because what they refer to has not come yet.
        refused: ids that can never be handled, with the reason: they become dead letters.
    """

    later: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worked:
    """How many messages one call of `work` finished, gave back for later, and gave up."""

    done: int = 0
    later: int = 0
    dead: int = 0

    def __add__(self, other: Worked) -> Worked:
        return Worked(self.done + other.done, self.later + other.later, self.dead + other.dead)


Handler = Callable[[Sequence[Delivery]], Handled]


def work(
    bus: EventBus,
    topic: str,
    group: str,
    handle: Handler,
    *,
    consumer: str,
    most_s: float,
    idle_ms: int = IDLE_MS,
    batch: int = BATCH,
    most_attempts: int = MOST_ATTEMPTS,
) -> Worked:
    """Handle what waits until nothing does, or for `most_s` seconds; acknowledges after `handle` has returned.

    `handle` must be safe to repeat. When it raises for a batch, each message is tried alone; one that fails alone stays
    and is tried again after `idle_ms`, `most_attempts` times in all.

    Raises:
        Transient, AWAY: something behind the handler or the bus is away; what was not acknowledged comes again.
    """
    ends = time.monotonic() + most_s
    total = Worked()
    size = batch
    tried: set[str] = set()
    while time.monotonic() < ends:
        found = bus.reclaim(topic, group, consumer, idle_ms=idle_ms, count=size)
        again = [each for each in found if each.id in tried]
        bus.give_back(topic, group, again)
        found = [each for each in found if each.id not in tried]
        found = found or bus.consume(topic, group, consumer, count=size)
        if not found:
            break
        if len(found) > 1 and any(each.attempts > SUSPECT for each in found):
            # One of them may have killed its consumer: the others must not count that against themselves.
            bus.give_back(topic, group, found, at_once=True)
            size = 1
            continue
        tried.update(each.id for each in found)
        total += _handled(bus, topic, group, handle, found, most_attempts)
    return total


def _handled(
    bus: EventBus, topic: str, group: str, handle: Handler, found: Sequence[Delivery], most_attempts: int
) -> Worked:
    worn = [each for each in found if each.attempts > most_attempts]
    for each in worn:
        _give_up(bus, topic, group, each, f"delivered {each.attempts} times and never finished")
    found = [each for each in found if each.attempts <= most_attempts]
    if not found:
        return Worked(dead=len(worn))
    try:
        said = handle(found)
    except (Transient, *AWAY):
        bus.give_back(topic, group, found)
        raise
    except Exception as error:
        if len(found) > 1:
            log.warning("bus.batch_failed", extra={"topic": topic, "error": repr(error)})
            alone = (_handled(bus, topic, group, handle, [each], most_attempts) for each in found)
            return sum(alone, Worked(dead=len(worn)))
        return Worked(dead=len(worn)) + _failed(bus, topic, group, found[0], error, most_attempts)
    bus.ack(
        topic, group, [each.id for each in found if each.id not in said.later and each.id not in said.refused]
    )
    later = [each for each in found if each.id in said.later]
    bus.give_back(topic, group, later)
    for each in found:
        if each.id in said.refused:
            _give_up(bus, topic, group, each, said.refused[each.id])
    dead = len(worn) + len(said.refused)
    return Worked(done=len(found) - len(later) - len(said.refused), later=len(later), dead=dead)


def _failed(
    bus: EventBus, topic: str, group: str, delivery: Delivery, error: Exception, most_attempts: int
) -> Worked:
    if delivery.attempts >= most_attempts:
        _give_up(bus, topic, group, delivery, f"{type(error).__name__}: {error}")
        return Worked(dead=1)
    log.exception("bus.message_failed", extra={"topic": topic, "message_id": delivery.id})
    return Worked(later=1)


def _give_up(bus: EventBus, topic: str, group: str, delivery: Delivery, reason: str) -> None:
    # Without the reason: it may quote the message, and only the dead letter can be erased.
    log.error("bus.dead_letter", extra={"topic": topic, "group": group, "message_id": delivery.id})
    bus.dead(topic, group, delivery, reason)
