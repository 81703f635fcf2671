"""One bucket per shop for all processes, in Redis, corrected by every answer's throttleStatus.

Each decision is one script in Redis, on Redis's clock. A call takes its points before it is sent and gets back what it did
not use; a call that must wait stands in a queue: serving first, the others in order of arrival, a backfill as if it had
come a little later. When Redis is away each process keeps its own count: Shopify still refuses what is too much, and the client waits then.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from redis.commands.core import Script
from redis.exceptions import RedisError

from shopify_app.graphql import calls, throttle
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.throttle import Bucket, Priority
from tenancy import redis as shared_redis
from tenancy.models import Shop

log = logging.getLogger("shelfwise.graphql")
SCRIPTS = Path(__file__).parent / "scripts"
# A waiting call asks again at least this often, so that it hears of points that came back early.
ASK_AGAIN_S = 0.1
# One that has not asked for so long has died, and no longer keeps its place.
WAITING_LIFE_S = 2.0
# Longer than the longest answer: a call that never reported was killed, and its points stay spent.
RUNNING_LIFE_S = 45.0
_KEEP_COSTS_S = 30 * 86400
_RANK = {each: place for place, each in enumerate(Priority)}
_own: dict[int, Bucket] = {}
_own_requests: dict[int, Bucket] = {}


@dataclass(frozen=True, slots=True)
class Taken:
    """Points taken for one call. Hand it to `report`, whatever became of the call.

    Args:
        waited_s: how long the call stood in the queue.
    """

    ticket: str
    priority: Priority
    cost: float
    waited_s: float


class OutOfPatience(Exception):
    """The points would not be there in time.

    Args:
        wait_s: seconds until they probably are.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"{wait_s:.1f} s to wait")
        self.wait_s = wait_s


def take(shop: Shop, cost: float, priority: Priority, *, patience_s: float) -> Taken:
    """Wait for `cost` points and take them.

    Raises:
        OutOfPatience: not within `patience_s` seconds; nothing was taken.
    """
    ticket = uuid.uuid4().hex
    began = time.monotonic()
    while True:
        wait_s, soonest_s = _ask(shop, ticket, cost, priority)
        waited_s = time.monotonic() - began
        if wait_s == 0:
            return Taken(ticket, priority, cost, waited_s)
        if waited_s + soonest_s > patience_s or waited_s >= patience_s:
            _leave(shop, ticket)
            raise OutOfPatience(wait_s)
        time.sleep(min(wait_s, ASK_AGAIN_S))


def report(
    shop: Shop,
    taken: Taken,
    bucket: Bucket | None,
    *,
    spent: float | None,
    throttled: bool = False,
    phase: Phase = Phase.WEBHOOK,
) -> None:
    """Keep what an answer said about the bucket, give back what the call did not use, and count the call.

    Args:
        bucket: None when the answer did not tell, or there was none.
        phase: what the call was for, under which it is counted.
        spent: points that Shopify charged; None when that is not known: they stay taken from the bucket until an
            answer tells what is in it, and are given back to our share of it.
    """
    if bucket is not None:
        _own[shop.pk] = bucket
    arguments: list[str | float] = [
        taken.ticket,
        settings.API_HEADROOM_PERCENT / 100,
        "" if spent is None else spent,
    ]
    if bucket is not None:
        arguments += [bucket.maximum, bucket.available, bucket.restore_rate]
    try:
        client = shared_redis.client()
        _script("report")(keys=_keys(shop), args=arguments, client=client)
        with client.pipeline(transaction=False) as pipe:
            calls.count(pipe, shop, phase, throttled=throttled)
            pipe.execute()
    except RedisError:
        log.warning("graphql.budget_without_redis", extra={"shop_id": shop.pk})


def known_cost(kind: str) -> float | None:
    """What a call of this kind asked for when any process last sent one."""
    try:
        found: Any = shared_redis.client().get(shared_redis.key("api_cost", kind))
        return float(found) if found is not None else None
    except (RedisError, ValueError):
        return None


def learn_cost(kind: str, cost: float) -> None:
    try:
        shared_redis.client().set(shared_redis.key("api_cost", kind), cost, ex=_KEEP_COSTS_S)
    except RedisError:
        log.warning("graphql.budget_without_redis")


def _ask(shop: Shop, ticket: str, cost: float, priority: Priority) -> tuple[float, float]:
    """Take the points, (0, 0), or the seconds to wait: likely, and at the soonest."""
    percent = settings.API_HEADROOM_PERCENT
    share = throttle.share_kept_back(priority, percent)
    arguments: list[str | float] = [
        ticket, cost, share, _RANK[priority], percent / 100, int(settings.API_LEGACY_REST), WAITING_LIFE_S, RUNNING_LIFE_S,
    ]  # fmt: skip
    try:
        started, wait_s, soonest_s = _script("reserve")(
            keys=_keys(shop), args=arguments, client=shared_redis.client()
        )
        return (0.0, 0.0) if started else (float(wait_s), float(soonest_s))
    except RedisError:
        log.warning("graphql.budget_without_redis", extra={"shop_id": shop.pk})
    now = time.time()
    bucket = _own.get(shop.pk) or throttle.unknown(now)
    wait = throttle.wait_s(bucket, cost, priority, headroom_percent=percent, now=now)
    requests = _own_requests.get(shop.pk) or throttle.request_bucket(now)
    if settings.API_LEGACY_REST:
        wait = max(wait, throttle.wait_s(requests, 1, priority, headroom_percent=percent, now=now))
    if wait == 0:
        _own[shop.pk] = throttle.spent(bucket, cost, now)
        _own_requests[shop.pk] = throttle.spent(requests, 1, now)
    return wait, wait


def _leave(shop: Shop, ticket: str) -> None:
    try:
        shared_redis.client().hdel(_keys(shop)[1], ticket)
    except RedisError:
        log.warning("graphql.budget_without_redis", extra={"shop_id": shop.pk})


@cache
def _script(name: str) -> Script:
    text = "\n".join((SCRIPTS / f"{each}.lua").read_text(encoding="utf-8") for each in ("bucket", name))
    return Script(shared_redis.client(), text)


def _keys(shop: Shop) -> list[str]:
    return [shared_redis.key("api_bucket", shop.pk, part) for part in ("points", "waiting", "running")]
