"""Customer. Personal fields are answered as Shopify answers a custom app; asking for them is the app's own affair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devstore.resolvers.fields import (
    Args,
    Computed,
    Field,
    One,
    Reader,
    Row,
    TypeTable,
    Value,
    by_number,
    columns,
    constant,
    identity,
    money_v2,
    rows_by,
)
from devstore.resolvers.metafields import metafield_fields
from devstore.resolvers.orders import CUSTOMER_ORDERS
from devstore.resolvers.paging import Source, nested, root
from devstore.search import Kind, SearchField

CUSTOMERS = Source(
    table="customers",
    sorts={
        "ID": "id",
        "CREATED_AT": "created_at",
        "UPDATED_AT": "updated_at",
        "NAME": "coalesce(last_name, '')",
        "RELEVANCE": "id",
    },
    fields={
        "id": SearchField(Kind.ID, "id"),
        "created_at": SearchField(Kind.DATE, "created_at"),
        "customer_date": SearchField(Kind.DATE, "created_at"),
        "updated_at": SearchField(Kind.DATE, "updated_at"),
        "state": SearchField(Kind.ENUM, "state"),
        "email": SearchField(Kind.TEXT, "email"),
        "first_name": SearchField(Kind.TEXT, "first_name"),
        "last_name": SearchField(Kind.TEXT, "last_name"),
        "phone": SearchField(Kind.TEXT, "phone"),
        "orders_count": SearchField(
            Kind.NUMBER, "(SELECT count(*) FROM orders o WHERE o.customer_id = customers.id)"
        ),
    },
    word="coalesce(first_name, '') || ' ' || coalesce(last_name, '')",
)
_LAST_ORDER = (
    "SELECT o.* FROM orders o JOIN (SELECT customer_id AS c, max(id) AS last FROM orders"
    " WHERE customer_id IN (SELECT value FROM json_each(?)) GROUP BY customer_id) ON o.id = last"
)
_SPENT = (
    "SELECT customer_id, count(*) AS n, sum(CAST(total AS REAL) - CAST(total_refunded AS REAL)) AS spent FROM orders"
    " WHERE customer_id IN (SELECT value FROM json_each(?)) GROUP BY customer_id"
)


def _last_order(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    found = rows_by(reader, _LAST_ORDER, [row["id"] for row in rows], "customer_id")
    return [found[row["id"]][0] if row["id"] in found else None for row in rows]


def _number_of_orders(reader: Reader, rows: Sequence[Row], args: Args) -> list[str]:
    found = rows_by(reader, _SPENT, [row["id"] for row in rows], "customer_id")
    return [str(found[row["id"]][0]["n"]) if row["id"] in found else "0" for row in rows]


def _amount_spent(reader: Reader, rows: Sequence[Row], args: Args) -> list[dict[str, str]]:
    found = rows_by(reader, _SPENT, [row["id"] for row in rows], "customer_id")
    return [
        money_v2(f"{found[row['id']][0]['spent']:.2f}" if row["id"] in found else "0.0", reader.currency)
        for row in rows
    ]


def _display_name(reader: Reader, row: Row, args: Args) -> str:
    return f"{row['first_name'] or ''} {row['last_name'] or ''}".strip() or row["email"] or ""


def _email_address(reader: Reader, row: Row, args: Args) -> dict[str, Any] | None:
    if not row["email"]:
        return None
    return {"emailAddress": row["email"], "marketingState": "NOT_SUBSCRIBED", "validFormat": True}


_CUSTOMER: dict[str, Field] = {
    **identity("Customer"),
    **metafield_fields("Customer"),
    **columns(
        email="email",
        phone="phone",
        firstName="first_name",
        lastName="last_name",
        createdAt="created_at",
        updatedAt="updated_at",
        state="state",
    ),
    "displayName": Value(_display_name),
    "defaultEmailAddress": Value(_email_address),
    "defaultPhoneNumber": Value(
        lambda reader, row, args: (
            {"phoneNumber": row["phone"], "marketingState": "NOT_SUBSCRIBED"} if row["phone"] else None
        )
    ),
    "locale": constant("en"),
    "verifiedEmail": constant(True),
    "numberOfOrders": Computed(_number_of_orders),
    "amountSpent": Computed(_amount_spent),
    "lastOrder": One("Order", _last_order),
    "orders": nested("Order", CUSTOMER_ORDERS),
}
TYPES: TypeTable = {"Customer": _CUSTOMER}
ROOTS: dict[str, Field] = {"customers": root("Customer", CUSTOMERS)}
BY_ID = {"Customer": by_number("customers")}
COUNTS = {"customersCount": CUSTOMERS}
