"""Rows of the feature store's tables, by days before noon, with good defaults."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from mlops.feature_store.tables import LINES, METAFIELDS, OFFERS, ORDERS, STOCK, VISITS, Schema
from tests.mlops.builders import NOON

DAY = timedelta(days=1)


def ago(days: float) -> datetime:
    return NOON - days * DAY


def frame(schema: Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def bought(order_id: int, days: float, **changes: Any) -> dict[str, Any]:
    """One line of an order that was placed, and known, so many days ago."""
    at = ago(days)
    given = {
        "order_id": order_id, "event": order_id, "order_at": at, "version_at": at, "known_at": at, "customer_id": 1,
        "counts": True, "product_id": 1, "variant_id": 10, "units": 1.0, "spend": 10.0,
    }  # fmt: skip
    return {**given, **changes}


def offered(event: int, days: float, **changes: Any) -> dict[str, Any]:
    at = ago(days)
    given = {
        "product_id": 1, "event": event, "version_at": at, "known_at": at, "created_at": ago(400), "listed": True,
        "variant_id": 10, "item_id": 100, "price": 10.0, "compare_at": None, "stock": 5.0, "oversell": False,
    }  # fmt: skip
    return {**given, **changes}


def counted(event: int, days: float, units: float | None, **changes: Any) -> dict[str, Any]:
    at = ago(days)
    given = {
        "item_id": 100,
        "location_id": 1,
        "stock": units,
        "event": event,
        "version_at": at,
        "known_at": at,
    }
    return {**given, **changes}


def visited(kind: str, days: float, **changes: Any) -> dict[str, Any]:
    at = ago(days)
    return {
        "visitor": "ada",
        "product_id": 1,
        "kind": kind,
        "version_at": at,
        "known_at": at,
        "gone_at": None,
        **changes,
    }


def lines(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(LINES, [{name: each[name] for name in LINES} for each in rows])


def orders(*rows: dict[str, Any]) -> pl.DataFrame:
    """The orders that consist of one such line each."""
    return frame(ORDERS, [{name: each[name] for name in ORDERS} for each in rows])


def offers(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(OFFERS, list(rows))


def stock(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(STOCK, list(rows))


def visits(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(VISITS, list(rows))


def metafield_values(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(METAFIELDS, list(rows))


def asked(at: datetime = NOON, **ids: list[Any]) -> pl.DataFrame:
    """Entities at one moment."""
    count = len(next(iter(ids.values())))
    return pl.DataFrame({**ids, "at": [at] * count}).with_columns(pl.col("at").dt.cast_time_unit("us"))
