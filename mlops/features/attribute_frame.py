"""The chosen metafields as one typed frame, as they are or as they were known at a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from django.db import connection

from mlops.features.attributes import LIVING, Chosen, chosen
from mlops.features.events import AttributeKind, AttributeOwner
from tenancy.models import Shop
from tenancy.scope import scope

_DTYPES: dict[AttributeKind, pl.DataType | type[pl.DataType]] = {
    AttributeKind.INTEGER: pl.Int64,
    AttributeKind.DECIMAL: pl.Float64,
    AttributeKind.BOOLEAN: pl.Boolean,
    AttributeKind.CATEGORY: pl.String,
    AttributeKind.REFERENCE: pl.String,
    AttributeKind.DATE: pl.Date,
    AttributeKind.MOMENT: pl.Datetime("us", "UTC"),
}
_READERS: dict[AttributeKind, Callable[[str], Any]] = {
    AttributeKind.INTEGER: int,
    AttributeKind.DECIMAL: float,
    AttributeKind.BOOLEAN: lambda text: text == "1",
    AttributeKind.CATEGORY: str,
    AttributeKind.REFERENCE: str,
    AttributeKind.DATE: date.fromisoformat,
    AttributeKind.MOMENT: lambda text: datetime.fromisoformat(text).astimezone(UTC),
}


def dtype(each: Chosen) -> pl.DataType:
    """The type of its column; a list of it where the metafield holds many."""
    inner = _DTYPES[each.kind]
    return pl.List(inner) if each.many else (inner() if isinstance(inner, type) else inner)


def attributes_frame(
    shop: Shop, *, owner: AttributeOwner = AttributeOwner.PRODUCT, known_by: datetime | None = None
) -> pl.DataFrame:
    """One row per living product (or variant), one column per chosen metafield of that owner.

    Columns: `product_id` (for variants `variant_id` and `product_id`), then `namespace.key` in the order in which they
    were chosen. Null where the owner has no usable value. Sorted by id.

    Args:
        known_by: leave out what we learnt after this moment; None: as it is now. What was there before the metafield
            was chosen is known from the choice on, not earlier.

    Personal metafields cannot be in it: they are neither chosen nor kept.
    """
    wanted = [each for each in chosen(shop) if each.owner is owner]
    with scope(shop), connection.cursor() as cursor:
        cursor.execute(
            LIVING[owner] + " select owner_id, product_id from living order by owner_id",  # noqa: S608 a constant
            {"shop": shop.pk},
        )
        living: list[tuple[int, int]] = cursor.fetchall()
        ids = [owner_id for owner_id, _ in living]
        found: dict[str, pl.Series] = {}
        for each in wanted:
            cursor.execute(
                "select distinct on (owner_id) owner_id, number, text, items, raw is null or problem <> ''"
                " from features_attributevalue where shop_id = %(shop)s and attribute_id = %(attribute)s"
                " and (%(by)s::timestamptz is null or known_at <= %(by)s)"
                " order by owner_id, version_at desc, id desc",
                {"shop": shop.pk, "attribute": each.id, "by": known_by},
            )
            values = {row[0]: _value(each, row[1], row[2], row[3]) for row in cursor.fetchall() if not row[4]}
            found[each.column] = pl.Series(each.column, [values.get(i) for i in ids], dtype=dtype(each))
    named = {"product_id": [product_id for _, product_id in living]}
    if owner is AttributeOwner.VARIANT:
        named = {"variant_id": ids, **named}
    frame = pl.DataFrame(named, schema=dict.fromkeys(named, pl.Int64))
    return frame.with_columns(list(found.values()))


def _value(each: Chosen, number: Decimal | None, text: str, items: list[str] | None) -> Any:
    read = _READERS[each.kind]
    if each.many:
        return [read(item) for item in items or ()]
    if each.kind in (AttributeKind.INTEGER, AttributeKind.DECIMAL, AttributeKind.BOOLEAN):
        if number is None:
            return None
        return float(number) if each.kind is AttributeKind.DECIMAL else read(str(int(number)))
    return read(text)
