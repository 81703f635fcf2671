"""What is in one export: how full each column is, and for orders who bought what when. Constant memory. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from shopify_app.exports.columns import Fate, Kind, fate
from shopify_app.exports.reading import Record, Table
from shopify_app.exports.safe_csv import is_formula
from shopify_app.exports.sampling import Sampled

COLUMN_SAMPLE = 2_048
PEOPLE_SAMPLE = 65_536
PRODUCT_SAMPLE = 65_536
# A date column of a shop's life: Shopify opened in 2006. More days than these cannot be honest.
MOST_DAYS = 40 * 366
_OFFSET = re.compile(r"\s+(?=[+-]\d)")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,10})?")
LONGEST_TIME = 40


@dataclass(slots=True)
class Column:
    """One column; `rows` that could fill it: an order's own columns stand in its first row only. `low` and `high` are of numbers and times, and empty for whatever is about a person."""

    name: str
    fate: Fate
    rows: int = 0
    filled: int = 0
    formulas: int = 0
    numbers: int = 0
    times: int = 0
    low: str = ""
    high: str = ""
    different: Sampled = field(default_factory=lambda: Sampled(COLUMN_SAMPLE))
    _least: Decimal | None = None
    _most: Decimal | None = None

    def take(self, cell: str) -> None:
        self.filled += 1
        self.different.add(cell)
        if _NUMBER.fullmatch(cell):
            self.numbers += 1
            if self.fate is not Fate.PERSONAL:
                value = Decimal(cell)
                self._least = value if self._least is None else min(self._least, value)
                self._most = value if self._most is None else max(self._most, value)
        elif is_formula(cell):
            self.formulas += 1
        elif len(cell) <= LONGEST_TIME and cell[:4].isdigit() and time_of(cell) is not None:
            self.times += 1
            if self.fate is not Fate.PERSONAL:
                self.low = min(self.low or cell, cell)
                self.high = max(self.high, cell)

    @property
    def type(self) -> str:
        if not self.filled:
            return "empty"
        if self.numbers >= 0.99 * self.filled:
            return "number"
        return "time" if self.times >= 0.99 * self.filled else "text"

    @property
    def span(self) -> str:
        """An example range: of numbers and times only, never of text and never of what is about a person."""
        if self.fate is Fate.PERSONAL or self.type not in ("number", "time"):
            return ""
        low, high = (self.low, self.high) if self.type == "time" else (str(self._least), str(self._most))
        return low if low == high else f"{low} to {high}"


@dataclass(slots=True)
class Orders:
    """What the orders come to. A customer is an e-mail, told apart by a key of this run and forgotten after it."""

    orders: int = 0
    lines: int = 0
    units: int = 0
    with_customer: int = 0
    several_products: int = 0
    cancelled: int = 0
    bad_times: int = 0
    days: Counter[date] = field(default_factory=Counter)
    customers: Sampled = field(default_factory=lambda: Sampled(PEOPLE_SAMPLE))
    products: Sampled = field(default_factory=lambda: Sampled(PRODUCT_SAMPLE))
    first: datetime | None = None
    last: datetime | None = None
    _name: str = ""
    _things: set[str] = field(default_factory=set)

    def take(self, record: Record) -> bool:
        """One row; True for the first of an order, False for one more line of it."""
        name = record.get("name")
        begins = bool(name) and name != self._name
        if begins:
            self.close()
            self._name = name
            self._begin(record)
        self._line(record)
        return begins

    def _line(self, record: Record) -> None:
        thing = record.get("lineitem sku") or record.get("lineitem name")
        if not thing:
            return
        self.lines += 1
        units = record.get("lineitem quantity")
        if units.isascii() and units.isdigit() and len(units) <= 9:
            self.units += int(units)
        # An order of thousands of different products says no more than one of a thousand.
        if len(self._things) < 1_000:
            self._things.add(thing)

    def close(self) -> None:
        """The order under way is complete."""
        self.several_products += len(self._things) > 1
        for thing in self._things:
            self.products.add(thing)
        self._things = set()

    def join(self, other: Orders) -> None:
        """Take in what another file of the same shop holds."""
        for name in (
            "orders",
            "lines",
            "units",
            "with_customer",
            "several_products",
            "cancelled",
            "bad_times",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.days += other.days
        self.customers.join(other.customers)
        self.products.join(other.products)
        self.first = min((each for each in (self.first, other.first) if each), default=None)
        self.last = max((each for each in (self.last, other.last) if each), default=None)

    def _begin(self, record: Record) -> None:
        self.orders += 1
        person = record.get("email").lower()
        if person:
            self.with_customer += 1
            self.customers.add(person)
        self.cancelled += bool(record.get("cancelled at"))
        at = time_of(record.get("created at"))
        if at is None:
            self.bad_times += 1
            return
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        if at.date() in self.days or len(self.days) < MOST_DAYS:
            self.days[at.date()] += 1


@dataclass(slots=True)
class Tally:
    """One file.

    Args:
        records: all records, those put aside too.
        read: of them, those that were used.
    """

    kind: Kind
    file: str
    encoding: str = ""
    records: int = 0
    read: int = 0
    columns: list[Column] = field(default_factory=list)
    orders: Orders | None = None


def tally(kind: Kind, table: Table) -> Tally:
    """Read the whole file.

    Raises:
        Unreadable: the file as a whole cannot be used.
    """
    found = Tally(kind, table.path.name, orders=Orders() if kind is Kind.ORDERS else None)
    of_line: list[bool] = []
    for record in table:
        if not found.columns:
            found.columns = [Column(name[:200], fate(kind, name)) for name in table.header]
            of_line = [_is_of_line(column.name) for column in found.columns]
        found.read += 1
        begins = found.orders is None or found.orders.take(record)
        for column, cell, each_line in zip(found.columns, record.cells, of_line, strict=True):
            if not begins and not each_line:
                continue
            column.rows += 1
            if cell and (text := cell.strip()):
                column.take(text)
    if found.orders is not None:
        found.orders.close()
    if not found.columns:
        found.columns = [Column(name[:200], fate(kind, name)) for name in table.header]
    found.records, found.encoding = table.records, table.encoding
    return found


def _is_of_line(header: str) -> bool:
    """True for a column that each row of an order fills."""
    return header.lower().startswith("lineitem") or header.lower() == "vendor"


def time_of(text: str) -> datetime | None:
    """A time as the exports write it (`2011-11-30 17:37:00 +0000`); without an offset it is UTC."""
    if not text or len(text) > LONGEST_TIME:
        return None
    try:
        at = datetime.fromisoformat(_OFFSET.sub("", text.replace(" UTC", "+0000")))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, InvalidOperation):
        return None
