"""Shopify's order export: the first row of an order holds the order, each row one line item."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from devstore.csv_refunds import Line, returned_units, spread_discount
from devstore.csv_rows import CsvFile, CsvRow, RowError, decimal_of, stable_id, time_of, whole_of
from devstore.effects import money
from devstore.products_csv import Shelf
from devstore.store import Store, insert_sql

BATCH = 2_000  # orders per transaction
# A Shopify order id times this, plus the line's position, stays below 2**53 and keeps neighbours together.
LINES_PER_ORDER = 1_000
MAX_OWN_ID = 7_000_000_000_000
ALIASES = {
    "name": ("name",),
    "email": ("email",),
    "financial_status": ("financial status",),
    "fulfillment_status": ("fulfillment status",),
    "fulfilled_at": ("fulfilled at",),
    "currency": ("currency",),
    "subtotal": ("subtotal",),
    "shipping": ("shipping",),
    "taxes": ("taxes",),
    "total": ("total",),
    "code": ("discount code",),
    "discount": ("discount amount",),
    "created_at": ("created at",),
    "quantity": ("lineitem quantity",),
    "line_name": ("lineitem name",),
    "price": ("lineitem price",),
    "sku": ("lineitem sku",),
    "ships": ("lineitem requires shipping",),
    "line_discount": ("lineitem discount",),
    "vendor": ("vendor",),
    "billing_name": ("billing name",),
    "billing_country": ("billing country",),
    "shipping_country": ("shipping country",),
    "phone": ("phone", "billing phone"),
    "note": ("notes",),
    "attributes": ("note attributes",),
    "cancelled_at": ("cancelled at",),
    "refunded": ("refunded amount",),
    "id": ("id",),
    "tags": ("tags",),
    "source": ("source",),
}
FINANCIAL = {
    "paid",
    "partially_refunded",
    "refunded",
    "pending",
    "authorized",
    "voided",
    "partially_paid",
    "expired",
}
FULFILLMENT = {"": "UNFULFILLED", "unfulfilled": "UNFULFILLED", "fulfilled": "FULFILLED", "shipped": "FULFILLED",
               "partial": "PARTIALLY_FULFILLED", "restocked": "RESTOCKED"}  # fmt: skip
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(slots=True)
class Loaded:
    """What came in, and what the shop's own facts follow from."""

    orders: int = 0
    lines: int = 0
    refunds: int = 0
    unmatched_lines: int = 0
    currencies: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)
    first_sold: dict[int, str] = field(
        default_factory=dict
    )  # product id -> time; grows with the catalogue only
    first_order: str = "9999"
    last_order: str = ""


@dataclass(slots=True)
class _Group:
    """One order's rows."""

    first: CsvRow
    rows: list[CsvRow]


def load_orders(
    store: Store, file: CsvFile, shelf: Shelf, *, progress: Callable[[], None] | None = None
) -> Loaded:
    """Write orders, lines, refunds and customers (one per e-mail) while the file streams past."""
    loaded = Loaded()
    connection = store.connection()
    connection.execute("BEGIN IMMEDIATE")
    for number, group in enumerate(_groups(file), 1):
        try:
            _write(store.domain, connection, file, group, shelf, loaded)
        except RowError as error:
            file.skip(group.first.line, str(error))
            for row in group.rows[1:]:
                file.skip(row.line, f"belongs to the order skipped at line {group.first.line}")
        if number % BATCH == 0:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            if progress:
                progress()
    connection.execute("COMMIT")
    return loaded


def _groups(file: CsvFile) -> Iterator[_Group]:
    group: _Group | None = None
    for row in file:
        name = row.get("name")
        if not name:
            file.skip(row.line, "has no order name")
            continue
        if group is None or name != group.first.get("name"):
            if group:
                yield group
            group = _Group(row, [row])
        elif row.get("total") and row.get("financial_status") and row.get("id") != group.first.get("id"):
            yield group
            group = _Group(row, [row])
        else:
            group.rows.append(row)
    if group:
        yield group


def _write(
    domain: str, tx: sqlite3.Connection, file: CsvFile, group: _Group, shelf: Shelf, loaded: Loaded
) -> None:
    """One order, or RowError with nothing written."""
    row = group.first
    status = row.get("financial_status").lower()
    if not status:
        raise RowError("a line item without its order: the row has no financial status")
    if status not in FINANCIAL:
        raise RowError(f"financial status is unknown: {status[:40]!r}")
    if row.get("fulfillment_status").lower() not in FULFILLMENT:
        raise RowError(f"fulfillment status is unknown: {row.get('fulfillment_status')[:40]!r}")
    currency = row.get("currency")
    if not _CURRENCY.fullmatch(currency):
        raise RowError(f"currency is not a code like GBP: {currency[:40]!r}")
    created = time_of(row.get("created_at"), "created at")
    cancelled = time_of(row.get("cancelled_at"), "cancelled at") if row.get("cancelled_at") else None
    fulfilled = time_of(row.get("fulfilled_at"), "fulfilled at") if row.get("fulfilled_at") else None
    total, refunded = (
        decimal_of(row.get("total"), "total"),
        decimal_of(row.get("refunded"), "refunded amount"),
    )
    shipping, tax = decimal_of(row.get("shipping"), "shipping"), decimal_of(row.get("taxes"), "taxes")
    discount, subtotal = (
        decimal_of(row.get("discount"), "discount amount"),
        decimal_of(row.get("subtotal"), "subtotal"),
    )
    if min(total, refunded, shipping, subtotal) < 0:
        raise RowError("an amount of the order is negative")
    name = row.get("name")
    order_id = _order_id(domain, row)
    if tx.execute("SELECT 1 FROM orders WHERE id = ?", (order_id,)).fetchone():
        raise RowError(f"the order {name[:40]!r} with id {order_id} is there already")

    lines = _lines(domain, file, group, order_id, shelf, loaded)
    spread_discount(lines, discount=discount, subtotal=subtotal)
    changed = max(created, cancelled or "", fulfilled or "")
    everything = cancelled is not None or status == "refunded" or (refunded > 0 and refunded >= total)
    returned = returned_units(lines, refunded, everything=everything)
    if refunded > 0:
        refund_id = stable_id(domain, "refund", order_id)
        at = cancelled or changed
        tx.execute(
            insert_sql("refunds"),
            (refund_id, order_id, at, money(refunded), None, int(cancelled is not None)),
        )
        tx.executemany(
            insert_sql("refund_lines"),
            [
                (stable_id(domain, "refund_line", line.id), refund_id, line.id, units, money(line.worth(units)),
                 "CANCEL" if cancelled else "NO_RESTOCK")
                for line, units in returned
            ],
        )  # fmt: skip
        loaded.refunds += 1
    for line, units in returned:
        line.kept -= units
    country = row.get("shipping_country") or row.get("billing_country")
    country = country if _COUNTRY.fullmatch(country) else ""
    tx.execute(
        insert_sql("orders"),
        (
            order_id, name, _number(name), _customer(domain, tx, file, row, created), created, created, changed,
            cancelled, "OTHER" if cancelled else None, 0, currency, currency, status.upper(),
            FULFILLMENT[row.get("fulfillment_status").lower()], row.get("source") or "web", None, None,
            money(subtotal), money(total), money(discount), money(refunded), money(shipping), money(tax),
            row.get("code") or None, json.dumps([t.strip() for t in row.get("tags").split(",") if t.strip()]),
            json.dumps(_attributes(row.get("attributes"))), None, country or None, row.get("note") or None,
            cancelled or fulfilled,
        ),
    )  # fmt: skip
    tx.executemany(insert_sql("order_lines"), [line.row() for line in lines])
    loaded.orders += 1
    loaded.lines += len(lines)
    loaded.currencies[currency] += 1
    loaded.countries[country] += 1
    loaded.first_order, loaded.last_order = min(loaded.first_order, created), max(loaded.last_order, created)
    for line in lines:
        if line.product_id is not None and created < loaded.first_sold.get(line.product_id, "9999"):
            loaded.first_sold[line.product_id] = created


def _lines(
    domain: str, file: CsvFile, group: _Group, order_id: int, shelf: Shelf, loaded: Loaded
) -> list[Line]:
    lines: list[Line] = []
    for position, row in enumerate(group.rows, 1):
        try:
            quantity = whole_of(row.get("quantity"), "line item quantity")
            price = decimal_of(row.get("price"), "line item price")
            discount = decimal_of(row.get("line_discount"), "line item discount")
            if quantity <= 0 or price < 0:
                raise RowError(f"line item quantity or price is negative or zero: {quantity} at {price}")
        except RowError as error:
            file.skip(row.line, str(error))
            continue
        sku, name = row.get("sku"), row.get("line_name")
        sold = shelf.by_sku.get(sku) if sku else shelf.by_name.get(name)
        if sold is None:
            loaded.unmatched_lines += 1
        variant_title = sold.variant_title if sold else None
        if variant_title and name.endswith(f" - {variant_title}"):
            name = name.removesuffix(f" - {variant_title}")
        if order_id <= MAX_OWN_ID and position < LINES_PER_ORDER:
            line_id = order_id * LINES_PER_ORDER + position
        else:
            line_id = stable_id(domain, "line", order_id, position)
        lines.append(
            Line(
                id=line_id, order_id=order_id, position=position, product_id=sold.product_id if sold else None,
                variant_id=sold.variant_id if sold else None, title=name or (sold.product_title if sold else sku),
                variant_title=variant_title, sku=sku or None, vendor=row.get("vendor") or None, quantity=quantity,
                kept=quantity, price=price, discount=discount, ships=row.get("ships").lower() != "false",
            )
        )  # fmt: skip
    return lines


def _order_id(domain: str, row: CsvRow) -> int:
    """The order's own id where the export has it, else one made of its name."""
    own = row.get("id")
    if own.isascii() and own.isdigit() and 0 < int(own) < 2**53:
        return int(own)
    return stable_id(domain, "order", row.get("name"))


def _number(name: str) -> int:
    digits = re.sub(r"\D", "", name, flags=re.ASCII)[-12:]
    return int(digits) if digits else 0


def _customer(domain: str, tx: sqlite3.Connection, file: CsvFile, row: CsvRow, created: str) -> int | None:
    """The customer of an e-mail, known from the first order to the last; no e-mail is a guest."""
    email = row.get("email").lower()
    if not email:
        return None
    if "@" not in email:
        file.repair(row.line, f"e-mail is not one: {email[:40]!r}; the order is kept as a guest's")
        return None
    customer_id = stable_id(domain, "customer", email)
    first, _, last = row.get("billing_name").partition(" ")
    values: tuple[Any, ...] = (
        customer_id, email, first or None, last or None, row.get("phone") or None, created, created, "ENABLED"
    )  # fmt: skip
    tx.execute(
        insert_sql("customers")
        + " ON CONFLICT (id) DO UPDATE SET created_at = min(created_at, excluded.created_at),"
        " updated_at = max(updated_at, excluded.updated_at)",
        values,
    )
    return customer_id


def _attributes(text: str) -> list[dict[str, str]]:
    """Note attributes, which the export writes as lines of `name: value`."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return [{"key": key.strip(), "value": value.strip()} for key, _, value in pairs if key.strip()]
