"""What `make bench-ingest` says is wrong: books that differ, memory that grows; and where it writes."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from shopify_app.local.bench_books import Books, differences, of_export
from shopify_app.local.bench_report import Run, growth_too_large, markdown, replaced

EXPORT = """Name,Financial Status,Total,Lineitem quantity,Refunded Amount,Cancelled at
#1,paid,12.50,1,0.00,
#1,,,2,,
#2,refunded,9.99,1,9.99,2026-01-02 10:00:00 +0000
#3,paid,0.10,3,,
"""


@pytest.mark.parametrize("packed", [False, True])
def test_the_books_of_an_export_are_its_own_sums(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("orders_export.csv.gz" if packed else "orders_export.csv")
    path.write_bytes(gzip.compress(EXPORT.encode()) if packed else b"\xef\xbb\xbf" + EXPORT.encode())
    books = of_export(path)
    assert books == Books(orders=3, lines=4, net=Decimal("12.60"))
    assert differences(books, Books(3, 4, Decimal("12.6000"))) == []
    assert differences(books, Books(3, 5, Decimal("12.59"))) == [
        "lines: 4 expected, 5 in the app", "net revenue: 12.60 expected, 12.5900 in the app",
    ]  # fmt: skip


def a_run(name: str, lines: int, **peak_mb: float) -> Run:
    return Run(name, {"orders": lines}, 0, 30.0, 10.0, peak_mb=dict(peak_mb))


def test_memory_that_grows_with_the_shop_is_named() -> None:
    small, large = a_run("small", 100, web=200.0, valkey=5.0), a_run("large", 1_000, web=221.0, valkey=9.0)
    assert growth_too_large([small, large]) == ["web grew from 200 to 221 MiB"]
    assert growth_too_large([small]) == []
    told = markdown([small, large], "Here.")
    assert "| peak MiB: web | 200 | 221 | +10% |" in told
    assert "| lines/s, file to last event | 5 | 50 |  |" in told


def test_only_the_part_between_its_marks_is_replaced() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"
    assert replaced(page, "new\n", mark="x") == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(ValueError, match="must have the lines"):
        replaced(page, "new\n", mark="y")
    whole = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text()
    for mark in ("bench-ingest", "bench-ingest-export"):
        assert "new" in replaced(whole, "new\n", mark=mark)
