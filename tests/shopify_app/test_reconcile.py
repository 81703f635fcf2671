"""The sweep: whatever happened to the deliveries, afterwards we keep what Shopify has, and it is on the record."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from devstore import changes, order_changes, shop_changes
from devstore.store import Store
from mlops.features import store
from mlops.features.models import Customer, EventRecord, Order, Product
from shopify_app import installs
from shopify_app.privacy import redact
from shopify_app.sync import reconcile
from shopify_app.sync.differences import Findings
from shopify_app.sync.models import OPEN_SWEEPS, ImportJob, Resource, Sweep, SweepState
from shopify_app.sync.tasks import reconcile_all
from shopify_app.webhooks.drain import drain
from tenancy import pseudonyms
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope, unscoped
from tests.devstore.running import CUSTOMER_ID, DOMAIN, SECRET, RunningDevstore, make_shop, running_devstore
from tests.looks import looking
from tests.shopify_app.conftest import CLIENT_ID, OWNER
from tests.shopify_app.test_backfill import run_import

ROOT = Path(__file__).parents[2]
TOML = (ROOT / "shopify.app.toml").read_text()


class Doorstep(BaseHTTPRequestHandler):
    """Takes deliveries as a web server would; the test hands them to the app when it likes."""

    taken: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def doorstep() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    taken: list[tuple[dict[str, str], bytes]] = []
    handler = type("Handler", (Doorstep,), {"taken": taken, "protocol_version": "HTTP/1.1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", taken
    server.shutdown()
    server.server_close()


@pytest.fixture
def shopify(tmp_path: Path, doorstep: Any, settings: Settings) -> Iterator[RunningDevstore]:
    """A small shop of its own, whose deliveries come to the doorstep."""
    made = make_shop(tmp_path, products=6)
    for number in range(40):
        day = datetime(2026, 10, 1 + number % 28, 12, tzinfo=UTC)
        place(made, number, now=day)
    with running_devstore(
        tmp_path, application_url=doorstep[0], app_toml=TOML, client_id=CLIENT_ID
    ) as server:
        server.platform.install(DOMAIN)
        settings.SHOPIFY_SHOP_ORIGIN = server.url
        settings.SHOPIFY_API_KEY = CLIENT_ID
        settings.SHOPIFY_API_SECRET = SECRET
        settings.SHOPIFY_SECRETS = (SECRET,)
        settings.BULK_POLL_S = 0.05
        yield server


@pytest.fixture
def shop(db: None, shopify: RunningDevstore) -> Shop:
    """Installed, its history imported."""
    found = installs.ensure_installed(DOMAIN, shopify.session_token(OWNER), timezone.now())
    run_import(found)
    return found


def place(made: Store, number: int, *, now: datetime) -> list[changes.Change]:
    variants = [row["id"] for row in made.read("SELECT id FROM variants WHERE available > 0 ORDER BY id")]
    line = {"variant_id": variants[number % len(variants)], "quantity": 1}
    return order_changes.place_order(made, lines=[line], customer_id=CUSTOMER_ID, now=now)


def cause(shopify: RunningDevstore, caused: list[changes.Change]) -> None:
    """Let Shopify tell of it, as its faults have it."""
    shopify.platform.emit(shopify.platform.store(DOMAIN), caused)


def bring(
    shop: Shop,
    shopify: RunningDevstore,
    taken: list[tuple[dict[str, str], bytes]],
    random: Random,
    *,
    late: float = 0.0,
) -> int:
    """Hand over what reached the doorstep, shuffled, less the share that is late; the number of deliveries."""
    shopify.control("POST", "/deliveries/flush", {"wait_s": 20})
    arrived = list(taken)
    taken.clear()
    random.shuffle(arrived)
    held = arrived[: int(len(arrived) * late)]
    taken.extend(held)
    for headers, body in arrived[len(held) :]:
        path = "/webhooks/shopify"
        answer = Client().generic("POST", path, body, "application/json", headers=headers)
        assert answer.status_code == 200
    with scope(shop):
        while drain(shop, timezone.now()):
            pass
    return len(arrived)


def work_on(shop: Shop, each: Sweep, clock: reconcile.Clock) -> None:
    """Step as the worker does, when the sweep's own time has come."""
    until = time.monotonic() + 30
    while each.state in OPEN_SWEEPS and time.monotonic() < until:
        if not reconcile.step(shop, each.pk, clock=clock):
            each.refresh_from_db()
            time.sleep(max(0.0, (each.next_step_at - clock()).total_seconds()))


def sweep(shop: Shop, *, after: timedelta = timedelta(minutes=5)) -> dict[str, Findings]:
    """One sweep of everything, as if some minutes had passed."""

    def clock() -> datetime:
        return timezone.now() + after

    with scope(shop):
        for each in reconcile.start(shop, now=clock()):
            work_on(shop, each, clock)
        found = list(Sweep.objects.all())
        assert {each.state for each in found} == {SweepState.RESTING}, [each.problem for each in found]
        return {each.resource: Findings.read(each.found) for each in found}


def difference(shop: Shop, shopify: RunningDevstore) -> list[tuple[str, Any]]:
    """Every row of either side that the other has not, values and all."""
    made = shopify.platform.store(DOMAIN)

    names = pseudonyms.of(shop)

    def theirs(sql: str) -> set[Any]:
        return {
            tuple(
                names.of_customer(row[name]) if name == "customer_id" and row[name] else row[name]
                for name in row.keys()  # noqa: SIM118 - a sqlite row yields values
            )
            for row in made.read(sql)
        }

    def ours(sql: str) -> set[Any]:
        with scope(shop), looking(), connection.cursor() as cursor:
            cursor.execute(sql, [shop.pk])
            return set(cursor.fetchall())

    pairs = {
        "orders": (
            "SELECT id, cast(round(total_refunded * 100) AS integer), cancelled_at IS NOT NULL, customer_id FROM orders",
            "select order_id, (refunded * 100)::int, (cancelled_at is not null)::int, customer_id from features_order"
            " where shop_id = %s and deleted_at is null",
        ),
        "lines": (
            "SELECT id, quantity, current_quantity FROM order_lines",
            "select line_id, quantity, current_quantity from features_orderline where shop_id = %s",
        ),
        "refunds": (
            "SELECT id, cast(round(amount * 100) AS integer) FROM refunds",
            "select refund_id, (amount * 100)::int from features_refund r where shop_id = %s and not exists (select"
            " from features_order o where o.shop_id = r.shop_id and o.order_id = r.order_id and o.deleted_at is not null)",
        ),
        "products": (
            "SELECT id, title, lower(status) FROM products",
            "select product_id, title, status from features_product where shop_id = %s and deleted_at is null",
        ),
        "variants": (
            "SELECT id, cast(round(price * 100) AS integer), available FROM variants",
            "select variant_id, (price * 100)::int, available from features_variant where shop_id = %s",
        ),
        "stock": (
            "SELECT inventory_item_id, available FROM variants",
            "select inventory_item_id, available from features_stocklevel where shop_id = %s and inventory_item_id"
            " in (select inventory_item_id from features_variant)",
        ),
        "customers": (
            "SELECT id AS customer_id FROM customers",
            "select customer_id from features_customer where shop_id = %s and deleted_at is null",
        ),
        "collections": (
            "SELECT id, title FROM collections",
            "select collection_id, title from features_collection where shop_id = %s and deleted_at is null",
        ),
    }
    return [(name, row) for name, (a, b) in pairs.items() for row in theirs(a) ^ ours(b)]


def live_a_little(shopify: RunningDevstore, random: Random, *, things: int) -> None:
    """Orders, refunds, cancellations, prices, stock, new and deleted products, customers and collections."""
    made = shopify.platform.store(DOMAIN)
    now = timezone.now()
    for number in range(things):
        cause(shopify, place(made, number, now=now))
    orders = [row["id"] for row in made.read("SELECT id FROM orders ORDER BY id DESC")]
    for order_id in random.sample(orders, 6):
        cause(shopify, order_changes.refund(made, order_id, now=now))
    left = [row["id"] for row in made.read("SELECT id FROM orders WHERE total_refunded = '0.00' ORDER BY id")]
    left = left or orders
    cause(shopify, order_changes.cancel(made, random.choice(left), now=now))
    cause(shopify, order_changes.delete_order(made, orders[7]))
    variants = shopify.variants()
    for variant_id in random.sample(variants, 3):
        for units in (0, 7, 3):
            cause(shopify, shop_changes.set_stock(made, variant_id, units, now=now))
        cause(shopify, shop_changes.set_price(made, variant_id, str(random.randint(5, 50)), now=now))
    cause(shopify, shop_changes.create_product(made, title="Lamp", price="40", available=4, now=now))
    products = [row["id"] for row in made.read("SELECT id FROM products ORDER BY id")]
    cause(shopify, shop_changes.set_title(made, products[1], "Candle, renamed", now=now))
    cause(shopify, shop_changes.set_status(made, products[2], "DRAFT", now=now))
    cause(shopify, shop_changes.delete_product(made, products[0]))
    cause(shopify, shop_changes.create_customer(made, email="bob@example.com", now=now))
    cause(shopify, shop_changes.create_collection(made, title="Autumn", product_ids=products[1:3], now=now))


@pytest.mark.parametrize("seed", [1, 2])
def test_one_sweep_after_lost_doubled_shuffled_and_late_deliveries_leaves_no_difference(
    shop: Shop, shopify: RunningDevstore, doorstep: Any, seed: int
) -> None:
    random = Random(seed)
    assert difference(shop, shopify) == []
    shopify.control("POST", "/faults", {"seed": seed, "webhooks": {"drop": 0.3, "double": 0.2}})
    live_a_little(shopify, random, things=8)
    assert bring(shop, shopify, doorstep[1], random, late=0.3) > 10
    assert difference(shop, shopify) != [], "the faults did harm, or this test shows nothing"
    found = sweep(shop)
    assert difference(shop, shopify) == []
    assert sum(each.repaired for each in found.values()) > 0
    assert all(not each.left and not each.unsettled for each in found.values())
    with scope(shop):
        incident = shop.incidents.order_by("id").first()
        assert incident is not None
        assert incident.data["worst_gap"] > 0.005
        assert incident.closed_at is not None
        assert "differed from Shopify" in incident.told
        assert incident.told.endswith("All of it was repaired.")
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.filter(action="data.incident").first()
    assert entry is not None
    assert entry.actor == "system:reconciliation"
    assert entry.data["incident"]
    again = sweep(shop, after=timedelta(minutes=6))
    assert {each.repaired for each in again.values()} == {0}, "the next one has nothing to do"
    assert bring(shop, shopify, doorstep[1], random) > 0, "the late ones"
    sweep(shop, after=timedelta(minutes=7))
    assert difference(shop, shopify) == []
    counted, wanted = store.counts(shop), shopify.platform.store(DOMAIN).counts()
    for name in ("orders", "lines", "customers", "products", "variants", "collections", "refunds"):
        assert getattr(counted, name) == wanted[name], name


def test_a_quiet_shop_has_no_incident_and_few_calls(shop: Shop, shopify: RunningDevstore) -> None:
    with scope(shop):
        before = EventRecord.objects.count()
    shopify.control("DELETE", "/stats")
    began = time.monotonic()
    found = sweep(shop)
    assert time.monotonic() - began < 5, "it did not wait for points"
    assert {each.repaired for each in found.values()} == {0}
    stats = shopify.control("GET", "/stats").json()["shops"][DOMAIN]
    assert stats["graphql_calls"] < 20
    assert stats["actual_points"] < 200, "a tenth of the bucket"
    with scope(shop):
        assert not shop.incidents.exists()
        assert EventRecord.objects.count() == before, "what agrees is not told again"
        assert {each.watermark for each in Sweep.objects.all()} == {
            each.began_at for each in Sweep.objects.all()
        }


def test_what_may_still_be_on_its_way_is_repaired_but_no_incident(
    shop: Shop, shopify: RunningDevstore
) -> None:
    made = shopify.platform.store(DOMAIN)
    place(made, 1, now=timezone.now())
    found = sweep(shop, after=timedelta(0))
    assert difference(shop, shopify) == []
    assert found["orders"].in_time == 1
    with scope(shop):
        assert not shop.incidents.filter(subject=Resource.ORDERS).exists()


def test_orders_deleted_long_ago_are_found_by_the_counts(shop: Shop, shopify: RunningDevstore) -> None:
    made = shopify.platform.store(DOMAIN)
    order_changes.delete_order(made, made.read("SELECT min(id) AS id FROM orders")[0]["id"])
    found = sweep(shop)
    assert list(found["orders"].gone.values()) == [1]
    assert difference(shop, shopify) == []
    with scope(shop):
        assert Order.objects.filter(deleted_at__isnull=False).count() == 1


def test_orders_that_the_app_may_not_see_any_more_are_kept(shop: Shop, shopify: RunningDevstore) -> None:
    """Without read_all_orders Shopify shows 60 days: what left that window is not deleted."""
    with scope(shop), looking():
        Order.objects.filter(order_id=Order.objects.order_by("order_id")[0].order_id).update(
            ordered_at=timezone.now() - timedelta(days=70)
        )
    made = shopify.platform.store(DOMAIN)
    with scope(shop), looking():
        first = Order.objects.order_by("ordered_at")[0].order_id
    with made.transaction() as tx:
        tx.execute("DELETE FROM order_lines WHERE order_id = ?", (first,))
        tx.execute("DELETE FROM orders WHERE id = ?", (first,))
    found = sweep(shop)
    assert found["orders"].gone == {}
    with scope(shop), looking():
        assert Order.objects.get(order_id=first).deleted_at is None


def test_a_merge_that_was_never_told_moves_the_orders(shop: Shop, shopify: RunningDevstore) -> None:
    made = shopify.platform.store(DOMAIN)
    kept = shop_changes.create_customer(made, email="new@example.com", now=timezone.now())[0].id
    shop_changes.merge_customers(made, kept=kept, deleted=CUSTOMER_ID, now=timezone.now())
    sweep(shop)
    assert difference(shop, shopify) == []
    with scope(shop), looking():
        heir, gone = map(pseudonyms.of(shop).of_customer, (kept, CUSTOMER_ID))
        assert set(Order.objects.values_list("customer_id", flat=True)) == {heir}
        assert Customer.objects.get(customer_id=gone).merged_into == heir


def test_a_state_told_before_is_believed_again(shop: Shop, shopify: RunningDevstore) -> None:
    """Draft, active, draft within one second: the log knows the last state already, yet shows the one between."""
    made = shopify.platform.store(DOMAIN)
    product_id = made.read("SELECT min(id) AS id FROM products")[0]["id"]
    now = timezone.now()
    for status in ("DRAFT", "ACTIVE", "DRAFT"):
        shop_changes.set_status(made, product_id, status, now=now)
        if status == "DRAFT":
            sweep(shop)
            with scope(shop):
                Product.objects.filter(product_id=product_id).update(status="active")
    assert sweep(shop)["products"].wrong != {}
    with scope(shop):
        assert Product.objects.get(product_id=product_id).status == "draft"


def test_a_throttled_and_failing_api_delays_the_sweep_only(shop: Shop, shopify: RunningDevstore) -> None:
    made = shopify.platform.store(DOMAIN)
    for number in range(3):
        place(made, number, now=timezone.now())
    shopify.control("POST", "/faults", {"seed": 5, "api": {"error_rate": 0.15, "throttle_rate": 0.03}})
    with scope(shop):
        for each in reconcile.start(shop, now=timezone.now()):
            until = time.monotonic() + 30
            while each.state in OPEN_SWEEPS and time.monotonic() < until:
                reconcile.step(shop, each.pk)
                Sweep.objects.update(next_step_at=timezone.now() - timedelta(seconds=1))
                each.refresh_from_db()
                time.sleep(0.05)
        assert not Sweep.objects.filter(state__in=OPEN_SWEEPS).exists()
        assert not Sweep.objects.exclude(problem="").exists()
    assert difference(shop, shopify) == []


def test_a_holder_who_comes_back_from_the_dead_changes_nothing(shop: Shop) -> None:
    with scope(shop):
        open_one = reconcile.start(shop, now=timezone.now())[0]
        Sweep.objects.filter(pk=open_one.pk).update(
            lease_token="another", lease_until=timezone.now() + timedelta(seconds=20)
        )
        assert reconcile.step(shop, open_one.pk) is False
        open_one.refresh_from_db()
        assert (open_one.state, open_one.lease_token) == (SweepState.WALKING, "another")
        Sweep.objects.filter(pk=open_one.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        reconcile.step(shop, open_one.pk)
        open_one.refresh_from_db()
        assert (open_one.state, open_one.lease_token) == (SweepState.RESTING, "")


def test_a_shop_is_due_four_hours_after_its_last_sweep(shop: Shop) -> None:
    now = timezone.now()
    with scope(shop):
        assert reconcile.due(now) == [], "the import has just looked at everything"
        assert reconcile.due(now + timedelta(hours=4, seconds=1)) == [shop.pk]
        ImportJob.objects.update(finished_at=now - timedelta(hours=5))
    assert reconcile_all() == 5
    with scope(shop):
        assert reconcile.due(now) == []
        assert Sweep.objects.filter(state=SweepState.WALKING).count() == 5


def test_an_import_under_way_is_not_swept(shop: Shop) -> None:
    with scope(shop):
        ImportJob.objects.filter(resource=Resource.ORDERS).update(state="reading")
        assert Resource.ORDERS not in {each.resource for each in reconcile.start(shop, now=timezone.now())}


def test_the_command_tells_what_it_did(shop: Shop, shopify: RunningDevstore) -> None:
    place(shopify.platform.store(DOMAIN), 3, now=timezone.now() - timedelta(minutes=3))
    out = StringIO()
    call_command("reconcile", DOMAIN, stdout=out)
    assert "orders: agrees with Shopify" in out.getvalue()
    assert "1 missing" in out.getvalue()
    assert difference(shop, shopify) == []
    assert store.counts(shop).orders == shopify.platform.store(DOMAIN).counts()["orders"]
    with pytest.raises(CommandError) as unknown:
        call_command("reconcile", "nobody.myshopify.com")
    assert unknown.value.returncode == 1


def test_an_erased_customer_whom_shopify_still_lists_is_nobodys_fault(
    shop: Shop, shopify: RunningDevstore
) -> None:
    redact.redact_customer(shop, {"customer": {"id": CUSTOMER_ID}}, now=timezone.now())
    made = shopify.platform.store(DOMAIN)
    cause(shopify, shop_changes.create_customer(made, email="eve@example.com", now=timezone.now()))
    found = sweep(shop)["customers"]
    assert (found.left, found.unsettled) == ({}, 0)
    with scope(shop), looking():
        assert not Customer.objects.filter(customer_id=pseudonyms.of(shop).of_customer(CUSTOMER_ID)).exists()
