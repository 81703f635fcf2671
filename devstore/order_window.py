"""Without the scope `read_all_orders`, an app sees the orders of the last 60 days only, live and in bulk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Set
from contextlib import contextmanager
from datetime import datetime, timedelta

ALL_ORDERS = "read_all_orders"
WINDOW = timedelta(days=60)


def visible_since(scopes: Set[str], now: datetime) -> str | None:
    """The creation time (ISO 8601, UTC) from which orders are shown; None when all are."""
    if ALL_ORDERS in scopes:
        return None
    return (now - WINDOW).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def orders_since(connection: sqlite3.Connection, since: str | None) -> Iterator[None]:
    """Hide older orders from every query of this connection in the block: a temporary view stands before the table."""
    if since is None:
        yield
        return
    # A view takes no parameters; `since` comes from `visible_since` alone.
    datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - only its shape is checked
    connection.execute(f"CREATE TEMP VIEW orders AS SELECT * FROM main.orders WHERE created_at >= '{since}'")  # noqa: S608
    try:
        yield
    finally:
        connection.execute("DROP VIEW temp.orders")
