"""Once a day and shop: profile what has become old enough, and compare yesterday with the weekdays before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from mlops.validation import profile, suites
from mlops.validation.expectations import Check, Severity
from mlops.validation.models import DailyCheck
from mlops.validation.tallies import today
from tenancy import incidents
from tenancy.models import Severity as IncidentSeverity
from tenancy.models import Shop
from tenancy.scope import scope

KIND = "validation_rows"


def check(shop: Shop, *, now: datetime) -> bool:
    """Look at yesterday once; True when this call did. Safe to repeat, by any process."""
    day = today(shop, now) - timedelta(days=1)
    with scope(shop):
        seen, begun = DailyCheck.objects.get_or_create(shop=shop, defaults={"day": day})
        if not begun and not DailyCheck.objects.filter(pk=seen.pk, day__lt=day).update(day=day):
            return False
        if profile.due(shop, now=now):
            profile.profile(shop, now=now, reason="30 days of data")
        _compare(shop, now)
    return True


def _compare(shop: Shop, now: datetime) -> None:
    expectation = suites.current(shop, now=now)["orders"].of(Check.ROW_BAND)
    if expectation is None or not expectation.bounds.get("weekdays"):
        return
    days = profile.order_days(shop, now, days=1)
    if not days:
        return
    weekday, rows = days[-1]
    usual = expectation.bounds["weekdays"].get(str(weekday))
    if usual is None:
        return
    middle, width = usual
    if abs(rows - middle) <= width:
        incidents.close_incident(shop, kind=KIND, subject="orders", now=now)
        return
    incidents.open_incident(
        shop,
        kind=KIND,
        subject="orders",
        severity=IncidentSeverity.WARNING,
        told=(
            f"Yesterday brought {rows} orders; on this weekday {max(0, middle - width):.0f} to {middle + width:.0f} are"
            " usual. All of them arrived."
        ),
        next_step="A sale or a holiday explains it, or orders are missing: compare the books on the Data page.",
        now=now,
        halts_training=expectation.severity is Severity.HALT,
        data={"rows": rows, "median": middle, "width": width, "weekday": weekday},
    )
