"""Products and collections as the storefront shows them: Liquid objects, Ajax API and products.json.

Prices in Liquid and `/products/x.js` are cents, in products.json decimal text, as Shopify has them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from devstore.store import Store

PUBLISHED = "p.status = 'ACTIVE' AND p.published_at IS NOT NULL"
Json = dict[str, Any]


def cents(price: str | None) -> int | None:
    return None if price in (None, "") else int((Decimal(str(price)) * 100).to_integral_value())


def available(variant: sqlite3.Row) -> bool:
    return not variant["tracked"] or variant["inventory_policy"] == "CONTINUE" or variant["available"] > 0


def image_of(row: sqlite3.Row) -> str:
    """The product's own picture, or one that is drawn from its name."""
    return str(row["image_url"] or f"/cdn/images/{row['id']}.svg")


def variants_of(store: Store, product_ids: Iterable[int]) -> dict[int, list[sqlite3.Row]]:
    ids = list(product_ids)
    found: dict[int, list[sqlite3.Row]] = {product_id: [] for product_id in ids}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT * FROM variants WHERE product_id IN ({marks}) ORDER BY product_id, position, id"  # noqa: S608
        for row in store.read(sql, part):
            found[row["product_id"]].append(row)
    return found


def products(store: Store, rows: Sequence[sqlite3.Row]) -> list[Json]:
    """Product objects, cents, in the order of the rows. One query for all variants."""
    variants = variants_of(store, (row["id"] for row in rows))
    return [_product(row, variants[row["id"]]) for row in rows]


def product_by_handle(store: Store, handle: str) -> Json | None:
    """None also for a product that is not on the online store."""
    row = store.one(f"SELECT p.* FROM products p WHERE p.handle = ? AND {PUBLISHED}", (handle,))  # noqa: S608
    return products(store, [row])[0] if row else None


def product_row(store: Store, product_id: int) -> sqlite3.Row | None:
    return store.one(f"SELECT p.* FROM products p WHERE p.id = ? AND {PUBLISHED}", (product_id,))  # noqa: S608


def search(
    store: Store,
    *,
    text: str = "",
    collection_id: int | None = None,
    order: str = "title",
    limit: int,
    offset: int = 0,
) -> tuple[list[sqlite3.Row], int]:
    """One page of published products, and how many there are in all. `order`: title | newest | collection."""
    where, values = [PUBLISHED], list[Any]()
    join = ""
    if collection_id is not None:
        join = "JOIN collection_products cp ON cp.product_id = p.id AND cp.collection_id = ?"
        values.append(collection_id)
    for word in text.split()[:8]:
        where.append(
            "(p.title LIKE ? ESCAPE '\\' OR p.product_type LIKE ? ESCAPE '\\' OR p.vendor LIKE ? ESCAPE '\\')"
        )
        pattern = "%" + word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        values += [pattern, pattern, pattern]
    by = {"newest": "p.published_at DESC, p.id DESC", "collection": "cp.position, p.id"}.get(
        order, "p.title, p.id"
    )
    body = f"FROM products p {join} WHERE {' AND '.join(where)}"
    count = store.one(f"SELECT count(*) {body}", values)
    rows = store.read(f"SELECT p.* {body} ORDER BY {by} LIMIT ? OFFSET ?", [*values, limit, offset])
    return rows, int(count[0]) if count else 0


def collections(store: Store, *, limit: int = 50) -> list[Json]:
    """Collections with something in them, the largest first."""
    rows = store.read(
        "SELECT c.id, c.handle, c.title, count(*) AS size, min(cp.product_id) AS first_product FROM collections c"
        " JOIN collection_products cp ON cp.collection_id = c.id GROUP BY c.id ORDER BY size DESC, c.title LIMIT ?",
        (limit,),
    )
    return [
        {
            "id": row["id"],
            "handle": row["handle"],
            "title": row["title"],
            "url": f"/collections/{row['handle']}",
            "products_count": row["size"],
            "image": f"/cdn/images/{row['first_product']}.svg",
        }
        for row in rows
    ]


def related(store: Store, product_id: int, *, limit: int) -> list[Json]:
    """What Shopify's own related products fall back to: other products of the same collections."""
    rows = store.read(
        "SELECT p.*, count(*) AS shared FROM collection_products mine"
        " JOIN collection_products cp ON cp.collection_id = mine.collection_id AND cp.product_id <> mine.product_id"
        " JOIN products p ON p.id = cp.product_id AND p.status = 'ACTIVE' AND p.published_at IS NOT NULL"
        " WHERE mine.product_id = ? GROUP BY p.id ORDER BY shared DESC, p.published_at DESC, p.id LIMIT ?",
        (product_id, limit),
    )
    return products(store, rows)


def _options(row: sqlite3.Row, variants: Sequence[sqlite3.Row]) -> list[Json]:
    names = json.loads(row["options"])
    values = [variant["title"].split(" / ") for variant in variants]
    return [
        {
            "name": name,
            "position": index + 1,
            "values": list(dict.fromkeys(parts[index] for parts in values if index < len(parts))),
        }
        for index, name in enumerate(names)
    ]


def _variant(row: sqlite3.Row, product: sqlite3.Row, *, single: bool) -> Json:
    parts = [*row["title"].split(" / "), None, None, None][:3]
    return {
        "id": row["id"],
        "title": row["title"],
        "option1": parts[0],
        "option2": parts[1],
        "option3": parts[2],
        "sku": row["sku"],
        "requires_shipping": not product["is_gift_card"],
        "taxable": True,
        "featured_image": None,
        "available": available(row),
        "name": product["title"] if single else f"{product['title']} - {row['title']}",
        "public_title": None if single else row["title"],
        "options": [part for part in parts if part is not None],
        "price": cents(row["price"]),
        "compare_at_price": cents(row["compare_at_price"]),
        "weight": 0,
        "inventory_management": "shopify" if row["tracked"] else None,
        "inventory_quantity": row["available"],
        "barcode": "",
    }


def _product(row: sqlite3.Row, variants: Sequence[sqlite3.Row]) -> Json:
    items = [_variant(variant, row, single=len(variants) == 1) for variant in variants]
    prices = [item["price"] for item in items] or [0]
    before = [item["compare_at_price"] for item in items if item["compare_at_price"]]
    image = image_of(row)
    first = next((item for item in items if item["available"]), items[0] if items else None)
    return {
        "id": row["id"],
        "title": row["title"],
        "handle": row["handle"],
        "description": row["body_html"],
        "published_at": row["published_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "vendor": row["vendor"],
        "type": row["product_type"],
        "tags": json.loads(row["tags"]),
        "price": min(prices),
        "price_min": min(prices),
        "price_max": max(prices),
        "price_varies": len(set(prices)) > 1,
        "available": any(item["available"] for item in items),
        "compare_at_price": min(before) if before else None,
        "variants": items,
        "images": [image],
        "featured_image": image,
        "options": _options(row, variants),
        "url": f"/products/{row['handle']}",
        "selected_or_first_available_variant": first,
        "has_only_default_variant": len(items) == 1,
    }


def as_ajax(product: Json) -> Json:
    """`/products/{handle}.js`: the Liquid object without what only templates use."""
    hidden = {"selected_or_first_available_variant", "has_only_default_variant", "updated_at"}
    return {key: value for key, value in product.items() if key not in hidden} | {
        "variants": [
            {key: value for key, value in variant.items() if key != "inventory_quantity"}
            for variant in product["variants"]
        ]
    }


def as_listing(product: Json) -> Json:
    """One entry of products.json, with decimal prices."""
    keys = (
        "id",
        "title",
        "option1",
        "option2",
        "option3",
        "sku",
        "requires_shipping",
        "taxable",
        "available",
    )
    variants = [
        {key: variant[key] for key in keys}
        | {
            "featured_image": None,
            "price": f"{variant['price'] / 100:.2f}",
            "compare_at_price": None
            if variant["compare_at_price"] is None
            else f"{variant['compare_at_price'] / 100:.2f}",
            "grams": 0,
            "position": position,
            "product_id": product["id"],
            "created_at": product["created_at"],
            "updated_at": product["updated_at"],
        }
        for position, variant in enumerate(product["variants"], 1)
    ]
    return {
        "id": product["id"],
        "title": product["title"],
        "handle": product["handle"],
        "body_html": product["description"],
        "published_at": product["published_at"],
        "created_at": product["created_at"],
        "updated_at": product["updated_at"],
        "vendor": product["vendor"],
        "product_type": product["type"],
        "tags": product["tags"],
        "variants": variants,
        "images": [{"id": product["id"] + 9, "position": 1, "src": product["featured_image"]}],
        "options": product["options"],
    }
