"""How much one shop, one visitor and one address may send in a minute. Counted in Redis, shared by all processes.

An address is never kept: it is counted under a keyed hash whose key is random, lives for a day at most and is then
forgotten, and the counters live two minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from tenancy.addresses import hidden
from tenancy.redis import client, key

VISITOR_PER_MINUTE = 600
REQUESTS_PER_MINUTE = 600
# Many shoppers share the address of a mobile network or an office.
ADDRESS_PER_MINUTE = 3_000
_WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Cap:
    """Args:
    over: `shop`, `visitor` or `address`: what is over its limit; empty when nothing is.
    wait_s: how long until it may be tried again.
    """

    over: str
    wait_s: int


def knock(address: str, *, now: datetime) -> Cap:
    """Count a request and say whether that was one too many: asked before its body is waited for.

    Raises:
        RedisError: Redis does not answer.
    """
    return _count({"address": (f"r{hidden(address, now)}", REQUESTS_PER_MINUTE)}, 1, now)


def spend(*, shop_id: int, visitor: str | None, address: str, amount: int, now: datetime) -> Cap:
    """Count this many events and say whether that was too much.

    Raises:
        RedisError: Redis does not answer.
    """
    limits = {
        "address": (hidden(address, now), ADDRESS_PER_MINUTE),
        "visitor": (hidden(f"{shop_id}:{visitor}", now) if visitor else "", VISITOR_PER_MINUTE),
        "shop": (str(shop_id), settings.COLLECT_SHOP_PER_MINUTE),
    }
    return _count(limits, amount, now)


def _count(limits: Mapping[str, tuple[str, int]], amount: int, now: datetime) -> Cap:
    window = int(now.timestamp()) // _WINDOW_S
    asked = [(name, subject, limit) for name, (subject, limit) in limits.items() if subject]
    pipe = client().pipeline(transaction=False)
    for name, subject, _ in asked:
        counter = key("collected", name, subject, window)
        pipe.incrby(counter, amount)
        pipe.expire(counter, 2 * _WINDOW_S)
    counts = pipe.execute()[::2]
    for (name, _, limit), count in zip(asked, counts, strict=True):
        if count > limit:
            return Cap(name, _WINDOW_S - int(now.timestamp()) % _WINDOW_S)
    return Cap("", 0)
