"""What is imported, with which document, and how its lines become events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.features.events import Event
from shopify_app.sync.translate import rows
from shopify_app.sync.translate.lines import Kin
from shopify_app.sync.translate.values import node_id

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one resource is imported.

    Args:
        document: the bulk query.
        counted_as: the field of `ObjectCounts` that tells how many roots to expect.
        kin: the types of the lines.
        most_children: of one root; more are no shop's, and would have to be in memory at a time.
        assemble: a root and its children to events.
        child: checks one child by itself, to find the one at fault.
        single: one line to its event, or to None when the line carries none.
    """

    document: str
    counted_as: str | None
    kin: Kin
    most_children: int = 0
    assemble: Callable[[Row, Sequence[Row]], list[Event]] | None = None
    child: Callable[[Row], object] | None = None
    single: Callable[[Row], Event | None] | None = None

    @property
    def staged(self) -> bool:
        return self.assemble is not None


def _order(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.order(row, children), *rows.refunds(row)]


def _product(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.product(row, children)]


def _collection(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.collection(row, [each for each in map(_member, children) if each])]


def _member(row: Row) -> int | None:
    return node_id(row, "products.id")


def _customer(row: Row) -> Event | None:
    return rows.customer(row)


def _level(row: Row) -> Event | None:
    return rows.stock(row) if "__parentId" in row else None


# Shopify allows 500 lines an order, 2,048 variants a product; a collection may hold the whole catalogue.
PLANS: Mapping[str, Plan] = {
    "products": Plan(
        "ProductsBulk", "productsCount", Kin("Product", "ProductVariant"), 10_000, _product, rows.variant
    ),
    "collections": Plan(
        "CollectionsBulk", "collectionsCount", Kin("Collection", "Product"), 500_000, _collection, _member
    ),
    "customers": Plan("CustomersBulk", "customersCount", Kin("Customer"), single=_customer),
    "orders": Plan("OrdersBulk", "ordersCount", Kin("Order", "LineItem"), 10_000, _order, rows.order_line),
    "inventory": Plan("InventoryBulk", None, Kin("InventoryItem", "InventoryLevel"), single=_level),
}
