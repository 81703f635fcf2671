"""What was known when: late orders, versions of one second, and marks that reach back, through the log itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from mlops.feature_store import carts, loading, offers, online, refresh, rfm
from mlops.feature_store.declared import Entity
from mlops.features import store
from mlops.features.events import Source
from mlops.features.models import Variant
from mlops.features.storefront import Consent, Exclusion, StorefrontEvent, StorefrontKind
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order, product, variant
from tests.mlops.living_shop import FIRST_CUSTOMER
from tests.mlops.shops import stock
from tests.mlops.test_feature_store import service_of

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=1)


def test_of_two_states_of_one_second_the_later_told_is_learnt(shop: Shop) -> None:
    """Told in the wrong order; the shown state and the offline frame agree on which of them stands."""
    second, first = (
        product(
            1,
            version_at=NOON,
            told_at=NOON + timedelta(seconds=at),
            variants=(variant(1, price=Decimal(price)),),
        )
        for at, price in ((2, 5), (1, 7))
    )
    store.append(shop, [second], source=Source.WEBHOOK, now=NOON)
    store.append(shop, [first], source=Source.WEBHOOK, now=LATER)
    refresh.refresh(shop, now=LATER)
    shown = online.read(shop.pk, service_of(shop, Entity.PRODUCT), [1], now=LATER)
    assert shown.values[0, 0] == 5.0
    with scope(shop):
        assert Variant.objects.get().price == 5
    with looking():
        asked = pl.DataFrame({"product_id": [1] * 2, "at": [NOON, LATER]})
        found = loading.frame(shop, (offers.PRODUCT,), asked)
    assert found["product_offer.price"].to_list() == [5.0, 5.0]


def test_an_exclusion_counts_from_when_it_was_known(shop: Shop) -> None:
    """What staff did counted until they were marked, and the frame of a moment before still says so."""
    stock(shop, products=1)
    seen = [
        StorefrontEvent(
            event_id=f"seen-by-{visitor}", kind=StorefrontKind.PRODUCT_VIEWED, at=NOON, client_at=NOON,
            received_at=NOON, consent=Consent.PERSONAL, visitor=visitor, product_id=1,
        )
        for visitor in ("visitor-1", "visitor-2")
    ]  # fmt: skip
    store.record_visits(shop, seen)
    refresh.refresh(shop, now=LATER)
    at = service_of(shop, Entity.PRODUCT).columns.index("product_carts.views_28d")
    assert online.read(shop.pk, service_of(shop, Entity.PRODUCT), [1], now=LATER).values[0, at] == 2.0
    marked = LATER + timedelta(hours=1)
    store.exclude(shop, "visitor-2", Exclusion.STAFF, now=marked)
    after = marked + timedelta(hours=5)
    refresh.refresh(shop, now=after)
    assert online.read(shop.pk, service_of(shop, Entity.PRODUCT), [1], now=after).values[0, at] == 1.0
    with looking():
        asked = pl.DataFrame({"product_id": [1] * 3, "at": [LATER, marked, after]})
        strictly = loading.frame(shop, (carts.PRODUCT,), asked)
        knowing = loading.frame(shop, (carts.PRODUCT,), asked, known_by=after)
    assert strictly["product_carts.views_28d"].to_list() == [2.0, 1.0, 1.0]
    assert knowing["product_carts.views_28d"].to_list() == [1.0, 1.0, 1.0]


def test_an_order_told_late_is_in_no_earlier_frame(shop: Shop) -> None:
    """It was placed before the refresh of `LATER` and reached us an hour after it."""
    stock(shop, products=5)
    first = order(1, [line(1, 1), line(2, 2)], customer_id=FIRST_CUSTOMER)
    store.append(shop, [first], source=Source.BACKFILL, now=NOON)
    late = LATER + timedelta(hours=1)
    told = order(9, [line(9, 1, 5)], customer_id=FIRST_CUSTOMER, ordered_at=NOON)
    store.append(shop, [told], source=Source.RECONCILIATION, now=late)
    with looking():
        asked = pl.DataFrame({"product_id": [1] * 2, "at": [LATER, late]})
        found = loading.frame(shop, (offers.PRODUCT,), asked)
        people = pl.DataFrame({"customer_id": [FIRST_CUSTOMER] * 2, "at": [LATER, late]})
        bought = loading.frame(shop, (rfm.CUSTOMER,), people)
    assert found["product_offer.units_28d"].to_list() == [1.0, 6.0]
    assert bought["customer_rfm.orders_365d"].to_list() == [1.0, 2.0]
