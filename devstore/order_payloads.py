"""Webhook bodies of orders and refunds, in the shape of Shopify's REST resources.

They carry e-mail, name, phone and address of the buyer, since Shopify sends them to an app that has
protected customer data: the app has to show that it leaves them behind.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from devstore.effects import money
from devstore.exchange import converted
from devstore.store import ShopFacts, Store, utc_time

Body = dict[str, Any]


def shop_time(text: str | None, facts: ShopFacts) -> str | None:
    """A stored UTC time as webhooks write it: ISO 8601 with the shop's own offset."""
    return None if text is None else utc_time(text).astimezone(ZoneInfo(facts.iana_timezone)).isoformat()


def gid(kind: str, object_id: int) -> str:
    return f"gid://shopify/{kind}/{object_id}"


def money_set(amount: str, currency: str, presentment: str | None = None) -> Body:
    shown = presentment or currency
    return {
        "shop_money": {"amount": amount, "currency_code": currency},
        "presentment_money": {"amount": converted(amount, currency, shown), "currency_code": shown},
    }


def order_body(store: Store, order_id: int) -> Body:
    """An order as orders/create, updated, paid and cancelled send it. An order that is gone: only its id."""
    order = store.one("SELECT * FROM orders WHERE id = ?", (order_id,))
    if order is None:
        return {"id": order_id}
    facts = store.facts()
    currency = order["currency"]
    lines = store.read("SELECT * FROM order_lines WHERE order_id = ? ORDER BY position", (order_id,))
    line_bodies = [line_body(line, currency) for line in lines]
    kept = sum(
        (_net(line) * line["current_quantity"] / max(line["quantity"], 1) for line in lines), Decimal(0)
    )
    current_total = Decimal(order["total"]) - Decimal(order["total_refunded"])
    amounts = {
        "subtotal_price": order["subtotal"],
        "total_price": order["total"],
        "total_tax": order["total_tax"],
        "total_discounts": order["total_discounts"],
        "total_line_items_price": money(
            sum((Decimal(x["price"]) * x["quantity"] for x in lines), Decimal(0))
        ),
        "current_subtotal_price": money(kept),
        "current_total_price": money(current_total),
        "current_total_tax": money(_share(order["total_tax"], current_total, order["total"])),
        "current_total_discounts": money(_share(order["total_discounts"], current_total, order["total"])),
    }
    shown = order["presentment_currency"]
    sets = {f"{name}_set": money_set(amount, currency, shown) for name, amount in amounts.items()}
    customer = _customer_of(store, order["customer_id"], facts)
    address = _address(customer, order["country_code"] or facts.country)
    status = order["fulfillment_status"].lower()
    return {
        "id": order_id,
        "admin_graphql_api_id": gid("Order", order_id),
        "app_id": 580111,
        "name": order["name"],
        "number": order["number"] - 1000,
        "order_number": order["number"],
        "token": order["checkout_token"],
        "cart_token": order["cart_token"],
        "checkout_token": order["checkout_token"],
        "checkout_id": order_id + 30_000_000_000_000,
        "confirmation_number": f"{order_id % 36**9:09X}",
        "confirmed": True,
        "created_at": shop_time(order["created_at"], facts),
        "processed_at": shop_time(order["processed_at"], facts),
        "updated_at": shop_time(order["updated_at"], facts),
        "cancelled_at": shop_time(order["cancelled_at"], facts),
        "cancel_reason": order["cancel_reason"].lower() if order["cancel_reason"] else None,
        "closed_at": shop_time(order["closed_at"], facts),
        "test": bool(order["test"]),
        "currency": currency,
        "presentment_currency": order["presentment_currency"],
        "financial_status": order["financial_status"].lower(),
        "fulfillment_status": None if status == "unfulfilled" else status.removesuffix("ly_fulfilled"),
        "source_name": order["source_name"],
        "source_identifier": None,
        "source_url": None,
        "landing_site": "/",
        "referring_site": None,
        "customer_locale": order["customer_locale"],
        "buyer_accepts_marketing": False,
        "contact_email": customer["email"] if customer else None,
        "email": customer["email"] if customer else "",
        "phone": customer["phone"] if customer else None,
        "browser_ip": "203.0.113.7",
        "client_details": {"browser_ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "accept_language": "en"},
        "note": order["note"],
        "note_attributes": _named(order["attributes"]),
        "tags": ", ".join(json.loads(order["tags"])),
        **_discounts(order),
        **amounts,
        **sets,
        "total_shipping_price_set": money_set(order["total_shipping"], currency),
        "total_outstanding": "0.00",
        "total_tip_received": "0.00",
        "total_weight": 0,
        "taxes_included": True,
        "duties_included": False,
        "estimated_taxes": False,
        "tax_lines": [],
        "shipping_lines": _shipping(order, currency),
        "payment_gateway_names": ["bogus"],
        "payment_terms": None,
        "po_number": None,
        "user_id": None,
        "location_id": None,
        "company": None,
        "merchant_business_entity_id": "MTYwMDAwMDAwMDA",
        "merchant_of_record_app_id": None,
        "order_status_url": f"https://{facts.domain}/orders/{order['checkout_token']}/authenticate",
        "customer": customer,
        "billing_address": address,
        "shipping_address": address,
        "fulfillments": [],
        "refunds": [
            refund_body(store, row["id"])
            for row in store.read(
                "SELECT id FROM refunds WHERE order_id = ? ORDER BY created_at, id", (order_id,)
            )
        ],
        "line_items": line_bodies,
    }


def line_body(line: sqlite3.Row, currency: str) -> Body:
    discount = line["total_discount"]
    allocations = []
    if Decimal(discount):
        allocations.append(
            {"amount": discount, "amount_set": money_set(discount, currency), "discount_application_index": 0}
        )
    variant_title = line["variant_title"]
    return {
        "id": line["id"],
        "admin_graphql_api_id": gid("LineItem", line["id"]),
        "product_id": line["product_id"],
        "variant_id": line["variant_id"],
        "title": line["title"],
        "name": f"{line['title']} - {variant_title}" if variant_title else line["title"],
        "variant_title": variant_title,
        "sku": line["sku"],
        "vendor": line["vendor"],
        "quantity": line["quantity"],
        "current_quantity": line["current_quantity"],
        "fulfillable_quantity": line["current_quantity"],
        "fulfillment_status": None,
        "gift_card": bool(line["gift_card"]),
        "grams": 0,
        "price": line["price"],
        "price_set": money_set(line["price"], currency),
        "total_discount": "0.00",
        "total_discount_set": money_set("0.00", currency),
        "discount_allocations": allocations,
        "taxable": True,
        "tax_lines": [],
        "duties": [],
        "product_exists": line["product_id"] is not None,
        "requires_shipping": bool(line["requires_shipping"]),
        "variant_inventory_management": "shopify",
        "fulfillment_service": "manual",
        "properties": _named(line["properties"]),
        "attributed_staffs": [],
        "sales_line_item_group_id": None,
    }


def refund_body(store: Store, refund_id: int) -> Body:
    """A refund as refunds/create sends it. One without lines is an amount given back on the whole order."""
    refund = store.one(
        "SELECT r.*, o.currency FROM refunds r JOIN orders o ON o.id = r.order_id WHERE r.id = ?",
        (refund_id,),
    )
    if refund is None:
        return {"id": refund_id}
    facts, currency = store.facts(), refund["currency"]
    rows = store.read("SELECT * FROM refund_lines WHERE refund_id = ? ORDER BY id", (refund_id,))
    of_order: defaultdict[int, Body] = defaultdict(dict)
    for line in store.read("SELECT * FROM order_lines WHERE order_id = ?", (refund["order_id"],)):
        of_order[line["id"]] = line_body(line, currency)
    location = store.one("SELECT id FROM locations ORDER BY id LIMIT 1")
    created = shop_time(refund["created_at"], facts)
    on_lines = sum((Decimal(row["subtotal"]) for row in rows), Decimal(0))
    rest = Decimal(refund["amount"]) - on_lines
    adjustments = []
    if rest:
        adjustments.append(
            {"id": refund_id + 1, "order_id": refund["order_id"], "refund_id": refund_id, "amount": money(-rest),
             "tax_amount": "0.00", "kind": "refund_discrepancy", "reason": "Refund discrepancy"}
        )  # fmt: skip
    return {
        "id": refund_id,
        "admin_graphql_api_id": gid("Refund", refund_id),
        "order_id": refund["order_id"],
        "created_at": created,
        "processed_at": created,
        "note": refund["note"],
        "restock": bool(refund["restock"]),
        "user_id": None,
        "refund_line_items": [
            {
                "id": row["id"],
                "line_item_id": row["order_line_id"],
                "quantity": row["quantity"],
                "restock_type": row["restock_type"].lower(),
                "location_id": location["id"] if location and row["restock_type"] != "NO_RESTOCK" else None,
                "subtotal": row["subtotal"],
                "subtotal_set": money_set(row["subtotal"], currency),
                "total_tax": "0.00",
                "total_tax_set": money_set("0.00", currency),
                "line_item": of_order[row["order_line_id"]],
            }
            for row in rows
        ],
        "transactions": [
            {"id": refund_id + 2, "order_id": refund["order_id"], "amount": refund["amount"], "kind": "refund",
             "status": "success", "currency": currency, "gateway": "bogus", "created_at": created, "test": False}
        ],
        "order_adjustments": adjustments,
        "refund_shipping_lines": [],
        "duties": [],
    }  # fmt: skip


def order_edit_body(store: Store, order_id: int, extra: Mapping[str, Any]) -> Body:
    """orders/edited tells the edit, not the order."""
    committed = shop_time(extra["at"], store.facts()) if extra.get("at") else None
    return {
        "order_edit": {
            "id": order_id + 5,
            "app_id": None,
            "order_id": order_id,
            "created_at": committed,
            "committed_at": committed,
            "notify_customer": False,
            "staff_note": "",
            "user_id": None,
            "line_items": {"additions": [], "removals": list(extra.get("removals", ()))},
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
    }


def customer_body(store: Store, customer_id: int, facts: ShopFacts) -> Body | None:
    """A customer as customers/create and update send it, and as an order embeds it."""
    row = store.one("SELECT * FROM customers WHERE id = ?", (customer_id,))
    if row is None:
        return None
    return {
        "id": customer_id,
        "admin_graphql_api_id": gid("Customer", customer_id),
        "email": row["email"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "phone": row["phone"],
        "created_at": shop_time(row["created_at"], facts),
        "updated_at": shop_time(row["updated_at"], facts),
        "state": row["state"].lower(),
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "tags": "",
        "currency": facts.currency,
        "tax_exemptions": [],
        "default_address": _address(dict(row), facts.country),
    }


def _customer_of(store: Store, customer_id: int | None, facts: ShopFacts) -> Body | None:
    return None if customer_id is None else customer_body(store, customer_id, facts)


def _address(customer: Mapping[str, Any] | None, country: str) -> Body | None:
    if customer is None:
        return None
    first, last = customer["first_name"], customer["last_name"]
    return {
        "first_name": first,
        "last_name": last,
        "name": " ".join(part for part in (first, last) if part),
        "address1": "1 Example Street",
        "address2": None,
        "city": "Exampleton",
        "zip": "EX1 1EX",
        "province": None,
        "country": country,
        "country_code": country,
        "phone": customer["phone"],
        "company": None,
    }


def _named(text: str) -> list[dict[str, str]]:
    pairs: Sequence[Mapping[str, str]] = json.loads(text)
    return [{"name": pair["key"], "value": pair["value"]} for pair in pairs]


def _net(line: sqlite3.Row) -> Decimal:
    return Decimal(line["price"]) * int(line["quantity"]) - Decimal(line["total_discount"])


def _share(amount: str, part: Decimal, whole: str) -> Decimal:
    return Decimal(amount) * part / Decimal(whole) if Decimal(whole) else Decimal(0)


def _discounts(order: sqlite3.Row) -> Body:
    code, amount = order["discount_code"], order["total_discounts"]
    if not Decimal(amount):
        return {"discount_codes": [], "discount_applications": []}
    application = {
        "type": "discount_code" if code else "automatic",
        "title": code or "Offer",
        "value": amount,
        "value_type": "fixed_amount",
        "allocation_method": "across",
        "target_selection": "all",
        "target_type": "line_item",
    }
    codes = [{"code": code, "amount": amount, "type": "fixed_amount"}] if code else []
    return {
        "discount_codes": codes,
        "discount_applications": [application | ({"code": code} if code else {})],
    }


def _shipping(order: sqlite3.Row, currency: str) -> list[Body]:
    amount = order["total_shipping"]
    if not Decimal(amount):
        return []
    return [
        {"id": order["id"] + 3, "code": "Standard", "title": "Standard", "price": amount,
         "price_set": money_set(amount, currency), "discounted_price": amount, "source": "shopify", "tax_lines": []}
    ]  # fmt: skip
