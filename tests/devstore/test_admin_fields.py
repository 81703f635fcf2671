"""Every field of every type that the tables know, asked for at once: live and in bulk."""

from __future__ import annotations

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument

from devstore.bulk_plan import BulkAccessDenied, make_plan
from devstore.resolvers.registry import MUTATIONS, ROOTS, TYPES
from devstore.schema import load_schema
from tests.devstore.admin_client import AdminClient

ARGUMENTS = {"names": '(names: ["available"])', "key": '(key: "k")'}
SCHEMA = load_schema().schema
LISTED = {
    "Order": "orders",
    "Product": "products",
    "ProductVariant": "productVariants",
    "Collection": "collections",
    "Customer": "customers",
    "InventoryItem": "inventoryItems",
    "Location": "locations",
    "OnlineStoreTheme": "themes",
}


def object_type(name: str) -> GraphQLObjectType:
    found = SCHEMA.get_type(name)
    assert isinstance(found, GraphQLObjectType)
    return found


def selection(type_name: str, *, depth: int, scopes: frozenset[str]) -> str:
    """Everything not deprecated of a type, `depth` objects deep, without what needs further scopes or arguments."""
    parts = []
    for name, field in object_type(type_name).fields.items():
        if field.deprecation_reason or load_schema().rules.refusal(type_name, name, field.type, scopes):
            continue
        required = [key for key, argument in field.args.items() if is_required_argument(argument)]
        if required and not all(key in ARGUMENTS for key in required):
            continue
        arguments = "".join(ARGUMENTS[key] for key in required)
        target = get_named_type(field.type)
        if is_leaf_type(target):
            parts.append(f"{name}{arguments}")
        elif depth and isinstance(target, GraphQLObjectType):
            if target.name.endswith("Connection"):
                page = "(first: 2)" if "first" in field.args else ""
                parts.append(
                    f"{name}{page} {{ pageInfo {{ hasNextPage endCursor }} nodes {{ __typename }} }}"
                )
            elif inner := selection(target.name, depth=depth - 1, scopes=scopes):
                parts.append(f"{name}{arguments} {{ {inner} }}")
    return " ".join(parts)


@pytest.mark.parametrize("type_name", sorted(LISTED))
def test_a_whole_object_is_answered_without_a_single_error(api: AdminClient, type_name: str) -> None:
    scopes = api.devstore.platform.tokens.find(api.token, 0)
    assert scopes is not None
    query = f"{{ {LISTED[type_name]}(first: 2) {{ nodes {{ {selection(type_name, depth=2, scopes=scopes.scopes)} }} }} }}"
    nodes = api.data(query)[LISTED[type_name]]["nodes"]
    assert nodes
    assert all(node["id"].startswith(f"gid://shopify/{type_name}/") for node in nodes)


@pytest.mark.parametrize("type_name", ["Shop", "AppInstallation"])
def test_the_shop_and_the_installation_whole(api: AdminClient, type_name: str) -> None:
    scopes = api.devstore.platform.tokens.find(api.token, 0)
    assert scopes is not None
    root = {"Shop": "shop", "AppInstallation": "currentAppInstallation"}[type_name]
    assert api.data(f"{{ {root} {{ {selection(type_name, depth=1, scopes=scopes.scopes)} }} }}")[root]["id"]


@pytest.mark.parametrize(
    "type_name", ["Order", "Product", "ProductVariant", "Customer", "InventoryItem", "Collection"]
)
def test_bulk_gives_the_same_object_as_the_live_api(api: AdminClient, type_name: str) -> None:
    """Both readers use one table of fields; this holds their two ways through it together."""
    scopes = api.devstore.platform.tokens.find(api.token, 0)
    assert scopes is not None
    fields = without_connections(selection(type_name, depth=2, scopes=scopes.scopes))
    root = LISTED[type_name]
    live = api.data(f"{{ {root}(first: 3, sortKey: ID) {{ nodes {{ {fields} }} }} }}".replace(
        "(first: 3, sortKey: ID)", "(first: 3)" if root == "inventoryItems" else "(first: 3, sortKey: ID)"
    ))[root]["nodes"]  # fmt: skip
    _, lines = api.bulk(f"{{ {root} {{ nodes {{ {fields} }} }} }}")
    by_id = {line["id"]: line for line in lines}
    assert [by_id[node["id"]] for node in live] == live


def without_connections(selected: str) -> str:
    """The selection less every `name(first: 2) { pageInfo ... }`."""
    kept, depth, words = [], 0, selected.replace("(first: 2)", "").split(" ")
    skipping = 0
    for place, word in enumerate(words):
        if (
            not skipping
            and place + 2 < len(words)
            and words[place + 1] == "{"
            and words[place + 2] == "pageInfo"
        ):
            skipping = depth + 1
        depth += (word == "{") - (word == "}")
        if not skipping:
            kept.append(word)
        elif word == "}" and depth == skipping - 1:
            skipping = 0
    return " ".join(kept)


def test_the_tables_name_only_what_the_schema_has() -> None:
    for type_name, table in TYPES.items():
        assert set(table) <= set(object_type(type_name).fields), type_name
    query, mutation = SCHEMA.query_type, SCHEMA.mutation_type
    assert query is not None
    assert mutation is not None
    assert set(ROOTS) <= set(query.fields)
    assert set(MUTATIONS) <= set(mutation.fields)


def test_a_plan_is_refused_without_the_scope_of_a_nested_object() -> None:
    query = "{ orders { nodes { id customer { id } } } }"
    with pytest.raises(BulkAccessDenied, match="read_customers"):
        make_plan(
            load_schema(), query, scopes=frozenset({"read_orders"}), currency="GBP", domain="x.myshopify.com"
        )
