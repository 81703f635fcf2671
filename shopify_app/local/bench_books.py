"""What an export says of itself, read with nothing of ours but the rules stated here, to hold the app's tables against."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Books:
    """Counts and money of a shop.

    Args:
        net: what its orders came to less what was refunded of them, in the shop's currency.
    """

    orders: int
    lines: int
    net: Decimal


def of_export(path: Path) -> Books:
    """The books of Shopify's orders_export.csv, plain or packed.

    A row that has a financial status begins an order: its Total and its Refunded Amount count, also when the order was
    cancelled (what was given back is in the refund). Each row with a quantity is a line.

    Raises:
        KeyError, InvalidOperation: it is no such export.
    """
    orders = lines = 0
    net = Decimal(0)
    with _opened(path) as stream:
        for row in csv.DictReader(stream):
            if row["Financial Status"]:
                orders += 1
                net += Decimal(row["Total"]) - Decimal(row["Refunded Amount"] or 0)
            lines += bool(row["Lineitem quantity"])
    return Books(orders, lines, net)


def differences(wanted: Books, found: Books) -> list[str]:
    """Where the two differ, in words; empty when they agree to the line and the cent."""
    told = [
        f"{name}: {getattr(wanted, name):,} expected, {getattr(found, name):,} in the app"
        for name in ("orders", "lines")
        if getattr(wanted, name) != getattr(found, name)
    ]
    if wanted.net != found.net:
        told.append(f"net revenue: {wanted.net:,.2f} expected, {found.net:,.4f} in the app")
    return told


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
