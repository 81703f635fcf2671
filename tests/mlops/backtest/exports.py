"""Folders of Shopify's CSV exports, as a merchant downloads them: first rows tell of the order, the others of their line."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

ORDERS = (
    "Name", "Email", "Financial Status", "Paid at", "Currency", "Total", "Created at", "Lineitem quantity",
    "Lineitem name", "Lineitem price", "Lineitem sku", "Billing Name", "Cancelled at", "Refunded Amount", "Phone",
)  # fmt: skip
PRODUCTS = (
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Type",
    "Tags",
    "Option1 Value",
    "Variant SKU",
    "Image Src",
)
Row = Mapping[str, object]


def order(
    name: str, at: str, goods: Sequence[tuple[str, str, object, object]], *, email: str = "", **first: object
) -> list[dict[str, object]]:
    """Rows of an order.

    Args:
        goods: (SKU, name, quantity, price) of each line.
        first: more of the first row, by column name with underscores for spaces.
    """
    rows: list[dict[str, object]] = [
        {
            "Name": name,
            "Email": email,
            "Created at": at,
            "Lineitem quantity": quantity,
            "Lineitem name": title,
            "Lineitem price": price,
            "Lineitem sku": sku,
        }
        for sku, title, quantity, price in goods
    ]
    rows[0] |= {"Financial Status": "paid", "Currency": "GBP", "Total": "10.00", "Refunded Amount": "0.00"}
    rows[0] |= {key.replace("_", " "): value for key, value in first.items()}
    return rows


def write(path: Path, rows: Sequence[Row], columns: Sequence[str] = ORDERS) -> Path:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, extrasaction="raise", restval="")
    table.writeheader()
    table.writerows(rows)
    told = text.getvalue().encode()
    path.write_bytes(gzip.compress(told) if path.suffix == ".gz" else told)
    return path


def themed_store(
    folder: Path, *, titles: Sequence[str], customers: int = 90, days: int = 200, seed: int = 5
) -> Path:
    """Each customer buys three products of one theme every few weeks; one order in eight is a guest's."""
    draw = np.random.default_rng(seed)
    start = datetime(2025, 1, 1, 9, 30)  # noqa: DTZ001 - the shop's own clock, as the export writes it
    themes = np.arange(len(titles)) % 5
    found = []
    for who in range(customers):
        likes = np.flatnonzero(themes == who % 5)
        day = float(draw.uniform(0, 30))
        while day < days:
            basket = draw.choice(likes, min(3, len(likes)), replace=False)
            email = "" if draw.random() < 0.125 else f"Person{who}@Example.com"
            found.append(
                (day, email, [(f"S{k}", titles[k], int(draw.integers(1, 4)), 2.5 + k) for k in basket])
            )
            day += float(draw.uniform(6, 25))
    rows: list[dict[str, object]] = []
    for number, (day, email, goods) in enumerate(sorted(found, key=lambda each: -each[0])):
        at = (start + timedelta(days=day)).strftime("%Y-%m-%d %H:%M:%S +0100")
        rows += order(f"#{5000 - number}", at, goods, email=email, Billing_Name="Ada Lovelace")
    write(folder / "orders_export_1.csv.gz", rows)
    write(
        folder / "products_export_1.csv",
        [
            {
                "Handle": f"product-{k}",
                "Title": title,
                "Body (HTML)": 'several\nlines, "quoted"',
                "Vendor": f"Vendor {k % 3}",
                "Type": f"Type {k % 4}",
                "Option1 Value": "Default Title",
                "Variant SKU": f"S{k}",
            }
            for k, title in enumerate(titles)
        ],
        PRODUCTS,
    )
    return folder
