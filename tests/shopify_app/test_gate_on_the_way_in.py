"""The gate where rows come in: an import of a store whose books were corrupted, its healing, and webhooks."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mlops.features import store
from mlops.training import run as training
from mlops.validation import decisions, tallies
from mlops.validation.models import HeldRow, HeldState
from shopify_app import installs
from shopify_app.sync import backfill, reconcile
from shopify_app.sync.models import OPEN_STATES, OPEN_SWEEPS, ImportJob, Sweep
from shopify_app.webhooks.drain import drain
from tenancy import incidents
from tenancy.models import Incident, Shop
from tenancy.scope import scope, unscoped
from tests.devstore.running import APP_TOML, DOMAIN, SECRET, RunningDevstore, running_devstore
from tests.looks import looking
from tests.shopify_app.conftest import CLIENT_ID, OWNER, ROOT

ORDERS = 120


@pytest.fixture
def books(tmp_path: Path, settings: Settings) -> Iterator[RunningDevstore]:
    """A store of its own, so that its books may be spoilt."""
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(tmp_path), "--shop", DOMAIN]
    subprocess.run(
        [*command, "--orders", str(ORDERS), "--months", "6", "--seed", "7"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with running_devstore(tmp_path, application_url="http://127.0.0.1:9", app_toml=APP_TOML) as server:
        server.platform.install(DOMAIN)
        settings.SHOPIFY_SHOP_ORIGIN = server.url
        settings.SHOPIFY_API_KEY = CLIENT_ID
        settings.SHOPIFY_API_SECRET = SECRET
        settings.SHOPIFY_SECRETS = (SECRET,)
        settings.BULK_POLL_S = 0.05
        yield server


def spoil(books: RunningDevstore, sql: str) -> None:
    with books.platform.store(DOMAIN).transaction() as tx:
        tx.execute(sql)


def install(books: RunningDevstore) -> Shop:
    return installs.ensure_installed(DOMAIN, books.session_token(OWNER), timezone.now())


def run_import(shop: Shop) -> None:
    until = time.monotonic() + 60
    with scope(shop):
        while jobs := list(ImportJob.objects.filter(state__in=OPEN_STATES)):
            assert time.monotonic() < until, [str(each) + each.problem for each in jobs]
            for job in jobs:
                while backfill.step(shop, job.pk):
                    pass
            time.sleep(0.02)


def sweep(shop: Shop) -> None:
    until = time.monotonic() + 60
    with scope(shop):
        reconcile.start(shop, now=timezone.now())
        while open_ones := list(Sweep.objects.filter(state__in=OPEN_SWEEPS)):
            assert time.monotonic() < until, [each.problem for each in open_ones]
            for each in open_ones:
                reconcile.step(shop, each.pk)
            Sweep.objects.filter(next_step_at__gt=timezone.now()).update(next_step_at=timezone.now())


def feature_rows() -> int:
    with unscoped(why="the test counts every shop's"), connection.cursor() as cursor:
        cursor.execute(
            "select (select count(*) from features_order) + (select count(*) from features_orderline)"
            " + (select count(*) from features_event where kind = 'order')"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_an_honest_store_is_imported_without_holding_a_row(books: RunningDevstore) -> None:
    shop = install(books)
    run_import(shop)
    with scope(shop):
        assert not HeldRow.objects.exists()
        assert {each.ratio for each in tallies.ratios(shop).values()} == {1.0}
        assert tallies.ratios(shop)["orders"].checked == ORDERS
    with unscoped(why="the test looks at every shop"):
        assert not Incident.objects.filter(closed_at__isnull=True).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql",
    [
        "update order_lines set quantity = -quantity, current_quantity = -current_quantity",
        "update orders set currency = 'QQQ'",
        "update order_lines set product_id = null",
        "update order_lines set price = printf('%.2f', price * 100),"
        " discounted_price = printf('%.2f', discounted_price * 100)",
    ],
    ids=["negative quantity", "unknown currency", "null product id", "price x 100"],
)
def test_a_corrupted_history_is_held_and_nothing_is_learnt_from_it(books: RunningDevstore, sql: str) -> None:
    spoil(books, sql)
    shop = install(books)
    run_import(shop)
    assert feature_rows() == 0, "no row of it became a feature"
    assert store.counts(shop).products > 0, "the catalogue, which is right, arrived"
    with scope(shop):
        assert HeldRow.objects.filter(resource="orders").count() == ORDERS, "nothing is lost"
    stop = incidents.halted(shop)
    assert stop is not None
    assert (stop.kind, stop.severity) == ("validation_halt", "critical")
    with scope(shop):
        assert training.open_run(shop) is None, "the training after the import was refused"
        with pytest.raises(training.TrainingHalted):
            training.request(shop, reason="try", actor="staff:1", now=timezone.now())


@pytest.mark.django_db
def test_a_few_bad_orders_are_held_and_come_in_once_the_store_has_corrected_them(
    books: RunningDevstore,
) -> None:
    spoil(
        books,
        "update order_lines set quantity = -5 where order_id in (select id from orders order by id limit 3)",
    )
    shop = install(books)
    run_import(shop)
    assert store.counts(shop).orders == ORDERS - 3
    assert incidents.halted(shop) is None
    with scope(shop), looking():
        held = list(HeldRow.objects.order_by("id"))
    assert [each.resource for each in held] == ["orders"] * 3
    assert all("quantity of line 1 is -5" in each.reason for each in held)
    assert decisions.replay(shop, actor="staff:1", reason="try", now=timezone.now()).arrived == 0
    run_again(shop)
    with scope(shop):
        assert HeldRow.objects.count() == 3, "met again by a second import: the same rows"
    later = (timezone.now() + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    spoil(
        books,
        f"update orders set updated_at = '{later}' where id in (select id from orders order by id limit 3)",
    )
    spoil(books, "update order_lines set quantity = current_quantity where quantity < 0")
    sweep(shop)
    assert store.counts(shop).orders == ORDERS
    with scope(shop):
        assert set(HeldRow.objects.values_list("state", flat=True)) == {HeldState.DISMISSED}
    with unscoped(why="the test looks at every shop"):
        assert not Incident.objects.filter(kind="validation_quarantine", closed_at__isnull=True).exists()


def run_again(shop: Shop) -> None:
    with scope(shop):
        backfill.restart(shop, now=timezone.now())
    run_import(shop)


@pytest.mark.django_db
def test_webhooks_a_hundred_times_too_dear_stop_and_name_their_delivery(books: RunningDevstore) -> None:
    shop = install(books)
    run_import(shop)
    with scope(shop), connection.cursor() as cursor:
        cursor.execute("select variant_id, product_id, price from features_variant where price > 0 limit 12")
        sold = cursor.fetchall()
    before = feature_rows()
    now = timezone.now().isoformat()
    for at, (variant_id, product_id, price) in enumerate(sold):
        line = {
            "id": 900_000 + at, "product_id": product_id, "variant_id": variant_id, "quantity": 1, "price": str(price * 100),
        }  # fmt: skip
        payload = {
            "id": 800_000 + at, "created_at": now, "updated_at": now, "currency": "GBP", "total_price": str(price * 100),
            "line_items": [line],
        }  # fmt: skip
        assert _deliver(payload, f"dear-{at}") == 200
    with scope(shop), looking():
        drain(shop, timezone.now())
        assert feature_rows() == before
        rows = list(HeldRow.objects.order_by("id"))
        assert [each.delivery for each in rows] == [f"dear-{at}" for at in range(len(sold))]
        assert "about 100 times the known ones" in rows[0].reason
    assert incidents.halted(shop) is not None
    done = decisions.release(
        shop, "orders", accepted=True, actor="staff:1", reason="a luxury line", now=timezone.now()
    )
    assert done.arrived == len(sold)
    assert store.counts(shop).orders == ORDERS + len(sold)


def _deliver(payload: dict[str, object], webhook_id: str) -> int:
    body = json.dumps(payload).encode()
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    headers = {
        "X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": DOMAIN, "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Hmac-Sha256": signature, "X-Shopify-Triggered-At": timezone.now().isoformat(),
    }  # fmt: skip
    return (
        Client().post("/webhooks/shopify", body, content_type="application/json", headers=headers).status_code
    )
