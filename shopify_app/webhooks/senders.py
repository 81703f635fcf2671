"""How much a sender of webhooks may send in a minute.

Only Shopify can spend a shop's limit, and what is answered 429 Shopify sends again. An address is limited by what it sent
that was not Shopify's; but anyone can make Shopify send forged-looking deliveries from its own addresses, by a webhook of
another app to our address. So a forger's address loses large bodies only, which cost something to verify, and never the
small ones that nearly all genuine deliveries are. Only an address that leaves bodies unfinished, which Shopify does not,
and which hold a serving thread, is turned away altogether.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest

from tenancy import limits
from tenancy.addresses import address, hidden

FORGED_PER_MINUTE = 600
UNFINISHED_PER_MINUTE = 30
COMPLIANCE_PER_MINUTE = 600
LARGE_BODY = 256 * 1024


class Sender:
    """The address that one delivery came from."""

    def __init__(self, request: HttpRequest, now: datetime) -> None:
        self._who = hidden(address(request), now)
        self._now = now
        length = request.META.get("CONTENT_LENGTH") or "0"
        self._large = not length.isdecimal() or int(length) > LARGE_BODY

    def wait_s(self) -> int:
        """Seconds until this delivery may be tried again; 0 when its body may be read."""
        wait_s = limits.exhausted("unfinished", self._who, limit=UNFINISHED_PER_MINUTE, now=self._now)
        if not wait_s and self._large:
            wait_s = limits.exhausted("forged", self._who, limit=FORGED_PER_MINUTE, now=self._now)
        return wait_s

    def left_unfinished(self) -> None:
        limits.spend("unfinished", self._who, limit=UNFINISHED_PER_MINUTE, now=self._now)

    def forged(self) -> None:
        limits.spend("forged", self._who, limit=FORGED_PER_MINUTE, now=self._now)


def shop_wait_s(shop_id: int, *, compliance: bool, now: datetime) -> int:
    """Seconds until this shop's delivery may be tried again; 0 when it may be taken in. It is counted."""
    if compliance:
        return limits.spend("compliance", str(shop_id), limit=COMPLIANCE_PER_MINUTE, now=now)
    return limits.spend("webhooks", str(shop_id), limit=settings.WEBHOOKS_SHOP_PER_MINUTE, now=now)
