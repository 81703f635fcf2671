"""A metafield's text as a typed value. Pure.

Base units: metre, gram, litre, the shop's currency; a rating is its value as a share of its scale, 0 to 1. A boolean is
0 or 1, a time ISO 8601 in UTC, a reference `Type/number`. Types: https://shopify.dev/docs/apps/build/metafields/list-of-data-types
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from mlops.features.events import AttributeKind

LONGEST_RAW = 10_000
LONGEST_TEXT = 255
MOST_ITEMS = 128
_LARGEST = Decimal(10) ** 15
_PLACES = Decimal("0.000000001")
_EXACT = Context(prec=40)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_REFERENCE = re.compile(r"gid://shopify/([A-Za-z]{1,40})/([0-9]{1,19}|[A-Za-z0-9-]{1,64})")
_KINDS: Mapping[str, AttributeKind] = {
    "number_integer": AttributeKind.INTEGER,
    "number_decimal": AttributeKind.DECIMAL,
    "rating": AttributeKind.DECIMAL,
    "dimension": AttributeKind.DECIMAL,
    "weight": AttributeKind.DECIMAL,
    "volume": AttributeKind.DECIMAL,
    "money": AttributeKind.DECIMAL,
    "boolean": AttributeKind.BOOLEAN,
    "single_line_text_field": AttributeKind.CATEGORY,
    "color": AttributeKind.CATEGORY,
    "language": AttributeKind.CATEGORY,
    "date": AttributeKind.DATE,
    "date_time": AttributeKind.MOMENT,
    "product_reference": AttributeKind.REFERENCE,
    "variant_reference": AttributeKind.REFERENCE,
    "collection_reference": AttributeKind.REFERENCE,
    "metaobject_reference": AttributeKind.REFERENCE,
    "mixed_reference": AttributeKind.REFERENCE,
    "product_taxonomy_value_reference": AttributeKind.REFERENCE,
}
_REFUSED: Mapping[str, str] = {
    "json": "JSON has no fixed meaning that a model could learn from",
    "json_string": "JSON has no fixed meaning that a model could learn from",
    "rich_text_field": "rich text is for reading; a model here learns from numbers, choices and references",
    "multi_line_text_field": "long text is for reading; a model here learns from numbers, choices and references",
    "file_reference": "files are not read",
    "url": "an address of a page says nothing about the product itself",
    "link": "an address of a page says nothing about the product itself",
    "id": "an identifier is different for each product, so nothing can be learnt from it",
    "page_reference": "a page of the shop says nothing about the product itself",
    "article_reference": "an article says nothing about the product itself",
    "customer_reference": "it points to a person: personal data is never learnt from",
    "order_reference": "it points to a person's order: personal data is never learnt from",
    "company_reference": "it points to a buyer: personal data is never learnt from",
}
# Metres, grams and litres, by the short and the long name.
_UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "dimension": {
        **dict.fromkeys(("mm", "millimeters"), Decimal("0.001")),
        **dict.fromkeys(("cm", "centimeters"), Decimal("0.01")),
        **dict.fromkeys(("m", "meters"), Decimal(1)),
        **dict.fromkeys(("in", "inches"), Decimal("0.0254")),
        **dict.fromkeys(("ft", "feet"), Decimal("0.3048")),
        **dict.fromkeys(("yd", "yards"), Decimal("0.9144")),
    },
    "weight": {
        **dict.fromkeys(("g", "grams"), Decimal(1)),
        **dict.fromkeys(("kg", "kilograms"), Decimal(1000)),
        **dict.fromkeys(("oz", "ounces"), Decimal("28.349523125")),
        **dict.fromkeys(("lb", "lbs", "pounds"), Decimal("453.59237")),
    },
    "volume": {
        **dict.fromkeys(("ml", "milliliters"), Decimal("0.001")),
        **dict.fromkeys(("cl", "centiliters"), Decimal("0.01")),
        **dict.fromkeys(("l", "liters"), Decimal(1)),
        **dict.fromkeys(("m3", "cubic_meters"), Decimal(1000)),
        **dict.fromkeys(("us_fl_oz", "us_fluid_ounces"), Decimal("0.0295735295625")),
        **dict.fromkeys(("us_pt", "us_pints"), Decimal("0.473176473")),
        **dict.fromkeys(("us_qt", "us_quarts"), Decimal("0.946352946")),
        **dict.fromkeys(("us_gal", "us_gallons"), Decimal("3.785411784")),
        **dict.fromkeys(("imp_fl_oz", "imperial_fluid_ounces"), Decimal("0.0284130625")),
        **dict.fromkeys(("imp_pt", "imperial_pints"), Decimal("0.56826125")),
        **dict.fromkeys(("imp_qt", "imperial_quarts"), Decimal("1.1365225")),
        **dict.fromkeys(("imp_gal", "imperial_gallons"), Decimal("4.54609")),
    },
}


@dataclass(frozen=True, slots=True)
class Value:
    """A metafield's value: exactly one of number, text and items, or the problem, or nothing at all (not set)."""

    number: Decimal | None = None
    text: str = ""
    items: tuple[str, ...] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a type means to a model; `refused` says why it is of no use."""

    kind: AttributeKind | None
    many: bool
    refused: str = ""


class _Unusable(ValueError):
    """The text is not a value of its type; the message says why, without the text."""


def meaning(type: str) -> Meaning:
    """What Shopify's type of this name means to a model."""
    inner = type.removeprefix("list.")
    many = inner != type
    if inner in _KINDS:
        return Meaning(_KINDS[inner], many)
    reason = _REFUSED.get(inner, "this type is not known to the app")
    return Meaning(None, many, reason)


def read(raw: str | None, type: str, kind: tuple[AttributeKind, bool], *, currency: str) -> Value:
    """The value of a metafield that was chosen as `kind` (and whether a list).

    Args:
        type: the type that came with the value: a merchant may have changed the definition since it was chosen.
        currency: the shop's: money in another one is of no use.
    """
    if raw is None:
        return Value()
    told = meaning(type)
    if told.kind is None:
        return Value(problem=told.refused)
    if (told.kind, told.many) != kind:
        return Value(problem=f"is of the type {type[:40]} now: choose it again")
    if len(raw) > LONGEST_RAW:
        return Value(problem=f"is longer than {LONGEST_RAW} characters")
    try:
        if not told.many:
            number, text = _one(raw, type, told.kind, currency)
            return Value(number=number, text=text)
        return Value(items=_list(raw, type.removeprefix("list."), told.kind, currency))
    except _Unusable as error:
        return Value(problem=str(error))


def _list(raw: str, type: str, kind: AttributeKind, currency: str) -> tuple[str, ...]:
    found = _json(raw)
    if not isinstance(found, list):
        raise _Unusable("is not a list")
    if len(found) > MOST_ITEMS:
        raise _Unusable(f"has more than {MOST_ITEMS} elements")
    items = []
    for each in found:
        element = each if isinstance(each, str) else json.dumps(each)
        number, text = _one(element, type, kind, currency)
        items.append(text if number is None else format(number.normalize(), "f"))
    return tuple(items)


def _one(raw: str, type: str, kind: AttributeKind, currency: str) -> tuple[Decimal | None, str]:
    if kind is AttributeKind.INTEGER:
        if not _INTEGER.fullmatch(raw):
            raise _Unusable("is not a whole number")
        return Decimal(raw), ""
    if kind is AttributeKind.DECIMAL:
        return _decimal(raw, type, currency), ""
    if kind is AttributeKind.BOOLEAN:
        if raw not in ("true", "false"):
            raise _Unusable("is neither true nor false")
        return Decimal(raw == "true"), ""
    if kind is AttributeKind.CATEGORY:
        text = raw.replace("\x00", "").strip()
        if not text or len(text) > LONGEST_TEXT:
            raise _Unusable("is empty" if not text else f"is longer than {LONGEST_TEXT} characters")
        return None, text
    if kind is AttributeKind.REFERENCE:
        match = _REFERENCE.fullmatch(raw)
        if match is None:
            raise _Unusable("is not a reference")
        return None, f"{match[1]}/{match[2]}"
    return None, _time(raw, kind)


def _time(raw: str, kind: AttributeKind) -> str:
    try:
        if kind is AttributeKind.DATE:
            return date.fromisoformat(raw).isoformat()
        at = datetime.fromisoformat(raw)
        # Shopify tells times of this type without a zone: they are UTC.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise _Unusable("is not a date" if kind is AttributeKind.DATE else "is not a time") from None


def _decimal(raw: str, type: str, currency: str) -> Decimal:
    if type == "number_decimal":
        return _number(raw)
    found = _json(raw)
    if not isinstance(found, dict):
        raise _Unusable(f"is not a {type}")
    if type == "money":
        if str(found.get("currency_code", "")).upper() != currency.upper():
            raise _Unusable("is not in the shop's currency")
        return _number(found.get("amount"))
    value = _number(found.get("value"))
    if type == "rating":
        low, high = _number(found.get("scale_min")), _number(found.get("scale_max"))
        if not low <= value <= high or low == high:
            raise _Unusable("is outside of its scale")
        return ((value - low) / (high - low)).quantize(_PLACES, context=_EXACT)
    factor = _UNITS[type].get(str(found.get("unit", "")).lower())
    if factor is None:
        raise _Unusable("is in a unit that is not known")
    return (value * factor).quantize(_PLACES, context=_EXACT)


def _number(value: Any) -> Decimal:
    try:
        found = Decimal(value) if isinstance(value, str) else Decimal(str(value))
    except InvalidOperation:
        raise _Unusable("is not a number") from None
    if isinstance(value, bool) or not found.is_finite() or abs(found) >= _LARGEST:
        raise _Unusable("is not a number of usable size")
    return found.quantize(_PLACES, context=_EXACT)


def _json(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _Unusable("is not readable") from None
