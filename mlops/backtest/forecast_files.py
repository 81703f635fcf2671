"""Forecast tables as files: strict reading into a panel, and the answers. Polars alone; no Django.

What a column is, is found by rule:

- known covariate: it stands in the history and in the future file;
- past-only: it stands in the history alone. Of these only what tells of stock and of the price paid is used;
- hierarchy level: text, whole or yes/no, one value for each series, in the static file or the history, with at most
  `MOST_GROUPS` different values and at most half as many as series;
- title: other text of the static file; its words make series kin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops.backtest.commands import BadInput
from mlops.predictors.demand.panel import Array, Codes, Flags, Floats, Grid, Panel

KEY = ("unique_id", "ds")
ROW = "_row"
QUANTILES = ("q05", "q25", "q50", "q75", "q95")
STEP_DAYS = {"D": 1, "W": 7}
MEMORY_DAYS = 1456  # older history is not learnt from
MOST_GROUPS = 200
MOST_FAULTS = 20  # of one kind are told one by one
LARGEST = 1e9  # units of one series in one step
IN_STOCK = (
    "in_stock",
    "instock",
    "is_in_stock",
    "available",
    "stock",
    "on_hand",
    "inventory",
    "inventory_quantity",
)
OUT_OF_STOCK = ("out_of_stock", "stockout", "stock_out", "is_out_of_stock", "sold_out")


@dataclass(frozen=True, slots=True)
class Question:
    """What the files ask.

    Args:
        panel: the series; those that only the future file names have no record.
        rows: int32 [n], the series of each answer.
        ahead: int32 [n], steps after the cut-off, from 1.
        notes: what was read otherwise than written, for the person who asked.
    """

    panel: Panel
    rows: Codes
    ahead: Codes
    notes: list[str] = field(default_factory=list)


def read_question(
    history: Path, future: Path | None, static: Path | None, *, horizon: int, freq: str, today: date
) -> Question:
    """The panel of these files.

    Raises:
        BadInput: a file is missing or unreadable, or a row of it cannot be true.
    """
    step = STEP_DAYS[freq]
    faults: list[str] = []
    past = _table(history, (*KEY, "y"), faults)
    ahead = _table(future, KEY, faults) if future else None
    about = _table(static, ("unique_id",), faults) if static else None
    if faults or past is None:
        raise BadInput("\n".join(faults))
    past = _keyed(past, str(history), faults)
    past = _numbers(past, "y", str(history), faults)
    _no_later_than(past, today, str(history), faults)
    if ahead is not None:
        ahead = _keyed(ahead, str(future), faults)
    if about is not None:
        about = about.with_columns(pl.col("unique_id").cast(pl.String))
        _once(about, ("unique_id",), str(static), faults)
    if faults:
        raise BadInput("\n".join(faults))
    last: Any = past["ds"].max()
    _on_grid(past, last, step, str(history), faults)
    if ahead is not None:
        _on_grid(ahead, last, step, str(future), faults)
        _within(ahead, last, step * horizon, str(future), faults)
    if faults:
        raise BadInput("\n".join(faults))
    return _question(past, ahead, about, last=last, step=step, horizon=horizon)


def write_answers(path: Path, question: Question, mean: Array, quantiles: Array) -> None:
    """Write the answers at once: under another name first, so that no half file is ever seen.

    Args:
        mean: float [n].
        quantiles: float [n, 5].
    """
    grid = question.panel.grid
    days = [grid.day(grid.steps - 1 + k) for k in range(grid.horizon + 1)]
    table = pl.DataFrame(
        {
            "unique_id": [question.panel.ids[row] for row in question.rows],
            "ds": pl.Series([days[k] for k in question.ahead], dtype=pl.Date),
            "mean": mean.astype(np.float64),
            **{name: quantiles[:, k].astype(np.float64) for k, name in enumerate(QUANTILES)},
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    held = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".csv":
            table.write_csv(held)
        else:
            table.write_parquet(held)
        held.replace(path)
    finally:
        held.unlink(missing_ok=True)


def _table(path: Path, needed: tuple[str, ...], faults: list[str]) -> pl.DataFrame | None:
    """The file with the number of each row as a person finds it: in a CSV file the header is row 1."""
    if not path.is_file():
        faults.append(f"{path}: there is no such file")
        return None
    csv = path.name.endswith((".csv", ".csv.gz"))
    try:
        if csv:
            table = pl.read_csv(path, infer_schema_length=None, schema_overrides={"unique_id": pl.String})
        else:
            table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        faults.append(f"{path}: cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}")
        return None
    missing = [name for name in needed if name not in table.columns]
    if missing:
        faults.append(f"{path}: column {', '.join(missing)} is missing (it has {', '.join(table.columns)})")
    elif not len(table):
        faults.append(f"{path}: has no rows")
    else:
        return table.with_row_index(ROW, offset=2 if csv else 1)
    return None


def _keyed(table: pl.DataFrame, path: str, faults: list[str]) -> pl.DataFrame:
    """`unique_id` as text and `ds` as dates, each pair once."""
    before = len(faults)
    table = table.with_columns(pl.col("unique_id").cast(pl.String))
    nameless = pl.col("unique_id").is_null() | (pl.col("unique_id") == "")
    _refuse(table, nameless, "unique_id", lambda _: "is empty", path, faults)
    kind = table["ds"].dtype
    if kind == pl.String:
        text = pl.col("ds").str.strip_chars().str.slice(0, 10)
        table = table.with_columns(text.str.to_date("%Y-%m-%d", strict=False).alias("_day"))
        _refuse(
            table,
            pl.col("_day").is_null(),
            "ds",
            lambda it: f"{it!r} is not a date (YYYY-MM-DD)",
            path,
            faults,
        )
        table = table.with_columns(pl.col("_day").alias("ds")).drop("_day")
    elif kind == pl.Date or isinstance(kind, pl.Datetime):
        table = table.with_columns(pl.col("ds").cast(pl.Date))
        _refuse(table, pl.col("ds").is_null(), "ds", lambda _: "is empty", path, faults)
    else:
        faults.append(
            f"{path}: column ds, row {table[ROW][0]}: {table['ds'][0]!r} is not a date (YYYY-MM-DD)"
        )
    if len(faults) == before:
        _once(table, KEY, path, faults)
    return table


def _once(table: pl.DataFrame, key: tuple[str, ...], path: str, faults: list[str]) -> None:
    first = table.group_by(key).agg(pl.col(ROW).min().alias("first"), pl.len())
    held = table.select(*key, ROW).join(first.filter(pl.col("len") > 1), on=key)
    twice = held.filter(pl.col(ROW) > pl.col("first")).sort(ROW)
    for each in twice.head(MOST_FAULTS).iter_rows(named=True):
        what = " ".join(str(each[name]) for name in key)
        faults.append(
            f"{path}: column {', '.join(key)}, row {each[ROW]}: {what} stands in row {each['first']} already"
        )
    if len(twice) > MOST_FAULTS:
        faults.append(f"{path}: and {len(twice) - MOST_FAULTS} more rows like these")


def _numbers(table: pl.DataFrame, column: str, path: str, faults: list[str]) -> pl.DataFrame:
    kind = table[column].dtype
    if kind == pl.String:
        cast = table.with_columns(
            pl.col(column).str.strip_chars().cast(pl.Float64, strict=False).alias("_number")
        )
    elif kind.is_numeric():
        cast = table.with_columns(pl.col(column).cast(pl.Float64).alias("_number"))
    else:
        faults.append(f"{path}: column {column}, row {table[ROW][0]}: {table[column][0]!r} is not a number")
        return table
    bad = pl.col("_number").is_null() | ~pl.col("_number").is_finite()
    _refuse(
        cast, bad, column, lambda it: "is missing" if it is None else f"{it!r} is not a number", path, faults
    )
    large = ~bad & (pl.col("_number").abs() > LARGEST)
    _refuse(cast, large, column, lambda it: f"{it!r} is more than can be sold", path, faults)
    return cast.with_columns(pl.col("_number").alias(column)).drop("_number")


def _no_later_than(table: pl.DataFrame, today: date, path: str, faults: list[str]) -> None:
    if table["ds"].dtype == pl.Date:
        late = pl.col("ds") > today
        _refuse(table, late, "ds", lambda it: f"{it} lies in the future (today is {today})", path, faults)


def _on_grid(table: pl.DataFrame, last: date, step: int, path: str, faults: list[str]) -> None:
    between = (pl.col("ds") - pl.lit(last)).dt.total_days() % step != 0
    _refuse(table, between, "ds", lambda it: f"{it} is not a whole number of weeks from {last}", path, faults)


def _within(table: pl.DataFrame, last: date, days: int, path: str, faults: list[str]) -> None:
    off = (pl.col("ds") - pl.lit(last)).dt.total_days()
    _refuse(
        table, off <= 0, "ds", lambda it: f"{it} is not after the history's last day {last}", path, faults
    )
    _refuse(
        table,
        off > days,
        "ds",
        lambda it: f"{it} lies beyond the horizon, {days} days after {last}",
        path,
        faults,
    )


def _refuse(
    table: pl.DataFrame, bad: pl.Expr, column: str, why: Callable[[Any], str], path: str, faults: list[str]
) -> None:
    found = table.filter(bad).select(ROW, column)
    for row, value in found.head(MOST_FAULTS).iter_rows():
        faults.append(f"{path}: column {column}, row {row}: {why(value)}")
    if len(found) > MOST_FAULTS:
        faults.append(f"{path}: and {len(found) - MOST_FAULTS} more rows like these")


def _question(
    past: pl.DataFrame,
    ahead: pl.DataFrame | None,
    about: pl.DataFrame | None,
    *,
    last: date,
    step: int,
    horizon: int,
) -> Question:
    notes: list[str] = []
    past = past.filter(pl.col("ds") > last - timedelta(days=MEMORY_DAYS))
    first: Any = past["ds"].min()
    names = set(past["unique_id"].unique())
    if ahead is not None:
        new = set(ahead["unique_id"].unique()) - names
        if new:
            notes.append(
                f"{len(new)} series of the future file have no history; they are forecast from their relatives"
            )
        names |= new
    ids = tuple(sorted(names))
    place = pl.DataFrame({"unique_id": ids, "_row": np.arange(len(ids), dtype=np.int32)})
    grid = Grid(first, step, (last - first).days // step + 1, horizon)
    rows, columns = _places(past, place, first, step)
    y = np.full((len(ids), grid.steps), np.nan, np.float32)
    sold = past["y"].to_numpy()
    if (sold < 0).any():
        notes.append(f"{int((sold < 0).sum())} rows with y below 0 count as 0")
    y[rows, columns] = np.maximum(sold, 0)
    if step == 1 and not (sold == 0).any() and np.isnan(y).any():
        # Zeros are not written down in this history, so a day between two records is a day without a sale.
        began = np.maximum.accumulate(np.isfinite(y), axis=1)
        y = np.where(np.isnan(y) & began, np.float32(0), y)
        notes.append("the history has no zeros: a day without a row, after a series' first, counts as 0 sold")
    known: dict[str, Floats] = {}
    if ahead is not None:
        future_rows, future_columns = _places(ahead, place, first, step)
        for name in ahead.columns:
            if name in (*KEY, ROW, "y"):
                continue
            if name not in past.columns:
                notes.append(f"future: column {name} is not in the history, so nothing can be learnt of it")
                continue
            then, now = _as_numbers(past[name], ahead[name])
            if then is None or now is None:
                notes.append(f"column {name} is neither a number nor one of few values; it is not used")
                continue
            values = np.full((len(ids), grid.steps + horizon), np.nan, np.float32)
            values[rows, columns] = then
            values[future_rows, future_columns] = now
            known[name] = values
        answer_rows, answer_ahead = future_rows, future_columns - grid.steps + 1
    else:
        answer_rows = np.repeat(np.arange(len(ids), dtype=np.int32), horizon)
        answer_ahead = np.tile(np.arange(1, horizon + 1, dtype=np.int32), len(ids))
    levels, labels, words = _attributes(about, past, set(known), ids)
    panel = Panel(
        ids=ids,
        grid=grid,
        y=y,
        known=known,
        levels=levels,
        labels=labels,
        words=words,
        in_stock=_in_stock(past, rows, columns, y.shape),
        price=_price(past, rows, columns, y.shape),
    )
    return Question(panel, answer_rows.astype(np.int32), answer_ahead.astype(np.int32), notes)


def _places(table: pl.DataFrame, place: pl.DataFrame, first: date, step: int) -> tuple[Codes, Codes]:
    row = (
        table.select("unique_id")
        .join(place, on="unique_id", how="left", maintain_order="left")["_row"]
        .to_numpy()
    )
    column = (table["ds"] - first).dt.total_days().to_numpy() // step
    return row.astype(np.int32), column.astype(np.int32)


def _as_numbers(past: pl.Series, ahead: pl.Series) -> tuple[Floats | None, Floats | None]:
    """Both parts of a covariate as numbers; text of few values becomes codes."""
    if _is_number(past.dtype) and _is_number(ahead.dtype):
        return _floats(past), _floats(ahead)
    if past.dtype == pl.String and ahead.dtype == pl.String and past.n_unique() <= 50:
        codes = {value: float(k) for k, value in enumerate(sorted(past.drop_nulls().unique()))}
        return _coded(past, codes), _coded(ahead, codes)
    return None, None


def _coded(values: pl.Series, codes: dict[str, float]) -> Floats:
    return np.array([codes.get(value, np.nan) for value in values], np.float32)


def _floats(values: pl.Series) -> Floats:
    array: Floats = values.cast(pl.Float32).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(array), array, np.float32("nan"))


def _is_number(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind == pl.Boolean


def _attributes(
    about: pl.DataFrame | None, past: pl.DataFrame, used: set[str], ids: tuple[str, ...]
) -> tuple[dict[str, Codes], dict[str, tuple[str, ...]], tuple[tuple[str, ...], ...]]:
    order = pl.DataFrame({"unique_id": ids})
    tables = []
    fixed = [
        name
        for name in past.columns
        if name not in (*KEY, ROW, "y")
        and name not in used
        and (past[name].dtype == pl.String or past[name].dtype == pl.Categorical)
    ]
    if fixed:
        each = past.group_by("unique_id").agg(
            *[pl.col(n).first() for n in fixed], *[pl.col(n).n_unique().alias(f"_{n}") for n in fixed]
        )
        tables.append(each.select("unique_id", *[n for n in fixed if (each[f"_{n}"] == 1).all()]))
    if about is not None:
        tables.append(about)
    levels: dict[str, Codes] = {}
    labels: dict[str, tuple[str, ...]] = {}
    titles: list[list[str]] = []
    for table in tables:
        joined = order.join(table, on="unique_id", how="left", maintain_order="left")
        for name in joined.columns[1:]:
            if name == ROW:
                continue
            values = joined[name]
            if values.dtype.is_float() or values.dtype.is_nested() or name in levels:
                continue
            text = ["" if value is None else str(value) for value in values]
            distinct = sorted(set(text))
            if 2 <= len(distinct) <= min(MOST_GROUPS, len(ids) // 2):
                code = {label: k for k, label in enumerate(distinct)}
                levels[name] = np.array([code[each] for each in text], np.int32)
                labels[name] = tuple(distinct)
            elif values.dtype == pl.String and len(distinct) > 1:
                titles.append(text)
    words = tuple(
        tuple(sorted({word for title in parts for word in re.findall(r"[^\W\d_]{3,}", title.lower())}))
        for parts in zip(*titles, strict=True)
    )
    return levels, labels, words


def _in_stock(past: pl.DataFrame, rows: Codes, columns: Codes, shape: tuple[int, ...]) -> Flags | None:
    names = {name.lower(): name for name in past.columns}
    for wanted, positive in ((IN_STOCK, True), (OUT_OF_STOCK, False)):
        for each in wanted:
            name = names.get(each)
            if name is not None and _is_number(past[name].dtype):
                told = _floats(past[name])
                flags = np.ones(shape, np.bool_)
                flags[rows, columns] = (np.nan_to_num(told, nan=1.0 if positive else 0.0) > 0) == positive
                return flags
    return None


def _price(past: pl.DataFrame, rows: Codes, columns: Codes, shape: tuple[int, ...]) -> Floats | None:
    for name in ("price", "unit_price"):
        if name in past.columns and _is_number(past[name].dtype):
            price = np.full(shape, np.nan, np.float32)
            price[rows, columns] = _floats(past[name])
            return price
    return None
