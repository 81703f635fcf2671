"""The shared vocabulary: what happened in a shop, as frozen values.

`shopify_app` translates Shopify into these; `mlops.features.store` is the only place that keeps them. Ids are
Shopify's numeric ids. Times are aware UTC. Money is `Decimal` in the currency named beside it. Customers are numbers:
no name, e-mail, phone or address exists here.

A state carries `version_at`, in whole seconds, and `told_at`: when the shop sent it, which decides between two states of one
second; None when it was read just now. It is no part of the state: the same state told twice is one event of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from mlops.features.storefront import Exclusion


class Source(StrEnum):
    """By which way an event reached us."""

    BACKFILL = "backfill"
    WEBHOOK = "webhook"
    RECONCILIATION = "reconciliation"
    APP = "app"  # what the app itself saw, or a person noted in it


class SlotName(StrEnum):
    """A place that needs a predictor."""

    PRODUCT_PAGE = "product_page"
    CART = "cart"
    HOME = "home"
    FORECAST = "forecast"


STOREFRONT_SLOTS = (SlotName.PRODUCT_PAGE, SlotName.CART, SlotName.HOME)


class ServedBy(StrEnum):
    """The tier that spoke, best first."""

    ITEM_TO_ITEM = "item_to_item"
    TRENDING = "trending"
    NEWEST = "newest"
    NONE = "none"


class OutcomeKind(StrEnum):
    CLICK = "click"
    CART = "cart"
    ORDER = "order"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order.

    Args:
        current_quantity: units left after refunds, edits and removals.
        unit_price: price per unit after line discounts, shop currency.
        exposure: value of the line property `_ml_rec`, if any: buyers can forge it, so it is looked up, never trusted.
    """

    line_id: int
    product_id: int | None
    variant_id: int | None
    sku: str
    quantity: int
    current_quantity: int
    unit_price: Decimal
    exposure: str | None = None


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """An order as it stood at `version_at`; a newer version of the same order replaces it.

    Args:
        total: what the order came to when placed, shop currency.
        presentment_total: the same as its buyer saw it, in `presentment_currency`; None when not told.
        refunded: total refunded so far, shop currency.
        visitor: value of the cart attribute `_ml_visitor`, if any.
    """

    order_id: int
    version_at: datetime
    ordered_at: datetime
    currency: str
    total: Decimal
    refunded: Decimal
    lines: tuple[OrderLine, ...]
    name: str = ""
    customer_id: int | None = None
    cancelled_at: datetime | None = None
    test: bool = False
    source_name: str = ""
    presentment_currency: str = ""
    presentment_total: Decimal | None = None
    visitor: str | None = None
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class OrderDeleted:
    order_id: int
    version_at: datetime


@dataclass(frozen=True, slots=True)
class RefundLine:
    line_id: int
    quantity: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RefundMade:
    """Money given back. `version_at` is the refund's creation: a refund never changes."""

    refund_id: int
    order_id: int
    version_at: datetime
    amount: Decimal
    currency: str
    lines: tuple[RefundLine, ...] = ()


@dataclass(frozen=True, slots=True)
class VariantState:
    """Args:
    available: units on hand over all locations; None when stock is not tracked.
    continue_selling: may be sold below zero stock.
    """

    variant_id: int
    title: str
    sku: str
    price: Decimal
    compare_at_price: Decimal | None
    position: int
    inventory_item_id: int | None
    available: int | None
    continue_selling: bool

    @property
    def sellable(self) -> bool:
        return self.available is None or self.available > 0 or self.continue_selling


class AttributeOwner(StrEnum):
    """What a chosen metafield is kept for. Those of orders and customers are personal: there is no name for them here."""

    PRODUCT = "product"
    VARIANT = "variant"


class AttributeKind(StrEnum):
    """What a chosen metafield means to a model. Units: `mlops.features.attribute_values`."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    CATEGORY = "category"  # a short text: equal or not
    DATE = "date"
    MOMENT = "moment"
    REFERENCE = "reference"  # another object of the shop, as `Type/number`


@dataclass(frozen=True, slots=True)
class AttributeTold:
    """One chosen metafield of a product or of one of its variants, as Shopify told it.

    Args:
        attribute_id: our number of the choice.
        owner_id: the product or variant.
        type: Shopify's name of the value's type; empty without a value.
        raw: the text as told; None when the owner has no value.
    """

    attribute_id: int
    owner_id: int
    type: str = ""
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class ProductChanged:
    """A product as it stood at `version_at`.

    Args:
        attributes: the chosen metafields, each also when it has no value; None when the source (a webhook) tells none.
        status: `active`, `draft`, `archived` or `unlisted`.
        published_at: when it was published to the online store; None when it is not.
    """

    product_id: int
    version_at: datetime
    handle: str
    title: str
    product_type: str
    vendor: str
    status: str
    tags: tuple[str, ...]
    created_at: datetime
    published_at: datetime | None
    image_url: str | None
    gift_card: bool
    variants: tuple[VariantState, ...]
    attributes: tuple[AttributeTold, ...] | None = None
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ProductDeleted:
    product_id: int
    version_at: datetime


@dataclass(frozen=True, slots=True)
class CollectionChanged:
    """A collection; `product_ids` is None when the source (a webhook) does not tell the members."""

    collection_id: int
    version_at: datetime
    handle: str
    title: str
    product_ids: tuple[int, ...] | None
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CollectionDeleted:
    collection_id: int
    version_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    customer_id: int
    version_at: datetime
    created_at: datetime
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CustomerDeleted:
    customer_id: int
    version_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerMerged:
    """Shopify joined two accounts: `deleted_id` lives on as `kept_id`."""

    kept_id: int
    deleted_id: int
    version_at: datetime


@dataclass(frozen=True, slots=True)
class StockChanged:
    """Absolute number of available units at one location."""

    inventory_item_id: int
    location_id: int
    available: int | None
    version_at: datetime
    told_at: datetime | None = field(default=None, compare=False)


class MarkerKind(StrEnum):
    """What may explain a later change of a shop's numbers."""

    THEME_PUBLISHED = "theme_published"
    SCOPES_CHANGED = "scopes_changed"
    CURRENCY_CHANGED = "currency_changed"
    TIME_ZONE_CHANGED = "time_zone_changed"
    PRICES_JUMPED = "prices_jumped"
    STOCK_JUMPED = "stock_jumped"
    NOTE = "note"
    NOTE_WITHDRAWN = "note_withdrawn"


@dataclass(frozen=True, slots=True)
class ShopMarker:
    """Something that may explain a later change: a theme published, prices moved, a merchant's own note.

    Args:
        detail: what exactly, for people; of a withdrawal the number of the note in the log.
        by: who noted it (`staff:<id>`); empty when nobody did.
    """

    kind: MarkerKind
    version_at: datetime
    detail: str = ""
    by: str = ""


Event = (
    OrderPlaced
    | OrderDeleted
    | RefundMade
    | ProductChanged
    | ProductDeleted
    | CollectionChanged
    | CollectionDeleted
    | CustomerChanged
    | CustomerDeleted
    | CustomerMerged
    | StockChanged
    | ShopMarker
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What was shown to whom, by which version.

    Args:
        exposure_id: opaque random id, 16 to 40 url-safe characters.
        visitor: pseudonymous storefront id, or None without consent.
        product_ids: shown products, in rank order.
        version_id: primary key of the registered version; None when no version answered.
        reasons: why each product is there, in rank order; nothing where an earlier build wrote it.
        excluded: why it does not count, when that is known at once.
    """

    exposure_id: str
    shop_id: int
    at: datetime
    slot: SlotName
    served_by: ServedBy
    product_ids: tuple[int, ...]
    version_id: int | None = None
    visitor: str | None = None
    context_product_id: int | None = None
    latency_us: int = 0
    excluded: Exclusion | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Click:
    exposure_id: str
    shop_id: int
    at: datetime
    product_id: int
    visitor: str | None = None
