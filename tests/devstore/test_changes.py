"""Mutations: money, quantities, stock and status move together or not at all, and tell the right webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devstore import changes
from devstore.changes import ChangeRefusedError, RefusalCode
from devstore.payloads import BODIES, body_for
from devstore.store import Store, put_in_place, shop_path, shop_values, utc_text

DOMAIN = "birch-and-co.myshopify.com"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A shop with three products: a mug (10 in stock), a throw (untracked), a lamp (0 left, sold on anyway)."""
    facts = shop_values(
        domain=DOMAIN,
        name="Birch & Co",
        currency="GBP",
        iana_timezone="Europe/London",
        country="GB",
        created_at="2026-01-01T00:00:00Z",
    )
    made = Store.create(tmp_path / "making", domain=DOMAIN, facts=facts)
    with made.transaction() as tx:
        tx.execute("INSERT INTO locations VALUES (5, 'Shop floor')")
        tx.execute("INSERT INTO themes VALUES (8, 'Dawn', 'MAIN', '2026-01-01T00:00:00Z')")
    made.finish_load()
    put_in_place(made, shop_path(tmp_path, DOMAIN))
    shop = Store.open(shop_path(tmp_path, DOMAIN))
    changes.create_product(shop, title="Ash Mug", price="12.00", available=10, tags=["northern"], now=NOW)
    changes.create_product(shop, title="Flax Throw", price="19.99", available=None, now=NOW)
    changes.create_product(shop, title="Brass Lamp", price="80.00", available=0, now=NOW)
    with shop.transaction() as tx:
        tx.execute(
            "UPDATE variants SET inventory_policy = 'CONTINUE' WHERE id = ?", (variant(shop, "brass-lamp"),)
        )
    yield shop
    shop.close()


def variant(store: Store, handle: str) -> int:
    row = store.one(
        "SELECT v.id FROM variants v JOIN products p ON p.id = v.product_id WHERE p.handle = ?", (handle,)
    )
    assert row is not None
    return int(row["id"])


def product(store: Store, handle: str) -> int:
    row = store.one("SELECT id FROM products WHERE handle = ?", (handle,))
    assert row is not None
    return int(row["id"])


def stock(store: Store, handle: str) -> int:
    row = store.one("SELECT available FROM variants WHERE id = ?", (variant(store, handle),))
    assert row is not None
    return int(row["available"])


def order_row(store: Store, order_id: int) -> dict[str, Any]:
    row = store.one("SELECT * FROM orders WHERE id = ?", (order_id,))
    assert row is not None
    return dict(row)


def buy(store: Store, *wanted: tuple[str, int], now: datetime = NOW, **more: Any) -> int:
    lines = [{"variant_id": variant(store, handle), "quantity": quantity} for handle, quantity in wanted]
    return changes.place_order(store, lines=lines, now=now, **more)[0].id


def line_ids(store: Store, order_id: int) -> list[int]:
    return [
        row["id"]
        for row in store.read("SELECT id FROM order_lines WHERE order_id = ? ORDER BY position", (order_id,))
    ]


def topics(caused: list[changes.Change]) -> list[str]:
    return [change.topic for change in caused]


def test_an_order_takes_stock_and_tells_of_it(store: Store) -> None:
    lines = [
        {"variant_id": variant(store, "ash-mug"), "quantity": 2, "properties": {"_ml_rec": "abc"}},
        {
            "variant_id": variant(store, "flax-throw"),
            "quantity": 1,
            "properties": [{"name": "Gift", "value": "yes"}],
        },
    ]
    caused = changes.place_order(
        store, lines=lines, attributes={"_ml_visitor": "v-1"}, cart_token="cart1", now=NOW
    )
    assert topics(caused) == ["orders/create", "orders/paid", "inventory_levels/update", "products/update"]
    assert stock(store, "ash-mug") == 8
    body = body_for(store, caused[0])
    assert body["cart_token"] == "cart1"
    assert body["note_attributes"] == [{"name": "_ml_visitor", "value": "v-1"}]
    assert [line["properties"] for line in body["line_items"]] == [
        [{"name": "_ml_rec", "value": "abc"}],
        [{"name": "Gift", "value": "yes"}],
    ]
    assert (body["subtotal_price"], body["total_price"], body["total_tax"]) == ("43.99", "43.99", "7.33")
    assert body_for(store, caused[2])["available"] == 8


def test_small_orders_pay_for_delivery(store: Store) -> None:
    order = order_row(store, buy(store, ("ash-mug", 1)))
    assert (order["subtotal"], order["total_shipping"], order["total"]) == ("12.00", "3.95", "15.95")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], RefusalCode.INVALID),
        ([{"quantity": 1}], RefusalCode.INVALID),
        ([{"variant_id": 1, "quantity": 0}], RefusalCode.INVALID),
        ([{"variant_id": 1, "quantity": -3}], RefusalCode.INVALID),
        ([{"variant_id": "x", "quantity": 1}], RefusalCode.INVALID),
        ([{"variant_id": 1, "quantity": 1, "properties": "no"}], RefusalCode.INVALID),
        ([{"variant_id": 10**30, "quantity": 1}], RefusalCode.INVALID),
        ([{"variant_id": 1, "quantity": 1}], RefusalCode.NOT_FOUND),
        ([{"variant_id": 1, "quantity": 1}] * 501, RefusalCode.INVALID),
    ],
)
def test_a_bad_order_is_refused_and_nothing_is_written(
    store: Store, lines: list[dict[str, Any]], code: RefusalCode
) -> None:
    with pytest.raises(ChangeRefusedError) as refusal:
        changes.place_order(store, lines=lines, now=NOW)
    assert refusal.value.code == code
    assert store.counts()["orders"] == 0


def test_stock_is_counted_over_all_lines_of_an_order(store: Store) -> None:
    with pytest.raises(ChangeRefusedError) as refusal:
        buy(store, ("ash-mug", 6), ("ash-mug", 6))
    assert refusal.value.code == RefusalCode.SOLD_OUT
    assert stock(store, "ash-mug") == 10
    assert stock(store, "brass-lamp") == 0
    buy(store, ("brass-lamp", 3))
    assert stock(store, "brass-lamp") == -3


def test_buyers_at_once_never_sell_more_than_there_is(store: Store) -> None:
    bought: list[int] = []
    refused: list[RefusalCode] = []

    def shopper() -> None:
        for _ in range(5):
            try:
                bought.append(buy(store, ("ash-mug", 1)))
            except ChangeRefusedError as refusal:
                refused.append(refusal.code)

    threads = [threading.Thread(target=shopper) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bought) == len(set(bought)) == 10
    assert refused == [RefusalCode.SOLD_OUT] * 10
    assert stock(store, "ash-mug") == 0


def test_a_hidden_product_cannot_be_bought(store: Store) -> None:
    changes.set_status(store, product(store, "ash-mug"), "DRAFT", now=NOW)
    with pytest.raises(ChangeRefusedError):
        buy(store, ("ash-mug", 1))


def test_a_part_then_the_rest_is_refunded_to_the_penny(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 3), ("flax-throw", 1))
    mug, _ = line_ids(store, order_id)
    caused = changes.refund(store, order_id, {mug: 1}, now=NOW + timedelta(days=1))
    assert topics(caused) == [
        "refunds/create",
        "orders/updated",
        "inventory_levels/update",
        "products/update",
    ]
    body = body_for(store, caused[0])
    assert body["order_id"] == order_id
    assert [(x["line_item_id"], x["quantity"], x["subtotal"]) for x in body["refund_line_items"]] == [
        (mug, 1, "12.00")
    ]
    order = order_row(store, order_id)
    assert (order["financial_status"], order["total_refunded"]) == ("PARTIALLY_REFUNDED", "12.00")
    assert stock(store, "ash-mug") == 8

    rest = changes.refund(store, order_id, now=NOW + timedelta(days=2))
    order = order_row(store, order_id)
    assert (order["financial_status"], order["total_refunded"]) == ("REFUNDED", order["total"])
    assert sum(Decimal(x["subtotal"]) for x in body_for(store, rest[0])["refund_line_items"]) == Decimal(
        "43.99"
    )
    assert {row["current_quantity"] for row in store.read("SELECT current_quantity FROM order_lines")} == {0}
    with pytest.raises(ChangeRefusedError):
        changes.refund(store, order_id, now=NOW)


def test_units_of_a_discounted_line_sum_to_what_was_paid(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 3))
    with store.transaction() as tx:  # 36.00 less 10.00: no unit price is a whole number of pence
        tx.execute("UPDATE order_lines SET total_discount = '10.00', discounted_price = '8.67'")
        tx.execute("UPDATE orders SET subtotal = '26.00', total = '26.00', total_shipping = '0.00'")
    (line,) = line_ids(store, order_id)
    for _ in range(3):
        changes.refund(store, order_id, {line: 1}, now=NOW)
    paid_back = [Decimal(row["amount"]) for row in store.read("SELECT amount FROM refunds")]
    assert sum(paid_back) == Decimal("26.00")
    assert order_row(store, order_id)["financial_status"] == "REFUNDED"


@pytest.mark.parametrize("quantity", [0, -1, 4])
def test_more_than_was_bought_cannot_be_refunded(store: Store, quantity: int) -> None:
    order_id = buy(store, ("ash-mug", 3))
    with pytest.raises(ChangeRefusedError):
        changes.refund(store, order_id, {line_ids(store, order_id)[0]: quantity}, now=NOW)
    assert store.counts()["refunds"] == 0


def test_a_line_of_another_order_cannot_be_refunded(store: Store) -> None:
    first, second = buy(store, ("ash-mug", 1)), buy(store, ("ash-mug", 1))
    with pytest.raises(ChangeRefusedError):
        changes.refund(store, first, {line_ids(store, second)[0]: 1}, now=NOW)


def test_cancelling_gives_back_what_is_left_once(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 4))
    changes.refund(store, order_id, {line_ids(store, order_id)[0]: 1}, now=NOW)
    caused = changes.cancel(store, order_id, now=NOW + timedelta(hours=1))
    assert topics(caused)[:3] == ["orders/cancelled", "orders/updated", "refunds/create"]
    order = order_row(store, order_id)
    assert order["cancelled_at"] == utc_text(NOW + timedelta(hours=1))
    assert order["total_refunded"] == order["total"]
    assert stock(store, "ash-mug") == 10
    body = body_for(store, caused[0])
    assert body["cancel_reason"] == "customer"
    assert body["line_items"][0]["current_quantity"] == 0
    assert body["current_total_price"] == "0.00"
    for again in (changes.cancel, changes.refund):
        with pytest.raises(ChangeRefusedError):
            again(store, order_id, now=NOW)


def test_an_edit_lowers_the_current_quantity_only(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 4))
    (line,) = line_ids(store, order_id)
    caused = changes.edit_order(store, order_id, {line: 1}, now=NOW)
    assert topics(caused)[:2] == ["orders/edited", "orders/updated"]
    removed = body_for(store, caused[0])["order_edit"]["line_items"]["removals"]
    assert removed == [{"id": line, "delta": 3}]
    item = body_for(store, caused[1])["line_items"][0]
    assert (item["quantity"], item["current_quantity"]) == (4, 1)
    assert stock(store, "ash-mug") == 9


def test_updated_at_never_goes_back(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 2), now=NOW + timedelta(hours=2))
    changes.refund(store, order_id, {line_ids(store, order_id)[0]: 1}, now=NOW)
    assert order_row(store, order_id)["updated_at"] == utc_text(NOW + timedelta(hours=2))


def test_a_deleted_product_leaves_its_lines_pointing_at_nothing(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 1))
    gone = product(store, "ash-mug")
    caused = changes.delete_product(store, gone)
    assert body_for(store, caused[0]) == {"id": gone}
    line = body_for(store, changes.Change("orders/updated", "order", order_id))["line_items"][0]
    assert (line["product_id"], line["variant_id"], line["product_exists"], line["title"]) == (
        None,
        None,
        False,
        "Ash Mug",
    )


def test_stock_and_price_are_set_absolutely(store: Store) -> None:
    mug = variant(store, "ash-mug")
    assert topics(changes.set_stock(store, mug, 3, now=NOW)) == ["inventory_levels/update", "products/update"]
    assert changes.set_stock(store, mug, 3, now=NOW) == []
    caused = changes.set_price(store, mug, "9.5", compare_at_price="12", now=NOW + timedelta(minutes=1))
    body = body_for(store, caused[0])
    assert (body["variants"][0]["price"], body["variants"][0]["compare_at_price"]) == ("9.50", "12.00")
    assert body["updated_at"] == "2026-11-20T12:01:00+00:00"
    for price in ("NaN", "-1", "", "1e99", "free"):
        with pytest.raises(ChangeRefusedError):
            changes.set_price(store, mug, price, now=NOW)
    with pytest.raises(ChangeRefusedError):
        changes.set_stock(store, variant(store, "flax-throw"), 3, now=NOW)


def test_two_products_of_one_title_get_two_handles(store: Store) -> None:
    caused = changes.create_product(store, title="Ash Mug", price="1", now=NOW)
    assert body_for(store, caused[0])["handle"] == "ash-mug-1"


def test_customers_merge_and_orders_follow(store: Store) -> None:
    kept, gone = (
        changes.create_customer(store, email=f"{name}@example.com", now=NOW)[0].id for name in ("alice", "al")
    )
    order_id = buy(store, ("ash-mug", 1), customer_id=gone)
    with pytest.raises(ChangeRefusedError):
        changes.delete_customer(store, gone)
    (merged,) = changes.merge_customers(store, kept=kept, deleted=gone, now=NOW)
    assert (
        body_for(store, merged)["admin_graphql_api_customer_deleted_id"] == f"gid://shopify/Customer/{gone}"
    )
    body = body_for(store, changes.Change("orders/updated", "order", order_id))
    assert body["customer"]["id"] == kept
    assert body["email"] == "alice@example.com"


def test_one_theme_is_live(store: Store) -> None:
    (published,) = changes.publish_theme(store, name="Winter", now=NOW)
    assert body_for(store, published)["role"] == "main"
    assert [row["name"] for row in store.read("SELECT name FROM themes WHERE role = 'MAIN'")] == ["Winter"]


def test_privacy_topics_name_the_customer_and_their_orders(store: Store) -> None:
    customer = changes.create_customer(store, email="alice@example.com", now=NOW)[0].id
    orders = [buy(store, ("ash-mug", 1), customer_id=customer) for _ in range(2)]
    wanted = body_for(store, changes.Change("customers/data_request", "customer", customer))
    assert wanted["orders_requested"] == orders
    redact = body_for(store, changes.Change("customers/redact", "customer", customer))
    assert (redact["orders_to_redact"], redact["customer"]["id"]) == (orders, customer)
    facts = store.facts()
    shop = body_for(store, changes.Change("shop/redact", "shop", facts.shop_id))
    assert shop == {"shop_id": facts.shop_id, "shop_domain": DOMAIN}


@pytest.mark.parametrize("topic", sorted(BODIES))
def test_every_topic_has_a_body_for_an_object_that_is_gone(store: Store, topic: str) -> None:
    extra = {"kept": 1, "deleted": 2, "previous": [], "current": [], "updated_at": "x", "status": "COMPLETED"}
    assert isinstance(body_for(store, changes.Change(topic, "any", 404, extra)), dict)


def test_times_carry_the_shops_own_offset(store: Store) -> None:
    order_id = buy(store, ("ash-mug", 1), now=datetime(2027, 7, 1, 9, 0, tzinfo=UTC))
    body = body_for(store, changes.Change("orders/create", "order", order_id))
    assert body["created_at"] == "2027-07-01T10:00:00+01:00"
