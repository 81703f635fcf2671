"""Who asks, as the recommender knows customers: Shopify's signed customer number as the shop's pseudonym, if they allow it.

The number comes from Shopify's own signature. It is used for this answer alone: neither it nor the pseudonym is stored,
logged or put on the exposure. No query when warm: the shop's key is in this process, and the marks of the erased in Redis.
"""

from __future__ import annotations

import logging

from django.db import Error as DatabaseError

from mlops.features import tombstones
from mlops.features.online import OnlineShop
from storefront_proxy.asked import Ask
from tenancy import pseudonyms
from tenancy.crypto import CannotOpen
from tenancy.models import Shop
from tenancy.outages import AWAY
from tenancy.pseudonyms import Pseudonyms

log = logging.getLogger("shelfwise.storefront")


def known(shop: OnlineShop, number: int | None, ask: Ask) -> int | None:
    """The pseudonym of the signed-in customer; None for who is not signed in, was erased, or did not allow it.

    The block sends a visitor (or asks for one) only while the visitor allows analytics and preferences: without that,
    recommendations are made from the page and the cart alone. When we cannot tell who was erased, everybody is unknown.
    """
    if number is None or not ask.recognised:
        return None
    try:
        names = pseudonyms.held(shop.id, shop.domain) or _opened(shop)
        if names is None:
            return None
        customer = names.of_customer(number)
        erased = tombstones.is_erased(shop.id, names.mark(tombstones.CUSTOMER, customer))
    except (CannotOpen, DatabaseError, *AWAY):
        log.exception("storefront.customer_unknown", extra={"shop_id": shop.id})
        return None
    return None if erased else customer


def _opened(shop: OnlineShop) -> Pseudonyms | None:
    row = Shop.objects.filter(pk=shop.id, domain=shop.domain).first()
    return None if row is None else pseudonyms.of(row)
