"""What each kept column is used for, declared by the side that uses it. Pure.

A column that is missing here is kept and used by nothing. `TRAINING_FRAME` is the whole of what a trainer gets from the
tables of state; the catalogue and chosen metafields come beside it, see `catalogue_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Use(StrEnum):
    """One reader of our rows, in the merchant's words."""

    LEARNING = "recommendations learn from it"
    DEMAND = "demand is counted from it"
    FEATURES = "features are computed from it"
    SERVING = "decides what may be shown"
    TILE = "shown to shoppers with the product"
    ATTRIBUTION = "ties orders to what was shown"
    FIGURES = "daily figures"
    BOOKS = "tells newer from older, and compares with Shopify"
    MARKERS = "marks jumps in the catalogue"


# Column of the training frame to the stored column that it is read from.
TRAINING_FRAME: Mapping[str, str] = {
    "order_id": "features_order.order_id",
    "customer_id": "features_order.customer_id",
    "ordered_at": "features_order.ordered_at",
    "product_id": "features_orderline.product_id",
    "quantity": "features_orderline.current_quantity",
    "unit_price": "features_orderline.unit_price",
}
# The catalogue that is frozen beside it: words of products, and the build of their codes.
TRAINING_CATALOGUE: Mapping[str, tuple[str, ...]] = {
    "product_id": ("features_product.product_id",),
    "words": (
        "features_product.title",
        "features_product.product_type",
        "features_product.vendor",
        "features_product.tags",
    ),
    "code": ("features_variant.sku", "features_variant.position"),
}
# Decide which rows are in the frame, without being in it.
TRAINING_FILTERS = (
    "features_order.cancelled_at", "features_order.test", "features_order.deleted_at", "features_order.visitor"
)  # fmt: skip


def _of(table: str, *columns: str) -> tuple[str, ...]:
    return tuple(f"{table}.{column}" for column in columns)


USED: Mapping[Use, tuple[str, ...]] = {
    Use.LEARNING: (
        *TRAINING_FRAME.values(),
        *TRAINING_FILTERS,
        *(column for columns in TRAINING_CATALOGUE.values() for column in columns),
    ),
    Use.DEMAND: (
        *_of("features_order", "order_id", "ordered_at", "cancelled_at", "test"),
        *_of("features_orderline", "product_id", "quantity", "current_quantity"),
    ),
    # As the event log tells them, with the moment at which each was known.
    Use.FEATURES: (
        *_of("features_order", "order_id", "ordered_at", "version_at", "customer_id", "cancelled_at", "test"),
        *_of("features_orderline", "product_id", "variant_id", "current_quantity", "unit_price"),
        *_of("features_product", "product_id", "version_at", "status", "published_at", "created_at"),
        *_of(
            "features_variant",
            "variant_id",
            "inventory_item_id",
            "price",
            "compare_at_price",
            "available",
            "continue_selling",
        ),
        *_of("features_stocklevel", "inventory_item_id", "location_id", "available", "version_at"),
    ),
    Use.SERVING: (
        *_of("features_product", "product_id", "status", "published_at", "gift_card", "created_at"),
        *_of("features_variant", "available", "continue_selling", "inventory_item_id", "position"),
        *_of("features_stocklevel", "inventory_item_id", "location_id", "available"),
    ),
    Use.TILE: (
        *_of("features_product", "title", "handle", "image_url"),
        *_of("features_variant", "variant_id", "price", "compare_at_price"),
    ),
    Use.ATTRIBUTION: (
        *_of("features_order", "visitor", "ordered_at", "cancelled_at", "test"),
        *_of("features_orderline", "line_id", "product_id", "unit_price", "quantity", "exposure"),
        *_of("features_refund", "refund_id", "order_id", "version_at"),
        *_of("features_refundline", "line_id", "quantity", "amount"),
    ),
    Use.FIGURES: _of("features_order", "cancelled_at"),
    Use.BOOKS: (
        *_of("features_order", "version_at", "refunded", "total", "presentment_total", "currency"),
        *_of("features_product", "version_at", "title", "status", "created_at"),
        *_of("features_customer", "customer_id", "version_at", "created_at"),
        *_of("features_collection", "collection_id", "version_at", "title"),
        *_of("features_variant", "price", "available"),
        *_of("features_stocklevel", "version_at"),
        *_of("features_refund", "amount"),
    ),
    Use.MARKERS: _of("features_variant", "variant_id", "price", "available"),
}


def uses_of(column: str) -> tuple[Use, ...]:
    """Who reads the stored column `table.column`."""
    return tuple(use for use, columns in USED.items() if column in columns)
