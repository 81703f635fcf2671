"""Shell: which visitors do not count, decided when their events arrive and applied to what they did before as well.

Every function runs inside a transaction that holds the shop's EVENTS lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from mlops.features.storefront import (
    MOST_VIEWS,
    SILENCE,
    VIEW,
    VIEWS_WITHIN,
    Exclusion,
    too_fast,
    visit_around,
)

# A visit of a crawler may go on for weeks; more than this of it is not read to find where it began.
MOST_MOMENTS = 20_000


def judge(cursor: CursorWrapper, shop_id: int, visitors: Collection[str], *, now: datetime) -> None:
    """Apply the marks of these visitors, and the rate rule, to all that is kept of them. Safe to repeat.

    Args:
        now: when what they did last arrived, from which it is known what follows.
    """
    if not visitors:
        return
    names = sorted(visitors)
    for visitor, times in _views(cursor, shop_id, names).items():
        if too_fast(times):
            _mark_visit(cursor, shop_id, visitor, max(times))
    _apply(cursor, shop_id, names, now)


def mark(cursor: CursorWrapper, shop_id: int, visitor: str, reason: Exclusion, *, now: datetime) -> bool:
    """Exclude the visitor for good, also what they did before; True when they were not marked so already."""
    cursor.execute(
        "insert into features_excluded_visitor (shop_id, visitor, reason, since, until)"
        " values (%s, %s, %s, %s, null) on conflict (shop_id, visitor, reason) do nothing",
        [shop_id, visitor, reason.value, now],
    )
    new = bool(cursor.rowcount)
    for table in _TABLES:
        cursor.execute(
            f"update {table} set excluded = %(reason)s {_KNOWN.get(table, '')}"  # noqa: S608
            " where shop_id = %(shop)s and visitor = %(visitor)s and excluded is null",
            {"reason": reason.value, "now": now, "shop": shop_id, "visitor": visitor},
        )
    return new


_TABLES = ("features_storefront_event", "features_exposure")
# Events go into features, which are asked for as they were known.
_KNOWN = {"features_storefront_event": ", excluded_at = greatest(received_at, %(now)s)"}
# The views of these visitors in the last hours of what they did, and only of those with enough of them.
_VIEWS_SQL = """
with seen as (
    select visitor, at from features_storefront_event
     where shop_id = %(shop)s and visitor = any(%(visitors)s) and kind = %(view)s
       and at > %(since)s
), asked as (
    select visitor, at from features_exposure
     where shop_id = %(shop)s and visitor = any(%(visitors)s) and at > %(since)s
)
select visitor, at, true from seen union all select visitor, at, false from asked
"""
_SINCE_SQL = """
select max(at) from (
    select max(at) as at from features_storefront_event where shop_id = %(shop)s and visitor = any(%(visitors)s)
    union all
    select max(at) from features_exposure where shop_id = %(shop)s and visitor = any(%(visitors)s)) as latest
"""


def _views(cursor: CursorWrapper, shop_id: int, visitors: list[str]) -> dict[str, list[datetime]]:
    """The times that the rate rule looks at, by visitor, of those with enough of them.

    A page that tells of itself through the pixel also asks for products, so the two kinds are not added up: whichever
    there is more of counts.
    """
    names: dict[str, Any] = {"shop": shop_id, "visitors": visitors, "view": VIEW.value}
    cursor.execute(_SINCE_SQL, names)
    row = cursor.fetchone()
    if row is None or row[0] is None:
        return {}
    # Late batches reach back at most some minutes; what is older was judged when it came.
    cursor.execute(_VIEWS_SQL, {**names, "since": row[0] - SILENCE - VIEWS_WITHIN})
    told: dict[str, list[datetime]] = defaultdict(list)
    asked: dict[str, list[datetime]] = defaultdict(list)
    for visitor, at, by_pixel in cursor.fetchall():
        (told if by_pixel else asked)[visitor].append(at)
    found = {name: max(told[name], asked[name], key=len) for name in {*told, *asked}}
    return {name: times for name, times in found.items() if len(times) > MOST_VIEWS}


def _mark_visit(cursor: CursorWrapper, shop_id: int, visitor: str, moment: datetime) -> None:
    moments: list[datetime] = []
    for table in _TABLES:
        cursor.execute(
            f"select at from {table} where shop_id = %s and visitor = %s order by at desc limit %s",  # noqa: S608
            [shop_id, visitor, MOST_MOMENTS],
        )
        moments += [row[0] for row in cursor.fetchall()]
    first, last = visit_around(moments, moment)
    cursor.execute(
        "insert into features_excluded_visitor (shop_id, visitor, reason, since, until)"
        " values (%s, %s, %s, %s, %s) on conflict (shop_id, visitor, reason) do update"
        # A visit that goes on is one mark; one that begins later is another, and the former was applied already.
        " set since = case when excluded.since <= features_excluded_visitor.until"
        " then least(features_excluded_visitor.since, excluded.since) else excluded.since end,"
        " until = greatest(features_excluded_visitor.until, excluded.until)",
        [shop_id, visitor, Exclusion.RATE.value, first, last + SILENCE],
    )


def _apply(cursor: CursorWrapper, shop_id: int, visitors: list[str], now: datetime) -> None:
    for table in _TABLES:
        cursor.execute(
            f"update {table} as t set excluded = m.reason {_KNOWN.get(table, '')} from features_excluded_visitor as m"  # noqa: S608
            " where t.shop_id = %(shop)s and m.shop_id = t.shop_id and m.visitor = t.visitor"
            " and m.visitor = any(%(visitors)s) and t.excluded is null"
            " and (m.until is null or t.at between m.since and m.until)",
            {"shop": shop_id, "visitors": visitors, "now": now},
        )
