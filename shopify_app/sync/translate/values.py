"""Single values out of Shopify's JSON: ids, times, money and our two marks. Pure, and strict about each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

EXPOSURE_PROPERTY = "_ml_rec"
VISITOR_ATTRIBUTE = "_ml_visitor"
_EXPOSURE = re.compile(r"[A-Za-z0-9_-]{16,40}")
_VISITOR = re.compile(r"[A-Za-z0-9_-]{8,64}")
_ID = re.compile(r"gid://shopify/[A-Za-z]+/([0-9]{1,19})(?:\?.*)?|([0-9]{1,19})")
_TYPES = frozenset(
    f"gid://shopify/{kind}"
    for kind in (
        "Order",
        "LineItem",
        "Product",
        "ProductVariant",
        "Customer",
        "InventoryItem",
        "Location",
        "Refund",
    )
)
LARGEST_ID = 2**63 - 1
LARGEST_WHOLE = 2**31 - 1
# What our columns hold: 14 digits before the point. No currency has more than 12 places behind it.
LARGEST_AMOUNT = Decimal(10) ** 14
MOST_PLACES = 12
FOUR_PLACES = Decimal("0.0001")


class Untranslatable(ValueError):
    """A row or payload lacks something that it must have. The message names the field, never its content."""


def need(row: Mapping[str, Any], name: str) -> Any:
    """The field's value.

    Raises:
        Untranslatable: it is absent or null.
    """
    value = row.get(name)
    if value is None:
        raise Untranslatable(f"field {name} is missing")
    return value


def number(value: Any, name: str) -> int:
    """A numeric id from an integer, digits, or a `gid://` address."""
    if isinstance(value, str):
        kind, _, digits = value.rpartition("/")
        if (
            kind in _TYPES and digits.isdecimal() and digits.isascii() and len(digits) < 19
        ):  # nearly every one
            return int(digits) or _not_an_id(name)
        match = _ID.fullmatch(value)
        if match is None:
            raise Untranslatable(f"field {name} is not an id")
        value = int(match[1] or match[2])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST_ID:
        raise Untranslatable(f"field {name} is not an id")
    return value


def _not_an_id(name: str) -> int:
    raise Untranslatable(f"field {name} is not an id")


def number_or_none(value: Any, name: str) -> int | None:
    return None if value is None else number(value, name)


def node_id(node: Any, name: str) -> int | None:
    """The id inside ``{"id": ...}``; None when the node is null (a product that was deleted, a guest)."""
    return number(node.get("id"), name) if isinstance(node, dict) else None


def moment(value: Any, name: str) -> datetime:
    """An aware UTC time from ISO 8601 with any offset."""
    if not isinstance(value, str):
        raise Untranslatable(f"field {name} is not a time")
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Untranslatable(f"field {name} is not a time") from None
    if found.tzinfo is None:
        raise Untranslatable(f"field {name} has no time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError:  # the first or the last day of the calendar
        raise Untranslatable(f"field {name} is not a time") from None


def moment_or_none(value: Any, name: str) -> datetime | None:
    return None if value is None else moment(value, name)


def money(value: Any, name: str) -> Decimal:
    """A finite amount from a decimal string, no larger than our columns hold."""
    try:
        found = Decimal(value if isinstance(value, str) else str(value))
    except InvalidOperation:
        raise Untranslatable(f"field {name} is not an amount") from None
    if not found.is_finite():
        raise Untranslatable(f"field {name} is not an amount")
    # A short text without an exponent fits: nearly every one, and looking at the digits takes longer than reading them.
    short = type(value) is str and len(value) <= MOST_PLACES and value.isascii() and "E" not in value.upper()
    if not short and (abs(found) >= LARGEST_AMOUNT or int(found.as_tuple().exponent) < -MOST_PLACES):
        raise Untranslatable(f"field {name} is an amount that no shop has")
    return found


def shop_money(bag: Any, name: str) -> Decimal:
    """The amount in the shop's currency of a GraphQL money bag."""
    inner = bag.get("shopMoney") if isinstance(bag, dict) else None
    if not isinstance(inner, dict):
        raise Untranslatable(f"field {name} is not a money bag")
    return money(inner.get("amount"), name)


def presentment_money(told: Any) -> Decimal | None:
    """The amount as its buyer saw it, out of one half of a money bag; None when it is not told."""
    return money(told.get("amount"), "presentment money") if isinstance(told, dict) else None


def whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Untranslatable(f"field {name} is not a whole number")
    if not -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
        raise Untranslatable(f"field {name} is a number that no shop has")
    return value


def text(value: Any) -> str:
    """The text, with halves of a character (a lone surrogate, which JSON can spell) shown as U+FFFD."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def exposure_mark(pairs: Any, *, key: str) -> str | None:
    """The exposure id among a line's properties, if it looks like one of ours."""
    return _mark(pairs, EXPOSURE_PROPERTY, key, _EXPOSURE)


def visitor_mark(pairs: Any, *, key: str) -> str | None:
    """The visitor id among an order's attributes, if it looks like one of ours."""
    return _mark(pairs, VISITOR_ATTRIBUTE, key, _VISITOR)


def our_marks(pairs: Any, *, key: str) -> list[dict[str, Any]]:
    """Only our own two marks: buyers write whatever they like into the others, names and addresses too."""
    return [pair for pair in _pairs(pairs) if pair.get(key) in (EXPOSURE_PROPERTY, VISITOR_ATTRIBUTE)]


def _pairs(pairs: Any) -> Iterable[dict[str, Any]]:
    return (pair for pair in pairs if isinstance(pair, dict)) if isinstance(pairs, list) else ()


def _mark(pairs: Any, wanted: str, key: str, shape: re.Pattern[str]) -> str | None:
    if not pairs:  # nearly every line
        return None
    for pair in _pairs(pairs):
        value = pair.get("value")
        if pair.get(key) == wanted and isinstance(value, str) and shape.fullmatch(value):
            return value
    return None
