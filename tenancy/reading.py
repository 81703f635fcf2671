"""Who reads what is linked to people, and why: said before the read, kept in the access log.

    with reading(actor="staff:42", purpose=Purpose.EXPORT):
        ...                                   # SQL and ORM alike; without it the read raises `UnattributedRead`

A block leaves one entry with the rows that came out, by table; a block out of which nothing came leaves none. Blocks of the
product's own work (`system:...`) of one minute share an entry, so that the log grows with time and purposes, not with
traffic. A block inside another keeps the actor of the outer one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum

from django.db import DatabaseError, connection
from django.utils import timezone

from tenancy import fence
from tenancy.fence import Reading
from tenancy.fence import UnattributedRead as UnattributedRead

log = logging.getLogger("shelfwise.access")


class Purpose(StrEnum):
    """Why something linked to people is read. For good: a name is never given another meaning."""

    KEEPING = "keeping"  # bringing the shop's present state up to date
    RECONCILING = "reconciling"  # comparing it with Shopify
    ATTRIBUTION = "attribution"  # which order an answer led to
    TRAINING = "training"
    FEATURES = "features"  # what is known of customers, visitors and products, as numbers for the models
    FIGURES = "figures"  # counts in which nobody can be told from another
    DATA_REQUEST = "data_request"  # a customer asked for their data
    ERASURE = "erasure"  # a customer or shop is forgotten; and the search that proves it
    RETENTION = "retention"  # what has lapsed is forgotten
    QUALITY = "quality"  # looking for rows that cannot be true
    OPERATION = "operation"  # keys, migrations, measurements: by whoever runs the app


@contextmanager
def reading(*, actor: str, purpose: Purpose) -> Iterator[None]:
    """Allow reads of what is linked to people in this block, and keep how many rows came out.

    The entry is written in the block's own transaction: a read that is rolled back leaves a line in the log instead, as
    does one across all shops.

    Args:
        actor: `staff:<id>` or `system:<what>`, as in the audit log.
    """
    outer = fence.reading.get()
    if outer is not None and outer.purpose == purpose:
        yield  # counted there
        return
    found = Reading(actor if outer is None else outer.actor, purpose.value)
    token = fence.reading.set(found)
    try:
        yield
    except BaseException:
        if found.rows:
            _tell(found, "failed")
        raise
    else:
        if any(found.rows.values()):
            _keep(found, timezone.now())
    finally:
        fence.reading.reset(token)


def handled(what: str, rows: int) -> None:
    """Rows linked to people that came from elsewhere than a table: a frozen frame, an export.

    Raises:
        UnattributedRead: outside a `reading`.
    """
    found = fence.reading.get()
    if found is None:
        raise UnattributedRead(f"{what} would be read by nobody and for nothing")
    found.add((what,), rows)


def _keep(found: Reading, now: datetime) -> None:
    shop_id = fence.shop.get()
    if shop_id is None or shop_id == fence.ANY_SHOP or connection.needs_rollback:
        _tell(found, "not kept")
        return
    tables = {table: rows for table, rows in sorted(found.rows.items()) if rows}
    shared = found.actor.startswith("system:")
    at = now.replace(second=0, microsecond=0) if shared else now
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SHARED_SQL if shared else _SQL, {
                "shop": shop_id, "at": at, "actor": found.actor, "purpose": found.purpose,
                "tables": json.dumps(tables), "rows": sum(tables.values()),
            })  # fmt: skip
    except DatabaseError:
        _tell(found, "not kept")
        raise


def _tell(found: Reading, outcome: str) -> None:
    told = {"actor": found.actor, "purpose": found.purpose, "tables": found.rows, "outcome": outcome}
    log.info("access.read", extra={**told, "shop_id": fence.shop.get()})


_SQL = """
insert into tenancy_accessentry as kept (shop_id, at, actor, purpose, tables, rows, blocks)
values (%(shop)s, %(at)s, %(actor)s, %(purpose)s, %(tables)s::jsonb, %(rows)s, 1)
"""
_ADD_SQL = """
on conflict (shop_id, at, actor, purpose) where actor like 'system:%%' do update
   set rows = kept.rows + excluded.rows, blocks = kept.blocks + 1,
       tables = (select jsonb_object_agg(name, total) from (
                 select e.key as name, sum(e.value::bigint) as total
                   from (select * from jsonb_each_text(kept.tables) union all
                         select * from jsonb_each_text(excluded.tables)) e group by e.key) t)
"""
_SHARED_SQL = _SQL + _ADD_SQL
