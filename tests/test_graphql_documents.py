"""Every document we ship, against Shopify's published schema, its deprecations, and our declared scopes."""

from __future__ import annotations

import gzip
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    get_named_type,
    parse,
    specified_rules,
    validate,
    visit,
)

from shopify_app.graphql import library

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / ".cache" / "shopify" / "admin_2026-10.json.gz"
PERSONAL = {
    "email", "phone", "firstName", "lastName", "displayName", "defaultEmailAddress", "defaultPhoneNumber", "addresses",
    "billingAddress", "shippingAddress", "defaultAddress", "clientIp", "note", "customerLocale",
}  # fmt: skip
# Scopes that a webhook topic needs, and the one that the app proxy needs: no document shows them.
TOPIC_SCOPES = {"themes/": "read_themes", "orders/": "read_orders", "customers/": "read_customers"}


@cache
def published() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(PUBLISHED.read_bytes()))
    return found


@cache
def schema() -> GraphQLSchema:
    return build_client_schema(published()["data"])


@cache
def needed_scopes() -> dict[tuple[str, str | None], frozenset[str]]:
    """(type, field or None) to the scopes of which one is enough."""
    return {
        (item["typeName"], item.get("fieldName")): frozenset(item["offlineScopes"])
        for item in published()["offline_scopes"]["items"]
        if item["offlineScopes"]
    }


@cache
def manifest() -> dict[str, Any]:
    return tomllib.loads((ROOT / "shopify.app.toml").read_text())


def declared() -> frozenset[str]:
    scopes = {each.strip() for each in manifest()["access_scopes"]["scopes"].split(",")}
    return frozenset(scopes | {each.replace("write_", "read_", 1) for each in scopes})


class Uses(Visitor):
    """Collects the schema's fields and object types that a document touches."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.found: set[tuple[str, str | None]] = set()
        self.fields: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self.info.get_parent_type()
        field: GraphQLField | None = self.info.get_field_def()
        if parent is None or field is None:
            return
        self.fields.add(node.name.value)
        self.found.add((parent.name, node.name.value))
        kind = get_named_type(field.type)
        if isinstance(kind, GraphQLObjectType):
            self.found.add((kind.name, None))


def uses(name: str) -> Uses:
    info = TypeInfo(schema())
    collector = Uses(info)
    visit(parse(library.document(name)), TypeInfoVisitor(info, collector))
    return collector


@pytest.mark.parametrize("name", library.names())
def test_a_document_is_one_valid_operation_of_its_name_without_deprecated_fields(name: str) -> None:
    document = parse(library.document(name))
    assert validate(schema(), document, [*specified_rules, NoDeprecatedCustomRule]) == []
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert len(document.definitions) == len(operations) == 1
    assert operations[0].name is not None
    assert operations[0].name.value == name


@pytest.mark.parametrize("name", library.names())
def test_a_document_stays_within_the_declared_scopes(name: str) -> None:
    for use in uses(name).found:
        scopes = needed_scopes().get(use)
        assert scopes is None or scopes & declared(), f"{use} needs one of {sorted(scopes)}"


@pytest.mark.parametrize("name", library.names())
def test_no_document_asks_for_personal_data(name: str) -> None:
    found = uses(name)
    assert not found.fields & PERSONAL
    of_customer = {field for kind, field in found.found if kind == "Customer" and field}
    assert of_customer <= {"id", "createdAt", "updatedAt"}


def test_each_declared_scope_is_used() -> None:
    used = {
        scope
        for name in library.names()
        for use in uses(name).found
        for scope in needed_scopes().get(use, ())
    }
    topics = [topic for each in manifest()["webhooks"]["subscriptions"] for topic in each.get("topics", ())]
    used |= {
        scope for prefix, scope in TOPIC_SCOPES.items() if any(topic.startswith(prefix) for topic in topics)
    }
    if "app_proxy" in manifest():
        used.add("write_app_proxy")
    asked = {each.strip() for each in manifest()["access_scopes"]["scopes"].split(",")}
    assert asked - used == set(), "a scope that nothing uses is a scope too many"


@pytest.mark.parametrize("name", [each for each in library.names() if each.endswith("Bulk")])
def test_bulk_documents_obey_the_rules_of_bulk_operations(name: str) -> None:
    document = parse(library.document(name))
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    assert not operation.variable_definitions
    assert len(operation.selection_set.selections) == 1
    connections: list[int] = []
    _walk(operation, connections, depth=0)
    assert 1 <= len(connections) <= 5
    assert max(connections) <= 2, "a connection may be nested two deep"


def _walk(node: Any, connections: list[int], depth: int) -> None:
    for field in node.selection_set.selections:
        if field.selection_set is None:
            continue
        inner = {each.name.value for each in field.selection_set.selections}
        if "edges" in inner:
            connections.append(depth)
            nodes = field.selection_set.selections[0].selection_set.selections[0]
            assert "id" in {each.name.value for each in nodes.selection_set.selections}, (
                "lines are joined by id"
            )
            _walk(nodes, connections, depth + 1)
        else:
            assert "nodes" not in inner
            _walk(field, connections, depth)
