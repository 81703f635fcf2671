"""Signatures against published vectors, and against the queries that an attacker would try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from shopify_app.verify.deliveries import Delivery, read_headers, signature_header
from shopify_app.verify.shop_domain import shop_domain
from shopify_app.verify.signatures import QueryCode, proxy_message, verify_oauth, verify_proxy, webhook_ok

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())
SECRET = VECTORS["secret"]
THEN = datetime.fromtimestamp(1317327555, UTC)


def signed(params: list[tuple[str, str]], secret: str = SECRET) -> str:
    grouped: dict[str, list[str]] = {}
    for key, value in params:
        grouped.setdefault(key, []).append(value)
    digest = hmac.new(secret.encode(), proxy_message(grouped).encode(), hashlib.sha256).hexdigest()
    return urlencode([*params, ("signature", digest)])


GOOD = [
    ("shop", "a.myshopify.com"),
    ("timestamp", "1317327555"),
    ("logged_in_customer_id", ""),
    ("path_prefix", "/apps/s"),
]


@pytest.mark.parametrize("vector", VECTORS["webhooks"])
def test_published_webhook_signatures_pass_and_altered_ones_do_not(vector: dict[str, str]) -> None:
    body, header = vector["body"].encode(), vector["header"]
    assert webhook_ok(body, header, [SECRET])
    assert webhook_ok(body, header, ["new", SECRET]), "the previous secret still counts during a rotation"
    assert not webhook_ok(body + b" ", header, [SECRET])
    assert not webhook_ok(body, header, ["other"])
    assert not webhook_ok(body, header.lower(), [SECRET])


@pytest.mark.parametrize("header", [None, "", "invalid-hmac", "é", "====", "VnKUjZsL"])
def test_an_absent_or_garbled_webhook_signature_is_refused(header: str | None) -> None:
    assert not webhook_ok(b"{}", header, [SECRET])


def test_an_empty_webhook_body_is_refused_even_when_signed() -> None:
    header = base64.b64encode(hmac.digest(SECRET.encode(), b"", "sha256")).decode()
    assert not webhook_ok(b"", header, [SECRET])


@pytest.mark.parametrize("vector", VECTORS["proxy"])
def test_published_proxy_signatures_pass(vector: dict[str, Any]) -> None:
    verdict = verify_proxy(f"{vector['query']}&signature={vector['signature']}", [SECRET], THEN)
    assert verdict.ok
    assert verdict.shop == "shop-name.myshopify.com"
    assert verdict.customer_id == vector["customer_id"]
    assert verdict.path_prefix == "/apps/awesome_reviews"
    assert verdict.params["extra"] == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (urlencode(GOOD), QueryCode.NO_SIGNATURE),
        (urlencode([*GOOD, ("signature", "invalid-signature")]), QueryCode.BAD_SIGNATURE),
        (signed(GOOD, "other"), QueryCode.BAD_SIGNATURE),
        (signed(GOOD) + "&limit=3", QueryCode.BAD_SIGNATURE),
        (signed(GOOD) + "&shop=b.myshopify.com", QueryCode.DUPLICATED),
        (signed([*GOOD, ("shop", "b.myshopify.com")]), QueryCode.DUPLICATED),
        (signed([*GOOD, ("timestamp", "1")]), QueryCode.DUPLICATED),
        (signed(GOOD) + "&signature=1", QueryCode.DUPLICATED),
        (signed([GOOD[0], *GOOD[2:]]), QueryCode.BAD_TIMESTAMP),
        (signed([GOOD[0], ("timestamp", "1317327555.0")]), QueryCode.BAD_TIMESTAMP),
        (signed([GOOD[0], ("timestamp", "1317327464")]), QueryCode.STALE),
        (signed([GOOD[0], ("timestamp", "1317327646")]), QueryCode.STALE),
        (signed([("shop", "a.myshopify.com.evil.tld"), GOOD[1]]), QueryCode.BAD_SHOP),
        (signed([GOOD[1]]), QueryCode.BAD_SHOP),
        (signed([*GOOD[:2], ("logged_in_customer_id", "1 or 1=1")]), QueryCode.BAD_CUSTOMER),
        (signed(GOOD) + "&x=%ff", QueryCode.MALFORMED),
        ("a=1&" * 300, QueryCode.MALFORMED),
        ("x=" + "a" * 9000, QueryCode.MALFORMED),
        ("", QueryCode.NO_SIGNATURE),
    ],
)
def test_hostile_proxy_queries_are_refused_by_name(query: str, code: QueryCode) -> None:
    verdict = verify_proxy(query, [SECRET], THEN)
    assert (verdict.ok, verdict.code) == (False, code)
    assert (verdict.shop, verdict.params) == ("", {}), "a refused query tells nothing"


def test_the_edges_of_the_time_window_pass() -> None:
    for moment in ("1317327465", "1317327645"):
        assert verify_proxy(signed([GOOD[0], ("timestamp", moment)]), [SECRET], THEN).ok


@pytest.mark.parametrize("vector", VECTORS["oauth"])
def test_the_published_oauth_signature_passes_and_altered_ones_do_not(vector: dict[str, str]) -> None:
    then = datetime.fromtimestamp(1337178173 + 30, UTC)
    query = f"{vector['query']}&hmac={vector['hmac']}"
    verdict = verify_oauth(query, [SECRET], then)
    assert (verdict.ok, verdict.shop) == (True, vector["shop"])
    assert verify_oauth(query + "&shop=x.myshopify.com", [SECRET], then).code == QueryCode.DUPLICATED
    assert verify_oauth(query + "&host=x", [SECRET], then).code == QueryCode.BAD_SIGNATURE
    assert verify_oauth(vector["query"], [SECRET], then).code == QueryCode.NO_SIGNATURE
    assert verify_oauth(query, [SECRET], datetime.fromtimestamp(1337178173 + 91, UTC)).code == QueryCode.STALE


@pytest.mark.parametrize(
    "text",
    [None, "", "a.myshopify.com\n", "a.myshopify.com.evil.tld", "evil.tld/a.myshopify.com", "-a.myshopify.com", "a b.myshopify.com",
     "https://a.myshopify.com", "a.myshopify.com:80", "a_b.myshopify.com", ".myshopify.com", "ａ.myshopify.com"],
)  # fmt: skip
def test_only_a_bare_permanent_domain_names_a_shop(text: str | None) -> None:
    assert shop_domain(text) is None


def test_a_domain_is_read_without_regard_to_case() -> None:
    assert shop_domain("Birch-And-Co.myshopify.com") == "birch-and-co.myshopify.com"


@pytest.mark.parametrize("prefix", ["x-shopify-", "shopify-"])
def test_both_spellings_of_delivery_headers_are_read(prefix: str) -> None:
    headers = {
        f"{prefix}topic": "orders/create",
        f"{prefix}hmac-sha256": "abc",
        f"{prefix}shop-domain": "a.myshopify.com",
        f"{prefix}webhook-id": "b54557e4-bdd9",
        f"{prefix}triggered-at": "2026-11-20T10:00:00Z",
    }
    found = read_headers(headers)
    assert isinstance(found, Delivery)
    assert (found.topic, found.shop, found.webhook_id) == (
        "orders/create",
        "a.myshopify.com",
        "b54557e4-bdd9",
    )
    assert signature_header(headers) == "abc"
    for name in ("topic", "shop-domain", "webhook-id"):
        assert read_headers({**headers, prefix + name: "no good!"}) == prefix + name
