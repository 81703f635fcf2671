"""REST-shaped webhook payloads to our events. Pure; reads no personal field.

`SHAPES` names the fields that each topic's translation reads. A payload is cut to them before it is stored, so what
the translators never read is never kept either.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlops.features.events import (
    CollectionChanged,
    CustomerChanged,
    CustomerMerged,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    RefundLine,
    RefundMade,
    StockChanged,
    VariantState,
)
from shopify_app.sync.translate.values import (
    FOUR_PLACES,
    exposure_mark,
    moment,
    moment_or_none,
    money,
    need,
    number,
    number_or_none,
    presentment_money,
    text,
    visitor_mark,
    whole,
)

Payload = Mapping[str, Any]


def order(payload: Payload) -> list[OrderPlaced | RefundMade]:
    """An order as orders/create, updated, cancelled and paid tell it, and the refunds listed in it."""
    made = [refund(each, currency=text(payload.get("currency"))) for each in payload.get("refunds") or ()]
    placed = OrderPlaced(
        order_id=number(payload.get("id"), "id"),
        version_at=moment(payload.get("updated_at"), "updated_at"),
        ordered_at=moment(payload.get("processed_at") or payload.get("created_at"), "processed_at"),
        currency=text(need(payload, "currency")),
        total=money(payload.get("total_price"), "total_price"),
        refunded=sum((each.amount for each in made), Decimal(0)),
        lines=tuple(_line(line) for line in payload.get("line_items") or ()),
        name=text(payload.get("name")),
        customer_id=number_or_none((payload.get("customer") or {}).get("id"), "customer.id"),
        cancelled_at=moment_or_none(payload.get("cancelled_at"), "cancelled_at"),
        test=payload.get("test") is True,
        source_name=text(payload.get("source_name")),
        presentment_currency=text(payload.get("presentment_currency")),
        presentment_total=presentment_money((payload.get("total_price_set") or {}).get("presentment_money")),
        visitor=visitor_mark(payload.get("note_attributes"), key="name"),
    )
    return [placed, *made]


def refund(payload: Payload, *, currency: str = "") -> RefundMade:
    """A refund as refunds/create tells it, and as an order lists it. `currency` is the shop's."""
    lines: dict[int, RefundLine] = {}
    for each in payload.get("refund_line_items") or ():
        line_id = number(each.get("line_item_id"), "refund_line_items.line_item_id")
        earlier = lines.get(line_id, RefundLine(line_id, 0, Decimal(0)))
        lines[line_id] = RefundLine(
            line_id=line_id,
            quantity=earlier.quantity + whole(each.get("quantity"), "refund_line_items.quantity"),
            amount=earlier.amount + money(each.get("subtotal"), "refund_line_items.subtotal"),
        )
    given_back = [
        each
        for each in payload.get("transactions") or ()
        if each.get("kind") == "refund" and each.get("status", "success") == "success"
    ]
    return RefundMade(
        refund_id=number(payload.get("id"), "id"),
        order_id=number(payload.get("order_id"), "order_id"),
        version_at=moment(payload.get("created_at") or payload.get("processed_at"), "created_at"),
        amount=sum((money(each.get("amount"), "transactions.amount") for each in given_back), Decimal(0)),
        currency=currency or (text(given_back[0].get("currency")) if given_back else ""),
        lines=tuple(lines.values()),
    )


def product(payload: Payload, *, untracked: frozenset[int] = frozenset()) -> ProductChanged:
    """A product as products/create and update tell it.

    Args:
        untracked: variants whose stock is known not to be tracked, where the payload does not say.
    """
    image = payload.get("image") or {}
    return ProductChanged(
        product_id=number(payload.get("id"), "id"),
        version_at=moment(payload.get("updated_at"), "updated_at"),
        handle=text(need(payload, "handle")),
        title=text(payload.get("title")),
        product_type=text(payload.get("product_type")),
        vendor=text(payload.get("vendor")),
        status=text(need(payload, "status")).lower(),
        tags=tuple(tag.strip() for tag in text(payload.get("tags")).split(",") if tag.strip()),
        created_at=moment(payload.get("created_at"), "created_at"),
        published_at=moment_or_none(payload.get("published_at"), "published_at"),
        image_url=text(image.get("src")) or None,
        gift_card=text(payload.get("product_type")).lower() == "gift card",
        variants=tuple(_variant(each, untracked) for each in payload.get("variants") or ()),
    )


def tells_all_variants(payload: Payload) -> bool:
    """False when Shopify cut the list of variants: the product must be read again."""
    listed = payload.get("variant_gids")
    return not isinstance(listed, list) or len(listed) <= len(payload.get("variants") or ())


def tells_tracking(payload: Payload) -> bool:
    """True when each variant says whether its stock is tracked."""
    return all("inventory_management" in each for each in payload.get("variants") or ())


def variant_ids(payload: Payload) -> list[int]:
    return [number(each.get("id"), "variants.id") for each in payload.get("variants") or ()]


def collection(payload: Payload) -> CollectionChanged:
    """A collection; webhooks do not tell its members."""
    return CollectionChanged(
        collection_id=number(payload.get("id"), "id"),
        version_at=moment(payload.get("updated_at"), "updated_at"),
        handle=text(need(payload, "handle")),
        title=text(payload.get("title")),
        product_ids=None,
    )


def customer(payload: Payload) -> CustomerChanged:
    return CustomerChanged(
        customer_id=number(payload.get("id"), "id"),
        version_at=moment(payload.get("updated_at"), "updated_at"),
        created_at=moment(payload.get("created_at"), "created_at"),
    )


def merge(payload: Payload, *, at: datetime) -> CustomerMerged:
    return CustomerMerged(
        kept_id=number(
            payload.get("admin_graphql_api_customer_kept_id"), "admin_graphql_api_customer_kept_id"
        ),
        deleted_id=number(
            payload.get("admin_graphql_api_customer_deleted_id"), "admin_graphql_api_customer_deleted_id"
        ),
        version_at=at,
    )


def stock(payload: Payload, *, at: datetime) -> StockChanged:
    units = payload.get("available")
    return StockChanged(
        inventory_item_id=number(payload.get("inventory_item_id"), "inventory_item_id"),
        location_id=number(payload.get("location_id"), "location_id"),
        available=None if units is None else whole(units, "available"),
        version_at=moment_or_none(payload.get("updated_at"), "updated_at") or at,
    )


def _line(row: Payload) -> OrderLine:
    quantity = whole(row.get("quantity"), "line_items.quantity")
    price = money(row.get("price"), "line_items.price")
    discounts = (
        money(each.get("amount"), "discount_allocations") for each in row.get("discount_allocations") or ()
    )
    off = sum(discounts, Decimal(0))
    unit = (price - off / quantity).quantize(FOUR_PLACES) if quantity and off else price
    current = row.get("current_quantity")
    return OrderLine(
        line_id=number(row.get("id"), "line_items.id"),
        product_id=number_or_none(row.get("product_id"), "line_items.product_id"),
        variant_id=number_or_none(row.get("variant_id"), "line_items.variant_id"),
        sku=text(row.get("sku")),
        quantity=quantity,
        current_quantity=quantity if current is None else whole(current, "line_items.current_quantity"),
        unit_price=unit,
        exposure=exposure_mark(row.get("properties"), key="name"),
    )


def _variant(row: Payload, untracked: frozenset[int]) -> VariantState:
    variant_id = number(row.get("id"), "variants.id")
    tracked = (
        row["inventory_management"] is not None
        if "inventory_management" in row
        else variant_id not in untracked
    )
    units = row.get("inventory_quantity")
    compare = row.get("compare_at_price")
    return VariantState(
        variant_id=variant_id,
        title=text(row.get("title")),
        sku=text(row.get("sku")),
        price=money(row.get("price"), "variants.price"),
        compare_at_price=None if compare is None else money(compare, "variants.compare_at_price"),
        position=whole(row.get("position"), "variants.position"),
        inventory_item_id=number_or_none(row.get("inventory_item_id"), "variants.inventory_item_id"),
        available=whole(units, "variants.inventory_quantity") if tracked and units is not None else None,
        continue_selling=row.get("inventory_policy") == "continue",
    )
