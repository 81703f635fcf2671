"""The app proxy as the app sees it: signed over everything, nothing of the buyer's cookies, nothing forged."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from devstore.proxy import proxy_message, signed_query
from tests.devstore.listening_app import Answer, ListeningApp, Received
from tests.devstore.running import (
    CUSTOMER_ID,
    DOMAIN,
    OTHER_DOMAIN,
    PROXY_PREFIX,
    SECRET,
    RunningDevstore,
    make_shop,
    running_devstore,
)

STOREFRONT = "birch-and-co.localhost:9292"


def expected_signature(query: str) -> str:
    """Written again from Shopify's text, for the test alone."""
    values: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        values.setdefault(key, []).append(value)
    values.pop("signature", None)
    message = "".join(sorted(f"{key}={','.join(found)}" for key, found in values.items()))
    return hmac.new(SECRET.encode(), message.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def forwarded(devstore: RunningDevstore, app: ListeningApp, path: str, **more: object) -> Received:
    headers = {"Host": STOREFRONT, **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
    method = str(more.pop("method", "GET"))
    response = devstore.client.request(method, PROXY_PREFIX + path, headers=headers, **more)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    return app.received[-1]


@pytest.mark.parametrize(
    "customer, digest",
    [
        ("1", "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb"),
        ("", "e072b6d7e6622d85912a5214b860d3100dc1e73d9bc29f43796ac8c9ff8093cb"),
    ],
)
def test_the_signature_is_the_published_one(customer: str, digest: str) -> None:
    query = signed_query(
        b"extra=1&extra=2",
        shop="shop-name.myshopify.com",
        customer_id=customer,
        path_prefix="/apps/awesome_reviews",
        timestamp=1317327555,
        secret="hush",
    )
    assert query.decode() == (
        "extra=1&extra=2&shop=shop-name.myshopify.com&logged_in_customer_id=" + customer +
        "&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555&signature=" + digest
    )  # fmt: skip


def test_the_message_is_sorted_and_joined_without_a_sign() -> None:
    assert proxy_message(b"b=2&a=1&b=3&signature=x&c=") == b"a=1b=2,3c="
    assert proxy_message(b"a+b=c%2Cd&%61=%26") == b"a b=c,da=&"


def test_the_app_is_told_who_asks(devstore: RunningDevstore, app: ListeningApp) -> None:
    seen = forwarded(devstore, app, "/recommendations?slot=cart&cart=1,2&empty=")
    given = dict(parse_qsl(seen.query, keep_blank_values=True))
    assert seen.path == "/proxy/recommendations"
    assert seen.query.startswith("slot=cart&cart=1,2&empty=&shop=")
    assert (given["shop"], given["path_prefix"]) == (DOMAIN, PROXY_PREFIX)
    assert given["logged_in_customer_id"] == ""
    assert abs(int(given["timestamp"]) - time.time()) < 5
    assert given["signature"] == expected_signature(seen.query)
    assert seen.headers["x-forwarded-host"] == STOREFRONT
    assert seen.headers["x-forwarded-for"] == "127.0.0.1"
    assert seen.headers["host"] == urlsplit(app.url).netloc


@pytest.mark.parametrize(
    "query",
    [
        "a=1&a=2&b=",
        "q=%E2%82%AC+%2B%26%3D&q=x",
        "bad=%FF%FE&%zz=1&lonely&&x=1=2",
        "shop=evil.myshopify.com&logged_in_customer_id=7&path_prefix=/x&timestamp=1&signature=00",
        "sh%6Fp=evil.myshopify.com&signatur%65=00&a=1",
        "",
    ],
)
def test_any_query_is_signed_and_forgeries_are_gone(
    devstore: RunningDevstore, app: ListeningApp, query: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(devstore.url).netloc, timeout=5)
    connection.request("GET", f"{PROXY_PREFIX}/x?{query}", headers={"Host": STOREFRONT})
    assert connection.getresponse().status == 200
    connection.close()
    seen = app.received[-1].query
    pairs = parse_qsl(seen, keep_blank_values=True, errors="surrogateescape")
    for key, value in [("shop", DOMAIN), ("logged_in_customer_id", ""), ("path_prefix", PROXY_PREFIX)]:
        assert [found for name, found in pairs if name == key] == [value]
    assert [found for name, found in pairs if name == "signature"] == [expected_signature(seen)]
    assert len([name for name, _ in pairs if name == "timestamp"]) == 1


def test_cookies_stay_behind_and_the_customer_is_named(devstore: RunningDevstore, app: ListeningApp) -> None:
    headers = {
        "Cookie": f"devstore_customer={CUSTOMER_ID}; _shopify_y=abc",
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example.com",
        "X-Custom": "kept",
    }
    seen = forwarded(devstore, app, "/x", headers=headers)
    assert f"logged_in_customer_id={CUSTOMER_ID}&" in seen.query
    assert "cookie" not in seen.headers
    assert seen.headers["x-forwarded-for"] == "127.0.0.1"
    assert seen.headers["x-forwarded-host"] == STOREFRONT
    assert seen.headers["x-custom"] == "kept"


@pytest.mark.parametrize("cookie", ["999", "abc", "-1", "1e9", str(10**30), "٣"])
def test_a_cookie_of_nobody_is_nobody(devstore: RunningDevstore, app: ListeningApp, cookie: str) -> None:
    headers = {b"Host": STOREFRONT.encode(), b"Cookie": f"devstore_customer={cookie}".encode()}
    response = devstore.client.get(f"{PROXY_PREFIX}/x", headers=headers)
    assert response.status_code == 200
    assert "logged_in_customer_id=&" in app.received[-1].query


def test_a_simulated_shopper_has_an_address(devstore: RunningDevstore, app: ListeningApp) -> None:
    seen = forwarded(devstore, app, "/x", headers={"X-Devstore-Buyer-Ip": "203.0.113.9"})
    assert seen.headers["x-forwarded-for"] == "203.0.113.9"
    assert "x-devstore-buyer-ip" not in seen.headers
    seen = forwarded(devstore, app, "/x", headers={"X-Devstore-Buyer-Ip": "not an address"})
    assert seen.headers["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_method_and_body_are_forwarded(devstore: RunningDevstore, app: ListeningApp, method: str) -> None:
    body = bytes(range(256)) * 4096
    seen = forwarded(devstore, app, "/clicks?a=1", method=method, content=body)
    assert (seen.method, seen.path) == (method, "/proxy/clicks")
    assert seen.body == body
    assert "signature=" in seen.query


def test_a_body_without_end_is_refused(devstore: RunningDevstore, app: ListeningApp) -> None:
    response = devstore.client.post(
        f"{PROXY_PREFIX}/x", content=b"x" * (9 * 1024 * 1024), headers={"Host": STOREFRONT}
    )
    assert response.status_code == 413
    assert app.received == []


def test_the_answer_comes_back_without_the_listed_headers(
    devstore: RunningDevstore, app: ListeningApp
) -> None:
    stripped = ("Set-Cookie", "Server", "Date", "X-Powered-By", "Warning", "Pragma", "P3P", "Accept-Ranges")
    headers = [(name, "x=1") for name in stripped] + [
        ("ETag", '"a"'),
        ("Cache-Control", "private, max-age=60"),
    ]
    headers += [("Content-Type", "application/json"), ("X-Two", "1"), ("X-Two", "2")]
    app.answer = lambda _: Answer(418, tuple(headers), b'{"tea":true}')
    response = devstore.client.get(f"{PROXY_PREFIX}/x", headers={"Host": STOREFRONT})
    assert (response.status_code, response.content) == (418, b'{"tea":true}')
    assert response.headers["cache-control"] == "private, max-age=60"
    assert response.headers["etag"] == '"a"'
    assert response.headers.get_list("x-two") == ["1", "2"]
    assert [name for name in stripped if response.headers.get(name) == "x=1"] == []
    assert "set-cookie" not in response.headers


def test_compressed_answers_pass_untouched(devstore: RunningDevstore, app: ListeningApp) -> None:
    app.answer = lambda _: Answer(200, (("Content-Encoding", "br"),), b"\x0b\x02\x80hello\x03")
    with devstore.client.stream("GET", f"{PROXY_PREFIX}/x", headers={"Host": STOREFRONT}) as response:
        assert b"".join(response.iter_raw()) == b"\x0b\x02\x80hello\x03"
        assert response.headers["content-encoding"] == "br"


def test_redirects_are_followed(devstore: RunningDevstore, app: ListeningApp) -> None:
    app.answer = lambda request: (
        Answer(302, (("Location", "/proxy/there?found=1"),))
        if request.path == "/proxy/here"
        else Answer(body=b"there")
    )
    response = devstore.client.get(f"{PROXY_PREFIX}/here", headers={"Host": STOREFRONT})
    assert (response.status_code, response.content) == (200, b"there")
    app.answer = lambda _: Answer(302, (("Location", "/proxy/round"),))
    assert devstore.client.get(f"{PROXY_PREFIX}/round", headers={"Host": STOREFRONT}).status_code == 502


def test_an_empty_answer_and_head(devstore: RunningDevstore, app: ListeningApp) -> None:
    app.answer = lambda _: Answer(204, body=b"")
    assert devstore.client.post(f"{PROXY_PREFIX}/x", headers={"Host": STOREFRONT}).status_code == 204
    app.answer = lambda _: Answer(200, body=b"12345")
    response = devstore.client.head(f"{PROXY_PREFIX}/x", headers={"Host": STOREFRONT})
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "path", [PROXY_PREFIX, f"{PROXY_PREFIX}/", f"{PROXY_PREFIX}/a%2Fb/c%20d", f"{PROXY_PREFIX}/a..b"]
)
def test_the_rest_of_the_path_is_kept_as_it_is(
    devstore: RunningDevstore, app: ListeningApp, path: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(devstore.url).netloc, timeout=5)
    connection.request("GET", path, headers={"Host": STOREFRONT})
    assert connection.getresponse().status == 200
    connection.close()
    assert app.received[-1].path == "/proxy" + path.removeprefix(PROXY_PREFIX)


@pytest.mark.parametrize(
    "path",
    [
        "/apps/shelfwisely/x",
        "/apps/shelfwise2",
        f"{PROXY_PREFIX}/../webhooks/shopify",
        f"{PROXY_PREFIX}/%2e%2E/x",
        f"{PROXY_PREFIX}/a/./b",
    ],
)
def test_a_path_outside_the_proxy_is_not_forwarded(
    devstore: RunningDevstore, app: ListeningApp, path: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(devstore.url).netloc, timeout=5)
    connection.request("GET", path, headers={"Host": STOREFRONT})
    assert connection.getresponse().status == 404
    connection.close()
    assert app.received == []


def test_a_shop_without_the_app_has_no_proxy(devstore: RunningDevstore, app: ListeningApp) -> None:
    for host in (OTHER_DOMAIN, "nowhere.localhost"):
        assert devstore.client.get(f"{PROXY_PREFIX}/x", headers={"Host": host}).status_code == 404
    assert app.received == []


def test_an_app_that_is_down_gives_502(tmp_path: Path) -> None:
    make_shop(tmp_path).close()
    with running_devstore(tmp_path, application_url="http://127.0.0.1:9") as lonely:
        lonely.platform.install(DOMAIN)
        response = lonely.client.get(f"{PROXY_PREFIX}/x")
        assert response.status_code == 502
        assert "Shelfwise" in response.text
