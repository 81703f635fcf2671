"""Which bus this installation has chosen."""

from __future__ import annotations

from tenancy.bus.interface import EventBus
from tenancy.bus.redis_streams import RedisBus

_redis = RedisBus()


def open_bus() -> EventBus:
    """This process's bus. Cheap; may be called for every message."""
    return _redis
