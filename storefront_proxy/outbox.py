"""Exposures between the answer and the bus: gathered for some milliseconds, sent together by one thread of this process.

What waits here is sent when the process ends in order, and kept while the bus is away or full. A process that is killed
loses the exposures of its last `GATHER_S`: orders that follow from those few answers are not attributed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from multiprocessing.util import Finalize

from mlops.features.events import Exposure
from storefront_proxy import exposures
from tenancy.bus.opened import open_bus
from tenancy.errors import Transient

log = logging.getLogger("shelfwise.storefront")

GATHER_S = 0.02
# Keeps one message below 0.1 MB and Redis busy for less than 2 ms.
BATCH = 200
# Some 10 MB: how long the bus may be away at 1,000 answers a second is 20 s. The oldest go first, and are counted.
MOST_HELD = 20_000
RETRY_S = 0.5

_held: deque[Exposure] = deque(maxlen=MOST_HELD)
# A plain number added to by many threads: in an outage of that length it may be some too low.
_lost = 0
_wanted = threading.Event()
_sending = threading.Lock()
_starting = threading.Lock()
_sender: threading.Thread | None = None


def put(exposure: Exposure) -> None:
    """Take an exposure; it is on the bus some milliseconds later. Never waits."""
    if len(_held) == MOST_HELD:
        _drop(1)
    _held.append(exposure)
    if not _wanted.is_set():
        _wanted.set()
    if _sender is None:
        _start()


def drain() -> None:
    """Send what waits, now and in this thread.

    Raises:
        Transient: the bus does not answer or is full; nothing is lost.
    """
    with _sending:
        while _held:
            batch = [_held.popleft() for _ in range(min(len(_held), BATCH))]
            try:
                exposures.send_exposures(batch)
            except Transient:
                room = max(0, MOST_HELD - len(_held))
                _drop(max(0, len(batch) - room))
                _held.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                raise
        _confess()


def _drop(count: int) -> None:
    global _lost
    _lost += count


def _confess() -> None:
    """Say on the bus, now that it answers, how many had to go."""
    global _lost
    if _lost:
        count, _lost = _lost, 0
        log.error("storefront.exposures_dropped", extra={"count": count})
        open_bus().count_lost(exposures.TOPIC.name, count)


def _start() -> None:
    global _sender
    with _starting:
        if _sender is None:
            _sender = threading.Thread(target=_run, name="exposures", daemon=True)
            _sender.start()
            Finalize(None, _last_words, exitpriority=10)


def _run() -> None:
    while True:
        _wanted.wait()
        time.sleep(GATHER_S)
        _wanted.clear()
        try:
            drain()
        except Transient:
            log.exception("storefront.exposures_wait", extra={"held": len(_held)})
            _wanted.set()
            time.sleep(RETRY_S)


def _last_words() -> None:
    try:
        drain()
    except Transient:
        log.exception("storefront.exposures_lost", extra={"held": len(_held)})
