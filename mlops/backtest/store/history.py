"""What a shop sold, as both models are measured on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True)
class Product:
    """What is shown of a product, and what its words are.

    Args:
        title: as the shop writes it; never trusted to be plain text.
        words: other text of it by column: vendor, type, tags.
    """

    title: str
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was read.

    Args:
        name: of the shop or the folder, for the head of the report.
        lines: order_id, customer_id (null = guest), at (milliseconds, UTC), day (of the shop), sku (of the product, as it is
            recommended), variant (as it is kept in stock), quantity, unit_price (null where unknown), cancelled.
        products: by `sku` of the lines.
        variants: title of each variant.
        currency: of the prices; "" where none is named.
        notes: what was read otherwise than written, and what could not be known.
    """

    name: str
    lines: pl.DataFrame
    products: Mapping[str, Product]
    variants: Mapping[str, str]
    currency: str
    notes: tuple[str, ...] = ()


SCHEMA = {
    "order_id": pl.Int32,
    "customer_id": pl.Int32,
    "at": pl.Int64,
    "day": pl.Date,
    "sku": pl.String,
    "variant": pl.String,
    "quantity": pl.Float64,
    "unit_price": pl.Float64,
    "cancelled": pl.Boolean,
}
