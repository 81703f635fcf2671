"""Slot to version, for the storefront path: this process's memory, renewed from Redis twice a second.

So a change is followed within half a second plus one request, without a subscription that could silently be lost.
"""

from __future__ import annotations

import threading
import time

from mlops.deployments import pointers
from mlops.deployments.pointers import Pointer
from mlops.features.events import SlotName

MAX_AGE_S = 0.5

_lock = threading.Lock()
_held: dict[int, tuple[float, dict[SlotName, Pointer]]] = {}


def pointer(shop_id: int, slot: SlotName) -> Pointer | None:
    """The version that serves this slot; None when nothing was deployed there."""
    found = _held.get(shop_id)
    if found is None or time.monotonic() - found[0] > MAX_AGE_S:
        asked_at = time.monotonic()
        table = pointers.read(shop_id)
        if table is None:
            table = _restore(shop_id)
        with _lock:
            _held[shop_id] = found = (asked_at, table)
    return found[1].get(slot)


def _restore(shop_id: int) -> dict[SlotName, Pointer]:
    """Redis lost its memory, or the shop is new: the only time this path asks Postgres."""
    from mlops.deployments import store
    from tenancy.models import Shop
    from tenancy.scope import scope

    shop = Shop.objects.filter(pk=shop_id).first()
    if shop is None:
        return {}
    with scope(shop):
        store.publish_all(shop)
    return pointers.read(shop_id) or {}


def forget() -> None:
    """Drop this process's memory, so that the next request asks Redis."""
    with _lock:
        _held.clear()
