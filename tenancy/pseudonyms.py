"""Numbers in place of Shopify's customer numbers, one secret key per shop.

A pseudonym is the first 63 bits of HMAC-SHA256(the shop's key, the customer's number): the same customer of a shop has
the same one for ever, the same number in another shop another, and without the key nobody comes back from it to the
number. The key is random, sealed on the shop's row, and goes with it. A mark is a keyed hash of anything, and only says
"this is the same as then".
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from dataclasses import dataclass

from tenancy.models import Shop

_MOST_KEPT = 4_096
_lock = threading.Lock()
_kept: OrderedDict[tuple[int, str], Pseudonyms] = OrderedDict()


@dataclass(frozen=True, slots=True, repr=False)
class Pseudonyms:
    """Pure: the functions of one shop's key (32 bytes)."""

    key: bytes

    def of_customer(self, number: int) -> int:
        """The pseudonym of a Shopify customer number: 1 to 2**63 - 1."""
        digest = hmac.digest(self.key, b"customer:%d" % number, "sha256")
        return int.from_bytes(digest[:8]) >> 1 or 1

    def mark(self, kind: str, value: str | int) -> bytes:
        """16 bytes that stand for a value of this kind, and tell nobody which."""
        return hmac.digest(self.key, f"mark:{kind}:{value}".encode(), "sha256")[:16]


def of(shop: Shop) -> Pseudonyms:
    """The shop's pseudonyms.

    Raises:
        CannotOpen: the key that sealed the shop's is not configured.
    """
    # The domain is in the name of the place: a shop that was erased and its successor never share a key.
    place = (shop.pk, shop.domain)
    with _lock:
        held = _kept.get(place)
        if held is not None:
            _kept.move_to_end(place)
            return held
    opened = Pseudonyms(shop.pseudonym_key())
    with _lock:
        _kept[place] = opened
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return opened


def held(shop_id: int, domain: str) -> Pseudonyms | None:
    """The pseudonyms of a shop if this process has opened its key."""
    with _lock:
        return _kept.get((shop_id, domain))


def forget(shop: Shop) -> None:
    """Drop what this process holds of the shop's key."""
    with _lock:
        _kept.pop((shop.pk, shop.domain), None)
