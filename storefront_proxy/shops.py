"""The directory of installed shops in this process's memory, half a second old at most: so long one is still served."""

from __future__ import annotations

import time

from mlops.features import online
from mlops.features.online import OnlineShop

MAX_AGE_S = 0.5
MOST_KEPT = 10_000

_held: dict[str, tuple[float, OnlineShop]] = {}


def installed_shop(domain: str) -> OnlineShop | None:
    """The shop of this domain if the app is installed there."""
    held = _held.get(domain)
    if held is not None and time.monotonic() - held[0] <= MAX_AGE_S:
        return held[1]
    asked_at = time.monotonic()
    shop = online.find_shop(domain)
    if shop is None or not shop.installed:
        # Not remembered: an install is served at once.
        _held.pop(domain, None)
        return None
    if len(_held) >= MOST_KEPT:
        _held.clear()
    _held[domain] = (asked_at, shop)
    return shop


def forget() -> None:
    """Drop this process's memory, so that the next request asks Redis."""
    _held.clear()
