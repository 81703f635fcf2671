"""Shopify's exports: old and new headers, real-life damage, nothing lost and nothing invented."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devstore.__main__ import main
from devstore.csv_import import ImportFailedError, ImportReport, import_folder
from devstore.store import Store, shop_path

DOMAIN = "oak-and-ash.myshopify.com"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

CLASSIC = ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
           "Option2 Name", "Option2 Value", "Variant SKU", "Variant Inventory Tracker", "Variant Inventory Qty",
           "Variant Inventory Policy", "Variant Price", "Variant Compare At Price", "Image Src", "Gift Card",
           "Status"]  # fmt: skip
RENAMED = {"Handle": "URL handle", "Body (HTML)": "Description", "Variant SKU": "SKU", "Variant Price": "Price",
           "Variant Inventory Qty": "Inventory quantity", "Variant Inventory Tracker": "Inventory tracker",
           "Variant Inventory Policy": "Continue selling when out of stock", "Published": "Published on online store",
           "Variant Compare At Price": "Compare-at price", "Image Src": "Product image URL",
           "Option1 Name": "Option1 name", "Option1 Value": "Option1 value", "Option2 Name": "Option2 name",
           "Option2 Value": "Option2 value", "Gift Card": "Gift card"}  # fmt: skip
ORDER = ["Name", "Email", "Financial Status", "Fulfillment Status", "Fulfilled at", "Currency", "Subtotal", "Shipping",
         "Taxes", "Total", "Discount Code", "Discount Amount", "Created at", "Lineitem quantity", "Lineitem name",
         "Lineitem price", "Lineitem sku", "Lineitem requires shipping", "Lineitem discount", "Billing Name",
         "Shipping Country", "Notes", "Note Attributes", "Cancelled at", "Refunded Amount", "Id", "Tags",
         "Source"]  # fmt: skip

MUG = {"Handle": "mug", "Title": "Ash Mug", "Vendor": "Fjellby", "Tags": "northern, mug", "Published": "true",
       "Option1 Name": "Title", "Option1 Value": "Default Title", "Variant SKU": "MUG", "Variant Price": "12.00",
       "Variant Inventory Policy": "deny", "Status": "active"}  # fmt: skip
POT = [
    {"Handle": "pot", "Title": "Clay Pot", "Published": "true", "Option1 Name": "Size", "Option1 Value": "Small",
     "Option2 Name": "Colour", "Option2 Value": "Red", "Variant SKU": "POT-S", "Variant Inventory Tracker": "shopify",
     "Variant Inventory Qty": "4", "Variant Inventory Policy": "continue", "Variant Price": "20.00",
     "Image Src": "https://cdn.example.com/pot.png", "Status": "active"},
    {"Handle": "pot", "Option1 Value": "Large", "Option2 Value": "Red", "Variant SKU": "POT-L",
     "Variant Inventory Tracker": "shopify", "Variant Inventory Qty": "-2", "Variant Inventory Policy": "deny",
     "Variant Price": "30.00", "Variant Compare At Price": "35.00"},
    {"Handle": "pot", "Image Src": "https://cdn.example.com/pot-2.png"},
]  # fmt: skip


def order(name: str = "#1001", **cells: str) -> dict[str, str]:
    """The first row of an order: one mug, paid."""
    row = {"Name": name, "Email": "alice@example.com", "Financial Status": "paid", "Fulfillment Status": "fulfilled",
           "Fulfilled at": "2026-03-02 09:00:00 +0000", "Currency": "GBP", "Subtotal": "12.00", "Shipping": "3.95",
           "Taxes": "2.66", "Total": "15.95", "Discount Amount": "0.00", "Created at": "2026-03-01 10:00:00 +0000",
           "Lineitem quantity": "1", "Lineitem name": "Ash Mug", "Lineitem price": "12.00", "Lineitem sku": "MUG",
           "Lineitem requires shipping": "true", "Billing Name": "Alice Alder", "Shipping Country": "GB",
           "Refunded Amount": "0.00", "Source": "web"}  # fmt: skip
    return row | cells


def line(name: str = "#1001", **cells: str) -> dict[str, str]:
    """A row after the first of an order: the name and the line item only."""
    return {"Name": name, "Lineitem quantity": "1", "Lineitem name": "Ash Mug", "Lineitem price": "12.00",
            "Lineitem sku": "MUG"} | cells  # fmt: skip


def as_csv(header: list[str], rows: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def bring_in(
    folder: Path,
    orders: list[dict[str, str]] | str | bytes,
    products: list[dict[str, str]] | str | None = None,
) -> tuple[Store, ImportReport]:
    """Write the two files and import them."""
    if products is None:
        products = [MUG, *POT]
    text = products if isinstance(products, str) else as_csv(CLASSIC, products)
    (folder / "products_export.csv").write_text(text)
    raw = as_csv(ORDER, orders) if isinstance(orders, list) else orders
    (folder / "orders_export.csv").write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    data = folder / "data"
    report = import_folder(data, DOMAIN, folder, now=NOW)
    return Store.open(shop_path(data, DOMAIN)), report


def rows_of(store: Store, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in store.read(sql)]


def reasons(report: ImportReport) -> list[tuple[int, str]]:
    return [(fault["line"], fault["reason"]) for fault in report.skipped]


@pytest.mark.parametrize("new_headers", [False, True])
def test_products_come_in_under_both_header_generations(tmp_path: Path, *, new_headers: bool) -> None:
    text = as_csv(CLASSIC, [MUG, *POT])
    if new_headers:
        first, _, rest = text.partition("\n")
        text = ",".join(RENAMED.get(name, name) for name in first.split(",")) + "\n" + rest
    store, report = bring_in(tmp_path, [order()], text)
    assert reasons(report) == []
    assert report.product_rows == 4
    pot = rows_of(store, "SELECT * FROM products WHERE handle = 'pot'")[0]
    assert (pot["options"], pot["image_url"]) == ('["Size", "Colour"]', "https://cdn.example.com/pot.png")
    variants = rows_of(store, "SELECT * FROM variants ORDER BY product_id, position")
    by_sku = {row["sku"]: row for row in variants}
    assert len(variants) == 3
    assert (by_sku["POT-L"]["title"], by_sku["POT-L"]["available"]) == ("Large / Red", -2)
    assert (by_sku["POT-S"]["inventory_policy"], by_sku["POT-L"]["inventory_policy"]) == ("CONTINUE", "DENY")
    assert by_sku["POT-L"]["compare_at_price"] == "35.00"
    assert [by_sku[sku]["tracked"] for sku in ("MUG", "POT-S")] == [0, 1]


@pytest.mark.parametrize(
    ("status", "published", "stored", "listed"),
    [
        ("active", "true", "ACTIVE", True),
        ("", "TRUE", "ACTIVE", True),
        ("Active", "false", "ACTIVE", False),
        ("draft", "true", "DRAFT", False),
        ("archived", "true", "ARCHIVED", True),
    ],
)
def test_status_and_publication(
    tmp_path: Path, status: str, published: str, stored: str, *, listed: bool
) -> None:
    store, _ = bring_in(tmp_path, [order()], [MUG | {"Status": status, "Published": published}])
    (row,) = rows_of(store, "SELECT status, published_at FROM products")
    assert row["status"] == stored
    assert (row["published_at"] is not None) == listed


def test_an_order_with_its_lines_customer_and_attributes(tmp_path: Path) -> None:
    first = order(
        **{"Id": "5600000000123", "Tags": "wholesale, early", "Note Attributes": "_ml_visitor: v-1\ngift: yes: no",
           "Created at": "2026-07-01 10:00:00 +0100", "Notes": "ring twice"}
    )  # fmt: skip
    more = line(
        **{"Lineitem sku": "POT-L", "Lineitem name": "Clay Pot - Large / Red", "Lineitem price": "30.00"}
    )
    gone = line(**{"Lineitem sku": "OLD-1", "Lineitem name": "Old Thing"})
    store, report = bring_in(tmp_path, [first, more, gone])
    (found,) = rows_of(store, "SELECT * FROM orders")
    assert (found["id"], found["number"], found["created_at"]) == (
        5600000000123,
        1001,
        "2026-07-01T09:00:00Z",
    )
    assert json.loads(found["attributes"]) == [
        {"key": "_ml_visitor", "value": "v-1"},
        {"key": "gift", "value": "yes: no"},
    ]
    assert json.loads(found["tags"]) == ["wholesale", "early"]
    lines = rows_of(store, "SELECT * FROM order_lines ORDER BY position")
    assert [(x["title"], x["variant_title"], x["product_id"] is None) for x in lines] == [
        ("Ash Mug", None, False),
        ("Clay Pot", "Large / Red", False),
        ("Old Thing", None, True),
    ]
    assert report.unmatched_lines == 1
    assert (report.order_rows, report.counts["lines"], report.counts["customers"]) == (3, 3, 1)
    assert rows_of(store, "SELECT value FROM shop WHERE key = 'currency'") == [{"value": "GBP"}]


def test_one_customer_per_email_and_none_for_guests(tmp_path: Path) -> None:
    store, _ = bring_in(
        tmp_path,
        [
            order("#3", Email="Alice@Example.com", **{"Created at": "2026-05-01 10:00:00 +0000"}),
            order("#2", Email=""),
            order("#1", **{"Created at": "2026-01-01 10:00:00 +0000"}),
        ],
    )
    (customer,) = rows_of(store, "SELECT * FROM customers")
    assert (customer["email"], customer["created_at"], customer["updated_at"]) == (
        "alice@example.com",
        "2026-01-01T10:00:00Z",
        "2026-05-01T10:00:00Z",
    )
    assert [row["customer_id"] is None for row in rows_of(store, "SELECT * FROM orders ORDER BY number")] == [
        False,
        True,
        False,
    ]


def test_the_same_export_gives_the_same_ids(tmp_path: Path) -> None:
    orders = [
        order("#1"),
        order("#2", Email="bo@example.com", **{"Refunded Amount": "12.00"}),
        order("INV-A"),
    ]
    seen = []
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        store, _ = bring_in(tmp_path / part, list(orders))
        tables = ("products", "variants", "customers", "orders", "order_lines", "refunds", "refund_lines")
        seen.append(
            {
                table: [tuple(row) for row in store.read(f"SELECT * FROM {table} ORDER BY id")]
                for table in tables
            }
        )
    assert seen[0] == seen[1]


TWO_LINES = {"Subtotal": "54.00", "Shipping": "0.00", "Total": "54.00", "Lineitem quantity": "2"}


@pytest.mark.parametrize(
    ("cells", "kept", "refund_lines"),
    [
        ({"Refunded Amount": "0.00"}, [2, 1], None),
        ({"Refunded Amount": "30.00", "Financial Status": "partially_refunded"}, [2, 0], 1),
        ({"Refunded Amount": "12.00", "Financial Status": "partially_refunded"}, [1, 1], 1),
        ({"Refunded Amount": "54.00", "Financial Status": "refunded"}, [0, 0], 2),
        ({"Refunded Amount": "7.77", "Financial Status": "partially_refunded"}, [2, 1], 0),
        (
            {"Refunded Amount": "54.00", "Financial Status": "refunded", "Cancelled at": "2026-03-03 10:00:00 +0000"},
            [0, 0],
            2,
        ),
        ({"Refunded Amount": "0.00", "Financial Status": "voided", "Cancelled at": "2026-03-03 10:00:00 +0000"}, [0, 0], None),
    ],
)  # fmt: skip
def test_refunded_amounts_become_refunds_of_lines_where_they_fit(
    tmp_path: Path, cells: dict[str, str], kept: list[int], refund_lines: int | None
) -> None:
    pot = line(**{"Lineitem sku": "POT-L", "Lineitem price": "30.00"})
    store, report = bring_in(tmp_path, [order(**TWO_LINES | cells), pot])
    assert reasons(report) == []
    lines = rows_of(store, "SELECT current_quantity FROM order_lines ORDER BY position")
    assert [row["current_quantity"] for row in lines] == kept
    refunds = rows_of(
        store, "SELECT r.*, (SELECT count(*) FROM refund_lines WHERE refund_id = r.id) AS n FROM refunds r"
    )
    assert [row["n"] for row in refunds] == ([] if refund_lines is None else [refund_lines])
    (found,) = rows_of(store, "SELECT total_refunded FROM orders")
    assert found["total_refunded"] == cells["Refunded Amount"]


def test_an_order_discount_is_shared_by_the_lines(tmp_path: Path) -> None:
    pot = line(**{"Lineitem sku": "POT-L", "Lineitem price": "30.00"})
    cells = TWO_LINES | {
        "Discount Amount": "10.00",
        "Discount Code": "TEN",
        "Subtotal": "44.00",
        "Total": "44.00",
    }
    store, _ = bring_in(tmp_path, [order(**cells), pot])
    shares = [
        row["total_discount"]
        for row in rows_of(store, "SELECT total_discount FROM order_lines ORDER BY position")
    ]
    assert shares == ["4.44", "5.56"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Created at": "yesterday"}, "created at is not a time"),
        ({"Created at": "2026-02-31 10:00:00 +0000"}, "created at is not a time"),
        ({"Created at": ""}, "created at is not a time"),
        ({"Total": "=1+1"}, "total is not a number"),
        ({"Total": "NaN"}, "total is not a number"),
        ({"Total": "-5.00"}, "negative"),
        ({"Total": "1,234.00"}, "total is not a number"),
        ({"Financial Status": "mystery"}, "financial status is unknown"),
        ({"Currency": "pounds"}, "currency is not a code"),
        ({"Refunded Amount": "1e5"}, "refunded amount is not a number"),
    ],
)
def test_a_bad_order_is_skipped_with_its_lines_and_told_by_line(
    tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    store, report = bring_in(tmp_path, [order("#1"), order("#2", **cells), line("#2"), order("#3")])
    assert [row["name"] for row in rows_of(store, "SELECT name FROM orders ORDER BY number")] == ["#1", "#3"]
    assert [number for number, _ in reasons(report)] == [3, 4]
    assert reason in reasons(report)[0][1]
    assert reasons(report)[1][1] == "belongs to the order skipped at line 3"


@pytest.mark.parametrize(
    "cells", [{"Lineitem quantity": "-1"}, {"Lineitem quantity": "x"}, {"Lineitem price": "=2*2"}]
)
def test_a_bad_line_is_skipped_and_its_order_stays(tmp_path: Path, cells: dict[str, str]) -> None:
    store, report = bring_in(tmp_path, [order(), line(**cells), line()])
    assert report.counts["orders"] == 1
    assert report.counts["lines"] == 2
    assert [number for number, _ in reasons(report)] == [3]
    assert store.counts()["lines"] == 2


def test_formula_cells_stay_text(tmp_path: Path) -> None:
    store, _ = bring_in(tmp_path, [order(**{"Lineitem name": "=1+1", "Notes": "@SUM(A1)"})])
    assert rows_of(store, "SELECT title FROM order_lines") == [{"title": "=1+1"}]
    assert rows_of(store, "SELECT note FROM orders") == [{"note": "@SUM(A1)"}]


def test_an_order_twice_and_a_line_without_its_order(tmp_path: Path) -> None:
    rows = [order("#1"), order("#2"), order("#1"), line("#9")]
    store, report = bring_in(tmp_path, rows)
    assert store.counts()["orders"] == 2
    assert [number for number, _ in reasons(report)] == [4, 5]
    assert "there already" in reasons(report)[0][1]
    assert "without its order" in reasons(report)[1][1]


def test_broken_text_never_stops_the_import(tmp_path: Path) -> None:
    """NUL bytes, another encoding, a wrong number of columns, a quote that never closes."""
    good = as_csv(ORDER, [order(f"#{i}") for i in range(1, 8)]).encode().splitlines(keepends=True)
    good[2] = good[2].replace(b"Alice", b"Al\0ce")
    good[3] = good[3].replace(b"Alice", b"Andr\xe9")
    good[4] = good[4].rstrip(b"\n") + b",extra\n"
    good[5] = good[5].replace(b"Ash Mug", b'"Ash Mug')
    store, report = bring_in(tmp_path, b"\xef\xbb\xbf" + b"".join(good))
    assert [row["name"] for row in rows_of(store, "SELECT name FROM orders ORDER BY number")] == [
        "#1",
        "#3",
        "#6",
        "#7",
    ]
    assert [number for number, _ in reasons(report)] == [3, 5, 6]
    assert [fault["line"] for fault in report.repaired] == [4]
    assert report.order_rows == 7


def test_a_cell_may_hold_lines_and_quotes(tmp_path: Path) -> None:
    store, report = bring_in(tmp_path, [order("#1", Notes='a\n"b",\nc'), order("#2", Total="x")])
    assert rows_of(store, "SELECT note FROM orders") == [{"note": 'a\n"b",\nc'}]
    assert [number for number, _ in reasons(report)] == [5]


def test_bad_products_are_skipped_and_told(tmp_path: Path) -> None:
    products = [
        MUG,
        MUG | {"Handle": "bad-price", "Title": "A", "Variant Price": "twelve", "Variant SKU": "A"},
        MUG | {"Handle": "", "Title": "", "Variant SKU": "B"},
        MUG | {"Handle": "odd", "Title": "C", "Status": "sleeping", "Variant SKU": "C"},
        MUG | {"Handle": "free", "Title": "D", "Variant Price": "", "Variant SKU": "D"},
        MUG | {"Title": "Another", "Variant SKU": "E"},
    ]
    store, report = bring_in(tmp_path, [order()], products)
    assert [row["handle"] for row in rows_of(store, "SELECT handle FROM products")] == ["mug"]
    assert [number for number, _ in reasons(report)] == [3, 4, 5, 6, 7]


def test_packed_and_sample_files(tmp_path: Path) -> None:
    (tmp_path / "products_export_1.csv.gz").write_bytes(gzip.compress(as_csv(CLASSIC, [MUG]).encode()))
    sample = as_csv(ORDER, [order()]).encode()
    (tmp_path / "orders_export_sample_300.csv.gz").write_bytes(gzip.compress(sample))
    assert import_folder(tmp_path / "data", DOMAIN, tmp_path, now=NOW).counts["orders"] == 1
    full = as_csv(ORDER, [order("#1"), order("#2")]).encode()
    (tmp_path / "orders_export.csv.gz").write_bytes(gzip.compress(full))
    report = import_folder(tmp_path / "data", DOMAIN, tmp_path, now=NOW)
    assert (report.orders_file, report.counts["orders"]) == ("orders_export.csv.gz", 2)


def test_a_cut_off_archive_gives_what_is_readable(tmp_path: Path) -> None:
    (tmp_path / "products_export.csv").write_text(as_csv(CLASSIC, [MUG]))
    packed = gzip.compress(
        as_csv(ORDER, [order(f"#{i}", Notes=str(hash(i) ** 5)) for i in range(9_000)]).encode()
    )
    (tmp_path / "orders_export.csv.gz").write_bytes(packed[: len(packed) // 2])
    report = import_folder(tmp_path / "data", DOMAIN, tmp_path, now=NOW)
    assert 1_000 < report.counts["orders"] < 8_000
    assert "damaged" in " ".join(fault["reason"] for fault in report.skipped)


@pytest.mark.parametrize("text", ["", "a,b,c\n1,2,3\n"])
def test_another_kind_of_file_is_refused_and_the_old_shop_stays(tmp_path: Path, text: str) -> None:
    bring_in(tmp_path, [order()])
    (tmp_path / "orders_export.csv").write_text(text)
    with pytest.raises(ImportFailedError):
        import_folder(tmp_path / "data", DOMAIN, tmp_path, now=NOW)
    assert Store.open(shop_path(tmp_path / "data", DOMAIN)).counts()["orders"] == 1
    assert not list((tmp_path / "data").glob("*building*"))


def test_the_command_prints_counts_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_in(tmp_path, [order("#1"), order("#2", Total="x")])
    arguments = ["import", "--data", str(tmp_path / "data"), "--shop", DOMAIN, "--folder", str(tmp_path)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    told = json.loads(said.out.splitlines()[-1])
    assert told["counts"]["orders"] == 1
    assert told["skipped"] == 1
    assert "line 3" in said.err
    written = json.loads((tmp_path / "data" / f"{DOMAIN}.import-report.json").read_text())
    assert written["skipped"][0]["line"] == 3
    assert main(["import", "--data", str(tmp_path), "--folder", str(tmp_path / "nowhere")]) == 1
