"""Which fields of a webhook payload may be kept, per topic: an allow-list, so that what Shopify adds stays out. Pure.

A shape is True (keep the value, if it is no object or list), a mapping (keep these fields of an object), or a list of
one shape (keep each element so). `MARKS` keeps only our own two marks of a list of name and value pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shopify_app.sync.translate.values import our_marks

Shape = Any
MARKS = object()
STRINGS = object()


def _fields(*names: str, **deeper: Shape) -> dict[str, Shape]:
    return {**dict.fromkeys(names, True), **deeper}


_REFUND = _fields(
    "id", "order_id", "created_at", "processed_at",
    refund_line_items=[_fields("line_item_id", "quantity", "subtotal")],
    transactions=[_fields("amount", "kind", "status", "currency")],
)  # fmt: skip
_ORDER = _fields(
    "id", "name", "created_at", "processed_at", "updated_at", "cancelled_at", "test", "currency",
    "presentment_currency", "source_name", "total_price",
    total_price_set=_fields(presentment_money=_fields("amount")),
    note_attributes=MARKS,
    customer=_fields("id"),
    refunds=[_REFUND],
    line_items=[
        _fields(
            "id", "product_id", "variant_id", "sku", "quantity", "current_quantity", "price",
            discount_allocations=[_fields("amount")],
            properties=MARKS,
        )
    ],
)  # fmt: skip
_PRODUCT = _fields(
    "id", "handle", "title", "product_type", "vendor", "status", "tags", "created_at", "published_at", "updated_at",
    image=_fields("src"),
    variant_gids=[_fields("admin_graphql_api_id")],
    variants=[
        _fields(
            "id", "title", "sku", "price", "compare_at_price", "position", "inventory_policy", "inventory_item_id",
            "inventory_quantity", "inventory_management",
        )
    ],
)  # fmt: skip
_COLLECTION = _fields("id", "handle", "title", "updated_at")
_CUSTOMER = _fields("id", "created_at", "updated_at")
_ID = _fields("id")

SHAPES: Mapping[str, Shape] = {
    **dict.fromkeys(("orders/create", "orders/updated", "orders/cancelled", "orders/paid"), _ORDER),
    "orders/edited": _fields(order_edit=_fields("order_id", "committed_at")),
    "orders/delete": _ID,
    "refunds/create": _REFUND,
    **dict.fromkeys(("products/create", "products/update"), _PRODUCT),
    "products/delete": _ID,
    **dict.fromkeys(("collections/create", "collections/update"), _COLLECTION),
    "collections/delete": _ID,
    **dict.fromkeys(("customers/create", "customers/update"), _CUSTOMER),
    "customers/delete": _ID,
    "customers/merge": _fields("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id"),
    "inventory_levels/update": _fields("inventory_item_id", "location_id", "available", "updated_at"),
    "themes/publish": _fields("id", "updated_at"),
    "app/uninstalled": _ID,
    "app/scopes_update": _fields("id", "updated_at", current=STRINGS),
    "shop/update": _fields("id", "name", "currency", "iana_timezone"),
    "bulk_operations/finish": _fields("admin_graphql_api_id", "status", "error_code"),
    "customers/data_request": _fields(customer=_ID, orders_requested=STRINGS, data_request=_ID),
    "customers/redact": _fields(customer=_ID, orders_to_redact=STRINGS),
    "shop/redact": _fields("shop_id"),
}


def keep(value: Any, shape: Shape) -> Any:
    """The parts of `value` that `shape` names; None where the value does not have the shape's form."""
    if shape is MARKS:
        return our_marks(value, key="name")
    if shape is STRINGS:
        return [each for each in value if isinstance(each, str | int)] if isinstance(value, list) else []
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return None
        return {name: keep(value[name], inner) for name, inner in shape.items() if name in value}
    if isinstance(shape, list):
        return (
            [keep(each, shape[0]) for each in value if isinstance(each, Mapping)]
            if isinstance(value, list)
            else None
        )
    return None if isinstance(value, Mapping | list) else value
