"""What the columns of Shopify's CSV exports are to the app: taken in, of no use, or about a person and never read. Pure.

The exports hold more than the app asks of Shopify's API: names, e-mails, phones and addresses stand in them. Here they
are counted, and an e-mail tells one buyer from another within this run; nothing of them is shown or written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    PRODUCTS = "products"
    ORDERS = "orders"
    CUSTOMERS = "customers"


class Fate(StrEnum):
    """What becomes of a column's counterpart once the app is installed."""

    TAKEN = "taken in"
    CHOOSE = "a metafield: taken in if you choose it"
    PERSONAL = "about a person: never taken in"
    UNUSED = "not taken in"


_METAFIELD = re.compile(r".*\((?P<owner>product|variant|customer|order)\.metafields\.[^()]+\)", re.IGNORECASE)
_PERSONAL = re.compile(
    r"\b(e-?mail|phone|first name|last name|customer|billing|shipping (name|street|company|city|zip|province|phone|country)"
    r"|address\d?|zip|city|company|notes?|note attributes|receipt number|payment reference|employee|tax exempt)\b",
    re.IGNORECASE,
)
_TAKEN: Mapping[Kind, frozenset[str]] = {
    Kind.PRODUCTS: frozenset(
        {
            "handle", "url handle", "title", "vendor", "type", "product type", "tags", "published",
            "published on online store", "status", "option1 value", "option2 value", "option3 value", "variant sku", "sku",
            "variant price", "price", "variant compare at price", "compare-at price", "variant inventory qty",
            "inventory quantity", "variant inventory tracker", "inventory tracker", "variant inventory policy",
            "continue selling when out of stock", "gift card", "image src", "product image url",
        }
    ),
    Kind.ORDERS: frozenset(
        {
            "name", "currency", "total", "created at", "lineitem quantity", "lineitem price", "lineitem sku",
            "lineitem discount", "cancelled at", "refunded amount", "id", "source",
        }
    ),
    Kind.CUSTOMERS: frozenset({"customer id"}),
}  # fmt: skip
# Without these there is nothing to tell. Each may go by one of several names.
NEEDED: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    Kind.PRODUCTS: (("handle", "url handle", "title"),),
    Kind.ORDERS: (("name",), ("created at",), ("lineitem quantity",), ("lineitem name", "lineitem sku")),
    Kind.CUSTOMERS: (("email", "customer id"),),
}


def fate(kind: Kind, header: str) -> Fate:
    """What becomes of a column of this name."""
    name = header.strip().lower()
    match = _METAFIELD.fullmatch(name)
    if match is not None:
        return Fate.CHOOSE if match["owner"] in ("product", "variant") else Fate.PERSONAL
    if name in _TAKEN[kind]:
        return Fate.TAKEN
    if kind is Kind.CUSTOMERS or _PERSONAL.search(name):
        return Fate.PERSONAL
    return Fate.UNUSED


def missing(kind: Kind, header: list[str]) -> list[str]:
    """Needed columns that are not there, each by its commonest name."""
    have = {each.strip().lower() for each in header}
    return [names[0] for names in NEEDED[kind] if not have & set(names)]
