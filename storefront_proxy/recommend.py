"""Tiers in order until the answer is full: bought together, trending, newest. The best tier that spoke is named."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mlops.deployments.pointers import Pointer
from mlops.features.events import ServedBy, SlotName
from mlops.features.online import OnlineShop
from mlops.predictors.protocols import Query
from storefront_proxy import tiles, versions
from storefront_proxy.asked import Ask
from storefront_proxy.eligibility import Shelf
from storefront_proxy.problems import Problem

CANDIDATES = 200
DAY_S = 86_400.0
_REASONS = {
    "bought_together": ServedBy.ITEM_TO_ITEM,
    "trending": ServedBy.TRENDING,
    "newest": ServedBy.NEWEST,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Args:
    products: number, tile and reason, in rank order; at most as many as were asked for.
    version: the version that spoke; None when no version did.
    """

    served_by: ServedBy
    version: Pointer | None
    products: tuple[tuple[int, bytes, str], ...]


def recommend(shop: OnlineShop, ask: Ask) -> Answer:
    """Eligible products for a slot.

    Raises:
        Problem: 404 for a product page of a product that the shop does not have.
        RedisError: the fast copy does not answer.
    """
    held = tiles.of(shop, now=time.monotonic())
    if ask.slot == SlotName.PRODUCT_PAGE and ask.product_id is not None and not held.exists(ask.product_id):
        raise Problem(404, "unknown_product", "this shop has no such product", field="product_id")
    barred = ask.cart if ask.product_id is None else (*ask.cart, ask.product_id)
    shelf = Shelf(held, ask.limit, barred)
    serving = versions.serving(shop.id, ask.slot)
    if serving is not None:
        found = serving.predictor.recommend(_query(ask), CANDIDATES)
        ids: list[int] = found.ranked.product_ids.tolist()
        shelf.fill(ids[: found.named], "bought_together")
        shelf.fill(ids[found.named :], "trending")
        if not shelf.full:
            shelf.fill(serving.predictor.trending(CANDIDATES).product_ids.tolist(), "trending")
    if not shelf.full:
        shelf.fill(held.newest(), "newest")
    served_by = _REASONS[shelf.shown[0][2]] if shelf.shown else ServedBy.NONE
    spoke = serving is not None and served_by in (ServedBy.ITEM_TO_ITEM, ServedBy.TRENDING)
    return Answer(served_by, serving.pointer if serving is not None and spoke else None, tuple(shelf.shown))


def _query(ask: Ask) -> Query:
    # On the home page too: what is in the cart says more than what trends.
    page = ask.slot == SlotName.PRODUCT_PAGE and ask.product_id is not None
    context = (ask.product_id,) if page and ask.product_id is not None else ask.cart
    return Query(day=time.time() / DAY_S, context=context)
