"""Bulk operations: the lines against the rows, the rules, the states, the results' URL, and a server that dies."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devstore.order_window import WINDOW
from devstore.resolvers.fields import gid
from tests.devstore.admin_client import AdminClient, admin_client
from tests.devstore.listening_app import ListeningApp
from tests.devstore.running import DOMAIN, running_devstore

ORDERS = """{ orders(first: 3, sortKey: CREATED_AT) { pageInfo { hasNextPage } edges { cursor node { id name test total: totalPriceSet {
  shopMoney { amount currencyCode } presentmentMoney { amount } } customer { id } customAttributes { key value }
  refunds { id totalRefundedSet { shopMoney { amount } } }
  lineItems { edges { node { id __typename quantity sku product { id } unit: originalUnitPriceSet { shopMoney { amount } } } } } } } } }"""
PRODUCTS = """{ products { nodes { id category { name } options { name } collections { nodes { id handle } }
  variants { nodes { id sku inventoryItem { tracked inventoryLevels { nodes { id quantities(names: ["available"]) { quantity } } } } } } } } }"""


def children_by_parent(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if "__parentId" in line:
            found.setdefault(line["__parentId"], []).append(line)
    return found


def finish_webhooks(app: ListeningApp, operation: str) -> list[dict[str, Any]]:
    """Bodies of bulk_operations/finish for this operation; those of earlier tests may still be arriving."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        bodies = [json.loads(request.body) for request in app.of_topic("bulk_operations/finish")]
        if found := [body for body in bodies if body["admin_graphql_api_id"] == operation]:
            return found
        time.sleep(0.01)
    raise AssertionError(f"nobody was told of {operation}")


@pytest.mark.parametrize("group_objects", [False, True])
def test_every_order_and_line_comes_once_after_its_parent(api: AdminClient, *, group_objects: bool) -> None:
    operation, lines = api.bulk(ORDERS, group_objects=group_objects)
    orders = api.store.read("SELECT * FROM orders ORDER BY created_at, id")
    rows = {gid("LineItem", row["id"]): row for row in api.store.read("SELECT * FROM order_lines")}
    assert operation["status"] == "COMPLETED"
    assert operation["objectCount"] == str(len(lines)) == str(len(orders) + len(rows))
    assert operation["rootObjectCount"] == str(len(orders))
    assert operation["partialDataUrl"] is None
    parents = [line for line in lines if "__parentId" not in line]
    assert [line["id"] for line in parents] == [gid("Order", row["id"]) for row in orders]
    seen: set[str] = set()
    for line in lines:
        if "__parentId" in line:
            assert line["__parentId"] in seen
            row = rows.pop(line["id"])
            assert line["__parentId"] == gid("Order", row["order_id"])
            assert (line["quantity"], line["sku"], line["__typename"]) == (
                row["quantity"],
                row["sku"],
                "LineItem",
            )
            assert float(line["unit"]["shopMoney"]["amount"]) == float(row["price"])
        seen.add(line["id"])
    assert rows == {}
    adjacent = all(
        line.get("__parentId") in (None, before["id"], before.get("__parentId"))
        for before, line in pairwise(lines)
    )
    assert adjacent is group_objects


def test_a_bulk_line_equals_the_live_answer(api: AdminClient) -> None:
    _, lines = api.bulk(ORDERS)
    children = children_by_parent(lines)
    live = ORDERS.replace("first: 3", "first: 4, reverse: true").replace(
        "lineItems {", "lineItems(first: 50) {"
    )
    for edge in api.data(live)["orders"]["edges"]:
        expected = edge["node"]
        nested = [entry["node"] for entry in expected.pop("lineItems")["edges"]]
        (line,) = [line for line in lines if line["id"] == expected["id"]]
        assert line == expected
        assert children[line["id"]] == [{**node, "__parentId": line["id"]} for node in nested]


def test_two_levels_through_a_to_one_object(api: AdminClient) -> None:
    operation, lines = api.bulk(PRODUCTS)
    count = {row["t"]: row["n"] for row in api.store.read(
        "SELECT 'p' AS t, count(*) AS n FROM products UNION ALL SELECT 'v', count(*) FROM variants"
        " UNION ALL SELECT 'c', count(*) FROM collection_products"
    )}  # fmt: skip
    assert operation["objectCount"] == str(count["p"] + 2 * count["v"] + count["c"])
    levels = [line for line in lines if line["id"].startswith("gid://shopify/InventoryLevel/")]
    stock = {
        gid("ProductVariant", row["id"]): row["available"] for row in api.store.read("SELECT * FROM variants")
    }
    assert {line["__parentId"]: line["quantities"][0]["quantity"] for line in levels} == stock


def test_filters_and_order_of_the_query_are_kept(api: AdminClient) -> None:
    _, lines = api.bulk(
        '{ orders(query: "test:false created_at:>=2026-10-01", sortKey: UPDATED_AT, reverse: true) { nodes { id } } }'
    )
    rows = api.store.read(
        "SELECT id FROM orders WHERE test = 0 AND created_at >= '2026-10-01T00:00:00Z' ORDER BY updated_at DESC, id DESC"
    )
    assert [line["id"] for line in lines] == [gid("Order", row["id"]) for row in rows] != []


def test_fragments_and_one_object_at_the_top(api: AdminClient) -> None:
    (row,) = api.store.read(
        "SELECT product_id AS id, count(*) AS n FROM variants GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    )
    query = """query { product(id: "%s") { ...Known ... on Node { again: id } variants { edges { node { ...Sku } } } } }
      fragment Known on Product { id title } fragment Sku on ProductVariant { id sku @skip(if: true) price }"""
    _, lines = api.bulk(query.replace("%s", gid("Product", row["id"])))
    assert lines[0]["again"] == lines[0]["id"] == gid("Product", row["id"])
    assert len(lines) == 1 + row["n"]
    assert set(lines[1]) == {"id", "price", "__parentId"}


def test_no_rows_is_completed_without_a_url(api: AdminClient) -> None:
    operation, _ = api.bulk('{ orders(query: "id:1") { nodes { id } } }')
    assert (operation["status"], operation["url"], operation["objectCount"], operation["fileSize"]) == (
        "COMPLETED", None, "0", None,
    )  # fmt: skip


# Rules


FIVE_MORE = (
    "orders { nodes { id " + " ".join(f"a{n}: lineItems {{ nodes {{ id }} }}" for n in range(5)) + " } }"
)
THREE_DEEP = "collections { nodes { id products { nodes { id variants { nodes { id metafields { nodes { id } } } } } } } }"


@pytest.mark.parametrize(
    "query, message",
    [
        ("{ shop { name } }", "at least one connection"),
        ("{ orders { nodes { id } } customers { nodes { id } } }", "exactly one top-level field"),
        ('{ node(id: "gid://shopify/Product/1") { id } }', "top-level field 'node'"),
        ("{ " + FIVE_MORE + " }", "more than 5 connections"),
        ("{ " + THREE_DEEP + " }", "nesting depth greater than 2"),
        (
            "{ orders { nodes { id refunds { id refundLineItems { nodes { id } } } } } }",
            "connection field within a list field",
        ),
        (
            "{ orders { nodes { name lineItems { nodes { id } } } } }",
            "must select the 'id' field without an alias",
        ),
        (
            "{ orders { nodes { id: name lineItems { nodes { id } } } } }",
            "must select the 'id' field without an alias",
        ),
        ("{ orders { pageInfo { hasNextPage } } }", "must select the fields of its nodes"),
        ("{ orders { nodes { id nothing } } }", "Cannot query field 'nothing'"),
        ("mutation { appUninstall { app { id } } }", "exactly one query operation"),
        ("query Q($n: Int) { orders(first: $n) { nodes { id } } }", "cannot contain variables"),
        ("{ __schema { types { name } } }", "cannot ask for the schema"),
        ("{ orders { nodes { id } ", "Syntax Error"),
        ("", "Syntax Error"),
    ],
)
def test_what_may_not_be_run_in_bulk(api: AdminClient, query: str, message: str) -> None:
    payload = api.start(query)
    assert payload["bulkOperation"] is None
    (error,) = payload["userErrors"]
    assert (error["field"], error["code"]) == (["query"], "INVALID")
    assert message in error["message"]


def test_a_missing_scope_fails_the_operation(api: AdminClient) -> None:
    operation, _ = api.with_scopes("read_products").bulk("{ orders { nodes { id } } }")
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "ACCESS_DENIED")


def test_five_at_a_time_or_one_for_older_versions(api: AdminClient) -> None:
    api.devstore.platform.set_faults({"bulk": {"rows_per_s": 20}})
    started = [api.start("{ orders { nodes { id } } }")["bulkOperation"]["id"] for _ in range(5)]
    try:
        assert api.start("{ orders { nodes { id } } }")["userErrors"][0]["code"] == "LIMIT_REACHED"
        old = api.post(
            'mutation { bulkOperationRunQuery(query: "{ orders { nodes { id } } }") { userErrors { code } } }',
            version="2025-10",
        )
        assert old.json()["data"]["bulkOperationRunQuery"]["userErrors"] == [
            {"code": "OPERATION_IN_PROGRESS"}
        ]
    finally:
        for identifier in started:
            cancel(api, identifier)
    assert {api.finished(identifier)["status"] for identifier in started} == {"CANCELED"}


# States


def cancel(api: AdminClient, identifier: str) -> dict[str, Any]:
    mutation = "mutation($i: ID!) { bulkOperationCancel(id: $i) { bulkOperation { status } userErrors { message } } }"
    payload: dict[str, Any] = api.data(mutation, {"i": identifier})["bulkOperationCancel"]
    return payload


def test_counts_grow_while_it_runs_and_cancel_keeps_what_there_is(api: AdminClient) -> None:
    api.devstore.platform.set_faults({"bulk": {"rows_per_s": 150}})
    identifier = api.start(ORDERS)["bulkOperation"]["id"]
    seen: set[int] = set()
    until = time.monotonic() + 10
    while len(seen) < 3 and time.monotonic() < until:
        state = api.status(identifier)
        assert state["status"] in ("CREATED", "RUNNING")
        assert state["url"] is None
        seen.add(int(state["objectCount"]))
        time.sleep(0.05)
    assert len(seen) >= 3
    assert cancel(api, identifier)["bulkOperation"]["status"] == "CANCELING"
    state = api.finished(identifier)
    assert (state["status"], state["url"]) == ("CANCELED", None)
    partial = api.devstore.client.get(state["partialDataUrl"]).text.splitlines()
    assert len(partial) == int(state["objectCount"]) >= max(seen)
    assert "cannot be canceled" in cancel(api, identifier)["userErrors"][0]["message"]


def test_a_failure_at_a_line_leaves_partial_data_and_tells_the_app(api: AdminClient) -> None:
    api.devstore.platform.set_faults({"bulk": {"fail_at_line": 7}})
    operation, lines = api.bulk(ORDERS)
    assert (operation["status"], operation["errorCode"], operation["url"]) == (
        "FAILED",
        "INTERNAL_SERVER_ERROR",
        None,
    )
    assert len(lines) == 7 == int(operation["objectCount"])
    (body,) = finish_webhooks(api.app, operation["id"])
    assert (body["status"], body["error_code"], body["type"]) == ("failed", "internal_server_error", "query")
    assert body["completed_at"] is not None


def test_the_list_of_operations_newest_or_oldest_first(api: AdminClient) -> None:
    first = api.bulk('{ orders(query: "id:1") { nodes { id } } }')[0]
    query = '{ bulkOperations(first: 2, reverse: true, query: "status:COMPLETED type:QUERY") { nodes { id status } pageInfo { endCursor } } currentBulkOperation { id } }'
    data = api.data(query)
    assert data["bulkOperations"]["nodes"][0] == {"id": first["id"], "status": "COMPLETED"}
    assert data["currentBulkOperation"] == {"id": first["id"]}
    following = "query($c: String) { bulkOperations(first: 1, reverse: true, after: $c) { nodes { id } } }"
    older = api.data(following, {"c": data["bulkOperations"]["pageInfo"]["endCursor"]})["bulkOperations"][
        "nodes"
    ]
    assert older[0]["id"] not in {node["id"] for node in data["bulkOperations"]["nodes"]}


# The result's URL


def test_a_broken_download_is_resumed_by_range(api: AdminClient) -> None:
    operation, _ = api.bulk(ORDERS)
    client, url = api.devstore.client, operation["url"]
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(plain.content) == int(operation["fileSize"])
    rest = client.get(url, headers={"Range": "bytes=5000-"})
    assert rest.status_code == 206
    assert plain.content[:5000] + rest.content == plain.content
    with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 3


def test_a_guessed_url_is_404_and_an_expired_one_403(api: AdminClient) -> None:
    operation, _ = api.bulk(ORDERS)
    client = api.devstore.client
    assert client.get(operation["url"].replace(".jsonl", "x.jsonl")).status_code == 404
    assert client.get("/_bulk/..%2Fadmin_api.sqlite3.jsonl").status_code == 404
    api.devstore.platform.set_faults({"bulk": {"expire": True}})
    assert client.get(operation["url"]).status_code == 403
    state = api.status(operation["id"])
    assert (state["status"], state["url"]) == ("EXPIRED", None)


def test_the_url_is_the_address_the_client_uses(api: AdminClient) -> None:
    assert api.bulk(ORDERS)[0]["url"].startswith(api.devstore.url + "/_bulk/")
    operation = api.post('mutation { bulkOperationRunQuery(query: "{ orders { nodes { id } } }") { bulkOperation { id } } }',
                         headers={"Host": "birch-and-co.localhost:9292"})  # fmt: skip
    identifier = operation.json()["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"]
    assert api.finished(identifier)["url"].startswith(api.devstore.url + "/_bulk/")


# Deaths


def worker_pids(folder: Path) -> list[int]:
    """Processes of ours that run a bulk operation of this data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"devstore.bulk_worker" in (entry / "cmdline").read_bytes() and any(
                str(folder) in str(handle.readlink()) for handle in (entry / "fd").iterdir()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_killed_process_is_started_again_and_nothing_is_lost_or_doubled(api: AdminClient) -> None:
    api.devstore.platform.set_faults({"bulk": {"rows_per_s": 400}})
    identifier = api.start(ORDERS)["bulkOperation"]["id"]
    while int(api.status(identifier)["objectCount"]) < 20:
        time.sleep(0.02)
    (pid,) = worker_pids(api.devstore.platform.config.data)
    api.devstore.platform.set_faults({"bulk": {"rows_per_s": None}})
    os.kill(pid, signal.SIGKILL)
    operation = api.finished(identifier)
    (expected,) = api.store.read(
        "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_lines) AS n"
    )
    assert (operation["status"], operation["objectCount"]) == ("COMPLETED", str(expected["n"]))
    ids = [json.loads(line)["id"] for line in api.devstore.client.get(operation["url"]).text.splitlines()]
    assert len(ids) == len(set(ids)) == expected["n"]
    assert len(finish_webhooks(api.app, identifier)) == 1


def test_a_new_server_takes_up_what_the_old_one_left(app: ListeningApp, tmp_path: Path) -> None:
    with admin_client(tmp_path, app) as api:
        api.devstore.platform.set_faults({"bulk": {"rows_per_s": 100}})
        identifier = api.start(ORDERS)["bulkOperation"]["id"]
        while api.status(identifier)["objectCount"] == "0":
            time.sleep(0.02)
        api.devstore.platform.set_faults(None)
    app.reset()
    with running_devstore(tmp_path, application_url=app.url) as devstore:
        again = AdminClient(devstore, app, DOMAIN, api.token)
        operation = again.finished(identifier)
        assert operation["status"] == "COMPLETED"
        assert int(operation["rootObjectCount"]) == 400
        assert finish_webhooks(app, identifier)[0]["status"] == "completed"
    assert list((tmp_path / "bulk").glob("*.part")) == []


def test_an_export_sees_one_moment_of_the_shop(api: AdminClient) -> None:
    """Rows written while it runs belong to the next export: parents and children agree."""
    api.devstore.platform.set_faults({"bulk": {"rows_per_s": 600}})
    before = api.store.counts()
    identifier = api.start(ORDERS)["bulkOperation"]["id"]
    while api.status(identifier)["objectCount"] == "0":
        time.sleep(0.02)
    with api.store.transaction() as tx:
        names = [row["name"] for row in tx.execute("PRAGMA table_info(orders)")]
        copied = ", ".join(
            {"id": "max(id) + 1", "created_at": "'2099-01-01T00:00:00Z'"}.get(name, name) for name in names
        )
        tx.execute(f"INSERT INTO orders SELECT {copied} FROM orders")
    try:
        operation = api.finished(identifier)
        assert int(operation["objectCount"]) == before["orders"] + before["lines"]
    finally:
        with api.store.transaction() as tx:
            tx.execute("DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)")


def test_without_read_all_orders_only_sixty_days_are_shown_live_and_in_bulk(api: AdminClient) -> None:
    recent = (datetime.now(UTC) - WINDOW).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = {
        gid("Order", r["id"])
        for r in api.store.read("SELECT id FROM orders WHERE created_at >= ?", (recent,))
    }
    everything = {gid("Order", r["id"]) for r in api.store.read("SELECT id FROM orders")}
    assert set() < shown < everything
    limited = api.with_scopes("read_orders")
    _, lines = limited.bulk("{ orders { edges { node { id } } } }")
    assert {line["id"] for line in lines} == shown
    assert limited.data("{ ordersCount { count } }")["ordersCount"]["count"] == len(shown)
    # The same connection shows everything again to the next caller who may see it.
    assert api.data("{ ordersCount { count } }")["ordersCount"]["count"] == len(everything)
