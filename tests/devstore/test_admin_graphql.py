"""The Admin API over HTTP, against the published schema: what it answers and what it refuses."""

from __future__ import annotations

import base64
import sqlite3

import pytest
from graphql import parse

from devstore.resolvers.fields import Reader, gid
from devstore.resolvers.live import execute_live
from devstore.schema import load_schema
from tests.devstore.admin_client import ALL_SCOPES, AdminClient
from tests.devstore.running import CLIENT_ID, OTHER_DOMAIN

HUGE_CURSOR = base64.b64encode(b'{"last_id":99999999999999999999,"last_value":1}').decode()

# The door


@pytest.mark.parametrize("token", ["", "shpat_unknown", "x" * 5000])
def test_a_bad_token_is_401_with_shopifys_words(api: AdminClient, token: str) -> None:
    response = api.post("{ shop { name } }", headers={"X-Shopify-Access-Token": token})
    assert response.status_code == 401
    assert response.json() == {
        "errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"
    }


def test_a_token_opens_no_other_shop(api: AdminClient) -> None:
    assert api.post("{ shop { name } }", headers={"Host": OTHER_DOMAIN}).status_code == 401
    assert api.post("{ shop { name } }", headers={"Host": "nobody.myshopify.com"}).status_code == 404


@pytest.mark.parametrize(
    "asked, served",
    [("2026-10", "2026-10"), ("2025-10", "2025-10"), ("unstable", "unstable"), ("2024-01", "2025-10")],
)
def test_the_version_that_answers_is_named(api: AdminClient, asked: str, served: str) -> None:
    response = api.post("{ shop { name } }", version=asked)
    assert response.status_code == 200
    assert response.headers["X-Shopify-API-Version"] == served
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("version", ["2027-01", "2026-11", "latest", "2026-10x"])
def test_an_unknown_version_is_404(api: AdminClient, version: str) -> None:
    assert api.post("{ shop { name } }", version=version).status_code == 404


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"query": 5}', 400),
        (b'{"query": "{shop{name}}", "variables": []}', 400),
        (b'{"query": "{shop{name}}", "variables": {"a": NaN}}', 400),
        (b'{"query": "{shop{name}}", "variables": {"a": 1e999}}', 400),
        (b'{"query": "{shop{name}}", "operationName": "\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"{" + b" " * 2_200_000 + b"}", 413),
    ],
)
def test_a_body_that_is_no_request_is_refused_in_json(api: AdminClient, body: bytes, status: int) -> None:
    headers = {"Host": api.domain, "X-Shopify-Access-Token": api.token, "Content-Type": "application/json"}
    response = api.devstore.client.post("/admin/api/2026-10/graphql.json", content=body, headers=headers)
    assert response.status_code == status
    assert isinstance(response.json()["errors"], str)


# Validation


@pytest.mark.parametrize(
    "query, message",
    [
        ("{ orders(first: 1) { nodes { id titel } } }", "Cannot query field 'titel' on type 'Order'."),
        ("{ orders(first: 1, sortKey: NOPE) { nodes { id } } }", "does not exist in 'OrderSortKeys' enum."),
        ("{ shop }", "must have a selection of subfields."),
        ("{ orders(first: 1) { nodes { id }", "Syntax Error"),
        ("query Q($x: Int!) { orders(first: $x) { nodes { id } } }", "was not provided."),
        ("{ ...F } fragment F on QueryRoot { ...F }", "Cannot spread fragment 'F' within itself."),
        ("query A { shop { id } } query B { shop { id } }", "Must provide operation name"),
    ],
)
def test_what_the_schema_refuses_is_refused_with_200(api: AdminClient, query: str, message: str) -> None:
    document = api.ask(query)
    assert "data" not in document
    assert message in document["errors"][0]["message"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("", "you must provide one of first or last"),
        ("(first: 251)", "first cannot exceed 250"),
        ("(last: 251)", "last cannot exceed 250"),
        ("(first: -1)", "first must be greater than 0"),
        ("(first: 1, last: 1)", "you can't provide both first and last"),
        ('(first: 1, after: "rubbish")', "Invalid cursor for current pagination sort: rubbish."),
        (
            f'(first: 1, after: "{HUGE_CURSOR}")',
            f"Invalid cursor for current pagination sort: {HUGE_CURSOR}.",
        ),
    ],
)
def test_what_only_the_server_refuses(api: AdminClient, arguments: str, message: str) -> None:
    assert api.errors(f"{{ products{arguments} {{ nodes {{ id }} }} }}") == [message]


def test_deep_queries_end_in_an_error_not_in_a_crash(api: AdminClient) -> None:
    deep = "{ products(first: 1) { nodes " + "{ variants(first: 1) { nodes { product " * 60
    deep += "{ id }" + " } } }" * 60 + " } }"
    assert api.ask(deep)["errors"]
    assert api.ask("{" * 5000)["errors"]


def test_a_deprecated_field_is_answered_and_reported(api: AdminClient) -> None:
    reported = api.post("{ orders(first: 1) { nodes { totalPrice } } }")
    assert reported.json()["data"]["orders"]["nodes"][0]["totalPrice"]
    assert reported.headers["X-Shopify-API-Deprecated-Reason"].startswith("https://shopify.dev/")
    assert "X-Shopify-API-Deprecated-Reason" not in api.post("{ orders(first: 1) { nodes { id } } }").headers


# Scopes


def test_a_missing_scope_denies_the_field_and_keeps_the_rest(api: AdminClient) -> None:
    document = api.with_scopes("read_orders").ask(
        "{ shop { name } orders(first: 1) { nodes { id customer { id } } } }"
    )
    assert document["data"]["shop"]["name"]
    assert document["data"]["orders"]["nodes"][0]["customer"] is None
    (error,) = document["errors"]
    assert (
        error["message"]
        == "Access denied for customer field. Required access: `read_customers` access scope."
    )
    assert error["path"] == ["orders", "nodes", 0, "customer"]
    assert error["extensions"]["code"] == "ACCESS_DENIED"


@pytest.mark.parametrize(
    "scopes, query, allowed",
    [
        (("read_products",), "{ orders(first: 1) { nodes { id } } }", False),
        (("write_orders",), "{ orders(first: 1) { nodes { id } } }", True),
        (("read_marketplace_orders",), "{ orders(first: 1) { nodes { id } } }", True),
        (("read_products",), "{ inventoryItems(first: 1) { nodes { id tracked } } }", True),
        (
            ("read_products",),
            "{ inventoryItems(first: 1) { nodes { inventoryLevels(first: 1) { nodes { id } } } } }",
            False,
        ),
        (("read_orders",), "{ ordersCount { count } }", True),
        ((), "{ ordersCount { count } }", False),
        ((), "{ themes(first: 1) { nodes { id } } }", False),
        ((), "{ shop { name } currentAppInstallation { accessScopes { handle } } }", True),
        (
            ("write_pixels",),
            'mutation { webPixelCreate(webPixel: {settings: "{}"}) { webPixel { id } } }',
            False,
        ),
    ],
)
def test_each_scope_opens_what_shopify_says(
    api: AdminClient, scopes: tuple[str, ...], query: str, *, allowed: bool
) -> None:
    document = api.with_scopes(*scopes).ask(query)
    codes = {error["extensions"]["code"] for error in document.get("errors", ())}
    assert codes == (set() if allowed else {"ACCESS_DENIED"})


def test_node_asks_for_the_scope_of_what_it_finds(api: AdminClient) -> None:
    order = api.data("{ orders(first: 1) { nodes { id } } }")["orders"]["nodes"][0]["id"]
    query = "query($id: ID!) { node(id: $id) { id ... on Order { name } } }"
    assert api.data(query, {"id": order})["node"]["name"]
    assert "Access denied for node field" in api.with_scopes("read_products").errors(query, {"id": order})[0]


# Objects, compared with the rows


ORDER = """query($id: ID!) { order(id: $id) {
  id legacyResourceId name createdAt updatedAt cancelledAt test displayFinancialStatus cartToken
  customer { id numberOfOrders } customAttributes { key value } discountCodes tags
  totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
  currentTotalPriceSet { shopMoney { amount } } subtotalLineItemsQuantity
  lineItems(first: 50) { nodes { id quantity currentQuantity sku product { id title } variant { id price }
    customAttributes { key value } discountedUnitPriceAfterAllDiscountsSet { shopMoney { amount } } } }
  refunds { id totalRefundedSet { shopMoney { amount } }
    refundLineItems(first: 10) { nodes { quantity restockType lineItem { id } subtotalSet { shopMoney { amount } } } } } } }"""


def test_an_order_is_answered_as_its_rows_say(api: AdminClient) -> None:
    (refund,) = api.store.read("SELECT * FROM refunds ORDER BY id LIMIT 1")
    (row,) = api.store.read("SELECT * FROM orders WHERE id = ?", (refund["order_id"],))
    lines = api.store.read("SELECT * FROM order_lines WHERE order_id = ? ORDER BY position", (row["id"],))
    order = api.data(ORDER, {"id": gid("Order", row["id"])})["order"]
    assert order["legacyResourceId"] == str(row["id"])
    assert (order["name"], order["createdAt"], order["test"]) == (
        row["name"],
        row["created_at"],
        bool(row["test"]),
    )
    money = order["totalPriceSet"]["shopMoney"]
    assert float(money["amount"]) == float(row["total"])
    assert money["currencyCode"] == row["currency"]
    net = float(row["total"]) - float(row["total_refunded"])
    assert float(order["currentTotalPriceSet"]["shopMoney"]["amount"]) == pytest.approx(net)
    assert order["subtotalLineItemsQuantity"] == sum(line["quantity"] for line in lines)
    assert [line["id"] for line in order["lineItems"]["nodes"]] == [
        gid("LineItem", line["id"]) for line in lines
    ]
    assert [line["currentQuantity"] for line in order["lineItems"]["nodes"]] == [
        line["current_quantity"] for line in lines
    ]
    refunded = [float(entry["totalRefundedSet"]["shopMoney"]["amount"]) for entry in order["refunds"]]
    assert sum(refunded) == pytest.approx(float(row["total_refunded"]))
    returned = api.store.read("SELECT * FROM refund_lines WHERE refund_id = ? ORDER BY id", (refund["id"],))
    found = next(entry for entry in order["refunds"] if entry["id"] == gid("Refund", refund["id"]))
    assert [entry["lineItem"]["id"] for entry in found["refundLineItems"]["nodes"]] == [
        gid("LineItem", entry["order_line_id"]) for entry in returned
    ]


@pytest.mark.parametrize(
    "amount, text", [("12.50", "12.5"), ("3.00", "3.0"), ("0.00", "0.0"), ("100", "100.0"), ("7.25", "7.25")]
)
def test_decimals_are_written_as_shopify_writes_them(api: AdminClient, amount: str, text: str) -> None:
    (row,) = api.store.read("SELECT id FROM orders LIMIT 1")
    with api.store.transaction() as tx:
        tx.execute("UPDATE orders SET total = ? WHERE id = ?", (amount, row["id"]))
    order = api.data(ORDER, {"id": gid("Order", row["id"])})["order"]
    assert order["totalPriceSet"]["shopMoney"]["amount"] == text


def test_a_product_with_variants_stock_and_collections(api: AdminClient) -> None:
    (row,) = api.store.read("SELECT product_id AS id FROM variants GROUP BY 1 HAVING count(*) > 1 LIMIT 1")
    query = """query($id: ID!) { product(id: $id) { id handle tags status isGiftCard onlineStoreUrl totalInventory
      priceRangeV2 { minVariantPrice { amount } maxVariantPrice { amount } } options { name values }
      collections(first: 20) { nodes { id } } category { fullName }
      variants(first: 50) { nodes { id position inventoryQuantity selectedOptions { name value } product { id }
        inventoryItem { id tracked inventoryLevels(first: 5) { nodes { quantities(names: ["available"]) { name quantity } } } } } } } }"""
    product = api.data(query, {"id": gid("Product", row["id"])})["product"]
    variants = api.store.read("SELECT * FROM variants WHERE product_id = ? ORDER BY position", (row["id"],))
    assert [node["id"] for node in product["variants"]["nodes"]] == [
        gid("ProductVariant", v["id"]) for v in variants
    ]
    assert product["totalInventory"] == sum(v["available"] for v in variants if v["tracked"])
    assert float(product["priceRangeV2"]["minVariantPrice"]["amount"]) == min(
        float(v["price"]) for v in variants
    )
    for node, variant in zip(product["variants"]["nodes"], variants, strict=True):
        (level,) = node["inventoryItem"]["inventoryLevels"]["nodes"]
        assert level["quantities"] == [{"name": "available", "quantity": variant["available"]}]
        assert " / ".join(option["value"] for option in node["selectedOptions"]) == variant["title"]
        assert node["product"]["id"] == product["id"]


def test_an_id_that_leads_nowhere_is_null_and_no_id_is_an_error(api: AdminClient) -> None:
    assert api.data('{ order(id: "gid://shopify/Order/1") { id } }') == {"order": None}
    assert api.data('{ order(id: "gid://shopify/Product/1") { id } }') == {"order": None}
    assert api.data('{ nodes(ids: ["gid://shopify/Product/1", "gid://shopify/Nothing/1"]) { id } }') == {
        "nodes": [None, None]
    }
    assert api.errors('{ node(id: "rubbish") { id } }') == ["Invalid global id 'rubbish'"]


def test_fields_without_data_keep_the_schemas_promises(api: AdminClient) -> None:
    product = api.data(
        """{ products(first: 1) { nodes { seo { title } templateSuffix sellingPlanGroups(first: 1) { nodes { id }
          pageInfo { hasNextPage } } requiresSellingPlan mediaCount { count } feedback { summary } } } }"""
    )["products"]["nodes"][0]
    assert product == {
        "seo": {"title": None},
        "templateSuffix": None,
        "sellingPlanGroups": {"nodes": [], "pageInfo": {"hasNextPage": False}},
        "requiresSellingPlan": False,
        "mediaCount": None,
        "feedback": None,
    }


def test_the_shop_and_the_installation(api: AdminClient) -> None:
    data = api.data(
        """{ shop { id myshopifyDomain currencyCode ianaTimezone plan { publicDisplayName } timezoneOffset }
          currentAppInstallation { app { apiKey title } accessScopes { handle } } themes(first: 5, roles: [MAIN]) { nodes { role } } }"""
    )
    facts = api.store.facts()
    assert data["shop"]["id"] == gid("Shop", facts.shop_id)
    assert data["shop"]["ianaTimezone"] == facts.iana_timezone
    assert data["currentAppInstallation"]["app"]["apiKey"] == CLIENT_ID
    granted = {scope["handle"] for scope in data["currentAppInstallation"]["accessScopes"]}
    assert granted == api.devstore.platform.app.scopes
    assert data["themes"]["nodes"] == [{"role": "MAIN"}]


def test_siblings_are_loaded_together(api: AdminClient) -> None:
    query = """{ orders(first: 100) { nodes { customer { id } lineItems(first: 4) { nodes {
      product { id } variant { id inventoryItem { id } } } } } } }"""
    statements: list[str] = []
    connection = sqlite3.connect(api.store.path)
    connection.row_factory = sqlite3.Row
    connection.set_trace_callback(statements.append)
    reader = Reader(connection, api.store.values(), api.domain, ALL_SCOPES)
    result = execute_live(load_schema(), parse(query), reader, {}, None)
    connection.close()
    assert result.errors is None
    assert result.data is not None
    assert len(result.data["orders"]["nodes"]) == 100
    # orders, customers, lines, products, variants, inventory items: one statement each.
    assert len(statements) == 6


# Pages


def walk(api: AdminClient, arguments: str, *, forward: bool = True, size: int = 90) -> list[str]:
    """Ids of every order, page by page."""
    found: list[str] = []
    cursor: str | None = None
    take, mark, info, more = (
        ("first", "after", "endCursor", "hasNextPage")
        if forward
        else ("last", "before", "startCursor", "hasPreviousPage")
    )
    while True:
        query = (
            f"query($c: String) {{ orders({take}: {size}, {mark}: $c{arguments}) {{ nodes {{ id }}"
            f" pageInfo {{ {info} {more} }} }} }}"
        )
        page = api.data(query, {"c": cursor})["orders"]
        ids = [node["id"] for node in page["nodes"]]
        found = found + ids if forward else ids + found
        cursor = page["pageInfo"][info]
        if not page["pageInfo"][more]:
            return found


@pytest.mark.parametrize(
    "arguments, order_by",
    [
        ("", "processed_at, id"),
        (", sortKey: ID", "id"),
        (", sortKey: UPDATED_AT", "updated_at, id"),
        (", sortKey: UPDATED_AT, reverse: true", "updated_at DESC, id DESC"),
        (", sortKey: TOTAL_PRICE", "CAST(total AS REAL), id"),
        (", sortKey: FINANCIAL_STATUS, reverse: true", "financial_status DESC, id DESC"),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_pages_hold_every_row_once_in_order(
    api: AdminClient, arguments: str, order_by: str, *, forward: bool
) -> None:
    expected = [
        gid("Order", row["id"]) for row in api.store.read(f"SELECT id FROM orders ORDER BY {order_by}")
    ]
    assert walk(api, arguments, forward=forward) == expected


def test_a_nested_connection_pages_for_each_parent(api: AdminClient) -> None:
    (row,) = api.store.read(
        "SELECT order_id AS id FROM order_lines GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    lines = api.store.read("SELECT id FROM order_lines WHERE order_id = ? ORDER BY position", (row["id"],))
    query = """query($id: ID!, $c: String) { order(id: $id) { lineItems(first: 1, after: $c) { edges { cursor node { id } }
      pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""
    found: list[str] = []
    cursor = None
    while True:
        page = api.data(query, {"id": gid("Order", row["id"]), "c": cursor})["order"]["lineItems"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (cursor is not None)
        cursor = page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == [gid("LineItem", line["id"]) for line in lines]


# Search


@pytest.mark.parametrize(
    "query, where",
    [
        ("updated_at:>='2026-10-01T00:00:00Z'", "updated_at >= '2026-10-01T00:00:00Z'"),
        ("created_at:<2026-09-01", "created_at < '2026-09-01T00:00:00Z'"),
        ("created_at:2026-09-01", "substr(created_at, 1, 10) = '2026-09-01'"),
        ("created_at:>2026-09-01T02:00:00+02:00", "created_at > '2026-09-01T00:00:00Z'"),
        ("test:true", "test = 1"),
        ("-test:true", "test = 0"),
        (
            "financial_status:refunded OR financial_status:partially_refunded",
            "financial_status IN ('REFUNDED','PARTIALLY_REFUNDED')",
        ),
        (
            "financial_status:refunded,partially_refunded",
            "financial_status IN ('REFUNDED','PARTIALLY_REFUNDED')",
        ),
        ("status:cancelled", "cancelled_at IS NOT NULL"),
        ("NOT status:cancelled test:false", "cancelled_at IS NULL AND test = 0"),
        ("name:'#1005'", "name = '#1005'"),
        ("name:#10*", "name LIKE '#10%'"),
        ("(name:#1001 OR name:#1002) AND test:false", "name IN ('#1001', '#1002') AND test = 0"),
        ("customer_id:*", "customer_id IS NOT NULL"),
        ("total_price:>=50 total_price:<80", "CAST(total AS REAL) >= 50 AND CAST(total AS REAL) < 80"),
        ("sku:BC-00001", "id IN (SELECT order_id FROM order_lines WHERE sku = 'BC-00001')"),
        ("-sku:BC-000*", "id NOT IN (SELECT order_id FROM order_lines WHERE sku LIKE 'BC-000%')"),
        ("", "1"),
    ],
)
def test_search_finds_what_sql_finds(api: AdminClient, query: str, where: str) -> None:
    found = api.data("query($q: String) { ordersCount(query: $q) { count precision } }", {"q": query})[
        "ordersCount"
    ]
    (expected,) = api.store.read(f"SELECT count(*) AS n FROM orders WHERE {where}")
    assert found == {"count": expected["n"], "precision": "EXACT"}


def test_a_misspelt_search_field_finds_everything_and_warns(api: AdminClient) -> None:
    document = api.ask('{ orders(first: 250, query: "updatd_at:>2026-11-19") { nodes { id } } }')
    assert len(document["data"]["orders"]["nodes"]) == 250
    (search,) = document["extensions"]["search"]
    assert (search["path"], search["query"]) == (["orders"], "updatd_at:>2026-11-19")
    (warning,) = search["warnings"]
    assert (warning["field"], warning["code"]) == ("updatd_at", "invalid_field")


@pytest.mark.parametrize(
    "text",
    [
        "'",
        '"',
        "(((",
        ")))",
        "name:",
        "OR OR",
        "NOT",
        "-",
        "a" * 5000,
        "(" * 500,
        "id:x OR id:1",
        "created_at:never",
        "%_\\",
    ],
)
def test_rubbish_in_a_search_is_no_error(api: AdminClient, text: str) -> None:
    assert "errors" not in api.ask(
        "query($q: String) { orders(first: 1, query: $q) { nodes { id } } }", {"q": text}
    )


def test_counts_stop_at_their_limit(api: AdminClient) -> None:
    assert api.data("{ ordersCount(limit: 100) { count precision } }") == {
        "ordersCount": {"count": 100, "precision": "AT_LEAST"}
    }
    assert api.data("{ ordersCount(limit: null) { count precision } }") == {
        "ordersCount": {"count": 400, "precision": "EXACT"}
    }
