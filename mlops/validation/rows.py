"""Judges events one by one against a suite. Pure.

Types, ranges and sets of a suite become a pydantic model, so a batch without a fault is judged in one call into compiled
code. Only the values that it complains of are looked at again, to say which expectations they fail, and how badly.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from mlops.features import events as vocabulary
from mlops.features.events import Event, OrderPlaced, ProductChanged
from mlops.validation.defaults import LARGEST_ID, SUITE_OF
from mlops.validation.expectations import Check, Expectation, Severity, Suite

_TYPES: Mapping[str, Any] = {
    "integer": int,
    "decimal": Decimal,
    "text": str,
    "time": AwareDatetime,
    "ids": tuple[Annotated[int, Field(ge=1, le=LARGEST_ID)], ...],
}
_WRONG_TYPE = Expectation("", Check.TYPE, Severity.QUARANTINE, {"type": "a value of its kind"})
_CONFIG = ConfigDict(from_attributes=True, strict=True)
# Whose numbers are never repeated in a reason.
_PERSONAL = frozenset({"customer_id", "kept_id", "deleted_id"})
LONGEST_OBSERVED = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation that one event fails.

    Args:
        index: of the event in the batch.
        where: the value's place in the event, `lines.2.quantity`.
        observed: the value as text; of people's numbers only that there is one.
    """

    index: int
    expectation: Expectation
    where: str
    observed: str

    @property
    def reason(self) -> str:
        return f"{place(self.where)} is {self.observed}; allowed: {self.expectation.allowed()}"


def place(where: str) -> str:
    """`lines.2.unit_price` as people count: `unit price of line 3`."""
    many, _, rest = where.partition(".")
    at, _, name = rest.partition(".")
    if at.isdecimal() and name:
        return f"{name.replace('_', ' ')} of {many.removesuffix('s')} {int(at) + 1}"
    return where.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Known:
    """What the shop's catalogue says of the variants in a batch.

    Args:
        prices: living variants with the higher of price and compare-at price.
        exact: without product every variant is null as well (Shopify's GraphQL), so one that is named is a contradiction
            even when the catalogue does not know it.
    """

    prices: Mapping[int, float]
    exact: bool = False


class Compared(NamedTuple):
    """A price beside the known one of its variant, both above 0. One is made for each line of a history.

    Args:
        event: its index in the batch.
        at: the line's or variant's place in the event.
    """

    event: int
    at: int
    price: float
    known: float


def compare(events: Sequence[tuple[int, Event]], known: Known) -> list[Compared]:
    """Every price of lines and variants of which the catalogue knows another. Called for each line of a history."""
    usual = known.prices
    if not usual:
        return []
    found: list[Compared] = []
    for index, event in events:
        told: Iterable[tuple[int | None, Any]] = ()
        if isinstance(event, OrderPlaced):
            told = [(line.variant_id, line.unit_price) for line in event.lines]
        elif isinstance(event, ProductChanged):
            told = [(variant.variant_id, variant.price) for variant in event.variants]
        for at, (variant_id, price) in enumerate(told):
            at_usual = 0.0 if variant_id is None else usual.get(variant_id, 0.0)
            if at_usual > 0 and (number := _float(price)) > 0:
                found.append(Compared(index, at, number, at_usual))
    return found


def judge(
    suite: Suite,
    events: Sequence[tuple[int, Event]],
    known: Known,
    compared: Sequence[Compared],
    *,
    now: datetime,
) -> list[Finding]:
    """Every expectation about single rows that does not hold.

    Args:
        events: with their index in the batch; all of the suite's resource.
        compared: their prices beside the known ones.
    """
    by_class: dict[type, list[tuple[int, Event]]] = {}
    for each in events:
        by_class.setdefault(type(each[1]), []).append(each)
    found: list[Finding] = []
    for kind, of_kind in by_class.items():
        found += _shapes(suite, kind, of_kind)
    found += _fresh(suite, events, now)
    found += _unique(suite, events)
    found += _given(suite, events, known)
    found += _near_known(suite, compared)
    return found


def violates(expectation: Expectation, value: Any) -> bool:
    """True when the value fails a check of type, range or set."""
    bounds = expectation.bounds
    if expectation.check is Check.TYPE:
        if value is None:
            return not bounds.get("nullable")
        return not _is(value, bounds["type"])
    if value is None:
        return False
    if expectation.check in (Check.RANGE, Check.USUAL):
        if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
            return False  # its type is at fault
        low, high = bounds.get("min"), bounds.get("max")
        return (low is not None and not value >= _number(low)) or (
            high is not None and not value <= _number(high)
        )
    if expectation.check is Check.SET:
        return value not in bounds["values"]
    return False


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "decimal":
            return isinstance(value, Decimal) and value.is_finite()
        case "text":
            return isinstance(value, str)
        case "time":
            return isinstance(value, datetime) and value.tzinfo is not None
        case _:
            return isinstance(value, tuple) and all(
                _is(each, "integer") and 0 < each <= LARGEST_ID for each in value
            )


def _shapes(suite: Suite, kind: type, events: Sequence[tuple[int, Event]]) -> list[Finding]:
    validator = _compiled(suite.digest, kind, _Held(suite))
    try:
        validator.validate_python([event for _, event in events])
    except ValidationError as error:
        return [
            finding
            for each in error.errors(include_url=False, include_context=False)
            for finding in _explained(suite, events[int(each["loc"][0])][0], each["loc"][1:], each["input"])
        ]
    return []


def _explained(suite: Suite, index: int, loc: Sequence[int | str], value: Any) -> Iterable[Finding]:
    # An element of a list of ids is told as the whole list's fault.
    path = ".".join(each for each in loc if isinstance(each, str) and not each.startswith("tuple["))
    where = ".".join(str(each) for each in loc)
    failed = [each for each in suite.expectations if each.field == path and violates(each, value)]
    if not failed:
        of_type = next(
            (e for e in suite.expectations if e.field == path and e.check is Check.TYPE), _WRONG_TYPE
        )
        failed = [of_type]
    return [Finding(index, each, where, observed(path, value)) for each in failed]


def observed(path: str, value: Any) -> str:
    """A value for the reason of a refusal."""
    if path.rpartition(".")[2] in _PERSONAL and value is not None:
        return "a number (not shown)" if isinstance(value, int) else f"a {type(value).__name__}"
    if value is None:
        return "missing"
    if isinstance(value, int | float | Decimal | datetime):
        return str(value)[:LONGEST_OBSERVED]
    return repr(value)[:LONGEST_OBSERVED]


class _Held:
    """Carries a suite past the cache key, which is its digest."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=512)
def _compiled(digest: str, kind: type, held: _Held) -> TypeAdapter[Any]:
    """The validator of a list of events of one class; a suite judges each class by the fields that it has."""
    by_path: dict[str, list[Expectation]] = {}
    for each in held.suite.expectations:
        if each.check in (Check.TYPE, Check.RANGE, Check.USUAL, Check.SET):
            by_path.setdefault(each.field, []).append(each)
    rows: Any = list[_model(kind, "", by_path)]  # type: ignore[misc]
    return TypeAdapter(rows)


_ELEMENTS: Mapping[type, Mapping[str, type]] = {
    vocabulary.OrderPlaced: {"lines": vocabulary.OrderLine},
    vocabulary.RefundMade: {"lines": vocabulary.RefundLine},
    vocabulary.ProductChanged: {"variants": vocabulary.VariantState},
}


def _model(kind: type, above: str, by_path: Mapping[str, list[Expectation]]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in (field.name for field in dataclasses.fields(kind)):
        path = above + name
        element = _ELEMENTS.get(kind, {}).get(name)
        if element is not None:
            fields[name] = (tuple[_model(element, f"{path}.", by_path), ...], ...)  # type: ignore[misc]
        elif path in by_path:
            annotation = _annotation(by_path[path])
            if annotation is not None:
                fields[name] = (annotation, ...)
    return create_model(kind.__name__, __config__=_CONFIG, **fields)


def _annotation(expectations: Sequence[Expectation]) -> Any:
    """The tightest of what is expected of one field: what passes it fails none of them."""
    kinds = [each for each in expectations if each.check is Check.TYPE]
    if not kinds:
        return None
    sets = [each for each in expectations if each.check is Check.SET]
    ranges = [each for each in expectations if each.check in (Check.RANGE, Check.USUAL)]
    if sets:
        allowed = set.intersection(*({*each.bounds["values"]} for each in sets))
        annotation: Any = Literal[tuple(sorted(allowed))] if allowed else str
    else:
        annotation = _TYPES[kinds[0].bounds["type"]]
    lows = [_number(each.bounds["min"]) for each in ranges if each.bounds.get("min") is not None]
    highs = [_number(each.bounds["max"]) for each in ranges if each.bounds.get("max") is not None]
    if lows or highs:
        annotation = Annotated[
            annotation, Field(ge=max(lows) if lows else None, le=min(highs) if highs else None)
        ]
    return annotation | None if all(each.bounds.get("nullable") for each in kinds) else annotation


def _number(bound: float) -> int | Decimal:
    return bound if isinstance(bound, int) else Decimal(str(bound))


def _fresh(suite: Suite, events: Sequence[tuple[int, Event]], now: datetime) -> list[Finding]:
    found: list[Finding] = []
    for each in suite.expectations:
        if each.check is not Check.FRESH:
            continue
        latest = now + timedelta(hours=min(float(each.bounds["ahead_h"]), 1e6))
        behind = each.bounds.get("behind_h")
        earliest = None if behind is None else now - timedelta(hours=min(float(behind), 1e7))
        for index, event in events:
            at = getattr(event, each.field, None)
            if not isinstance(at, datetime) or at.tzinfo is None:
                continue
            if at > latest or (earliest is not None and at < earliest):
                found.append(Finding(index, each, each.field, at.isoformat()))
    return found


def _unique(suite: Suite, events: Sequence[tuple[int, Event]]) -> list[Finding]:
    found: list[Finding] = []
    for each in suite.expectations:
        if each.check is not Check.UNIQUE:
            continue
        many, _, name = each.field.partition(".")
        for index, event in events:
            elements = getattr(event, many, ())
            if len(elements) > 1 and len({getattr(one, name) for one in elements}) < len(elements):
                # The same element told twice says nothing false.
                told = set(elements)
                if len({getattr(one, name) for one in told}) < len(told):
                    found.append(Finding(index, each, each.field, "told twice, differently"))
    return found


def _given(suite: Suite, events: Sequence[tuple[int, Event]], known: Known) -> list[Finding]:
    expectation = suite.of(Check.GIVEN)
    if expectation is None:
        return []
    return [
        Finding(index, expectation, f"lines.{at}.product_id", "missing")
        for index, event in events
        if isinstance(event, OrderPlaced)
        for at, line in enumerate(event.lines)
        if line.product_id is None
        and line.variant_id is not None
        and (known.exact or line.variant_id in known.prices)
    ]


def _near_known(suite: Suite, compared: Sequence[Compared]) -> list[Finding]:
    expectation = suite.of(Check.NEAR_KNOWN)
    if expectation is None:
        return []
    times = float(expectation.bounds["times"])
    many, _, name = expectation.field.partition(".")
    return [
        Finding(
            each.event, expectation, f"{many}.{each.at}.{name}", f"{each.price:g} (known: {each.known:g})"
        )
        for each in compared
        if each.price > each.known * times
    ]


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def suite_of(event: Event) -> str | None:
    """The resource whose suite judges the event; None when nothing is expected of it (a marker)."""
    return SUITE_OF.get(type(event))
