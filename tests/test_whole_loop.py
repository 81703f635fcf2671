"""The product's main job, end to end, over HTTP: from install to the order that a recommendation led to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopify_app.local.journey import COUNTS, Journey
from shopify_app.local.merchant import Merchant
from shopify_app.local.processes import Supervisor
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


@pytest.fixture
def slow_import(tmp_path: Path) -> Any:
    with live_product(tmp_path, orders=3000, seed=11) as found:
        faults = {"bulk": {"rows_per_s": 1500}}
        httpx.post(f"{found.stack.devstore_url}/_devstore/faults", json=faults).raise_for_status()
        yield found


def test_killed_workers_lose_nothing(slow_import: LiveProduct) -> None:
    merchant = slow_import.merchant()
    journey = Journey(merchant, Terminal())
    journey.install()

    def midway() -> bool:
        orders = next(
            (r for r in merchant.ask("overview")["history_import"]["resources"] if r["resource"] == "orders"),
            None,
        )
        return bool(orders and orders["done"] > 500 and orders["state"] == "running")

    assert _until(midway, seconds=60, every=0.1), merchant.ask("overview")["history_import"]
    _kill(slow_import.supervisor, "worker-long")
    journey.import_history()
    journey.check_counts()

    def training() -> bool:
        return bool(merchant.ask("overview")["training"]["state"] in ("running", "done"))

    assert _until(training, seconds=30, every=0.02)
    _kill(slow_import.supervisor, "worker-long")
    versions = journey.wait_for_version(1)
    assert {each["version"] for each in versions.values()} == {1}


def _kill(supervisor: Supervisor, name: str) -> None:
    process = next(p for p in supervisor.processes if p.name == name)
    assert process.handle is not None
    os.killpg(process.handle.pid, signal.SIGKILL)
