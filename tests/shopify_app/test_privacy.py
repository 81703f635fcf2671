"""Shopify's privacy requests, through the webhook that brings them to the last row that names the person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from mlops.features import store
from mlops.features.events import Click, Exposure, ServedBy, SlotName
from mlops.features.models import EventRecord, Order
from mlops.features.models import Exposure as ShownRow
from shopify_app.privacy import exports
from shopify_app.sync.receive import cut
from storefront_proxy import exposures
from tenancy import pseudonyms
from tenancy import redis as shared_redis
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.shopify_app.test_webhooks import V1, deliver, order_payload, rows, work_off

REQUEST = {
    "shop_id": 1, "shop_domain": "birch-and-co.myshopify.com", "orders_requested": [5001], "data_request": {"id": 9999},
    "orders_to_redact": [5001], "customer": {"id": 901, "email": "ann@example.com", "phone": "+44 20 7946 0000"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _secret(settings: object) -> None:
    settings.SHOPIFY_SECRETS = ("hush",)  # type: ignore[attr-defined]


@pytest.fixture
def bought(shop: Shop) -> Shop:
    """Customer 901 saw something, clicked and bought; customer 902 bought too."""
    with scope(shop):
        exposure = Exposure(
            "exposure-0123456789", shop.pk, V1 - timedelta(hours=2), SlotName.HOME, ServedBy.TRENDING, (11, 12),
            visitor="visitor-0001",
        )  # fmt: skip
        store.record_exposures([exposure])
        store.record_clicks(
            [Click(exposure.exposure_id, shop.pk, V1 - timedelta(hours=1), 11, "visitor-0001")]
        )
    customer = {"id": 901, "created_at": V1.isoformat(), "updated_at": V1.isoformat()}
    deliver(customer, "customers/create", webhook_id="w-1")
    deliver(order_payload(), webhook_id="w-2")
    deliver(order_payload(5002, customer={"id": 902}, note_attributes=[]), webhook_id="w-3")
    work_off(shop)
    return shop


def ask(topic: str, shop: Shop, webhook_id: str, **headers: str) -> None:
    answer = deliver(
        REQUEST, topic, webhook_id=webhook_id, path="/webhooks/compliance", shop=shop.domain, **headers
    )
    assert answer.status_code == 200
    work_off(shop)


def everything(shop: Shop) -> str:
    """All rows of the shop as text."""
    found = []
    with scope(shop), looking(), connection.cursor() as cursor:
        for model in apps.get_models():
            if any(field.name == "shop" for field in model._meta.fields):
                table = model._meta.db_table
                cursor.execute(
                    f"select string_agg(t::text, ' ') from \"{table}\" t where shop_id = %s", [shop.pk]
                )
                found.append(cursor.fetchone()[0] or "")
    return " ".join(found)


def test_a_redacted_customer_is_named_by_no_row_and_the_sale_remains(bought: Shop) -> None:
    pseudonym = str(pseudonyms.of(bought).of_customer(901))
    assert pseudonym in everything(bought)
    assert "visitor-0001" in everything(bought)
    ask("customers/redact", bought, "r-1")
    left = everything(bought)
    assert pseudonym not in left
    assert "visitor-0001" not in left
    with scope(bought), looking():
        orders = dict(Order.objects.values_list("order_id", "customer_id"))
        assert orders == {5001: None, 5002: pseudonyms.of(bought).of_customer(902)}
        assert not EventRecord.objects.filter(kind="customer").exists()
        assert ShownRow.objects.get().visitor is None
    counts = store.counts(bought)
    assert (counts.orders, counts.lines, counts.customers) == (2, 2, 0)
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.get(action="privacy.customer_redacted")
    assert entry.data["orders"] == 1
    assert "901" not in str(entry.data)


def test_redacting_twice_and_a_repeated_order_bring_nothing_back(bought: Shop) -> None:
    ask("customers/redact", bought, "r-1")
    ask("customers/redact", bought, "r-2")
    deliver(order_payload(), webhook_id="w-9")
    work_off(bought)
    with scope(bought), looking():
        assert Order.objects.get(order_id=5001).customer_id is None


def test_a_data_request_leaves_a_sealed_export_for_the_owner(bought: Shop) -> None:
    ask("customers/data_request", bought, "d-1")
    export = exports.read_export(bought, 9999)
    assert [order["order_id"] for order in export["orders"]] == [5001]
    assert export["orders"][0]["lines"][0]["quantity"] == 2
    assert [shown["product_ids"] for shown in export["shown"]] == [[11, 12]]
    path = Path(django_settings.ARTEFACT_DIR) / str(bought.pk) / "privacy" / "9999.sealed"
    assert b"5001" not in path.read_bytes()
    ask("customers/redact", bought, "r-1")
    assert not path.exists(), "the export named the customer too"


def test_an_erased_shop_leaves_no_row_key_or_file(bought: Shop, other_shop: Shop) -> None:
    deliver(order_payload(), webhook_id="o-1", shop=other_shop.domain)
    work_off(other_shop)
    ask("customers/data_request", bought, "d-1")
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=bought.pk).update(uninstalled_at=timezone.now(), state="uninstalled")
    ask("shop/redact", bought, "s-1")
    assert not Shop.objects.filter(pk=bought.pk).exists()
    assert everything(bought) == " " * (len(everything(bought)))
    assert not (Path(django_settings.ARTEFACT_DIR) / str(bought.pk)).exists()
    keys = [key.decode() for key in shared_redis.client().scan_iter(match=shared_redis.key("*"))]
    assert not [key for key in keys if key.endswith(f":{bought.pk}")]
    assert store.counts(other_shop).orders == 1, "the neighbour keeps everything"
    assert deliver(REQUEST, "shop/redact", webhook_id="s-2", path="/webhooks/compliance").status_code == 200


def test_a_shop_that_came_back_is_not_erased(bought: Shop) -> None:
    before = {"X-Shopify-Triggered-At": (bought.installed_at - timedelta(hours=1)).isoformat()}
    ask("shop/redact", bought, "s-1", **before)
    assert store.counts(bought).orders == 2
    assert rows()[-1].state == "done"


def test_what_is_kept_of_a_request_is_numbers() -> None:
    assert cut("customers/redact", REQUEST) == {"customer": {"id": 901}, "orders_to_redact": [5001]}
    assert cut("customers/data_request", REQUEST) == {
        "customer": {"id": 901}, "orders_requested": [5001], "data_request": {"id": 9999},
    }  # fmt: skip


def test_what_the_storefront_has_on_its_way_goes_with_the_customer(bought: Shop) -> None:
    """An exposure that reached Postgres after the erasure would bring the visitor back."""

    def seen(exposure_id: str, visitor: str) -> Exposure:
        return Exposure(
            exposure_id, bought.pk, V1, SlotName.HOME, ServedBy.TRENDING, (11,), visitor=visitor
        )  # fmt: skip

    exposures.send_exposures([seen("exposure-1111111111", "visitor-0001")])
    exposures.send_exposures([seen("exposure-2222222222", "visitor-0002")])
    exposures.send_click(Click("exposure-1111111111", bought.pk, V1, 11, "visitor-0001"))
    ask("customers/redact", bought, "r-1")
    exposures.flush(consumer="late", now=V1)
    left = everything(bought)
    assert "visitor-0001" not in left
    assert "visitor-0002" in left


def test_an_erased_shop_leaves_nothing_on_the_bus(bought: Shop) -> None:
    exposures.send_click(Click("exposure-1111111111", bought.pk, V1, 11, "visitor-0001"))
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=bought.pk).update(uninstalled_at=timezone.now(), state="uninstalled")
    ask("shop/redact", bought, "s-1")
    assert exposures.waiting() == 0
