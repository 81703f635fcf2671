"""The event log, the shop's present state as told by it, and what was shown and what came of it.

`EventRecord` is append-only. The tables of present state (products, orders ...) can be rebuilt from it: each row carries
the `version_at` of the event it shows, and a row with `deleted_at` is a tombstone, so that an older version that arrives
late does not bring the dead back. All of them are written by `mlops.features.store` alone, set by set, in SQL.

Ids are Shopify's. Money is in the shop's currency. No table here has a column for a person's name or address.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from mlops.features.events import AttributeKind, AttributeOwner, OutcomeKind, ServedBy, SlotName, Source
from mlops.features.storefront import Consent, Exclusion, StorefrontKind
from tenancy.scope import ShopOwned


def _choices(
    kind: type[
        Source
        | SlotName
        | ServedBy
        | OutcomeKind
        | AttributeKind
        | AttributeOwner
        | Consent
        | Exclusion
        | StorefrontKind
    ],
) -> list[tuple[str, str]]:
    return [(each.value, each.value.replace("_", " ")) for each in kind]


_TOLD_AT = "when the shop sent this state, or we read it; decides between two of one version time"


class EventRecord(ShopOwned):
    """One immutable fact, as it reached us."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=24)
    subject_id = models.BigIntegerField()
    version_at = models.DateTimeField(help_text="version time of the subject, from the shop")
    occurred_at = models.DateTimeField(help_text="when it happened in the shop: what learning goes by")
    known_at = models.DateTimeField(help_text="when we learnt of it: as-of reads never look past this")
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)
    source = models.CharField(max_length=16, choices=_choices(Source))
    key = models.CharField(max_length=96, help_text="kind, subject, version and digest of the content")
    payload = models.JSONField()

    class Meta:
        db_table = "features_event"
        # The unique key makes a repeated delivery harmless.
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="event_once")]
        indexes = [
            # Serves the marks on every chart.
            models.Index(
                fields=["shop", "occurred_at"], name="event_marker", condition=models.Q(kind="marker")
            ),
            # Serves the features of one product or customer: all versions of its orders.
            models.Index(fields=["shop", "kind", "subject_id"], name="event_of_subject"),
        ]


class Product(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "product_id")
    product_id = models.BigIntegerField()
    version_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)
    handle = models.CharField(max_length=255)
    title = models.TextField()
    product_type = models.TextField(blank=True)
    vendor = models.TextField(blank=True)
    status = models.CharField(max_length=16)
    tags = ArrayField(models.TextField(), default=list)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    image_url = models.TextField(null=True)
    gift_card = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True)


class Variant(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "variant_id")
    variant_id = models.BigIntegerField()
    product_id = models.BigIntegerField()
    title = models.TextField()
    sku = models.TextField(blank=True)
    price = models.DecimalField(max_digits=18, decimal_places=4)
    compare_at_price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    position = models.IntegerField()
    inventory_item_id = models.BigIntegerField(null=True)
    available = models.IntegerField(
        null=True, help_text="as the product event told; null: stock is not tracked"
    )
    continue_selling = models.BooleanField()

    class Meta:
        indexes = [
            # Serves the card of one product and the replacement of its variants.
            models.Index(fields=["shop", "product_id"], name="variant_of_product"),
            # Serves a stock event, which names the inventory item only.
            models.Index(fields=["shop", "inventory_item_id"], name="variant_of_item"),
        ]


class Attribute(ShopOwned):
    """A metafield that the merchant chose as a feature, or barred as personal. A new choice is a new row."""

    id = models.BigAutoField(primary_key=True)
    owner = models.CharField(max_length=8, choices=_choices(AttributeOwner))
    namespace = models.CharField(max_length=255)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=64, help_text="Shopify's name of the type")
    kind = models.CharField(max_length=12, choices=_choices(AttributeKind))
    many = models.BooleanField(help_text="a list of such values")
    personal = models.BooleanField(default=False, help_text="about a person: never read, never kept")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "owner", "namespace", "key"], name="attribute_once")
        ]


class AttributeValue(ShopOwned):
    """What a chosen metafield of one owner was from `version_at` on. The newest row per owner is the present one."""

    id = models.BigAutoField(primary_key=True)
    attribute_id = models.BigIntegerField()
    owner_id = models.BigIntegerField(help_text="the product or variant")
    product_id = models.BigIntegerField()
    version_at = models.DateTimeField(help_text="the version of the product that first told it")
    confirmed_at = models.DateTimeField(help_text="the latest version of the product that told the same")
    known_at = models.DateTimeField(help_text="when we learnt of it: as-of reads never look past this")
    raw = models.TextField(null=True, help_text="as Shopify told it; null: no value any more")
    number = models.DecimalField(max_digits=30, decimal_places=9, null=True)
    text = models.TextField(blank=True)
    items = ArrayField(models.TextField(), null=True)
    problem = models.CharField(max_length=120, blank=True, help_text="why the value is kept aside")

    class Meta:
        indexes = [
            # Serves the present value of an owner, and with it the frame.
            models.Index(
                fields=["shop", "attribute_id", "owner_id", "-version_at"], name="attribute_of_owner"
            ),
        ]


class FieldProfile(ShopOwned):
    """How one stored column of a shop is filled; measured anew each night and after an import."""

    pk = models.CompositePrimaryKey("shop_id", "column")
    column = models.CharField(max_length=80, help_text="table.column")
    rows = models.BigIntegerField(help_text="rows looked at: the newest ones")
    filled = models.BigIntegerField()
    distinct = models.BigIntegerField(help_text="different values among the rows looked at")
    whole = models.BooleanField(help_text="every row was looked at")
    low = models.CharField(max_length=64, blank=True)
    high = models.CharField(max_length=64, blank=True)
    commonest = ArrayField(models.CharField(max_length=40), default=list)
    measured_at = models.DateTimeField()


class StockLevel(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "inventory_item_id", "location_id")
    inventory_item_id = models.BigIntegerField()
    location_id = models.BigIntegerField()
    available = models.IntegerField(null=True, help_text="null: not stocked at this location")
    version_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)


class CatalogueDay(ShopOwned):
    """Prices and what could be bought, as first seen on a day of the shop: what the next day is compared with."""

    pk = models.CompositePrimaryKey("shop_id", "day")
    day = models.DateField()
    taken_at = models.DateTimeField()
    variant_ids = ArrayField(
        models.BigIntegerField(), help_text="ascending; of active and published products"
    )
    prices = ArrayField(models.DecimalField(max_digits=18, decimal_places=4), help_text="as variant_ids")
    sellable = ArrayField(models.BooleanField(), help_text="as variant_ids")


class Collection(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "collection_id")
    collection_id = models.BigIntegerField()
    version_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)
    handle = models.CharField(max_length=255)
    title = models.TextField()
    product_ids = ArrayField(models.BigIntegerField(), null=True, help_text="null: members not yet told")
    deleted_at = models.DateTimeField(null=True)


class Customer(ShopOwned):
    """A number and a date; nothing about the person."""

    pk = models.CompositePrimaryKey("shop_id", "customer_id")
    customer_id = models.BigIntegerField()
    version_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)
    created_at = models.DateTimeField()
    merged_into = models.BigIntegerField(null=True)
    deleted_at = models.DateTimeField(null=True)


class Order(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "order_id")
    order_id = models.BigIntegerField()
    version_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text=_TOLD_AT)
    ordered_at = models.DateTimeField()
    name = models.CharField(max_length=64, blank=True)
    customer_id = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    presentment_currency = models.CharField(max_length=3, blank=True)
    presentment_total = models.DecimalField(
        max_digits=18, decimal_places=4, null=True, help_text="as the buyer saw it; null: not told"
    )
    total = models.DecimalField(max_digits=18, decimal_places=4)
    refunded = models.DecimalField(max_digits=18, decimal_places=4)
    cancelled_at = models.DateTimeField(null=True)
    test = models.BooleanField(default=False)
    source_name = models.CharField(max_length=64, blank=True)
    visitor = models.CharField(max_length=64, null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Serves snapshots and daily figures: a shop's orders of a period.
            models.Index(fields=["shop", "ordered_at"], name="order_period"),
            # Serves a click that arrives after the order of its visitor.
            models.Index(
                fields=["shop", "visitor"], name="order_visitor", condition=models.Q(visitor__isnull=False)
            ),
            # Serves the merging and erasure of a customer.
            models.Index(
                fields=["shop", "customer_id"],
                name="order_customer",
                condition=models.Q(customer_id__isnull=False),
            ),
        ]


class OrderLine(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "order_id", "line_id")
    order_id = models.BigIntegerField()
    line_id = models.BigIntegerField()
    product_id = models.BigIntegerField(null=True)
    variant_id = models.BigIntegerField(null=True)
    sku = models.TextField(blank=True)
    quantity = models.IntegerField()
    current_quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=4)
    exposure = models.CharField(
        max_length=40, null=True, help_text="as the buyer's browser sent it: not trusted"
    )

    class Meta:
        indexes = [
            # Serves an exposure that arrives after the order that names it.
            models.Index(
                fields=["shop", "exposure"], name="line_exposure", condition=models.Q(exposure__isnull=False)
            ),
        ]


class Refund(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "refund_id")
    refund_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    version_at = models.DateTimeField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)

    class Meta:
        # Serves the attribution of one order.
        indexes = [models.Index(fields=["shop", "order_id"], name="refund_of_order")]


class RefundLine(ShopOwned):
    pk = models.CompositePrimaryKey("shop_id", "refund_id", "line_id")
    refund_id = models.BigIntegerField()
    line_id = models.BigIntegerField()
    quantity = models.IntegerField()
    amount = models.DecimalField(max_digits=18, decimal_places=4)


class Exposure(ShopOwned):
    """What one answer showed; written once, in batches, after the answer."""

    pk = models.CompositePrimaryKey("shop_id", "exposure_id")
    exposure_id = models.CharField(max_length=40)
    at = models.DateTimeField()
    slot = models.CharField(max_length=16, choices=_choices(SlotName))
    served_by = models.CharField(max_length=16, choices=_choices(ServedBy))
    version_id = models.BigIntegerField(null=True)
    visitor = models.CharField(max_length=64, null=True)
    context_product_id = models.BigIntegerField(null=True)
    product_ids = ArrayField(models.BigIntegerField(), help_text="in rank order")
    reasons = ArrayField(
        models.CharField(max_length=16),
        default=list,
        db_default=[],
        help_text="why each is there, in rank order",
    )
    latency_us = models.IntegerField(default=0)
    excluded = models.CharField(
        max_length=16,
        null=True,
        choices=_choices(Exclusion),
        help_text="why it does not count; null: it does",
    )

    class Meta:
        indexes = [
            # Serves the daily figures and retention.
            models.Index(fields=["shop", "at"], name="exposure_period"),
            # Serves the exclusion, and the erasure, of one visitor.
            models.Index(
                fields=["shop", "visitor", "at"],
                name="exposure_visitor",
                condition=models.Q(visitor__isnull=False),
            ),
        ]


class StorefrontEventRecord(ShopOwned):
    """What a browser told of a visit. Hearsay: not trusted with money or orders."""

    # Composite, so that the table can be split by shop; `at` is not part of it, because it must be once per shop.
    pk = models.CompositePrimaryKey("shop_id", "event_id")
    event_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=32, choices=_choices(StorefrontKind))
    at = models.DateTimeField(help_text="when, corrected for the browser's clock")
    client_at = models.DateTimeField(help_text="when, by the browser's clock")
    received_at = models.DateTimeField()
    consent = models.CharField(max_length=16, choices=_choices(Consent))
    visitor = models.CharField(max_length=64, null=True)
    product_id = models.BigIntegerField(null=True)
    variant_id = models.BigIntegerField(null=True)
    collection_id = models.BigIntegerField(null=True)
    quantity = models.IntegerField(null=True)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    search = models.CharField(max_length=80, null=True)
    exposure_id = models.CharField(max_length=40, null=True)
    order_id = models.BigIntegerField(null=True)
    lines = models.JSONField(default=list, help_text="[product, variant, quantity, unit price] each")
    excluded = models.CharField(max_length=16, null=True, choices=_choices(Exclusion))
    excluded_at = models.DateTimeField(
        null=True, help_text="when we knew that; null with a reason: when it arrived"
    )

    class Meta:
        db_table = "features_storefront_event"
        indexes = [
            # Serves the daily figures and retention.
            models.Index(fields=["shop", "at"], name="storefront_period"),
            # Serves one visitor's history, exclusion and erasure.
            models.Index(
                fields=["shop", "visitor", "at"],
                name="storefront_visitor",
                condition=models.Q(visitor__isnull=False),
            ),
            # Serves the erasure of a customer by their orders.
            models.Index(
                fields=["shop", "order_id"],
                name="storefront_order",
                condition=models.Q(order_id__isnull=False),
            ),
        ]


class ExcludedVisitor(ShopOwned):
    """A visitor whose events do not count, for a time or for good."""

    pk = models.CompositePrimaryKey("shop_id", "visitor", "reason")
    visitor = models.CharField(max_length=64)
    reason = models.CharField(max_length=16, choices=_choices(Exclusion))
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="null: until someone takes the mark off")

    class Meta:
        db_table = "features_excluded_visitor"


class Outcome(ShopOwned):
    """What came of an exposure. Orders count positive, refunds and cancellations negative; `key` is once per shop."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=_choices(OutcomeKind))
    key = models.CharField(max_length=96)
    exposure_id = models.CharField(max_length=40)
    at = models.DateTimeField()
    product_id = models.BigIntegerField()
    visitor = models.CharField(max_length=64, null=True)
    order_id = models.BigIntegerField(null=True)
    line_id = models.BigIntegerField(null=True)
    quantity = models.IntegerField(default=0)
    amount = models.DecimalField(
        max_digits=18, decimal_places=4, default=0, help_text="shop currency, signed"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="outcome_once")]
        indexes = [
            # Serves the daily figures.
            models.Index(fields=["shop", "at"], name="outcome_period"),
            # Serves the renewed attribution of one order.
            models.Index(
                fields=["shop", "order_id"], name="outcome_order", condition=models.Q(order_id__isnull=False)
            ),
            # Serves the clicks of one visitor before an order.
            models.Index(
                fields=["shop", "visitor", "at"], name="outcome_click", condition=models.Q(kind="click")
            ),
        ]


class Snapshot(ShopOwned):
    """A frozen training frame: what a version learnt from, named by the hash of its content."""

    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the Parquet file")
    taken_at = models.DateTimeField()
    since = models.DateTimeField(null=True, help_text="first order in it; null when there is none")
    until = models.DateTimeField(help_text="orders before this moment are in it")
    orders = models.IntegerField()
    lines = models.IntegerField()
    customers = models.IntegerField()
    products = models.IntegerField()
    catalogue_digest = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the catalogue that was frozen beside it"
    )
    manifest = models.JSONField(default=dict, help_text="what is in it; see `snapshots.manifest`")
    rewritten_at = models.DateTimeField(
        null=True, help_text="a customer in it was erased then; the digest is new"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "digest", "until"], name="snapshot_once")]


class Tombstone(ShopOwned):
    """That somebody was erased: a keyed hash of a customer or visitor, which says nothing to who has not the key."""

    pk = models.CompositePrimaryKey("shop_id", "mark")
    mark = models.BinaryField()
    set_up_at = models.DateTimeField()
