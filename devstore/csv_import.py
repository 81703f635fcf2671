"""A shop from the two files that any merchant can export: products_export.csv and orders_export.csv.

Ids are the export's own where it has them and otherwise follow from handles, names and e-mails, so the same
export gives the same shop. Bad rows are skipped and told; nothing aborts but a missing or headerless file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devstore import orders_csv, products_csv
from devstore.csv_rows import CsvFile, Fault, Faults, RowError
from devstore.orders_csv import Loaded, load_orders
from devstore.products_csv import Shelf, load_products
from devstore.store import (
    ID_BASE,
    ID_STEP,
    Store,
    domain_offset,
    put_in_place,
    remove_shop_file,
    shop_path,
    shop_values,
    utc_text,
)

CACHE_KIB = 64 * 1024
ZONES = {"GBP": "Europe/London", "EUR": "Europe/Berlin", "USD": "America/New_York", "CAD": "America/Toronto",
         "AUD": "Australia/Sydney", "JPY": "Asia/Tokyo", "BRL": "America/Sao_Paulo"}  # fmt: skip

Progress = Callable[[int, int], None]


class ImportFailedError(Exception):
    """There is nothing to import; the message says what is missing and where it was looked for."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was in the files and what is in the store. Rows are data rows of the CSV files, bad ones included."""

    shop: str
    products_file: str
    orders_file: str
    product_rows: int
    order_rows: int
    counts: dict[str, int]
    unmatched_lines: int
    skipped_count: int
    repaired_count: int
    skipped: list[dict[str, Any]]
    repaired: list[dict[str, Any]]


def find_export(folder: Path, kind: str) -> Path:
    """The export of one kind in a folder: the full one rather than a sample, plain rather than packed."""
    if not folder.is_dir():
        raise ImportFailedError(f"{folder} is not a folder.")
    found = [
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.name.startswith(f"{kind}_export")
        and path.name.endswith((".csv", ".csv.gz"))
    ]
    if not found:
        raise ImportFailedError(f"{folder} holds no {kind}_export.csv or {kind}_export.csv.gz.")
    return min(found, key=lambda path: ("_sample" in path.name, path.name.endswith(".gz"), path.name))


def import_folder(
    data: Path, domain: str, folder: Path, *, now: datetime, progress: Progress | None = None
) -> ImportReport:
    """Make the shop `domain` from the exports in `folder`, in place of one of that name.

    Writes the full report beside it, `<domain>.import-report.json`. `progress` gets bytes done and to do.
    """
    path = shop_path(data, domain)
    products_path, orders_path = find_export(folder, "products"), find_export(folder, "orders")
    building = path.with_name(path.name + ".building")
    name = domain.split(".")[0].replace("-", " ").title()
    start = utc_text(now)
    facts = shop_values(
        domain=domain, name=name, currency="USD", iana_timezone="UTC", country="US", created_at=start
    )
    faults = Faults()
    products = CsvFile(products_path, products_csv.ALIASES, faults)
    orders = CsvFile(orders_path, orders_csv.ALIASES, faults)
    total = orders_path.stat().st_size
    try:
        store = Store.create(building, domain=domain, facts={**facts, "origin": "import"})
        store.connection().execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        shelf = load_products(store, products, loaded_at=start)
        loaded = load_orders(
            store,
            orders,
            shelf,
            progress=(lambda: progress(min(orders.bytes_read, total - 1), total)) if progress else None,
        )
        _finish(store, shelf, loaded)
        store.finish_load()
        counts = store.counts()
        put_in_place(store, path)
    except RowError as error:
        remove_shop_file(building)
        raise ImportFailedError(f"{error}. Is it a Shopify export?") from error
    except BaseException:
        remove_shop_file(building)
        raise
    if progress:
        progress(total, total)
    report = ImportReport(
        shop=domain,
        products_file=products_path.name,
        orders_file=orders_path.name,
        product_rows=products.rows,
        order_rows=orders.rows,
        counts=counts,
        unmatched_lines=loaded.unmatched_lines,
        skipped_count=faults.skipped_count,
        repaired_count=faults.repaired_count,
        skipped=_told(faults.skipped, products_path),
        repaired=_told(faults.repaired, products_path),
    )
    (data / f"{domain}.import-report.json").write_text(json.dumps(asdict(report), indent=1))
    return report


def _told(faults: list[Fault], first: Path) -> list[dict[str, Any]]:
    """In the order of the files' lines: a product's or order's fault is found only when its last row is read."""
    return [
        asdict(fault) for fault in sorted(faults, key=lambda fault: (fault.file != first.name, fault.line))
    ]


def _finish(store: Store, shelf: Shelf, loaded: Loaded) -> None:
    """The shop's own facts, its places, and when each product began to sell."""
    offset = domain_offset(store.domain)
    currency = loaded.currencies.most_common(1)[0][0] if loaded.currencies else "USD"
    countries = [country for country, _ in loaded.countries.most_common() if country]
    begun = loaded.first_order if loaded.last_order else utc_text(datetime.now(UTC))
    values = {
        "currency": currency,
        "iana_timezone": ZONES.get(currency, "UTC"),
        "country": countries[0] if countries else "US",
        "created_at": begun,
    }
    with store.transaction() as tx:
        tx.executemany(
            "UPDATE shop SET value = ? WHERE key = ?", [(value, key) for key, value in values.items()]
        )
        tx.execute(
            "INSERT INTO locations VALUES (?, 'Shop location')", (ID_BASE["locations"] + offset + ID_STEP,)
        )
        tx.execute(
            "INSERT INTO themes VALUES (?, 'Dawn', 'MAIN', ?)", (ID_BASE["themes"] + offset + ID_STEP, begun)
        )
        tx.execute("CREATE TEMP TABLE first_sold (product_id INTEGER PRIMARY KEY, at TEXT)")
        tx.executemany("INSERT INTO first_sold VALUES (?, ?)", loaded.first_sold.items())
        # An export has no creation times. The first sale stands in; what never sold counts from the last order.
        last = loaded.last_order or begun
        for table, key in (("products", "id"), ("variants", "product_id")):
            tx.execute(
                f"UPDATE {table} SET created_at = coalesce("  # noqa: S608  our own names
                f"(SELECT at FROM first_sold WHERE first_sold.product_id = {table}.{key}), ?)",
                (last,),
            )
            tx.execute(f"UPDATE {table} SET updated_at = max(created_at, ?)", (last,))  # noqa: S608
        tx.execute("UPDATE products SET published_at = created_at WHERE published_at IS NOT NULL")
        tx.execute("DROP TABLE first_sold")
