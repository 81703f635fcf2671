"""Every mutation of a shop: one transaction each, and the webhooks it causes as the answer.

Each function returns the list of `Change`s that Shopify would send, the object itself first, or raises
`ChangeRefusedError` and writes nothing.
"""

from __future__ import annotations

from devstore.effects import Change, ChangeRefusedError, RefusalCode
from devstore.order_changes import cancel, delete_order, edit_order, place_order, refund
from devstore.shop_changes import (
    create_collection,
    create_customer,
    create_product,
    delete_collection,
    delete_customer,
    delete_product,
    merge_customers,
    publish_theme,
    set_price,
    set_status,
    set_stock,
    set_title,
    update_shop,
)

__all__ = [
    "Change",
    "ChangeRefusedError",
    "RefusalCode",
    "cancel",
    "create_collection",
    "create_customer",
    "create_product",
    "delete_collection",
    "delete_customer",
    "delete_order",
    "delete_product",
    "edit_order",
    "merge_customers",
    "place_order",
    "publish_theme",
    "refund",
    "set_price",
    "set_status",
    "set_stock",
    "set_title",
    "update_shop",
]
