"""InventoryItem, InventoryLevel, Location. The store keeps stock at its first location only."""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from devstore.resolvers.fields import (
    Args,
    Field,
    One,
    Reader,
    Row,
    TypeTable,
    Value,
    belongs_to,
    by_number,
    columns,
    constant,
    flag,
    gid,
    gid_number,
    id_field,
    identity,
    rows_by,
    text_column,
)
from devstore.resolvers.metafields import metafield_fields
from devstore.resolvers.paging import Source, nested, root
from devstore.search import Kind, SearchField

# An item is one half of a variant's row, so an item's row is that row; its id is `inventory_item_id`.
_ITEM_FIELDS = {
    "id": SearchField(Kind.ID, "inventory_item_id"),
    "sku": SearchField(Kind.TEXT, "sku"),
    "created_at": SearchField(Kind.DATE, "created_at"),
    "updated_at": SearchField(Kind.DATE, "updated_at"),
}
ITEMS = Source(
    table="variants",
    sorts={"ID": "inventory_item_id"},
    fields=_ITEM_FIELDS,
    word="sku",
    id="inventory_item_id",
)
_LEVELS = (
    "(SELECT v.inventory_item_id, v.available, v.created_at, v.updated_at, l.id AS location_id"
    " FROM variants v JOIN (SELECT min(id) AS id FROM locations) l ON l.id IS NOT NULL)"
)
_LEVEL_FIELDS = {
    "id": SearchField(Kind.ID, "location_id"),
    "inventory_item_id": SearchField(Kind.ID, "inventory_item_id"),
    "updated_at": SearchField(Kind.DATE, "updated_at"),
    "created_at": SearchField(Kind.DATE, "created_at"),
}
ITEM_LEVELS = Source(
    table=_LEVELS,
    sorts={"ID": "inventory_item_id"},
    fields=_LEVEL_FIELDS,
    parent="inventory_item_id",
    id="inventory_item_id",
)
LOCATION_LEVELS = Source(
    table=_LEVELS,
    sorts={"ID": "inventory_item_id"},
    fields=_LEVEL_FIELDS,
    parent="location_id",
    id="inventory_item_id",
)
ITEM_VARIANTS = Source(table="variants", sorts={"ID": "id"}, parent="inventory_item_id")
LOCATIONS = Source(
    table="locations",
    sorts={"ID": "id", "NAME": "name", "RELEVANCE": "id"},
    word="name",
    default_sort="NAME",
    fields={"id": SearchField(Kind.ID, "id"), "name": SearchField(Kind.TEXT, "name")},
)
QUANTITIES = (
    "available",
    "on_hand",
    "committed",
    "incoming",
    "reserved",
    "damaged",
    "safety_stock",
    "quality_control",
)
_LEVEL_ID = re.compile(r"(\d{1,18})")


def level_gid(row: Row) -> str:
    return f"{gid('InventoryLevel', row['location_id'])}?inventory_item_id={row['inventory_item_id']}"


def _quantities(reader: Reader, row: Row, args: Args) -> list[dict[str, Any]]:
    item = f"{row['location_id']}?inventory_item_id={row['inventory_item_id']}"
    return [
        {
            "id": f"{gid('InventoryQuantity', item)}&name={name}",
            "name": name,
            # Nothing is ever reserved here, so what is available is what lies on the shelf.
            "quantity": row["available"] if name in ("available", "on_hand") else 0,
            "updatedAt": row["updated_at"],
        }
        for name in args["names"]
        if name in QUANTITIES
    ]


def _level_at(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    location = gid_number(args["locationId"], "Location")
    sql = f"SELECT * FROM {_LEVELS} WHERE inventory_item_id IN (SELECT value FROM json_each(?))"
    found = rows_by(reader, sql, [row["inventory_item_id"] for row in rows], "inventory_item_id")
    return [
        next(
            (level for level in found.get(row["inventory_item_id"], ()) if level["location_id"] == location),
            None,
        )
        for row in rows
    ]


def _level_by_id(reader: Reader, tails: Sequence[str]) -> list[Row | None]:
    """`tails` hold both numbers: `<location>?inventory_item_id=<item>`."""
    found: list[Row | None] = []
    for tail in tails:
        numbers = _LEVEL_ID.findall(tail)
        sql = f"SELECT * FROM {_LEVELS} WHERE location_id = ? AND inventory_item_id = ?"
        row = (
            reader.connection.execute(sql, [int(n) for n in numbers]).fetchone()
            if len(numbers) == 2
            else None
        )
        found.append(row)
    return found


TYPES: TypeTable = {
    "InventoryItem": {
        "id": id_field("InventoryItem", "inventory_item_id"),
        "legacyResourceId": text_column("inventory_item_id"),
        **columns(createdAt="created_at", updatedAt="updated_at"),
        "sku": Value(lambda reader, row, args: row["sku"] or None),
        "tracked": flag("tracked"),
        "trackedEditable": constant({"locked": False, "reason": None}),
        "requiresShipping": constant(True),
        "locationsCount": constant({"count": 1, "precision": "EXACT"}),
        "inventoryLevels": nested("InventoryLevel", ITEM_LEVELS, key="inventory_item_id"),
        "inventoryLevel": One("InventoryLevel", _level_at),
        "variants": nested("ProductVariant", ITEM_VARIANTS, key="inventory_item_id"),
        "variant": belongs_to("ProductVariant", "variants", "id"),
    },
    "InventoryLevel": {
        "id": Value(lambda reader, row, args: level_gid(row)),
        **columns(createdAt="created_at", updatedAt="updated_at"),
        "isActive": constant(True),
        "item": belongs_to("InventoryItem", "variants", "inventory_item_id", "inventory_item_id"),
        "location": belongs_to("Location", "locations", "location_id"),
        "quantities": Value(_quantities),
    },
    "Location": {
        **identity("Location"),
        **metafield_fields("Location"),
        **columns(name="name"),
        "isActive": constant(True),
        "fulfillsOnlineOrders": constant(True),
        "shipsInventory": constant(True),
        "hasActiveInventory": constant(True),
        "createdAt": Value(lambda reader, row, args: reader.shop["created_at"]),
        "updatedAt": Value(lambda reader, row, args: reader.shop["created_at"]),
        "inventoryLevels": nested("InventoryLevel", LOCATION_LEVELS),
    },
}
ROOTS: dict[str, Field] = {
    "inventoryItems": root("InventoryItem", ITEMS),
    "locations": root("Location", LOCATIONS),
}
BY_ID = {
    "InventoryItem": by_number("variants", "inventory_item_id"),
    "InventoryLevel": _level_by_id,
    "Location": by_number("locations"),
}
COUNTS = {"locationsCount": LOCATIONS}
