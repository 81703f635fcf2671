"""A shop's new products in this process's memory, at most half a minute behind the Redis copy."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping

from mlops.features import newcomers
from mlops.features.newcomers import Newcomer

MAX_AGE_S = 30.0
# Some 50 kB a shop with two hundred new products.
MOST_KEPT = 1_000

_lock = threading.Lock()
_kept: OrderedDict[int, tuple[float, Mapping[int, Newcomer]]] = OrderedDict()


def of(shop_id: int, *, now: float) -> Mapping[int, Newcomer]:
    """New products that may be tried, by number.

    Args:
        now: seconds since 1970.

    Raises:
        RedisError: the fast copy does not answer.
    """
    held = _kept.get(shop_id)
    if held is None or time.monotonic() - held[0] > MAX_AGE_S:
        asked_at = time.monotonic()
        held = (asked_at, newcomers.read(shop_id, now=now))
        with _lock:
            _kept[shop_id] = held
            _kept.move_to_end(shop_id)
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
    return held[1]


def forget() -> None:
    """Drop this process's memory, so that the next request asks Redis."""
    with _lock:
        _kept.clear()
