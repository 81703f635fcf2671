"""Shops that deliveries name, held in this process's memory for a moment: a burst asks Postgres once.

Only installed ones are held. Who was uninstalled within `HELD_S` may still deliver, as if a moment earlier; what no longer
exists is refused when its delivery is stored.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from tenancy.models import Shop, ShopState

HELD_S = 1.0
MOST_HELD = 1_024
_lock = threading.Lock()
_held: OrderedDict[str, tuple[float, Shop]] = OrderedDict()


def named(domain: str, *, as_held: bool) -> Shop | None:
    """The shop of this domain with what a delivery needs of it, or None.

    Args:
        as_held: what was true a second ago will do.
    """
    moment = time.monotonic()
    with _lock:
        held = _held.get(domain)
    if as_held and held is not None and moment - held[0] < HELD_S:
        return held[1]
    found = Shop.objects.only("domain", "state", "pseudonym_key_sealed").filter(domain=domain).first()
    with _lock:
        _held.pop(domain, None)
        if found is not None and found.state == ShopState.INSTALLED:
            _held[domain] = (moment, found)
            if len(_held) > MOST_HELD:
                _held.popitem(last=False)
    return found


def forget() -> None:
    """Drop all that is held."""
    with _lock:
        _held.clear()
