"""The metafields that a merchant chose, as numbers of a product. Pure; the view is made for each shop's choice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial

import polars as pl

from mlops.feature_store.as_of import answers, numbered, standing, stands
from mlops.feature_store.declared import Dtype, Entity, Feature, Missing, View
from mlops.feature_store.tables import Tables
from mlops.features.events import AttributeKind

_DTYPES = {
    AttributeKind.INTEGER: Dtype.NUMBER,
    AttributeKind.DECIMAL: Dtype.NUMBER,
    AttributeKind.BOOLEAN: Dtype.FLAG,
    AttributeKind.CATEGORY: Dtype.CODE,
    AttributeKind.REFERENCE: Dtype.CODE,
}


@dataclass(frozen=True, slots=True)
class Metafield:
    """One chosen metafield of products; `column` is its namespace and key, `name` what the merchant calls it."""

    id: int
    column: str
    name: str
    kind: AttributeKind

    @property
    def usable(self) -> bool:
        """Whether it is one number or name. Days and moments are read as a frame instead."""
        return self.kind in _DTYPES


def number(kind: AttributeKind, value: Decimal | None, text: str) -> float | None:
    """A stored value as it stands in a vector; names become 32 bits of their hash, the same in every process."""
    if _DTYPES[kind] is Dtype.CODE:
        return float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())) if text else None
    return None if value is None else float(value)


def view(chosen: Sequence[Metafield]) -> View | None:
    """The view of these metafields; None when there is nothing to compute."""
    wanted = [each for each in chosen if each.usable]
    if not wanted:
        return None
    return View(
        name="product_metafields",
        entity=Entity.PRODUCT,
        told="The metafields that you chose as features.",
        owner="merchant",
        compute=partial(_compute, ids={each.column: each.id for each in wanted}),
        module=__name__,
        looks_back=timedelta(days=36_500),
        reads=("metafields",),
        # The choice is part of the version: another one is other features.
        parameters={each.column: f"{each.id}:{each.kind.value}" for each in wanted},
        features=tuple(
            Feature(each.column, _DTYPES[each.kind], each.name, missing=Missing.LAST_VALUE) for each in wanted
        ),
    )


def _compute(tables: Tables, asked: pl.DataFrame, *, ids: dict[str, int]) -> pl.DataFrame:
    found = pl.DataFrame()
    for name, attribute_id in ids.items():
        told = standing(tables.metafields.filter(pl.col("attribute_id") == attribute_id), "product_id")
        known = numbered(asked).join(told, on="product_id", how="inner").filter(stands())
        column = answers(asked, known.select("ask", pl.col("number").alias(name)))
        found = found.hstack(column.get_columns()) if found.width else column
    return found
