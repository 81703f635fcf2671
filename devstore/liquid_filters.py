"""The Liquid filters of Shopify's that our templates use, for python-liquid.

https://shopify.dev/docs/api/liquid/filters
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from liquid import Environment
from liquid.filter import with_context
from markupsafe import Markup

SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€", "CAD": "$", "AUD": "$", "JPY": "¥"}


def amount_text(cents: object, currency: str) -> str:
    """Cents as the shop writes money: 123456 in GBP is "£1,234.56". Empty for what is no number."""
    try:
        value = Decimal(str(cents)) / 100
    except InvalidOperation:
        return ""
    symbol = SYMBOLS.get(currency, "")
    return f"{symbol}{value:,.2f}" if symbol else f"{value:,.2f} {currency}"


@with_context
def money(cents: object, *, context: Any) -> str:
    shop = context.globals.get("shop") or {}
    return amount_text(cents, str(shop.get("currency", "")))


def money_without_currency(cents: object) -> str:
    try:
        return f"{Decimal(str(cents)) / 100:,.2f}"
    except InvalidOperation:
        return ""


def to_json(value: object) -> str:
    """JSON that is safe inside a script element, as Shopify's own filter makes it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    for char, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(char, code)
    return Markup(text)  # noqa: S704 - every character with a meaning in HTML was just replaced


def handleize(value: object) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")


def translator(words: Mapping[str, Any]) -> Callable[..., str]:
    """The filter `t` for one locale file: "a.b" looks up words["a"]["b"], named arguments fill {{ name }}."""

    def translate(key: object, **values: object) -> str:
        found: Any = words
        for part in str(key).split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if not isinstance(found, str):
            return f"translation missing: en.{key}"
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: str(values.get(match[1], "")), found)

    return translate


def add_filters(environment: Environment, *, asset_root: str, words: Mapping[str, Any]) -> None:
    """`asset_root`: where `asset_url` points to, ending in a slash."""
    environment.filters.update(
        {
            "money": money,
            "money_with_currency": money,
            "money_without_currency": money_without_currency,
            "json": to_json,
            "handle": handleize,
            "handleize": handleize,
            "t": translator(words),
            "asset_url": lambda name: asset_root + quote(str(name)),
            "image_url": lambda image, **_: str(image or ""),
            "img_url": lambda image, *_: str(image or ""),
        }
    )
