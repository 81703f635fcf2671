"""Data quality as facts for the reader, from the room that owns it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from mlops.validation import halts, suites, tallies
from mlops.validation.defaults import RESOURCES
from mlops.validation.expectations import BOUNDS, Check, Expectation, Severity, diff
from mlops.validation.models import Halt, HeldRow, HeldState
from tenancy.models import Shop


def quality(shop: Shop, *, days: int, now: datetime) -> dict[str, Any]:
    """Every suite with its passing by day, and what is stopped."""
    until = tallies.today(shop, now)
    since = until - timedelta(days=days - 1)
    newest = [suites.version(shop, resource) for resource in RESOURCES]
    by_day, sums = tallies.by_day(shop, since=since), tallies.ratios(shop, since=since)
    waiting = tallies.held(shop)
    return {
        "since": since,
        "until": until,
        "halts": [_halt(each) for each in halts.open_ones(shop).values()],
        "suites": [
            {
                "resource": row.resource,
                "version": row.number,
                "author": row.author,
                "since": row.created_at,
                "held": waiting.get(row.resource, 0),
                "days": [_day(day, each) for day, each in sorted(by_day.get(row.resource, {}).items())],
                **_sum(sums.get(row.resource)),
            }
            for row in newest
        ],
    }


def suite(shop: Shop, resource: str, number: int | None, compare_with: int | None) -> dict[str, Any]:
    """One version of a suite in full, beside another one.

    Args:
        compare_with: the version it is compared with; the one before it for None.

    Raises:
        NotFound: no such resource or version.
    """
    row = suites.version(shop, resource, number)
    rows = suites.versions(shop, resource)
    base = compare_with if compare_with is not None else (row.number - 1 or None)
    shown = suites.suite(row)
    changes = [] if base is None else diff(suites.suite(suites.version(shop, resource, base)), shown)
    return {
        "resource": resource,
        "version": row,
        "newest": rows[0].number,
        "expectations": [expectation(each) for each in shown.expectations],
        "versions": rows,
        "compared_with": base,
        "changes": [
            {"name": each.name, "before": _of_plain(each.before), "after": _of_plain(each.after)}
            for each in changes
        ],
    }


def expectation(each: Expectation) -> dict[str, Any]:
    return {
        **each.plain(),
        "name": each.name,
        "editable": sorted(BOUNDS[each.check] - {"weekdays"}),
        "allowed": each.allowed(),
    }


def quarantine(
    shop: Shop, *, resource: str | None, state: str | None, before: int | None, limit: int
) -> dict[str, Any]:
    """A page of held rows, newest first."""
    rows = HeldRow.objects.filter(shop=shop).order_by("-id")
    if resource:
        rows = rows.filter(resource=resource)
    rows = rows.filter(state=state or HeldState.HELD)
    total = rows.count()
    # One row more than asked tells whether there is an older page.
    found = list((rows if before is None else rows.filter(id__lt=before))[: limit + 1])
    page = found[:limit]
    return {
        "rows": [_row(each) for each in page],
        "total": total,
        "next_before": page[-1].pk if len(found) > limit else None,
    }


def _row(row: HeldRow) -> dict[str, Any]:
    names = (
        "resource", "subject_id", "line_number", "delivery", "reason", "expectation", "observed", "allowed",
        "suite_number", "state", "seen", "first_seen_at", "last_seen_at", "decided_by", "decided_at", "content",
    )  # fmt: skip
    shown = {name: getattr(row, name) for name in names}
    # A customer's number is of no use to whoever decides about the row.
    content = {} if row.resource == "customers" else shown["content"]
    subject = None if row.resource == "customers" else row.subject_id
    return {
        **shown,
        "id": str(row.pk),
        "content": content,
        "subject_id": subject,
        "origin": row.source,
        "replayable": bool(row.kind) and row.state == HeldState.HELD,
    }


def _halt(halt: Halt) -> dict[str, Any]:
    return {
        "resource": halt.resource,
        "opened_at": halt.opened_at,
        "reasons": halt.reasons,
        "held": halt.held,
        "clean_rows": halt.clean_rows,
        "clean_needed": halts.needed(halt),
    }


def _day(day: date, each: tallies.Ratio) -> dict[str, Any]:
    return {
        "day": day,
        "checked": each.checked,
        "warned": each.warned,
        "quarantined": each.quarantined,
        "ratio": each.ratio,
    }


def _sum(each: tallies.Ratio | None) -> dict[str, Any]:
    if each is None:
        return {"checked": 0, "warned": 0, "quarantined": 0, "ratio": None}
    return {
        "checked": each.checked,
        "warned": each.warned,
        "quarantined": each.quarantined,
        "ratio": each.ratio,
    }


def _of_plain(plain: Any) -> dict[str, Any] | None:
    if plain is None:
        return None
    return expectation(
        Expectation(
            plain["field"],
            Check(plain["check"]),
            Severity(plain["severity"]),
            plain["bounds"],
            plain["by_hand"],
        )
    )
