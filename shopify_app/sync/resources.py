"""What is imported, with which document, and how its lines become events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.features.events import Event
from shopify_app.sync.translate import rows
from shopify_app.sync.translate.values import node_id

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one resource is imported.

    Args:
        document: the bulk query.
        counted_as: the field of `ObjectCounts` that tells how many roots to expect.
        roots_per_batch: staged roots that become events in one transaction; 0 when each line stands for itself.
        assemble: a root and its children to events.
        single: one line to its event, or to None when the line carries none.
    """

    document: str
    counted_as: str | None
    roots_per_batch: int
    assemble: Callable[[Row, Sequence[Row]], list[Event]] | None = None
    single: Callable[[Row], Event | None] | None = None

    @property
    def staged(self) -> bool:
        return self.assemble is not None


def _order(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.order(row, children), *rows.refunds(row)]


def _product(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.product(row, children)]


def _collection(row: Row, children: Sequence[Row]) -> list[Event]:
    return [rows.collection(row, [each for each in (node_id(c, "products.id") for c in children) if each])]


def _customer(row: Row) -> Event | None:
    return rows.customer(row)


def _level(row: Row) -> Event | None:
    return rows.stock(row) if "__parentId" in row else None


# 1,000 orders with 3,500 lines: about 0.3 s and 20 MB per transaction. A collection may hold thousands of products.
PLANS: Mapping[str, Plan] = {
    "products": Plan("ProductsBulk", "productsCount", 500, assemble=_product),
    "collections": Plan("CollectionsBulk", "collectionsCount", 20, assemble=_collection),
    "customers": Plan("CustomersBulk", "customersCount", 0, single=_customer),
    "orders": Plan("OrdersBulk", "ordersCount", 1000, assemble=_order),
    "inventory": Plan("InventoryBulk", None, 0, single=_level),
}
