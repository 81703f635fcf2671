"""Product, ProductVariant, Collection."""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from devstore.resolvers.fields import (
    Args,
    Computed,
    Field,
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
    gid_tail,
    identity,
    json_column,
    money_v2,
    rows_by,
)
from devstore.resolvers.metafields import metafield_fields
from devstore.resolvers.paging import Source, nested, root
from devstore.search import Kind, SearchField

_PRODUCT_SORTS = {
    "ID": "id",
    "TITLE": "title",
    "CREATED_AT": "created_at",
    "UPDATED_AT": "updated_at",
    "VENDOR": "vendor",
    "PRODUCT_TYPE": "product_type",
    "PUBLISHED_AT": "coalesce(published_at, '')",
    "RELEVANCE": "id",
    "INVENTORY_TOTAL": "(SELECT coalesce(sum(v.available), 0) FROM variants v WHERE v.product_id = products.id)",
}
_PRODUCT_FIELDS = {
    "id": SearchField(Kind.ID, "id"),
    "handle": SearchField(Kind.TEXT, "handle"),
    "title": SearchField(Kind.TEXT, "title"),
    "vendor": SearchField(Kind.TEXT, "vendor"),
    "product_type": SearchField(Kind.TEXT, "product_type"),
    "status": SearchField(Kind.ENUM, "status"),
    "tag": SearchField(Kind.TAGS, "tags"),
    "created_at": SearchField(Kind.DATE, "created_at"),
    "updated_at": SearchField(Kind.DATE, "updated_at"),
    "published_at": SearchField(Kind.DATE, "published_at"),
    "published_status": SearchField(
        Kind.ENUM, "(CASE WHEN published_at IS NULL THEN 'unpublished' ELSE 'published' END)"
    ),
    "gift_card": SearchField(Kind.FLAG, "is_gift_card"),
    "sku": SearchField(
        Kind.TEXT,
        "v.sku",
        inside="EXISTS (SELECT 1 FROM variants v WHERE v.product_id = products.id AND {})",
    ),
}
PRODUCTS = Source(table="products", sorts=_PRODUCT_SORTS, fields=_PRODUCT_FIELDS, word="title")
_VARIANT_SORTS = {
    "ID": "id",
    "POSITION": "position",
    "SKU": "sku",
    "TITLE": "title",
    "NAME": "title",
    "FULL_TITLE": "title",
    "INVENTORY_QUANTITY": "available",
    "INVENTORY_LEVELS_AVAILABLE": "available",
    "RELEVANCE": "id",
    "POPULAR": "id",
}
_VARIANT_FIELDS = {
    "id": SearchField(Kind.ID, "id"),
    "product_id": SearchField(Kind.ID, "product_id"),
    "sku": SearchField(Kind.TEXT, "sku"),
    "title": SearchField(Kind.TEXT, "title"),
    "inventory_quantity": SearchField(Kind.NUMBER, "available"),
    "updated_at": SearchField(Kind.DATE, "updated_at"),
    "product_status": SearchField(Kind.ENUM, "(SELECT p.status FROM products p WHERE p.id = product_id)"),
}
VARIANTS = Source(table="variants", sorts=_VARIANT_SORTS, fields=_VARIANT_FIELDS, word="title")
PRODUCT_VARIANTS = Source(
    table="variants",
    sorts=_VARIANT_SORTS,
    fields=_VARIANT_FIELDS,
    word="title",
    parent="product_id",
    default_sort="POSITION",
)
_COLLECTION_FIELDS = {
    "id": SearchField(Kind.ID, "id"),
    "title": SearchField(Kind.TEXT, "title"),
    "handle": SearchField(Kind.TEXT, "handle"),
    "updated_at": SearchField(Kind.DATE, "updated_at"),
}
_COLLECTION_SORTS = {"ID": "id", "TITLE": "title", "UPDATED_AT": "updated_at", "RELEVANCE": "id"}
COLLECTIONS = Source(table="collections", sorts=_COLLECTION_SORTS, fields=_COLLECTION_FIELDS, word="title")
PRODUCT_COLLECTIONS = Source(
    table="(SELECT c.*, l.product_id FROM collection_products l JOIN collections c ON c.id = l.collection_id)",
    sorts=_COLLECTION_SORTS,
    fields=_COLLECTION_FIELDS,
    word="title",
    parent="product_id",
)
COLLECTION_PRODUCTS = Source(
    table="(SELECT p.*, l.collection_id, l.position FROM collection_products l JOIN products p ON p.id = l.product_id)",
    sorts={
        "COLLECTION_DEFAULT": "position",
        "MANUAL": "position",
        "ID": "id",
        "TITLE": "title",
        "CREATED": "created_at",
        "BEST_SELLING": "position",
        "RELEVANCE": "position",
    },
    parent="collection_id",
    default_sort="COLLECTION_DEFAULT",
)
_VARIANTS_SQL = "SELECT * FROM variants WHERE product_id IN (SELECT value FROM json_each(?)) ORDER BY product_id, position, id"


def _of_variants(compute: Callable[[Reader, Row, list[sqlite3.Row], Args], Any]) -> Computed:
    """A value of a product that follows from its variants."""

    def load(reader: Reader, rows: Sequence[Row], args: Args) -> list[Any]:
        found = rows_by(reader, _VARIANTS_SQL, [row["id"] for row in rows], "product_id")
        return [compute(reader, row, found.get(row["id"], []), args) for row in rows]

    return Computed(load)


def _price_range(reader: Reader, row: Row, variants: list[sqlite3.Row], args: Args) -> dict[str, Any]:
    prices = sorted((Decimal(variant["price"]), variant["price"]) for variant in variants) or [
        (Decimal(0), "0.0")
    ]
    return {
        "minVariantPrice": money_v2(prices[0][1], reader.currency),
        "maxVariantPrice": money_v2(prices[-1][1], reader.currency),
    }


def _out_of_stock(reader: Reader, row: Row, variants: list[sqlite3.Row], args: Args) -> bool:
    return any(variant["tracked"] and variant["available"] <= 0 for variant in variants)


def _options(reader: Reader, row: Row, variants: list[sqlite3.Row], args: Args) -> list[dict[str, Any]]:
    options = []
    for position, name in enumerate(json.loads(row["options"]), start=1):
        values = dict.fromkeys(_option_value(variant["title"], position) for variant in variants)
        options.append(
            {
                "id": gid("ProductOption", row["id"] + position),
                "name": name,
                "position": position,
                "values": list(values),
                "optionValues": [
                    {"id": gid("ProductOptionValue", row["id"] * 10 + at), "name": value, "hasVariants": True}
                    for at, value in enumerate(values)
                ],
            }
        )
    return options[: args.get("first")]


def _option_value(title: str, position: int) -> str:
    parts = title.split(" / ")
    return parts[position - 1] if position <= len(parts) else ""


def _selected_options(reader: Reader, rows: Sequence[Row], args: Args) -> list[list[dict[str, Any]]]:
    sql = "SELECT id, options FROM products WHERE id IN (SELECT value FROM json_each(?))"
    found = rows_by(reader, sql, [row["product_id"] for row in rows], "id")
    return [
        [
            {
                "name": name,
                "value": value,
                "optionValue": {"id": gid("ProductOptionValue", row["id"]), "name": value},
            }
            for position, name in enumerate(json.loads(found[row["product_id"]][0]["options"]), start=1)
            for value in (_option_value(row["title"], position),)
        ]
        if row["product_id"] in found
        else []
        for row in rows
    ]


def _display_names(reader: Reader, rows: Sequence[Row], args: Args) -> list[str]:
    sql = "SELECT id, title FROM products WHERE id IN (SELECT value FROM json_each(?))"
    found = rows_by(reader, sql, [row["product_id"] for row in rows], "id")
    return [
        f"{found[row['product_id']][0]['title']} - {row['title']}"
        if row["product_id"] in found
        else row["title"]
        for row in rows
    ]


def _category(reader: Reader, row: Row, args: Args) -> dict[str, Any] | None:
    if not row["category"]:
        return None
    parts = [part.strip() for part in row["category"].split(">")]
    return {
        "__typename": "TaxonomyCategory",
        "id": gid("TaxonomyCategory", "-".join(part.lower().replace(" ", "_") for part in parts)),
        "name": parts[-1],
        "fullName": " > ".join(parts),
        "level": len(parts),
        "isLeaf": True,
        "isRoot": len(parts) == 1,
    }


def _media(reader: Reader, row: Row, args: Args) -> dict[str, Any]:
    """The product's picture, or the one that the storefront draws for it."""
    url = row["image_url"] or f"https://{reader.domain}/cdn/images/{row['id']}.svg"
    image = {"id": gid("ImageSource", row["id"]), "url": url, "altText": row["title"]}
    return {
        "__typename": "MediaImage",
        "id": gid("MediaImage", row["id"]),
        "alt": row["title"],
        "status": "READY",
        "mediaContentType": "IMAGE",
        "fileStatus": "READY",
        "image": image,
        "preview": {"image": image, "status": "READY"},
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def _online_url(reader: Reader, row: Row, args: Args) -> str | None:
    if row["published_at"] is None or row["status"] != "ACTIVE":
        return None
    return f"https://{reader.domain}/products/{row['handle']}"


def _in_collection(reader: Reader, rows: Sequence[Row], args: Args) -> list[bool]:
    tail = gid_tail(args["id"], "Collection")
    sql = "SELECT product_id FROM collection_products WHERE collection_id = ?"
    members = {
        row[0] for row in reader.connection.execute(sql, (int(tail) if tail and tail.isdigit() else -1,))
    }
    return [row["id"] in members for row in rows]


def _sellable(row: Row) -> bool:
    return not row["tracked"] or row["inventory_policy"] == "CONTINUE" or row["available"] > 0


def _count_by(table: str, key: str) -> Computed:
    sql = f"SELECT {key}, count(*) AS n FROM {table} WHERE {key} IN (SELECT value FROM json_each(?)) GROUP BY {key}"

    def load(reader: Reader, rows: Sequence[Row], args: Args) -> list[dict[str, Any]]:
        found = rows_by(reader, sql, [row["id"] for row in rows], key)
        return [
            {"count": found[row["id"]][0]["n"] if row["id"] in found else 0, "precision": "EXACT"}
            for row in rows
        ]

    return Computed(load)


_PRODUCT: dict[str, Field] = {
    **identity("Product"),
    **metafield_fields("Product"),
    **columns(
        handle="handle",
        title="title",
        productType="product_type",
        vendor="vendor",
        status="status",
        createdAt="created_at",
        publishedAt="published_at",
        updatedAt="updated_at",
        descriptionHtml="body_html",
        bodyHtml="body_html",
    ),
    "description": Value(lambda reader, row, args: row["body_html"][: args.get("truncateAt")]),
    "tags": json_column("tags"),
    "category": Value(_category),
    "isGiftCard": flag("is_gift_card"),
    "onlineStoreUrl": Value(_online_url),
    "featuredMedia": Value(_media),
    "variants": nested("ProductVariant", PRODUCT_VARIANTS),
    "totalVariants": _of_variants(lambda reader, row, variants, args: len(variants)),
    "variantsCount": _count_by("variants", "product_id"),
    "collections": nested("Collection", PRODUCT_COLLECTIONS),
    "inCollection": Computed(_in_collection),
    "options": _of_variants(_options),
    "priceRangeV2": _of_variants(_price_range),
    "totalInventory": _of_variants(
        lambda reader, row, variants, args: sum(v["available"] for v in variants if v["tracked"])
    ),
    "tracksInventory": _of_variants(lambda reader, row, variants, args: any(v["tracked"] for v in variants)),
    "hasOutOfStockVariants": _of_variants(_out_of_stock),
    "hasOnlyDefaultVariant": _of_variants(
        lambda reader, row, variants, args: len(variants) == 1 and variants[0]["title"] == "Default Title"
    ),
    "publishedOnPublication": Value(lambda reader, row, args: row["published_at"] is not None),
}
_VARIANT: dict[str, Field] = {
    **identity("ProductVariant"),
    **metafield_fields("ProductVariant"),
    **columns(
        title="title",
        price="price",
        compareAtPrice="compare_at_price",
        position="position",
        inventoryPolicy="inventory_policy",
        inventoryQuantity="available",
        createdAt="created_at",
        updatedAt="updated_at",
    ),
    "sku": Value(lambda reader, row, args: row["sku"] or None),
    "displayName": Computed(_display_names),
    "selectedOptions": Computed(_selected_options),
    "availableForSale": Value(lambda reader, row, args: _sellable(row)),
    "sellableOnlineQuantity": Value(lambda reader, row, args: max(0, row["available"])),
    "taxable": constant(True),
    "product": belongs_to("Product", "products", "product_id"),
    "inventoryItem": belongs_to("InventoryItem", "variants", "inventory_item_id", "inventory_item_id"),
}
_COLLECTION: dict[str, Field] = {
    **identity("Collection"),
    **metafield_fields("Collection"),
    **columns(handle="handle", title="title", updatedAt="updated_at"),
    "sortOrder": constant("MANUAL"),
    "products": nested("Product", COLLECTION_PRODUCTS),
    "productsCount": _count_by("collection_products", "collection_id"),
}
TYPES: TypeTable = {"Product": _PRODUCT, "ProductVariant": _VARIANT, "Collection": _COLLECTION}
ROOTS: dict[str, Field] = {
    "products": root("Product", PRODUCTS),
    "productVariants": root("ProductVariant", VARIANTS),
    "collections": root("Collection", COLLECTIONS),
}
BY_ID = {
    "Product": by_number("products"),
    "ProductVariant": by_number("variants"),
    "Collection": by_number("collections"),
}
COUNTS = {"productsCount": PRODUCTS, "productVariantsCount": VARIANTS, "collectionsCount": COLLECTIONS}
