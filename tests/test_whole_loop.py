"""The product's main job, end to end, over HTTP: from install to the order that a recommendation led to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from shopify_app.local.drill_books import Books
from shopify_app.local.journey import COUNTS, Journey
from shopify_app.local.merchant import Merchant
from shopify_app.local.processes import family_of
from shopify_app.local.terminal import Terminal
from tests.live_product import OPERATOR, VIEWER, LiveProduct, live_product

Json = dict[str, Any]


def _until(look: Callable[[], Any], *, seconds: float = 30.0, every: float = 0.2) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(every)


def _recommend(product: LiveProduct, **query: Any) -> Json:
    answer = httpx.get(
        f"{product.stack.devstore_url}/apps/shelfwise/recommendations", params=query, timeout=10
    )
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def _first_product_with_neighbours(product: LiveProduct) -> tuple[int, Json]:
    shelf = httpx.get(f"{product.stack.devstore_url}/products.json?limit=50").json()["products"]
    for each in shelf:
        answer = _recommend(product, slot="product_page", product_id=each["id"], visitor="followed-by-hand-1")
        if answer["served_by"] == "item_to_item":
            return int(each["id"]), answer
    raise AssertionError("no product has a learnt neighbour")


def test_store_and_app_count_the_same(product: LiveProduct) -> None:
    merchant = product.merchant()

    def differences() -> Json:
        store, ours = merchant.store(f"shops/{product.shop}/counts"), merchant.ask("overview")["data"]
        return {name: (store[name], ours[mine]) for name, mine in COUNTS.items() if store[name] != ours[mine]}

    assert _until(lambda: not differences()), differences()


def test_an_order_is_tied_to_its_exposure_once_and_a_refund_subtracts(product: LiveProduct) -> None:
    _, answer = _first_product_with_neighbours(product)
    chosen = answer["products"][0]
    merchant = product.merchant()

    def totals() -> tuple[int, Decimal]:
        found = merchant.ask("traffic?days=1")["totals"]
        return found["attributed_orders"], Decimal(found["attributed_net_revenue"])

    orders_before, revenue_before = totals()
    line = {"variant_id": chosen["variant_id"], "quantity": 1, "properties": {"_ml_rec": answer["exposure"]}}
    control = f"{product.stack.devstore_url}/_devstore/shops/{product.shop}/orders"
    httpx.post(
        f"{product.stack.devstore_url}/_devstore/faults", json={"webhooks": {"double": 1.0}}
    ).raise_for_status()
    try:
        placed = httpx.post(control, json={"lines": [line]}).raise_for_status().json()
        assert _until(lambda: totals()[0] == orders_before + 1)
        time.sleep(1.0)  # the doubled delivery is in by now
        orders_after, revenue_after = totals()
    finally:
        httpx.post(f"{product.stack.devstore_url}/_devstore/faults", json={"webhooks": {"double": 0}})
    assert orders_after == orders_before + 1
    assert revenue_after - revenue_before == Decimal(chosen["price"])
    order_id = placed.get("order_id") or placed["id"]
    httpx.post(f"{control}/{order_id}/refund", json={}).raise_for_status()
    assert _until(lambda: totals()[1] == revenue_before), totals()


def test_a_forged_exposure_earns_nothing(product: LiveProduct) -> None:
    _, answer = _first_product_with_neighbours(product)
    merchant = product.merchant()
    before = merchant.ask("traffic?days=1")["totals"]["attributed_orders"]
    orders_before = merchant.ask("overview")["data"]["orders"]
    line = {
        "variant_id": answer["products"][0]["variant_id"],
        "quantity": 1,
        "properties": {"_ml_rec": "f" * 22},
    }
    control = f"{product.stack.devstore_url}/_devstore/shops/{product.shop}/orders"
    httpx.post(control, json={"lines": [line]}).raise_for_status()
    assert _until(lambda: merchant.ask("overview")["data"]["orders"] > orders_before)
    assert merchant.ask("traffic?days=1")["totals"]["attributed_orders"] == before


def test_a_sold_out_product_leaves_the_answers(product: LiveProduct) -> None:
    product_id, answer = _first_product_with_neighbours(product)
    chosen = answer["products"][0]
    base = f"{product.stack.devstore_url}/_devstore/shops/{product.shop}"
    httpx.post(f"{base}/products/{chosen['product_id']}", json={"status": "DRAFT"}).raise_for_status()

    def gone() -> bool:
        shown = _recommend(product, slot="product_page", product_id=product_id, limit=24)["products"]
        return chosen["product_id"] not in [each["product_id"] for each in shown]

    assert _until(gone, seconds=15), "an unpublished product is still recommended"


def test_rolling_back_reaches_every_serving_process_within_two_seconds(product: LiveProduct) -> None:
    operator = product.merchant(OPERATOR)
    owner = product.merchant()
    operator.open_app()
    operator.ask("overview")
    member = next(m for m in owner.ask("staff")["members"] if m["user_id"] == OPERATOR)
    assert member["role"] in ("viewer", "operator")
    _grant(owner, OPERATOR, "operator")
    slots = {s["slot"]: s for s in operator.ask("overview")["slots"]}
    before = slots["home"]["version"]
    good = slots["home"]["previous_good"]
    assert before["number"] > good["number"]
    operator.press("slots/home/rollback", expected_version=before["id"], reason="followed in a test")
    pressed = time.monotonic()
    last_old = pressed
    with httpx.Client() as client:
        while time.monotonic() < pressed + 3.0:
            # A fresh connection each time, so that both serving processes are asked.
            answer = client.get(
                f"{product.stack.devstore_url}/apps/shelfwise/recommendations",
                params={"slot": "home"},
                timeout=5,
            )
            assert answer.status_code == 200
            if str(answer.json()["version"]) != str(good["number"]):
                last_old = time.monotonic()
    assert last_old - pressed < 2.0
    entry = owner.ask("audit")["entries"][0]
    assert entry["reason"] == "followed in a test"
    assert str(OPERATOR) in entry["actor"]


def test_a_viewer_may_look_but_not_roll_back(product: LiveProduct) -> None:
    viewer = product.merchant(VIEWER)
    viewer.open_app()
    slots = {s["slot"]: s for s in viewer.ask("overview")["slots"]}
    with pytest.raises(RuntimeError, match="403"):
        viewer.press("slots/cart/rollback", expected_version=slots["cart"]["version"]["id"], reason="no")


def _grant(owner: Merchant, user_id: int, role: str) -> None:
    token = owner.store(f"shops/{owner.shop}/session-token?staff={owner.staff}")["token"]
    httpx.put(
        f"{owner.app_url}/api/staff/{user_id}",
        headers={"Authorization": f"Bearer {token}"},
        json={"role": role},
    ).raise_for_status()


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProduct]:
    """A product of its own, to be killed piece by piece; its Shopify writes slowly, so that a kill strikes in time."""
    with live_product(tmp_path_factory.mktemp("fragile"), orders=3000, seed=11) as found:
        found.merchant().tell_store("faults", bulk={"rows_per_s": 1500}, webhooks={"retry_base_s": 0.5})
        yield found


def test_killed_workers_lose_nothing(fragile: LiveProduct) -> None:
    merchant = fragile.merchant()
    journey = Journey(merchant, Terminal())
    journey.install()

    def orders_came(least: int) -> bool:
        found = merchant.ask("overview")["history_import"]["resources"]
        orders = next((each for each in found if each["resource"] == "orders"), None)
        return bool(orders and orders["done"] > least and orders["state"] == "running")

    assert _until(lambda: orders_came(500), seconds=60, every=0.1)
    _kill(fragile, "worker-long")
    _kill(fragile, "postgres")
    journey.import_history()
    journey.check_counts()

    def training() -> bool:
        return bool(merchant.ask("overview")["training"]["state"] in ("running", "done"))

    assert _until(training, seconds=30, every=0.02)
    _kill(fragile, "worker-long")
    versions = journey.wait_for_version(1)
    assert {each["version"] for each in versions.values()} == {1}


def test_a_killed_postgres_is_a_pause_for_the_admin_and_none_for_the_storefront(fragile: LiveProduct) -> None:
    _recommend(fragile, slot="home")
    _kill(fragile, "postgres")
    paused = _ask_once(fragile)
    assert paused.status_code == 503
    assert paused.json()["error"]["code"] == "try_again"
    assert _recommend(fragile, slot="home")["products"]
    page = httpx.get(fragile.merchant().store(f"shops/{fragile.shop}/open?staff=1001")["url"], timeout=10)
    assert page.status_code in (200, 503)
    began = time.monotonic()
    assert _until(lambda: _ask_once(fragile).status_code == 200, seconds=15)
    assert time.monotonic() - began < 8.0


def test_a_killed_valkey_comes_back_with_what_was_shown(fragile: LiveProduct) -> None:
    shown = [_recommend(fragile, slot="home")["exposure"] for _ in range(5)]
    _kill(fragile, "valkey")
    asked = [_proxy(fragile) for _ in range(40)]
    assert {each.status_code for each in asked} <= {200, 503}
    assert all(each.json()["error"]["code"] for each in asked if each.status_code == 503)
    assert _until(lambda: _proxy(fragile).status_code == 200, seconds=15)
    shown += [_recommend(fragile, slot="home")["exposure"] for _ in range(5)]
    books = Books(fragile.stack, fragile.merchant())
    assert _until(lambda: not books.lost(shown)), f"{books.lost(shown)} of {len(shown)} are not recorded"


def test_orders_arrive_once_whatever_is_killed_meanwhile(fragile: LiveProduct) -> None:
    merchant = fragile.merchant()
    shelf = httpx.get(f"{fragile.stack.devstore_url}/products.json?limit=1").json()["products"]
    variant = shelf[0]["variants"][0]["id"]
    merchant.tell_store(f"shops/{fragile.shop}/variants/{variant}", available=1000)
    before = fragile.supervisor.restarts()
    placed, shown, answers = [], [], Counter[str]()
    for victim in (
        "web",
        "web's child",
        "worker-quick",
        "worker-quick's child",
        "beat",
        "valkey",
        "postgres",
        "devstore",
    ):
        _kill(fragile, victim)
        for _ in range(2):
            exposure = _patiently(lambda: _proxy(fragile)).json()["exposure"]
            line = {"variant_id": variant, "quantity": 1, "properties": {"_ml_rec": exposure}}
            order = merchant.tell_store(f"shops/{fragile.shop}/orders", lines=[line])
            placed.append(order["order_id"])
            shown.append(exposure)
            answers[f"admin {_ask_once(fragile).status_code}"] += 1
    merchant.tell_store("deliveries/flush", wait_s=20)
    Journey(merchant, Terminal()).check_counts()
    books = Books(fragile.stack, merchant)
    books.wait_until_quiet()
    assert books.findings(placed=[], shown=shown, statuses=answers, web_kills=2) == []
    assert books.missing_orders(placed) == []
    after = fragile.supervisor.restarts()
    assert {name for name in after if after[name] > before[name]} == {
        "web",
        "worker-quick",
        "beat",
        "valkey",
        "postgres",
        "devstore",
    }


def _proxy(product: LiveProduct) -> httpx.Response:
    return httpx.get(f"{product.stack.devstore_url}/apps/shelfwise/recommendations?slot=home", timeout=15)


def _patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first good answer, while the local Shopify or the web server is being started again."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = ask()
            if answer.status_code == 200 or time.monotonic() > deadline:
                return answer
        time.sleep(0.1)


def _ask_once(product: LiveProduct) -> httpx.Response:
    """The admin's overview, asked without patience for the app."""
    merchant = product.merchant()
    token = merchant.store(f"shops/{product.shop}/session-token?staff={merchant.staff}")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return httpx.get(f"{product.stack.app_url}/api/overview", headers=headers, timeout=15)
    except httpx.TransportError:
        return httpx.Response(502)


def _kill(product: LiveProduct, victim: str) -> None:
    """Kill a process, one of its children (`web's child`) or a server, without warning, once it is there."""
    pid = _until(lambda: _pid(product, victim))
    assert pid, f"{victim} does not run"
    os.kill(pid, signal.SIGKILL)


def _pid(product: LiveProduct, victim: str) -> int | None:
    name, _, child = victim.partition("'")
    if name in product.stack.private_services:
        return product.stack.embedded.pid(name)
    handle = next(each.handle for each in product.supervisor.processes if each.name == name)
    if handle is None or not child:
        return handle.pid if handle else None
    return next((pid for pid in family_of(handle.pid) if pid != handle.pid), None)
