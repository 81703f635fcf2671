"""What changes about the shop itself: kept when it makes sense, marked on the charts, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from mlops.features import markers
from tenancy.models import Shop
from tests.shopify_app.test_webhooks import SECRET, deliver, work_off

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _secret(settings: Settings) -> None:
    settings.SHOPIFY_SECRETS = (SECRET,)


def told(shop: Shop) -> list[tuple[str, str]]:
    now = timezone.now()
    found = markers.between(shop, now - timedelta(days=3650), now + timedelta(days=1))
    return [(each.kind.value, each.detail) for each in found]


def send(shop: Shop, topic: str, payload: dict[str, Any], webhook_id: str) -> Shop:
    assert deliver(payload, topic, webhook_id=webhook_id).status_code == 200
    assert work_off(shop) == 1
    return Shop.objects.get(pk=shop.pk)


def test_another_zone_and_currency_are_kept_and_marked_once(shop: Shop) -> None:
    shop.currency, shop.timezone = "GBP", "Europe/London"
    shop.save()
    payload = {"id": 1, "name": "Birch", "currency": "EUR", "iana_timezone": "Europe/Paris"}
    for webhook_id in ("w-1", "w-2"):
        after = send(shop, "shop/update", payload, webhook_id)
    assert (after.currency, after.timezone) == ("EUR", "Europe/Paris")
    assert sorted(told(shop)) == [
        ("currency_changed", "from GBP to EUR"),
        ("time_zone_changed", "from Europe/London to Europe/Paris"),
    ]


@pytest.mark.parametrize("wrong", ["Mars/Olympus", "../../etc/passwd", "", "x" * 5000, None, 7])
def test_a_zone_or_currency_that_does_not_exist_leaves_the_former(shop: Shop, wrong: Any) -> None:
    shop.currency, shop.timezone = "GBP", "Europe/London"
    shop.save()
    after = send(shop, "shop/update", {"id": 1, "currency": wrong, "iana_timezone": wrong}, "w-1")
    assert (after.currency, after.timezone) == ("GBP", "Europe/London")
    assert told(shop) == []


def test_granted_and_withdrawn_scopes_and_a_published_theme_are_marked(shop: Shop) -> None:
    shop.scopes = "read_orders,read_products"
    shop.save()
    payload = {"id": 1, "previous": [], "current": ["read_products", "read_themes"]}
    send(shop, "app/scopes_update", payload, "w-1")
    send(shop, "app/scopes_update", payload, "w-2")
    send(shop, "themes/publish", {"id": 77, "name": "Dawn", "role": "main"}, "w-3")
    assert told(shop) == [
        ("scopes_changed", "granted read_themes; withdrawn read_orders"),
        ("theme_published", "theme 77"),
    ]
