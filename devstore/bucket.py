"""The leaky bucket of query points, one per app and shop.

https://shopify.dev/docs/api/usage/rate-limits: a query needs its requested cost in the bucket before it runs;
afterwards the difference to its actual cost is put back. The bucket fills at `restore_rate` points a second.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

BUCKET_POINTS = 2000.0
RESTORE_RATE = 100.0


@dataclass(frozen=True, slots=True)
class ThrottleStatus:
    maximum_available: float
    currently_available: float
    restore_rate: float

    def document(self) -> dict[str, float | int]:
        return {
            "maximumAvailable": float(self.maximum_available),
            "currentlyAvailable": int(self.currently_available),
            "restoreRate": float(self.restore_rate),
        }


class Bucket:
    """Starts full. Time is any monotonic clock in seconds, given by the caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._level: float | None = None
        self._at = 0.0

    def take(self, points: float, *, now: float, maximum: float, rate: float) -> tuple[bool, ThrottleStatus]:
        """Take `points` if they are there. The status is that after the charge, or the untouched one."""
        with self._lock:
            level = self._refilled(now, maximum, rate)
            enough = level >= points
            if enough:
                self._level = level = level - points
            return enough, ThrottleStatus(maximum, level, rate)

    def give(self, points: float, *, now: float, maximum: float, rate: float) -> ThrottleStatus:
        """Put back what was not used (take more when `points` is negative)."""
        with self._lock:
            self._level = level = min(maximum, self._refilled(now, maximum, rate) + points)
            return ThrottleStatus(maximum, level, rate)

    def _refilled(self, now: float, maximum: float, rate: float) -> float:
        if self._level is None:
            self._level = maximum
        else:
            self._level = min(maximum, self._level + max(0.0, now - self._at) * rate)
        self._at = now
        return self._level


class Buckets:
    """A bucket for each (app, shop), made when first asked for."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def of(self, client: str, shop: str) -> Bucket:
        with self._lock:
            return self._buckets.setdefault((client, shop), Bucket())
