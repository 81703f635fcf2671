"""What simulated shoppers saw and did, as counts and as one JSON summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MAX_TIMES = 200_000  # answer times kept for the percentiles
MAX_ORDERS_TOLD = 1_000


@dataclass(slots=True)
class Tally:
    """Counts by what they count; status 0 is a request that got no answer."""

    seconds: float = 0.0
    sessions: int = 0
    pages: Counter[str] = field(default_factory=Counter)
    served_by: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    products_shown: int = 0
    milliseconds: list[float] = field(default_factory=list)
    clicks: Counter[int] = field(default_factory=Counter)
    adds: int = 0
    recommended_adds: int = 0
    sold_out: int = 0
    orders: int = 0
    attributed: list[dict[str, Any]] = field(default_factory=list)
    order_names: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def answer(self, slot: str, status: int, served_by: str | None, shown: int, milliseconds: float) -> None:
        """One answer of the block's request."""
        self.slots[slot] += 1
        self.statuses[status] += 1
        if served_by is not None:
            self.served_by[served_by] += 1
        self.products_shown += shown
        if len(self.milliseconds) < MAX_TIMES:
            self.milliseconds.append(milliseconds)

    def order(self, order_id: int, name: str, exposures: list[str], visitor: str) -> None:
        self.orders += 1
        if len(self.order_names) < MAX_ORDERS_TOLD:
            self.order_names.append(name)
        if exposures and len(self.attributed) < MAX_ORDERS_TOLD:
            told = {"order_id": order_id, "order_name": name, "exposures": exposures, "visitor": visitor}
            self.attributed.append(told)

    def line(self, seconds: float) -> str:
        """Progress in one line."""
        return (
            f"{seconds:.0f} s: {self.sessions} shoppers, {sum(self.pages.values())} pages,"
            f" {sum(self.statuses.values())} recommendations, {sum(self.clicks.values())} clicks,"
            f" {self.adds} added, {self.orders} orders, {sum(self.errors.values())} errors"
        )

    def summary(self) -> dict[str, Any]:
        """All of it, ready for JSON; milliseconds are of whole requests, as a browser would see them."""
        times = sorted(self.milliseconds)

        def percentile(share: float) -> float | None:
            return round(times[min(int(len(times) * share), len(times) - 1)], 1) if times else None

        return {
            "seconds": round(self.seconds, 1),
            "sessions": self.sessions,
            "pages": dict(self.pages),
            "recommendations": {
                "requests": sum(self.statuses.values()),
                "status": {str(status): count for status, count in sorted(self.statuses.items())},
                "served_by": dict(self.served_by),
                "slots": dict(self.slots),
                "products_shown": self.products_shown,
                "milliseconds": {"p50": percentile(0.5), "p95": percentile(0.95), "p99": percentile(0.99)},
            },
            "clicks": {
                "sent": sum(self.clicks.values()),
                "status": {str(k): v for k, v in self.clicks.items()},
            },
            "adds": self.adds,
            "recommended_adds": self.recommended_adds,
            "sold_out": self.sold_out,
            "orders": self.orders,
            "orders_with_exposure": self.attributed,
            "order_names": self.order_names,
            "errors": dict(self.errors),
        }
