"""All field tables together."""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devstore.resolvers import customers, integrations, inventory, metafields, orders, products, shop
from devstore.resolvers.fields import Args, ById, Computed, Field, One, Reader, Row, TypeTable, gid_tail
from devstore.resolvers.paging import Source, counted

_FAMILIES = (orders, products, customers, inventory, shop, metafields, integrations)

TYPES: TypeTable = {name: table for family in _FAMILIES for name, table in family.TYPES.items()}
BY_ID: dict[str, ById] = {name: load for family in _FAMILIES for name, load in family.BY_ID.items()}
MUTATIONS: dict[str, Callable[[Reader, Args], dict[str, Any]]] = {
    name: run for family in (shop, metafields, integrations) for name, run in family.MUTATIONS.items()
}
_BY_ID_ROOTS = {
    "order": "Order",
    "product": "Product",
    "productVariant": "ProductVariant",
    "collection": "Collection",
    "customer": "Customer",
    "inventoryItem": "InventoryItem",
    "inventoryLevel": "InventoryLevel",
    "refund": "Refund",
    "location": "Location",
    "theme": "OnlineStoreTheme",
}


def load_gids(reader: Reader, gids: list[str], type_name: str) -> list[Row | None]:
    """Rows of one type by global id; None for another type's id or what does not exist."""
    prefix = f"gid://shopify/{type_name}/"
    # An inventory level's id goes on after the question mark.
    tails = [
        value[len(prefix) :]
        if type_name == "InventoryLevel" and value.startswith(prefix)
        else gid_tail(value, type_name)
        for value in gids
    ]
    found = BY_ID[type_name](reader, [tail if tail is not None else "" for tail in tails])
    return [row if tail is not None else None for tail, row in zip(tails, found, strict=True)]


def _by_id(type_name: str) -> One:
    def load(reader: Reader, rows: Any, args: Args) -> list[Row | None]:
        value = args.get("id")
        if value is None:  # location(id:) without an id is the first one
            first = reader.connection.execute("SELECT * FROM locations ORDER BY id LIMIT 1").fetchone()
            return [first] * len(rows)
        return load_gids(reader, [value], type_name) * len(rows)

    return One(type_name, load)


def _by_handle(type_name: str, table: str) -> One:
    def load(reader: Reader, rows: Any, args: Args) -> list[Row | None]:
        wanted = args.get("identifier", args)
        if wanted.get("id"):
            return load_gids(reader, [wanted["id"]], type_name) * len(rows)
        sql = f"SELECT * FROM {table} WHERE handle = ?"
        return [reader.connection.execute(sql, (wanted.get("handle"),)).fetchone()] * len(rows)

    return One(type_name, load)


def _count(source: Source) -> Computed:
    def load(reader: Reader, rows: Any, args: Args) -> list[dict[str, Any]]:
        sql, params, limit = counted(source, args)
        (found,) = reader.connection.execute(sql, params).fetchone()
        count = {"count": min(found, limit), "precision": "EXACT" if found <= limit else "AT_LEAST"}
        return [count] * len(rows)

    return Computed(load)


ROOTS: dict[str, Field] = {
    **{name: field for family in _FAMILIES for name, field in family.ROOTS.items()},
    **{name: _by_id(type_name) for name, type_name in _BY_ID_ROOTS.items()},
    **{
        name: _count(source)
        for family in (orders, products, customers, inventory)
        for name, source in family.COUNTS.items()
    },
    "productByIdentifier": _by_handle("Product", "products"),
    "productByHandle": _by_handle("Product", "products"),
    "collectionByIdentifier": _by_handle("Collection", "collections"),
    "collectionByHandle": _by_handle("Collection", "collections"),
}
