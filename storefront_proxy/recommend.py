"""Tiers in order until the answer is full: bought together, trending, newest. The best tier that spoke is named."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mlops.deployments import router
from mlops.deployments.pointers import Pointer
from mlops.features import online
from mlops.features.events import ServedBy, SlotName
from mlops.features.online import Card
from mlops.features.sealed import FileUnusable
from mlops.predictors.artefact import BadArtefact
from mlops.predictors.item_to_item import CoPurchase
from mlops.registry import loader
from storefront_proxy.asked import Ask
from storefront_proxy.eligibility import Shelf

log = logging.getLogger("shelfwise.storefront")

CANDIDATES = 200
_REASONS = {
    "bought_together": ServedBy.ITEM_TO_ITEM,
    "trending": ServedBy.TRENDING,
    "newest": ServedBy.NEWEST,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Args:
    products: cards with the tier's reason, in rank order; at most as many as were asked for.
    version: the version that spoke; None when no version did.
    """

    served_by: ServedBy
    version: Pointer | None
    products: tuple[tuple[Card, str], ...]


def recommend(shop_id: int, ask: Ask) -> Answer:
    """Eligible products for a slot.

    Raises:
        Problem: 404 for a product page of a product that the shop does not have.
        RedisError: the fast copy does not answer.
    """
    page = ask.product_id if ask.slot == SlotName.PRODUCT_PAGE else None
    barred = {*ask.cart, *([ask.product_id] if ask.product_id is not None else [])}
    shelf = Shelf(shop_id, ask.limit, barred, page)
    pointer = router.pointer(shop_id, ask.slot)
    predictor = _predictor(shop_id, pointer)
    if predictor is not None:
        shelf.fill(_together(predictor, ask), "bought_together")
        if not shelf.full:
            shelf.fill(predictor.trending(CANDIDATES).product_ids.tolist(), "trending")
    if not shelf.full:
        shelf.fill(online.newest(shop_id, CANDIDATES), "newest")
    shelf.check_page()
    served_by = _REASONS[shelf.cards[0][1]] if shelf.cards else ServedBy.NONE
    spoke = served_by in (ServedBy.ITEM_TO_ITEM, ServedBy.TRENDING)
    return Answer(served_by, pointer if spoke else None, tuple(shelf.cards))


def _together(predictor: CoPurchase, ask: Ask) -> list[int]:
    if ask.slot == SlotName.PRODUCT_PAGE and ask.product_id is not None:
        found: list[int] = predictor.similar(ask.product_id, CANDIDATES).product_ids.tolist()
        return found
    if ask.cart:
        # On the home page too: what is in the cart says more than what trends.
        completes: list[int] = predictor.for_cart(ask.cart, CANDIDATES).product_ids.tolist()
        return completes
    return []


def _predictor(shop_id: int, pointer: Pointer | None) -> CoPurchase | None:
    """The slot's predictor; None when nothing is deployed or it cannot be used, which is logged and served around."""
    if pointer is None:
        return None
    try:
        return loader.load(shop_id, pointer.digest).predictor
    except (FileUnusable, BadArtefact):
        log.exception(
            "storefront.version_unusable", extra={"shop_id": shop_id, "version_id": pointer.version_id}
        )
        return None
