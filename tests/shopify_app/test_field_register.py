"""The register of fields against everything that reads a field: documents, shapes, translators, tables, frames."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from graphql import OperationDefinitionNode, parse

from mlops.features import uses
from mlops.features.attributes import MOST_CHOSEN
from mlops.features.events import AttributeOwner
from mlops.features.read import ORDER_FRAME_SCHEMA
from shopify_app.graphql import library
from shopify_app.sync.translate import payloads, register, rows, shapes
from shopify_app.sync.translate.register import KEPT, REGISTER, About, Resource
from tests.test_graphql_documents import PERSONAL

ROOTS = {
    "orders": Resource.ORDER, "order": Resource.ORDER, "products": Resource.PRODUCT, "product": Resource.PRODUCT,
    "collections": Resource.COLLECTION, "collection": Resource.COLLECTION, "customers": Resource.CUSTOMER,
    "inventoryItems": Resource.STOCK, "metafieldDefinitions": Resource.METAFIELD,
}  # fmt: skip
TOPICS = {
    "orders": Resource.ORDER, "refunds": Resource.ORDER, "products": Resource.PRODUCT, "customers": Resource.CUSTOMER,
    "collections": Resource.COLLECTION, "inventory_levels": Resource.STOCK, "shop": Resource.SHOP,
}  # fmt: skip
STATE_TABLES = {
    "features_order", "features_orderline", "features_refund", "features_refundline", "features_product", "features_variant",
    "features_collection", "features_customer", "features_stocklevel", "features_storefront_event",
}  # fmt: skip
# Columns that we make ourselves: no field of Shopify's stands behind them.
OURS = {"shop_id", "deleted_at", "told_at", "excluded_at"}
NAMED = "name it in shopify_app/sync/translate/register.py, with its meaning and whom it is about"


def documented() -> set[tuple[Resource, str]]:
    found: set[tuple[Resource, str]] = set()
    for name in library.names():
        if name in register.OPERATIONS:
            continue
        (operation,) = parse(library.document(name)).definitions
        assert isinstance(operation, OperationDefinitionNode)
        for path in _leaves(operation, ()):
            if path[0] in ROOTS:
                found.add((ROOTS[path[0]], ".".join(path[1:])))
            else:
                found.add((Resource.SHOP, ".".join(path)))
    return found


def _leaves(node: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for each in node.selection_set.selections:
        name = each.name.value
        if name == "pageInfo":
            continue
        path = above if name in ("edges", "node", "nodes") else (*above, name)
        if each.selection_set:
            yield from _leaves(each, path)
        else:
            yield path


def delivered() -> set[tuple[Resource, str]]:
    found: set[tuple[Resource, str]] = set()
    for topic, shape in shapes.SHAPES.items():
        if topic in register.OPERATION_TOPICS:
            continue
        prefix = "refunds." if topic == "refunds/create" else ""
        for path in _paths(shape, ""):
            found.add((TOPICS[topic.partition("/")[0]], prefix + path))
    return found


def _paths(shape: Any, above: str) -> Iterator[str]:
    if isinstance(shape, Mapping):
        for name, inner in shape.items():
            yield from _paths(inner, f"{above}.{name}" if above else name)
    elif isinstance(shape, list):
        yield from _paths(shape[0], above)
    else:
        yield above


def test_every_field_of_every_document_is_registered_and_none_more() -> None:
    registered = {(each.resource, path) for each in REGISTER for path in each.bulk}
    asked = documented()
    assert asked - registered == set(), NAMED
    assert registered - asked == set(), "nothing asks for it any more"
    assert set(library.names()) >= register.OPERATIONS


def test_every_field_that_webhooks_may_keep_is_registered_and_none_more() -> None:
    registered = {(each.resource, path) for each in REGISTER for path in each.webhook}
    # A refund is told alone as well as inside its order.
    told = delivered()
    assert told - registered == set(), NAMED
    assert registered - told == set(), "no topic keeps it any more"
    assert set(shapes.SHAPES) >= register.OPERATION_TOPICS


def test_every_column_of_state_is_registered_and_none_more() -> None:
    tables = {model._meta.db_table: model for model in apps.get_app_config("features").get_models()}
    columns = {
        f"{table}.{field.column}"
        for table in STATE_TABLES
        for field in tables[table]._meta.concrete_fields
        if field.column not in OURS
    }
    kept = {each.column for each in REGISTER if each.column.startswith("features_")} - {
        "features_attribute.name"
    }
    assert columns - kept == set(), NAMED
    assert kept - columns == set()
    assert len(kept) == len([each for each in REGISTER if each.column in kept]), "one field, one column"


@pytest.mark.parametrize("module", [rows, payloads])
def test_translators_read_registered_names_only(module: Any) -> None:
    """Each literal name by which a translator takes something out of a row ends a registered path, or leads to one."""
    read = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            read |= {each.value for each in node.args[:1] if isinstance(each, ast.Constant)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need":
            read |= {each.value for each in node.args[1:] if isinstance(each, ast.Constant)}
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            read.add(node.slice.value)
    paths = [path for each in REGISTER for path in (*each.bulk, *each.webhook)]
    steps = {step for path in paths for step in path.split(".")}
    # Names around fields: connections, the parent of a bulk line, and what a chosen metafield's value is made of.
    around = {"nodes", "__parentId", "value", "type"}
    names = {each for each in read if isinstance(each, str)}
    assert len(names) > 20
    assert names - steps - around == set(), NAMED


def test_nothing_that_names_or_describes_a_person_is_taken_in() -> None:
    assert not [each for each in REGISTER if each.about is About.PERSONAL]
    steps = {step for each in REGISTER for path in each.bulk for step in path.split(".")}
    assert not steps & PERSONAL


def test_a_personal_field_never_reaches_a_training_frame() -> None:
    about = {each.column: each.about for each in REGISTER}
    assert list(uses.TRAINING_FRAME) == list(ORDER_FRAME_SCHEMA), "the frame is what is declared"
    for column in uses.TRAINING_FRAME.values():
        assert about[column] is not About.PERSONAL
    pseudonyms = {name for name, column in uses.TRAINING_FRAME.items() if about[column] is About.PSEUDONYM}
    assert pseudonyms == {"customer_id"}, "the one that tells buyers apart"
    assert set(MOST_CHOSEN) == {AttributeOwner.PRODUCT, AttributeOwner.VARIANT}, "no person owns a feature"


def test_declared_uses_are_of_kept_columns() -> None:
    kept = {each.column for each in REGISTER} | {f"{table}.deleted_at" for table in STATE_TABLES}
    for use, columns in uses.USED.items():
        assert set(columns) <= kept, use


def test_what_may_be_shown_is_about_nobody() -> None:
    for each in REGISTER:
        if each.shown is not register.Shown.NOTHING:
            assert each.about is About.NOBODY, each
        assert each.resource in KEPT
        assert each.meaning
