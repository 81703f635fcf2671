"""Shopify's customer numbers stay outside: searched for in a dump of everything after each way in."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mlops.features.models import Customer, Order
from shopify_app.sync import customers, staging
from shopify_app.sync.models import CustomerReference, ImportJob, JobState, Resource, StagedRow
from shopify_app.sync.resources import PLANS
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.pseudonyms import Pseudonyms
from tenancy.scope import scope, unscoped
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.looks import looking
from tests.shopify_app.test_backfill import run_import
from tests.shopify_app.test_webhooks import V1, deliver, order_payload, work_off

NUMBER = 7_303_303_303_303


@pytest.fixture(autouse=True)
def _secret(settings: object) -> None:
    settings.SHOPIFY_SECRETS = ("hush",)  # type: ignore[attr-defined]


def dump() -> str:
    """Every row of every table as text."""
    with unscoped(why="the test looks at every shop"), looking(), connection.cursor() as cursor:
        cursor.execute("select table_name from information_schema.tables where table_schema = 'public'")
        parts = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"select coalesce(string_agg(t::text, ' '), '') from \"{table}\" t")
            parts.append(cursor.fetchone()[0])
    return " ".join(parts)


def test_a_number_has_one_pseudonym_in_a_shop_and_another_in_the_next(shop: Shop, other_shop: Shop) -> None:
    mine, theirs = pseudonyms.of(shop), pseudonyms.of(other_shop)
    assert mine.of_customer(NUMBER) == Pseudonyms(shop.pseudonym_key()).of_customer(NUMBER)
    assert mine.of_customer(NUMBER) != theirs.of_customer(NUMBER)
    assert 0 < mine.of_customer(NUMBER) < 2**63
    assert len({mine.of_customer(each) for each in range(1, 10_001)}) == 10_000
    assert mine.mark("visitor", "a") != mine.mark("customer", "a")


@pytest.mark.parametrize("state", ["waiting", "worked off", "dead"])
def test_no_webhook_leaves_a_number(shop: Shop, state: str) -> None:
    when = V1.isoformat()
    deliver({"id": NUMBER, "created_at": when, "updated_at": when}, "customers/create", webhook_id="w-1")
    deliver(order_payload(customer={"id": NUMBER}), webhook_id="w-2")
    merge = {"admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{NUMBER}",
             "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{NUMBER + 1}"}  # fmt: skip
    deliver(merge, "customers/merge", webhook_id="w-3")
    deliver({"id": NUMBER + 1}, "customers/delete", webhook_id="w-4")
    if state == "dead":
        deliver(order_payload(5009, customer={"id": NUMBER}, currency=None), webhook_id="w-5")
    if state != "waiting":
        work_off(shop)
        pseudonym = pseudonyms.of(shop).of_customer(NUMBER)
        with looking():
            assert customers.numbers_of(shop, [pseudonym]) == {pseudonym: NUMBER}
        with scope(shop), looking():
            assert Order.objects.get().customer_id == pseudonym
    found = dump()
    assert "w-1" in found
    assert str(NUMBER) not in found
    assert str(NUMBER + 1) not in found


def test_an_import_keeps_pseudonyms_and_sealed_references(installed: Shop, devstore: RunningDevstore) -> None:
    run_import(installed)
    numbers = [row["id"] for row in devstore.platform.store(DOMAIN).read("SELECT id FROM customers")]
    names = pseudonyms.of(installed)
    wanted = {names.of_customer(each): each for each in numbers}
    with scope(installed), looking():
        assert set(Customer.objects.values_list("customer_id", flat=True)) == set(wanted)
        assert set(Order.objects.exclude(customer_id=None).values_list("customer_id", flat=True)) <= set(
            wanted
        )
        assert CustomerReference.objects.count() == len(wanted)
    with looking():
        assert customers.numbers_of(installed, wanted) == wanted
    found = dump()
    assert not [each for each in numbers if str(each) in found]


@pytest.mark.parametrize(
    "gid", [f"gid://shopify/Customer/{NUMBER}", f"gid:\\/\\/shopify\\/Customer\\/{NUMBER}"]
)
def test_a_staged_line_carries_the_pseudonym_however_its_number_was_written(shop: Shop, gid: str) -> None:
    from shopify_app.graphql.bulk import Piece

    line = f'{{"id":"gid://shopify/Order/1","name":"{NUMBER}x","customer":{{"id":"{gid}"}}}}'
    with scope(shop):
        now = timezone.now()
        job = ImportJob.objects.create(
            shop=shop, resource=Resource.ORDERS, state=JobState.READING, next_step_at=now, started_at=now,
            lease_token="t", lease_until=now + timedelta(minutes=1),
        )  # fmt: skip
        staging.stage(job, PLANS["orders"], Piece([line.encode()], 10), now)
        body = json.loads(StagedRow.objects.get().body)
    assert body["customer"]["id"] == f"gid://shopify/Customer/{pseudonyms.of(shop).of_customer(NUMBER)}"
    assert body["name"] == f"{NUMBER}x", "nothing else in the line changes"


def test_an_altered_reference_is_refused(shop: Shop, other_shop: Shop) -> None:
    names, now = pseudonyms.of(shop), timezone.now()
    customers.remember(shop, customers.sealed_references(names, shop.pk, [NUMBER]), now)
    pseudonym = names.of_customer(NUMBER)
    with scope(shop), looking():
        sealed = bytes(CustomerReference.objects.get().number_sealed)
    customers.remember(other_shop, {pseudonym: sealed}, now)
    with looking(), pytest.raises(ValueError, match="another context"):
        customers.numbers_of(other_shop, [pseudonym])
