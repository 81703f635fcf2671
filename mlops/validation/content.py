"""Events as JSON in the quarantine, and back. Pure.

The log's own encoding cannot be used: it leaves out what is empty and is never read back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from mlops.features.encoding import clean
from mlops.features.events import Event
from mlops.validation.defaults import LARGEST_ID, SUITE_OF

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in SUITE_OF}
_SUBJECTS: Mapping[str, str] = {
    "OrderPlaced": "order_id",
    "OrderDeleted": "order_id",
    "RefundMade": "refund_id",
    "ProductChanged": "product_id",
    "ProductDeleted": "product_id",
    "CollectionChanged": "collection_id",
    "CollectionDeleted": "collection_id",
    "CustomerChanged": "customer_id",
    "CustomerDeleted": "customer_id",
    "CustomerMerged": "deleted_id",
    "StockChanged": "inventory_item_id",
}


_ID = re.compile(r"(?:gid://shopify/[A-Za-z]+/)?([0-9]{1,19})(?:\?.*)?")


@dataclass(frozen=True, slots=True)
class Cut:
    """An event for keeping: its JSON without numbers of people, and those apart."""

    kind: str
    key: str
    subject_id: int | None
    version_at: datetime | None
    content: str
    customer_id: int | None
    visitor: str | None


def cut(event: Event) -> Cut:
    """The event for keeping. Never raises for an odd value: keeping the odd ones is what it is for."""
    event = clean(event)
    kind = type(event).__name__
    plain: dict[str, Any] = keepable(_ADAPTERS[kind].dump_python(event, mode="python", warnings=False))
    number = subject(event)
    version_at = getattr(event, "version_at", None)
    customer_id = plain.pop("customer_id", None) if kind == "OrderPlaced" else None
    visitor = plain.pop("visitor", None)
    if kind.startswith("Customer"):
        customer_id = number
    text = _json(plain)
    return Cut(
        kind=kind,
        key=hashlib.sha256(f"{kind}:{text}".encode()).hexdigest(),
        subject_id=number,
        version_at=version_at if isinstance(version_at, datetime) and version_at.tzinfo else None,
        content=text,
        customer_id=customer_id if _fits(customer_id) else None,
        visitor=visitor[:64] if isinstance(visitor, str) else None,
    )


def subject(event: Event) -> int | None:
    """The number of what the event is about, if it is one that a column holds."""
    found = getattr(event, _SUBJECTS[type(event).__name__], None)
    return found if _fits(found) else None


def cut_line(
    resource: str, source: str, line: int | None, given: Mapping[str, Any], *, largest: int, raw: bytes = b""
) -> Cut:
    """A line that became no event, for keeping. Its customer and visitor stand apart as in an event; one that is too large
    is told by its size alone."""
    plain: dict[str, Any] = keepable(given)
    customer_id = _number(plain.pop("customer", None)) or _number(plain.pop("customer_id", None))
    visitor = plain.pop("visitor", None)
    if resource == "customers":
        customer_id = _number(plain.get("id"))
    number = _number(plain.get("id"))
    text = _json(plain)
    digest = hashlib.sha256(raw or text.encode()).hexdigest()
    if len(text) > largest:
        text = _json({"bytes": len(text)})
    return Cut(
        kind="",
        key=hashlib.sha256(f"line:{resource}:{line}:{digest}".encode()).hexdigest(),
        subject_id=number,
        version_at=None,
        content=text,
        customer_id=customer_id,
        visitor=visitor[:64] if isinstance(visitor, str) else None,
    )


def restore(
    kind: str, content: Mapping[str, Any], *, customer_id: int | None, visitor: str | None
) -> Event | None:
    """The event again; None when the content is none (a line that could not be read, or a person was erased)."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        return None
    plain = dict(content)
    if kind == "OrderPlaced":
        plain |= {"customer_id": customer_id, "visitor": visitor}
    try:
        found: Event = adapter.validate_python(plain)
    except ValueError:
        return None
    return found


def keepable(value: Any) -> Any:
    """JSON with every string fit for Postgres: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {keepable(str(name)): keepable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [keepable(each) for each in value]
    return value


def _json(value: Any) -> str:
    return json.dumps(value, default=str, separators=(",", ":"), ensure_ascii=False)


def _fits(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID


def _number(value: Any) -> int | None:
    """An id as Shopify writes it: a number, digits, or the end of a `gid://` address."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, str):
        match = _ID.fullmatch(value)
        value = int(match[1]) if match else None
    return value if _fits(value) else None
