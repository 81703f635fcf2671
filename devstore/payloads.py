"""The body of every webhook: `body_for(store, change)` is the one door.

Bodies are made from the rows as they are now, as Shopify does: a late delivery may tell of a newer state
than the one that caused it. An object that is gone is told by its id alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from devstore.effects import Change
from devstore.order_payloads import (
    Body,
    customer_body,
    gid,
    order_body,
    order_edit_body,
    refund_body,
    shop_time,
)
from devstore.store import ShopFacts, Store

MAX_VARIANTS = 100  # Shopify cuts `variants` here; `variant_gids` goes on


def body_for(store: Store, change: Change) -> Body:
    """The JSON body of the webhook for one change. Raises KeyError for a topic the local Shopify has not."""
    return BODIES[change.topic](store, change)


def product_body(store: Store, product_id: int) -> Body:
    """A product as products/create and update send it: at most 100 variants, all their gids."""
    product = store.one("SELECT * FROM products WHERE id = ?", (product_id,))
    if product is None:
        return {"id": product_id}
    facts = store.facts()
    rows = store.read("SELECT * FROM variants WHERE product_id = ? ORDER BY position, id", (product_id,))
    names: list[str] = json.loads(product["options"])
    split = [_option_values(row["title"], len(names)) for row in rows]
    picture = product["image_url"] or f"https://{facts.domain}/cdn/images/{product_id}.svg"
    image: Body = {"id": product_id + 9, "product_id": product_id, "position": 1, "alt": None, "src": picture,
             "admin_graphql_api_id": gid("ProductImage", product_id + 9), "width": 800, "height": 800,
             "variant_ids": []}  # fmt: skip
    variants = [
        {
            "id": row["id"],
            "admin_graphql_api_id": gid("ProductVariant", row["id"]),
            "product_id": product_id,
            "title": row["title"],
            "price": row["price"],
            "compare_at_price": row["compare_at_price"],
            "sku": row["sku"],
            "barcode": None,
            "position": row["position"],
            "inventory_policy": row["inventory_policy"].lower(),
            "inventory_item_id": row["inventory_item_id"],
            "inventory_management": "shopify" if row["tracked"] else None,
            "inventory_quantity": row["available"],
            "old_inventory_quantity": row["available"],
            "taxable": True,
            "option1": values[0],
            "option2": values[1] if len(values) > 1 else None,
            "option3": values[2] if len(values) > 2 else None,
            "image_id": None,
            "created_at": shop_time(row["created_at"], facts),
            "updated_at": shop_time(row["updated_at"], facts),
        }
        for row, values in zip(rows[:MAX_VARIANTS], split, strict=False)
    ]
    return {
        "id": product_id,
        "admin_graphql_api_id": gid("Product", product_id),
        "title": product["title"],
        "body_html": product["body_html"],
        "vendor": product["vendor"],
        "product_type": product["product_type"],
        "handle": product["handle"],
        "status": product["status"].lower(),
        "tags": ", ".join(json.loads(product["tags"])),
        "template_suffix": None,
        "published_at": shop_time(product["published_at"], facts),
        "published_scope": "web",
        "created_at": shop_time(product["created_at"], facts),
        "updated_at": shop_time(product["updated_at"], facts),
        "options": [
            {"id": product_id + 10 + i, "product_id": product_id, "name": name, "position": i + 1,
             "values": list(dict.fromkeys(values[i] for values in split if len(values) > i))}
            for i, name in enumerate(names)
        ],
        "variants": variants,
        "images": [image] if image else [],
        "image": image,
        "media": [],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", row["id"]), "updated_at": shop_time(row["updated_at"], facts)}
            for row in rows
        ],
        "has_variants_that_requires_components": False,
        "category": {"full_name": product["category"]} if product["category"] else None,
    }  # fmt: skip


def shop_body(facts: ShopFacts) -> Body:
    return {
        "id": facts.shop_id,
        "name": facts.name,
        "email": facts.email,
        "customer_email": facts.email,
        "domain": facts.domain,
        "myshopify_domain": facts.domain,
        "plan_name": facts.plan.lower(),
        "plan_display_name": facts.plan,
        "currency": facts.currency,
        "iana_timezone": facts.iana_timezone,
        "primary_locale": "en",
        "country": facts.country,
        "country_code": facts.country,
        "created_at": shop_time(facts.created_at, facts),
        "password_enabled": False,
        "shop_owner": "Olivia Owner",
        "phone": "",
    }


def _option_values(title: str, count: int) -> list[str]:
    """The option values in a variant's title; the last takes what a value with " / " inside leaves over."""
    return title.split(" / ", max(count - 1, 0))


def _order(store: Store, change: Change) -> Body:
    return order_body(store, change.id)


def _order_edit(store: Store, change: Change) -> Body:
    return order_edit_body(store, change.id, change.extra)


def _refund(store: Store, change: Change) -> Body:
    return refund_body(store, change.id)


def _product(store: Store, change: Change) -> Body:
    return product_body(store, change.id)


def _only_id(store: Store, change: Change) -> Body:
    return {"id": change.id}


def _customer(store: Store, change: Change) -> Body:
    return customer_body(store, change.id, store.facts()) or {"id": change.id}


def _customer_deleted(store: Store, change: Change) -> Body:
    return {"id": change.id, "admin_graphql_api_id": gid("Customer", change.id), "tax_exemptions": []}


def _customers_merged(store: Store, change: Change) -> Body:
    return {
        "admin_graphql_api_customer_kept_id": gid("Customer", change.extra["kept"]),
        "admin_graphql_api_customer_deleted_id": gid("Customer", change.extra["deleted"]),
        "admin_graphql_api_job_id": None,
        "status": "completed",
        "errors": [],
    }


def _collection(store: Store, change: Change) -> Body:
    row = store.one("SELECT * FROM collections WHERE id = ?", (change.id,))
    if row is None:
        return {"id": change.id}
    updated = shop_time(row["updated_at"], store.facts())
    return {
        "id": change.id,
        "admin_graphql_api_id": gid("Collection", change.id),
        "handle": row["handle"],
        "title": row["title"],
        "updated_at": updated,
        "published_at": updated,
        "body_html": "",
        "sort_order": "best-selling",
        "template_suffix": None,
        "published_scope": "web",
    }


def _inventory_level(store: Store, change: Change) -> Body:
    row = store.one(
        "SELECT available, tracked, updated_at FROM variants WHERE inventory_item_id = ?", (change.id,)
    )
    location = store.one("SELECT id FROM locations ORDER BY id LIMIT 1")
    location_id = location["id"] if location else None
    return {
        "inventory_item_id": change.id,
        "location_id": location_id,
        "available": row["available"] if row and row["tracked"] else None,
        "updated_at": shop_time(row["updated_at"], store.facts()) if row else None,
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{location_id}?inventory_item_id={change.id}",
    }


def _theme(store: Store, change: Change) -> Body:
    row = store.one("SELECT * FROM themes WHERE id = ?", (change.id,))
    if row is None:
        return {"id": change.id}
    updated = shop_time(row["updated_at"], store.facts())
    return {
        "id": change.id,
        "admin_graphql_api_id": gid("OnlineStoreTheme", change.id),
        "name": row["name"],
        "role": row["role"].lower(),
        "theme_store_id": None,
        "previewable": True,
        "processing": False,
        "created_at": updated,
        "updated_at": updated,
    }


def _shop(store: Store, change: Change) -> Body:
    return shop_body(store.facts())


def _scopes(store: Store, change: Change) -> Body:
    """`extra`: previous and current scopes (lists), updated_at."""
    return {"id": change.id, **{key: change.extra[key] for key in ("previous", "current", "updated_at")}}


def _bulk_finished(store: Store, change: Change) -> Body:
    """`extra`: status, error_code (or None), type, created_at, completed_at; the words go out in lower case."""
    error = change.extra.get("error_code")
    return {
        "admin_graphql_api_id": gid("BulkOperation", change.id),
        "completed_at": change.extra.get("completed_at"),
        "created_at": change.extra.get("created_at"),
        "error_code": error.lower() if error else None,
        "status": str(change.extra["status"]).lower(),
        "type": str(change.extra.get("type", "query")).lower(),
    }


def _of_shop(store: Store, extra: Mapping[str, Any]) -> Body:
    facts = store.facts()
    return {"shop_id": facts.shop_id, "shop_domain": facts.domain, **extra}


def _subject(store: Store, change: Change) -> tuple[Body, list[int]]:
    """Whom a privacy request is about (`change.id`), and the ids of all their orders."""
    row = store.one("SELECT email, phone FROM customers WHERE id = ?", (change.id,))
    orders = store.read("SELECT id FROM orders WHERE customer_id = ? ORDER BY id", (change.id,))
    subject = {
        "id": change.id,
        "email": row["email"] if row else None,
        "phone": row["phone"] if row else None,
    }
    return subject, [order["id"] for order in orders]


def _data_request(store: Store, change: Change) -> Body:
    subject, orders = _subject(store, change)
    request = {"id": change.extra.get("request_id", change.id % 100_000)}
    return _of_shop(store, {"orders_requested": orders, "customer": subject, "data_request": request})


def _customer_redact(store: Store, change: Change) -> Body:
    subject, orders = _subject(store, change)
    return _of_shop(store, {"customer": subject, "orders_to_redact": orders})


def _shop_redact(store: Store, change: Change) -> Body:
    return _of_shop(store, {})


BODIES: dict[str, Callable[[Store, Change], Body]] = {
    "app/scopes_update": _scopes,
    "app/uninstalled": _shop,
    "bulk_operations/finish": _bulk_finished,
    "collections/create": _collection,
    "collections/delete": _only_id,
    "collections/update": _collection,
    "customers/create": _customer,
    "customers/data_request": _data_request,
    "customers/delete": _customer_deleted,
    "customers/merge": _customers_merged,
    "customers/redact": _customer_redact,
    "customers/update": _customer,
    "inventory_levels/update": _inventory_level,
    "orders/cancelled": _order,
    "orders/create": _order,
    "orders/delete": _only_id,
    "orders/edited": _order_edit,
    "orders/paid": _order,
    "orders/updated": _order,
    "products/create": _product,
    "products/delete": _only_id,
    "products/update": _product,
    "refunds/create": _refund,
    "shop/redact": _shop_redact,
    "shop/update": _shop,
    "themes/publish": _theme,
}
