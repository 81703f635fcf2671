"""What the app spent of each shop's query budget, for tests that promise to stay within it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _ShopTally:
    calls: int = 0
    throttled: int = 0
    requested_points: float = 0.0
    actual_points: float = 0.0
    minimum_available: float | None = None
    maximum_available: float = 0.0
    restore_rate: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def document(self) -> dict[str, Any]:
        """`budget_share`: points spent / points there were (a full bucket plus what was restored since the first call).

        `seconds`: between the first call and the last.
        """
        seconds = self.last_at - self.first_at
        offered = self.maximum_available + self.restore_rate * seconds
        return {
            "graphql_calls": self.calls,
            "seconds": round(seconds, 3),
            "throttled": self.throttled,
            "requested_points": self.requested_points,
            "actual_points": self.actual_points,
            "minimum_available": self.minimum_available,
            "maximum_available": self.maximum_available,
            "restore_rate": self.restore_rate,
            "budget_share": round(self.actual_points / offered, 6) if offered else 0.0,
        }


class ApiStats:
    """Tallies per shop since the server started or `clear` was called."""

    def __init__(self) -> None:
        self._shops: dict[str, _ShopTally] = {}
        self._lock = threading.Lock()

    def record(
        self,
        shop: str,
        *,
        now: float,
        requested: float,
        actual: float,
        available: float,
        maximum: float,
        restore_rate: float,
        throttled: bool = False,
    ) -> None:
        """Count one GraphQL call. `available`: what the bucket held right after the charge."""
        with self._lock:
            tally = self._shops.setdefault(shop, _ShopTally(first_at=now))
        with tally.lock:
            tally.calls += 1
            tally.throttled += throttled
            tally.requested_points += requested
            tally.actual_points += actual
            tally.maximum_available = maximum
            tally.restore_rate = restore_rate
            tally.last_at = now
            if tally.minimum_available is None or available < tally.minimum_available:
                tally.minimum_available = available

    def document(self) -> dict[str, dict[str, Any]]:
        with self._lock:
            return {shop: tally.document() for shop, tally in self._shops.items()}

    def clear(self) -> None:
        with self._lock:
            self._shops.clear()
