"""Learns from a shop's own data what is usual there, and writes it into the next version of its suites.

Bounds that were measured only warn: what a shop has never done before is not an error. What a person has set is left alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from mlops.features.models import EventRecord
from mlops.validation import suites
from mlops.validation.expectations import Check, Expectation, Severity, Suite
from mlops.validation.models import SuiteVersion
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

AUTHOR = "system:profile"
AFTER = timedelta(days=30)
# A year shows every season once; older habits say little of today's.
LOOKED_AT = timedelta(days=365)
LEAST_ROWS = 100
# How far above the highest ever seen a value may lie.
ROOM = 2.0
MADS = 4.0


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def due(shop: Shop, *, now: datetime) -> bool:
    """True once the shop has 30 days of events, whether lived through or imported, and no profile yet."""
    if SuiteVersion.objects.filter(shop=shop, author=AUTHOR).exists():
        return False
    first = EventRecord.objects.filter(shop=shop, kind="order").order_by("occurred_at").first()
    return first is not None and first.occurred_at <= now - AFTER


@reading(actor="system:quality", purpose=Purpose.QUALITY)
def profile(shop: Shop, *, now: datetime, reason: str) -> list[SuiteVersion]:
    """Measure the last year of the shop's orders and keep what is usual as new versions; those whose content stays as it is are left out.

    Raises:
        SuiteMoved: a person changed a suite in the same moment.
    """
    with scope(shop):
        before = suites.current(shop, now=now)
        wanted = {
            "orders": _orders(shop, before["orders"], _newest(shop, now)),
            "products": _products(shop, before["products"]),
        }
        saved = [
            suites.save(
                shop,
                before[resource].with_changed(_unless_by_hand(before[resource], learnt)),
                author=AUTHOR,
                reason=reason,
                now=now,
            )
            for resource, learnt in wanted.items()
            if learnt
        ]
        return [row for row in saved if row.number != before[row.resource].number]


def band(days: Sequence[tuple[int, int]], *, mads: float = MADS) -> dict[str, list[float]]:
    """The usual number of rows by weekday (0 is Monday): median and half-width, both in rows.

    The width is `mads` times the median absolute deviation, and never less than that many times the root of the median:
    counts of independent events vary by so much even when nothing changes.

    Args:
        days: weekday and number of rows of each day, days without any included.
    """
    found: dict[str, list[float]] = {}
    for weekday in range(7):
        counts = [rows for day, rows in days if day == weekday]
        if len(counts) >= 4:
            middle = float(statistics.median(counts))
            spread = float(statistics.median([abs(each - middle) for each in counts]))
            found[str(weekday)] = [middle, round(mads * max(spread, math.sqrt(middle), 1.0), 2)]
    return found


def _unless_by_hand(suite: Suite, learnt: Sequence[Expectation]) -> list[Expectation]:
    held = {each.name for each in suite.expectations if each.by_hand}
    return [each for each in learnt if each.name not in held]


def _newest(shop: Shop, now: datetime) -> datetime:
    """The end of the year that is measured: a history that ended years ago is measured to its own end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select max(ordered_at) from features_order where shop_id = %s and deleted_at is null"
            " and ordered_at <= %s",
            [shop.pk, now],
        )
        found = cursor.fetchone()[0]
    return now if found is None or now - found < AFTER else found


def _orders(shop: Shop, suite: Suite, now: datetime) -> list[Expectation]:
    seen = _one(
        "select count(*) n, max(l.quantity) quantity,"
        " avg((l.product_id is null)::int::float8) without_product,"
        " avg((l.product_id is null)::int::float8) filter (where o.ordered_at >= %(recent)s) lately"
        " from features_order o join features_orderline l using (shop_id, order_id)"
        " where o.shop_id = %(shop)s and o.deleted_at is null and o.ordered_at >= %(since)s",
        shop,
        now,
    )
    if seen["n"] < LEAST_ROWS:
        return []
    learnt = [_highest("lines.quantity", seen["quantity"])]
    missing = suite.of(Check.NULL_SHARE)
    if missing is not None:
        # Only an excess that no ordinary day shows stops anything; a shop that sells what it makes up has none.
        usual = max(seen["without_product"] or 0.0, seen["lately"] or 0.0)
        learnt.append(
            replace(missing, bounds={**missing.bounds, "max": round(min(1.0, max(0.5, usual + 0.4)), 3)})
        )
    rows = suite.of(Check.ROW_BAND)
    if rows is not None:
        days = order_days(shop, now, days=LOOKED_AT.days)
        learnt.append(
            replace(rows, bounds={**rows.bounds, "weekdays": band(days, mads=float(rows.bounds["mads"]))})
        )
    return learnt


def _products(shop: Shop, suite: Suite) -> list[Expectation]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*), max(price)::float8 from features_variant where shop_id = %s", [shop.pk]
        )
        count, highest = cursor.fetchone()
    return [_highest("variants.price", math.ceil(highest))] if count >= LEAST_ROWS else []


def _highest(field: str, seen: float) -> Expectation:
    return Expectation(
        f"{field}", Check.USUAL, Severity.WARN, {"min": None, "max": math.ceil(max(seen, 1) * ROOM)}
    )


def order_days(shop: Shop, now: datetime, *, days: int) -> list[tuple[int, int]]:
    """Weekday (0 is Monday) and number of orders of each whole day before today, in the shop's zone, newest last.

    It begins with the shop's first order when that is later.
    """
    names: dict[str, Any] = {"now": now, "zone": shop.timezone, "days": days, "shop": shop.pk}
    with connection.cursor() as cursor:
        cursor.execute(
            "with bounds as (select greatest((%(now)s::timestamptz at time zone %(zone)s)::date - %(days)s,"
            " (select (min(ordered_at) at time zone %(zone)s)::date from features_order"
            "   where shop_id = %(shop)s and deleted_at is null)) as first,"
            " (%(now)s::timestamptz at time zone %(zone)s)::date - 1 as last),"
            " counted as (select (ordered_at at time zone %(zone)s)::date as day, count(*) as rows from features_order"
            "   where shop_id = %(shop)s and deleted_at is null"
            "   and ordered_at >= %(now)s::timestamptz - (%(days)s + 2) * interval '1 day' group by 1)"
            " select extract(isodow from d.day)::int - 1, coalesce(c.rows, 0)"
            " from bounds, generate_series(bounds.first::timestamp, bounds.last, interval '1 day') as d(day)"
            " left join counted c on c.day = d.day::date order by d.day",
            names,
        )
        return [(int(row[0]), int(row[1])) for row in cursor.fetchall()]


def _one(statement: str, shop: Shop, now: datetime) -> Mapping[str, Any]:
    with connection.cursor() as cursor:
        names: dict[str, Any] = {
            "shop": shop.pk,
            "since": now - LOOKED_AT,
            "recent": now - timedelta(days=30),
        }
        cursor.execute(statement, names)
        row = cursor.fetchone()
        return dict(zip([each.name for each in cursor.description or ()], row or (), strict=False))
