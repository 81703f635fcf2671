"""What strangers send: always the documented 4xx in the one shape, never a 500, nothing written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.features import online
from mlops.features.models import EventRecord, Exposure, Outcome
from storefront_proxy import exposures, shops
from tenancy.bus.opened import open_bus
from tenancy.models import Shop, ShopState
from tenancy.scope import unscoped
from tests.storefront_proxy.storefront import PATH, Storefront, problem, signature, signed

HOME = [("slot", "home")]


@pytest.fixture(autouse=True)
def _nothing_is_written(stocked: Storefront, shop: Shop) -> Iterator[None]:
    def written() -> tuple[Any, ...]:
        with unscoped(why="the test looks at every shop"):
            rows = EventRecord.objects.count(), Exposure.objects.count(), Outcome.objects.count()
        return (*rows, exposures.waiting(), open_bus().counts(exposures.TOPIC.name))

    before = written()
    yield
    assert written() == before


def refusal(response: Any, status: int, code: str, field: str | None = None) -> None:
    found = problem(response)
    assert (response.status_code, found["code"], found["field"]) == (status, code, field)


def test_signatures_that_do_not_fit_are_refused(shop: Shop) -> None:
    get = Client().get
    good = signed(shop.domain, HOME)
    bare, _, proof = good.rpartition("&signature=")
    refusal(get(f"{PATH}?{bare}"), 401, "missing_signature")
    refusal(get(PATH), 401, "missing_signature")
    refusal(get(f"{PATH}?{bare}&signature={'0' * 64}"), 401, "bad_signature")
    refusal(get(f"{PATH}?{bare}&signature={proof[:-1]}"), 401, "bad_signature")
    refusal(get(f"{PATH}?{bare}&signature={proof}é"), 401, "bad_signature")
    refusal(get(f"{PATH}?{good}&extra=1"), 401, "bad_signature")
    refusal(get(f"{PATH}?{good.replace('slot=home', 'slot=cart')}"), 401, "bad_signature")
    refusal(get(f"{PATH}?{signed(shop.domain, HOME, secret='not ours')}"), 401, "bad_signature")
    refusal(get(f"{PATH}?{good}&signature={proof}"), 400, "duplicated_parameter")


@pytest.mark.parametrize("name", ["shop", "timestamp", "path_prefix", "logged_in_customer_id"])
def test_a_trusted_parameter_given_twice_is_refused(shop: Shop, name: str) -> None:
    # Signed correctly, as a buyer could have it signed by adding to the storefront's query.
    query = signed(shop.domain, [*HOME, (name, "1")])
    refusal(Client().get(f"{PATH}?{query}"), 400, "duplicated_parameter")


@pytest.mark.parametrize("offset", [-91, 150, -100_000, 10**12])
def test_a_stale_or_future_timestamp_is_refused(shop: Shop, offset: int) -> None:
    query = signed(shop.domain, HOME, at=time.time() + offset)
    refusal(Client().get(f"{PATH}?{query}"), 401, "stale_timestamp")


@pytest.mark.parametrize("stamp", ["", "now", "1e9", "-5", "9" * 40])
def test_a_timestamp_that_is_none_is_refused(shop: Shop, stamp: str) -> None:
    query = f"slot=home&shop={shop.domain}&timestamp={stamp}"
    refusal(Client().get(f"{PATH}?{query}&signature={signature(query)}"), 401, "bad_timestamp")


def test_foreign_and_uninstalled_shops_look_the_same(shop: Shop) -> None:
    stranger = Storefront("never-installed.myshopify.com").ask(slot="home")
    refusal(stranger, 404, "shop_not_found")
    shop.state = ShopState.UNINSTALLED
    online.publish_shop(shop)
    shops.forget()
    left = Storefront(shop.domain).ask(slot="home")
    refusal(left, 404, "shop_not_found")
    assert problem(left)["message"] == problem(stranger)["message"]


@pytest.mark.parametrize("domain", ["evil.example.com", "a.myshopify.com.evil.com", "../x", "", "x" * 300])
def test_a_shop_that_is_no_shop_is_refused(domain: str) -> None:
    response = Storefront(domain).ask(slot="home")
    refusal(response, 400, "bad_shop")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "head", "options"])
def test_only_get_asks(shop: Shop, method: str) -> None:
    response = getattr(Client(), method)(f"{PATH}?{signed(shop.domain, HOME)}")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_clicks(shop: Shop, method: str) -> None:
    response = getattr(Client(), method)(f"/proxy/clicks?{signed(shop.domain, [])}")
    refusal(response, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "params, field",
    [
        ({}, "slot"),
        ({"slot": ""}, "slot"),
        ({"slot": "forecast"}, "slot"),
        ({"slot": "HOME"}, "slot"),
        ({"slot": ["home", "cart"]}, "slot"),
        ({"slot": "product_page"}, "product_id"),
        ({"slot": "product_page", "product_id": "abc"}, "product_id"),
        ({"slot": "product_page", "product_id": "-7"}, "product_id"),
        ({"slot": "product_page", "product_id": "7.0"}, "product_id"),
        ({"slot": "product_page", "product_id": "٧"}, "product_id"),
        ({"slot": "product_page", "product_id": "9" * 19}, "product_id"),
        ({"slot": "product_page", "product_id": ["7", "8"]}, "product_id"),
        ({"slot": "cart", "cart": "1,x"}, "cart"),
        ({"slot": "cart", "cart": "1;2"}, "cart"),
        ({"slot": "cart", "cart": ",".join(["1"] * 101)}, "cart"),
        ({"slot": "cart", "cart": ["1", "2"]}, "cart"),
        ({"slot": "home", "limit": "0"}, "limit"),
        ({"slot": "home", "limit": "25"}, "limit"),
        ({"slot": "home", "limit": "8.5"}, "limit"),
        ({"slot": "home", "limit": "999999999999"}, "limit"),
        ({"slot": "home", "visitor": "short"}, "visitor"),
        ({"slot": "home", "visitor": "x" * 65}, "visitor"),
        ({"slot": "home", "visitor": "<script>alert(1)</script>"}, "visitor"),
        ({"slot": "home", "visitor": "visitor\x00null"}, "visitor"),
    ],
)
def test_malformed_parameters_name_their_field(
    stocked: Storefront, params: dict[str, Any], field: str
) -> None:
    refusal(stocked.ask(**params), 400, "invalid_parameter", field)


def test_an_unknown_product_page_is_not_found(stocked: Storefront) -> None:
    refusal(stocked.ask(slot="product_page", product_id=999_999), 404, "unknown_product", "product_id")


def test_invalid_utf8_is_refused(shop: Shop) -> None:
    query = f"slot=home&visitor=%ff%fe&shop={shop.domain}&timestamp={int(time.time())}"
    refusal(Client().get(f"{PATH}?{query}&signature={'0' * 64}"), 400, "malformed_query")


def test_a_query_that_is_too_long_is_refused(stocked: Storefront) -> None:
    refusal(stocked.ask(slot="home", padding="x" * 9000), 414, "query_too_long")


def test_unknown_addresses_have_the_error_shape(shop: Shop) -> None:
    for path in ("/proxy/", "/proxy/nothing", "/proxy/recommendations/", "/proxy/../api/overview"):
        refusal(Client().get(path), 404, "not_found")


@pytest.mark.parametrize(
    "body, code, field",
    [
        (b"", "invalid_body", None),
        (b"\xff\xfe", "invalid_body", None),
        (b"[]", "invalid_body", None),
        (b"null", "invalid_body", None),
        (b"{", "invalid_body", None),
        (b"[" * 2000, "invalid_body", None),
        ({}, "invalid_parameter", "exposure"),
        ({"exposure": "short", "product_id": 7}, "invalid_parameter", "exposure"),
        ({"exposure": 7, "product_id": 7}, "invalid_parameter", "exposure"),
        ({"exposure": "e" * 20}, "invalid_parameter", "product_id"),
        ({"exposure": "e" * 20, "product_id": True}, "invalid_parameter", "product_id"),
        ({"exposure": "e" * 20, "product_id": 1.5}, "invalid_parameter", "product_id"),
        ({"exposure": "e" * 20, "product_id": 10**30}, "invalid_parameter", "product_id"),
        ({"exposure": "e" * 20, "product_id": [7]}, "invalid_parameter", "product_id"),
        ({"exposure": "e" * 20, "product_id": 7, "visitor": 9}, "invalid_parameter", "visitor"),
        ({"exposure": "e" * 20, "product_id": 7, "visitor": "x"}, "invalid_parameter", "visitor"),
    ],
)
def test_malformed_clicks_name_their_field(
    stocked: Storefront, body: Any, code: str, field: str | None
) -> None:
    refusal(stocked.click(body), 400, code, field)


def test_a_body_that_is_too_large_is_refused_unread(stocked: Storefront) -> None:
    refusal(stocked.click(b" " * 1_000_000), 413, "body_too_large")
    refusal(stocked.click(b" " * 4097), 413, "body_too_large")


texts = st.text(max_size=30)


@given(
    params=st.lists(
        st.tuples(st.sampled_from(["slot", "product_id", "cart", "limit", "visitor", "x"]), texts)
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_signed_gets_a_4xx_or_an_answer(
    stocked: Storefront, params: list[tuple[str, str]]
) -> None:
    encodable = [(name, value) for name, value in params if not any("\ud800" <= c <= "\udfff" for c in value)]
    query = signed(stocked.domain, [*encodable, ("slot", "nowhere")])
    response: Any = stocked.client.get(f"{PATH}?{query}")
    assert 400 <= response.status_code < 500
    problem(response)


@given(raw=st.binary(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_get_a_4xx(stocked: Storefront, raw: bytes) -> None:
    response: Any = stocked.client.generic("GET", PATH, QUERY_STRING=raw.decode("latin-1"))
    assert 400 <= response.status_code < 500
    problem(response)
