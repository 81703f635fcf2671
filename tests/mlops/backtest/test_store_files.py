"""A merchant's exports are read as Shopify writes them, and refused by file, column and row where they cannot be true."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mlops.backtest.commands import BadInput
from mlops.backtest.store.folder import read_folder
from mlops.backtest.store.history import History
from tests.mlops.backtest.exports import ORDERS, PRODUCTS, order, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2025-03-01 12:00:00 +0000"
TEA, MUG = ("T1", "Tea", 2, "3.50"), ("M1", "Mug", 1, "8.00")


def read(folder: Path) -> History:
    return read_folder(folder, NOW, lambda line: None)


def refusal(folder: Path) -> str:
    with pytest.raises(BadInput) as refused:
        read(folder)
    return str(refused.value)


def rows_of(history: History) -> list[tuple[object, ...]]:
    return history.lines.select(
        "order_id", "customer_id", "sku", "quantity", "unit_price", "cancelled"
    ).rows()


def test_an_order_of_several_rows_is_one_order_of_one_customer(tmp_path: Path) -> None:
    rows = [*order("#2", AT, [TEA, MUG], email="Ada@x.org"), *order("#1", AT, [MUG], email=" ada@X.org ")]
    write(tmp_path / "orders_export.csv", rows)
    found = read(tmp_path)
    assert rows_of(found) == [
        (0, 0, "T1", 2.0, 3.5, False),
        (0, 0, "M1", 1.0, 8.0, False),
        (1, 0, "M1", 1.0, 8.0, False),
    ]
    assert found.currency == "GBP"
    assert found.products["T1"].title == "Tea"


def test_who_is_not_named_is_a_guest_and_a_phone_names_too(tmp_path: Path) -> None:
    rows = [
        *order("#1", AT, [TEA]),
        *order("#2", AT, [TEA], Phone="+44 1"),
        *order("#3", AT, [MUG], Phone="+44 1"),
    ]
    write(tmp_path / "orders_export.csv", rows)
    assert read(tmp_path).lines["customer_id"].to_list() == [None, 0, 0]


def test_cells_with_line_breaks_and_quotes_are_one_cell_and_one_row(tmp_path: Path) -> None:
    rows = [
        *order("#1", AT, [("T1", 'A "fine"\nred, tea', 1, "1")]),
        *order("#2", AT, [("T2", "x", "y", "1")]),
    ]
    write(tmp_path / "orders_export.csv", rows)
    assert "orders_export.csv: column Lineitem quantity, row 3: 'y' is not a quantity" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        ({"Cancelled_at": AT}, True),
        ({"Financial_Status": "voided"}, True),
        ({"Financial_Status": "Refunded"}, True),
        ({"Refunded_Amount": "10.00"}, True),
        ({"Refunded_Amount": "4.00", "Financial_Status": "partially_refunded"}, False),
        ({"Financial_Status": "pending"}, False),
    ],
)
def test_an_order_that_came_to_nothing_is_marked(tmp_path: Path, told: dict[str, str], lost: bool) -> None:
    write(tmp_path / "orders_export.csv", [*order("#1", AT, [TEA, MUG], **told), *order("#2", AT, [TEA])])
    assert read(tmp_path).lines["cancelled"].to_list() == [lost, lost, False]


def test_days_are_the_shops_and_moments_are_utc(tmp_path: Path) -> None:
    rows = [
        *order("#1", "2025-03-01 00:30:00 +1100", [TEA]),
        *order("#2", "2025-02-28 23:30:00 -0500", [TEA]),
        *order("#3", "2025-03-01T10:00:00Z", [TEA]),
        *order("#4", "2025-03-01 10:00", [TEA]),
    ]
    write(tmp_path / "orders_export.csv", rows)
    found = read(tmp_path)
    assert found.lines["day"].to_list() == [
        date(2025, 3, 1),
        date(2025, 2, 28),
        date(2025, 3, 1),
        date(2025, 3, 1),
    ]
    moments = [datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in found.lines["at"]]
    assert moments[:2] == ["2025-02-28T13:30:00+00:00", "2025-03-01T04:30:00+00:00"]
    assert any("1 orders have a time without a zone" in note for note in found.notes)


def test_prices_of_another_currency_are_not_prices(tmp_path: Path) -> None:
    rows = [*order("#1", AT, [TEA]), *order("#2", AT, [TEA]), *order("#3", AT, [MUG, TEA], Currency="USD")]
    write(tmp_path / "orders_export.csv", rows)
    found = read(tmp_path)
    assert found.lines["unit_price"].to_list() == [3.5, 3.5, None, None]
    assert any("1 orders are in another currency than GBP" in note for note in found.notes)


def test_several_files_are_one_export_and_a_doubled_order_counts_once(tmp_path: Path) -> None:
    first = [*order("#3", AT, [TEA]), *order("#2", AT, [TEA, MUG, ("P1", "Pot", 1, "20")])]
    # The end of the first file cuts #2 in two; #3 comes whole once more.
    write(tmp_path / "orders_export_1.csv", first[:2])
    write(tmp_path / "orders_export_2.csv.gz", [*first[2:], *order("#3", AT, [TEA]), *order("#1", AT, [MUG])])
    found = read(tmp_path)
    assert [(row[0], row[2]) for row in rows_of(found)] == [
        (0, "T1"),
        (1, "T1"),
        (1, "M1"),
        (1, "P1"),
        (2, "M1"),
    ]
    assert any("1 orders stand in two files" in note for note in found.notes)


def test_a_sample_gives_way_to_the_whole(tmp_path: Path) -> None:
    write(tmp_path / "orders_export_sample_300.csv", order("#1", AT, [TEA]))
    assert read(tmp_path).lines["sku"].to_list() == ["T1"]
    write(tmp_path / "orders_export.csv", order("#2", AT, [MUG]))
    assert read(tmp_path).lines["sku"].to_list() == ["M1"]


def test_variants_of_a_product_are_recommended_as_one_and_kept_apart_in_stock(tmp_path: Path) -> None:
    write(
        tmp_path / "products_export.csv",
        [
            {"Handle": "shirt", "Title": "Shirt", "Vendor": "V", "Option1 Value": "S", "Variant SKU": "SH-S"},
            {"Handle": "shirt", "Option1 Value": "L", "Variant SKU": "SH-L"},
            {"Handle": "shirt", "Image Src": "second image"},
            {"Handle": "card", "Title": "Card", "Option1 Value": "Default Title"},
        ],
        PRODUCTS,
    )
    goods = [
        ("SH-S", "Shirt - S", 1, "9"),
        ("", "Shirt - L", 1, "9"),
        ("", "Card", 1, "1"),
        ("GONE", "Old", 1, "1"),
    ]
    write(tmp_path / "orders_export.csv", order("#1", AT, goods))
    found = read(tmp_path)
    assert found.lines["sku"].to_list() == ["shirt", "shirt", "card", "GONE"]
    assert found.lines["variant"].to_list() == ["SH-S", "Shirt - L", "Card", "GONE"]
    assert found.products["shirt"].title == "Shirt"
    assert found.products["shirt"].words["vendor"] == "V"
    assert any("1 of 4 kinds of order lines are not in the products export" in note for note in found.notes)


def test_no_name_or_address_stays_in_what_was_read(tmp_path: Path) -> None:
    write(
        tmp_path / "orders_export.csv", order("#1", AT, [TEA], email="ada@x.org", Billing_Name="Ada Lovelace")
    )
    found = read(tmp_path)
    assert "ada" not in repr(found).lower()
    assert "ada" not in str(found.lines.to_dicts()).lower()


@pytest.mark.parametrize(
    "column", ["Name", "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price"]
)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    columns = [each for each in ORDERS if each != column]
    rows = [{key: value for key, value in each.items() if key != column} for each in order("#1", AT, [TEA])]
    write(tmp_path / "orders_export.csv", rows, columns)
    assert f"orders_export.csv: column {column} is missing, row 1" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("Name", "", "is empty"),
        ("Created at", "yesterday", "is not a time"),
        ("Created at", "2025-13-01 10:00:00 +0000", "is not a time"),
        ("Created at", "2027-01-01 10:00:00 +0000", "lies in the future"),
        ("Created at", "1969-01-01 10:00:00 +0000", "lies before 1970"),
        ("Lineitem quantity", "-1", "is not a whole number from 0"),
        ("Lineitem quantity", "1.5", "is not a whole number from 0"),
        ("Lineitem quantity", "nan", "is more than can be true"),
        ("Lineitem quantity", "", "is not a quantity"),
        ("Lineitem price", "1,50", "is not a price"),
        ("Lineitem price", "-3", "is below 0"),
        ("Lineitem price", "inf", "is more than can be true"),
        ("Refunded Amount", "some", "is not an amount"),
    ],
)
def test_a_cell_that_cannot_be_true_is_named_by_column_and_row(
    tmp_path: Path, column: str, value: str, why: str
) -> None:
    bad = order("#2", AT, [TEA])
    bad[0][column] = value
    write(tmp_path / "orders_export.csv", [*order("#1", AT, [TEA]), *bad])
    told = refusal(tmp_path)
    assert f"orders_export.csv: column {column}, row 3: " in told
    assert why in told


def test_rows_that_are_no_csv_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "orders_export.csv", [*order("#1", AT, [TEA]), *order("#2", AT, [TEA])])
    whole = path.read_text()
    path.write_text(whole + '#3,"open quote')
    assert "orders_export.csv: row 4: is not CSV" in refusal(tmp_path)
    path.write_text(whole + "#3,too,few\r\n")
    assert "row 4: the row has 3 cells, the header has 15" in refusal(tmp_path)
    path.write_bytes(whole.encode() + b"#3,\xff\xfe\r\n")
    assert "is not UTF-8" in refusal(tmp_path)
    path.write_text("")
    assert "row 1: the file has no header line" in refusal(tmp_path)


def test_a_quote_that_never_closes_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "orders_export.csv", order("#1", AT, [TEA]))
    with path.open("a", newline="") as file:
        file.write('#2,"')
        for _ in range(60):
            file.write("a line of a file that goes on and on\n" * 1000)
    assert "orders_export.csv: row 3: is not CSV" in refusal(tmp_path)
    assert csv.field_size_limit() == 131_072  # as every other reader of this process expects it


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "orders_export.csv.gz", order("#1", AT, [TEA]) * 50)
    path.write_bytes(path.read_bytes()[:-20])
    assert "orders_export.csv.gz: row " in refusal(tmp_path)
    path.write_bytes(b"not packed")
    assert "damaged" in refusal(tmp_path)


def test_a_folder_without_orders_or_sales_is_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nowhere")
    assert "holds no orders_export*.csv" in refusal(tmp_path)
    write(tmp_path / "orders_export.csv", order("#1", AT, [TEA], Cancelled_at=AT))
    assert "no order line is a sale that was kept" in refusal(tmp_path)


def test_a_byte_order_mark_and_other_capitals_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "orders_export.csv", order("#1", AT, [TEA]))
    text = path.read_text().replace("Lineitem sku", "LINEITEM SKU")
    with gzip.open(tmp_path / "orders_export.csv.gz", "wb") as file:
        file.write(b"\xef\xbb\xbf" + text.encode())
    path.unlink()
    assert read(tmp_path).lines["sku"].to_list() == ["T1"]
