"""Query cost, the leaky bucket, and what the API says of both."""

from __future__ import annotations

import time

import pytest
from graphql import OperationDefinitionNode, parse
from graphql.language import FragmentDefinitionNode
from hypothesis import given
from hypothesis import strategies as st

from devstore.bucket import Bucket
from devstore.cost import Costing
from devstore.schema import load_schema
from tests.devstore.admin_client import AdminClient


def costing(
    query: str, variables: dict[str, object] | None = None
) -> tuple[Costing, OperationDefinitionNode]:
    document = parse(query)
    fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}
    (operation,) = [n for n in document.definitions if isinstance(n, OperationDefinitionNode)]
    return Costing(load_schema().schema, fragments, variables or {}), operation


def requested(query: str, **variables: object) -> int:
    found, operation = costing(query, variables)
    return found.requested(operation)


@pytest.mark.parametrize(
    "query, points",
    [
        ("{ shop { name id currencyCode } }", 1),  # scalars and enums are free
        ("{ shop { plan { publicDisplayName } } }", 2),
        ("{ orders(first: 10) { nodes { id } } }", 2 + 10),
        ("{ orders(first: 10) { edges { cursor node { id } } pageInfo { hasNextPage } } }", 2 + 10),
        ("{ orders(last: 10) { nodes { id } } }", 2 + 10),
        ("{ orders(first: 10) { nodes { id customer { id } } } }", 2 + 10 * 2),
        ("{ orders(first: 10) { nodes { lineItems(first: 5) { nodes { id } } } } }", 2 + 10 * (1 + 2 + 5)),
        ("{ orders(first: 2) { nodes { totalPriceSet { shopMoney { amount } } } } }", 2 + 2 * 3),
        ("{ a: shop { id } b: shop { id } }", 2),
        ("{ shop { id } shop { name } }", 1),  # the same field twice is one field
        ("{ shop @skip(if: true) { id } }", 0),
        ("query { ...F } fragment F on QueryRoot { orders(first: 3) { nodes { id } } }", 2 + 3),
        (
            '{ node(id: "gid://shopify/Order/1") { ... on Order { customer { id } } ... on Product { id } } }',
            1 + 1,
        ),
        ('mutation { bulkOperationCancel(id: "x") { userErrors { message } } }', 10),
        (
            'mutation { bulkOperationRunQuery(query: "x") { bulkOperation { id } userErrors { field } } }',
            10 + 1,
        ),
    ],
)
def test_requested_cost_by_the_published_rules(query: str, points: int) -> None:
    assert requested(query) == points


def test_the_size_of_a_page_may_be_a_variable() -> None:
    assert requested("query($n: Int!) { orders(first: $n) { nodes { id } } }", n=25) == 27


def test_actual_cost_counts_what_came_back() -> None:
    found, operation = costing(
        "{ orders(first: 10) { nodes { id customer { id } lineItems(first: 5) { nodes { id } } } } }"
    )
    lines = {"nodes": [{"id": "3"}, {"id": "4"}]}
    data = {
        "orders": {
            "nodes": [
                {"id": "1", "customer": None, "lineItems": lines},
                {"id": "2", "customer": {"id": "9"}, "lineItems": {"nodes": []}},
            ]
        }
    }
    assert found.requested(operation) == 2 + 10 * (1 + 1 + 2 + 5)
    assert found.actual(operation, data) == 2 + (1 + 0 + 2 + 2) + (1 + 1 + 2 + 0)
    assert found.actual(operation, None) == 0


# The bucket


def test_a_bucket_starts_full_empties_and_fills_again() -> None:
    bucket = Bucket()
    assert bucket.take(1500, now=0.0, maximum=2000, rate=100)[0] is True
    enough, status = bucket.take(600, now=0.0, maximum=2000, rate=100)
    assert (enough, status.currently_available) == (False, 500)
    assert bucket.take(600, now=0.9, maximum=2000, rate=100)[0] is False
    assert bucket.take(600, now=1.0, maximum=2000, rate=100)[0] is True
    assert bucket.give(50, now=1.0, maximum=2000, rate=100).currently_available == 50
    assert bucket.give(0, now=1000.0, maximum=2000, rate=100).currently_available == 2000


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1000), st.floats(0, 1)), max_size=40))
def test_a_bucket_never_gives_more_than_it_was_filled_with(calls: list[tuple[float, float, float]]) -> None:
    bucket, now, spent = Bucket(), 0.0, 0.0
    for wait, points, share in calls:
        now += wait
        enough, status = bucket.take(points, now=now, maximum=2000, rate=100)
        assert 0 <= status.currently_available <= 2000
        if enough:
            spent += points * share
            bucket.give(points * (1 - share), now=now, maximum=2000, rate=100)
        assert spent <= 2000 + 100 * now + 1e-6


# Over HTTP


@pytest.fixture
def limited(api: AdminClient) -> AdminClient:
    """The standard plan's bucket, full."""
    api.data("{ shop { id } }")  # restores it at the fixture's speed
    api.devstore.platform.set_faults({"api": {"restore_rate": 100, "bucket": 2000}})
    api.devstore.platform.stats.clear()
    return api


def test_the_answer_tells_the_cost_and_gives_the_rest_back(limited: AdminClient) -> None:
    cost = limited.ask('{ orders(first: 100, query: "id:1") { nodes { id } } }')["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (102, 2)
    throttle = cost["throttleStatus"]
    assert (throttle["maximumAvailable"], throttle["restoreRate"]) == (2000.0, 100.0)
    assert 1990 <= throttle["currentlyAvailable"] <= 1998
    assert "fields" not in cost


def test_the_debug_header_lists_the_fields(limited: AdminClient) -> None:
    response = limited.post(
        "{ products(first: 10) { nodes { id category { name } } } }",
        headers={"Shopify-GraphQL-Cost-Debug": "1"},
    )
    fields = {tuple(field["path"]): field for field in response.json()["extensions"]["cost"]["fields"]}
    assert fields[("products",)]["requestedTotalCost"] == 22
    assert fields[("products",)]["definedCost"] == 2
    assert fields[("products", "nodes", "category")] == {
        "path": ["products", "nodes", "category"], "definedCost": 1, "requestedTotalCost": 1, "requestedChildrenCost": None,
    }  # fmt: skip


def test_one_query_may_not_cost_more_than_1000(limited: AdminClient) -> None:
    document = limited.ask("{ orders(first: 250) { nodes { lineItems(first: 4) { nodes { id } } } } }")
    (error,) = document["errors"]
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert error["extensions"]["cost"] == 2 + 250 * (1 + 2 + 4)
    assert "data" not in document
    assert (
        limited.ask("{ shop { id } }")["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] >= 1998
    )


def test_an_empty_bucket_throttles_until_it_has_filled(limited: AdminClient) -> None:
    query = "{ orders(first: 250) { nodes { id customer { id } } } }"  # 502 points, nearly all of them used
    for _ in range(20):
        document = limited.ask(query)
        if "errors" in document:
            break
    (error,) = document["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Throttled", "THROTTLED")
    assert document.get("data") is None
    cost = document["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (502, None)
    throttle = cost["throttleStatus"]
    missing = 502 - throttle["currentlyAvailable"]
    assert 0 < missing <= 502
    limited.devstore.platform.set_faults({"api": {"restore_rate": 4000}})
    time.sleep(missing / 4000 + 0.02)
    assert "errors" not in limited.ask(query)
    stats = limited.devstore.platform.stats.document()[limited.domain]
    assert stats["throttled"] == 1
    assert stats["minimum_available"] < 502
    assert 0 < stats["budget_share"] <= 1


def test_two_shops_have_two_buckets(limited: AdminClient) -> None:
    first = limited.devstore.platform
    limited.ask("{ orders(first: 250) { nodes { id customer { id } } } }")
    first.install("stranger.myshopify.com")
    try:
        other = AdminClient(limited.devstore, limited.app, "stranger.myshopify.com").with_scopes(
            "read_orders"
        )
        throttle = other.ask("{ shop { id } }")["extensions"]["cost"]["throttleStatus"]
        assert throttle["currentlyAvailable"] >= 1999
    finally:
        first.uninstall("stranger.myshopify.com")
