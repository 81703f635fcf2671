"""The shop directory in this process's memory, half a second old at most: so long an uninstalled shop is still served."""

from __future__ import annotations

import time

from mlops.features import online
from mlops.features.online import OnlineShop

MAX_AGE_S = 0.5
MOST_KEPT = 10_000

_held: dict[str, tuple[float, OnlineShop | None]] = {}


def installed_shop(domain: str) -> OnlineShop | None:
    """The shop of this domain if the app is installed there."""
    found = _held.get(domain)
    if found is None or time.monotonic() - found[0] > MAX_AGE_S:
        if len(_held) >= MOST_KEPT:
            _held.clear()
        found = _held[domain] = (time.monotonic(), online.find_shop(domain))
    shop = found[1]
    return shop if shop is not None and shop.installed else None


def forget() -> None:
    """Drop this process's memory, so that the next request asks Redis."""
    _held.clear()
