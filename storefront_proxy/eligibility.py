"""Which candidates may be shown: those whose tile says so, and none that the visitor looks at or has in the cart."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from storefront_proxy.tiles import Tiles

# A first look at twice what is wanted fills most answers; tiles that are not held cost one round trip for all of them.
SPARE = 2


class Shelf:
    """Fills an answer with eligible products, tier after tier, each product once.

    Args:
        barred: products never to show in this answer.
    """

    def __init__(self, tiles: Tiles, limit: int, barred: Iterable[int]) -> None:
        self._tiles = tiles
        self._limit = limit
        self.barred = frozenset(barred)
        self._seen = set(self.barred)
        self.shown: list[tuple[int, bytes, str]] = []

    @property
    def full(self) -> bool:
        return len(self.shown) >= self._limit

    def fill(self, product_ids: Sequence[int], reason: str) -> None:
        """Take eligible products in this order until the answer is full.

        Raises:
            RedisError: the fast copy does not answer.
        """
        candidates = iter(product_ids)
        while not self.full:
            batch = list(islice(self._new(candidates), SPARE * (self._limit - len(self.shown)) + 2))
            if not batch:
                return
            for product_id, tile in zip(batch, self._tiles.get(batch), strict=True):
                if tile:  # neither hidden nor absent
                    self.shown.append((product_id, tile, reason))
                    if len(self.shown) == self._limit:
                        return

    def displace(self, product_ids: Sequence[int], count: int, reason: str, draw: random.Random) -> None:
        """Put so many eligible products, the first of these, in places of the lower half of a full answer.

        Raises:
            RedisError: the fast copy does not answer.
        """
        shown = {product_id for product_id, _, _ in self.shown} | self.barred
        asked = [each for each in product_ids if each not in shown][: SPARE * count + 2]
        found = [(each, tile) for each, tile in zip(asked, self._tiles.get(asked), strict=True) if tile]
        # Whatever stays keeps its order, and the first place is never for trying.
        lower = range(max(1, len(self.shown) // 2), len(self.shown))
        at = sorted(draw.sample(lower, min(count, len(found), len(lower))))
        for place, (product_id, tile) in zip(at, found, strict=False):
            self.shown[place] = (product_id, tile, reason)

    def _new(self, product_ids: Iterator[int]) -> Iterator[int]:
        seen = self._seen
        for each in product_ids:
            if each not in seen:
                seen.add(each)
                yield each
