"""Tiers in order until the answer is full: the recommender, trending, newest. The best tier that spoke is named."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mlops.deployments.pointers import Pointer
from mlops.features.events import ServedBy, SlotName
from mlops.features.online import OnlineShop
from mlops.predictors.protocols import Query, Recommended, Spoke
from storefront_proxy import exploration, lists, newcomers, tiles, versions
from storefront_proxy.asked import Ask
from storefront_proxy.eligibility import Shelf
from storefront_proxy.problems import Problem

DAY_S = 86_400.0
# Why a product is there. The first four are the recommender's; what was named so is one tier.
TOGETHER, FOR_YOU, SESSION, SIMILAR = "bought_together", "for_you", "session", "similar"
_TIERS = {
    **dict.fromkeys((TOGETHER, FOR_YOU, SESSION, SIMILAR), ServedBy.ITEM_TO_ITEM),
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


def recommend(shop: OnlineShop, ask: Ask, *, customer: int | None = None, seed: str = "") -> Answer:
    """Eligible products for a slot.

    Args:
        customer: the pseudonym of a customer who is signed in and allows it.
        seed: the exposure's id, from which it is drawn whether and which new product is tried.

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
        query = _query(ask, customer)
        fresh = newcomers.of(shop.id, now=time.time())
        known = serving.predictor.sold
        if len(query.context) == 1 and query.context[0] in fresh and not known(query.context[0]):
            shelf.fill(fresh[query.context[0]].alike, SIMILAR)
        found = None if shelf.full else lists.ask(serving, query)
        if found is not None:
            ids: list[int] = found.ranked.product_ids.tolist()
            shelf.fill(ids[: found.named], _reason(found, query))
            shelf.fill(ids[found.named :], "trending")
        if not shelf.full:
            shelf.fill(serving.predictor.trending(lists.CANDIDATES).product_ids.tolist(), "trending")
        if shelf.full and seed:
            exploration.place(shelf, [each for each in fresh.values() if not known(each.product_id)], seed)
    if not shelf.full:
        shelf.fill(held.newest(), "newest")
    served_by = _TIERS[shelf.shown[0][2]] if shelf.shown else ServedBy.NONE
    spoke = serving is not None and served_by in (ServedBy.ITEM_TO_ITEM, ServedBy.TRENDING)
    return Answer(served_by, serving.pointer if serving is not None and spoke else None, tuple(shelf.shown))


def _query(ask: Ask, customer: int | None) -> Query:
    # On the home page too: what is in the cart says more than what trends.
    page = ask.slot == SlotName.PRODUCT_PAGE and ask.product_id is not None
    context = (ask.product_id,) if page and ask.product_id is not None else tuple(sorted(ask.cart))
    return Query(
        day=time.time() / DAY_S,
        context=context,
        recent=tuple(each for each in ask.recent if each not in context),
        customer=customer,
        exclude_owned=customer is not None and not ask.repeats,
    )


def _reason(found: Recommended, query: Query) -> str:
    if found.by == Spoke.CONTENT:
        return SIMILAR
    if query.context:
        return TOGETHER
    return FOR_YOU if query.customer is not None else SESSION
