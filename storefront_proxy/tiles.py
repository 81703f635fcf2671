"""Tiles of the storefront in this process's memory, as finished JSON: at most half a second behind the Redis copy.

A card is read from Redis once and its tile kept until the catalogue's change log names the product, so a product that
sells out is gone from every serving process within half a second, and an answer that is warm asks Redis nothing.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from mlops.features import online
from mlops.features.online import Card, OnlineShop

MAX_AGE_S = 0.5
# Some 450 bytes a tile: at most 45 MB a process, shared by all shops; the shop that was idle longest is dropped first.
MOST_KEPT = 100_000
NEWEST = 200
HIDDEN = b""

_lock = threading.Lock()
_kept: OrderedDict[int, Tiles] = OrderedDict()
_total = 0


class Tiles:
    """The tiles of one shop.

    A tile is the bytes of a JSON object that still lacks its reason and closing brace; `HIDDEN` for a product that may
    not be shown; None for one that does not exist. Plain bytes: thousands of them cost the garbage collector nothing.
    """

    def __init__(self, shop: OnlineShop) -> None:
        self.shop_id = shop.id
        self.currency = shop.currency
        self._held: dict[int, bytes | None] = {}
        self._newest: list[int] | None = None
        self._mark: bytes | None = None
        self._looked_at = float("-inf")

    def __len__(self) -> int:
        return len(self._held)

    def get(self, product_ids: Sequence[int]) -> list[bytes | None]:
        """Tiles in the order of these products; those not held are fetched in one round trip.

        Raises:
            RedisError: one is not held and the fast copy does not answer.
        """
        held = self._held
        missing = [each for each in product_ids if each not in held]
        if not missing:
            return [held[each] for each in product_ids]
        fetched = self._fetch(missing, keep_absent=True)
        return [fetched[each] if each in fetched else held.get(each) for each in product_ids]

    def exists(self, product_id: int) -> bool:
        """Whether the shop has this product. Buyers choose the number, so an absent one takes no memory."""
        if product_id in self._held:
            return self._held.get(product_id) is not None
        return self._fetch([product_id], keep_absent=False)[product_id] is not None

    def newest(self) -> list[int]:
        """Eligible products, latest published first."""
        found, mark = self._newest, self._mark
        if found is None:
            found = online.newest(self.shop_id, NEWEST)
            with _lock:
                if mark is not None and mark == self._mark:
                    self._newest = found
        return found

    def refresh(self, now: float) -> None:
        """Drop what changed since the last look, if that is longer ago than `MAX_AGE_S`.

        Args:
            now: seconds on a clock that never goes back.
        """
        if now - self._looked_at <= MAX_AGE_S:
            return
        found = online.changes(self.shop_id, self._mark)
        with _lock:
            if found.products is None:
                self._drop(list(self._held))
            else:
                self._drop(found.products)
            if found.products is None or found.products:
                self._newest = None
            self._mark = found.mark
            self._looked_at = now

    def _fetch(self, missing: Sequence[int], *, keep_absent: bool) -> dict[int, bytes | None]:
        mark = self._mark
        packed = online.packed_cards(self.shop_id, missing)
        fetched = {
            each: None if card is None else _tile(online.unpack_card(each, card), self.currency)
            for each, card in zip(missing, packed, strict=True)
        }
        with _lock:
            # Another thread may have looked at the log meanwhile: what was read before that may be stale for good.
            if mark is not None and mark == self._mark and _kept.get(self.shop_id) is self:
                self._keep({k: v for k, v in fetched.items() if keep_absent or v is not None})
        return fetched

    def _keep(self, fetched: dict[int, bytes | None]) -> None:
        global _total
        before = len(self._held)
        self._held.update(fetched)
        _total += len(self._held) - before
        while _total > MOST_KEPT:
            _, dropped = _kept.popitem(last=False)
            _total -= len(dropped)

    def _drop(self, product_ids: Iterable[int]) -> None:
        global _total
        before = len(self._held)
        for each in product_ids:
            self._held.pop(each, None)
        if _kept.get(self.shop_id) is self:
            _total += len(self._held) - before


def of(shop: OnlineShop, *, now: float) -> Tiles:
    """The shop's tiles, `MAX_AGE_S` old at most.

    Args:
        now: seconds on a clock that never goes back.

    Raises:
        RedisError: the fast copy does not answer.
    """
    global _total
    with _lock:
        found = _kept.get(shop.id)
        if found is None or found.currency != shop.currency:
            _total -= len(found) if found is not None else 0
            found = _kept[shop.id] = Tiles(shop)
        _kept.move_to_end(shop.id)
    found.refresh(now)
    return found


def forget() -> None:
    """Drop this process's memory, so that the next request asks Redis."""
    global _total
    with _lock:
        _kept.clear()
        _total = 0


def _tile(card: Card, currency: str) -> bytes:
    if not card.eligible:
        return HIDDEN
    shown = {
        "product_id": card.product_id,
        "variant_id": card.variant_id,
        "handle": card.handle,
        "title": card.title,
        "url": f"/products/{quote(card.handle, safe='')}",
        "image": card.image,
        "price": card.price,
        "compare_at_price": card.compare_at_price,
        "currency": currency,
        "available": True,
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))[:-1].encode()
