"""Carts: rows of the store's `carts` table, shown in the shape of Shopify's Ajax API."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from devstore.pages.catalog import Json, available, cents
from devstore.pages.requests import PageRefusedError, whole
from devstore.store import Store, utc_text

MAX_LINES = 500  # Shopify's own limit for one cart
MAX_QUANTITY = 1_000_000
MAX_TEXT = 2000
MAX_PAIRS = 60


@dataclass
class Line:
    variant_id: int
    quantity: int
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Names the line: two lines of a variant differ by their properties."""
        text = json.dumps(self.properties, sort_keys=True)
        return f"{self.variant_id}:{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"


@dataclass
class Cart:
    token: str
    lines: list[Line] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    stored: bool = False


def read_cart(store: Store, token: str | None) -> Cart:
    """The cart of this token, or an empty new one for a token that is absent or unknown."""
    row = store.one("SELECT * FROM carts WHERE token = ?", (token,)) if token else None
    return _cart(row)


def change_cart(store: Store, token: str | None, change: Callable[[Cart], None], *, now: datetime) -> Cart:
    """Read, change and write in one transaction. A change that raises writes nothing."""
    with store.transaction() as tx:
        row = tx.execute("SELECT * FROM carts WHERE token = ?", (token,)).fetchone() if token else None
        cart = _cart(row)
        change(cart)
        lines = [vars(line) for line in cart.lines]
        tx.execute(
            "INSERT INTO carts (token, created_at, updated_at, lines, attributes) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (token) DO UPDATE SET updated_at = excluded.updated_at, lines = excluded.lines,"
            " attributes = excluded.attributes",
            (cart.token, utc_text(now), utc_text(now), json.dumps(lines), json.dumps(cart.attributes)),
        )
    return cart


def take_cart(store: Store, token: str | None) -> Cart:
    """Read the cart and remove it in one step, so that it is checked out once."""
    with store.transaction() as tx:
        row = tx.execute("DELETE FROM carts WHERE token = ? RETURNING *", (token or "",)).fetchone()
    return _cart(row)


def put_back(store: Store, cart: Cart, *, now: datetime) -> None:
    """Return a cart that could not be checked out."""

    def restore(found: Cart) -> None:
        found.token, found.lines, found.attributes = cart.token, cart.lines, cart.attributes

    change_cart(store, cart.token, restore, now=now)


def _cart(row: sqlite3.Row | None) -> Cart:
    if row is None:
        return Cart(secrets.token_hex(16))
    lines = [Line(**line) for line in json.loads(row["lines"])]
    return Cart(row["token"], lines, json.loads(row["attributes"]), stored=True)


def text_pairs(value: object, *, what: str) -> dict[str, str]:
    """Properties or attributes {key: value} as texts. Raises PageRefusedError (422)."""
    if value in (None, "", []):
        return {}
    if not isinstance(value, Mapping) or len(value) > MAX_PAIRS:
        raise PageRefusedError(
            422, f"{what} must be an object of at most {MAX_PAIRS} texts.", title="Cart Error"
        )
    found = {}
    for key, item in value.items():
        if isinstance(item, (dict, list)) or not 0 < len(str(key)) <= 255 or len(str(item)) > MAX_TEXT:
            raise PageRefusedError(422, f"{what} must be short texts.", title="Cart Error")
        found[str(key)] = "" if item is None else str(item)
    return found


def add_item(store: Store, cart: Cart, item: Mapping[str, Any]) -> Line:
    """Add one {id, quantity, properties}; refused as Shopify does when unknown or sold out."""
    variant_id = whole(item.get("id"), what="id", least=1)
    quantity = whole(item.get("quantity", 1) or 1, what="quantity", least=1, most=MAX_QUANTITY)
    line = Line(variant_id, quantity, text_pairs(item.get("properties"), what="properties"))
    variant = _sellable(store, variant_id)
    same = next((known for known in cart.lines if known.key == line.key), None)
    in_cart = sum(known.quantity for known in cart.lines if known.variant_id == variant_id)
    _check_stock(variant, in_cart + quantity)
    if same is not None:
        same.quantity = min(same.quantity + quantity, MAX_QUANTITY)
        return same
    if len(cart.lines) >= MAX_LINES:
        raise PageRefusedError(422, f"A cart holds {MAX_LINES} lines at most.", title="Cart Error")
    cart.lines.insert(0, line)
    return line


def set_quantity(store: Store, cart: Cart, line: Line, quantity: int) -> None:
    """0 removes the line."""
    if quantity == 0:
        cart.lines.remove(line)
        return
    others = sum(
        known.quantity for known in cart.lines if known.variant_id == line.variant_id and known is not line
    )
    if quantity > line.quantity:
        _check_stock(_sellable(store, line.variant_id), others + quantity)
    line.quantity = quantity


def find_line(cart: Cart, name: object) -> Line:
    """The line of a key or a variant id. Raises PageRefusedError (422)."""
    for line in cart.lines:
        if str(name) in (line.key, str(line.variant_id)):
            return line
    raise PageRefusedError(422, "There is no such line in the cart.", title="Cart Error")


def _sellable(store: Store, variant_id: int) -> sqlite3.Row:
    row = store.one(
        "SELECT v.*, p.title AS product_title, p.status, p.published_at FROM variants v"
        " JOIN products p ON p.id = v.product_id WHERE v.id = ?",
        (variant_id,),
    )
    if row is None or row["status"] != "ACTIVE" or row["published_at"] is None:
        raise PageRefusedError(422, "Cannot find variant", title="Cart Error")
    return row


def _check_stock(variant: sqlite3.Row, quantity: int) -> None:
    if not available(variant):
        text = f"The product '{variant['product_title']}' is already sold out."
        raise PageRefusedError(422, text, title="Cart Error")
    if variant["tracked"] and variant["inventory_policy"] == "DENY" and quantity > variant["available"]:
        text = f"You can only add {variant['available']} of {variant['product_title']} to the cart."
        raise PageRefusedError(422, text, title="Cart Error")


def cart_json(store: Store, cart: Cart, *, currency: str) -> Json:
    """The cart as `/cart.js`, and as the Liquid object `cart`. Lines of deleted variants are left out."""
    items = [item for line in cart.lines if (item := line_json(store, line)) is not None]
    total = sum(item["line_price"] for item in items)
    return {
        "token": cart.token,
        "note": None,
        "attributes": cart.attributes,
        "original_total_price": total,
        "total_price": total,
        "total_discount": 0,
        "total_weight": 0,
        "item_count": sum(item["quantity"] for item in items),
        "items": items,
        "requires_shipping": any(item["requires_shipping"] for item in items),
        "currency": currency,
        "items_subtotal_price": total,
        "cart_level_discount_applications": [],
    }


def line_json(store: Store, line: Line) -> Json | None:
    row = store.one(
        "SELECT v.*, p.title AS product_title, p.handle, p.vendor, p.product_type, p.is_gift_card, p.image_url,"
        " p.body_html, (SELECT count(*) FROM variants o WHERE o.product_id = p.id) AS siblings"
        " FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = ?",
        (line.variant_id,),
    )
    if row is None:
        return None
    price = cents(row["price"]) or 0
    single = row["siblings"] == 1
    image = row["image_url"] or f"/cdn/images/{row['product_id']}.svg"
    return {
        "id": line.variant_id,
        "properties": line.properties,
        "quantity": line.quantity,
        "variant_id": line.variant_id,
        "key": line.key,
        "title": row["product_title"] if single else f"{row['product_title']} - {row['title']}",
        "price": price,
        "original_price": price,
        "discounted_price": price,
        "final_price": price,
        "line_price": price * line.quantity,
        "original_line_price": price * line.quantity,
        "final_line_price": price * line.quantity,
        "total_discount": 0,
        "discounts": [],
        "sku": row["sku"],
        "grams": 0,
        "vendor": row["vendor"],
        "taxable": True,
        "product_id": row["product_id"],
        "product_has_only_default_variant": single,
        "gift_card": bool(row["is_gift_card"]),
        "requires_shipping": not row["is_gift_card"],
        "url": f"/products/{row['handle']}?variant={line.variant_id}",
        "image": image,
        "featured_image": {
            "url": image,
            "alt": row["product_title"],
            "aspect_ratio": 1.0,
            "width": 600,
            "height": 600,
        },
        "handle": row["handle"],
        "product_type": row["product_type"],
        "product_title": row["product_title"],
        "product_description": row["body_html"],
        "variant_title": None if single else row["title"],
        "variant_options": row["title"].split(" / "),
        "line_level_discount_allocations": [],
    }
