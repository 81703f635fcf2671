"""The same object told in both of Shopify's shapes must become the same event."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devstore import order_payloads
from devstore import payloads as bodies
from devstore.changes import Change
from mlops.features.events import Event, OrderPlaced
from shopify_app import installs
from shopify_app.sync.receive import cut, translate, without_numbers
from shopify_app.sync.reread import Kind, Wanted, read
from shopify_app.sync.translate import payloads, rows
from shopify_app.sync.translate.values import Untranslatable, exposure_mark, moment, money, number
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import DOMAIN, RunningDevstore

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def in_scope(installed: Shop) -> Iterator[Shop]:
    with scope(installed):
        yield installed


def ids(devstore: RunningDevstore, sql: str) -> list[int]:
    return [row["id"] for row in devstore.platform.store(DOMAIN).read(sql)]


def in_pence(event: Event) -> Event:
    if not isinstance(event, OrderPlaced):
        return event
    lines = (dataclasses.replace(each, unit_price=round(each.unit_price, 2)) for each in event.lines)
    return dataclasses.replace(event, lines=tuple(lines))


def test_an_order_reads_the_same_from_graphql_and_from_a_webhook(
    devstore: RunningDevstore, in_scope: Shop
) -> None:
    client = installs.admin_client(in_scope)
    refunded = ids(devstore, "SELECT DISTINCT order_id AS id FROM refunds LIMIT 4")
    plain = ids(devstore, "SELECT id FROM orders WHERE total_discounts <> '0.00' LIMIT 3")
    guests = ids(devstore, "SELECT id FROM orders WHERE customer_id IS NULL LIMIT 2")
    assert refunded
    for order_id in [*refunded, *plain, *guests]:
        body = order_payloads.order_body(devstore.platform.store(DOMAIN), order_id)
        kept = cut("orders/updated", body)
        assert kept is not None
        told = translate("orders/updated", without_numbers(in_scope, "orders/updated", kept), NOW).events
        asked = read(client, Wanted(Kind.ORDER, order_id))
        # GraphQL tells an approximate price per unit, rounded to pence; the webhook's allocations are exact.
        assert [in_pence(each) for each in told] == [in_pence(each) for each in asked]


def test_a_product_reads_the_same_from_graphql_and_from_a_webhook(
    devstore: RunningDevstore, in_scope: Shop
) -> None:
    client = installs.admin_client(in_scope)
    for product_id in ids(devstore, "SELECT id FROM products ORDER BY id LIMIT 6"):
        change = Change("products/update", "product", product_id, {})
        kept = cut(
            "products/update", bodies.BODIES["products/update"](devstore.platform.store(DOMAIN), change)
        )
        assert kept is not None
        assert list(translate("products/update", kept, NOW).events) == read(
            client, Wanted(Kind.PRODUCT, product_id)
        )


def test_a_collection_webhook_asks_for_the_members(devstore: RunningDevstore, in_scope: Shop) -> None:
    collection_id = ids(devstore, "SELECT id FROM collections LIMIT 1")[0]
    found = translate("collections/update", {"id": collection_id}, NOW)
    assert found.wanted == Wanted(Kind.COLLECTION, collection_id)
    event = read(installs.admin_client(in_scope), found.wanted)[0]
    members = devstore.platform.store(DOMAIN).read(
        "SELECT product_id FROM collection_products WHERE collection_id = ?", (collection_id,)
    )
    assert sorted(getattr(event, "product_ids")) == sorted(row["product_id"] for row in members)  # noqa: B009


def test_an_object_that_is_gone_is_no_event(in_scope: Shop) -> None:
    client = installs.admin_client(in_scope)
    assert [read(client, Wanted(kind, 1)) for kind in Kind] == [[], [], []]


def test_only_our_marks_survive_of_what_buyers_write() -> None:
    row = {
        "customAttributes": [
            {"key": "Name", "value": "Ann"},
            {"key": "_ml_rec", "value": "exposure-0123456789"},
        ]
    }
    assert rows.without_strangers_words(row) == {
        "customAttributes": [{"key": "_ml_rec", "value": "exposure-0123456789"}]
    }
    assert exposure_mark(row["customAttributes"], key="key") == "exposure-0123456789"


@pytest.mark.parametrize("value", ["short", "x" * 41, "has spaces in the id", "<script>0123456789", 7, None])
def test_a_mark_that_is_not_of_our_form_is_no_mark(value: object) -> None:
    assert exposure_mark([{"key": "_ml_rec", "value": value}], key="key") is None


@pytest.mark.parametrize(
    "value", [None, True, 0, -1, 2**63, "1 or 1", "gid://shopify/Order/", "١٢", 1.5, [], "gid://evil/Order/1"]
)
def test_what_is_no_id_is_refused(value: object) -> None:
    with pytest.raises(Untranslatable, match="field id"):
        number(value, "id")


def test_values_are_read_exactly() -> None:
    assert number("gid://shopify/InventoryLevel/5?inventory_item_id=6", "id") == 5
    assert money("0.10", "price") + money("0.20", "price") == Decimal("0.30")
    assert moment("2026-11-20T10:00:00+01:00", "at") == datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    for bad in ("NaN", "Infinity", "", None, "1,5"):
        with pytest.raises(Untranslatable):
            money(bad, "price")
    with pytest.raises(Untranslatable, match="no time zone"):
        moment("2026-11-20T10:00:00", "at")


def test_a_variant_whose_tracking_is_not_told_keeps_what_is_known() -> None:
    variant = {
        "id": 21,
        "title": "D",
        "price": "1.00",
        "position": 1,
        "inventory_item_id": 61,
        "inventory_quantity": 0,
    }
    product = {"id": 11, "handle": "h", "status": "active", "updated_at": "2026-11-20T10:00:00Z",
               "created_at": "2026-11-20T10:00:00Z", "variants": [variant]}  # fmt: skip
    assert payloads.product(product).variants[0].available == 0
    assert payloads.product(product, untracked=frozenset({21})).variants[0].available is None
    assert not payloads.tells_tracking(product)
    assert not payloads.tells_all_variants({**product, "variant_gids": [{}, {}]})
