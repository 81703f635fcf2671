"""One bucket per shop for all processes, in Redis, corrected by every answer's throttleStatus.

When Redis is away each process keeps its own count: Shopify still refuses what is too much, and the client waits then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError, WatchError

from shopify_app.graphql import throttle
from shopify_app.graphql.throttle import Bucket, Priority
from tenancy import redis as shared_redis
from tenancy.models import Shop

log = logging.getLogger("shelfwise.graphql")
_KEEP_S = 3600
_TRIES = 5
_own: dict[int, Bucket] = {}


@dataclass(frozen=True, slots=True)
class Calls:
    """Admin API calls of one shop since the counters began.

    Args:
        by_phase: number of calls by `Priority` value. `serving` stays 0: nothing on the storefront path calls Shopify.
        throttled: answers that said THROTTLED.
    """

    by_phase: dict[str, int]
    throttled: int


def reserve(shop: Shop, cost: float, priority: Priority, *, now: float) -> float:
    """Take `cost` points now and return 0, or return how many seconds to wait first."""
    percent = settings.API_HEADROOM_PERCENT
    try:
        client = shared_redis.client()
        name = _bucket_key(shop)
        for _ in range(_TRIES):
            with client.pipeline() as pipe:
                try:
                    pipe.watch(name)  # type: ignore[no-untyped-call]
                    stored: Any = pipe.hgetall(name)
                    bucket = _read(stored) or throttle.unknown(now)
                    wait = throttle.wait_s(bucket, cost, priority, headroom_percent=percent, now=now)
                    if wait > 0:
                        return wait
                    pipe.multi()
                    _write(pipe, name, throttle.spent(bucket, cost, now))
                    pipe.execute()
                except WatchError:
                    continue
                return 0.0
    except RedisError:
        log.warning("graphql.budget_without_redis", extra={"shop_id": shop.pk})
    bucket = _own.get(shop.pk) or throttle.unknown(now)
    wait = throttle.wait_s(bucket, cost, priority, headroom_percent=percent, now=now)
    if wait == 0:
        _own[shop.pk] = throttle.spent(bucket, cost, now)
    return wait


def report(shop: Shop, bucket: Bucket | None, priority: Priority, *, throttled: bool) -> None:
    """Keep what an answer said about the bucket, and count the call."""
    if bucket is not None:
        _own[shop.pk] = bucket
    try:
        with shared_redis.client().pipeline(transaction=False) as pipe:
            if bucket is not None:
                _write(pipe, _bucket_key(shop), bucket)
            pipe.hincrby(_calls_key(shop), str(priority), 1)
            if throttled:
                pipe.hincrby(_calls_key(shop), "throttled", 1)
            pipe.execute()
    except RedisError:
        log.warning("graphql.budget_without_redis", extra={"shop_id": shop.pk})


def calls(shop: Shop) -> Calls:
    """The counters `shopify_calls_total` of one shop."""
    found: Any = shared_redis.client().hgetall(_calls_key(shop))
    counts = {name.decode(): int(value) for name, value in found.items()}
    throttled = counts.pop("throttled", 0)
    return Calls(by_phase={each.value: counts.get(each.value, 0) for each in Priority}, throttled=throttled)


def _bucket_key(shop: Shop) -> str:
    return shared_redis.key("api_bucket", shop.pk)


def _calls_key(shop: Shop) -> str:
    return shared_redis.key("shopify_calls_total", shop.pk)


def _read(found: dict[bytes, bytes]) -> Bucket | None:
    try:
        return Bucket(*(float(found[name]) for name in (b"maximum", b"available", b"restore_rate", b"at")))
    except (KeyError, ValueError):
        return None


def _write(pipe: Any, name: str, bucket: Bucket) -> None:
    values = {
        "maximum": bucket.maximum,
        "available": bucket.available,
        "restore_rate": bucket.restore_rate,
        "at": bucket.at,
    }
    pipe.hset(name, mapping=values)
    pipe.expire(name, _KEEP_S)
