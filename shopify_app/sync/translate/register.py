"""The register of every field that is taken in from a shop: where it comes from, what it means, whom it is about. Pure.

Paths are those of the GraphQL documents and of the webhook payloads, counted from the object itself. A test fails when a
document, a shape or a table has a field that is not here, so this is also the list that merchants see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class About(StrEnum):
    """Whom a field is about.

    PERSONAL would name or describe a person: none is taken in, and none may reach a training frame. PSEUDONYM is a number
    that stands for a person: it is erased on request, and used to tell orders of one buyer from those of another only.
    """

    NOBODY = "nobody"
    PSEUDONYM = "pseudonym"
    PERSONAL = "personal"


class Resource(StrEnum):
    ORDER = "order"
    PRODUCT = "product"
    COLLECTION = "collection"
    CUSTOMER = "customer"
    STOCK = "stock"
    SHOP = "shop"
    VISIT = "visit"
    METAFIELD = "metafield"


class Shown(StrEnum):
    """What of its values the audit may show."""

    NOTHING = "nothing"
    RANGE = "range"
    COMMONEST = "commonest"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Args:
        type: `id`, `number`, `money`, `text`, `time`, `yes or no`, `list`.
        bulk: paths in GraphQL documents.
        webhook: paths in webhook payloads.
        column: where it is kept; empty when it is used and not kept.
    """

    resource: Resource
    name: str
    meaning: str
    type: str
    bulk: tuple[str, ...]
    webhook: tuple[str, ...]
    column: str
    about: About = About.NOBODY
    shown: Shown = Shown.NOTHING


# How long a row lives. Shopify asks for the erasure of a shop 48 hours after it uninstalled the app.
KEPT = {
    Resource.ORDER: "while the app is installed",
    Resource.PRODUCT: "while the app is installed; without its variants once deleted in Shopify",
    Resource.COLLECTION: "while the app is installed",
    Resource.CUSTOMER: "until Shopify asks to erase the person, at most while the app is installed",
    Resource.STOCK: "while the app is installed",
    Resource.SHOP: "while the app is installed",
    Resource.VISIT: "for RETENTION_STOREFRONT_DAYS, visitor numbers for RETENTION_VISITORS_DAYS",
    Resource.METAFIELD: "while you use it: stopping or marking it as personal erases its values",
}
NOT_KEPT = "not kept: read and forgotten"
# Documents that ask about operations or count objects: nothing of theirs is data of the shop.
OPERATIONS = frozenset(
    {
        "BulkOperationCancel", "BulkOperationRun", "BulkOperationStatus", "ObjectCounts", "OrderCounts", "ProductCounts",
        "CustomerCounts", "StillThere", "WebPixelCreate", "WebPixelHeld", "WebPixelUpdate",
    }
)  # fmt: skip
OPERATION_TOPICS = frozenset(
    {
        "app/uninstalled", "app/scopes_update", "bulk_operations/finish", "customers/data_request", "customers/redact",
        "shop/redact", "themes/publish",
    }
)  # fmt: skip


def _field(
    resource: Resource, name: str, type: str, bulk: str, webhook: str, column: str, meaning: str,
    about: About = About.NOBODY, shown: Shown = Shown.NOTHING,
) -> Field:  # fmt: skip
    return Field(
        resource, name, meaning, type, tuple(bulk.split()), tuple(webhook.split()), column, about, shown
    )


_O, _P, _C, _U, _S = Resource.ORDER, Resource.PRODUCT, Resource.COLLECTION, Resource.CUSTOMER, Resource.STOCK
_RANGE, _COMMON, _PSEUDONYM = Shown.RANGE, Shown.COMMONEST, About.PSEUDONYM
_LINE, _REFUND, _REFUND_LINE = "features_orderline", "features_refund", "features_refundline"
REGISTER: Sequence[Field] = (
    _field(_O, "number", "id", "id", "id order_edit.order_id refunds.order_id", "features_order.order_id",
           "Shopify's number of the order"),
    _field(_O, "name", "text", "name", "name", "features_order.name", "the order's name, as #1001"),
    _field(_O, "changed at", "time", "updatedAt", "updated_at order_edit.committed_at", "features_order.version_at",
           "when it last changed", shown=_RANGE),
    _field(_O, "ordered at", "time", "processedAt createdAt", "processed_at created_at", "features_order.ordered_at",
           "when it was placed", shown=_RANGE),
    _field(_O, "cancelled at", "time", "cancelledAt", "cancelled_at", "features_order.cancelled_at",
           "when it was cancelled", shown=_RANGE),
    _field(_O, "test", "yes or no", "test", "test", "features_order.test", "an order of a test: counts nowhere"),
    _field(_O, "currency", "text", "currencyCode", "currency refunds.transactions.currency",
           "features_order.currency", "the shop's currency", shown=_COMMON),
    _field(_O, "currency shown", "text", "presentmentCurrencyCode", "presentment_currency",
           "features_order.presentment_currency", "the currency that the buyer saw", shown=_COMMON),
    _field(_O, "total", "money", "totalPriceSet.shopMoney.amount", "total_price", "features_order.total",
           "what the order came to", shown=_RANGE),
    _field(_O, "total shown", "money", "totalPriceSet.presentmentMoney.amount",
           "total_price_set.presentment_money.amount", "features_order.presentment_total",
           "the total in the buyer's currency"),
    _field(_O, "refunded", "money", "totalRefundedSet.shopMoney.amount",
           "refunds.transactions.amount refunds.transactions.kind refunds.transactions.status",
           "features_order.refunded", "what was given back so far", shown=_RANGE),
    _field(_O, "customer", "id", "customer.id", "customer.id", "features_order.customer_id",
           "Shopify's number of the buyer; empty for guests", about=_PSEUDONYM),
    _field(_O, "channel", "text", "sourceName", "source_name", "features_order.source_name",
           "where it was placed: web, pos ...", shown=_COMMON),
    _field(_O, "visitor", "text", "customAttributes.key customAttributes.value", "note_attributes",
           "features_order.visitor", "our own mark of a consenting visitor; other attributes are thrown away",
           about=_PSEUDONYM),
    _field(_O, "units now", "number", "currentSubtotalLineItemsQuantity", "", "",
           "units of the order, to compare the books"),
    _field(_O, "line number", "id", "lineItems.id", "line_items.id", f"{_LINE}.line_id", "Shopify's number of the line"),
    _field(_O, "line product", "id", "lineItems.product.id", "line_items.product_id", f"{_LINE}.product_id",
           "the product bought"),
    _field(_O, "line variant", "id", "lineItems.variant.id", "line_items.variant_id", f"{_LINE}.variant_id",
           "the variant bought"),
    _field(_O, "line SKU", "text", "lineItems.sku", "line_items.sku", f"{_LINE}.sku", "stock keeping unit"),
    _field(_O, "line units", "number", "lineItems.quantity", "line_items.quantity", f"{_LINE}.quantity",
           "units bought", shown=_RANGE),
    _field(_O, "line units now", "number", "lineItems.currentQuantity", "line_items.current_quantity",
           f"{_LINE}.current_quantity", "units left after refunds, edits and removals", shown=_RANGE),
    _field(_O, "line price", "money", "lineItems.discountedUnitPriceAfterAllDiscountsSet.shopMoney.amount",
           "line_items.price line_items.discount_allocations.amount", f"{_LINE}.unit_price",
           "price of one unit after discounts", shown=_RANGE),
    _field(_O, "line exposure", "text", "lineItems.customAttributes.key lineItems.customAttributes.value",
           "line_items.properties", f"{_LINE}.exposure",
           "our own mark of the recommendation that was followed; other properties are thrown away",
           about=_PSEUDONYM),
    _field(_O, "refund number", "id", "refunds.id", "refunds.id", f"{_REFUND}.refund_id", "Shopify's number of the refund"),
    _field(_O, "refunded at", "time", "refunds.createdAt", "refunds.created_at refunds.processed_at",
           f"{_REFUND}.version_at", "when it was given back", shown=_RANGE),
    _field(_O, "refund amount", "money", "refunds.totalRefundedSet.shopMoney.amount", "", f"{_REFUND}.amount",
           "what this refund came to", shown=_RANGE),
    _field(_O, "refund currency", "text", "", "", f"{_REFUND}.currency", "the shop's currency", shown=_COMMON),
    _field(_O, "refund's order", "id", "", "", f"{_REFUND}.order_id", "the order it belongs to"),
    _field(_O, "refund's line", "id", "refunds.refundLineItems.lineItem.id", "refunds.refund_line_items.line_item_id",
           f"{_REFUND_LINE}.line_id", "the line that was given back"),
    _field(_O, "refund line's refund", "id", "", "", f"{_REFUND_LINE}.refund_id", "the refund it belongs to"),
    _field(_O, "refund units", "number", "refunds.refundLineItems.quantity", "refunds.refund_line_items.quantity",
           f"{_REFUND_LINE}.quantity", "units given back", shown=_RANGE),
    _field(_O, "refund line amount", "money", "refunds.refundLineItems.subtotalSet.shopMoney.amount",
           "refunds.refund_line_items.subtotal", f"{_REFUND_LINE}.amount", "what those units came to", shown=_RANGE),
    _field(_O, "line's order", "id", "", "", f"{_LINE}.order_id", "the order it belongs to"),
    _field(_P, "number", "id", "id", "id", "features_product.product_id", "Shopify's number of the product"),
    _field(_P, "changed at", "time", "updatedAt", "updated_at", "features_product.version_at", "when it last changed",
           shown=_RANGE),
    _field(_P, "handle", "text", "handle", "handle", "features_product.handle", "its address in the shop"),
    _field(_P, "title", "text", "title", "title", "features_product.title", "its name"),
    _field(_P, "type", "text", "productType", "product_type", "features_product.product_type", "the kind of product",
           shown=_COMMON),
    _field(_P, "vendor", "text", "vendor", "vendor", "features_product.vendor", "who makes it", shown=_COMMON),
    _field(_P, "status", "text", "status", "status", "features_product.status", "active, draft, archived or unlisted",
           shown=_COMMON),
    _field(_P, "tags", "list", "tags", "tags", "features_product.tags", "the merchant's tags"),
    _field(_P, "created at", "time", "createdAt", "created_at", "features_product.created_at", "when it was made",
           shown=_RANGE),
    _field(_P, "published at", "time", "publishedAt", "published_at", "features_product.published_at",
           "when it came into the online store", shown=_RANGE),
    _field(_P, "picture", "text", "featuredMedia.preview.image.url", "image.src", "features_product.image_url",
           "the address of its picture"),
    _field(_P, "gift card", "yes or no", "isGiftCard", "", "features_product.gift_card", "is a gift card"),
    _field(_P, "variant number", "id", "variants.id", "variants.id variant_gids.admin_graphql_api_id",
           "features_variant.variant_id", "Shopify's number of the variant"),
    _field(_P, "variant's product", "id", "", "", "features_variant.product_id", "the product it belongs to"),
    _field(_P, "variant title", "text", "variants.title", "variants.title", "features_variant.title", "its name"),
    _field(_P, "variant SKU", "text", "variants.sku", "variants.sku", "features_variant.sku", "stock keeping unit"),
    _field(_P, "price", "money",
           "variants.price priceRangeV2.minVariantPrice.amount priceRangeV2.maxVariantPrice.amount", "variants.price",
           "features_variant.price", "what it costs", shown=_RANGE),
    _field(_P, "compare-at price", "money", "variants.compareAtPrice", "variants.compare_at_price",
           "features_variant.compare_at_price", "the old price during a sale", shown=_RANGE),
    _field(_P, "position", "number", "variants.position", "variants.position", "features_variant.position",
           "its place among the variants", shown=_RANGE),
    _field(_P, "inventory item", "id", "variants.inventoryItem.id", "variants.inventory_item_id",
           "features_variant.inventory_item_id", "ties the variant to its stock"),
    _field(_P, "units in stock", "number",
           "variants.inventoryQuantity variants.inventoryItem.tracked totalInventory",
           "variants.inventory_quantity variants.inventory_management", "features_variant.available",
           "units on hand; empty when stock is not tracked", shown=_RANGE),
    _field(_P, "sold without stock", "yes or no", "variants.inventoryPolicy", "variants.inventory_policy",
           "features_variant.continue_selling", "may be sold below zero stock"),
    _field(_P, "number of variants", "number", "variantsCount.count", "", "", "to compare the books"),
    _field(_C, "number", "id", "id", "id", "features_collection.collection_id", "Shopify's number of the collection"),
    _field(_C, "changed at", "time", "updatedAt", "updated_at", "features_collection.version_at",
           "when it last changed", shown=_RANGE),
    _field(_C, "handle", "text", "handle", "handle", "features_collection.handle", "its address in the shop"),
    _field(_C, "title", "text", "title", "title", "features_collection.title", "its name"),
    _field(_C, "number of products", "number", "productsCount.count productsCount.precision", "", "",
           "to compare the books"),
    _field(_C, "products", "list", "products.id", "", "features_collection.product_ids", "the products in it"),
    _field(_U, "number", "id", "id", "id admin_graphql_api_customer_deleted_id", "features_customer.customer_id",
           "Shopify's number of the person; no name, e-mail, phone or address is ever asked for", about=_PSEUDONYM),
    _field(_U, "changed at", "time", "updatedAt", "updated_at", "features_customer.version_at",
           "when the account last changed", about=_PSEUDONYM),
    _field(_U, "created at", "time", "createdAt", "created_at", "features_customer.created_at",
           "when the account was made", about=_PSEUDONYM),
    _field(_U, "merged into", "id", "", "admin_graphql_api_customer_kept_id", "features_customer.merged_into",
           "the account that this one lives on as", about=_PSEUDONYM),
    _field(_S, "inventory item", "id", "id", "inventory_item_id", "features_stocklevel.inventory_item_id",
           "ties stock to its variant"),
    _field(_S, "location", "id", "inventoryLevels.location.id inventoryLevels.id", "location_id",
           "features_stocklevel.location_id", "Shopify's number of the place"),
    _field(_S, "units", "number",
           "inventoryLevels.quantities.name inventoryLevels.quantities.quantity inventoryLevels.isActive", "available",
           "features_stocklevel.available", "units on hand at this place", shown=_RANGE),
    _field(_S, "changed at", "time", "inventoryLevels.updatedAt", "updated_at", "features_stocklevel.version_at",
           "when it last changed", shown=_RANGE),
    _field(Resource.SHOP, "number", "id", "shop.id", "id", "", "Shopify's number of the shop"),
    _field(Resource.SHOP, "domain", "text", "shop.myshopifyDomain", "", "tenancy_shop.domain", "the shop's own address"),
    _field(Resource.SHOP, "name", "text", "shop.name", "name", "tenancy_shop.name", "the shop's name"),
    _field(Resource.SHOP, "currency", "text", "shop.currencyCode", "currency", "tenancy_shop.currency",
           "the currency of its books"),
    _field(Resource.SHOP, "time zone", "text", "shop.ianaTimezone", "iana_timezone", "tenancy_shop.timezone",
           "where its days begin"),
    _field(Resource.SHOP, "granted scopes", "list", "currentAppInstallation.accessScopes.handle", "",
           "tenancy_shop.scopes", "what the app may read"),
    _field(Resource.METAFIELD, "definitions", "text", "id namespace key name type.name", "", "features_attribute.name",
           "names and types of your metafields; values only of those you use"),
    _field(Resource.VISIT, "event", "text", "", "", "features_storefront_event.event_id", "the browser's number of the event"),
    _field(Resource.VISIT, "kind", "text", "", "", "features_storefront_event.kind", "what the visitor did: looked, searched, put into the cart ...", shown=_COMMON),
    _field(Resource.VISIT, "time", "time", "", "", "features_storefront_event.at", "when, corrected for the browser's clock", shown=_RANGE),
    _field(Resource.VISIT, "browser's time", "time", "", "", "features_storefront_event.client_at", "when, by the browser's clock"),
    _field(Resource.VISIT, "received at", "time", "", "", "features_storefront_event.received_at", "when it reached us"),
    _field(Resource.VISIT, "consent", "text", "", "", "features_storefront_event.consent", "what the visitor agreed to", shown=_COMMON),
    _field(Resource.VISIT, "visitor", "text", "", "", "features_storefront_event.visitor", "a consenting browser's random number", about=_PSEUDONYM),
    _field(Resource.VISIT, "product", "id", "", "", "features_storefront_event.product_id", "the product looked at"),
    _field(Resource.VISIT, "variant", "id", "", "", "features_storefront_event.variant_id", "the variant looked at"),
    _field(Resource.VISIT, "collection", "id", "", "", "features_storefront_event.collection_id", "the collection looked at"),
    _field(Resource.VISIT, "units", "number", "", "", "features_storefront_event.quantity", "units put into the cart", shown=_RANGE),
    _field(Resource.VISIT, "price", "money", "", "", "features_storefront_event.price", "as the browser told it: not trusted"),
    _field(Resource.VISIT, "currency", "text", "", "", "features_storefront_event.currency", "as the browser told it", shown=_COMMON),
    _field(Resource.VISIT, "search", "text", "", "", "features_storefront_event.search", "words searched for, cleaned", about=_PSEUDONYM),
    _field(Resource.VISIT, "recommendation", "text", "", "", "features_storefront_event.exposure_id", "our mark of what was shown", about=_PSEUDONYM),
    _field(Resource.VISIT, "order", "id", "", "", "features_storefront_event.order_id", "the order that the visit ended in", about=_PSEUDONYM),
    _field(Resource.VISIT, "cart lines", "list", "", "", "features_storefront_event.lines", "product, variant, units and price of each"),
    _field(Resource.VISIT, "left out", "text", "", "", "features_storefront_event.excluded", "why it counts nowhere: a bot, staff ...", shown=_COMMON),
)  # fmt: skip
