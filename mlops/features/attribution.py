"""Which outcomes an order owes to what was shown. Pure.

The answer is a function of the facts alone, not of the order in which they arrived: whenever a fact about an order
arrives (the order, a refund, a late exposure, a late click) the shell asks again and replaces the former answer. So a
repeated delivery changes nothing and a line never counts twice.

Rules, first match wins:
1. the line names an exposure of this shop that showed this product, at most `CLOCK_SKEW` after the order;
2. the order's visitor clicked this product within the window before the order; the latest click wins.
Anything else, and every test order, owes nothing. Refunds, removed units and cancellations subtract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from mlops.features.events import OutcomeKind

# The exposure's time is our clock, the order's is the shop's.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class LineFacts:
    line_id: int
    product_id: int | None
    quantity: int
    current_quantity: int
    unit_price: Decimal
    exposure: str | None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """One line of one refund; `amount` is positive."""

    refund_id: int
    line_id: int
    at: datetime
    quantity: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderFacts:
    order_id: int
    version_at: datetime
    ordered_at: datetime
    cancelled_at: datetime | None
    test: bool
    deleted: bool
    visitor: str | None
    lines: tuple[LineFacts, ...]
    refunds: tuple[RefundFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownFacts:
    """An exposure of the same shop as the order."""

    at: datetime
    product_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class ClickFacts:
    exposure_id: str
    visitor: str
    product_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """One outcome. `amount` and `quantity` are positive for an order, negative for what was taken back."""

    kind: OutcomeKind
    key: str
    exposure_id: str
    at: datetime
    product_id: int
    order_id: int
    line_id: int
    quantity: int
    amount: Decimal


def attribute(
    order: OrderFacts, *, shown: Mapping[str, ShownFacts], clicks: Sequence[ClickFacts], window: timedelta
) -> tuple[Owed, ...]:
    """All outcomes of one order.

    Args:
        shown: exposures of this shop by id; an id that is not in it was forged or belongs to another shop.
        clicks: clicks of this shop; those of other visitors are ignored.
        window: how long before the order a click counts.
    """
    if order.test or order.deleted:
        return ()
    owed: list[Owed] = []
    for line in order.lines:
        exposure_id = _claim(order, line, shown, clicks, window)
        if exposure_id is not None and line.product_id is not None and line.quantity > 0:
            owed += _line(order, line, line.product_id, exposure_id)
    return tuple(owed)


def _claim(
    order: OrderFacts,
    line: LineFacts,
    shown: Mapping[str, ShownFacts],
    clicks: Sequence[ClickFacts],
    window: timedelta,
) -> str | None:
    if line.exposure is not None:
        found = shown.get(line.exposure)
        if found and line.product_id in found.product_ids and found.at <= order.ordered_at + CLOCK_SKEW:
            return line.exposure
    if order.visitor is None:
        return None
    earlier = [
        click
        for click in clicks
        if click.visitor == order.visitor
        and click.product_id == line.product_id
        and order.ordered_at - window <= click.at <= order.ordered_at
    ]
    return max(earlier, key=lambda click: (click.at, click.exposure_id)).exposure_id if earlier else None


def _line(order: OrderFacts, line: LineFacts, product_id: int, exposure_id: str) -> list[Owed]:
    left, left_amount = line.quantity, line.unit_price * line.quantity

    def owed(kind: OutcomeKind, key: str, at: datetime, quantity: int, amount: Decimal) -> Owed:
        return Owed(kind, key, exposure_id, at, product_id, order.order_id, line.line_id, quantity, amount)

    place = f"{order.order_id}:{line.line_id}"
    rows = [owed(OutcomeKind.ORDER, f"order:{place}", order.ordered_at, left, left_amount)]
    refunds = sorted(
        (each for each in order.refunds if each.line_id == line.line_id), key=lambda r: (r.at, r.refund_id)
    )
    for refund in refunds:
        # Never more is taken back than was counted, whatever the shop refunds on top.
        quantity, amount = min(refund.quantity, left), min(max(refund.amount, Decimal(0)), left_amount)
        if quantity or amount:
            key = f"refund:{refund.refund_id}:{place}"
            rows.append(owed(OutcomeKind.REFUND, key, refund.at, -quantity, -amount))
        left, left_amount = left - quantity, left_amount - amount
    if order.cancelled_at is not None:
        if left or left_amount:
            rows.append(owed(OutcomeKind.REFUND, f"cancel:{place}", order.cancelled_at, -left, -left_amount))
        return rows
    removed = left - max(line.current_quantity, 0)
    if removed > 0:
        # Units taken out of the order by an edit, or by a refund whose lines we were not told.
        amount = min(line.unit_price * removed, left_amount)
        rows.append(owed(OutcomeKind.REFUND, f"removed:{place}", order.version_at, -removed, -amount))
    return rows
