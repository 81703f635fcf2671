"""Webhook topics the local Shopify can send, and the scope each one needs."""

from __future__ import annotations

COMPLIANCE_TOPICS = frozenset({"customers/data_request", "customers/redact", "shop/redact"})

_SCOPE_BY_RESOURCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "app": ("", ("uninstalled", "scopes_update")),
    "bulk_operations": ("", ("finish",)),
    "carts": ("read_orders", ("create", "update")),
    "checkouts": ("read_orders", ("create", "update", "delete")),
    "collections": ("read_products", ("create", "update", "delete")),
    "customers": ("read_customers", ("create", "update", "delete", "merge")),
    "inventory_items": ("read_inventory", ("create", "update", "delete")),
    "inventory_levels": ("read_inventory", ("update", "connect", "disconnect")),
    "orders": ("read_orders", ("create", "updated", "cancelled", "edited", "delete", "paid", "fulfilled")),
    "products": ("read_products", ("create", "update", "delete")),
    "refunds": ("read_orders", ("create",)),
    "shop": ("", ("update",)),
    "themes": ("read_themes", ("publish", "create", "update", "delete")),
    "variants": ("read_products", ("in_stock", "out_of_stock")),
}

TOPIC_SCOPES: dict[str, str] = {
    f"{resource}/{action}": scope
    for resource, (scope, actions) in _SCOPE_BY_RESOURCE.items()
    for action in actions
}
"""Topic -> scope the app needs to be sent it; an empty string means no scope."""


def topic_from_enum(name: str) -> str | None:
    """`ORDERS_CREATE` (GraphQL `WebhookSubscriptionTopic`) -> `orders/create`; None when not offered here."""
    return _TOPIC_BY_ENUM.get(name)


def enum_from_topic(topic: str) -> str:
    """`orders/create` -> `ORDERS_CREATE`."""
    return topic.replace("/", "_").upper()


_TOPIC_BY_ENUM = {enum_from_topic(topic): topic for topic in TOPIC_SCOPES}


def expand_scopes(scopes: frozenset[str]) -> frozenset[str]:
    """Scopes with what they imply: `write_x` also grants `read_x`."""
    return scopes | {"read_" + scope[len("write_") :] for scope in scopes if scope.startswith("write_")}
