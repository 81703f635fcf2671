"""Shopify's orders export, `orders_export*.csv[.gz]`: one row per order line, what is told of the order in its first row.

Several files are one export: Shopify cuts a large one. An order that comes whole in two files is counted once.
Names, addresses and e-mails are not kept: an e-mail tells one buyer from another while the files are read.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from mlops.backtest.store.csv_records import Header, records

TOLD_EVERY = 250_000
LARGEST = 1e9  # units of one line, and price of one unit
NOT_SOLD = frozenset({"voided", "refunded", "expired"})
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII
)
GUEST = -1


@dataclass(slots=True)
class Orders:
    """Growing columns; a line takes about 40 bytes.

    Args:
        goods: number of each (SKU, name of the line) by the order in which they came.
        currencies: of the orders, with how many they have.
    """

    order: array[int] = field(default_factory=lambda: array("i"))
    good: array[int] = field(default_factory=lambda: array("i"))
    quantity: array[float] = field(default_factory=lambda: array("d"))
    price: array[float] = field(default_factory=lambda: array("d"))
    at: array[int] = field(default_factory=lambda: array("q"))
    day: array[int] = field(default_factory=lambda: array("i"))
    customer: array[int] = field(default_factory=lambda: array("i"))
    lost: array[int] = field(default_factory=lambda: array("b"))
    currency: array[int] = field(default_factory=lambda: array("h"))
    goods: dict[tuple[str, str], int] = field(default_factory=dict)
    currencies: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def frame(self) -> pl.DataFrame:
        """order_id, customer_id, at, day, good, quantity, unit_price, cancelled; prices of the commonest currency alone."""
        order = np.frombuffer(self.order, np.int32) if self.order else np.empty(0, np.int32)
        price = np.array(self.price)
        codes = np.array(self.currency, np.int16)
        if len(self.currencies) > 1 and len(order):
            usual = list(self.currencies).index(self.main_currency)
            price[codes[order] != usual] = np.nan
        customer = np.array(self.customer, np.int32)
        frame = pl.DataFrame(
            {
                "order_id": order,
                "customer_id": customer[order],
                "at": np.array(self.at, np.int64)[order],
                "day": np.array(self.day, np.int32)[order],
                "good": np.array(self.good, np.int32),
                "quantity": np.array(self.quantity),
                "unit_price": price,
                "cancelled": np.array(self.lost, np.int8)[order] > 0,
            }
        )
        return frame.with_columns(
            pl.when(pl.col("customer_id") != GUEST).then(pl.col("customer_id")).alias("customer_id"),
            pl.col("day").cast(pl.Date),
            pl.col("unit_price").fill_nan(None),
        )

    @property
    def main_currency(self) -> str:
        return max(self.currencies, key=lambda each: (self.currencies[each], each), default="")


def read_orders(paths: Iterable[Path], now: datetime, tell: Callable[[str], object]) -> Orders:
    """Every order of these files.

    Args:
        now: no order can be later.

    Raises:
        BadInput: a column is missing, or a cell cannot be true; the message names file, column and row.
    """
    reader = _Reader(now)
    for path in paths:
        tell(f"reading {path.name}")
        with records(path) as (header, rows):
            reader.read(header, rows, tell)
    return reader.found


class _Reader:
    """What is carried from file to file."""

    def __init__(self, now: datetime) -> None:
        self.found = Orders()
        self._latest = int(now.timestamp() * 1000)
        self._numbers: dict[str, int] = {}  # of the orders by name
        self._customers: dict[str, int] = {}
        self._currency_codes: dict[str, int] = {}
        self._last = ""

    def read(
        self, header: Header, rows: Iterator[tuple[int, Sequence[str]]], tell: Callable[[str], object]
    ) -> None:
        self._header = header
        self._name = header.needed("name")
        self._at = header.needed("created at")
        self._quantity = header.needed("lineitem quantity")
        self._title = header.needed("lineitem name")
        self._price = header.needed("lineitem price")
        self._sku = header.place("lineitem sku")
        self._who = [place for place in (header.place("email"), header.place("phone")) if place is not None]
        self._money = header.place("currency")
        self._status = header.place("financial status")
        self._cancelled = header.place("cancelled at")
        self._refunded, self._total = header.place("refunded amount"), header.place("total")
        begun = len(self.found.at)  # orders with a lower number came in an earlier file
        doubled: set[int] = set()
        for row, cells in rows:
            if row % TOLD_EVERY == 0:
                tell(f"  {header.path.name}: {row:,} rows")
            name = cells[self._name].strip()
            if not name:
                header.refuse(row, self._name, "is empty; every row needs the name of its order")
            number = self._numbers.get(name)
            if number is None:
                number = self._numbers[name] = self._begin(row, cells)
            elif number < begun and (number in doubled or name != self._last or self._begins(cells)):
                # Not the rest of an order that the end of a file cut in two, but the order once more.
                doubled.add(number)
                continue
            self._last = name
            self._add(row, cells, number)
        self.found.counts["in two files"] += len(doubled)

    def _begins(self, cells: Sequence[str]) -> bool:
        """Whether this is the first row of an order: only that one tells of the whole order."""
        told = (self._status, self._total, self._money)
        return any(place is not None and cells[place].strip() for place in told)

    def _begin(self, row: int, cells: Sequence[str]) -> int:
        found = self.found
        at, day = self._moment(row, cells)
        found.at.append(at)
        found.day.append(day)
        who = next((cells[place].strip().lower() for place in self._who if cells[place].strip()), "")
        found.customer.append(self._customers.setdefault(who, len(self._customers)) if who else GUEST)
        currency = "" if self._money is None else cells[self._money].strip().upper()
        found.currencies[currency] += 1
        found.currency.append(self._currency_codes.setdefault(currency, len(self._currency_codes)))
        found.lost.append(self._lost(row, cells))
        return len(found.at) - 1

    def _lost(self, row: int, cells: Sequence[str]) -> bool:
        """Whether the order came to nothing: cancelled, not paid for, or paid back in full."""
        status = "" if self._status is None else cells[self._status].strip().lower()
        if self._cancelled is not None and cells[self._cancelled].strip():
            self.found.counts["cancelled"] += 1
            return True
        back = self._amount(row, cells, self._refunded)
        total = self._amount(row, cells, self._total)
        if status in NOT_SOLD or (back > 0 and total > 0 and back >= total):
            self.found.counts["voided or refunded in full"] += 1
            return True
        if back > 0:
            self.found.counts["refunded in part"] += 1
        return False

    def _amount(self, row: int, cells: Sequence[str], place: int | None) -> float:
        if place is None or not cells[place].strip():
            return 0.0
        return self._number(row, cells, place, "an amount")

    def _number(self, row: int, cells: Sequence[str], place: int, what: str) -> float:
        text = cells[place].strip()
        try:
            value = float(text)
        except ValueError:
            self._header.refuse(row, place, f"{_shown(text)} is not {what}")
        if not math.isfinite(value) or abs(value) > LARGEST:
            self._header.refuse(row, place, f"{_shown(text)} is more than can be true")
        return value

    def _add(self, row: int, cells: Sequence[str], number: int) -> None:
        quantity = self._number(row, cells, self._quantity, "a quantity")
        if quantity < 0 or quantity != int(quantity):
            self._header.refuse(
                row, self._quantity, f"{_shown(cells[self._quantity])} is not a whole number from 0"
            )
        if not quantity:
            self.found.counts["removed lines"] += 1
            return
        text = cells[self._price].strip()
        price = self._number(row, cells, self._price, "a price") if text else math.nan
        if price < 0:
            self._header.refuse(row, self._price, f"{_shown(text)} is below 0")
        sku = "" if self._sku is None else cells[self._sku].strip()
        title = cells[self._title].strip()
        if not sku and not title:
            self._header.refuse(row, self._title, "is empty, and so is the SKU: the line names no product")
        found = self.found
        found.order.append(number)
        found.good.append(found.goods.setdefault((sku, title), len(found.goods)))
        found.quantity.append(quantity)
        found.price.append(price)

    def _moment(self, row: int, cells: Sequence[str]) -> tuple[int, int]:
        """(milliseconds since 1970 in UTC, the day since 1970 on which the shop was)."""
        text = cells[self._at].strip()
        match = _MOMENT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            offset = (match[3] or "Z").replace("UTC", "Z")
            when = datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}")
        except ValueError:
            self._header.refuse(
                row, self._at, f"{_shown(text)} is not a time such as 2026-03-01 14:05:00 +0100"
            )
        if match[3] is None:
            self.found.counts["times without a zone"] += 1
        at = int(when.timestamp() * 1000)
        if at > self._latest:
            self._header.refuse(row, self._at, f"{_shown(text)} lies in the future")
        if at < 0:
            self._header.refuse(row, self._at, f"{_shown(text)} lies before 1970")
        return at, when.toordinal() - _FIRST_DAY


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
