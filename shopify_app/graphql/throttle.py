"""How long to wait before an Admin API call: Shopify's leaky bucket, seen from the client. Pure.

Shopify restores `restore_rate` points per second up to `maximum` and refuses a query that asks for more than is there.
The classes leave a share of the bucket untouched, so that a backfill never makes a more urgent call wait. `budget` asks
Redis with the same figures; what is decided here alone holds while Redis is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SMALLEST_RESERVE_PERCENT = 5
# The REST API's limit before there were points: two requests a second. Kept where API_LEGACY_REST asks for it.
REQUESTS_PER_S = 2.0


class Priority(StrEnum):
    """Who calls, most urgent first."""

    SERVING = "serving"
    FOLLOW_UP = "follow_up"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is known of one shop's bucket.

    Args:
        maximum: points when full.
        available: points at the moment `at`.
        restore_rate: points per second.
        at: unix seconds.
    """

    maximum: float
    available: float
    restore_rate: float
    at: float

    def level(self, now: float) -> float:
        """Points at `now`; a clock that went back restores nothing."""
        return min(self.maximum, self.available + self.restore_rate * max(0.0, now - self.at))


def unknown(now: float) -> Bucket:
    """The smallest bucket that Shopify was ever seen to give: right after the first answer."""
    return Bucket(maximum=1000.0, available=1000.0, restore_rate=50.0, at=now)


def share_kept_back(priority: Priority, headroom_percent: int) -> float:
    """Part of the bucket (0 to 1) that a class leaves for the classes above it.

    Backfill leaves the whole headroom, follow-ups half of it; without a headroom there is still a little for serving. The
    restored points are spent all the same, so this costs nothing in the long run.
    """
    part = {Priority.SERVING: 0.0, Priority.FOLLOW_UP: 0.5, Priority.BACKFILL: 1.0}[priority]
    return part * max(headroom_percent, SMALLEST_RESERVE_PERCENT) / 100.0


def request_bucket(now: float) -> Bucket:
    """The legacy limit as a bucket in which every call costs 1."""
    return Bucket(maximum=REQUESTS_PER_S, available=REQUESTS_PER_S, restore_rate=REQUESTS_PER_S, at=now)


def kept_back(bucket: Bucket, priority: Priority, headroom_percent: int) -> float:
    """`share_kept_back` in points."""
    return bucket.maximum * share_kept_back(priority, headroom_percent)


def wait_s(bucket: Bucket, cost: float, priority: Priority, *, headroom_percent: int, now: float) -> float:
    """Seconds until a call of `cost` points may start; 0 when it may start now.

    A call too dear for its class's share waits for a full bucket instead of for ever.
    """
    wanted = min(cost + kept_back(bucket, priority, headroom_percent), bucket.maximum)
    missing = wanted - bucket.level(now)
    return max(0.0, missing / bucket.restore_rate) if missing > 0 else 0.0


def spent(bucket: Bucket, cost: float, now: float) -> Bucket:
    """The bucket after a call of `cost` points started."""
    return Bucket(bucket.maximum, max(0.0, bucket.level(now) - cost), bucket.restore_rate, now)
