"""Webhooks from the delivery to the rows: forged, twice, late, out of order, for nobody, and full of personal data."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from mlops.features import store
from mlops.features.models import Collection, Customer, Order, OrderLine, Product, StockLevel
from shopify_app.webhooks import inbox, shops
from shopify_app.webhooks.drain import drain
from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy import pseudonyms
from tenancy.models import Shop, ShopState
from tenancy.scope import scope, unscoped
from tests.looks import looking

SECRET = "hush"
PERSONAL = (
    "ann@example.com",
    "Ann",
    "Archer",
    "+44 20 7946 0000",
    "1 Example Street",
    "203.0.113.7",
    "Mozilla",
)
V1 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _secret(settings: Settings) -> None:
    settings.SHOPIFY_SECRETS = (SECRET, "previous")


def order_payload(
    order_id: int = 5001, *, version: datetime = V1, quantity: int = 2, **changes: Any
) -> dict[str, Any]:
    """As Shopify sends it: with everything about the buyer."""
    ann = {
        "first_name": "Ann",
        "last_name": "Archer",
        "address1": "1 Example Street",
        "phone": "+44 20 7946 0000",
    }
    payload = {
        "id": order_id, "name": "#1001", "created_at": "2026-11-20T09:00:00+00:00",
        "processed_at": "2026-11-20T09:00:00+00:00", "updated_at": version.isoformat(), "cancelled_at": None,
        "test": False, "currency": "GBP", "presentment_currency": "GBP", "source_name": "web", "total_price": "25.00",
        "email": "ann@example.com", "contact_email": "ann@example.com", "browser_ip": "203.0.113.7",
        "client_details": {"user_agent": "Mozilla", "browser_ip": "203.0.113.7"}, "note": "for Ann Archer",
        "note_attributes": [{"name": "gift card for", "value": "Ann Archer"}, {"name": "_ml_visitor", "value": "visitor-0001"}],
        "customer": {"id": 901, "email": "ann@example.com", **ann}, "billing_address": ann, "shipping_address": ann,
        "refunds": [],
        "line_items": [
            {"id": 71, "product_id": 11, "variant_id": 21, "sku": "A", "quantity": quantity, "current_quantity": quantity,
             "price": "12.50", "discount_allocations": [{"amount": "5.00"}],
             "properties": [{"name": "engraving", "value": "Ann Archer"}, {"name": "_ml_rec", "value": "exposure-0123456789"}]},
        ],
    }  # fmt: skip
    return {**payload, **changes}


def deliver(
    payload: Any, topic: str = "orders/create", *, shop: str = "birch-and-co.myshopify.com", webhook_id: str = "w-1",
    secret: str = SECRET, prefix: str = "X-Shopify-", path: str = "/webhooks/shopify", **headers: str,
) -> Any:  # fmt: skip
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    sent = {
        f"{prefix}Topic": topic, f"{prefix}Shop-Domain": shop, f"{prefix}Webhook-Id": webhook_id,
        f"{prefix}Hmac-Sha256": signature, f"{prefix}Triggered-At": "2026-11-20T10:00:05Z", **headers,
    }  # fmt: skip
    return Client().post(path, body, content_type="application/json", headers=sent)


def work_off(shop: Shop, now: datetime | None = None) -> int:
    with scope(shop):
        return drain(shop, now or timezone.now())


def rows() -> list[InboxDelivery]:
    with unscoped(why="the test looks at every shop's inbox"):
        return list(InboxDelivery.objects.order_by("id"))


@pytest.mark.parametrize("prefix", ["X-Shopify-", "Shopify-"])
def test_a_delivery_is_stored_and_becomes_an_order(shop: Shop, prefix: str) -> None:
    assert deliver(order_payload(), prefix=prefix).status_code == 200
    assert [each.state for each in rows()] == [DeliveryState.PENDING]
    assert work_off(shop) == 1
    with scope(shop), looking():
        order, line = Order.objects.get(), OrderLine.objects.get()
    assert (order.order_id, order.customer_id, order.visitor, str(order.total)) == (
        5001,
        pseudonyms.of(shop).of_customer(901),
        "visitor-0001",
        "25.0000",
    )
    assert (line.exposure, line.quantity, str(line.unit_price)) == ("exposure-0123456789", 2, "10.0000")
    assert [(each.state, each.payload) for each in rows()] == [(DeliveryState.DONE, {})]


def test_a_webhook_request_makes_two_queries(
    shop: Shop, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        deliver(order_payload())


def test_personal_data_is_never_stored(shop: Shop) -> None:
    deliver(order_payload())
    customer = {"id": 901, "created_at": "2026-01-01T00:00:00Z", "updated_at": V1.isoformat(), "email": "ann@example.com",
                "first_name": "Ann", "addresses": [{"address1": "1 Example Street"}]}  # fmt: skip
    deliver(customer, "customers/update", webhook_id="w-2")
    deliver({"customer": {"id": 901, "email": "ann@example.com", "phone": "+44 20 7946 0000"}, "orders_to_redact": []},
            "customers/redact", webhook_id="w-3", path="/webhooks/compliance")  # fmt: skip
    with scope(shop), connection.cursor() as cursor:
        cursor.execute("select string_agg(t::text, ' ') from webhooks_inboxdelivery t")
        stored = cursor.fetchone()[0]
        assert not [each for each in PERSONAL if each in stored]
        work_off(shop)
        cursor.execute("select coalesce(string_agg(t::text, ' '), '') from features_event t")
        stored = cursor.fetchone()[0]
    assert not [each for each in PERSONAL if each in stored]


def test_the_same_delivery_twice_is_one_row(shop: Shop) -> None:
    for _ in range(3):
        assert deliver(order_payload()).status_code == 200
    assert len(rows()) == 1
    work_off(shop)
    assert deliver(order_payload()).status_code == 200, "a repeat after it was worked off"
    assert work_off(shop) == 0


def test_the_newest_version_wins_whatever_the_order_of_arrival(shop: Shop) -> None:
    deliver(order_payload(version=V1 + timedelta(minutes=2), quantity=1), "orders/updated", webhook_id="w-2")
    work_off(shop)
    deliver(order_payload(version=V1, quantity=2), "orders/create", webhook_id="w-1")
    work_off(shop)
    with scope(shop):
        assert OrderLine.objects.get().quantity == 1
    assert store.counts(shop).orders == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Shopify-Hmac-Sha256": "invalid-hmac"}, 401),
        ({"X-Shopify-Hmac-Sha256": ""}, 401),
        ({"X-Shopify-Topic": "orders create"}, 400),
        ({"X-Shopify-Topic": ""}, 400),
        ({"X-Shopify-Webhook-Id": ""}, 400),
        ({"X-Shopify-Webhook-Id": "a" * 101}, 400),
        ({"X-Shopify-Shop-Domain": "birch-and-co.myshopify.com.evil.tld"}, 400),
        ({"X-Shopify-Shop-Domain": "nobody.myshopify.com"}, 404),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_bad_delivery_is_refused_in_the_one_error_shape_and_stores_nothing(
    headers: dict[str, str], status: int
) -> None:
    response = deliver(order_payload(), **headers)
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"code", "message", "next_step", "field", "request_id"}
    assert error["request_id"]
    assert rows() == []


@pytest.mark.parametrize("path", ["/webhooks/shopify", "/webhooks/compliance"])
@pytest.mark.usefixtures("shop")
def test_the_probes_of_shopifys_security_check_are_refused(path: str) -> None:
    client = Client()
    assert client.get(path).status_code == 405
    assert client.post(path, "{}", content_type="application/json").status_code == 401
    for prefix in ("X-Shopify-", "shopify-"):
        headers = {f"{prefix}Hmac-Sha256": "invalid-hmac", f"{prefix}Topic": "app_security/probe",
                   f"{prefix}Shop-Domain": "app-security-probe.invalid.myshopify.com"}  # fmt: skip
        assert client.post(path, "{}", content_type="application/json", headers=headers).status_code == 401
    assert deliver(b"", path=path).status_code == 401


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b'"x"', b"null", b"[" * 5000])
@pytest.mark.usefixtures("shop")
def test_a_signed_body_of_another_form_is_never_a_500(body: bytes) -> None:
    assert deliver(body).status_code in (200, 400)
    assert rows() == []


@pytest.mark.usefixtures("shop")
def test_a_body_larger_than_any_webhook_is_refused() -> None:
    response = deliver(b" " * (5 * 1024 * 1024 + 1))
    assert response.status_code == 413


def test_the_previous_secret_is_accepted_during_a_rotation(shop: Shop) -> None:
    assert deliver(order_payload(), secret="previous").status_code == 200
    assert deliver(order_payload(), secret="other", webhook_id="w-2").status_code == 401
    assert len(rows()) == 1


def test_an_uninstalled_shop_is_answered_like_an_unknown_one(shop: Shop) -> None:
    with scope(shop):
        Shop.objects.update(state=ShopState.UNINSTALLED)
    foreign = deliver(order_payload(), shop="nobody.myshopify.com")
    gone = deliver(order_payload())
    assert (gone.status_code, gone.json()["error"]["code"]) == (
        foreign.status_code,
        foreign.json()["error"]["code"],
    )
    assert deliver({"id": 1}, "app/uninstalled").status_code == 200, "told again about what is known"


@pytest.mark.usefixtures("shop")
def test_a_topic_that_nobody_reads_is_accepted_and_forgotten() -> None:
    assert deliver({"id": 1}, "fulfillments/create").status_code == 200
    assert rows() == []


def test_one_shops_delivery_id_does_not_shut_out_anothers(shop: Shop, other_shop: Shop) -> None:
    deliver(order_payload(), webhook_id="same")
    deliver(order_payload(), webhook_id="same", shop=other_shop.domain)
    assert [each.shop_id for each in rows()] == [shop.pk, other_shop.pk]


def test_what_cannot_be_read_is_set_aside_with_the_reason_and_can_be_sent_back(shop: Shop) -> None:
    deliver(order_payload(currency=None), webhook_id="bad")
    deliver(order_payload(5002), webhook_id="good")
    work_off(shop)
    bad, good = rows()
    assert (bad.state, bad.problem) == (DeliveryState.DEAD, "field currency is missing")
    assert good.state == DeliveryState.DONE
    assert store.counts(shop).orders == 1
    with scope(shop):
        assert inbox.replay(shop, [bad.pk, good.pk], timezone.now()) == 1
    work_off(shop)
    assert rows()[0].state == DeliveryState.DEAD


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("orders/create", {"id": "x", "line_items": 7}),
        ("orders/create", {"id": 1, "updated_at": "yesterday"}),
        ("refunds/create", {"id": 1, "order_id": 2, "created_at": "2026-11-20T10:00:00"}),
        ("products/update", {"id": 1, "variants": [{"id": None}]}),
        ("inventory_levels/update", {"inventory_item_id": 1}),
        ("customers/merge", {}),
        ("orders/delete", {"id": -4}),
    ],
)
def test_payloads_of_another_form_end_as_dead_letters(
    shop: Shop, topic: str, payload: dict[str, Any]
) -> None:
    assert deliver(payload, topic).status_code == 200
    work_off(shop)
    assert [each.state for each in rows()] == [DeliveryState.DEAD]
    assert rows()[0].problem


def test_a_delivery_that_keeps_failing_is_given_up_after_eight_tries(shop: Shop) -> None:
    # A collection must be read again, and this shop has no token to do it with.
    deliver({"id": 31, "handle": "h", "title": "t", "updated_at": V1.isoformat()}, "collections/update")
    now = timezone.now()
    for attempt in range(1, 9):
        assert rows()[0].state == DeliveryState.PENDING
        assert work_off(shop, now) == 1
        assert work_off(shop, now) == 0, "not again before its time"
        assert rows()[0].attempts == attempt
        now += timedelta(seconds=601)
    assert rows()[0].state == DeliveryState.DEAD
    assert "tried 8 times" in rows()[0].problem


def test_products_stock_and_deletions_reach_the_state(shop: Shop) -> None:
    product = {
        "id": 11, "handle": "candle", "title": "Candle", "status": "active", "tags": "warm, wax", "vendor": "Birch",
        "product_type": "Candles", "created_at": V1.isoformat(), "published_at": V1.isoformat(), "updated_at": V1.isoformat(),
        "image": {"src": "https://cdn.example/candle.png"}, "variant_gids": [{"admin_graphql_api_id": "gid://shopify/ProductVariant/21"}],
        "variants": [{"id": 21, "title": "Default", "sku": "A", "price": "12.50", "compare_at_price": None, "position": 1,
                      "inventory_policy": "deny", "inventory_item_id": 61, "inventory_quantity": 3, "inventory_management": "shopify"}],
    }  # fmt: skip
    deliver(product, "products/create", webhook_id="w-1")
    deliver({"inventory_item_id": 61, "location_id": 82, "available": 2, "updated_at": V1.isoformat()},
            "inventory_levels/update", webhook_id="w-2")  # fmt: skip
    deliver(
        {"id": 901, "created_at": V1.isoformat(), "updated_at": V1.isoformat()},
        "customers/create",
        webhook_id="w-3",
    )
    deliver(order_payload(), webhook_id="w-4")
    work_off(shop)
    with scope(shop), looking():
        kept = Product.objects.get()
        assert (kept.status, kept.tags) == ("active", ["warm", "wax"])
        assert StockLevel.objects.get().available == 2
        assert Customer.objects.get().customer_id == pseudonyms.of(shop).of_customer(901)
    deliver({"id": 5001}, "orders/delete", webhook_id="w-5")
    deliver({"id": 11}, "products/delete", webhook_id="w-6")
    deliver({"id": 901}, "customers/delete", webhook_id="w-7")
    work_off(shop)
    counts = store.counts(shop)
    assert (counts.orders, counts.products, counts.customers) == (0, 0, 0)
    deliver(order_payload(version=V1 + timedelta(seconds=1)), "orders/updated", webhook_id="w-8")
    work_off(shop)
    assert store.counts(shop).orders == 0, "a late update does not bring the dead back"


def test_a_refund_in_an_order_and_its_own_webhook_count_once(shop: Shop) -> None:
    refund = {"id": 81, "order_id": 5001, "created_at": V1.isoformat(),
              "refund_line_items": [{"line_item_id": 71, "quantity": 1, "subtotal": "10.00"}],
              "transactions": [{"amount": "10.00", "kind": "refund", "status": "success", "currency": "GBP"}]}  # fmt: skip
    deliver(order_payload(refunds=[refund]), "orders/updated", webhook_id="w-1")
    deliver(refund, "refunds/create", webhook_id="w-2")
    work_off(shop)
    assert store.counts(shop).refunds == 1
    with scope(shop), looking():
        assert str(Order.objects.get().refunded) == "10.0000"


def test_lifecycle_topics_change_the_shop(shop: Shop) -> None:
    deliver({"id": 1, "name": "Birch & Sons", "currency": "EUR", "iana_timezone": "Europe/Paris", "email": "x@example.com"},
            "shop/update", webhook_id="w-1")  # fmt: skip
    deliver(
        {"id": 1, "current": ["read_orders", "read_all_orders"], "previous": []},
        "app/scopes_update",
        webhook_id="w-2",
    )
    work_off(shop)
    kept = Shop.objects.get(pk=shop.pk)
    assert (kept.name, kept.currency, kept.timezone) == ("Birch & Sons", "EUR", "Europe/Paris")
    assert kept.scopes == "read_all_orders,read_orders"
    triggered = {"X-Shopify-Triggered-At": (shop.installed_at + timedelta(minutes=1)).isoformat()}
    deliver({"id": 1}, "app/uninstalled", webhook_id="w-3", **triggered)
    deliver({"id": 1}, "app/uninstalled", webhook_id="w-4", **triggered)
    work_off(shop)
    assert Shop.objects.get(pk=shop.pk).state == ShopState.UNINSTALLED
    assert {each.state for each in rows()} == {DeliveryState.DONE}


def test_one_drain_of_a_shop_at_a_time(shop: Shop) -> None:
    deliver(order_payload())
    deliver(order_payload(5002), webhook_id="w-2")
    now = timezone.now()
    with scope(shop):
        assert len(inbox.claim(shop, now)) == 2
        deliver(order_payload(5003), webhook_id="w-3")
        assert inbox.claim(shop, now + timedelta(seconds=1)) == []
        assert len(inbox.claim(shop, now + timedelta(seconds=40))) == 3, "taken back from the dead"


def test_collections_are_known_by_their_own_id(shop: Shop, other_shop: Shop) -> None:
    deliver({"id": 31}, "collections/delete", webhook_id="w-1")
    work_off(shop)
    with scope(other_shop):
        assert not Collection.objects.exists()
    assert store.counts(shop).collections == 0


def test_old_rows_are_forgotten(shop: Shop) -> None:
    deliver(order_payload())
    work_off(shop)
    now = timezone.now()
    with unscoped(why="as the scheduler does"):
        assert inbox.forget_old(now + timedelta(days=6)) == 0
        assert inbox.forget_old(now + timedelta(days=8)) == 1


@pytest.mark.django_db(transaction=True)
def test_duplicates_at_once_are_one_row_and_one_order(shop: Shop) -> None:
    """`make bench-webhooks` brings ten thousand."""
    answers: list[int] = []

    def bring() -> None:
        answers.extend(deliver(order_payload()).status_code for _ in range(50))
        connection.close()

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [200] * 200
    assert work_off(shop) == 1
    assert deliver(order_payload()).status_code == 200, "also after it was worked off"
    assert work_off(shop) == 0
    assert [each.state for each in rows()] == [DeliveryState.DONE]
    assert store.counts(shop).orders == 1


@pytest.mark.django_db(transaction=True)
def test_a_shop_erased_a_moment_ago_is_unknown(shop: Shop) -> None:
    """Its row is still held in this process's memory."""
    assert deliver(order_payload()).status_code == 200
    with unscoped(why="the test erases a shop"):
        InboxDelivery.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("delete from tenancy_shop where id = %s", [shop.pk])
    assert deliver(order_payload(), webhook_id="w-2").status_code == 404
    with unscoped(why="the test looks at everything"):
        assert not InboxDelivery.objects.exists()


def test_an_uninstalled_shop_is_unknown_a_second_later(shop: Shop) -> None:
    assert deliver(order_payload()).status_code == 200
    with unscoped(why="the test looks at every shop"):
        Shop.objects.update(state=ShopState.UNINSTALLED, uninstalled_at=timezone.now())
    shops.forget()  # a second later
    assert deliver(order_payload(), webhook_id="w-2").status_code == 404
    assert deliver({}, "app/uninstalled", webhook_id="w-3").status_code == 200
