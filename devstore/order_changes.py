"""Orders placed, refunded, edited, cancelled and deleted: money, quantities, stock and status together."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from devstore.effects import Change, ChangeRefusedError, RefusalCode, found, later, money, move_stock
from devstore.exchange import RATES
from devstore.store import Store, utc_text

SHIPPING_FEE = Decimal("3.95")
FREE_SHIPPING_FROM = Decimal(40)
INCLUDED_TAX = Decimal(20) / Decimal(120)  # UK VAT of 20 %, inside the price
MAX_LINES = 500  # Shopify's own limit for one cart
MAX_QUANTITY = 1_000_000


def pairs(values: object) -> list[dict[str, str]]:
    """Properties or attributes in any of Shopify's three shapes as [{"key", "value"}].

    The Ajax API sends {key: value}, webhooks [{"name", "value"}], GraphQL [{"key", "value"}].
    """
    if not values:
        return []
    if isinstance(values, Mapping):
        return [{"key": str(key), "value": str(value)} for key, value in values.items() if value is not None]
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ChangeRefusedError(
            RefusalCode.INVALID, "Properties and attributes are an object or a list of pairs."
        )
    found_pairs = []
    for pair in values:
        key = (pair.get("key") or pair.get("name")) if isinstance(pair, Mapping) else None
        if not key:
            raise ChangeRefusedError(RefusalCode.INVALID, "Each property needs a key and a value.")
        found_pairs.append({"key": str(key), "value": str(pair.get("value") or "")})
    return found_pairs


def place_order(
    store: Store,
    *,
    lines: Sequence[Mapping[str, Any]],
    attributes: object = None,
    customer_id: int | None = None,
    now: datetime,
    test: bool = False,
    cart_token: str | None = None,
    customer_locale: str = "en",
    presentment_currency: str | None = None,
) -> list[Change]:
    """A paid order for `lines` [{"variant_id", "quantity", "properties"}]; tracked stock goes down.

    The first change is `orders/create` with the order's id. Refused as a whole when a variant is unknown,
    unpublished, or sold out with the policy DENY.
    """
    wanted = [_wanted(line) for line in lines]
    if not 1 <= len(wanted) <= MAX_LINES:
        raise ChangeRefusedError(RefusalCode.INVALID, f"An order has between 1 and {MAX_LINES} lines.")
    if presentment_currency is not None and presentment_currency not in RATES:
        raise ChangeRefusedError(RefusalCode.INVALID, f"There is no rate for {presentment_currency!r} here.")
    order_attributes = pairs(attributes)
    moment = utc_text(now)
    with store.transaction() as tx:
        if customer_id is not None:
            found(
                tx.execute("SELECT id FROM customers WHERE id = ?", (customer_id,)).fetchone(),
                "customer",
                customer_id,
            )
        variants = _sellable(tx, wanted)
        order_id, number = store.next_id(tx, "orders"), store.next_id(tx, "order_number")
        values = store.values()
        subtotal = sum((Decimal(variants[v]["price"]) * q for v, q, _ in wanted), Decimal(0))
        ships = any(not variants[v]["is_gift_card"] for v, _, _ in wanted)
        shipping = SHIPPING_FEE if ships and subtotal < FREE_SHIPPING_FROM else Decimal(0)
        tx.execute(
            "INSERT INTO orders (id, name, number, customer_id, created_at, processed_at, updated_at, test, currency,"
            " presentment_currency, financial_status, fulfillment_status, source_name, cart_token, checkout_token,"
            " subtotal, total, total_shipping, total_tax, attributes, customer_locale, country_code)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'PAID', 'UNFULFILLED', 'web', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order_id, f"#{number}", number, customer_id, moment, moment, moment, int(test), values["currency"],
                presentment_currency or values["currency"], cart_token or secrets.token_hex(16), secrets.token_hex(16), money(subtotal),
                money(subtotal + shipping), money(shipping), money((subtotal + shipping) * INCLUDED_TAX),
                json.dumps(order_attributes), customer_locale, values["country"],
            ),
        )  # fmt: skip
        for position, (variant_id, quantity, properties) in enumerate(wanted, 1):
            variant = variants[variant_id]
            price = money(Decimal(variant["price"]))
            gift_card = variant["is_gift_card"]
            tx.execute(
                "INSERT INTO order_lines (id, order_id, position, product_id, variant_id, title, variant_title, sku,"
                " vendor, quantity, current_quantity, price, discounted_price, properties, gift_card,"
                " requires_shipping) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    store.next_id(tx, "order_lines"), order_id, position, variant["product_id"], variant_id,
                    variant["product_title"], None if variant["title"] == "Default Title" else variant["title"],
                    variant["sku"], variant["vendor"], quantity, quantity, price, price, json.dumps(properties),
                    gift_card, 1 - gift_card,
                ),
            )  # fmt: skip
        taken: Counter[int] = Counter()
        for variant_id, quantity, _ in wanted:
            taken[variant_id] -= quantity
        order = [Change("orders/create", "order", order_id), Change("orders/paid", "order", order_id)]
        return order + move_stock(tx, taken, now)


def refund(
    store: Store,
    order_id: int,
    quantities: Mapping[int, int] | None = None,
    *,
    now: datetime,
    restock: bool = True,
    note: str | None = None,
) -> list[Change]:
    """Give money back for `quantities` by order line id, or for all that is left, shipping included."""
    with store.transaction() as tx:
        order = found(
            tx.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone(), "order", order_id
        )
        if order["cancelled_at"]:
            raise ChangeRefusedError(
                RefusalCode.INVALID, f"Order {order['name']} was cancelled and refunded."
            )
        restock_type = "RETURN" if restock else "NO_RESTOCK"
        changes = _give_back(store, tx, order, quantities, now, restock_type=restock_type, note=note)
        return [*changes[:1], Change("orders/updated", "order", order_id), *changes[1:]]


def cancel(store: Store, order_id: int, *, now: datetime, reason: str = "CUSTOMER") -> list[Change]:
    """Cancel an order: what is left of it is refunded and put back on the shelf."""
    with store.transaction() as tx:
        order = found(
            tx.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone(), "order", order_id
        )
        if order["cancelled_at"]:
            raise ChangeRefusedError(RefusalCode.INVALID, f"Order {order['name']} is cancelled already.")
        changes: list[Change] = []
        if order["financial_status"] in {"PAID", "PARTIALLY_REFUNDED"}:
            changes = _give_back(store, tx, order, None, now, restock_type="CANCEL", note=None)
        else:
            rows = tx.execute("SELECT * FROM order_lines WHERE order_id = ?", (order_id,)).fetchall()
            changes = move_stock(tx, _stock_of((row, row["current_quantity"]) for row in rows), now)
            tx.execute("UPDATE order_lines SET current_quantity = 0 WHERE order_id = ?", (order_id,))
            if order["financial_status"] in {"PENDING", "AUTHORIZED"}:
                tx.execute("UPDATE orders SET financial_status = 'VOIDED' WHERE id = ?", (order_id,))
        moment = later(now, order["updated_at"])
        tx.execute(
            "UPDATE orders SET cancelled_at = ?, cancel_reason = ?, closed_at = ?, updated_at = ? WHERE id = ?",
            (moment, reason, moment, moment, order_id),
        )
        told = [Change("orders/cancelled", "order", order_id), Change("orders/updated", "order", order_id)]
        return told + changes


def edit_order(store: Store, order_id: int, quantities: Mapping[int, int], *, now: datetime) -> list[Change]:
    """Lower the quantity of lines before delivery: no refund, `quantity` stays, `current_quantity` falls."""
    with store.transaction() as tx:
        order = found(
            tx.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone(), "order", order_id
        )
        if order["cancelled_at"]:
            raise ChangeRefusedError(RefusalCode.INVALID, f"Order {order['name']} is cancelled.")
        removed: list[tuple[sqlite3.Row, int]] = []
        lost = Decimal(0)
        for line_id, quantity in quantities.items():
            line = _line(tx, order_id, line_id)
            if not 0 <= quantity <= line["current_quantity"]:
                raise ChangeRefusedError(RefusalCode.INVALID, "An edit here can only lower a quantity.")
            removed.append((line, line["current_quantity"] - quantity))
            lost += Decimal(line["discounted_price"]) * (line["current_quantity"] - quantity)
            tx.execute("UPDATE order_lines SET current_quantity = ? WHERE id = ?", (quantity, line_id))
        tx.execute(
            "UPDATE orders SET subtotal = ?, total = ?, updated_at = ? WHERE id = ?",
            (
                money(Decimal(order["subtotal"]) - lost),
                money(Decimal(order["total"]) - lost),
                later(now, order["updated_at"]),
                order_id,
            ),
        )
        removals = [{"id": line["id"], "delta": delta} for line, delta in removed]
        edited = Change(
            "orders/edited", "order", order_id, {"removals": removals, "at": later(now, order["updated_at"])}
        )
        told = [edited, Change("orders/updated", "order", order_id)]
        return told + move_stock(tx, _stock_of(removed), now)


def delete_order(store: Store, order_id: int) -> list[Change]:
    """Remove an order with its lines and refunds, as a merchant does with test orders."""
    with store.transaction() as tx:
        found(tx.execute("SELECT id FROM orders WHERE id = ?", (order_id,)).fetchone(), "order", order_id)
        tx.execute(
            "DELETE FROM refund_lines WHERE refund_id IN (SELECT id FROM refunds WHERE order_id = ?)",
            (order_id,),
        )
        tx.execute("DELETE FROM refunds WHERE order_id = ?", (order_id,))
        tx.execute("DELETE FROM order_lines WHERE order_id = ?", (order_id,))
        tx.execute("DELETE FROM orders WHERE id = ?", (order_id,))
    return [Change("orders/delete", "order", order_id)]


def _wanted(line: Mapping[str, Any]) -> tuple[int, int, list[dict[str, str]]]:
    try:
        variant_id, quantity = int(line["variant_id"]), int(line.get("quantity", 1))
    except (KeyError, TypeError, ValueError) as error:
        raise ChangeRefusedError(
            RefusalCode.INVALID, "Each line needs a variant_id and a quantity."
        ) from error
    if not 1 <= quantity <= MAX_QUANTITY or not 0 < variant_id < 2**63:
        raise ChangeRefusedError(RefusalCode.INVALID, f"A quantity is between 1 and {MAX_QUANTITY}.")
    return variant_id, quantity, pairs(line.get("properties"))


def _sellable(tx: sqlite3.Connection, wanted: Iterable[tuple[int, int, object]]) -> dict[int, sqlite3.Row]:
    """The variants with what a line needs of their product; refuses what the storefront would refuse."""
    totals: Counter[int] = Counter()
    for variant_id, quantity, _ in wanted:
        totals[variant_id] += quantity
    variants = {}
    for variant_id, quantity in totals.items():
        row = tx.execute(
            "SELECT v.*, p.title AS product_title, p.vendor, p.is_gift_card, p.status, p.published_at"
            " FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = ?",
            (variant_id,),
        ).fetchone()
        variant = found(row, "variant", variant_id)
        if variant["status"] != "ACTIVE" or variant["published_at"] is None:
            raise ChangeRefusedError(RefusalCode.NOT_FOUND, f"{variant['product_title']} is not for sale.")
        short = variant["tracked"] and variant["available"] < quantity
        if short and variant["inventory_policy"] == "DENY":
            raise ChangeRefusedError(
                RefusalCode.SOLD_OUT,
                f"Only {max(variant['available'], 0)} of {variant['product_title']} left.",
            )
        variants[variant_id] = variant
    return variants


def _line(tx: sqlite3.Connection, order_id: int, line_id: int) -> sqlite3.Row:
    row = tx.execute(
        "SELECT * FROM order_lines WHERE id = ? AND order_id = ?", (line_id, order_id)
    ).fetchone()
    return found(row, "order line", line_id)


def _stock_of(lines: Iterable[tuple[sqlite3.Row, int]]) -> Counter[int]:
    back: Counter[int] = Counter()
    for line, quantity in lines:
        if line["variant_id"] is not None:
            back[line["variant_id"]] += quantity
    return back


def _give_back(
    store: Store,
    tx: sqlite3.Connection,
    order: sqlite3.Row,
    quantities: Mapping[int, int] | None,
    now: datetime,
    *,
    restock_type: str,
    note: str | None,
) -> list[Change]:
    """Write one refund and its effects on the order; the first change is `refunds/create`."""
    left = Decimal(order["total"]) - Decimal(order["total_refunded"])
    if quantities is None:
        rows = tx.execute(
            "SELECT * FROM order_lines WHERE order_id = ? AND current_quantity > 0 ORDER BY position",
            (order["id"],),
        ).fetchall()
        returned = [(row, int(row["current_quantity"])) for row in rows]
    else:
        returned = [(_line(tx, order["id"], line_id), quantity) for line_id, quantity in quantities.items()]
    for line, quantity in returned:
        if not 1 <= quantity <= line["current_quantity"]:
            raise ChangeRefusedError(
                RefusalCode.INVALID,
                f"Of line {line['id']} at most {line['current_quantity']} can be refunded.",
            )
    if not returned and left <= 0:
        raise ChangeRefusedError(RefusalCode.INVALID, f"Nothing of order {order['name']} is left to refund.")
    refund_id, moment = store.next_id(tx, "refunds"), later(now, order["updated_at"])
    amount = Decimal(0)
    for line, quantity in returned:
        subtotal = _worth(line, quantity)
        amount += subtotal
        tx.execute(
            "INSERT INTO refund_lines VALUES (?, ?, ?, ?, ?, ?)",
            (
                store.next_id(tx, "refund_lines"),
                refund_id,
                line["id"],
                quantity,
                money(subtotal),
                restock_type,
            ),
        )
        tx.execute(
            "UPDATE order_lines SET current_quantity = current_quantity - ? WHERE id = ?",
            (quantity, line["id"]),
        )
    amount = left if quantities is None else min(amount, left)
    refunded = Decimal(order["total_refunded"]) + amount
    restock = restock_type != "NO_RESTOCK"
    tx.execute(
        "INSERT INTO refunds VALUES (?, ?, ?, ?, ?, ?)",
        (refund_id, order["id"], moment, money(amount), note, int(restock)),
    )
    status = "REFUNDED" if refunded >= Decimal(order["total"]) else "PARTIALLY_REFUNDED"
    tx.execute(
        "UPDATE orders SET total_refunded = ?, financial_status = ?, updated_at = ? WHERE id = ?",
        (money(refunded), status, moment, order["id"]),
    )
    stock = move_stock(tx, _stock_of(returned), now) if restock else []
    return [Change("refunds/create", "refund", refund_id), *stock]


def _worth(line: sqlite3.Row, quantity: int) -> Decimal:
    """What the buyer paid for `quantity` units: the last units take the rounding remainder of the discount."""
    whole = Decimal(line["price"]) * line["quantity"] - Decimal(line["total_discount"])
    before = line["quantity"] - line["current_quantity"]
    share = [Decimal(money(whole * units / line["quantity"])) for units in (before, before + quantity)]
    return share[1] - share[0]
