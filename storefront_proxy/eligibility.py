"""Which candidates may be shown: those whose card says so, and none that the visitor looks at or has in the cart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops.features import online
from mlops.features.online import Card
from storefront_proxy.problems import Problem

# The first round trip asks for twice what is wanted: it fills most answers, and each unused card costs 5 us.
SPARE = 2
LARGEST_BATCH = 64


class Shelf:
    """Fills an answer with eligible products, tier after tier, each product once.

    Args:
        barred: products never to show in this answer.
        page: the product whose page it is; it must exist, which is asked together with the first candidates.
    """

    def __init__(self, shop_id: int, limit: int, barred: Iterable[int], page: int | None) -> None:
        self._shop_id = shop_id
        self._limit = limit
        self._seen = set(barred)
        self._unchecked = page
        self.cards: list[tuple[Card, str]] = []

    @property
    def full(self) -> bool:
        return len(self.cards) >= self._limit

    def fill(self, product_ids: Sequence[int], reason: str) -> None:
        """Take eligible products in this order until the answer is full.

        Raises:
            Problem: 404, the page's product does not exist.
        """
        new = [each for each in dict.fromkeys(product_ids) if each not in self._seen]
        self._seen.update(new)
        while new and not self.full:
            size = min(SPARE * (self._limit - len(self.cards)) + 2, LARGEST_BATCH)
            batch, new = new[:size], new[size:]
            for product_id, packed in zip(batch, self._packed(batch), strict=True):
                if packed is None:
                    continue
                card = online.unpack_card(product_id, packed)
                if card.eligible:
                    self.cards.append((card, reason))
                    if len(self.cards) == self._limit:
                        return

    def check_page(self) -> None:
        """Ask for the page's product if no candidates were asked for so far.

        Raises:
            Problem: 404, it does not exist.
        """
        self._packed([])

    def _packed(self, product_ids: list[int]) -> list[bytes | None]:
        page, self._unchecked = self._unchecked, None
        if page is None:
            return online.packed_cards(self._shop_id, product_ids)
        found = online.packed_cards(self._shop_id, [page, *product_ids])
        if found[0] is None:
            raise Problem(404, "unknown_product", "this shop has no such product", field="product_id")
        return found[1:]
