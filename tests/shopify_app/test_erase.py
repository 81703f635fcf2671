"""An erased shop: searched for in every table, every key and every file, whoever made them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks

from mlops.deployments import router
from mlops.features import erase, online, store
from mlops.features.events import Source
from mlops.features.models import EventRecord
from shopify_app.privacy import redact
from storefront_proxy import shops
from tenancy import redis as shared_redis
from tenancy.models import Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.mlops.builders import line, order, product
from tests.mlops.shops import sell, stock, train
from tests.shopify_app.test_webhooks import deliver, order_payload
from tests.storefront_proxy.storefront import Storefront


@pytest.fixture(autouse=True)
def _fresh_memory(settings: Any) -> Iterator[None]:
    settings.SHOPIFY_SECRETS = ("hush",)
    settings.SHOPIFY_API_SECRET = "hush"
    router.forget()
    shops.forget()
    yield
    router.forget()
    shops.forget()


def lived_in(shop: Shop) -> None:
    """Give the shop something of everything that the product keeps."""
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    online.publish_shop(shop)
    assert Storefront(shop.domain).ask(slot="home").status_code == 200
    deliver(order_payload(), webhook_id=f"w-{shop.pk}", shop=shop.domain)
    # A card that is owed, as a process leaves it that dies between commit and refresh.
    store.append(
        shop, [product(3, version_at=datetime.now(UTC))], source=Source.WEBHOOK, now=datetime.now(UTC)
    )
    kept = Path(settings.ARTEFACT_DIR) / str(shop.pk)
    assert kept.is_dir()


def rows_of(shop_id: int) -> dict[str, int]:
    """Table to its number of rows of one shop, over every table of the database that has the column."""
    with unscoped(why="the test looks at every shop"), looking(), connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns"
            " where column_name = 'shop_id' and table_schema = 'public'"
        )
        tables = [row[0] for row in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f'select count(*) from "{table}" where shop_id = %s', [shop_id])
            found[table] = cursor.fetchone()[0]
        cursor.execute("select count(*) from tenancy_shop where id = %s", [shop_id])
        found["tenancy_shop"] = cursor.fetchone()[0]
    return {table: count for table, count in found.items() if count}


def keys_of(shop: Shop) -> list[str]:
    """Keys and members, of any type but the stream in flight, that carry the shop's number or domain."""
    client: Any = shared_redis.client()
    number, domain = str(shop.pk).encode(), shop.domain.encode()
    found = []
    for name in client.scan_iter(match=shared_redis.key("*")):
        kind = client.type(name)
        members: list[bytes] = []
        if kind == b"hash":
            members = list(client.hkeys(name))
        elif kind == b"zset":
            members = list(client.zrange(name, 0, -1))
        if name.split(b":")[-1] == number:
            found.append(name.decode())
        found += [
            f"{name!r} {each!r}" for each in members if each == domain or each.startswith(number + b":")
        ]
    return found


def test_nothing_of_an_erased_shop_is_found_anywhere(
    shop: Shop, other_shop: Shop, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    lived_in(shop)
    lived_in(other_shop)
    shop_id, neighbours = shop.pk, rows_of(other_shop.pk)
    assert {"features_order", "registry_version", "webhooks_inboxdelivery"} <= set(rows_of(shop_id))
    held, theirs = keys_of(shop), set(keys_of(other_shop))
    assert any("owed" in each for each in held)
    assert any("shops" in each for each in held)
    with django_capture_on_commit_callbacks(execute=True):
        redact.erase_shop(shop, now=datetime.now(UTC))
    shop.pk = shop_id
    assert rows_of(shop_id) == {}
    assert keys_of(shop) == []
    assert not (Path(settings.ARTEFACT_DIR) / str(shop_id)).exists()
    assert rows_of(other_shop.pk) == neighbours
    # The neighbour's answer counters may have grown meanwhile; nothing of it is gone.
    assert theirs <= set(keys_of(other_shop))


def test_erasing_a_customer_of_one_shop_leaves_the_same_number_in_another(
    shop: Shop, other_shop: Shop
) -> None:
    for each in (shop, other_shop):
        bought = order(1, [line(11, 7)], customer_id=901, visitor="visitor-0001")
        store.append(each, [bought], source=Source.WEBHOOK, now=datetime.now(UTC))
    erased, person = erase.erase_customer(shop, 901, now=datetime.now(UTC))
    assert (erased.orders, person.orders, person.visitors) == (1, (1,), ("visitor-0001",))
    again, _ = erase.erase_customer(shop, 901, now=datetime.now(UTC))
    assert again == erase.Erased(orders=0, events=0, exposures=0)
    for each, customer in ((shop, None), (other_shop, 901)):
        with scope(each):
            assert EventRecord.objects.get(kind="order").payload.get("customer_id") == customer
