"""What is expected of the rows of one resource: expectations, suites of them, and what changed between two. Pure.

A suite is plain JSON and its digest names it: two suites with the same digest judge alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any


class Severity(StrEnum):
    """What follows when an expectation does not hold."""

    WARN = "warn"  # counted; the row arrives
    QUARANTINE = "quarantine"  # the row is held, the others arrive
    HALT = "halt"  # the whole batch is held and training stops


class Check(StrEnum):
    TYPE = "type"
    RANGE = "range"
    SET = "set"
    USUAL = "usual"  # a range that was measured on the shop's own rows
    UNIQUE = "unique"
    FRESH = "fresh"
    GIVEN = "given"  # a line names its product when its variant is known to live
    NEAR_KNOWN = "near_known"
    # Of a whole batch:
    PASS_SHARE = "pass_share"
    NULL_SHARE = "null_share"
    SCALE = "scale"
    # Of a whole day:
    ROW_BAND = "row_band"


BATCH_CHECKS = frozenset({Check.PASS_SHARE, Check.NULL_SHARE, Check.SCALE})
# What may be set by hand, and of which kind: each number is finite, `None` means "no bound".
BOUNDS: Mapping[Check, frozenset[str]] = {
    Check.TYPE: frozenset(),
    Check.RANGE: frozenset({"min", "max"}),
    Check.USUAL: frozenset({"min", "max"}),
    Check.SET: frozenset({"values"}),
    Check.UNIQUE: frozenset(),
    Check.FRESH: frozenset({"ahead_h", "behind_h"}),
    Check.GIVEN: frozenset(),
    Check.NEAR_KNOWN: frozenset({"times"}),
    Check.PASS_SHARE: frozenset({"min", "least"}),
    Check.NULL_SHARE: frozenset({"max", "least", "recent_days"}),
    Check.SCALE: frozenset({"times", "max", "least"}),
    Check.ROW_BAND: frozenset({"mads", "weekdays"}),
}


class BadBounds(ValueError):
    """A bound that cannot be; the message is for the person who set it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that should hold.

    Args:
        field: path within a row, `lines.quantity`; empty for a whole batch or day.
        by_hand: a person set its bounds or severity, so profiling leaves it alone.
    """

    field: str
    check: Check
    severity: Severity
    bounds: Mapping[str, Any]
    by_hand: bool = False

    @property
    def name(self) -> str:
        return f"{self.field}:{self.check.value}" if self.field else self.check.value

    def plain(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "check": self.check.value,
            "severity": self.severity.value,
            "bounds": dict(self.bounds),
            "by_hand": self.by_hand,
        }

    def allowed(self) -> str:
        """The bound in words, for the reason of a refusal."""
        given = self.bounds
        match self.check:
            case Check.RANGE | Check.USUAL:
                low, high = given.get("min"), given.get("max")
                if low is not None and high is not None:
                    return f"{low:,} to {high:,}"
                if low is None and high is None:
                    return "any"
                return f"at least {low:,}" if high is None else f"at most {high:,}"
            case Check.SET:
                values = [str(each) for each in given["values"]]
                return ", ".join(values) if len(values) <= 8 else f"one of {len(values)} known values"
            case Check.TYPE:
                return str(given["type"]) + (" or nothing" if given.get("nullable") else "")
            case Check.FRESH:
                return f"not more than {given['ahead_h']} hours ahead of us"
            case Check.UNIQUE:
                return "each once"
            case Check.GIVEN:
                return "the product's number, for its variant still exists"
            case Check.NEAR_KNOWN:
                return f"not more than {given['times']} times the known price"
            case Check.PASS_SHARE:
                return f"at least {given['min']:.0%} of the rows pass"
            case Check.NULL_SHARE:
                return f"at most {given['max']:.0%} without" if given.get("max") is not None else "any"
            case Check.SCALE:
                return f"at most {given['max']:.0%} of the prices {given['times']} times the known ones"
            case Check.ROW_BAND:
                return f"median of the weekday and {given['mads']} times its spread"


@dataclass(frozen=True)
class Suite:
    """The expectations of one resource. `number` is its version within the shop."""

    resource: str
    expectations: tuple[Expectation, ...]
    number: int = 0

    def plain(self) -> dict[str, Any]:
        return {"resource": self.resource, "expectations": [each.plain() for each in self.expectations]}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal; the version number is no part of it."""
        text = json.dumps(self.plain(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def find(self, name: str) -> Expectation | None:
        return next((each for each in self.expectations if each.name == name), None)

    def of(self, check: Check) -> Expectation | None:
        """The first expectation of this kind."""
        return next((each for each in self.expectations if each.check is check), None)

    def with_changed(self, changed: Iterable[Expectation]) -> Suite:
        """The suite with these in the place of their namesakes; unknown ones are added at the end."""
        by_name = {each.name: each for each in changed}
        kept = [by_name.pop(each.name, each) for each in self.expectations]
        return replace(self, expectations=(*kept, *by_name.values()), number=0)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two suites. `before` or `after` is None where the expectation was added or dropped."""

    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def read(resource: str, content: Mapping[str, Any], number: int) -> Suite:
    """The suite as it was stored."""
    return Suite(
        resource,
        tuple(
            Expectation(
                each["field"],
                Check(each["check"]),
                Severity(each["severity"]),
                each["bounds"],
                bool(each.get("by_hand")),
            )
            for each in content["expectations"]
        ),
        number,
    )


def diff(before: Suite, after: Suite) -> list[Change]:
    """What differs, in the order of the newer suite; what was dropped stands last."""
    old = {each.name: each.plain() for each in before.expectations}
    new = {each.name: each.plain() for each in after.expectations}
    found = [Change(name, old.get(name), new[name]) for name in new if old.get(name) != new[name]]
    return found + [Change(name, old[name], None) for name in old if name not in new]


def edited(expectation: Expectation, *, severity: str | None, bounds: Mapping[str, Any]) -> Expectation:
    """The expectation as a person wants it.

    Raises:
        BadBounds: a bound that this check does not have, or a value that it cannot take.
    """
    unknown = sorted(set(bounds) - BOUNDS[expectation.check])
    if unknown:
        raise BadBounds(f"{expectation.name} has no bound called {unknown[0]}")
    merged = {**expectation.bounds, **{name: _bound(name, value) for name, value in bounds.items()}}
    low, high = merged.get("min"), merged.get("max")
    if (
        expectation.check in (Check.RANGE, Check.USUAL)
        and low is not None
        and high is not None
        and low > high
    ):
        raise BadBounds("the lowest allowed value is above the highest")
    if expectation.check in BATCH_CHECKS:
        for name in ("min", "max"):
            if merged.get(name) is not None and not 0 <= merged[name] <= 1:
                raise BadBounds("a share lies between 0 and 1")
    try:
        wanted = expectation.severity if severity is None else Severity(severity)
    except ValueError:
        raise BadBounds(f"there is no severity {severity}") from None
    return replace(expectation, severity=wanted, bounds=merged, by_hand=True)


def _bound(name: str, value: Any) -> Any:
    if name == "values":
        if not isinstance(value, Sequence) or isinstance(value, str) or not value or len(value) > 500:
            raise BadBounds("the allowed values are a list of 1 to 500")
        if not all(
            isinstance(each, str) and len(each) <= 64 and (not each or each.isprintable()) for each in value
        ):
            raise BadBounds("each allowed value is a text of at most 64 printable characters")
        return sorted(set(value))
    if name == "weekdays":
        raise BadBounds("the usual numbers of rows are measured, not set")
    if value is None:
        if name in ("min", "max", "behind_h"):
            return None
        raise BadBounds(f"{name} must be a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBounds(f"{name} must be a number")
    if not abs(value) <= 2**63:
        raise BadBounds(f"{name} is too large")
    if name not in ("min", "max") and value <= 0:
        raise BadBounds(f"{name} must be above 0")
    return value
