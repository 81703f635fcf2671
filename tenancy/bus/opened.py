"""Which bus this installation has chosen (EVENT_BUS_URL)."""

from __future__ import annotations

import atexit
import os
import threading

from django.conf import settings

from tenancy.bus.address import BusAddress
from tenancy.bus.interface import EventBus
from tenancy.bus.redis_streams import RedisBus

_lock = threading.Lock()

_opened: dict[tuple[int, BusAddress], EventBus] = {}


def open_bus() -> EventBus:
    """This process's bus; a forked child gets its own. Cheap: may be called for every message."""
    where = (os.getpid(), settings.EVENT_BUS)
    found = _opened.get(where)
    if found is None:
        with _lock:
            found = _opened.get(where)
            if found is None:
                found = _opened[where] = _open(settings.EVENT_BUS)
    return found


def _open(at: BusAddress) -> EventBus:
    if not at.servers:
        return RedisBus()
    # An optional extra: the module cannot be imported without it.
    from tenancy.bus.kafka import KafkaBus

    bus = KafkaBus(at.servers, at.options)
    atexit.register(bus.close)
    return bus
