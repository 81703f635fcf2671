"""Shell of attribution: loads the facts of some orders, asks the pure rule, replaces the former answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from mlops.features import tables
from mlops.features.arrays import id_list
from mlops.features.attribution import ClickFacts, LineFacts, OrderFacts, RefundFacts, ShownFacts, attribute
from tenancy.scope import scoped


@scoped
def renew(shop_id: int, order_ids: Iterable[int]) -> None:
    """Make the outcomes of these orders what the rule says now.

    Call it in a transaction that holds the shop's EVENTS lock: an order and its exposure that arrive at the same
    moment would otherwise miss each other.
    """
    with connection.cursor() as cursor:
        concerned = _concerned(cursor, shop_id, list(order_ids))
        if not concerned:
            return
        window = timedelta(hours=settings.ATTRIBUTION_WINDOW_HOURS)
        orders = _orders(cursor, shop_id, concerned)
        shown = _shown(cursor, shop_id, orders)
        clicks = _clicks(cursor, shop_id, orders, window)
        rows: dict[str, tuple[Any, ...]] = {}
        for order in orders:
            for each in attribute(
                order, shown=shown, clicks=clicks.get(order.visitor or "", ()), window=window
            ):
                rows[each.key] = (
                    each.key,
                    each.kind.value,
                    each.exposure_id,
                    each.at,
                    each.product_id,
                    order.visitor,
                    each.order_id,
                    each.line_id,
                    each.quantity,
                    each.amount,
                )
        cursor.execute(
            "delete from features_outcome where shop_id = %s and order_id = any(%s) and not key = any(%s)",
            [shop_id, concerned, list(rows)],
        )
        tables.OUTCOME.upsert(cursor, shop_id, list(rows.values()))


def orders_naming(cursor: CursorWrapper, shop_id: int, exposure_ids: list[str]) -> set[int]:
    """Orders with a line that names one of these exposures."""
    cursor.execute(
        "select distinct order_id from features_orderline where shop_id = %s and exposure = any(%s)",
        [shop_id, exposure_ids],
    )
    return {row[0] for row in cursor.fetchall()}


def orders_of(cursor: CursorWrapper, shop_id: int, visitors: list[str]) -> set[int]:
    """Orders of these visitors."""
    cursor.execute(
        "select order_id from features_order where shop_id = %s and visitor = any(%s)", [shop_id, visitors]
    )
    return {row[0] for row in cursor.fetchall()}


def _concerned(cursor: CursorWrapper, shop_id: int, order_ids: list[int]) -> list[int]:
    """Those that may have outcomes, or have some: in a history of years hardly any."""
    if not order_ids:
        return []
    cursor.execute(
        "select order_id from features_order where shop_id = %s and order_id = any(%s::bigint[])"
        " and visitor is not null"
        " union select order_id from features_orderline where shop_id = %s and order_id = any(%s::bigint[])"
        " and exposure is not null"
        " union select order_id from features_outcome where shop_id = %s and order_id = any(%s::bigint[])",
        [shop_id, id_list(order_ids)] * 3,
    )
    return sorted(row[0] for row in cursor.fetchall())


def _orders(cursor: CursorWrapper, shop_id: int, order_ids: list[int]) -> list[OrderFacts]:
    lines: dict[int, list[LineFacts]] = defaultdict(list)
    cursor.execute(
        "select order_id, line_id, product_id, quantity, current_quantity, unit_price, exposure"
        " from features_orderline where shop_id = %s and order_id = any(%s) order by order_id, line_id",
        [shop_id, order_ids],
    )
    for order_id, *rest in cursor.fetchall():
        lines[order_id].append(LineFacts(*rest))
    refunds: dict[int, list[RefundFacts]] = defaultdict(list)
    cursor.execute(
        "select r.order_id, r.refund_id, l.line_id, r.version_at, l.quantity, l.amount"
        " from features_refund r join features_refundline l using (shop_id, refund_id)"
        " where r.shop_id = %s and r.order_id = any(%s)",
        [shop_id, order_ids],
    )
    for order_id, *rest in cursor.fetchall():
        refunds[order_id].append(RefundFacts(*rest))
    cursor.execute(
        "select order_id, version_at, ordered_at, cancelled_at, test, deleted_at is not null, visitor"
        " from features_order where shop_id = %s and order_id = any(%s)",
        [shop_id, order_ids],
    )
    return [
        OrderFacts(
            order_id=order_id,
            version_at=version_at,
            ordered_at=ordered_at,
            cancelled_at=cancelled_at,
            test=test,
            deleted=deleted,
            visitor=visitor,
            lines=tuple(lines[order_id]),
            refunds=tuple(refunds[order_id]),
        )
        for order_id, version_at, ordered_at, cancelled_at, test, deleted, visitor in cursor.fetchall()
    ]


def _shown(cursor: CursorWrapper, shop_id: int, orders: list[OrderFacts]) -> dict[str, ShownFacts]:
    named = {line.exposure for order in orders for line in order.lines if line.exposure}
    if not named:
        return {}
    cursor.execute(
        "select exposure_id, at, product_ids from features_exposure where shop_id = %s and exposure_id = any(%s)",
        [shop_id, list(named)],
    )
    return {row[0]: ShownFacts(row[1], frozenset(row[2])) for row in cursor.fetchall()}


def _clicks(
    cursor: CursorWrapper, shop_id: int, orders: list[OrderFacts], window: timedelta
) -> dict[str, list[ClickFacts]]:
    visitors = {order.visitor for order in orders if order.visitor}
    found: dict[str, list[ClickFacts]] = defaultdict(list)
    if visitors:
        cursor.execute(
            "select exposure_id, visitor, product_id, at from features_outcome where shop_id = %s"
            " and kind = 'click' and visitor = any(%s) and at between %s and %s",
            [
                shop_id,
                list(visitors),
                min(order.ordered_at for order in orders) - window,
                max(order.ordered_at for order in orders),
            ],
        )
        for row in cursor.fetchall():
            found[row[1]].append(ClickFacts(*row))
    return found
