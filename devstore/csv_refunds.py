"""An export tells how much of an order was refunded, not which lines: the lines are inferred where they are plain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from devstore.effects import CENT, money


@dataclass(slots=True)
class Line:
    """One line item on its way into the store; `kept` is its current quantity."""

    id: int
    order_id: int
    position: int
    product_id: int | None
    variant_id: int | None
    title: str
    variant_title: str | None
    sku: str | None
    vendor: str | None
    quantity: int
    kept: int
    price: Decimal
    discount: Decimal
    ships: bool

    @property
    def whole(self) -> Decimal:
        """What the buyer paid for the line."""
        return self.price * self.quantity - self.discount

    def worth(self, units: int) -> Decimal:
        return self.whole if units == self.quantity else (self.whole * units / self.quantity).quantize(CENT)

    def row(self) -> tuple[Any, ...]:
        return (
            self.id, self.order_id, self.position, self.product_id, self.variant_id, self.title, self.variant_title,
            self.sku, self.vendor, self.quantity, self.kept, money(self.price), money(self.whole / self.quantity),
            money(self.discount), "[]", 0, int(self.ships),
        )  # fmt: skip


def spread_discount(lines: Sequence[Line], *, discount: Decimal, subtotal: Decimal) -> None:
    """Give each line its share of the order's discount, when lines less discount is what the order says.

    Lines that carry a discount of their own are left as they are.
    """
    gross = sum((line.price * line.quantity for line in lines), Decimal(0))
    if discount <= 0 or gross <= 0 or any(line.discount for line in lines):
        return
    if abs(gross - discount - subtotal) > CENT:
        return
    left = discount
    for line in lines[:-1]:
        line.discount = (discount * line.price * line.quantity / gross).quantize(CENT)
        left -= line.discount
    lines[-1].discount = left


def returned_units(lines: Sequence[Line], refunded: Decimal, *, everything: bool) -> list[tuple[Line, int]]:
    """Which units an amount stands for: all of the order, one whole line, units of one line, or two whole lines.

    Two lines only if no other two give the amount. Empty when the amount fits nothing: a refund of the order.
    """
    if everything:
        return [(line, line.quantity) for line in lines]
    if refunded <= 0:
        return []
    for line in lines:
        if line.whole == refunded:
            return [(line, line.quantity)]
    for line in lines:
        if 0 < refunded < line.whole and line.whole > 0:
            units = int((refunded * line.quantity / line.whole).to_integral_value())
            if 0 < units < line.quantity and line.worth(units) == refunded:
                return [(line, units)]
    return _two(lines, refunded)


def _two(lines: Sequence[Line], refunded: Decimal) -> list[tuple[Line, int]]:
    by_worth: dict[Decimal, list[Line]] = {}
    found: list[tuple[Line, Line]] = []
    for line in lines:
        found += [(other, line) for other in by_worth.get(refunded - line.whole, ())]
        if len(found) > 1:
            return []
        by_worth.setdefault(line.whole, []).append(line)
    return [(line, line.quantity) for line in found[0]] if found else []
