"""What a pixel sends, read strictly. Pure: bytes and the time of arrival in, a batch or a refusal out.

    {"v": 1, "sent_at": 1795000000000, "visitor": "...", "consent": {"analytics": true, ...},
     "events": [{"id": "...", "kind": "product_viewed", "at": 1795000000000, "product": "123", ...}]}

A batch that is not of this shape is refused whole. An event that is not is dropped and counted, and the others stay.
Fields that we do not know are not read, so they are never stored.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from mlops.features.storefront import CartLine, Consent, StorefrontEvent, StorefrontKind

LARGEST_BODY = 32 * 1024
MOST_EVENTS = 50
MOST_LINES = 100
DEEPEST = 6
LONGEST_SEARCH = 80
SKEW = timedelta(minutes=5)
_LATEST_MS = 4_102_444_800_000  # the year 2100
_MOST_QUANTITY = 1_000_000
_MOST_PRICE = Decimal(10) ** 12
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_VISITOR = re.compile(r"[A-Za-z0-9_-]{8,64}")
_EXPOSURE = re.compile(r"[A-Za-z0-9_-]{16,40}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Seven digits in a row, whatever stands between them: a phone, card, customer or order number. Some article numbers
# go with them, which costs less than keeping one phone number.
_PHONE = re.compile(r"(?:\d[\s().+/_-]*){7}")
_WORDS = re.compile(r"\s+")


class Dropped(StrEnum):
    """Why one event of a good batch was not taken."""

    NOT_AN_OBJECT = "not_an_object"
    BAD_ID = "bad_id"
    UNKNOWN_KIND = "unknown_kind"
    BAD_TIME = "bad_time"
    BAD_FIELD = "bad_field"
    NO_CONSENT = "no_consent"
    REPEATED = "repeated"


class BadBatch(Exception):
    """The batch is refused, and nothing of it kept."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Batch:
    """Args:
    visitor: as the browser holds it; not yet proven. None also when the consent does not cover it.
    staff: a pass that marks the browser as one of the shop's own people; not yet proven.
    forget: a visitor who has just taken the consent back.
    hints: what speaks for a browser without a person.
    """

    consent: Consent | None
    visitor: str | None
    staff: str
    forget: str | None
    lacks_language: bool
    events: tuple[StorefrontEvent, ...]
    dropped: Counter[Dropped] = field(default_factory=Counter)


def read(body: bytes, *, now: datetime) -> Batch:
    """The batch in this body.

    Args:
        now: when it reached us.

    Raises:
        BadBatch: it is not a batch.
    """
    found = _parsed(body)
    if found.get("v") != 1 or isinstance(found["v"], bool):
        raise BadBatch("unknown_version", "v must be 1", field="v")
    sent = found.get("sent_at")
    if sent is not None and not _is_ms(sent):
        raise BadBatch("invalid_field", "sent_at must be milliseconds since 1970", field="sent_at")
    staff = found.get("staff") or ""
    if not isinstance(staff, str) or len(staff) > 64:
        raise BadBatch("invalid_field", "staff must be a short text", field="staff")
    events = found.get("events", [])
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise BadBatch("invalid_field", f"events must be a list of at most {MOST_EVENTS}", field="events")
    consent = _consent(found.get("consent"))
    told = _visitor(found, "visitor")
    visitor = told if consent is Consent.PERSONAL else None
    taken: dict[str, StorefrontEvent] = {}
    dropped: Counter[Dropped] = Counter()
    for each in events:
        reason = _take(each, taken, sent=sent, consent=consent, visitor=visitor, now=now)
        if reason is not None:
            dropped[reason] += 1
    return Batch(
        consent=consent,
        visitor=visitor,
        staff=staff,
        forget=_visitor(found, "forget"),
        lacks_language=found.get("languages") == 0 and not isinstance(found.get("languages"), bool),
        events=tuple(taken.values()),
        dropped=dropped,
    )


def corrected(at_ms: int, sent_ms: int | None, *, now: datetime) -> datetime:
    """When an event happened, by our clock.

    The browser tells when it sent the batch by the clock that dated the event, so the clock's error is what it says
    less when the batch came. What is then more than `SKEW` before the arrival is taken as `SKEW` before it; nothing
    happens after it has arrived.
    """
    ago = timedelta(milliseconds=sent_ms - at_ms) if sent_ms is not None else now - _moment(at_ms)
    return now - min(max(ago, timedelta(0)), SKEW)


def searched(text: str) -> str | None:
    """A search term as it is kept: one spelling, no more than `LONGEST_SEARCH` characters; None if it may be personal."""
    # Lone surrogates are no text, and Postgres keeps no NUL.
    plain = unicodedata.normalize("NFKC", text[: LONGEST_SEARCH * 4].encode("utf-8", "ignore").decode())
    shown = "".join(
        " " if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp", "Zs") else each for each in plain
    )
    term = _WORDS.sub(" ", shown).strip().casefold()
    if "@" in term or _PHONE.search(term):
        return None
    return term[:LONGEST_SEARCH].strip() or None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body.decode("utf-8"), parse_float=_decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBatch("invalid_body", "the body must be JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise BadBatch("invalid_body", "the body must be a JSON object")
    if any(depth > DEEPEST for depth in _depths(found)):
        raise BadBatch("invalid_body", f"the body must not be nested more than {DEEPEST} deep")
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > 40:
        raise ValueError("a number of more digits than any price")
    return Decimal(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _depths(found: Any) -> Iterator[int]:
    waiting = [(found, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            yield depth
            inside = value.values() if isinstance(value, dict) else value
            waiting += [(each, depth + 1) for each in inside if isinstance(each, dict | list)]


def _consent(given: Any) -> Consent | None:
    if not isinstance(given, dict):
        raise BadBatch("invalid_field", "consent must say what the visitor allowed", field="consent")
    if given.get("analytics") is not True:
        return None
    return Consent.PERSONAL if given.get("preferences") is True else Consent.ANALYTICS


def _visitor(found: dict[str, Any], name: str) -> str | None:
    given = found.get(name)
    if given is None or given == "":
        return None
    if not isinstance(given, str) or _VISITOR.fullmatch(given) is None:
        raise BadBatch("invalid_field", f"{name} must be 8 to 64 letters, digits, _ or -", field=name)
    return given


def _take(
    given: Any,
    taken: dict[str, StorefrontEvent],
    *,
    sent: int | None,
    consent: Consent | None,
    visitor: str | None,
    now: datetime,
) -> Dropped | None:
    """Add the event to those taken, or say why not."""
    if not isinstance(given, dict):
        return Dropped.NOT_AN_OBJECT
    event_id, kind = given.get("id"), given.get("kind")
    at: Any = given.get("at")
    if not isinstance(event_id, str) or _EVENT_ID.fullmatch(event_id) is None:
        return Dropped.BAD_ID
    if not isinstance(kind, str) or kind not in _KINDS:
        return Dropped.UNKNOWN_KIND
    if not _is_ms(at):
        return Dropped.BAD_TIME
    if consent is None:
        return Dropped.NO_CONSENT
    if event_id in taken:
        return Dropped.REPEATED
    try:
        taken[event_id] = StorefrontEvent(
            event_id=event_id,
            kind=StorefrontKind(kind),
            at=corrected(at, sent, now=now),
            client_at=_moment(at),
            received_at=now,
            consent=consent,
            visitor=visitor,
            product_id=_number(given.get("product")),
            variant_id=_number(given.get("variant")),
            collection_id=_number(given.get("collection")),
            quantity=_quantity(given.get("quantity")),
            price=_price(given.get("price")),
            currency=_matching(given.get("currency"), _CURRENCY) or "",
            search=searched(given["search"]) if isinstance(given.get("search"), str) else None,
            exposure_id=_matching(given.get("exposure"), _EXPOSURE),
            order_id=_number(given.get("order")),
            lines=_lines(given.get("lines")),
        )
    except ValueError:
        return Dropped.BAD_FIELD
    return None


_KINDS = frozenset(each.value for each in StorefrontKind)


def _lines(given: Any) -> tuple[CartLine, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MOST_LINES:
        raise ValueError("lines")
    if not all(isinstance(each, list) and len(each) == 4 for each in given):
        raise ValueError("line")
    return tuple(
        CartLine(_number(product), _number(variant), _quantity(quantity) or 0, _price(price))
        for product, variant, quantity, price in given
    )


def _is_ms(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LATEST_MS


def _moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _number(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or _NUMBER.fullmatch(str(value)) is None:
        raise ValueError("number")
    return int(value)


def _quantity(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_QUANTITY:
        raise ValueError("quantity")
    return value


def _price(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or len(str(value)) > 40:
        raise ValueError("price")
    try:
        price = Decimal(value)
        if not (price.is_finite() and 0 <= price < _MOST_PRICE):
            raise ValueError("price")
        return price.quantize(Decimal("0.0001"))
    except InvalidOperation:
        raise ValueError("price") from None


def _matching(value: Any, pattern: re.Pattern[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError("text")
    return value
