"""What browsers told, counted by the shop's days: by kind, by consent, and who does not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from mlops.features.days import days
from mlops.features.storefront import Consent, Exclusion, StorefrontKind
from tenancy.models import Shop
from tenancy.scope import scope


@dataclass(frozen=True, slots=True)
class VisitDay:
    """Args:
    counted: by kind, of people.
    personal: those of `counted` whose visitor allowed to be recognised.
    excluded: events that do not count, by why.
    answers_excluded: recommendation answers that do not count, by why.
    """

    day: date
    counted: dict[StorefrontKind, int]
    personal: int
    excluded: dict[Exclusion, int]
    answers_excluded: dict[Exclusion, int]


@dataclass(frozen=True, slots=True)
class MarkedVisitor:
    visitor: str
    reason: Exclusion
    since: datetime


def visit_counts(shop: Shop, *, since: date, until: date) -> tuple[VisitDay, ...]:
    """Each day from `since` to `until`, both included, in the shop's zone, also those on which nothing was told."""
    cut = days(shop.timezone, since=since, until=until)
    found = [VisitDay(cut.day(each), {}, 0, {}, {}) for each in range(len(cut))]
    where: list[Any] = [list(cut.bounds), shop.pk, cut.begin, cut.end]
    personal = [0] * len(cut)
    with scope(shop), connection.cursor() as cursor:
        cursor.execute(
            "select width_bucket(at, %s::timestamptz[]) - 1, kind, consent, excluded, count(*)"
            " from features_storefront_event where shop_id = %s and at >= %s and at < %s group by 1, 2, 3, 4",
            where,
        )
        for place, kind, consent, excluded, count in cursor.fetchall():
            day = found[place]
            if excluded is not None:
                reason = Exclusion(excluded)
                day.excluded[reason] = day.excluded.get(reason, 0) + count
                continue
            day.counted[StorefrontKind(kind)] = day.counted.get(StorefrontKind(kind), 0) + count
            personal[place] += count if consent == Consent.PERSONAL else 0
        cursor.execute(
            "select width_bucket(at, %s::timestamptz[]) - 1, excluded, count(*) from features_exposure"
            " where shop_id = %s and at >= %s and at < %s and excluded is not null group by 1, 2",
            where,
        )
        for place, excluded, count in cursor.fetchall():
            found[place].answers_excluded[Exclusion(excluded)] = count
    return tuple(
        VisitDay(each.day, each.counted, personal[place], each.excluded, each.answers_excluded)
        for place, each in enumerate(found)
    )


def marked_visitors(shop: Shop, *, most: int = 100) -> tuple[MarkedVisitor, ...]:
    """Browsers that were marked by hand, newest first."""
    with scope(shop), connection.cursor() as cursor:
        cursor.execute(
            "select visitor, reason, since from features_excluded_visitor where shop_id = %s"
            " and reason = any(%s) order by since desc, visitor limit %s",
            [shop.pk, [Exclusion.STAFF.value, Exclusion.TEST.value], most],
        )
        return tuple(MarkedVisitor(row[0], Exclusion(row[1]), row[2]) for row in cursor.fetchall())
