"""Order, LineItem, Refund, RefundLineItem."""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from devstore.resolvers.fields import (
    Args,
    Computed,
    Field,
    Many,
    Reader,
    Row,
    TypeTable,
    Value,
    belongs_to,
    by_number,
    columns,
    constant,
    empty_connection,
    flag,
    id_field,
    identity,
    json_column,
    money_bag,
    rows_by,
)
from devstore.resolvers.metafields import metafield_fields
from devstore.resolvers.paging import Source, nested, root
from devstore.search import Kind, SearchField

ORDERS = Source(
    table="orders",
    sorts={
        "ID": "id",
        "PROCESSED_AT": "processed_at",
        "CREATED_AT": "created_at",
        "UPDATED_AT": "updated_at",
        "ORDER_NUMBER": "number",
        "TOTAL_PRICE": "CAST(total AS REAL)",
        "CURRENT_TOTAL_PRICE": "CAST(total AS REAL) - CAST(total_refunded AS REAL)",
        "FINANCIAL_STATUS": "financial_status",
        "FULFILLMENT_STATUS": "fulfillment_status",
        "RELEVANCE": "id",
    },
    fields={
        "id": SearchField(Kind.ID, "id"),
        "name": SearchField(Kind.TEXT, "name"),
        "created_at": SearchField(Kind.DATE, "created_at"),
        "processed_at": SearchField(Kind.DATE, "processed_at"),
        "updated_at": SearchField(Kind.DATE, "updated_at"),
        "test": SearchField(Kind.FLAG, "test"),
        "status": SearchField(
            Kind.ENUM,
            "(CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled' WHEN closed_at IS NOT NULL THEN 'closed'"
            " ELSE 'open' END)",
        ),
        "financial_status": SearchField(Kind.ENUM, "financial_status"),
        "fulfillment_status": SearchField(Kind.ENUM, "fulfillment_status"),
        "customer_id": SearchField(Kind.ID, "customer_id"),
        "cart_token": SearchField(Kind.TEXT, "cart_token"),
        "checkout_token": SearchField(Kind.TEXT, "checkout_token"),
        "source_name": SearchField(Kind.TEXT, "source_name"),
        "discount_code": SearchField(Kind.TEXT, "discount_code"),
        "total_price": SearchField(Kind.NUMBER, "total"),
        "tag": SearchField(Kind.TAGS, "tags"),
        "sku": SearchField(
            Kind.TEXT,
            "l.sku",
            inside="EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = orders.id AND {})",
        ),
    },
    word="name",
    parent="customer_id",
    default_sort="PROCESSED_AT",
)
CUSTOMER_ORDERS = Source(
    table=ORDERS.table, sorts=ORDERS.sorts, fields=ORDERS.fields, word=ORDERS.word, parent="customer_id"
)
# A line has no currency of its own; it takes the order's.
LINES = Source(
    table="(SELECT l.*, o.currency, o.presentment_currency, o.cancelled_at FROM order_lines l"
    " JOIN orders o ON o.id = l.order_id)",
    sorts={"ID": "position"},
    parent="order_id",
)
_REFUNDS = (
    "(SELECT r.*, o.currency, o.presentment_currency FROM refunds r JOIN orders o ON o.id = r.order_id)"
)
REFUND_LINES = Source(
    table="(SELECT r.*, f.order_id, o.currency, o.presentment_currency FROM refund_lines r"
    " JOIN refunds f ON f.id = r.refund_id JOIN orders o ON o.id = f.order_id)",
    sorts={"ID": "id"},
    parent="refund_id",
)


def _bag(name: str) -> Value:
    return Value(lambda reader, row, args: money_bag(row[name], row["currency"], row["presentment_currency"]))


def _bag_of(amount: str, *parts: str) -> Value:
    """A bag of arithmetic on columns: `amount` is "a-b" or "a*b" written with the columns' names in `parts`."""
    first, second = parts

    def get(reader: Reader, row: Row, args: Args) -> dict[str, dict[str, str]]:
        left, right = Decimal(str(row[first])), Decimal(str(row[second]))
        value = left * right if amount == "*" else left - right
        return money_bag(f"{value:f}", row["currency"], row["presentment_currency"])

    return Value(get)


_ZERO_BAG = Value(lambda reader, row, args: money_bag("0.0", row["currency"], row["presentment_currency"]))


def _refunds(reader: Reader, rows: Sequence[Row], args: Args) -> list[Sequence[Row]]:
    sql = f"SELECT * FROM {_REFUNDS} WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY id"
    found = rows_by(reader, sql, [row["id"] for row in rows], "order_id")
    return [found.get(row["id"], [])[: args.get("first")] for row in rows]


def _quantity(column_name: str) -> Computed:
    sql = (
        f"SELECT order_id, sum({column_name}) AS total FROM order_lines"
        " WHERE order_id IN (SELECT value FROM json_each(?)) GROUP BY order_id"
    )

    def load(reader: Reader, rows: Sequence[Row], args: Args) -> list[int]:
        found = rows_by(reader, sql, [row["id"] for row in rows], "order_id")
        return [int(found[row["id"]][0]["total"]) if row["id"] in found else 0 for row in rows]

    return Computed(load)


def _line_name(reader: Reader, row: Row, args: Args) -> str:
    return f"{row['title']} - {row['variant_title']}" if row["variant_title"] else str(row["title"])


def _paid(row: Row) -> bool:
    return row["financial_status"] in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED")


_ORDER: dict[str, Field] = {
    **identity("Order"),
    **metafield_fields("Order"),
    **columns(
        name="name",
        number="number",
        createdAt="created_at",
        processedAt="processed_at",
        updatedAt="updated_at",
        cancelledAt="cancelled_at",
        cancelReason="cancel_reason",
        closedAt="closed_at",
        currencyCode="currency",
        presentmentCurrencyCode="presentment_currency",
        displayFinancialStatus="financial_status",
        displayFulfillmentStatus="fulfillment_status",
        sourceName="source_name",
        cartToken="cart_token",
        checkoutToken="checkout_token",
        customerLocale="customer_locale",
        discountCode="discount_code",
        note="note",
    ),
    "test": flag("test"),
    "closed": Value(lambda reader, row, args: row["closed_at"] is not None),
    "confirmed": constant(True),
    "fullyPaid": Value(lambda reader, row, args: _paid(row)),
    "unpaid": Value(lambda reader, row, args: not _paid(row)),
    "refundable": Value(lambda reader, row, args: row["financial_status"] in ("PAID", "PARTIALLY_REFUNDED")),
    "requiresShipping": constant(True),
    "returnStatus": constant("NO_RETURN"),
    "discountCodes": Value(lambda reader, row, args: [row["discount_code"]] if row["discount_code"] else []),
    "tags": json_column("tags"),
    "customAttributes": json_column("attributes"),
    "subtotalLineItemsQuantity": _quantity("quantity"),
    "currentSubtotalLineItemsQuantity": _quantity("current_quantity"),
    "customer": belongs_to("Customer", "customers", "customer_id"),
    "lineItems": nested("LineItem", LINES),
    "nonFulfillableLineItems": empty_connection("LineItem"),
    "refunds": Many("Refund", _refunds),
    "subtotalPriceSet": _bag("subtotal"),
    "currentSubtotalPriceSet": _bag_of("-", "subtotal", "total_refunded"),
    "totalPriceSet": _bag("total"),
    "originalTotalPriceSet": _bag("total"),
    "currentTotalPriceSet": _bag_of("-", "total", "total_refunded"),
    "netPaymentSet": _bag_of("-", "total", "total_refunded"),
    "totalReceivedSet": _bag("total"),
    "totalDiscountsSet": _bag("total_discounts"),
    "currentTotalDiscountsSet": _bag("total_discounts"),
    "cartDiscountAmountSet": _bag("total_discounts"),
    "currentCartDiscountAmountSet": _bag("total_discounts"),
    "totalRefundedSet": _bag("total_refunded"),
    "totalShippingPriceSet": _bag("total_shipping"),
    "currentShippingPriceSet": _bag("total_shipping"),
    "totalTaxSet": _bag("total_tax"),
    "currentTotalTaxSet": _bag("total_tax"),
    # Deprecated, answered with a header that says so.
    **columns(
        subtotalPrice="subtotal",
        totalPrice="total",
        totalTax="total_tax",
        totalDiscounts="total_discounts",
        totalRefunded="total_refunded",
        totalShippingPrice="total_shipping",
    ),
    "totalRefundedShippingSet": _ZERO_BAG,
    "totalOutstandingSet": _ZERO_BAG,
    "totalCapturableSet": _ZERO_BAG,
    "totalTipReceivedSet": _ZERO_BAG,
    "refundDiscrepancySet": _ZERO_BAG,
}
_LINE: dict[str, Field] = {
    "id": id_field("LineItem"),
    **columns(
        title="title",
        quantity="quantity",
        currentQuantity="current_quantity",
        refundableQuantity="current_quantity",
        sku="sku",
        variantTitle="variant_title",
        vendor="vendor",
    ),
    "name": Value(_line_name),
    "unfulfilledQuantity": constant(0),
    "isGiftCard": flag("gift_card"),
    "requiresShipping": flag("requires_shipping"),
    "restockable": Value(lambda reader, row, args: row["variant_id"] is not None),
    "taxable": constant(True),
    "customAttributes": json_column("properties"),
    "product": belongs_to("Product", "products", "product_id"),
    "variant": belongs_to("ProductVariant", "variants", "variant_id"),
    "originalUnitPriceSet": _bag("price"),
    "discountedUnitPriceSet": _bag("discounted_price"),
    "discountedUnitPriceAfterAllDiscountsSet": _bag("discounted_price"),
    "totalDiscountSet": _bag("total_discount"),
    "originalTotalSet": _bag_of("*", "price", "quantity"),
    "discountedTotalSet": _bag_of("*", "discounted_price", "quantity"),
    "priceAfterAllDiscountsBeforeTaxesSet": _bag_of("*", "discounted_price", "quantity"),
    "unfulfilledDiscountedTotalSet": _ZERO_BAG,
    "unfulfilledOriginalTotalSet": _ZERO_BAG,
}
_REFUND: dict[str, Field] = {
    **identity("Refund"),
    **columns(createdAt="created_at", processedAt="created_at", updatedAt="created_at", note="note"),
    "order": belongs_to("Order", "orders", "order_id"),
    "totalRefundedSet": _bag("amount"),
    "refundLineItems": nested("RefundLineItem", REFUND_LINES),
    "orderAdjustments": empty_connection("OrderAdjustment"),
    "refundShippingLines": empty_connection("RefundShippingLine"),
    "transactions": empty_connection("OrderTransaction"),
}
_REFUND_LINE: dict[str, Field] = {
    "id": id_field("RefundLineItem"),
    **columns(quantity="quantity", restockType="restock_type"),
    "restocked": Value(lambda reader, row, args: row["restock_type"] != "NO_RESTOCK"),
    "subtotalSet": _bag("subtotal"),
    "priceSet": Value(
        lambda reader, row, args: money_bag(
            f"{Decimal(row['subtotal']) / max(1, row['quantity']):.2f}",
            row["currency"],
            row["presentment_currency"],
        )
    ),
    "totalTaxSet": _ZERO_BAG,
    "lineItem": belongs_to("LineItem", LINES.table, "order_line_id"),
}


TYPES: TypeTable = {
    "Order": _ORDER,
    "LineItem": _LINE,
    "Refund": _REFUND,
    "RefundLineItem": _REFUND_LINE,
}
ROOTS: dict[str, Field] = {"orders": root("Order", ORDERS)}
BY_ID = {
    "Order": by_number("orders"),
    "LineItem": by_number(LINES.table),
    "Refund": by_number(_REFUNDS),
    "RefundLineItem": by_number(REFUND_LINES.table),
}
COUNTS = {"ordersCount": ORDERS}
