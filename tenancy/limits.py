"""How often one subject may ask in a minute, counted together by all processes of the product.

A process counts by itself and tells Redis, which answers with the common count, every half second or after a hundredth
of the limit: most requests cost no call. Together they let through the limit, and that hundredth again for each process
at most. While Redis is away nobody is turned away for what others did: each process counts alone.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import RedisError

from tenancy.measures import counter
from tenancy.redis import client, key

log = logging.getLogger("shelfwise.limits")

WINDOW_S = 60
_TELL_EVERY_S = 0.5
# A Redis that hangs must not hold up every request for its timeout.
_AWAY_FOR_S = 5.0
_MOST_HELD = 100_000

turned_away = counter("requests_turned_away_total", "requests answered 429, by limit", ["limit"])


@dataclass(slots=True)
class _Count:
    """Args:
    known: what all processes had counted when Redis was last asked, and what this one has told since.
    untold: what this process has counted and not told yet.
    """

    known: int = 0
    untold: int = 0
    told_at: float = 0.0


_lock = threading.Lock()
_counts: dict[tuple[str, str], _Count] = {}
_window = 0
_refused: Counter[str] = Counter()
_refused_told_at = 0.0
_away_until = 0.0


def spend(name: str, subject: str, *, limit: int, now: datetime, amount: int = 1) -> int:
    """Count `amount` against this subject's limit of the minute.

    Args:
        name: of the limit: part of the key and of the measure.
        subject: whom it counts; an address only as `addresses.hidden`. Empty: nobody, nothing is counted.

    Returns:
        0 when it may go on; else the seconds until it may be tried again.
    """
    if not subject:
        return 0
    at = now.timestamp()
    with _lock:
        count = _held(name, subject, int(at) // WINDOW_S)
        over = count.known + count.untold + amount > limit
        telling = 0
        if not over:
            count.untold += amount
            if count.untold >= max(1, limit // 100) or at - count.told_at >= _TELL_EVERY_S:
                telling, count.untold, count.told_at = count.untold, 0, at
                count.known += telling
    if telling:
        _tell(name, subject, count, telling, at)
        over = count.known + count.untold > limit
    if over:
        _note_refusal(name, at)
    return WINDOW_S - int(at) % WINDOW_S if over else 0


def exhausted(name: str, subject: str, *, limit: int, now: datetime) -> int:
    """What `spend` would answer, as far as this process knows; nothing is counted."""
    at = now.timestamp()
    with _lock:
        count = _held(name, subject, int(at) // WINDOW_S)
        over = count.known + count.untold >= limit
    if over:
        _note_refusal(name, at)
    return WINDOW_S - int(at) % WINDOW_S if over else 0


def forget() -> None:
    """Drop this process's counts, as one that has just started."""
    global _away_until, _refused_told_at
    with _lock:
        _counts.clear()
        _refused.clear()
        _away_until = _refused_told_at = 0.0


def _held(name: str, subject: str, window: int) -> _Count:
    global _window
    if window != _window or len(_counts) >= _MOST_HELD:
        _counts.clear()
        _window = window
    return _counts.setdefault((name, subject), _Count())


def _tell(name: str, subject: str, count: _Count, telling: int, at: float) -> None:
    """Add to the common count, and learn it. Outside the lock: no thread waits for another's Redis call."""
    global _away_until
    if at < _away_until:
        return
    counted = key("limit", name, subject, int(at) // WINDOW_S)
    try:
        pipe = client().pipeline(transaction=False)
        pipe.incrby(counted, telling)
        pipe.expire(counted, 2 * WINDOW_S)
        known = int(pipe.execute()[0])
    except RedisError as error:
        _away_until = at + _AWAY_FOR_S
        log.warning("limits.alone", extra={"reason": type(error).__name__})
        return
    with _lock:
        count.known = max(count.known, known)


def _note_refusal(name: str, at: float) -> None:
    global _refused_told_at
    with _lock:
        _refused[name] += 1
        if at - _refused_told_at < _TELL_EVERY_S or at < _away_until:
            return
        _refused_told_at = at
        told = dict(_refused)
        _refused.clear()
    for each, amount in told.items():
        turned_away.add(amount, limit=each)
