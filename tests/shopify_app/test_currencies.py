"""Money end to end: the buyer's currency is kept beside the shop's, to the last decimal, from both ways in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from mlops.features import store
from mlops.features.events import Source
from mlops.features.models import Order
from mlops.features.money import written
from shopify_app import installs
from shopify_app.sync.reread import Kind, Wanted, read
from shopify_app.sync.translate import payloads
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import RunningDevstore
from tests.looks import looking

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [("GBP", "12.5", "12.50"), ("JPY", "1500.0000", "1500"), ("KWD", "1.2345", "1.234"), ("ISK", "7", "7")],
)
def test_each_currency_has_its_own_decimals(currency: str, amount: str, text: str) -> None:
    assert written(Decimal(amount), currency) == text


@pytest.mark.parametrize("seen", ["EUR", "JPY", "KWD"])
def test_what_the_buyer_saw_is_kept_beside_what_the_shop_earned(
    installed: Shop, devstore: RunningDevstore, seen: str
) -> None:
    made = devstore.platform.store(installed.domain)
    variant = made.one(
        "SELECT v.id FROM variants v JOIN products p ON p.id = v.product_id"
        " WHERE p.status = 'ACTIVE' AND p.published_at IS NOT NULL AND v.available > 2 LIMIT 1"
    )
    assert variant is not None
    placed: dict[str, int] = devstore.control(
        "POST",
        f"/shops/{installed.domain}/orders",
        {"lines": [{"variant_id": variant["id"], "quantity": 1}], "presentment_currency": seen},
    ).json()
    with scope(installed), looking():
        events = read(installs.admin_client(installed), Wanted(Kind.ORDER, placed["order_id"]))
        store.append(installed, events, source=Source.WEBHOOK, now=timezone.now())
        kept = Order.objects.get(order_id=placed["order_id"])
    assert kept.presentment_currency == seen
    assert kept.currency != seen
    assert kept.presentment_total is not None
    assert kept.presentment_total != kept.total

    from devstore.order_payloads import order_body

    by_webhook = payloads.order(order_body(made, placed["order_id"]))[0]
    assert by_webhook.presentment_total == kept.presentment_total  # type: ignore[union-attr]
    assert by_webhook.total == kept.total  # type: ignore[union-attr]
