"""What a privacy request of Shopify's names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def customer_number(payload: Mapping[str, Any]) -> int:
    """The customer whom the request is about; 0 when it names none."""
    return number((payload.get("customer") or {}).get("id")) or 0


def request_number(payload: Mapping[str, Any]) -> int | None:
    return number((payload.get("data_request") or {}).get("id"))


def numbers(values: Any) -> list[int]:
    return [found for found in (number(each) for each in values or ()) if found]


def number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None
