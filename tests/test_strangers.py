"""Whatever a stranger sends to any public address of the running product: a documented 4xx, and nothing written."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storefront_proxy import visitors
from tenancy import fence
from tenancy.redis import key
from tests.admin_api.members import session_token
from tests.hostile import Answer, Request, check, facts, public_paths, send
from tests.live_product import LiveProduct

PATHS = public_paths()
METHODS = [b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"BREW", b"CONNECT"]
LONG = b"a" * 9_000
JSON = b"Content-Type: application/json"
TAILS = [
    b"?shop=%ff&id_token=%00&host=%ff&shopify-reload=%ff", b"?" + LONG, b"?" + LONG * 8, b"?shop=\xff\xfe", b"?shop=a\x00b",
    b"?" + b"a=1&" * 1_500, b"?shop=a.myshopify.com&shop=b.myshopify.com&signature=x&signature=y",
    b"?shop=evil.tld/a.myshopify.com&hmac=x&timestamp=9e99", b"?shop=a.myshopify.com%0d%0aSet-Cookie:x", b"?[]=%&%=&&;",
    b"/../../etc/passwd", b"/%2e%2e/%2e%2e/manage.py", b"%00", b"%ff%fe", b"%c0%ae", b"/" + LONG, b"//evil.tld", b"\\evil",
    b"?id_token=" + b"eyJhbGciOiJub25lIn0.e30.",
]  # fmt: skip
HEADERS = [
    (b"Authorization: Bearer \xff\xfe",), (b"Authorization: Bearer a", b"Authorization: Bearer b"),
    (b"Authorization: Basic " + LONG,), (b"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.",),
    (b"X-Shopify-Hmac-Sha256: \xff",), (b"X-Shopify-Hmac-Sha256: AAAA", b"X-Shopify-Hmac-Sha256: BBBB"),
    (b"Cookie: \xff=\xff; shelfwise_grant=a:b:c",), (b"X-Request-Id: <script>",), (b"X-A: \x00",), (b"X-A: " + LONG * 60,),
    (b"Content-Length: 2", b"Content-Length: 3"), (b"Content-Length: -1",), (b"Content-Length: abc",),
    (b"Accept: text/html",), (b"Accept: application/json",), (b"Accept: ;;q=x",), (b"X-Forwarded-Host: evil.tld",),
    (b"Expect: 100-continue",), (b"Upgrade: websocket", b"Connection: upgrade"),
]  # fmt: skip
BODIES = [
    Request(body=b"x" * 1_000_000, headers=(JSON,)),
    Request(body=b"\xff\xfe\x00", headers=(JSON,)),
    Request(body=b"[" * 50_000, headers=(JSON,)),
    Request(body=b"a=1", headers=(b"Content-Type: application/x-www-form-urlencoded",)),
    Request(body=b"x", headers=(b"Content-Type: multipart/form-data",)),
    Request(body=b"x", headers=(b"Content-Type: application/json; charset=rot13",)),
    Request(body=b"{}", headers=(b"Content-Length: 100", JSON), length=False),
    Request(body=b"2\r\n{}\r\n0\r\n\r\n", headers=(b"Transfer-Encoding: chunked", JSON), length=False),
    Request(body=b"zz\r\n{}", headers=(b"Transfer-Encoding: chunked", JSON), length=False),
]
HOSTS = [
    b"evil.tld",
    b"\xff\xfe",
    b"a b",
    b"127.0.0.1, evil.tld",
    b"",
    None,
    b"127.0.0.1@evil.tld",
    b"x" * 300,
]
RAW = [
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET http://evil.tld/ HTTP/1.1\r\nHost: evil.tld\r\nConnection: close\r\n\r\n",
]
# Shown to anybody: nothing of a shop is in them.
OPEN_TO_ALL = {"/healthz": {b"GET", b"HEAD"}}


# Written by the product's own clock, whatever a stranger sends: the reconciliation sweep keeps its marks here.
BY_THE_CLOCK = {
    "sync_sweep", "features_fieldprofile", "validation_dailycheck", "validation_suiteversion", "feature_store_viewversion", "demand_adaptation",
    "feature_store_featureday",
}  # fmt: skip


@pytest.fixture(scope="module")
def app(product: LiveProduct) -> int:
    """The running app's port, once nothing is on its way to a table any more."""
    flush = f"{product.stack.devstore_url}/_devstore/deliveries/flush"
    httpx.post(flush, json={"wait_s": 20}, timeout=30).raise_for_status()
    deadline, now = time.monotonic() + 75, rows(product)
    last: dict[str, int] = {}
    while last != now or now["exposures in flight"] or now["webhooks open"]:
        assert time.monotonic() < deadline, (last, now)
        time.sleep(1.5)
        last, now = now, rows(product)
    return product.stack.app_port


@pytest.fixture(autouse=True)
def _nothing_is_written(product: LiveProduct, app: int) -> Iterator[None]:
    before = rows(product)
    yield
    assert rows(product) == before


def rows(product: LiveProduct) -> dict[str, int]:
    """The number of rows of every table, and of entries on their way to one."""
    with psycopg.connect(product.stack.embedded.database_url, options=fence.EVERY_ROW) as connection:
        listed = connection.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'public' and table_type = 'BASE TABLE'"
        ).fetchall()
        found = {}
        for (table,) in listed:
            if table in BY_THE_CLOCK:
                continue
            row = connection.execute(f'select count(*) from "{table}"').fetchone()
            found[table] = row[0] if row else 0
        still = "select count(*) from webhooks_inboxdelivery where state = 'pending'"
        found["webhooks open"] = (connection.execute(still).fetchone() or (0,))[0]
    with redis.Redis.from_url(product.stack.embedded.redis_url) as client:
        topics = ("exposures", "storefront_events")
        found["exposures in flight"] = sum(int(client.xlen(key("bus", topic))) for topic in topics)
    assert found["features_order"], "the shop has a history to lose"
    return found


def ask(app: int, product: LiveProduct, request: Request) -> Answer:
    answer = send(app, request)
    check(request, answer)
    assert product.shop.encode() not in answer.body
    address = request.path.partition(b"?")[0].decode("latin-1")
    if 200 <= answer.status < 300 and request.method != b"OPTIONS":
        assert request.method in OPEN_TO_ALL.get(address, set()), (request, answer)
    return answer


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_nothing_a_stranger_sends_to_this_address_gets_through(
    app: int, product: LiveProduct, path: str
) -> None:
    here = path.encode()
    requests = [Request(method=each, path=here) for each in METHODS]
    requests += [Request(method=each, path=here + tail) for tail in TAILS for each in (b"GET", b"POST")]
    requests += [
        Request(method=each, path=here, headers=some) for some in HEADERS for each in (b"GET", b"POST")
    ]
    requests += [Request(path=here, host=host) for host in HOSTS]
    requests += [
        Request(method=method, path=here, headers=each.headers, body=each.body, length=each.length)
        for each in BODIES
        for method in (b"POST", b"PUT")
    ]
    answers = [ask(app, product, each) for each in requests]
    by_the_app = sum("x-request-id" in each.headers for each in answers)
    assert by_the_app > len(requests) * 0.6, "most of them are HTTP, and reach the app"


@pytest.mark.parametrize(
    "path", ["/", "/webhooks/shopify", "/proxy/clicks", "/collect/events", "/api/training", "/healthz"]
)
def test_nine_megabytes_are_refused(app: int, product: LiveProduct, path: str) -> None:
    signature = b"X-Shopify-Hmac-Sha256: " + base64.b64encode(b"x" * 32)
    answer = ask(app, product, Request(b"POST", path.encode(), (JSON, signature), b"x" * 9_000_000))
    assert answer.status in (400, 401, 405, 413)


@pytest.mark.parametrize("raw", RAW)
def test_bytes_that_are_not_our_http(app: int, product: LiveProduct, raw: bytes) -> None:
    assert ask(app, product, Request(raw=raw)).status == 400


@given(
    method=st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS"]),
    path=st.sampled_from(sorted(PATHS.values())),
    tail=st.binary(max_size=40),
    names=st.lists(
        st.sampled_from([b"Authorization", b"X-Shopify-Hmac-Sha256", b"Shopify-Hmac-Sha256", b"Cookie", b"Content-Type", b"Accept"]),
        max_size=3,
    ),
    values=st.lists(st.binary(max_size=30), min_size=3, max_size=3),
    body=st.binary(max_size=60),
)  # fmt: skip
@settings(
    max_examples=250,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_bytes_come(
    app: int,
    product: LiveProduct,
    method: bytes,
    path: str,
    tail: bytes,
    names: list[bytes],
    values: list[bytes],
    body: bytes,
) -> None:
    headers = tuple(name + b": " + _one_line(value) for name, value in zip(names, values, strict=False))
    target = path.encode() + b"?" + tail.replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"+")
    ask(app, product, Request(method, target, headers, body))


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\x00", b"")


def test_signed_deliveries_that_are_no_deliveries(app: int, product: LiveProduct) -> None:
    def deliver(body: bytes, path: str = "/webhooks/shopify", **changed: str) -> tuple[int, str]:
        digest = hmac.new(product.stack.secret.encode(), body, hashlib.sha256).digest()
        named = {
            "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(), "X-Shopify-Topic": "orders/create",
            "X-Shopify-Shop-Domain": product.shop, "X-Shopify-Webhook-Id": "w-1", **changed,
        }  # fmt: skip
        headers = tuple(f"{name}: {value}".encode("latin-1") for name, value in named.items())
        answer = send(app, Request(b"POST", path.encode(), headers, body))
        request = Request(b"POST", path.encode(), headers, body)
        check(request, answer)
        return answer.status, facts(answer)[0] if answer.body else ""

    assert deliver(b"{") == (400, "bad_body")
    assert deliver(b"\xff\xfe") == (400, "bad_body")
    assert deliver(b"[" * 5_000) == (400, "bad_body")
    assert deliver(b"{}", **{"X-Shopify-Topic": "../orders"}) == (400, "bad_header")
    assert deliver(b"{}", **{"X-Shopify-Webhook-Id": "w" * 200}) == (400, "bad_header")
    assert deliver(b"{}", **{"X-Shopify-Shop-Domain": "stranger.myshopify.com"}) == (404, "unknown_shop")
    assert deliver(b"{}", **{"X-Shopify-Shop-Domain": f"{product.shop}.evil.tld"}) == (400, "bad_header")
    assert deliver(b"{}", **{"X-Shopify-Hmac-Sha256": base64.b64encode(b"0" * 32).decode()})[0] == 401
    assert deliver(b"{}", **{"X-Shopify-Topic": "no/such_topic"}) == (200, "")
    assert deliver(b"[]") == (200, "")


@pytest.mark.parametrize("path", ["/webhooks/shopify", "/collect/events"])
def test_a_sender_who_never_finishes_is_sent_away(app: int, product: LiveProduct, path: str) -> None:
    target = f"{path}?account={visitors.account(product.shop)}".encode()
    head = b"POST " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Shopify-Hmac-Sha256: AAAA\r\n"
    with ExitStack() as open_connections:
        idle = open_connections.enter_context(socket.create_connection(("127.0.0.1", app), timeout=8))
        began = time.monotonic()
        idle.sendall(head + b"Content-Length: 100\r\n\r\n{")
        first = idle.recv(4096)
    assert first.startswith(b"HTTP/1.1 408 ")
    assert 1.5 < time.monotonic() - began < 6
    assert send(app, Request(path=b"/healthz")).status == 200


@pytest.mark.parametrize("path", ["/api/overview", "/api/staff", "/api/versions/1"])
def test_session_tokens_that_do_not_fit(app: int, product: LiveProduct, path: str) -> None:
    past = int(time.time()) - 3_600
    secret, aud = product.stack.secret, product.stack.client_id
    wrong = {
        "another app's": session_token(product.shop, 1001, secret=secret, aud="another app"),
        "another secret": session_token(product.shop, 1001, secret="x" * 32, aud=aud),
        "old": session_token(product.shop, 1001, secret=secret, aud=aud, exp=past, nbf=past - 60),
        "to come": session_token(product.shop, 1001, secret=secret, aud=aud, nbf=past + 7_200),
        "two shops": session_token(
            product.shop, 1001, secret=secret, aud=aud, iss="https://b.myshopify.com/admin"
        ),
        "no shop": session_token(f"{product.shop}.evil.tld", 1001, secret=secret, aud=aud),
        "nobody": session_token(product.shop, 1001, secret=secret, aud=aud, sub=None),
    }
    for name, token in wrong.items():
        answer = ask(
            app, product, Request(path=path.encode(), headers=(f"Authorization: Bearer {token}".encode(),))
        )
        assert answer.status == 401, name
        assert answer.headers["x-shopify-retry-invalid-session-request"] == "1", name
    foreign = session_token("stranger.myshopify.com", 1001, secret=secret, aud=aud)
    headers = (f"Authorization: Bearer {foreign}".encode(),)
    assert ask(app, product, Request(path=path.encode(), headers=headers)).status == 403


def test_signed_storefront_requests_of_other_shops_and_times(app: int, product: LiveProduct) -> None:
    def signed(shop: str, at: float, **params: str) -> Answer:
        pairs = {"slot": "home", **params, "shop": shop, "timestamp": str(int(at))}
        message = "".join(sorted(f"{name}={value}" for name, value in pairs.items()))
        proof = hmac.new(product.stack.secret.encode(), message.encode(), hashlib.sha256).hexdigest()
        query = urlencode({**pairs, "signature": proof})
        return ask(app, product, Request(path=f"/proxy/recommendations?{query}".encode()))

    now = time.time()
    assert facts(signed("stranger.myshopify.com", now))[0] == "shop_not_found"
    assert facts(signed(product.shop, now - 120))[0] == "stale_timestamp"
    assert facts(signed(product.shop, now + 120))[0] == "stale_timestamp"
    assert facts(signed(f"{product.shop}.evil.tld", now))[0] == "bad_shop"
    assert facts(signed(product.shop, now, slot="checkout"))[0] == "invalid_parameter"
    assert facts(signed(product.shop, now, limit="9" * 400))[0] == "invalid_parameter"
    assert facts(signed(product.shop, now, slot="product_page", product_id="1"))[0] == "unknown_product"


def test_the_shape_and_the_page_say_the_same(app: int) -> None:
    for path in (b"/", b"/Nope", b"/auth/callback"):
        page = send(app, Request(path=path, headers=(b"Accept: text/html",)))
        shape = send(app, Request(path=path, headers=(b"Accept: application/json",)))
        assert page.headers["content-type"].startswith("text/html")
        assert (page.status, facts(page)[0]) == (shape.status, facts(shape)[0])
        assert json.loads(shape.body)["error"]["message"] in page.body.decode()
