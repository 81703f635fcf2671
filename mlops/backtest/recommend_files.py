"""The files of `backtest recommend`: read strictly, written whole or not at all.

A file that cannot be used is refused with its name, the column, the first row at fault and what is wrong there. Rows are
counted as a person finds them: in a CSV file the header is row 1, in a Parquet file the first row is row 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.backtest.commands import BadInput

SUFFIXES = (".parquet", ".csv", ".csv.gz")
LINES = ("order_id", "customer_id", "ordered_at", "sku", "quantity", "unit_price", "cancelled")
QUERIES = ("query_id", "at", "customer_id", "context_skus", "exclude_owned", "k")
# Later than this is a slip of the pen, not an order: the far end of what a calendar of orders can hold.
EARLIEST, LATEST = 0, 4_102_444_800_000  # 1970-01-01 and 2100-01-01, milliseconds
MOST_ASKED = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read, and how to name its rows.

    Args:
        first_row: the number of the frame's first row, as a person counts.
    """

    frame: pl.DataFrame
    path: Path
    first_row: int

    def refuse(self, column: str, bad: pl.Series, why: str) -> None:
        """Refuse the file when any row is bad.

        Raises:
            BadInput: with the first such row.
        """
        rows = bad.fill_null(False).arg_true()
        if len(rows):
            row = int(rows[0])
            more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
            raise BadInput(f"{self.path}: column {column}, row {row + self.first_row}{more}: {why}")


def read(path: Path, columns: Sequence[str]) -> Table:
    """A Parquet or CSV file with at least these columns.

    Raises:
        BadInput: it is not there, not readable, empty of columns, or lacks one.
    """
    frame = read_frame(path)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise BadInput(
            f"{path}: column {', '.join(missing)} is missing, row 1; the file has {', '.join(frame.columns)}"
        )
    return Table(frame.select(columns), path, 1 if path.name.endswith(".parquet") else 2)


def read_frame(path: Path) -> pl.DataFrame:
    """All of a file; the columns of a CSV are text.

    Raises:
        BadInput: it is not there or not readable.
    """
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    if not path.name.endswith(SUFFIXES):
        raise BadInput(f"{path}: the name must end in {', '.join(SUFFIXES)}")
    try:
        return (
            pl.read_parquet(path) if path.name.endswith(".parquet") else pl.read_csv(path, infer_schema=False)
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def read_lines(path: Path, *, now: datetime) -> pl.DataFrame:
    """Order lines: text columns as text, ordered_at in UTC milliseconds, cancelled without nulls.

    Args:
        now: no order can be later.

    Raises:
        BadInput: a value is missing or impossible.
    """
    table = read(path, LINES)
    frame = table.frame
    if not len(frame):
        raise BadInput(f"{path}: column order_id, row {table.first_row}: the file holds no order line")
    found = pl.DataFrame(
        {
            "order_id": _text(table, "order_id", required=True),
            "customer_id": _text(table, "customer_id", required=False),
            "at": _moment(table, "ordered_at"),
            "sku": _text(table, "sku", required=True),
            "quantity": _number(table, "quantity"),
            "unit_price": _number(table, "unit_price"),
            "cancelled": _truth(table, "cancelled"),
        }
    )
    table.refuse("ordered_at", found["at"] > int(now.timestamp() * 1000), "lies in the future")
    given = found["quantity"].is_not_null()
    if given.any():
        table.refuse("quantity", ~given, "is empty, while other rows have a quantity")
    # A shop that keeps no quantities sells one of each.
    return found.with_columns(pl.col("quantity").fill_null(1.0))


def read_queries(path: Path) -> pl.DataFrame:
    """Queries: query_id, at (UTC milliseconds), customer_id, context_skus (list of text), exclude_owned, k.

    Raises:
        BadInput: a value is missing or impossible, or a query_id comes twice.
    """
    table = read(path, QUERIES)
    if not len(table.frame):
        raise BadInput(f"{path}: column query_id, row {table.first_row}: the file holds no query")
    query_id = _text(table, "query_id", required=True)
    table.refuse("query_id", ~query_id.is_first_distinct(), "this query_id came before; each must be its own")
    k = _number(table, "k")
    table.refuse(
        "k",
        k.is_null() | (k < 1) | (k > MOST_ASKED) | (k != k.round()),
        f"k must be a whole number from 1 to {MOST_ASKED}",
    )
    return pl.DataFrame(
        {
            "query_id": query_id,
            "at": _moment(table, "at"),
            "customer_id": _text(table, "customer_id", required=False),
            "context_skus": _context(table),
            "exclude_owned": _truth(table, "exclude_owned"),
            "k": k.cast(pl.Int64),
        }
    )


def read_products(path: Path) -> dict[str, dict[str, str | None]]:
    """What the file tells in words of each product, by SKU and column.

    Raises:
        BadInput: there is no sku, or one comes twice.
    """
    table = read(path, ("sku",))
    sku = _text(table, "sku", required=True)
    table.refuse("sku", ~sku.is_first_distinct(), "this sku came before; each product must have one row")
    whole = read_frame(path)
    kept = [name for name, kind in whole.schema.items() if name != "sku" and kind == pl.String]
    return dict(zip(sku.to_list(), whole.select(kept).to_dicts(), strict=True))


def write_answers(
    path: Path,
    query_ids: Sequence[str],
    items: Sequence[npt.NDArray[np.int64]],
    scores: Sequence[npt.NDArray[np.float64]],
    skus: Sequence[str],
) -> None:
    """Answers as query_id, rank, sku, score; the file appears whole, or is left as it was.

    Args:
        items, scores: per query, best first; positions in `skus`.

    Raises:
        BadInput: the file cannot be written.
    """
    lengths = np.array([len(each) for each in items], np.int64)
    frame = pl.DataFrame(
        {
            "query_id": pl.Series(query_ids, dtype=pl.String).gather(
                np.repeat(np.arange(len(lengths)), lengths)
            ),
            "rank": np.concatenate([np.arange(1, n + 1) for n in lengths]) if len(lengths) else [],
            "sku": pl.Series(skus, dtype=pl.String).gather(np.concatenate(items) if len(lengths) else []),
            "score": np.concatenate(scores) if len(lengths) else [],
        },
        schema={"query_id": pl.String, "rank": pl.Int64, "sku": pl.String, "score": pl.Float64},
    )
    part = path.with_name(f".{path.name}.part")
    try:
        if path.name.endswith(".csv"):
            frame.write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd")
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def refuse_name(path: Path) -> None:
    """Refuse an answers file that could not be written, before anything is learnt.

    Raises:
        BadInput: its folder is not there, or its name says no known format.
    """
    if not path.name.endswith((".parquet", ".csv")):
        raise BadInput(f"{path}: the name of the answers must end in .parquet or .csv")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}")


def _text(table: Table, column: str, *, required: bool) -> pl.Series:
    found = table.frame[column]
    if found.dtype.is_nested():
        raise BadInput(f"{table.path}: column {column}, row {table.first_row}: must be text, not a list")
    if found.dtype.is_float():
        # 13085.0 is the customer 13085 whose column once held an empty cell.
        whole = found.is_nan() | (found == found.round())
        if whole.fill_null(True).all():
            found = found.fill_nan(None).cast(pl.Int64, strict=False)
    found = found.cast(pl.String).str.strip_chars()
    found = found.set(found == "", None)
    if required:
        table.refuse(column, found.is_null(), "is empty; every row needs one")
    return found.rename(column)


def _number(table: Table, column: str) -> pl.Series:
    given = table.frame[column]
    if given.dtype == pl.String:
        given = given.str.strip_chars()
        given = given.set(given == "", None)
    elif given.dtype == pl.Boolean or not (given.dtype.is_numeric() or given.dtype == pl.Null):
        raise BadInput(
            f"{table.path}: column {column}, row {table.first_row}: must be a number, not {given.dtype}"
        )
    found = given.cast(pl.Float64, strict=False)
    table.refuse(column, given.is_not_null() & found.is_null(), "is not a number")
    found = found.fill_nan(None)
    table.refuse(column, found.is_infinite(), "is infinite")
    return found.rename(column)


def _truth(table: Table, column: str) -> pl.Series:
    given = table.frame[column]
    if given.dtype != pl.Boolean:
        words = given.cast(pl.String).str.strip_chars().str.to_lowercase()
        found = words.replace_strict(
            {"true": True, "1": True, "false": False, "0": False}, default=None, return_dtype=pl.Boolean
        )
    else:
        found = given
    table.refuse(column, found.is_null(), "must be true or false")
    return found.rename(column)


def _moment(table: Table, column: str) -> pl.Series:
    given = table.frame[column]
    if given.dtype == pl.Date:
        given = given.cast(pl.Datetime("ms"))
    if given.dtype == pl.String:
        found = _parsed(given)
    elif isinstance(given.dtype, pl.Datetime):
        found = given if given.dtype.time_zone is None else given.dt.convert_time_zone("UTC")
        found = found.dt.epoch("ms")
    else:
        raise BadInput(
            f"{table.path}: column {column}, row {table.first_row}: must be a time, not {given.dtype}"
        )
    table.refuse(column, found.is_null(), "is not a time such as 2011-07-16T09:39:00Z")
    table.refuse(column, (found < EARLIEST) | (found > LATEST), "lies before 1970 or after 2099")
    return found.rename("at")


def _parsed(given: pl.Series) -> pl.Series:
    """Milliseconds since 1970 of ISO 8601 text, UTC where no offset is named; null where it is not one."""
    words = given.str.strip_chars().str.replace(" ", "T", literal=True).str.replace(r"(Z|\+00:?00)$", "")
    has_offset = words.str.contains(r"[+-]\d\d:?\d\d$")
    plain = words.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="ms").dt.epoch("ms")
    short = words.str.to_datetime("%Y-%m-%dT%H:%M", strict=False, time_unit="ms").dt.epoch("ms")
    day = words.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms")).dt.epoch("ms")
    zoned = (
        words.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="ms", time_zone="UTC")
        .dt.epoch("ms")
        .zip_with(has_offset, pl.Series([None], dtype=pl.Int64).new_from_index(0, len(words)))
    )
    return zoned.fill_null(plain).fill_null(short).fill_null(day)


def _context(table: Table) -> pl.Series:
    given = table.frame["context_skus"]
    if isinstance(given.dtype, pl.List):
        found = given.cast(pl.List(pl.String))
    elif given.dtype in (pl.String, pl.Null):
        text = given.cast(pl.String).fill_null("").str.strip_chars()
        split = (
            text.str.strip_chars("[]")
            .str.replace_all(r"['\"]", "")
            .str.replace_all(r"[;|\n]", ",")
            .str.split(",")
        )
        found = split.list.eval(pl.element().str.strip_chars()).list.eval(
            pl.element().filter(pl.element() != "")
        )
    else:
        raise BadInput(
            f"{table.path}: column context_skus, row {table.first_row}: must be a list of SKUs, not {given.dtype}"
        )
    table.refuse("context_skus", found.is_null(), "must be a list, empty when there is none")
    table.refuse("context_skus", found.list.eval(pl.element().is_null()).list.any(), "holds an empty SKU")
    return found.rename("context_skus")
