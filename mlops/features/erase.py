"""Shell: forgets a customer, or a whole shop, in every table and key of this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from mlops.features import frames, news, online, tombstones
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.redis import client, key
from tenancy.scope import ShopOwned, scope, scoped

LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Person:
    """What stands for one customer here.

    Args:
        customers: their pseudonym, and those of accounts that were merged into it.
        visitors: the browsers that they bought with.
    """

    customers: tuple[int, ...]
    orders: tuple[int, ...]
    visitors: tuple[str, ...]
    first_order_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows were changed or deleted for one customer.

    Args:
        exposures: and all else that the storefront told of: outcomes, events, marks.
        snapshots: ids of those whose frame held them.
        gone: ids of those whose frame is not there any more: they may have.
    """

    orders: int
    events: int
    exposures: int
    snapshots: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()


@scoped
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def find(
    shop: Shop, customer_id: int, *, order_ids: Sequence[int] = (), visitors: Sequence[str] = ()
) -> Person:
    """Everything that stands for a customer, also what older versions of an order told. Repeat it under the lock.

    Args:
        order_ids: orders that were the customer's, also where they do not carry the pseudonym any more.
        visitors: browsers known to be theirs.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "with recursive merged(id) as (select %(customer)s::bigint union select c.customer_id"
            " from features_customer c join merged m on c.merged_into = m.id where c.shop_id = %(shop)s)"
            " select id from merged",
            {"shop": shop.pk, "customer": customer_id},
        )
        customers = sorted(row[0] for row in cursor.fetchall())
        names: dict[str, Any] = {"shop": shop.pk, "customers": customers, "orders": list(order_ids)}
        cursor.execute(
            "select order_id, visitor from features_order where shop_id = %(shop)s"
            " and (customer_id = any(%(customers)s) or order_id = any(%(orders)s::bigint[]))"
            " union select subject_id, payload->>'visitor' from features_event where shop_id = %(shop)s"
            " and kind = 'order' and (subject_id = any(%(orders)s::bigint[])"
            " or (payload->>'customer_id')::bigint = any(%(customers)s))",
            names,
        )
        rows: list[tuple[int, str | None]] = cursor.fetchall()
        # The pixel may have seen an order end in a browser that the order itself does not name.
        cursor.execute(
            "select order_id, visitor from features_storefront_event where shop_id = %s"
            " and order_id = any(%s::bigint[]) and visitor is not null",
            [shop.pk, sorted({*order_ids, *(row[0] for row in rows)})],
        )
        rows += cursor.fetchall()
        orders = tuple(sorted({*order_ids, *(row[0] for row in rows)}))
        cursor.execute(
            "select min(ordered_at) from features_order where shop_id = %s and order_id = any(%s::bigint[])",
            [shop.pk, list(orders)],
        )
        first = cursor.fetchone()[0]
    return Person(
        tuple(customers),
        orders,
        tuple(sorted({*visitors, *(row[1] for row in rows if row[1])})),
        first,
    )


@scoped
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def erase_customer(
    shop: Shop,
    customer_id: int,
    order_ids: Sequence[int] = (),
    *,
    visitors: Sequence[str] = (),
    now: datetime,
) -> tuple[Erased, Person]:
    """The orders stay as sales of nobody; pseudonym and visitor ids go, from state, log and frames. Safe twice.

    Whatever of the person arrives later is stripped (see `tombstones`).

    Raises:
        Transient: a writer or a training step of this shop held on for `LOCK_WAIT_S` seconds.
        FileUnusable: a frozen frame does not open, so it cannot be said who is in it; nothing is erased.
    """
    with transaction.atomic(), scope(shop), connection.cursor() as cursor:
        lock(shop, LockKind.TRAINING, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        person = find(shop, customer_id, order_ids=order_ids, visitors=visitors)
        tombstones.set_up(shop, customers=person.customers, visitors=person.visitors, now=now)
        names: dict[str, Any] = {
            "shop": shop.pk,
            "customers": list(person.customers),
            "texts": [str(each) for each in person.customers],
            "orders": list(person.orders),
            "visitors": list(person.visitors),
        }
        cursor.execute(
            "update features_order set visitor = null,"
            " customer_id = case when order_id = any(%(orders)s::bigint[]) then null else customer_id end"
            " where shop_id = %(shop)s and (visitor = any(%(visitors)s::text[])"
            " or order_id = any(%(orders)s::bigint[]) and (customer_id is not null or visitor is not null))",
            names,
        )
        orders = cursor.rowcount
        cursor.execute(
            "delete from features_customer where shop_id = %(shop)s and customer_id = any(%(customers)s)",
            names,
        )
        cursor.execute(
            "update features_customer set merged_into = null where shop_id = %(shop)s and merged_into = any(%(customers)s)",
            names,
        )
        cursor.execute(
            "delete from features_event where shop_id = %(shop)s and ("
            " (kind in ('customer', 'customer_deleted', 'customer_merged') and subject_id = any(%(customers)s))"
            " or (kind = 'customer_merged' and payload->>'kept_id' = any(%(texts)s)))",
            names,
        )
        events = cursor.rowcount
        cursor.execute(
            "update features_event set payload = payload - 'visitor' - case when subject_id = any(%(orders)s::bigint[])"
            " or payload->>'customer_id' = any(%(texts)s) then 'customer_id' else '' end where shop_id = %(shop)s"
            " and kind = 'order' and (subject_id = any(%(orders)s::bigint[]) or payload->>'customer_id' = any(%(texts)s)"
            " or payload->>'visitor' = any(%(visitors)s::text[])) and payload ?| array['customer_id', 'visitor']",
            names,
        )
        events += cursor.rowcount
        told = _unlink(cursor, names)
        cursor.execute(
            "update features_storefront_event set order_id = null where shop_id = %(shop)s"
            " and order_id = any(%(orders)s::bigint[])",
            names,
        )
        rewritten = frames.without(shop, person.customers, now=now)
        transaction.on_commit(lambda: news.forget_customers(shop.pk, person.customers))
    return Erased(orders, events, told, rewritten.held, rewritten.gone), person


def forget_visitor(shop: Shop, visitor: str, *, now: datetime) -> int:
    """A visitor withdrew their consent: what they did stays as nobody's, orders included, and what comes late too.

    Safe twice. Returns how many rows carried the visitor id.

    Raises:
        Transient: a writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    with transaction.atomic(), scope(shop), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        tombstones.set_up(shop, customers=(), visitors=[visitor], now=now)
        names: dict[str, Any] = {"shop": shop.pk, "visitors": [visitor]}
        cursor.execute(
            "update features_order set visitor = null where shop_id = %(shop)s and visitor = any(%(visitors)s)"
            " returning order_id",
            names,
        )
        names["orders"] = [row[0] for row in cursor.fetchall()]
        changed = len(names["orders"])
        cursor.execute(
            "update features_event set payload = payload - 'visitor' where shop_id = %(shop)s and kind = 'order'"
            " and subject_id = any(%(orders)s::bigint[]) and payload->>'visitor' = any(%(visitors)s)",
            names,
        )
        return changed + int(cursor.rowcount) + _unlink(cursor, names)


def _unlink(cursor: CursorWrapper, names: dict[str, Any]) -> int:
    """Take the ids of these visitors off all that the storefront told; returns how many rows carried one."""
    changed: int = 0
    for table in ("features_exposure", "features_outcome", "features_storefront_event"):
        cursor.execute(
            f"update {table} set visitor = null where shop_id = %(shop)s and visitor = any(%(visitors)s)",  # noqa: S608
            names,
        )
        changed += cursor.rowcount
    cursor.execute(
        "delete from features_excluded_visitor where shop_id = %(shop)s and visitor = any(%(visitors)s)",
        names,
    )
    return changed + int(cursor.rowcount)


@scoped
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
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
    news.forget(shop_id)
    debts = [member for member, _ in client().zscan_iter(key("owed"), match=f"{shop_id}:*", count=1000)]
    if debts:
        client().zrem(key("owed"), *debts)
