"""Shell: events that the log has just taken in, applied to the tables of present state.

Within a batch only the newest version of each subject is applied; against the tables the same rule holds in SQL. A
deletion is a version too: it leaves a tombstone, which an older version cannot overwrite.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.db.backends.utils import CursorWrapper

from mlops.features import tables
from mlops.features.arrays import id_list, without_nul
from mlops.features.encoding import Encoded
from mlops.features.events import (
    CollectionChanged,
    CollectionDeleted,
    CustomerChanged,
    CustomerDeleted,
    CustomerMerged,
    OrderDeleted,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    ProductDeleted,
    RefundMade,
    StockChanged,
    VariantState,
)

_LARGEST_INTEGER = 2**31 - 1
_JUST_NOW = datetime.max.replace(tzinfo=UTC)
E = TypeVar("E")


@dataclass(slots=True)
class Touched:
    """What a batch changed: keys of the rows that were written."""

    written: int = 0
    products: set[int] = field(default_factory=set)
    inventory_items: set[int] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)

    def add(self, told_again: Touched) -> None:
        """Take in the keys of another pass over the same batch, whose rows are counted already."""
        self.products |= told_again.products
        self.inventory_items |= told_again.inventory_items
        self.orders |= told_again.orders


def apply(cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], now: datetime) -> Touched:
    """Bring the tables up to these events; call it in the transaction that logged them.

    Args:
        now: when those that were read, not sent, were read.
    """
    touched = Touched()
    _products(cursor, shop_id, fresh, touched, now)
    _stock(cursor, shop_id, fresh, touched, now)
    _collections(cursor, shop_id, fresh, touched, now)
    _customers(cursor, shop_id, fresh, touched, now)
    _orders(cursor, shop_id, fresh, touched, now)
    _refunds(cursor, shop_id, fresh, touched)
    return touched


def _newest(fresh: Sequence[Encoded], kinds: tuple[type[E], ...], key: Callable[[E], Any]) -> dict[Any, E]:
    """The winning event per subject; of two with the same version time, the one told later, then the later arrival."""
    found: dict[Any, tuple[datetime, datetime, E]] = {}
    for each in fresh:
        event = each.event
        if isinstance(event, kinds):
            subject = key(event)
            held = found.get(subject)
            told_at = getattr(event, "told_at", each.version_at) or _JUST_NOW
            if held is None or (each.version_at, told_at) >= held[:2]:
                found[subject] = (each.version_at, told_at, event)
    return {subject: event for subject, (_, _, event) in found.items()}


def _products(
    cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched, now: datetime
) -> None:
    newest: dict[int, ProductChanged | ProductDeleted] = _newest(
        fresh, (ProductChanged, ProductDeleted), lambda event: event.product_id
    )
    changed = [each for each in newest.values() if isinstance(each, ProductChanged)]
    deleted = [each for each in newest.values() if isinstance(each, ProductDeleted)]
    won = tables.PRODUCT.sooner_or_later(cursor, shop_id, [_product_row(each) for each in changed], now)
    buried = tables.PRODUCT.bury(cursor, shop_id, [(each.product_id, each.version_at) for each in deleted])
    variants = {
        variant.variant_id: _variant_row(each.product_id, variant)
        for each in changed
        if each.product_id in won
        for variant in each.variants
    }
    if won or buried:
        cursor.execute(
            "delete from features_variant where shop_id = %s and product_id = any(%s)"
            " and not variant_id = any(%s)",
            [shop_id, [*won, *buried], [*variants]],
        )
    tables.VARIANT.upsert(cursor, shop_id, list(variants.values()))
    touched.products |= won | buried
    touched.written += len(won) + len(buried)


def _product_row(product: ProductChanged) -> tuple[Any, ...]:
    return (
        product.product_id,
        product.version_at,
        product.handle[:255],
        product.title,
        product.product_type,
        product.vendor,
        product.status[:16],
        json.dumps([without_nul(tag) for tag in product.tags]),
        product.created_at,
        product.published_at,
        product.image_url,
        product.gift_card,
        None,
        product.told_at,
    )


def _variant_row(product_id: int, variant: VariantState) -> tuple[Any, ...]:
    return (
        variant.variant_id,
        product_id,
        variant.title,
        variant.sku,
        variant.price,
        variant.compare_at_price,
        variant.position,
        variant.inventory_item_id,
        _integer(variant.available),
        variant.continue_selling,
    )


def _stock(
    cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched, now: datetime
) -> None:
    newest: dict[tuple[int, int], StockChanged] = _newest(
        fresh, (StockChanged,), lambda event: (event.inventory_item_id, event.location_id)
    )
    rows = [
        (each.inventory_item_id, each.location_id, _integer(each.available), each.version_at, each.told_at)
        for each in newest.values()
    ]
    won = tables.STOCK_LEVEL.sooner_or_later(cursor, shop_id, rows, now)
    touched.inventory_items |= {item for item, _ in won}
    touched.written += len(won)


def _collections(
    cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched, now: datetime
) -> None:
    newest: dict[int, CollectionChanged | CollectionDeleted] = _newest(
        fresh, (CollectionChanged, CollectionDeleted), lambda event: event.collection_id
    )
    changed = [each for each in newest.values() if isinstance(each, CollectionChanged)]
    deleted = [each for each in newest.values() if isinstance(each, CollectionDeleted)]
    rows = [
        (
            each.collection_id,
            each.version_at,
            each.handle[:255],
            each.title,
            None if each.product_ids is None else id_list(each.product_ids),
            None,
            each.told_at,
        )
        for each in changed
    ]
    touched.written += len(tables.COLLECTION.sooner_or_later(cursor, shop_id, rows, now))
    touched.written += len(
        tables.COLLECTION.bury(cursor, shop_id, [(each.collection_id, each.version_at) for each in deleted])
    )


def _customers(
    cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched, now: datetime
) -> None:
    newest: dict[int, CustomerChanged | CustomerDeleted] = _newest(
        fresh, (CustomerChanged, CustomerDeleted), lambda event: event.customer_id
    )
    changed = [each for each in newest.values() if isinstance(each, CustomerChanged)]
    deleted = [each for each in newest.values() if isinstance(each, CustomerDeleted)]
    rows = [
        (each.customer_id, each.version_at, each.created_at, None, None, each.told_at) for each in changed
    ]
    touched.written += len(tables.CUSTOMER.sooner_or_later(cursor, shop_id, rows, now))
    touched.written += len(
        tables.CUSTOMER.bury(cursor, shop_id, [(each.customer_id, each.version_at) for each in deleted])
    )
    for each in fresh:
        if isinstance(each.event, CustomerMerged):
            _merge(cursor, shop_id, each.event)
            touched.written += 1


def _merge(cursor: CursorWrapper, shop_id: int, merge: CustomerMerged) -> None:
    """One account goes on under the other's number, with all that was merged into it before."""
    tables.CUSTOMER.bury(cursor, shop_id, [(merge.deleted_id, merge.version_at)])
    cursor.execute(
        "update features_customer set merged_into = %s, deleted_at = coalesce(deleted_at, %s)"
        " where shop_id = %s and (customer_id = %s or merged_into = %s) and customer_id <> %s",
        [merge.kept_id, merge.version_at, shop_id, merge.deleted_id, merge.deleted_id, merge.kept_id],
    )
    cursor.execute(
        "update features_order set customer_id = %s where shop_id = %s and customer_id = %s",
        [merge.kept_id, shop_id, merge.deleted_id],
    )


def _orders(
    cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched, now: datetime
) -> None:
    newest: dict[int, OrderPlaced | OrderDeleted] = _newest(
        fresh, (OrderPlaced, OrderDeleted), lambda event: event.order_id
    )
    if not newest:
        return
    placed = [each for each in newest.values() if isinstance(each, OrderPlaced)]
    deleted = [each for each in newest.values() if isinstance(each, OrderDeleted)]
    merged = _merged(cursor, shop_id, {each.customer_id for each in placed if each.customer_id is not None})
    won = tables.ORDER.sooner_or_later(cursor, shop_id, [_order_row(each, merged) for each in placed], now)
    buried = tables.ORDER.bury(cursor, shop_id, [(each.order_id, each.version_at) for each in deleted])
    if won or buried:
        cursor.execute(
            "delete from features_orderline where shop_id = %s and order_id = any(%s::bigint[])",
            [shop_id, id_list((*won, *buried))],
        )
    lines = {
        (each.order_id, line.line_id): _line_row(each.order_id, line)
        for each in placed
        if each.order_id in won
        for line in each.lines
    }
    tables.ORDER_LINE.upsert(cursor, shop_id, list(lines.values()))
    touched.orders |= won | buried
    touched.written += len(won) + len(buried)


def _merged(cursor: CursorWrapper, shop_id: int, customer_ids: set[int]) -> dict[int, int]:
    """Those of the customers who live on under another number, with that number."""
    cursor.execute(
        "select customer_id, merged_into from features_customer"
        " where shop_id = %s and customer_id = any(%s::bigint[]) and merged_into is not null",
        [shop_id, id_list(customer_ids)],
    )
    return dict(cursor.fetchall())


def _order_row(order: OrderPlaced, merged: Mapping[int, int]) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.version_at,
        order.ordered_at,
        order.name[:64],
        merged.get(order.customer_id, order.customer_id) if order.customer_id is not None else None,
        order.currency[:3],
        order.presentment_currency[:3],
        order.presentment_total,
        order.total,
        order.refunded,
        order.cancelled_at,
        order.test,
        order.source_name[:64],
        order.visitor,
        None,
        order.told_at,
    )


def _line_row(order_id: int, line: OrderLine) -> tuple[Any, ...]:
    return (
        order_id,
        line.line_id,
        line.product_id,
        line.variant_id,
        line.sku,
        _integer(line.quantity),
        _integer(line.current_quantity),
        line.unit_price,
        line.exposure,
    )


def _refunds(cursor: CursorWrapper, shop_id: int, fresh: Sequence[Encoded], touched: Touched) -> None:
    newest: dict[int, RefundMade] = _newest(fresh, (RefundMade,), lambda event: event.refund_id)
    rows = [
        (each.refund_id, each.order_id, each.version_at, each.amount, each.currency[:3])
        for each in newest.values()
    ]
    won = tables.REFUND.upsert(cursor, shop_id, rows)
    lines: dict[tuple[int, int], tuple[int, Decimal]] = {}
    for refund in newest.values():
        if refund.refund_id in won:
            touched.orders.add(refund.order_id)
            for line in refund.lines:
                # One refund may list a line more than once, with different restocking.
                quantity, amount = lines.get((refund.refund_id, line.line_id), (0, Decimal(0)))
                lines[refund.refund_id, line.line_id] = (quantity + line.quantity, amount + line.amount)
    tables.REFUND_LINE.upsert(cursor, shop_id, [(*key, *value) for key, value in lines.items()])
    touched.written += len(won)


def _integer(value: Any) -> Any:
    """Shopify's numbers fit; a wild one is cut to what the column holds rather than refusing the batch."""
    return value if value is None else max(-_LARGEST_INTEGER, min(_LARGEST_INTEGER, value))
