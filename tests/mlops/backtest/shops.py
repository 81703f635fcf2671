"""Small shops as order lines, for the files of `backtest recommend`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)


def line(order: str, customer: str | None, day: float, sku: str, **other: object) -> dict[str, object]:
    return {
        "order_id": order,
        "customer_id": customer,
        "ordered_at": START + timedelta(days=day),
        "sku": sku,
        "quantity": 1,
        "unit_price": 2.5,
        "cancelled": False,
        **other,
    }


def lines(rows: list[dict[str, object]]) -> pl.DataFrame:
    kinds = {"customer_id": pl.String, "unit_price": pl.Float64, "quantity": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=kinds)


def query(
    name: str, day: float, customer: str | None = None, context: tuple[str, ...] = (), **other: object
) -> dict[str, object]:
    return {
        "query_id": name,
        "at": START + timedelta(days=day),
        "customer_id": customer,
        "context_skus": list(context),
        "exclude_owned": False,
        "k": 5,
        **other,
    }


def queries(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"customer_id": pl.String, "context_skus": pl.List(pl.String)})


def themed_shop(*, customers: int = 150, days: int = 200, products: int = 60, seed: int = 3) -> pl.DataFrame:
    """Each customer likes one of six themes and buys three products of it, every few weeks; one order in ten is a guest's."""
    draw = np.random.default_rng(seed)
    themes = np.arange(products) % 6
    rows = []
    number = 0
    for who in range(customers):
        likes = np.flatnonzero(themes == who % 6)
        favourites = draw.choice(likes, 4, replace=False)
        day = float(draw.uniform(0, 40))
        while day < days:
            number += 1
            name = None if draw.random() < 0.1 else f"c{who}"
            basket = {int(draw.choice(favourites)), *(int(each) for each in draw.choice(likes, 2))}
            rows += [
                line(f"o{number}", name, day, f"p{each:02d}", unit_price=1.0 + each)
                for each in sorted(basket)
            ]
            day += float(draw.uniform(10, 30))
    return lines(rows)


def written(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.write_parquet(path)
        return path
    nested = [name for name, kind in frame.schema.items() if kind == pl.List(pl.String)]
    frame.with_columns(pl.col(nested).list.join("|")).write_csv(path)
    return path
