"""A shop that installs the app is served at once by processes that refused it a moment before."""

from __future__ import annotations

import pytest

from mlops.features import online
from storefront_proxy import shops
from tenancy.models import Shop, ShopState
from tests.storefront_proxy.storefront import Storefront

pytestmark = pytest.mark.django_db


def test_a_refusal_is_not_remembered(shop: Shop) -> None:
    shops.forget()
    shop.state = ShopState.UNINSTALLED
    online.publish_shop(shop)
    storefront = Storefront(shop.domain)
    assert storefront.ask(slot="home").status_code == 404
    assert shops.installed_shop(shop.domain) is None
    shop.state = ShopState.INSTALLED
    online.publish_shop(shop)
    assert shops.installed_shop(shop.domain) is not None
    assert storefront.ask(slot="home").status_code == 200
    shops.forget()
