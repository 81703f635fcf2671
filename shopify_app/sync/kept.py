"""What we keep of objects that Shopify lists, in the form in which the two are compared. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from mlops.features import attributes
from mlops.features.events import AttributeOwner
from shopify_app.sync.differences import State
from tenancy.models import Shop
from tenancy.scope import scoped


@dataclass(frozen=True, slots=True)
class Table:
    """A table of present state.

    Args:
        at: the column that names an object's day.
        mark: SQL of the values compared, over `o`.
    """

    name: str
    id: str
    at: str
    mark: tuple[str, ...] = ()


def _of_variants(what: str) -> str:
    return (
        f"(select {what} from features_variant v where v.shop_id = o.shop_id and v.product_id = o.product_id)"  # noqa: S608
    )


TABLES: Mapping[str, Table] = {
    "orders": Table(
        "features_order",
        "order_id",
        "ordered_at",
        (
            "o.cancelled_at is not null",
            "o.refunded",
            "(select coalesce(sum(l.current_quantity), 0) from features_orderline l"
            " where l.shop_id = o.shop_id and l.order_id = o.order_id)",
        ),
    ),
    "products": Table(
        "features_product",
        "product_id",
        "created_at",
        (
            "o.status",
            "o.title",
            _of_variants("count(*)"),
            _of_variants("min(v.price)"),
            _of_variants("max(v.price)"),
            # Shopify counts units of untracked variants too; we keep none of those.
            _of_variants("case when count(v.available) = count(*) then sum(v.available) end"),
        ),
    ),
    "customers": Table("features_customer", "customer_id", "created_at"),
    "collections": Table(
        "features_collection", "collection_id", "version_at", ("o.title", "cardinality(o.product_ids)")
    ),
}


@scoped
def states(shop: Shop, resource: str, ids: Iterable[int]) -> dict[int, State]:
    """What we keep of these objects, tombstones too; without those that we never saw."""
    table = TABLES[resource]
    marks = "".join(f", {each}" for each in table.mark)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select o.{table.id}, o.version_at, o.{table.at}, o.deleted_at is not null{marks}"  # noqa: S608
            f" from {table.name} o where o.shop_id = %s and o.{table.id} = any(%s)",
            [shop.pk, list(ids)],
        )
        found = cursor.fetchall()
    quiet = _metafields(shop, [row[0] for row in found]) if resource == "products" else {}
    return {
        row[0]: State(row[1], row[2], mark=tuple(row[4:]), deleted=row[3], quiet=quiet.get(row[0]))
        for row in found
    }


def _metafields(shop: Shop, product_ids: list[int]) -> dict[int, tuple[tuple[int, str], ...]]:
    """The chosen metafields of products, as text by our number of the choice; empty when none are chosen."""
    wanted = [each for each in attributes.chosen(shop) if each.owner is AttributeOwner.PRODUCT]
    held = {each.id: attributes.held_raw(shop, each.id, product_ids) for each in wanted}
    return {
        product_id: tuple(sorted((each, raw[product_id]) for each, raw in held.items() if product_id in raw))
        for product_id in product_ids
        if wanted
    }


@scoped
def by_day(shop: Shop, resource: str, bounds: tuple[datetime, datetime]) -> dict[date, int]:
    """Living objects of each day in the shop's zone; days without any are left out. One pass over the rows."""
    table = TABLES[resource]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select ({table.at} at time zone %s)::date, count(*) from {table.name}"  # noqa: S608
            f" where shop_id = %s and deleted_at is null and {table.at} >= %s and {table.at} < %s group by 1",
            [shop.timezone, shop.pk, *bounds],
        )
        return dict(cursor.fetchall())


@scoped
def living(shop: Shop, resource: str, bounds: tuple[datetime, datetime] | None) -> dict[int, datetime]:
    """Ids of the living objects of a period (of all times for None), with what names their day."""
    table = TABLES[resource]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {table.id}, {table.at} from {table.name} where shop_id = %s and deleted_at is null"  # noqa: S608
            + (f" and {table.at} >= %s and {table.at} < %s" if bounds else ""),
            [shop.pk, *(bounds or ())],
        )
        return dict(cursor.fetchall())


@scoped
def stock(shop: Shop, items: Iterable[int]) -> dict[tuple[int, int], tuple[datetime, int | None]]:
    """Version time and units by inventory item and location."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select inventory_item_id, location_id, version_at, available from features_stocklevel"
            " where shop_id = %s and inventory_item_id = any(%s)",
            [shop.pk, list(items)],
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in cursor.fetchall()}


@scoped
def an_order_of(shop: Shop, customer_id: int) -> int | None:
    """The newest living order that we hold to be this customer's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select order_id from features_order where shop_id = %s and customer_id = %s and deleted_at is null"
            " order by ordered_at desc limit 1",
            [shop.pk, customer_id],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])
