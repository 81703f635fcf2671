"""Shell: forgets a customer, or a whole shop, in every table and key of this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from mlops.features import online
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import ShopOwned

LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows were changed or deleted for one customer."""

    orders: int
    events: int
    exposures: int


def visitors_of(shop: Shop, customer_id: int, order_ids: Sequence[int]) -> list[str]:
    """The visitor ids on the customer's orders: by them, what the storefront still has on its way is found."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct visitor from features_order where shop_id = %s and visitor is not null"
            " and (customer_id = %s or order_id = any(%s))",
            [shop.pk, customer_id, list(order_ids)],
        )
        return [row[0] for row in cursor.fetchall()]


def erase_customer(shop: Shop, customer_id: int, order_ids: Sequence[int]) -> Erased:
    """The orders stay as sales of nobody; the customer's number and visitor ids go, from state and log. Safe twice.

    Args:
        order_ids: orders that were the customer's, also where they do not carry the number any more.

    Raises:
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        cursor.execute(
            "select order_id, visitor from features_order where shop_id = %s"
            " and (customer_id = %s or order_id = any(%s))",
            [shop.pk, customer_id, list(order_ids)],
        )
        rows: list[tuple[int, str | None]] = cursor.fetchall()
        names: dict[str, Any] = {
            "shop": shop.pk,
            "customer": customer_id,
            "orders": sorted({*order_ids, *(order_id for order_id, _ in rows)}),
            "visitors": sorted({visitor for _, visitor in rows if visitor}),
        }
        cursor.execute(
            "update features_order set customer_id = null, visitor = null where shop_id = %(shop)s"
            " and order_id = any(%(orders)s)",
            names,
        )
        orders = cursor.rowcount
        cursor.execute(
            "delete from features_customer where shop_id = %(shop)s and customer_id = %(customer)s", names
        )
        cursor.execute(
            "update features_customer set merged_into = null where shop_id = %(shop)s and merged_into = %(customer)s",
            names,
        )
        cursor.execute(
            "delete from features_event where shop_id = %(shop)s and ("
            " (kind in ('customer', 'customer_deleted', 'customer_merged') and subject_id = %(customer)s)"
            " or (kind = 'customer_merged' and payload->>'kept_id' = %(customer)s::text))",
            names,
        )
        events = cursor.rowcount
        cursor.execute(
            "update features_event set payload = payload - 'customer_id' - 'visitor' where shop_id = %(shop)s"
            " and kind = 'order' and (subject_id = any(%(orders)s) or payload->>'customer_id' = %(customer)s::text)",
            names,
        )
        events += cursor.rowcount
        cursor.execute(
            "update features_exposure set visitor = null where shop_id = %(shop)s and visitor = any(%(visitors)s)",
            names,
        )
        exposures = cursor.rowcount
        cursor.execute(
            "update features_outcome set visitor = null where shop_id = %(shop)s and visitor = any(%(visitors)s)",
            names,
        )
    return Erased(orders=orders, events=events, exposures=exposures)


def erase_shop(shop: Shop) -> None:
    """Delete every row of the shop in this room; its keys go once the transaction of the caller is committed.

    Raises:
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    shop_id, domain = shop.pk, shop.domain
    with transaction.atomic(), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        for model in apps.get_app_config("features").get_models():
            if issubclass(model, ShopOwned):
                table = model._meta.db_table
                cursor.execute(f'delete from "{table}" where shop_id = %s', [shop_id])  # noqa: S608 - names of our models
        transaction.on_commit(lambda: _forget_keys(shop_id, domain))


def _forget_keys(shop_id: int, domain: str) -> None:
    online.forget(shop_id, domain)
    debts = [member for member, _ in client().zscan_iter(key("owed"), match=f"{shop_id}:*", count=1000)]
    if debts:
        client().zrem(key("owed"), *debts)
