"""Webhooks as they arrive at the app: signed, retried, and spoilt on request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from devstore.deliveries import only_fields, webhook_hmac
from tests.devstore.listening_app import Answer, ListeningApp, Received
from tests.devstore.running import DOMAIN, OTHER_DOMAIN, SECRET, RunningDevstore, make_shop, running_devstore

FOREVER = {"webhooks": {"retry_base_s": 3600}}


def set_stock(devstore: RunningDevstore, available: int, domain: str = DOMAIN) -> int:
    """Change one variant's stock, which causes inventory_levels/update once and products/update once."""
    variant = devstore.variants(domain)[0]
    response = devstore.control("POST", f"/shops/{domain}/variants/{variant}", {"available": available})
    assert response.status_code == 200, response.text
    return int(response.json()["deliveries"])


def settle(devstore: RunningDevstore) -> dict[str, int]:
    counts: dict[str, int] = devstore.control("POST", "/deliveries/flush", {"wait_s": 10}).json()["counts"]
    return counts


@pytest.mark.parametrize(
    "body, value",
    [
        (b'{"id":1}', "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="),
        (
            b'{"shop_id":954889,"shop_domain":"shop-name.myshopify.com"}',
            "xexMoPw79q/Fx0YL10CmMAHu5yZTcaiZq44gsMSyjIk=",
        ),
    ],
)
def test_the_hmac_is_the_published_one(body: bytes, value: str) -> None:
    assert webhook_hmac("hush", body) == value


def test_an_order_is_told_with_every_header(devstore: RunningDevstore, app: ListeningApp) -> None:
    line = {
        "variant_id": devstore.variants()[0],
        "quantity": 1,
        "properties": {"_ml_rec": "exposure-0000001"},
    }
    order = devstore.control("POST", f"/shops/{DOMAIN}/orders", {"lines": [line]}).json()
    told = app.wait_for("orders/create")[0]
    assert (told.method, told.path, told.query) == ("POST", "/webhooks/shopify", "")
    expected = base64.b64encode(hmac.new(SECRET.encode(), told.body, hashlib.sha256).digest()).decode()
    assert told.headers["x-shopify-hmac-sha256"] == expected
    assert told.headers["x-shopify-shop-domain"] == DOMAIN
    assert told.headers["x-shopify-api-version"] == "2026-10"
    assert told.headers["x-shopify-name"] == "all"
    assert told.headers["content-type"] == "application/json"
    assert len(told.headers["x-shopify-webhook-id"]) == len(told.headers["x-shopify-event-id"]) == 36
    triggered = datetime.fromisoformat(told.headers["x-shopify-triggered-at"])
    assert abs((datetime.now(UTC) - triggered).total_seconds()) < 10
    body = json.loads(told.body)
    assert body["id"] == order["order_id"]
    assert body["line_items"][0]["properties"] == [{"name": "_ml_rec", "value": "exposure-0000001"}]
    app.wait_for("inventory_levels/update")
    assert {change["topic"] for change in order["changes"]} >= {"orders/create", "orders/paid"}


def test_two_subscriptions_of_a_topic_share_the_event_only(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    set_stock(devstore, 5)
    whole, slim = sorted(app.wait_for("products/update", 2), key=lambda request: request.path)
    assert [whole.path, slim.path] == ["/webhooks/shopify", "/webhooks/slim"]
    assert whole.headers["x-shopify-event-id"] == slim.headers["x-shopify-event-id"]
    assert whole.headers["x-shopify-webhook-id"] != slim.headers["x-shopify-webhook-id"]
    assert "x-shopify-name" not in slim.headers
    cut = json.loads(slim.body)
    assert set(cut) == {"id", "variants"}
    assert set(cut["variants"][0]) == {"id", "price"}


def test_dotted_fields_reach_into_lists() -> None:
    body = {"id": 1, "a": {"b": 2, "c": 3}, "list": [{"x": 1, "y": 2}, 7]}
    assert only_fields(body, ["a.c", "list.y", "absent", "absent.too"]) == {
        "a": {"c": 3},
        "list": [{"y": 2}, 7],
    }
    assert only_fields(body, ["a.c", "a"]) == {"a": {"b": 2, "c": 3}}
    assert only_fields(body, []) == body


def test_a_failed_delivery_comes_again_with_body_and_id(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"retry_base_s": 0.05}})
    statuses = iter([500, 302, 404])
    app.answer = lambda request: Answer(
        next(statuses, 200) if request.headers["x-shopify-topic"] == "inventory_levels/update" else 200,
        (("Location", "/elsewhere"),),
    )
    set_stock(devstore, 6)
    attempts = app.wait_for("inventory_levels/update", 4)
    assert settle(devstore)["pending"] == 0
    assert len({request.body for request in attempts}) == 1
    assert len({request.headers["x-shopify-webhook-id"] for request in attempts}) == 1
    assert all(request.path == "/webhooks/shopify" for request in app.received if request.method == "GET")
    gaps = [later.at - earlier.at for earlier, later in pairwise(attempts)]
    assert gaps[0] >= 0.05
    assert gaps[1] >= 0.1
    assert gaps[2] >= 0.2


def test_after_eight_retries_it_has_failed(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"retry_base_s": 0.001}})
    app.answer = lambda _: Answer(500)
    devstore.control("POST", f"/shops/{DOMAIN}/themes/publish")
    app.wait_for("themes/publish", 9)
    until = time.monotonic() + 5
    while not (failed := devstore.control("GET", "/deliveries?state=failed").json()["deliveries"]):
        assert time.monotonic() < until
    assert (failed[0]["attempts"], failed[0]["last_status"]) == (9, 500)
    assert len(app.of_topic("themes/publish")) == 9


def test_a_silent_app_is_given_up_after_five_seconds(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults(FOREVER)
    app.answer = lambda _: Answer(after_s=5.6)
    devstore.control("POST", f"/shops/{DOMAIN}/themes/publish")
    sent = time.monotonic()
    while (row := devstore.control("GET", "/deliveries").json()["deliveries"][0])["attempts"] == 0:
        assert time.monotonic() < sent + 8
        time.sleep(0.05)
    assert 4.5 < time.monotonic() - sent < 5.5
    assert (row["state"], row["last_status"]) == ("pending", None)
    assert "5 s" in row["last_error"]


def test_a_shop_without_the_app_is_not_told_of(devstore: RunningDevstore, app: ListeningApp) -> None:
    assert set_stock(devstore, 3, OTHER_DOMAIN) == 0
    assert settle(devstore) == {"pending": 0, "delivered": 0, "failed": 0, "dropped": 0}
    assert app.received == []


def test_a_topic_needs_its_scope(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.grant(DOMAIN, frozenset({"read_products"}))
    app.wait_for("app/scopes_update")
    set_stock(devstore, 7)
    app.wait_for("products/update", 2)
    settle(devstore)
    assert app.of_topic("inventory_levels/update") == []
    told = json.loads(app.of_topic("app/scopes_update")[0].body)
    assert told["current"] == ["read_products"]
    assert "read_orders" in told["previous"]


def test_uninstalling_is_told_and_redaction_called_off_by_a_reinstall(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    devstore.control("POST", f"/shops/{DOMAIN}/uninstall", {"redact_after_s": 3600})
    assert json.loads(app.wait_for("app/uninstalled")[0].body)["myshopify_domain"] == DOMAIN
    again = devstore.control("POST", f"/shops/{DOMAIN}/uninstall")
    assert again.status_code == 409
    waiting = devstore.control("GET", "/deliveries?topic=shop/redact").json()["deliveries"]
    assert [row["state"] for row in waiting] == ["pending"]
    devstore.control("POST", f"/shops/{DOMAIN}/install")
    waiting = devstore.control("GET", "/deliveries?topic=shop/redact").json()["deliveries"]
    assert [row["state"] for row in waiting] == ["dropped"]
    assert app.of_topic("shop/redact") == []


def test_redaction_comes_after_its_delay(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.control("POST", f"/shops/{DOMAIN}/uninstall", {"redact_after_s": 0.2})
    told = app.wait_for("shop/redact")[0]
    assert told.at - app.wait_for("app/uninstalled")[0].at > 0.1
    assert told.path == "/webhooks/compliance"
    assert json.loads(told.body)["shop_domain"] == DOMAIN


def test_dropped_and_doubled_deliveries(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"drop": 1}})
    set_stock(devstore, 8)
    assert settle(devstore) == {"pending": 0, "delivered": 0, "failed": 0, "dropped": 3}
    assert app.received == []
    devstore.platform.set_faults({"webhooks": {"drop": 0, "double": 1}})
    set_stock(devstore, 9)
    twice = app.wait_for("inventory_levels/update", 2)
    assert len({request.headers["x-shopify-webhook-id"] for request in twice}) == 1
    assert settle(devstore)["delivered"] == 6


def test_the_same_seed_drops_the_same(devstore: RunningDevstore) -> None:
    def dropped() -> list[str]:
        devstore.platform.set_faults({"webhooks": {"drop": 0.5}, "seed": 42})
        devstore.platform.ledger.execute("DELETE FROM deliveries")
        for available in range(20, 30):
            set_stock(devstore, available)
        settle(devstore)
        rows = devstore.control("GET", "/deliveries").json()["deliveries"]
        return [row["state"] for row in rows]

    first = dropped()
    assert first == dropped()
    assert 5 < first.count("dropped") < 25


def test_a_late_one_is_passed_and_flushed(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"delay_rate": 1, "delay_s": 3600}})
    set_stock(devstore, 11)
    devstore.platform.set_faults(None)
    set_stock(devstore, 12)
    app.wait_for("inventory_levels/update")
    assert settle(devstore)["pending"] == 0
    values = [json.loads(request.body)["available"] for request in app.of_topic("inventory_levels/update")]
    assert values == [12, 11]


def test_reordering_changes_the_order_of_arrival(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"reorder": 1, "reorder_window_s": 0.5}})
    for available in range(40, 60):
        set_stock(devstore, available)
    told = app.wait_for("inventory_levels/update", 20)
    values = [json.loads(request.body)["available"] for request in told]
    assert sorted(values) == list(range(40, 60))
    assert values != sorted(values)


def test_the_headers_of_events_on_request(devstore: RunningDevstore, app: ListeningApp) -> None:
    devstore.platform.set_faults({"webhooks": {"new_headers": True}})
    devstore.control("POST", f"/shops/{DOMAIN}/themes/publish")
    assert settle(devstore)["delivered"] == 1
    told = app.received[0]
    assert told.headers["shopify-topic"] == "themes/publish"
    assert {"shopify-hmac-sha256", "shopify-shop-domain", "shopify-webhook-id"} <= set(told.headers)
    assert not any(name.startswith("x-shopify-") for name in told.headers)


def test_a_shop_specific_subscription_is_deleted_when_it_fails(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    platform = devstore.platform
    platform.set_faults({"webhooks": {"retry_base_s": 0.001}})
    good = platform.subscriptions.create(DOMAIN, "themes/publish", f"{app.url}/good", now=0)
    bad = platform.subscriptions.create(DOMAIN, "themes/publish", f"{app.url}/bad", now=0)
    with pytest.raises(ValueError, match="already been taken"):
        platform.subscriptions.create(DOMAIN, "themes/publish", f"{app.url}/bad", now=0)

    def answer(request: Received) -> Answer:
        return Answer(500 if request.path == "/bad" else 200)

    app.answer = answer
    devstore.control("POST", f"/shops/{DOMAIN}/themes/publish")
    assert settle(devstore)["failed"] == 1
    assert platform.subscriptions.of_shop(DOMAIN) == [good]
    assert platform.subscriptions.get(DOMAIN, bad.id) is None
    assert sorted({request.path for request in app.received}) == ["/bad", "/good", "/webhooks/shopify"]


def test_what_was_pending_is_sent_by_the_next_run(tmp_path: Path, app: ListeningApp) -> None:
    make_shop(tmp_path).close()
    with running_devstore(tmp_path, application_url="http://127.0.0.1:9") as first:
        first.platform.install(DOMAIN)
        first.platform.set_faults(FOREVER)
        first.control("POST", f"/shops/{DOMAIN}/themes/publish")
        until = time.monotonic() + 5
        while first.control("GET", "/deliveries").json()["deliveries"][0]["attempts"] == 0:
            assert time.monotonic() < until
        first.platform.ledger.execute("UPDATE deliveries SET uri = ?", (f"{app.url}/webhooks/shopify",))
    assert app.received == []
    with running_devstore(tmp_path, application_url=app.url) as second:
        assert second.platform.installs.active(DOMAIN) is not None
        assert second.platform.faults.webhooks.retry_base_s == 3600
        assert settle(second)["delivered"] == 1
    assert len(app.of_topic("themes/publish")) == 1


def test_a_burst_is_delivered_whole_and_in_parallel(devstore: RunningDevstore, app: ListeningApp) -> None:
    app.answer = lambda _: Answer(after_s=0.05)
    store = devstore.platform.store(DOMAIN)
    body = {"id": 1}
    for _ in range(96):
        devstore.platform.send(store.domain, "shop/update", body)
    began = time.monotonic()
    app.wait_for("shop/update", 96, seconds=10)
    assert time.monotonic() - began < 96 * 0.05 / 3  # one after another would take 4.8 s
    assert settle(devstore)["delivered"] == 96


def test_a_ledger_that_fails_for_a_while_loses_nothing(devstore: RunningDevstore, app: ListeningApp) -> None:
    ledger = devstore.platform.ledger
    app.answer = lambda _: Answer(after_s=0.3)
    devstore.platform.send(DOMAIN, "shop/update", {"id": 1})
    app.wait_for("shop/update")
    ledger.execute("ALTER TABLE deliveries RENAME TO elsewhere")  # the outcome cannot be written down
    time.sleep(0.6)
    ledger.execute("ALTER TABLE elsewhere RENAME TO deliveries")
    app.wait_for("shop/update", 2)
    assert settle(devstore)["delivered"] == 1
