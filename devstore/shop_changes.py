"""Products, stock, prices, customers, collections, themes and the shop itself, changed as a merchant would."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from devstore.effects import (
    Change,
    ChangeRefusedError,
    RefusalCode,
    found,
    later,
    money,
    move_stock,
    touch_product,
)
from devstore.store import Store, utc_text

STATUSES = ("ACTIVE", "DRAFT", "ARCHIVED")
_SHOP_KEYS = frozenset({"name", "currency", "iana_timezone", "email", "plan", "country"})


def handle_of(title: str) -> str:
    """The URL part that Shopify makes of a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "")).strip("-") or "untitled"


def set_stock(store: Store, variant_id: int, available: int, *, now: datetime) -> list[Change]:
    """Set the absolute stock of a tracked variant. No change when it is so already."""
    if not -(10**9) < available < 10**9:
        raise ChangeRefusedError(RefusalCode.INVALID, "A stock level is below a thousand million.")
    with store.transaction() as tx:
        variant = _variant(tx, variant_id)
        if not variant["tracked"]:
            raise ChangeRefusedError(
                RefusalCode.INVALID, f"The stock of variant {variant_id} is not tracked."
            )
        return move_stock(tx, {variant_id: available - variant["available"]}, now)


def set_price(
    store: Store, variant_id: int, price: str, *, compare_at_price: str | None = None, now: datetime
) -> list[Change]:
    """Set a variant's price, and the old price beside it during a sale."""
    amounts = [_amount(price), None if compare_at_price is None else _amount(compare_at_price)]
    with store.transaction() as tx:
        variant = _variant(tx, variant_id)
        tx.execute(
            "UPDATE variants SET price = ?, compare_at_price = ?, updated_at = ? WHERE id = ?",
            (*amounts, later(now, variant["updated_at"]), variant_id),
        )
        return [touch_product(tx, variant["product_id"], now)]


def set_status(store: Store, product_id: int, status: str, *, now: datetime) -> list[Change]:
    """ACTIVE, DRAFT or ARCHIVED. A product that becomes active for the first time is published."""
    if status not in STATUSES:
        raise ChangeRefusedError(RefusalCode.INVALID, f"A status is one of {', '.join(STATUSES)}.")
    with store.transaction() as tx:
        _product(tx, product_id)
        published = utc_text(now) if status == "ACTIVE" else None
        tx.execute(
            "UPDATE products SET status = ?, published_at = coalesce(published_at, ?) WHERE id = ?",
            (status, published, product_id),
        )
        return [touch_product(tx, product_id, now)]


def set_title(store: Store, product_id: int, title: str, *, now: datetime) -> list[Change]:
    """Rename a product; its handle stays, as links to it must."""
    if not 1 <= len(title) <= 255:
        raise ChangeRefusedError(RefusalCode.INVALID, "A title has between 1 and 255 letters.")
    with store.transaction() as tx:
        _product(tx, product_id)
        tx.execute("UPDATE products SET title = ? WHERE id = ?", (title, product_id))
        return [touch_product(tx, product_id, now)]


def create_product(
    store: Store,
    *,
    title: str,
    price: str,
    now: datetime,
    product_type: str = "",
    vendor: str = "",
    tags: Sequence[str] = (),
    status: str = "ACTIVE",
    available: int | None = 0,
) -> list[Change]:
    """A product with one variant; `available=None` leaves its stock untracked."""
    amount, moment = _amount(price), utc_text(now)
    if status not in STATUSES or not 1 <= len(title) <= 255:
        raise ChangeRefusedError(RefusalCode.INVALID, "A product needs a title and a known status.")
    with store.transaction() as tx:
        handle, copy = handle_of(title), 0
        while tx.execute("SELECT 1 FROM products WHERE handle = ?", (handle,)).fetchone():
            copy += 1
            handle = f"{handle_of(title)}-{copy}"
        product_id, variant_id = store.next_id(tx, "products"), store.next_id(tx, "variants")
        tx.execute(
            "INSERT INTO products (id, handle, title, product_type, vendor, status, tags, created_at, published_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                product_id, handle, title, product_type, vendor, status, json.dumps(list(tags)), moment,
                moment if status == "ACTIVE" else None, moment,
            ),
        )  # fmt: skip
        tx.execute(
            "INSERT INTO variants (id, product_id, title, price, position, inventory_item_id, tracked, available,"
            " created_at, updated_at) VALUES (?, ?, 'Default Title', ?, 1, ?, ?, ?, ?, ?)",
            (
                variant_id, product_id, amount, store.next_id(tx, "inventory_items"), int(available is not None),
                available or 0, moment, moment,
            ),
        )  # fmt: skip
    return [Change("products/create", "product", product_id)]


def delete_product(store: Store, product_id: int) -> list[Change]:
    """Remove a product with its variants; order lines stay and point at nothing, as on Shopify."""
    with store.transaction() as tx:
        _product(tx, product_id)
        touched = tx.execute(
            "SELECT collection_id FROM collection_products WHERE product_id = ?", (product_id,)
        ).fetchall()
        tx.execute(
            "UPDATE order_lines SET product_id = NULL, variant_id = NULL WHERE product_id = ?", (product_id,)
        )
        tx.execute(
            "DELETE FROM metafields WHERE owner_gid = ? OR owner_gid IN"
            " (SELECT 'gid://shopify/ProductVariant/' || id FROM variants WHERE product_id = ?)",
            (f"gid://shopify/Product/{product_id}", product_id),
        )
        tx.execute("DELETE FROM variants WHERE product_id = ?", (product_id,))
        tx.execute("DELETE FROM collection_products WHERE product_id = ?", (product_id,))
        tx.execute("DELETE FROM products WHERE id = ?", (product_id,))
    collections = [Change("collections/update", "collection", row["collection_id"]) for row in touched]
    return [Change("products/delete", "product", product_id), *collections]


def create_customer(
    store: Store, *, email: str, first_name: str = "", last_name: str = "", now: datetime
) -> list[Change]:
    moment = utc_text(now)
    with store.transaction() as tx:
        customer_id = store.next_id(tx, "customers")
        tx.execute(
            "INSERT INTO customers (id, email, first_name, last_name, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (customer_id, email, first_name, last_name, moment, moment),
        )
    return [Change("customers/create", "customer", customer_id)]


def delete_customer(store: Store, customer_id: int) -> list[Change]:
    """Remove a customer; Shopify allows it only for one without orders."""
    with store.transaction() as tx:
        _customer(tx, customer_id)
        if tx.execute("SELECT 1 FROM orders WHERE customer_id = ?", (customer_id,)).fetchone():
            raise ChangeRefusedError(RefusalCode.INVALID, "A customer with orders cannot be deleted.")
        tx.execute("DELETE FROM customers WHERE id = ?", (customer_id,))
    return [Change("customers/delete", "customer", customer_id)]


def merge_customers(store: Store, *, kept: int, deleted: int, now: datetime) -> list[Change]:
    """Give every order of `deleted` to `kept`; the deleted id never comes back."""
    if kept == deleted:
        raise ChangeRefusedError(RefusalCode.INVALID, "A customer cannot be merged with itself.")
    with store.transaction() as tx:
        for customer_id in (kept, deleted):
            _customer(tx, customer_id)
        tx.execute("UPDATE orders SET customer_id = ? WHERE customer_id = ?", (kept, deleted))
        tx.execute("UPDATE customers SET updated_at = max(updated_at, ?) WHERE id = ?", (utc_text(now), kept))
        tx.execute("DELETE FROM customers WHERE id = ?", (deleted,))
    return [Change("customers/merge", "customer", kept, {"kept": kept, "deleted": deleted})]


def create_collection(store: Store, *, title: str, product_ids: Sequence[int], now: datetime) -> list[Change]:
    with store.transaction() as tx:
        collection_id = store.next_id(tx, "collections")
        tx.execute(
            "INSERT INTO collections VALUES (?, ?, ?, ?)",
            (collection_id, f"{handle_of(title)}-{collection_id % 10_000}", title, utc_text(now)),
        )
        for position, product_id in enumerate(product_ids, 1):
            _product(tx, product_id)
            tx.execute(
                "INSERT INTO collection_products VALUES (?, ?, ?)", (collection_id, product_id, position)
            )
    return [Change("collections/create", "collection", collection_id)]


def delete_collection(store: Store, collection_id: int) -> list[Change]:
    with store.transaction() as tx:
        row = tx.execute("SELECT id FROM collections WHERE id = ?", (collection_id,)).fetchone()
        found(row, "collection", collection_id)
        tx.execute("DELETE FROM collection_products WHERE collection_id = ?", (collection_id,))
        tx.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
    return [Change("collections/delete", "collection", collection_id)]


def publish_theme(store: Store, *, name: str | None = None, now: datetime) -> list[Change]:
    """Make another theme the live one: the named one, or a new one."""
    moment = utc_text(now)
    with store.transaction() as tx:
        row = tx.execute("SELECT id FROM themes WHERE name = ?", (name,)).fetchone()
        theme_id = row["id"] if row else store.next_id(tx, "themes")
        if row is None:
            tx.execute(
                "INSERT INTO themes VALUES (?, ?, 'UNPUBLISHED', ?)",
                (theme_id, name or f"Theme {theme_id}", moment),
            )
        tx.execute("UPDATE themes SET role = 'UNPUBLISHED' WHERE role = 'MAIN'")
        tx.execute("UPDATE themes SET role = 'MAIN', updated_at = ? WHERE id = ?", (moment, theme_id))
    return [Change("themes/publish", "theme", theme_id)]


def update_shop(store: Store, values: Mapping[str, str]) -> list[Change]:
    """Change name, currency, time zone, e-mail, plan or country."""
    unknown = set(values) - _SHOP_KEYS
    if unknown:
        raise ChangeRefusedError(RefusalCode.INVALID, f"A shop has no {', '.join(sorted(unknown))}.")
    with store.transaction() as tx:
        tx.executemany(
            "UPDATE shop SET value = ? WHERE key = ?", [(value, key) for key, value in values.items()]
        )
    return [Change("shop/update", "shop", store.facts().shop_id)]


def _amount(text: str) -> str:
    try:
        amount = Decimal(str(text))
    except InvalidOperation as error:
        raise ChangeRefusedError(RefusalCode.INVALID, f"{text!r} is not an amount.") from error
    if not amount.is_finite() or not 0 <= amount < 10**9:
        raise ChangeRefusedError(RefusalCode.INVALID, f"{text!r} is not a price.")
    return money(amount)


def _variant(tx: sqlite3.Connection, variant_id: int) -> sqlite3.Row:
    return found(
        tx.execute("SELECT * FROM variants WHERE id = ?", (variant_id,)).fetchone(), "variant", variant_id
    )


def _product(tx: sqlite3.Connection, product_id: int) -> sqlite3.Row:
    return found(
        tx.execute("SELECT * FROM products WHERE id = ?", (product_id,)).fetchone(), "product", product_id
    )


def _customer(tx: sqlite3.Connection, customer_id: int) -> sqlite3.Row:
    return found(
        tx.execute("SELECT * FROM customers WHERE id = ?", (customer_id,)).fetchone(), "customer", customer_id
    )
