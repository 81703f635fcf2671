"""Files that cannot be used are refused by file, column and row; odd ones that can be used are used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops.backtest.commands import BadInput
from mlops.backtest.recommend_files import read, read_lines, read_products, read_queries, write_answers
from tests.mlops.backtest.shops import line, lines, queries, query, written

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = [line("o1", "c1", 0, "a"), line("o2", "c2", 1, "b")]


def refusal(path: Path, *, kind: str = "lines") -> str:
    with pytest.raises(BadInput) as refused:
        read_lines(path, now=NOW) if kind == "lines" else read_queries(path)
    return str(refused.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = written(lines(GOOD).drop("sku"), tmp_path / "train.parquet")
    assert "train.parquet: column sku is missing" in refusal(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.csv: there is no such file" in refusal(tmp_path / "nowhere.csv")


def test_bytes_that_are_no_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"not parquet")
    assert "train.parquet: cannot be read" in refusal(path)


@pytest.mark.parametrize(
    ("column", "bad", "why"),
    [
        ("order_id", None, "is empty"),
        ("sku", None, "is empty"),
        ("sku", " ", "is empty"),
        ("ordered_at", datetime(2030, 5, 1, tzinfo=UTC), "in the future"),
        ("ordered_at", None, "is not a time"),
        ("quantity", None, "is empty"),
        ("unit_price", float("inf"), "is infinite"),
        ("cancelled", None, "true or false"),
    ],
)
def test_a_bad_value_is_named_by_column_and_row(tmp_path: Path, column: str, bad: object, why: str) -> None:
    rows = [*GOOD, line("o3", "c3", 2, "c") | {column: bad}]
    path = written(lines(rows), tmp_path / "train.parquet")
    told = refusal(path)
    assert f"train.parquet: column {column}, row 3: " in told
    assert why in told


def test_rows_of_a_csv_count_its_header(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        "order_id,customer_id,ordered_at,sku,quantity,unit_price,cancelled\n"
        "o1,c1,2024-01-01T10:00:00Z,a,1,2.5,false\n"
        "o2,,2024-01-02 10:00,b,one,,False\n"
    )
    assert "column quantity, row 3: is not a number" in refusal(path)


def test_a_csv_reads_like_its_parquet(tmp_path: Path) -> None:
    frame = lines(
        [*GOOD, line("o3", None, 2, "c", unit_price=None), line("o4", "c1", 3, "a", cancelled=True)]
    )
    parquet = read_lines(written(frame, tmp_path / "train.parquet"), now=NOW)
    csv = read_lines(written(frame, tmp_path / "train.csv"), now=NOW)
    assert parquet.equals(csv)
    assert parquet["customer_id"].to_list() == ["c1", "c2", None, "c1"]


def test_times_with_offsets_are_utc(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        "order_id,customer_id,ordered_at,sku,quantity,unit_price,cancelled\n"
        "o1,c1,2024-01-01T10:00:00+02:00,a,1,2.5,false\n"
        "o2,c1,2024-01-01,a,1,2.5,false\n"
    )
    moments = read_lines(path, now=NOW)["at"].to_list()
    assert [datetime.fromtimestamp(each / 1000, UTC).hour for each in moments] == [8, 0]


def test_numbers_of_customers_are_text(tmp_path: Path) -> None:
    frame = lines(GOOD).with_columns(pl.Series("customer_id", [13085.0, None]))
    found = read_lines(written(frame, tmp_path / "train.parquet"), now=NOW)
    assert found["customer_id"].to_list() == ["13085", None]


def test_a_shop_without_quantities_sells_one_of_each(tmp_path: Path) -> None:
    frame = lines(GOOD).with_columns(pl.lit(None, pl.Float64).alias("quantity"))
    assert read_lines(written(frame, tmp_path / "train.parquet"), now=NOW)["quantity"].to_list() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("column", "bad", "why"),
    [
        ("query_id", "q1", "came before"),
        ("query_id", None, "is empty"),
        ("k", 0, "whole number"),
        ("k", None, "whole number"),
        ("at", None, "is not a time"),
        ("exclude_owned", None, "true or false"),
        ("context_skus", None, "must be a list"),
    ],
)
def test_bad_queries_are_named(tmp_path: Path, column: str, bad: object, why: str) -> None:
    frame = queries([query("q1", 5), query("q2", 5, "c1") | {column: bad}])
    told = refusal(written(frame, tmp_path / "queries.parquet"), kind="queries")
    assert f"queries.parquet: column {column}, row 2: " in told
    assert why in told


def test_contexts_of_a_csv_are_split(tmp_path: Path) -> None:
    frame = queries([query("q1", 5, context=("a", "b")), query("q2", 5)])
    found = read_queries(written(frame, tmp_path / "queries.csv"))
    assert found["context_skus"].to_list() == [["a", "b"], []]


def test_empty_files_are_refused(tmp_path: Path) -> None:
    assert "holds no order line" in refusal(written(lines(GOOD).head(0), tmp_path / "train.parquet"))


def test_a_product_must_have_one_row(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("sku,title\na,One\na,Two\n")
    with pytest.raises(BadInput, match="column sku, row 3"):
        read_products(path)
    path.write_text("sku,title\na,One\nb,\n")
    assert read_products(path) == {"a": {"title": "One"}, "b": {"title": None}}
    with pytest.raises(BadInput, match="column sku is missing"):
        read(written(pl.DataFrame({"title": ["One"]}), tmp_path / "p.parquet"), ("sku",))


def test_answers_appear_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    write_answers(
        path,
        ["q1", "q2"],
        [np.array([1, 0]), np.array([], np.int64)],
        [np.array([2.0, 1.0]), np.array([])],
        ["a", "b"],
    )
    assert pl.read_parquet(path).rows() == [("q1", 1, "b", 2.0), ("q1", 2, "a", 1.0)]
    assert [each.name for each in tmp_path.iterdir()] == ["answers.parquet"]
