"""Exposures between the answer and Redis: gathered for some milliseconds, sent together by one thread of this process.

What waits here is sent when the process ends in order, and kept while Redis does not answer. A process that is killed
loses the exposures of its last `GATHER_S`: orders that follow from those few answers are not attributed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from multiprocessing.util import Finalize

from redis.exceptions import RedisError

from mlops.features.events import Exposure
from storefront_proxy import exposures

log = logging.getLogger("shelfwise.storefront")

GATHER_S = 0.02
# Keeps one message below 0.1 MB and Redis busy for less than 2 ms.
BATCH = 200
# Some 10 MB: how long Redis may be away at 1,000 answers a second is 20 s. The oldest go first.
MOST_HELD = 20_000
RETRY_S = 0.5

_held: deque[Exposure] = deque(maxlen=MOST_HELD)
_wanted = threading.Event()
_sending = threading.Lock()
_starting = threading.Lock()
_sender: threading.Thread | None = None


def put(exposure: Exposure) -> None:
    """Take an exposure; it is in Redis some milliseconds later. Never waits."""
    _held.append(exposure)
    if not _wanted.is_set():
        _wanted.set()
    if _sender is None:
        _start()


def drain() -> None:
    """Send what waits, now and in this thread.

    Raises:
        RedisError: Redis does not answer; nothing is lost.
    """
    with _sending:
        while _held:
            batch = [_held.popleft() for _ in range(min(len(_held), BATCH))]
            try:
                exposures.send_exposures(batch)
            except RedisError:
                room = max(0, MOST_HELD - len(_held))
                _held.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                raise


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
        except RedisError:
            log.exception("storefront.exposures_wait", extra={"held": len(_held)})
            _wanted.set()
            time.sleep(RETRY_S)


def _last_words() -> None:
    try:
        drain()
    except RedisError:
        log.exception("storefront.exposures_lost", extra={"held": len(_held)})
