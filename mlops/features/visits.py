"""Shell: storefront events into Postgres, once each; what of them counts; and the forgetting of one visitor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection, transaction

from mlops.features import conduct, tombstones
from mlops.features.arrays import array
from mlops.features.storefront import Exclusion, StorefrontEvent
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Visited:
    """Args:
    repeated: were here before by their event id; nothing was written.
    """

    new: int
    repeated: int


@reading(actor="system:events", purpose=Purpose.ATTRIBUTION)
def record(shop: Shop, events: Sequence[StorefrontEvent]) -> Visited:
    """Keep these events, each once by its id, and exclude what does not count. Safe to repeat.

    Events of visitors who were erased, or took their consent back, are kept as nobody's.

    Raises:
        Transient: another writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    once = {each.event_id: each for each in reversed(events)}  # the first told counts
    if not once:
        return Visited(0, 0)
    with scope(shop), transaction.atomic(), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        gone = tombstones.among(
            shop, visitors={each.visitor for each in once.values() if each.visitor}
        ).visitors
        rows = [replace(each, visitor=None) if each.visitor in gone else each for each in once.values()]
        cursor.execute(
            f"insert into features_storefront_event (shop_id, {', '.join(_COLUMNS)}, excluded_at)"  # noqa: S608 - constants of this file
            f" select %s, {', '.join(f'u.{name}' for name in _COLUMNS)},"
            " case when u.excluded is not null then u.received_at end from rows from"
            f" (unnest({', '.join(f'%s::{kind}[]' for kind in _COLUMNS.values() if kind != 'jsonb')}),"
            f" jsonb_array_elements(%s::jsonb)) as u({', '.join(_COLUMNS)})"
            " on conflict (shop_id, event_id) do nothing returning visitor",
            [shop.pk, *_arrays(rows)],
        )
        added = cursor.fetchall()
        now = max(each.received_at for each in rows)
        conduct.judge(cursor, shop.pk, {row[0] for row in added if row[0]}, now=now)
    return Visited(new=len(added), repeated=len(events) - len(added))


@reading(actor="system:events", purpose=Purpose.ATTRIBUTION)
def exclude(shop: Shop, visitor: str, reason: Exclusion, *, now: datetime) -> bool:
    """Mark a visitor as staff or test, also for what they did before; True when that is new."""
    with scope(shop), transaction.atomic(), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        return conduct.mark(cursor, shop.pk, visitor, reason, now=now)


@reading(actor="system:events", purpose=Purpose.ATTRIBUTION)
def include(shop: Shop, visitor: str, reason: Exclusion) -> bool:
    """Take the mark off: what they do from now on counts again. True when there was one."""
    with scope(shop), transaction.atomic(), connection.cursor() as cursor:
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        cursor.execute(
            "delete from features_excluded_visitor where shop_id = %s and visitor = %s and reason = %s",
            [shop.pk, visitor, reason.value],
        )
        return bool(cursor.rowcount)


# Column to Postgres type, in the order in which `_arrays` gives them; the JSON column is last.
_COLUMNS = {
    "event_id": "text", "kind": "text", "at": "timestamptz", "client_at": "timestamptz", "received_at": "timestamptz",
    "consent": "text", "visitor": "text", "product_id": "bigint", "variant_id": "bigint", "collection_id": "bigint",
    "quantity": "integer", "price": "numeric", "currency": "text", "search": "text", "exposure_id": "text",
    "order_id": "bigint", "excluded": "text", "lines": "jsonb",
}  # fmt: skip


def _arrays(rows: Sequence[StorefrontEvent]) -> list[str]:
    columns = [
        array(kind, [getattr(each, name) for each in rows])
        for name, kind in _COLUMNS.items()
        if kind != "jsonb"
    ]
    lines = [
        [
            [line.product_id, line.variant_id, line.quantity, None if line.price is None else str(line.price)]
            for line in each.lines
        ]
        for each in rows
    ]
    return [*columns, json.dumps(lines)]
