"""The control calls: each does what it says, and says why when it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstore.config import ConfigError, load_app
from tests.devstore.listening_app import ListeningApp
from tests.devstore.running import (
    APP_TOML,
    CUSTOMER_ID,
    DOMAIN,
    OTHER_DOMAIN,
    SECRET,
    RunningDevstore,
    make_shop,
)


def test_shops_are_listed_the_first_made_first(devstore: RunningDevstore) -> None:
    shops = devstore.control("GET", "/shops").json()["shops"]
    assert [(shop["domain"], shop["installed"]) for shop in shops] == [(DOMAIN, True), (OTHER_DOMAIN, False)]
    assert shops[0]["staff"][0]["name"] == "Olivia Owner"
    assert devstore.control("GET", "/health").json()["status"] == "ok"


def test_a_shop_made_while_the_server_runs_is_found(devstore: RunningDevstore) -> None:
    domain = "late.myshopify.com"
    assert devstore.control("GET", f"/shops/{domain}/counts").status_code == 404
    folder = devstore.platform.config.data
    make_shop(folder, domain, products=2).close()
    try:
        assert devstore.control("GET", f"/shops/{domain}/counts").json()["products"] == 2
        make_shop(folder, domain, products=3).close()  # replaced under the running server
        assert devstore.control("GET", f"/shops/{domain}/counts").json()["products"] == 3
    finally:
        for path in folder.glob(f"{domain}*"):
            path.unlink()
    assert devstore.control("GET", f"/shops/{domain}/counts").status_code == 404


def test_an_order_is_placed_refunded_and_another_cancelled(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    variant = devstore.variants()[1]
    devstore.control("POST", f"/shops/{DOMAIN}/variants/{variant}", {"available": 10})
    before = devstore.control("GET", f"/shops/{DOMAIN}/counts").json()
    body = {"lines": [{"variant_id": variant, "quantity": 2}], "attributes": {"_ml_visitor": "v" * 8}}
    first = devstore.control("POST", f"/shops/{DOMAIN}/orders", {**body, "customer_id": CUSTOMER_ID}).json()
    second = devstore.control("POST", f"/shops/{DOMAIN}/orders", {**body, "test": True}).json()
    after = devstore.control("GET", f"/shops/{DOMAIN}/counts").json()
    assert (after["orders"], after["lines"]) == (before["orders"] + 2, before["lines"] + 2)

    refund = devstore.control("POST", f"/shops/{DOMAIN}/orders/{first['order_id']}/refund", {}).json()
    assert "refunds/create" in {change["topic"] for change in refund["changes"]}
    cancel = devstore.control("POST", f"/shops/{DOMAIN}/orders/{second['order_id']}/cancel", {})
    assert "orders/cancelled" in {change["topic"] for change in cancel.json()["changes"]}
    app.wait_for("refunds/create")
    app.wait_for("orders/cancelled")
    assert devstore.control("GET", f"/shops/{DOMAIN}/counts").json()["refunds"] == before["refunds"] + 2


def test_a_product_lives_and_dies(devstore: RunningDevstore, app: ListeningApp) -> None:
    made = devstore.control("POST", f"/shops/{DOMAIN}/products", {"title": "Soap", "price": 3}).json()
    path = f"/shops/{DOMAIN}/products/{made['product_id']}"
    assert devstore.control("POST", path, {"status": "DRAFT", "title": "Old soap"}).json()["changes"]
    assert devstore.control("DELETE", path).status_code == 200
    assert devstore.control("DELETE", path).status_code == 404
    app.wait_for("products/create")
    app.wait_for("products/delete")


def test_privacy_requests_are_sent_even_to_an_uninstalled_app(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    devstore.platform.uninstall(DOMAIN)
    body = {"topic": "customers/redact", "customer_id": CUSTOMER_ID}
    assert devstore.control("POST", f"/shops/{DOMAIN}/compliance", body).json()["deliveries"] == 1
    told = app.wait_for("customers/redact")[0]
    assert told.path == "/webhooks/compliance"
    assert (
        devstore.control("POST", f"/shops/{DOMAIN}/compliance", {"topic": "orders/create"}).status_code == 400
    )


def test_opening_the_app_installs_it_and_a_token_alone_does_not(devstore: RunningDevstore) -> None:
    assert devstore.control("GET", f"/shops/{OTHER_DOMAIN}/session-token").status_code == 200
    assert devstore.control("GET", f"/shops/{OTHER_DOMAIN}/open?install=0").status_code == 200
    assert devstore.platform.installs.active(OTHER_DOMAIN) is None
    opened = devstore.control("GET", f"/shops/{OTHER_DOMAIN}/open?staff=1002").json()
    assert opened["id_token"] in opened["url"]
    assert devstore.platform.installs.active(OTHER_DOMAIN) is not None


def test_an_optional_scope_is_granted_and_stays(devstore: RunningDevstore, app: ListeningApp) -> None:
    path = f"/shops/{DOMAIN}/install"
    assert devstore.control("POST", path, {"optional_scopes": ["write_orders"]}).status_code == 422
    assert (
        "write_discounts"
        in devstore.control("POST", path, {"optional_scopes": ["write_discounts"]}).json()["scopes"]
    )
    devstore.control("GET", f"/shops/{DOMAIN}/open")
    install = devstore.platform.installs.active(DOMAIN)
    assert install is not None
    assert "write_discounts" in install.scopes
    app.wait_for("app/scopes_update")


@pytest.mark.parametrize(
    "method, path, body, status, word",
    [
        ("GET", "/shops/nowhere.myshopify.com/counts", None, 404, "nowhere"),
        ("GET", "/shops/..%2f..%2fetc/counts", None, 404, ""),
        ("GET", f"/shops/{DOMAIN}/session-token?staff=99", None, 404, "99"),
        ("GET", f"/shops/{DOMAIN}/session-token?staff=x", None, 400, "staff"),
        ("GET", f"/shops/{DOMAIN}/open?path=evil", None, 400, "path"),
        ("POST", f"/shops/{DOMAIN}/orders", {}, 400, "lines"),
        ("POST", f"/shops/{DOMAIN}/orders", {"lines": []}, 400, "lines"),
        ("POST", f"/shops/{DOMAIN}/orders", {"lines": [{"variant_id": 1}]}, 404, "variant"),
        ("POST", f"/shops/{DOMAIN}/orders", {"lines": [{}]}, 422, "variant_id"),
        ("POST", f"/shops/{DOMAIN}/orders", {"lines": [{}], "atributes": []}, 400, "atributes"),
        ("POST", f"/shops/{DOMAIN}/orders/1/refund", {}, 404, "order"),
        ("POST", f"/shops/{DOMAIN}/orders/1/refund", {"lines": {"a": 1}}, 400, "lines"),
        ("POST", f"/shops/{DOMAIN}/variants/1", {"available": 1}, 404, "variant"),
        ("POST", f"/shops/{DOMAIN}/variants/{10**30}", {"available": 1}, 400, "large"),
        (
            "POST",
            f"/shops/{DOMAIN}/orders",
            {"lines": [{"variant_id": 1}], "customer_id": 10**30},
            400,
            "large",
        ),
        ("POST", f"/shops/{DOMAIN}/variants/1", {}, 400, "available"),
        ("POST", f"/shops/{DOMAIN}/variants/1", {"available": "many"}, 400, "available"),
        ("POST", f"/shops/{DOMAIN}/products/1", {"status": True}, 400, "status"),
        ("POST", f"/shops/{DOMAIN}", {"colour": "red"}, 422, "colour"),
        ("POST", f"/shops/{DOMAIN}/uninstall", {"redact_after_s": -1}, 400, "redact_after_s"),
        ("POST", "/faults", {"webhook": {}}, 400, "webhook"),
        ("POST", "/faults", {"webhooks": {"dorp": 1}}, 400, "dorp"),
        ("POST", "/faults", {"webhooks": {"drop": 1.5}}, 400, "between 0 and 1"),
        ("POST", "/faults", {"bulk": {"fail_at_line": 1.5}}, 400, "whole"),
        ("POST", "/faults", {"webhooks": {"new_headers": 1}}, 400, "true or false"),
        ("POST", "/faults", {"seed": "x"}, 400, "seed"),
        ("GET", "/deliveries?state=lost", None, 400, "state"),
    ],
)
def test_a_wrong_call_is_refused_with_its_reason(
    devstore: RunningDevstore, method: str, path: str, body: Any, status: int, word: str
) -> None:
    response = devstore.control(method, path, body)
    assert response.status_code == status, response.text
    if word:
        assert word in response.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(devstore: RunningDevstore, body: bytes) -> None:
    response = devstore.client.post("/_devstore/faults", content=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_faults_merge_and_clear(devstore: RunningDevstore) -> None:
    devstore.control("POST", "/faults", {"api": {"error_rate": 0.5}, "seed": 9})
    now = devstore.control("POST", "/faults", {"bulk": {"fail_at_line": 10}, "api": {"slow_s": 1}}).json()
    assert (now["api"]["slow_s"], now["api"]["error_rate"], now["api"]["throttle_rate"]) == (1, 0.5, 0)
    assert (now["bulk"]["fail_at_line"], now["seed"]) == (10, 9)
    assert (
        devstore.control("POST", "/faults", {"bulk": {"fail_at_line": None}}).json()["bulk"]["fail_at_line"]
        is None
    )
    refused = devstore.control("POST", "/faults", {"api": {"slow_s": 3}, "webhooks": {"drop": 7}})
    assert refused.status_code == 400
    assert devstore.control("GET", "/faults").json()["api"]["slow_s"] == 1
    assert devstore.control("DELETE", "/faults").json()["api"]["error_rate"] == 0


def test_stats_add_up(devstore: RunningDevstore) -> None:
    stats = devstore.platform.stats
    stats.clear()
    for now, requested, actual, available in ((100.0, 50, 40, 1960.0), (110.0, 10, 10, 1990.0)):
        stats.record(
            DOMAIN,
            now=now,
            requested=requested,
            actual=actual,
            available=available,
            maximum=2000,
            restore_rate=100,
        )
    told = devstore.control("GET", "/stats").json()["shops"][DOMAIN]
    assert (told["graphql_calls"], told["throttled"]) == (2, 0)
    assert (told["requested_points"], told["actual_points"], told["minimum_available"]) == (60, 50, 1960)
    assert told["budget_share"] == pytest.approx(50 / 3000, abs=1e-6)


@pytest.mark.parametrize(
    "old, new, word",
    [
        ('uri = "/webhooks/shopify"', 'uri = "pubsub://a:b"', "pubsub"),
        ('"orders/create"', '"orders/created"', "orders/created"),
        ('"orders/create"', '"shop/redact"', "compliance_topics"),
        ('["products/update"]', '["collections/update", "collections/update"]', "twice"),
        ("read_products,", "", "read_products"),
        (",write_app_proxy", "", "write_app_proxy"),
        ('prefix = "apps"', 'prefix = "app"', "prefix"),
        ('subpath = "shelfwise"', 'subpath = "admin"', "subpath"),
        ("embedded = true", 'embedded = "yes"', "embedded"),
        ("read_orders,", "orders:read,", "orders:read"),
        ('name = "all"', 'name = "all of them"', "name"),
        ('api_version = "2026-10"', 'api_version = "2026-11"', "api_version"),
        ('"https://shelfwise.example.com"', '"shelfwise.example.com"', "application_url"),
        ("[auth]", "[auth", "TOML"),
        ('["customers/data_request"', '["shop/redact", "customers/data_request"', "twice"),
    ],
)
def test_a_configuration_that_shopify_would_refuse(tmp_path: Path, old: str, new: str, word: str) -> None:
    path = tmp_path / "shopify.app.toml"
    assert old in APP_TOML
    path.write_text(APP_TOML.replace(old, new, 1))
    with pytest.raises(ConfigError, match=word):
        load_app(path, client_secret=SECRET)


def test_overrides_move_every_address(tmp_path: Path) -> None:
    path = tmp_path / "shopify.app.toml"
    path.write_text(APP_TOML)
    app = load_app(path, client_secret=SECRET, client_id="other", application_url="http://127.0.0.1:8000/")
    assert (app.client_id, app.application_url) == ("other", "http://127.0.0.1:8000")
    assert app.redirect_urls == ("http://127.0.0.1:8000/auth/callback",)
    assert app.proxy is not None
    assert app.proxy.url == "http://127.0.0.1:8000/proxy"
    assert {entry.uri for entry in app.subscriptions} == {
        "http://127.0.0.1:8000/webhooks/shopify",
        "http://127.0.0.1:8000/webhooks/slim",
        "http://127.0.0.1:8000/webhooks/compliance",
    }
    with pytest.raises(ConfigError, match="client-secret"):
        load_app(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_app(tmp_path / "absent.toml", client_secret=SECRET)


def test_the_command_starts_and_stops_quickly(tmp_path: Path) -> None:
    make_shop(tmp_path).close()
    toml = tmp_path / "shopify.app.toml"
    toml.write_text(APP_TOML)
    command = [sys.executable, "-m", "devstore", "serve", "--port", "0", "--data", str(tmp_path)]
    command += ["--app-toml", str(toml), "--client-secret", SECRET, "--app-url", "http://127.0.0.1:9"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split()[-1]
        assert httpx.get(f"{url}/_devstore/health", trust_env=False).json()["shops"] == 1
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - began < 3
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_the_stores_own_rows_tell_all_that_an_app_may_know(devstore: RunningDevstore) -> None:
    of_shop = f"/shops/{DOMAIN}"
    customer = devstore.control("POST", f"{of_shop}/customers", {"email": "new@example.com"}).json()[
        "customer_id"
    ]
    variant = devstore.variants()[1]
    devstore.control("POST", f"{of_shop}/variants/{variant}", {"available": 10})
    body = {"lines": [{"variant_id": variant, "quantity": 3}], "customer_id": customer}
    placed = devstore.control("POST", f"{of_shop}/orders", body).json()["order_id"]

    def rows(table: str, after: int = 0) -> list[dict[str, Any]]:
        told = devstore.control("GET", f"{of_shop}/rows/{table}?after={after}").json()
        return [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]

    line = next(row for row in rows("order_lines") if row["order_id"] == placed)
    edited = devstore.control("POST", f"{of_shop}/orders/{placed}/edit", {"lines": {str(line["id"]): 1}})
    assert "orders/edited" in {each["topic"] for each in edited.json()["changes"]}
    assert rows("order_lines", after=line["id"] - 1)[0]["current_quantity"] == 1
    assert rows("orders", after=placed - 1)[0]["customer_id"] == customer
    assert {"id": customer} in rows("customers")
    assert devstore.control("DELETE", f"{of_shop}/orders/{placed}").status_code == 200
    assert rows("orders", after=placed - 1) == []
    for table in ("orders", "order_lines", "refunds", "products", "variants", "collections", "customers"):
        assert (
            len(rows(table))
            == devstore.control("GET", f"{of_shop}/counts").json()[table.removeprefix("order_")]
        )
    assert devstore.control("GET", f"{of_shop}/rows/staff").status_code == 404
    assert (
        devstore.control("POST", f"{of_shop}/orders", {**body, "presentment_currency": "XXX"}).status_code
        == 422
    )
