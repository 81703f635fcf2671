"""Poisoned exports: each fault is told by line, the good rows arrive, and metafield columns come in with a type."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from devstore.csv_import import ImportFailedError, ImportReport, import_folder
from devstore.store import Store, shop_path

DOMAIN = "oak-and-ash.myshopify.com"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PRODUCTS = "Handle,Title,Variant Price,Variant SKU\nmug,Mug,3.00,M1\n"
HEAD = "Name,Email,Financial Status,Fulfillment Status,Currency,Subtotal,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Id\n"


def order(number: int, email: str = "a@example.com") -> str:
    return f"#{number},{email},paid,,GBP,3.00,3.00,2026-01-01 10:00:00 +0000,1,Mug,3.00,M1,{number}\n"


def load(folder: Path, orders: bytes, products: str = PRODUCTS) -> ImportReport:
    source = folder / "export"
    source.mkdir()
    (source / "products_export.csv").write_text(products)
    (source / "orders_export.csv").write_bytes(orders)
    return import_folder(folder, DOMAIN, source, now=NOW)


@pytest.mark.parametrize(
    ("row", "line", "reason"),
    [
        ("#2,a\0b" + "," * 11 + "\n", 3, "NUL"),
        ("," * 1_000_000 + "\n", 3, "expected 13 columns, found 1000001"),
        ('#2,"' + "x" * 9_000_000 + '"\n', 3, "expected 13 columns"),
        ('#2,"open\n', 3, "is not CSV"),
    ],
)
def test_a_poisoned_row_is_told_and_the_others_arrive(
    tmp_path: Path, row: str, line: int, reason: str
) -> None:
    report = load(tmp_path, (HEAD + order(1) + row + order(3)).encode())
    assert report.counts["orders"] == 2
    (fault,) = report.skipped
    assert fault["line"] == line
    assert reason in fault["reason"]


def test_utf_16_is_read_and_twice_the_same_header_is_told(tmp_path: Path) -> None:
    text = HEAD.strip() + ",Email\n" + order(1, "zoë@example.com").strip() + ",x\n"
    report = load(tmp_path, text.encode("utf-16"))
    assert (report.counts["orders"], report.skipped_count) == (1, 0)
    assert [each["reason"] for each in report.repaired] == [
        "two columns have the same name: the first counts"
    ]


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 5_000, ",".join(f"c{n}" for n in range(500_000)).encode()]
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportFailedError, match="Is it a Shopify export"):
        load(tmp_path, content)


def test_metafield_columns_become_definitions_and_typed_values(tmp_path: Path) -> None:
    products = (
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Burn (product.metafields.custom.burn),"
        "Care (product.metafields.custom.care),Height (variant.metafields.custom.height),"
        'Handmade (product.metafields.my-app.handmade),Bad (product.metafields.x".y)\n'
        'mug,Mug,Size,Small,3.00,30,"Wipe.\nDry.",4.5,TRUE,z\n'
        "mug,,,Large,4.00,,,6,,\n"
        "jar,Jar,Size,One,5.00,45,Dust,,false,\n"
    )
    report = load(tmp_path, (HEAD + order(1)).encode(), products)
    assert report.skipped_count == 0
    store = Store.open(shop_path(tmp_path, DOMAIN))
    defined = store.read(
        "SELECT owner_type, namespace, key, name, type FROM metafield_definitions ORDER BY id"
    )
    assert [tuple(row) for row in defined] == [
        ("PRODUCT", "custom", "burn", "Burn", "number_integer"),
        ("PRODUCT", "custom", "care", "Care", "multi_line_text_field"),
        ("PRODUCTVARIANT", "custom", "height", "Height", "number_decimal"),
        ("PRODUCT", "my-app", "handmade", "Handmade", "boolean"),
    ]
    values = store.read("SELECT key, type, value FROM metafields ORDER BY key, value")
    assert [tuple(row) for row in values] == [
        ("burn", "number_integer", "30"),
        ("burn", "number_integer", "45"),
        ("care", "multi_line_text_field", "Dust"),
        ("care", "multi_line_text_field", "Wipe.\nDry."),
        ("handmade", "boolean", "false"),
        ("handmade", "boolean", "true"),
        ("height", "number_decimal", "4.5"),
        ("height", "number_decimal", "6"),
    ]
    store.close()
