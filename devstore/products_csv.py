"""Shopify's product export, with the classic headers and those of the newer template."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from devstore import metafields_csv
from devstore.csv_rows import CsvFile, CsvRow, RowError, decimal_of, stable_id, whole_of
from devstore.effects import money
from devstore.metafields_csv import MetafieldColumn
from devstore.shop_changes import handle_of
from devstore.store import Store, insert_sql

BATCH = 500  # products per transaction
ALIASES = {
    "handle": ("handle", "url handle"),
    "title": ("title",),
    "body": ("body (html)", "body html", "description"),
    "vendor": ("vendor",),
    "category": ("product category", "standard product type", "category"),
    "type": ("type", "custom product type", "product type"),
    "tags": ("tags",),
    "published": ("published", "published on online store"),
    "status": ("status",),
    "option1_name": ("option1 name",),
    "option1": ("option1 value",),
    "option2_name": ("option2 name",),
    "option2": ("option2 value",),
    "option3_name": ("option3 name",),
    "option3": ("option3 value",),
    "sku": ("variant sku", "sku"),
    "tracker": ("variant inventory tracker", "inventory tracker"),
    "quantity": ("variant inventory qty", "inventory quantity", "variant inventory quantity"),
    "policy": ("variant inventory policy", "inventory policy", "continue selling when out of stock"),
    "price": ("variant price", "price"),
    "compare_at": ("variant compare at price", "compare-at price", "compare at price"),
    "image": ("image src", "product image url", "image url"),
    "gift_card": ("gift card",),
}
STATUSES = {"": "ACTIVE", "active": "ACTIVE", "draft": "DRAFT", "archived": "ARCHIVED"}
NO = {"false", "no", "0"}
YES = {"true", "yes", "1"}


@dataclass(frozen=True, slots=True)
class Sold:
    """What an order line needs to know of the variant it names."""

    product_id: int
    variant_id: int
    product_title: str
    variant_title: str | None


@dataclass(slots=True)
class Shelf:
    """Variants by SKU and by the name that order lines show; memory grows with the catalogue only."""

    by_sku: dict[str, Sold] = field(default_factory=dict)
    by_name: dict[str, Sold] = field(default_factory=dict)
    products: int = 0
    variants: int = 0


@dataclass(slots=True)
class _Group:
    """One product's rows."""

    handle: str
    first: CsvRow
    variants: list[CsvRow] = field(default_factory=list)
    image: str = ""


def load_products(store: Store, file: CsvFile, *, loaded_at: str) -> Shelf:
    """Write every product of the export. `loaded_at`: its time of creation until an order tells an earlier one."""
    shelf = Shelf()
    extra: list[MetafieldColumn] = []
    connection = store.connection()
    connection.execute("BEGIN IMMEDIATE")
    for number, group in enumerate(_groups(file), 1):
        if number == 1:
            extra = metafields_csv.columns(file.header)
        written = _write(store.domain, connection, file, group, shelf, loaded_at)
        for column in extra:
            for owner, row in written:
                if owner[0] == column.owner:
                    column.take(connection, store.domain, owner[1], row, loaded_at)
        if number % BATCH == 0:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
    for number, column in enumerate(extra, 1):
        column.finish(connection, number)
    connection.execute("COMMIT")
    return shelf


def _groups(file: CsvFile) -> Iterator[_Group]:
    seen: dict[str, int] = {}
    group: _Group | None = None
    for row in file:
        handle = row.get("handle")
        if not handle and row.get("title"):
            # the newer template lets Shopify make the handle
            handle = handle_of(row.get("title"))
        if not handle:
            file.skip(row.line, "has no handle")
            continue
        if group is None or handle != group.handle:
            if group:
                yield group
                group = None
            if handle in seen:
                file.skip(row.line, f"the handle {handle[:60]!r} was used at line {seen[handle]}")
                continue
            seen[handle] = row.line
            if not row.get("title"):
                file.skip(row.line, "a product begins here and has no title")
                continue
            group = _Group(handle, row)
        elif row.get("title") and row.get("title") != group.first.get("title"):
            file.skip(row.line, f"another product with the handle {handle[:60]!r} of line {group.first.line}")
            continue
        group.image = group.image or row.get("image")
        if row.get("option1") or row.get("price") or row.get("sku"):
            group.variants.append(row)
    if group:
        yield group


def _write(
    domain: str, tx: sqlite3.Connection, file: CsvFile, group: _Group, shelf: Shelf, at: str
) -> list[tuple[tuple[str, int], CsvRow]]:
    """Write one product; the result names it and its variants, each with the row that tells of it."""
    row = group.first
    product_id = stable_id(domain, "product", group.handle)
    try:
        status = STATUSES[row.get("status").lower()]
    except KeyError:
        file.skip(row.line, f"status is not active, draft or archived: {row.get('status')[:40]!r}")
        return []
    names = [name for name in (row.get(f"option{i}_name") for i in (1, 2, 3)) if name] or ["Title"]
    variants: list[tuple[Any, ...]] = []
    sold: list[tuple[str, Sold]] = []
    titles: set[str] = set()
    told: list[tuple[tuple[str, int], CsvRow]] = [(("product", product_id), row)]
    for variant in group.variants:
        try:
            values = _variant(domain, product_id, group.handle, variant, len(variants) + 1, at)
        except RowError as error:
            file.skip(variant.line, str(error))
            continue
        if values[2] in titles:
            file.skip(variant.line, f"the variant {values[2][:60]!r} is in this product already")
            continue
        titles.add(values[2])
        variants.append(values)
        told.append((("variant", values[0]), variant))
        shown = None if values[2] == "Default Title" else values[2]
        sold.append((values[3], Sold(product_id, values[0], row.get("title"), shown)))
    if not variants:
        if not group.variants:
            file.skip(row.line, "the product has no variant")
        return []
    listed = row.get("published").lower() not in NO and status != "DRAFT"
    tags = [tag for tag in (part.strip() for part in row.get("tags").split(",")) if tag]
    tx.execute(
        insert_sql("products"),
        (
            product_id, group.handle, row.get("title"), row.get("body"), row.get("type"), row.get("vendor"), status,
            json.dumps(tags), row.get("category"), json.dumps(names), at, at if listed else None, at,
            group.image or None, int(row.get("gift_card").lower() in YES),
        ),
    )  # fmt: skip
    tx.executemany(insert_sql("variants"), variants)
    shelf.products += 1
    shelf.variants += len(variants)
    for sku, item in sold:
        if sku and sku in shelf.by_sku:
            file.repair(row.line, f"SKU {sku[:60]!r} is used twice: orders are tied to the first variant")
        elif sku:
            shelf.by_sku[sku] = item
        name = f"{item.product_title} - {item.variant_title}" if item.variant_title else item.product_title
        shelf.by_name.setdefault(name, item)
    return told


def _variant(
    domain: str, product_id: int, handle: str, row: CsvRow, position: int, at: str
) -> tuple[int, int, str, str, str, str | None, int, int, str, int, int, str, str]:
    title = " / ".join(
        value for value in (row.get("option1"), row.get("option2"), row.get("option3")) if value
    )
    title = title or "Default Title"
    if not row.get("price"):
        raise RowError("the variant has no price")
    price = decimal_of(row.get("price"), "price")
    compare_at = decimal_of(row.get("compare_at"), "compare-at price") if row.get("compare_at") else None
    if price < 0:
        raise RowError(f"price is negative: {price}")
    tracked = bool(row.get("tracker"))
    available = whole_of(row.get("quantity"), "inventory quantity") if tracked and row.get("quantity") else 0
    variant_id = stable_id(domain, "variant", handle, title)
    policy = "CONTINUE" if row.get("policy").lower() in {"continue", *YES} else "DENY"
    return (
        variant_id, product_id, title, row.get("sku"), money(price),
        None if compare_at is None else money(compare_at), position, stable_id(domain, "inventory_item", variant_id),
        policy, int(tracked), available, at, at,
    )  # fmt: skip
