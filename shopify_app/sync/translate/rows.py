"""GraphQL objects (a bulk result's lines, or one object read again) to our events. Pure; reads no personal field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from mlops.features.events import (
    AttributeTold,
    CollectionChanged,
    CustomerChanged,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    RefundLine,
    RefundMade,
    StockChanged,
    VariantState,
)
from shopify_app.sync.translate.values import (
    Untranslatable,
    exposure_mark,
    moment,
    moment_or_none,
    money,
    need,
    node_id,
    number,
    our_marks,
    presentment_money,
    shop_money,
    text,
    visitor_mark,
    whole,
)

Row = Mapping[str, Any]
# The alias under which `shopify_app.graphql.picks` asks for a chosen metafield.
_PICKED = re.compile(r"mf_([0-9]{1,18})")


def without_strangers_words(row: dict[str, Any]) -> dict[str, Any]:
    """The row with only our own marks among its custom attributes, for keeping until it is translated."""
    if row.get("customAttributes"):
        row["customAttributes"] = our_marks(row["customAttributes"], key="key")
    return row


def order(row: Row, lines: Iterable[Row]) -> OrderPlaced:
    """One order with its lines."""
    return OrderPlaced(
        order_id=number(row.get("id"), "id"),
        version_at=moment(row.get("updatedAt"), "updatedAt"),
        ordered_at=moment(row.get("processedAt") or row.get("createdAt"), "processedAt"),
        currency=text(need(row, "currencyCode")),
        total=shop_money(row.get("totalPriceSet"), "totalPriceSet"),
        refunded=shop_money(row.get("totalRefundedSet"), "totalRefundedSet"),
        lines=tuple(order_line(line) for line in lines),
        name=text(row.get("name")),
        customer_id=node_id(row.get("customer"), "customer"),
        cancelled_at=moment_or_none(row.get("cancelledAt"), "cancelledAt"),
        test=row.get("test") is True,
        source_name=text(row.get("sourceName")),
        presentment_currency=text(row.get("presentmentCurrencyCode")),
        presentment_total=presentment_money((row.get("totalPriceSet") or {}).get("presentmentMoney")),
        visitor=visitor_mark(row.get("customAttributes"), key="key"),
    )


def refunds(row: Row) -> list[RefundMade]:
    """The refunds listed in an order. A bulk result does not tell their lines."""
    return [_refund(row, each) for each in row.get("refunds") or ()]


def product(row: Row, variants: Iterable[Row]) -> ProductChanged:
    """One product with its variants, and the chosen metafields of both."""
    variants = list(variants)
    media = row.get("featuredMedia") or {}
    image = (media.get("preview") or {}).get("image") or {}
    return ProductChanged(
        product_id=number(row.get("id"), "id"),
        version_at=moment(row.get("updatedAt"), "updatedAt"),
        handle=text(need(row, "handle")),
        title=text(row.get("title")),
        product_type=text(row.get("productType")),
        vendor=text(row.get("vendor")),
        status=text(need(row, "status")).lower(),
        tags=tuple(text(tag) for tag in row.get("tags") or ()),
        created_at=moment(row.get("createdAt"), "createdAt"),
        published_at=moment_or_none(row.get("publishedAt"), "publishedAt"),
        image_url=text(image.get("url")) or None,
        gift_card=row.get("isGiftCard") is True,
        variants=tuple(variant(each) for each in variants),
        attributes=_attributes(row, variants),
    )


def metafields(row: Row) -> dict[int, Mapping[str, Any] | None]:
    """The chosen metafields of a node, by our number of the choice; None where the owner has no value."""
    found: dict[int, Mapping[str, Any] | None] = {}
    for name, value in row.items():
        match = _PICKED.fullmatch(name)
        if match is not None:
            found[int(match[1])] = value if isinstance(value, Mapping) else None
    return found


def collection(row: Row, product_ids: Iterable[int]) -> CollectionChanged:
    """One collection with the ids of its products."""
    return CollectionChanged(
        collection_id=number(row.get("id"), "id"),
        version_at=moment(row.get("updatedAt"), "updatedAt"),
        handle=text(need(row, "handle")),
        title=text(row.get("title")),
        product_ids=tuple(product_ids),
    )


def customer(row: Row) -> CustomerChanged:
    return CustomerChanged(
        customer_id=number(row.get("id"), "id"),
        version_at=moment(row.get("updatedAt"), "updatedAt"),
        created_at=moment(row.get("createdAt"), "createdAt"),
    )


def stock(row: Row) -> StockChanged:
    """One inventory level line; its parent is the inventory item."""
    units = [each.get("quantity") for each in row.get("quantities") or () if each.get("name") == "available"]
    location = node_id(row.get("location"), "location")
    if location is None:
        raise Untranslatable("field location is missing")
    available = whole(units[0], "quantities") if units and row.get("isActive") is not False else None
    return StockChanged(
        inventory_item_id=number(row.get("__parentId"), "__parentId"),
        location_id=location,
        available=available,
        version_at=moment(row.get("updatedAt"), "updatedAt"),
    )


def order_line(row: Row) -> OrderLine:
    """One line of an order."""
    return OrderLine(
        line_id=number(row.get("id"), "lineItems.id"),
        product_id=node_id(row.get("product"), "lineItems.product"),
        variant_id=node_id(row.get("variant"), "lineItems.variant"),
        sku=text(row.get("sku")),
        quantity=whole(row.get("quantity"), "lineItems.quantity"),
        current_quantity=whole(row.get("currentQuantity"), "lineItems.currentQuantity"),
        unit_price=shop_money(row.get("discountedUnitPriceAfterAllDiscountsSet"), "lineItems.price"),
        exposure=exposure_mark(row.get("customAttributes"), key="key"),
    )


def _refund(order_row: Row, row: Row) -> RefundMade:
    lines: dict[int, RefundLine] = {}
    for each in (row.get("refundLineItems") or {}).get("nodes") or ():
        line_id = number((each.get("lineItem") or {}).get("id"), "refundLineItems.lineItem")
        earlier = lines.get(line_id, RefundLine(line_id, 0, Decimal(0)))
        lines[line_id] = RefundLine(
            line_id=line_id,
            quantity=earlier.quantity + whole(each.get("quantity"), "refundLineItems.quantity"),
            amount=earlier.amount + shop_money(each.get("subtotalSet"), "refundLineItems.subtotalSet"),
        )
    return RefundMade(
        refund_id=number(row.get("id"), "refunds.id"),
        order_id=number(order_row.get("id"), "id"),
        version_at=moment(row.get("createdAt") or order_row.get("updatedAt"), "refunds.createdAt"),
        amount=shop_money(row.get("totalRefundedSet"), "refunds.totalRefundedSet"),
        currency=text(order_row.get("currencyCode")),
        lines=tuple(lines.values()),
    )


def _attributes(row: Row, variants: Iterable[Row]) -> tuple[AttributeTold, ...] | None:
    """None when no metafield was asked for."""
    told: list[AttributeTold] = []
    asked = False
    for each in (row, *variants):
        owner_id = number(each.get("id"), "id")
        for attribute_id, value in metafields(each).items():
            asked = True
            raw = None if value is None else value.get("value")
            if isinstance(raw, str):
                raw = raw.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be kept
                told.append(AttributeTold(attribute_id, owner_id, text(value and value.get("type")), raw))
            else:
                told.append(AttributeTold(attribute_id, owner_id))
    return tuple(told) if asked else None


def variant(row: Row) -> VariantState:
    """One variant of a product."""
    item = row.get("inventoryItem") or {}
    tracked = item.get("tracked") is not False
    compare = row.get("compareAtPrice")
    units = row.get("inventoryQuantity")
    return VariantState(
        variant_id=number(row.get("id"), "variants.id"),
        title=text(row.get("title")),
        sku=text(row.get("sku")),
        price=money(row.get("price"), "variants.price"),
        compare_at_price=None if compare is None else money(compare, "variants.compareAtPrice"),
        position=whole(row.get("position"), "variants.position"),
        inventory_item_id=node_id(row.get("inventoryItem"), "variants.inventoryItem"),
        available=whole(units, "variants.inventoryQuantity") if tracked and units is not None else None,
        continue_selling=row.get("inventoryPolicy") == "CONTINUE",
    )
