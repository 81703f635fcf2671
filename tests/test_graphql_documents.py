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
    DocumentNode,
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
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops.features.attributes import MOST_CHOSEN
from shopify_app.graphql import library
from shopify_app.graphql.picks import BadName, Pick

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


# As many as may be chosen, with the widest names that Shopify allows.
PICKS = [
    Pick(number, owner.value, "a-_Z9" * 51, f"key_{number}" + "k" * 50)
    for owner, most in MOST_CHOSEN.items()
    for number in range(most)
] + [Pick(10**17, "product", "$app:care", "k-1"), Pick(10**17 + 1, "variant", "$app", "k2")]


def uses(name: str) -> Uses:
    info = TypeInfo(schema())
    collector = Uses(info)
    visit(parse(library.document(name, PICKS)), TypeInfoVisitor(info, collector))
    return collector


def test_what_is_sent_is_what_is_checked() -> None:
    """Chosen metafields stand in exactly these documents, and every other rule below is held with them in place."""
    assert [name for name in library.names() if library.takes_picks(name)] == [
        "ProductById",
        "ProductsBulk",
        "ProductsTouched",
    ]
    for name in library.names():
        text = library.document(name, PICKS)
        assert text.count("metafield(") == {"ProductById": 18, "ProductsBulk": 18, "ProductsTouched": 11}.get(
            name, 0
        )
        assert "#" not in library.document(name)
        assert "mf_" not in library.document(name)


@settings(deadline=None, max_examples=150)
@given(
    st.from_regex(r"\A[A-Za-z0-9_-]{1,12}\Z") | st.text(max_size=80),
    st.from_regex(r"\A[A-Za-z0-9_-]{1,12}\Z") | st.text(max_size=80),
)
@example('x") { id } evil: shop', "key")
@example("custom", 'k") { value } } } #')
@example("custom\n", "key")
@example("$app:", "key")
@example("cüstom", "key")
def test_no_name_breaks_out_of_its_place(namespace: str, key: str) -> None:
    try:
        pick = Pick(1, "product", namespace, key)
    except BadName:
        return
    text = library.document("ProductById", [pick])
    assert validate(schema(), parse(text), specified_rules) == []
    plain = library.document("ProductById", [Pick(1, "product", "custom", "kk")])
    assert text.count("{") == plain.count("{")
    found = [
        (argument.name.value, argument.value.value)  # type: ignore[attr-defined]
        for node in _fields(parse(text))
        if node.alias is not None
        for argument in node.arguments
    ]
    assert found == [("namespace", namespace), ("key", key)]


def _fields(document: DocumentNode) -> list[FieldNode]:
    found: list[FieldNode] = []

    class Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            found.append(node)

    visit(document, Collect())
    return found


@pytest.mark.parametrize("name", library.names())
def test_a_document_is_one_valid_operation_of_its_name_without_deprecated_fields(name: str) -> None:
    document = parse(library.document(name, PICKS))
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
    # Shopify wants it for webPixelCreate; its list of access by field does not say so.
    if {"WebPixelCreate"} & set(library.names()):
        used.add("read_customer_events")
    asked = {each.strip() for each in manifest()["access_scopes"]["scopes"].split(",")}
    assert asked - used == set(), "a scope that nothing uses is a scope too many"


@pytest.mark.parametrize("name", [each for each in library.names() if each.endswith("Bulk")])
def test_bulk_documents_obey_the_rules_of_bulk_operations(name: str) -> None:
    document = parse(library.document(name, PICKS))
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
