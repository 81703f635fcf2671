"""How often we call Shopify's Admin API, and what for: `shopify_calls_total{phase}`.

The storefront is answered without a call, and this is where that would show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from redis.client import Pipeline

from tenancy import measures
from tenancy.models import Shop
from tenancy.redis import client, key

_THROTTLED = "throttled"


class Phase(StrEnum):
    """What a call is for."""

    SERVING = "serving"
    INSTALL = "install"
    ADMIN = "admin"
    WEBHOOK = "webhook"
    BACKFILL = "backfill"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Calls:
    """Admin API calls since the counters began.

    Args:
        by_phase: `serving` stays 0: nothing on the storefront path calls Shopify.
        throttled: answers that said THROTTLED.
    """

    by_phase: dict[Phase, int]
    throttled: int


def count(pipe: Pipeline, shop: Shop, phase: Phase, *, throttled: bool) -> None:
    """Add one call to the shop's numbers and to everybody's; travels with the pipeline."""
    for name in (_of(shop), _of_all()):
        pipe.hincrby(name, phase.value, 1)
        if throttled:
            pipe.hincrby(name, _THROTTLED, 1)


def of(shop: Shop) -> Calls:
    """The calls to one shop."""
    return _read(_of(shop))


def connect() -> None:
    """Called once, when Django is ready."""
    measures.register("shopify_calls", _measured)


def _measured() -> Iterable[Metric]:
    found = _read(_of_all())
    family = CounterMetricFamily(
        measures.PREFIX + "shopify_calls", "Admin API calls by what they were for", labels=["phase"]
    )
    for phase, number in found.by_phase.items():
        family.add_metric([phase.value], number)
    yield family
    throttled = CounterMetricFamily(
        measures.PREFIX + "shopify_throttled", "Admin API calls that Shopify refused as too many"
    )
    throttled.add_metric([], found.throttled)
    yield throttled


def _read(name: str) -> Calls:
    found: Any = client().hgetall(name)
    counts = {field.decode(): int(value) for field, value in found.items()}
    return Calls({phase: counts.get(phase.value, 0) for phase in Phase}, counts.get(_THROTTLED, 0))


def _of(shop: Shop) -> str:
    return key("shopify_calls_total", shop.pk)


def _of_all() -> str:
    return key("shopify_calls_total", "all")
