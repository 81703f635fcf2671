"""What a feature is, as frozen declarations. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import polars as pl

from mlops.feature_store.tables import Tables

FRESH = timedelta(hours=4)
# One refresh may be under way when the next is due: later than this is late.
LATE = timedelta(hours=4, minutes=15)


class Entity(StrEnum):
    """What a vector is about. The value is also the name in keys and files."""

    PRODUCT = "product"
    VARIANT = "variant"
    CUSTOMER = "customer"  # a pseudonym
    VISITOR = "visitor"
    SHOP = "shop"
    PAIR = "pair"  # a product and another product, in this order

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that name one, in every frame."""
        return {"pair": ("product_id", "other_id"), "visitor": ("visitor",)}.get(
            self.value, (f"{self.value}_id",)
        )

    @property
    def dtypes(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        return dict.fromkeys(self.columns, pl.String if self is Entity.VISITOR else pl.Int64)


class Dtype(StrEnum):
    """What a number in a vector means. All of them travel as 64-bit floats; NaN: no value."""

    NUMBER = "number"
    COUNT = "count"
    RATIO = "ratio"  # 0 to 1
    FLAG = "flag"  # 0 or 1
    CODE = "code"  # names a category: equal or not, never more or less


class Missing(StrEnum):
    """What stands in for a value that is missing, or older than its freshness allows."""

    IMPUTE_TRAIN_MEDIAN = "impute_train_median"
    LAST_VALUE = "last_value"  # an old value is better than none; without any, as above
    REJECT = "reject"  # whoever needs it answers without this item


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a vector.

    Args:
        window: how far back it looks; None: as far as anything is known.
        ttl: how old an online value may be.
        told: what it is, with its unit, for people.
    """

    name: str
    dtype: Dtype
    told: str
    window: timedelta | None = None
    ttl: timedelta = LATE
    missing: Missing = Missing.IMPUTE_TRAIN_MEDIAN


# (tables, asked) -> features. `asked` has the entity's columns and `at` (UTC, microseconds); the answer has one row for each
# of its rows, in its order, and the declared features as Float64.
Compute = Callable[[Tables, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class View:
    """Features of one entity that are computed together, by one pure function, for training and for serving alike.

    Args:
        compute: the only place where these features are made.
        module: whose source, with what all views share, says what `compute` does; a change of it is another version.
        parameters: numbers that decide values, besides those of the shop.
        owner: who answers for it.
        looks_back: how far back its tables must reach.
        reads: names of the tables that it looks at.
    """

    name: str
    entity: Entity
    features: tuple[Feature, ...]
    compute: Compute
    module: str
    told: str
    owner: str
    looks_back: timedelta
    reads: tuple[str, ...]
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.features)


def vectors(view: View, tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """The features of each asked row: `asked` with one Float64 column per feature beside it, in the order asked.

    This is the one door to `View.compute`: the frame of a training set and the vectors of the online store both come
    through it.

    Args:
        asked: the entity's columns and `at`; other columns are kept. Rows may repeat.

    Raises:
        ValueError: a column is missing, or the view broke its promise.
    """
    wanted = {**view.entity.dtypes, "at": pl.Datetime("us", "UTC")}
    absent = [name for name in wanted if name not in asked.columns]
    if absent:
        raise ValueError(f"{view.name} is asked without {', '.join(absent)}")
    bare = asked.select(pl.col(name).cast(dtype) for name, dtype in wanted.items())
    found = view.compute(tables, bare).select(view.names)
    if found.height != asked.height:
        raise ValueError(f"{view.name} gave {found.height} rows for {asked.height}")
    finite = [
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).otherwise(None).alias(name)
        for name in view.names
    ]
    return asked.hstack(found.cast(pl.Float64).with_columns(finite).get_columns())
