"""What a browser told of a visit to the storefront, and which of it counts. Pure.

A storefront event is hearsay: the browser can be made to say anything, so money and orders are never read from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

# Google's crawlers open some 10 pages a minute, an eager shopper 30: more than one page a second is no person.
MOST_VIEWS = 60
VIEWS_WITHIN = timedelta(seconds=60)
# A visit ends with half an hour of silence, the usual definition of a session.
SILENCE = timedelta(minutes=30)


class StorefrontKind(StrEnum):
    PAGE_VIEWED = "page_viewed"
    PRODUCT_VIEWED = "product_viewed"
    COLLECTION_VIEWED = "collection_viewed"
    SEARCH_SUBMITTED = "search_submitted"
    ADDED_TO_CART = "product_added_to_cart"
    REMOVED_FROM_CART = "product_removed_from_cart"
    CART_VIEWED = "cart_viewed"
    CHECKOUT_STARTED = "checkout_started"
    CHECKOUT_COMPLETED = "checkout_completed"
    RECOMMENDATIONS_SHOWN = "recommendations_shown"
    RECOMMENDATION_CLICKED = "recommendation_clicked"


# One page tells page_viewed and, say, product_viewed: only the first is a view for the rate rule.
VIEW = StorefrontKind.PAGE_VIEWED


class Consent(StrEnum):
    """What the visitor allowed when it happened. Without consent to analytics nothing is kept, so it is not here."""

    ANALYTICS = "analytics"
    PERSONAL = "personal"  # analytics and preferences: the event may carry the visitor id


class Exclusion(StrEnum):
    """Why something that is kept does not count."""

    BOT = "bot"  # the browser names itself as a crawler or a tool
    HEADLESS = "headless"  # a browser without a person before it
    RATE = "rate"  # more than `MOST_VIEWS` views a minute
    STAFF = "staff"  # a browser that a member of staff marked as their own
    TEST = "test"  # on the shop's list of test visitors


@dataclass(frozen=True, slots=True)
class CartLine:
    """One line of a cart or checkout, in the shop's words; price is that of one unit."""

    product_id: int | None
    variant_id: int | None
    quantity: int
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class StorefrontEvent:
    """One thing that happened on a storefront page.

    Args:
        event_id: Shopify's id of the event: unique within the shop, also over batches and retries.
        at: when, by the best that is known: see `corrected`.
        client_at: when, by the browser's own clock.
        received_at: when it reached us.
        visitor: pseudonymous first-party id; only with `Consent.PERSONAL`.
        search: what was searched for, normalised; never with something that looks like an address or number.
        order_id: Shopify's number of the order that ended a checkout.
        lines: of a cart or checkout.
    """

    event_id: str
    kind: StorefrontKind
    at: datetime
    client_at: datetime
    received_at: datetime
    consent: Consent
    visitor: str | None = None
    product_id: int | None = None
    variant_id: int | None = None
    collection_id: int | None = None
    quantity: int | None = None
    price: Decimal | None = None
    currency: str = ""
    search: str | None = None
    exposure_id: str | None = None
    order_id: int | None = None
    lines: tuple[CartLine, ...] = ()
    excluded: Exclusion | None = None


def too_fast(views: Sequence[datetime]) -> bool:
    """Whether any `VIEWS_WITHIN` holds more than `MOST_VIEWS` of these views.

    Args:
        views: in any order.
    """
    ordered = sorted(views)
    return any(
        later - earlier < VIEWS_WITHIN for earlier, later in zip(ordered, ordered[MOST_VIEWS:], strict=False)
    )


def visit_around(moments: Sequence[datetime], moment: datetime) -> tuple[datetime, datetime]:
    """First and last of these moments that belong to one visit with `moment`: no silence of `SILENCE` in between.

    Args:
        moments: in any order.
    """
    first = last = moment
    for each in sorted((at for at in moments if at < moment), reverse=True):
        if first - each >= SILENCE:
            break
        first = each
    for each in sorted(at for at in moments if at > moment):
        if each - last >= SILENCE:
            break
        last = each
    return first, last
