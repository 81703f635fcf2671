"""Metafields of anything: reading them, and `metafieldsSet` / `metafieldsDelete`."""

# ruff: noqa: S608  (tables are constants of this file; values are always bound)
from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from devstore.resolvers.fields import (
    Args,
    Field,
    Linked,
    One,
    Page,
    PageRequest,
    Reader,
    Row,
    TypeTable,
    Value,
    by_number,
    columns,
    gid,
    gid_number,
    id_field,
    identity,
    json_column,
    rows_by,
)
from devstore.resolvers.listing import page_of_list
from devstore.resolvers.paging import Source, nested
from devstore.resolvers.services import Typed, services_of

METAFIELDS = Source(table="metafields", sorts={"ID": "id"}, parent="owner_gid")
MAX_SET = 25
_OWNER = re.compile(r"gid://shopify/([A-Za-z]+)/")
_NAME = re.compile(r"[A-Za-z0-9_-]{2,64}")
_OWNER_TYPES = {
    "ProductVariant": "PRODUCTVARIANT",
    "AppInstallation": "API_PERMISSION",
    "Product": "PRODUCT",
    "Order": "ORDER",
    "Customer": "CUSTOMER",
    "Collection": "COLLECTION",
    "Shop": "SHOP",
    "Location": "LOCATION",
}
_OWNER_TABLES = {
    "Product": "products",
    "ProductVariant": "variants",
    "Order": "orders",
    "Customer": "customers",
    "Collection": "collections",
    "Location": "locations",
}
_READ_OWNER = "SELECT * FROM metafields WHERE owner_gid IN (SELECT value FROM json_each(?)) ORDER BY id"


def namespace_of(reader: Reader, namespace: str | None) -> str:
    """The real namespace: none or `$app` means the app's own, `$app:x` one below it."""
    own = f"app--{sum(map(ord, reader.client)) + 1_000_000}"
    if namespace is None or namespace == "$app":
        return own
    return own + "--" + namespace.removeprefix("$app:") if namespace.startswith("$app:") else namespace


def metafield_fields(type_name: str) -> dict[str, Field]:
    """`metafield` and `metafields` of an owner whose rows have an id."""

    def owned(reader: Reader, rows: Sequence[Row]) -> list[list[sqlite3.Row]]:
        gids = [gid(type_name, row["id"]) for row in rows]
        found = rows_by(reader, _READ_OWNER, gids, "owner_gid")
        return [list(found.get(owner, ())) for owner in gids]

    def one(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
        namespace = namespace_of(reader, args.get("namespace"))
        wanted = (namespace, args["key"])
        return [
            next((found for found in group if (found["namespace"], found["key"]) == wanted), None)
            for group in owned(reader, rows)
        ]

    def many(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
        namespace, keys = request.args.get("namespace"), request.args.get("keys")
        if namespace is None and keys is None:
            return list(_all_of.load(reader, [{"_gid": gid(type_name, row["id"])} for row in rows], request))
        real = None if namespace is None else namespace_of(reader, namespace)
        named = {(real, key) if real else tuple(key.split(".", 1)) for key in keys or ()}
        return [
            page_of_list(
                [
                    dict(row)
                    for row in group
                    if (real is None or row["namespace"] == real)
                    and (keys is None or (row["namespace"], row["key"]) in named)
                ],
                request,
            )
            for group in owned(reader, rows)
        ]

    return {"metafield": One("Metafield", one), "metafields": Linked("Metafield", many)}


_all_of = nested("Metafield", METAFIELDS, key="_gid")


def _definition(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    """The definition of each metafield; None for one that was set without."""
    sql = "SELECT * FROM metafield_definitions WHERE key IN (SELECT value FROM json_each(?))"
    found = rows_by(reader, sql, [row["key"] for row in rows], "key")
    return [
        next(
            (
                each
                for each in found.get(row["key"], ())
                if (each["owner_type"], each["namespace"]) == (_owner_type(reader, row, {}), row["namespace"])
            ),
            None,
        )
        for row in rows
    ]


def _definitions(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
    """`metafieldDefinitions(ownerType:)`, with `namespace`, `key` and `query: "key:x"`."""
    where, params = ["owner_type = ?"], [str(request.args["ownerType"])]
    for name in ("namespace", "key"):
        if request.args.get(name) is not None:
            given = str(request.args[name])
            where.append(f"{name} = ?")
            params.append(namespace_of(reader, given) if name == "namespace" else given)
    sql = f"SELECT * FROM metafield_definitions WHERE {' AND '.join(where)} ORDER BY id"
    found = [dict(row) for row in reader.connection.execute(sql, params)]
    return [page_of_list(found, request)] * len(rows)


def _value_count(reader: Reader, row: Row, args: Args) -> int:
    owner = next(name for name, kind in _OWNER_TYPES.items() if kind == row["owner_type"])
    sql = "SELECT count(*) FROM metafields WHERE namespace = ? AND key = ? AND owner_gid GLOB ?"
    where = (row["namespace"], row["key"], f"gid://shopify/{owner}/*")
    return int(reader.connection.execute(sql, where).fetchone()[0])


def _json_value(reader: Reader, row: Row, args: Args) -> object:
    if row["type"] in (
        "single_line_text_field",
        "multi_line_text_field",
        "url",
        "color",
        "date",
        "date_time",
        "id",
    ):
        return row["value"]
    try:
        return json.loads(row["value"])
    except ValueError:
        return row["value"]


def _owner_type(reader: Reader, row: Row, args: Args) -> str:
    found = _OWNER.match(row["owner_gid"])
    return _OWNER_TYPES.get(found[1] if found else "", "SHOP")


def _set(reader: Reader, args: Mapping[str, Any]) -> dict[str, Any]:
    errors: list[dict[str, Any]] = []
    inputs = args["metafields"]
    if len(inputs) > MAX_SET:
        message = f"Exceeded the maximum metafields input limit of {MAX_SET}."
        return {
            "metafields": None,
            "userErrors": [_error(["metafields"], message, "LESS_THAN_OR_EQUAL_TO", None)],
        }
    for index, item in enumerate(inputs):
        errors.extend(_problems(reader, index, item))
    if errors:
        return {"metafields": None, "userErrors": errors}
    rows = services_of(reader).set_metafields(
        [
            (
                item["ownerId"],
                namespace_of(reader, item.get("namespace")),
                item["key"],
                item.get("type"),
                item["value"],
            )
            for item in inputs
        ]
    )
    return {"metafields": [Typed("Metafield", row) for row in rows], "userErrors": []}


def _problems(reader: Reader, index: int, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    where = ["metafields", str(index)]
    problems = []
    owner = _OWNER.match(item["ownerId"])
    if owner is None or not _exists(reader, owner[1], item["ownerId"]):
        problems.append(_error([*where, "ownerId"], "Owner does not exist.", "INVALID_VALUE", index))
    if not _NAME.fullmatch(item["key"]):
        problems.append(
            _error(
                [*where, "key"],
                "Key must be 2 to 64 letters, digits, hyphens or underscores.",
                "INVALID_VALUE",
                index,
            )
        )
    elif item.get("type") is None and not _known_type(reader, item):
        problems.append(_error([*where, "type"], "Type can't be blank", "BLANK", index))
    if item.get("type") in ("json", "number_integer", "number_decimal", "boolean"):
        try:
            json.loads(item["value"])
        except ValueError:
            message = f"Value is invalid for type {item['type']}."
            problems.append(_error([*where, "value"], message, "INVALID_VALUE", index))
    return problems


def _exists(reader: Reader, type_name: str, owner: str) -> bool:
    if type_name in ("Shop", "AppInstallation"):
        return owner == gid(type_name, reader.shop["shop_id"])
    table = _OWNER_TABLES.get(type_name)
    if table is None:
        return False
    number = gid_number(owner, type_name)
    found = reader.connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (number,)).fetchone()
    return found is not None


def _known_type(reader: Reader, item: Mapping[str, Any]) -> bool:
    found = reader.connection.execute(
        "SELECT 1 FROM metafields WHERE owner_gid = ? AND namespace = ? AND key = ?",
        (item["ownerId"], namespace_of(reader, item.get("namespace")), item["key"]),
    ).fetchone()
    return found is not None


def _error(field: list[str], message: str, code: str, index: int | None) -> dict[str, Any]:
    return {"field": field, "message": message, "code": code, "elementIndex": index}


def _delete(reader: Reader, args: Mapping[str, Any]) -> dict[str, Any]:
    deleted = []
    for item in args["metafields"]:
        namespace = namespace_of(reader, item["namespace"])
        gone = services_of(reader).delete_metafield(item["ownerId"], namespace, item["key"])
        deleted.append(
            {"ownerId": item["ownerId"], "namespace": namespace, "key": item["key"]} if gone else None
        )
    return {"deletedMetafields": deleted, "userErrors": []}


TYPES: TypeTable = {
    "Metafield": {
        **identity("Metafield"),
        **columns(
            namespace="namespace",
            key="key",
            type="type",
            value="value",
            createdAt="created_at",
            updatedAt="updated_at",
        ),
        "jsonValue": Value(_json_value),
        "ownerType": Value(_owner_type),
        "sizeInBytes": Value(lambda reader, row, args: len(row["value"].encode())),
        "compareDigest": Value(lambda reader, row, args: hashlib.sha256(row["value"].encode()).hexdigest()),
        "definition": One("MetafieldDefinition", _definition),
    },
    "MetafieldDefinition": {
        "id": id_field("MetafieldDefinition"),
        **columns(
            namespace="namespace", key="key", name="name", description="description", ownerType="owner_type"
        ),
        "type": Value(
            lambda reader, row, args: {"name": row["type"], "category": row["type"].partition(".")[0].upper()}
        ),
        "validations": json_column("validations"),
        "metafieldsCount": Value(_value_count),
    },
}
ROOTS: dict[str, Field] = {"metafieldDefinitions": Linked("MetafieldDefinition", _definitions)}
BY_ID = {"Metafield": by_number("metafields"), "MetafieldDefinition": by_number("metafield_definitions")}
MUTATIONS = {"metafieldsSet": _set, "metafieldsDelete": _delete}
