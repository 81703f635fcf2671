"""Which candidates may be shown: those whose card says so, and none that the visitor looks at or has in the cart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops.features import online
from mlops.features.online import Card

# One round trip usually fills the answer even when half of the candidates are sold out.
BATCH = 64


class Shelf:
    """Fills an answer with eligible products, tier after tier, each product once.

    Args:
        barred: products never to show in this answer.
    """

    def __init__(self, shop_id: int, limit: int, barred: Iterable[int]) -> None:
        self._shop_id = shop_id
        self._limit = limit
        self._seen = set(barred)
        self.cards: list[tuple[Card, str]] = []

    @property
    def full(self) -> bool:
        return len(self.cards) >= self._limit

    def fill(self, product_ids: Sequence[int], reason: str) -> None:
        """Take eligible products in this order until the answer is full."""
        new = [each for each in dict.fromkeys(product_ids) if each not in self._seen]
        for start in range(0, len(new), BATCH):
            if self.full:
                return
            batch = new[start : start + BATCH]
            found = online.cards(self._shop_id, batch)
            for product_id in batch:
                self._seen.add(product_id)
                card = found.get(product_id)
                if card is not None and card.eligible and not self.full:
                    self.cards.append((card, reason))
