"""What a demand run learns from, frozen: sales, offers, catalogue, season and promotions as one file. Pure.

A ZIP archive of Parquet tables, both uncompressed, so that a search for an erased person reads every word in it. The same
tables give the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, fields
from datetime import date

import polars as pl

Schema = dict[str, pl.DataType | type[pl.DataType]]

# Units that buyers kept, by day of the shop; a day without sales has no row. `day` counts from `first`.
SALES: Schema = {"day": pl.Int32, "variant_id": pl.Int64, "units": pl.Float32, "revenue": pl.Float64}
# Of days that were not as usual: the share of the day in which it could not be bought, and the mean discount of the day.
# A day that is not here could be bought all day at full price, or is from before anything was known of it.
OFFERED: Schema = {"day": pl.Int32, "variant_id": pl.Int64, "out": pl.Float32, "discount": pl.Float32}
# Variants of living products. `since`: the day on which it was first offered, as far as the catalogue says.
CATALOGUE: Schema = {
    "variant_id": pl.Int64, "product_id": pl.Int64, "title": pl.String, "product_type": pl.String, "vendor": pl.String,
    "collection": pl.String, "since": pl.Int32, "price": pl.Float64,
}  # fmt: skip
# One row for each day up to the end of the horizon; null where no holiday calendar is known.
SEASON: Schema = {"day": pl.Int32, "holiday": pl.Float32}
# Discounts that the merchant planned, past and to come, by day and product.
PROMOTIONS: Schema = {"day": pl.Int32, "product_id": pl.Int64, "discount": pl.Float32}
_TABLES = {
    "sales": SALES,
    "offered": OFFERED,
    "catalogue": CATALOGUE,
    "season": SEASON,
    "promotions": PROMOTIONS,
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """Args:
    first: day 0.
    days: how many days are known; the last of them is the last whole day before the run was asked for.
    horizon: days to forecast.
    """

    first: date
    days: int
    horizon: int
    sales: pl.DataFrame
    offered: pl.DataFrame
    catalogue: pl.DataFrame
    season: pl.DataFrame
    promotions: pl.DataFrame


class NotFrozen(ValueError):
    """The bytes are not what `pack` wrote."""


def pack(frozen: Frozen) -> bytes:
    """The bytes of everything, in an order that does not depend on how it was read."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        about = {"first": frozen.first.isoformat(), "days": frozen.days, "horizon": frozen.horizon}
        archive.writestr(_entry("about.json"), json.dumps(about, sort_keys=True))
        for name, schema in _TABLES.items():
            table: pl.DataFrame = getattr(frozen, name)
            part = io.BytesIO()
            ordered = table.select(pl.col(each).cast(kind) for each, kind in schema.items())
            ordered.sort(*schema).write_parquet(part, compression="uncompressed", statistics=False)
            archive.writestr(_entry(f"{name}.parquet"), part.getvalue())
    return held.getvalue()


def unpack(content: bytes) -> Frozen:
    """The inverse of `pack`.

    Raises:
        NotFrozen: a table is missing, or has other columns.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            about = json.loads(archive.read("about.json"))
            tables = {name: pl.read_parquet(io.BytesIO(archive.read(f"{name}.parquet"))) for name in _TABLES}
        found = Frozen(
            date.fromisoformat(about["first"]), int(about["days"]), int(about["horizon"]), **tables
        )
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise NotFrozen(f"no frozen demand: {error}") from error
    for name, schema in _TABLES.items():
        if dict(tables[name].schema) != schema:
            raise NotFrozen(f"the table {name} has other columns than this build reads")
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


assert {each.name for each in fields(Frozen)} >= set(_TABLES)
