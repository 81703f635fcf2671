"""The metafields that a merchant chose, as numbers of a product or variant. Pure; the views are made for each shop's choice.

One number, and a measurement in its base unit, is itself; a name is a code; a day is how long ago it is. A list has no
fixed length: of numbers there are count, mean and range, of days the latest, and names fall into `BUCKETS` by their hash
(the hashing trick, Weinberger et al. 2009), so a vocabulary that grows changes no vector and no version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import polars as pl

from mlops.feature_store.as_of import answers, numbered, standing, stands
from mlops.feature_store.declared import Dtype, Entity, Feature, Missing, View
from mlops.feature_store.tables import Tables
from mlops.features.events import AttributeKind, AttributeOwner

BUCKETS = 16
DAY_US = 86_400_000_000
_NAMES = (AttributeKind.CATEGORY, AttributeKind.REFERENCE)
_DAYS = (AttributeKind.DATE, AttributeKind.MOMENT)
_DTYPES = {
    AttributeKind.BOOLEAN: Dtype.FLAG,
    AttributeKind.CATEGORY: Dtype.CODE,
    AttributeKind.REFERENCE: Dtype.CODE,
}
_ENTITIES = {AttributeOwner.PRODUCT: Entity.PRODUCT, AttributeOwner.VARIANT: Entity.VARIANT}


@dataclass(frozen=True, slots=True)
class Metafield:
    """One chosen metafield; `column` is its namespace and key, `name` what the merchant calls it, `many`: it is a list."""

    id: int
    column: str
    name: str
    kind: AttributeKind
    owner: AttributeOwner = AttributeOwner.PRODUCT
    many: bool = False

    @property
    def features(self) -> tuple[Feature, ...]:
        """What it becomes in a vector."""

        def one(end: str, dtype: Dtype, told: str) -> Feature:
            return Feature(f"{self.column}{end}", dtype, told, missing=Missing.LAST_VALUE)

        days = self.kind in _DAYS
        if not self.many:
            dtype = _DTYPES.get(self.kind, Dtype.NUMBER)
            return (one("", dtype, f"{self.name}, as days since then" if days else self.name),)
        count = one(".count", Dtype.COUNT, f"{self.name}: how many")
        if days:
            return count, one(".latest", Dtype.NUMBER, f"{self.name}: days since the latest")
        if self.kind in _NAMES:
            told = f"{self.name}: any of those whose hash ends here"
            return count, *(one(f".hash{at}", Dtype.FLAG, told) for at in range(BUCKETS))
        return count, *(
            one(f".{end}", Dtype.NUMBER, f"{self.name}: {told}")
            for end, told in (("mean", "mean"), ("low", "smallest"), ("high", "largest"))
        )


def number(kind: AttributeKind, value: Decimal | None, text: str) -> float | None:
    """A stored value as a number: 32 bits of the hash of a name, the same in every process; microseconds of a day."""
    if kind in _NAMES:
        return float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())) if text else None
    if kind in _DAYS:
        if not text:
            return None
        at = datetime.fromisoformat(text)
        return float((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
    if value is not None:
        return float(value)
    return float(text) if text else None


def views(chosen: Sequence[Metafield]) -> tuple[View, ...]:
    """The views of these metafields: of products, of variants, or none."""
    return tuple(
        _view(entity, [each for each in chosen if each.owner is owner])
        for owner, entity in _ENTITIES.items()
        if any(each.owner is owner for each in chosen)
    )


def _view(entity: Entity, chosen: Sequence[Metafield]) -> View:
    return View(
        name=f"{entity.value}_metafields",
        entity=entity,
        told=f"The metafields of {entity.value}s that you chose as features.",
        owner="merchant",
        compute=partial(_compute, chosen=tuple(chosen), entity=entity.columns[0]),
        module=__name__,
        looks_back=timedelta(days=36_500),
        reads=("metafields",),
        # The choice is part of the version: another one is other features.
        parameters={
            each.column: f"{each.id}:{each.kind.value}{':many' if each.many else ''}" for each in chosen
        },
        features=tuple(feature for each in chosen for feature in each.features),
    )


def _compute(
    tables: Tables, asked: pl.DataFrame, *, chosen: Sequence[Metafield], entity: str
) -> pl.DataFrame:
    rows = numbered(asked).rename({entity: "owner_id"})
    columns: list[pl.Series] = []
    for each in chosen:
        told = standing(tables.metafields.filter(pl.col("attribute_id") == each.id), "owner_id")
        known = rows.join(told, on="owner_id", how="inner").filter(stands())
        columns += answers(asked, known.select("ask", *_values(each))).get_columns()
    return pl.DataFrame(columns)


def _values(each: Metafield) -> list[pl.Expr]:
    names = [feature.name for feature in each.features]
    at = pl.col("at").dt.epoch("us")
    if not each.many:
        value = (at - pl.col("number")) / DAY_US if each.kind in _DAYS else pl.col("number")
        return [value.alias(names[0])]
    items = pl.col("items")
    found: list[pl.Expr] = [items.list.len().cast(pl.Float64)]
    if each.kind in _DAYS:
        found.append((at - items.list.max()) / DAY_US)
    elif each.kind in _NAMES:
        buckets = items.list.eval(pl.element() % BUCKETS)
        found += [buckets.list.contains(float(bucket)).cast(pl.Float64) for bucket in range(BUCKETS)]
    else:
        found += [items.list.mean(), items.list.min(), items.list.max()]
    return [value.alias(name) for value, name in zip(found, names, strict=True)]
