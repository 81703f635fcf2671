"""Small events with good defaults."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlops.features.events import (
    Click,
    Exposure,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    RefundLine,
    RefundMade,
    ServedBy,
    SlotName,
    VariantState,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXPOSURE = "exposure-0123456789abcdef"
VISITOR = "visitor-of-birch"


def variant(product_id: int, **changes: Any) -> VariantState:
    given: dict[str, Any] = {
        "variant_id": product_id * 10,
        "title": "Default",
        "sku": f"SKU-{product_id}",
        "price": Decimal("12.50"),
        "compare_at_price": None,
        "position": 1,
        "inventory_item_id": product_id * 100,
        "available": 5,
        "continue_selling": False,
    }
    return VariantState(**{**given, **changes})


def product(product_id: int, **changes: Any) -> ProductChanged:
    variants = changes.pop("variants", None) or (variant(product_id),)
    given: dict[str, Any] = {
        "product_id": product_id,
        "version_at": NOON,
        "handle": f"product-{product_id}",
        "title": f"Product {product_id}",
        "product_type": "",
        "vendor": "Birch",
        "status": "active",
        "tags": ("oak",),
        "created_at": NOON - timedelta(days=400),
        "published_at": NOON - timedelta(days=400) + timedelta(minutes=product_id),
        "image_url": None,
        "gift_card": False,
        "variants": variants,
    }
    return ProductChanged(**{**given, **changes})


def line(line_id: int, product_id: int | None, quantity: int = 1, **changes: Any) -> OrderLine:
    given: dict[str, Any] = {
        "line_id": line_id,
        "product_id": product_id,
        "variant_id": None if product_id is None else product_id * 10,
        "sku": "",
        "quantity": quantity,
        "current_quantity": quantity,
        "unit_price": Decimal("12.50"),
    }
    return OrderLine(**{**given, **changes})


def order(order_id: int, lines: Sequence[OrderLine], **changes: Any) -> OrderPlaced:
    ordered_at = changes.pop("ordered_at", NOON)
    given: dict[str, Any] = {
        "order_id": order_id,
        "version_at": ordered_at,
        "ordered_at": ordered_at,
        "currency": "GBP",
        "total": sum((each.unit_price * each.quantity for each in lines), Decimal(0)),
        "refunded": Decimal(0),
        "lines": tuple(lines),
        "name": f"#{order_id}",
    }
    return OrderPlaced(**{**given, **changes})


def refund(
    refund_id: int, order_id: int, lines: Sequence[tuple[int, int, str]], **changes: Any
) -> RefundMade:
    """Args:
    lines: (line id, quantity, amount).
    """
    taken = tuple(RefundLine(line_id, quantity, Decimal(amount)) for line_id, quantity, amount in lines)
    given: dict[str, Any] = {
        "refund_id": refund_id,
        "order_id": order_id,
        "version_at": NOON + timedelta(days=1),
        "amount": sum((each.amount for each in taken), Decimal(0)),
        "currency": "GBP",
        "lines": taken,
    }
    return RefundMade(**{**given, **changes})


def exposure(shop_id: int, product_ids: Sequence[int], **changes: Any) -> Exposure:
    given: dict[str, Any] = {
        "exposure_id": EXPOSURE,
        "shop_id": shop_id,
        "at": NOON - timedelta(minutes=30),
        "slot": SlotName.PRODUCT_PAGE,
        "served_by": ServedBy.ITEM_TO_ITEM,
        "product_ids": tuple(product_ids),
        "visitor": VISITOR,
    }
    return Exposure(**{**given, **changes})


def click(shop_id: int, product_id: int, **changes: Any) -> Click:
    given: dict[str, Any] = {
        "exposure_id": EXPOSURE,
        "shop_id": shop_id,
        "at": NOON - timedelta(minutes=20),
        "product_id": product_id,
        "visitor": VISITOR,
    }
    return Click(**{**given, **changes})
