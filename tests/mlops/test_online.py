"""The Redis copy: cards say what may be shown, follow every change, and heal."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from mlops.features import online, store
from mlops.features.events import Event, ProductDeleted, Source, StockChanged
from tenancy.models import Shop, ShopState
from tenancy.redis import client, key
from tests.mlops.builders import NOON, product, variant

HOUR = timedelta(hours=1)


def take(shop: Shop, *events: Event) -> None:
    store.append(shop, events, source=Source.WEBHOOK, now=NOON)


def card(shop: Shop, product_id: int = 7) -> online.Card | None:
    online.refresh(shop, [product_id])
    return online.cards(shop.pk, [product_id]).get(product_id)


def eligible(shop: Shop, product_id: int = 7) -> bool:
    found = card(shop, product_id)
    return found is not None and found.eligible


def test_a_card_shows_the_first_sellable_variant(shop: Shop) -> None:
    sold_out = variant(7, variant_id=70, position=1, available=0, price=Decimal("10"))
    dearer = variant(7, variant_id=71, position=2, price=Decimal("1234.5"), compare_at_price=Decimal("1500"))
    take(shop, product(7, variants=(sold_out, dearer), image_url="https://cdn.example/7.jpg"))
    assert card(shop) == online.Card(
        product_id=7,
        variant_id=71,
        handle="product-7",
        title="Product 7",
        image="https://cdn.example/7.jpg",
        price="1234.50",
        compare_at_price="1500.00",
        eligible=True,
    )


def test_money_without_minor_unit_has_no_decimals(shop: Shop) -> None:
    shop.currency = "JPY"
    take(shop, product(7, variants=(variant(7, price=Decimal("1200.0000")),)))
    found = card(shop)
    assert found is not None
    assert found.price == "1200"


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, True),
        ({"status": "draft"}, False),
        ({"status": "archived"}, False),
        ({"published_at": None}, False),
        ({"variants": (variant(7, available=0),)}, False),
        ({"variants": (variant(7, available=-2),)}, False),
        ({"variants": (variant(7, available=0, continue_selling=True),)}, True),
        ({"variants": (variant(7, available=None),)}, True),
    ],
)
def test_eligible_means_published_and_sellable(shop: Shop, changes: dict[str, Any], expected: bool) -> None:
    take(shop, product(7, **changes))
    assert eligible(shop) is expected
    assert (online.newest(shop.pk, 5) == [7]) is expected


def test_stock_that_changes_after_the_product_decides(shop: Shop) -> None:
    take(shop, product(7, variants=(variant(7, available=5),)))
    take(shop, StockChanged(700, 1, 0, NOON - HOUR))
    assert eligible(shop)  # older than the product's own total
    take(shop, StockChanged(700, 1, 0, NOON + HOUR))
    assert not eligible(shop)
    take(shop, StockChanged(700, 2, 3, NOON + HOUR))
    assert eligible(shop)  # another location has some
    take(shop, StockChanged(700, 2, None, NOON + 2 * HOUR))
    assert not eligible(shop)
    take(shop, product(7, version_at=NOON + 3 * HOUR))
    assert eligible(shop)


def test_a_deleted_product_loses_its_card(shop: Shop) -> None:
    take(shop, product(7), product(8))
    online.rebuild(shop)
    assert online.newest(shop.pk, 5) == [8, 7]
    take(shop, ProductDeleted(8, NOON + HOUR))
    assert card(shop, 8) is None
    assert online.newest(shop.pk, 5) == [7]


@pytest.mark.django_db(transaction=True)
def test_the_copy_follows_the_commit(transactional_db: None, shop: Shop) -> None:
    take(shop, product(7))
    assert online.cards(shop.pk, [7])[7].eligible
    take(shop, StockChanged(700, 1, 0, NOON + HOUR))
    assert not online.cards(shop.pk, [7])[7].eligible
    assert client().zcard(key("owed")) == 0


def test_a_writer_that_died_after_its_commit_leaves_a_debt_that_is_paid(shop: Shop) -> None:
    take(shop, product(7))  # inside the test's transaction nothing is refreshed, as if the process had died
    assert online.cards(shop.pk, [7]) == {}
    assert online.settle(older_than_s=60) == 0
    assert online.settle(older_than_s=-1) == 1
    assert online.cards(shop.pk, [7])[7].eligible
    assert online.settle(older_than_s=-1) == 0


def test_debts_of_a_shop_that_is_gone_are_struck_out(db: None) -> None:
    client().zadd(key("owed"), {"999999:7": time.time() - 60})
    assert online.settle() == 1
    assert client().zcard(key("owed")) == 0


def test_a_redis_that_lost_its_memory_heals_at_the_first_question(shop: Shop) -> None:
    take(shop, product(7))
    client().delete(key("shops"), key("cards", shop.pk), key("newest", shop.pk))
    found = online.find_shop(shop.domain)
    assert found == online.OnlineShop(shop.pk, shop.domain, True, "GBP")
    assert online.cards(shop.pk, [7])[7].eligible
    assert online.find_shop("never-heard-of.myshopify.com") is None


def test_an_uninstalled_shop_is_in_the_directory_as_such(shop: Shop) -> None:
    shop.state = ShopState.UNINSTALLED
    online.publish_shop(shop)
    found = online.find_shop(shop.domain)
    assert found is not None
    assert not found.installed


def test_rebuild_drops_cards_without_a_product(shop: Shop, capsys: Any) -> None:
    take(shop, product(7))
    ghost = online.Card(99, 990, "ghost", "Ghost", None, "1.00", None, eligible=True)
    client().hset(key("cards", shop.pk), "99", online._pack(ghost))
    call_command("rebuild_online", shop.domain)
    assert capsys.readouterr().out == "birch-and-co.myshopify.com: 1 products\n"
    assert set(online.cards(shop.pk, [7, 99])) == {7}
