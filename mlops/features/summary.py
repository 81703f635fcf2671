"""Daily figures for the merchant: what was asked, shown, clicked, bought. Days are cut in the shop's time zone.

What bots, staff and test visitors were shown, and what came of it, is kept but not counted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from mlops.features.days import days
from mlops.features.events import ServedBy
from tenancy.models import Shop
from tenancy.scope import scoped


@dataclass(frozen=True, slots=True)
class Traffic:
    """Figures of a day or a period.

    Args:
        requests: answers given, by the tier that spoke.
        exposures: answers that showed at least one product.
        clicks: products clicked, each once per answer.
        orders: orders with a line that is owed to an exposure, without those cancelled since; on the day of the order.
        gross: what those lines came to, cancelled ones too; on the day of the order.
        taken_back: refunds, removals and cancellations of them, positive; on the day they happened.
    """

    requests: dict[ServedBy, int]
    exposures: int
    clicks: int
    orders: int
    gross: Decimal
    taken_back: Decimal

    @property
    def net(self) -> Decimal:
        """Revenue that is left: negative on a day with more taken back than bought."""
        return self.gross - self.taken_back


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Summary:
    """Args:
    days: every day of the period, oldest first, also those on which nothing happened.
    """

    days: tuple[Day, ...]
    total: Traffic


@scoped
def traffic(shop: Shop, *, since: date, until: date) -> Summary:
    """Figures of the days from `since` to `until`, both included, in the shop's time zone."""
    cut = days(shop.timezone, since=since, until=until)
    where: list[Any] = [list(cut.bounds), shop.pk, cut.begin, cut.end]
    requests: dict[int, dict[ServedBy, int]] = {}
    shown: dict[int, int] = {}
    rest: dict[int, tuple[int, int, Decimal, Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EXPOSURES_SQL, where)
        for day, tier, count, with_products in cursor.fetchall():
            requests.setdefault(day, {})[ServedBy(tier)] = count
            shown[day] = shown.get(day, 0) + with_products
        cursor.execute(_OUTCOMES_SQL, where)
        for day, clicks, orders, gross, taken_back in cursor.fetchall():
            rest[day] = (clicks, orders, gross, taken_back)
    found = []
    for day in range(len(cut)):
        clicks, orders, gross, taken_back = rest.get(day, (0, 0, Decimal(0), Decimal(0)))
        tiers = {tier: requests.get(day, {}).get(tier, 0) for tier in ServedBy}
        figures = Traffic(tiers, shown.get(day, 0), clicks, orders, gross, taken_back)
        found.append(Day(cut.day(day), figures))
    return Summary(tuple(found), _sum([each.traffic for each in found]))


def _sum(days: list[Traffic]) -> Traffic:
    # An order is counted on one day only, so that days add up.
    return Traffic(
        requests={tier: sum(each.requests[tier] for each in days) for tier in ServedBy},
        exposures=sum(each.exposures for each in days),
        clicks=sum(each.clicks for each in days),
        orders=sum(each.orders for each in days),
        gross=sum((each.gross for each in days), Decimal(0)),
        taken_back=sum((each.taken_back for each in days), Decimal(0)),
    )


_EXPOSURES_SQL = """
select width_bucket(at, %s::timestamptz[]) - 1 as day, served_by, count(*), count(*) filter (where cardinality(product_ids) > 0)
  from features_exposure where shop_id = %s and at >= %s and at < %s and excluded is null group by 1, 2
"""
_OUTCOMES_SQL = """
select width_bucket(t.at, %s::timestamptz[]) - 1 as day,
       count(*) filter (where t.kind = 'click'),
       count(distinct t.order_id) filter (where t.kind = 'order' and o.cancelled_at is null),
       coalesce(sum(t.amount) filter (where t.kind = 'order'), 0),
       coalesce(-sum(t.amount) filter (where t.kind = 'refund'), 0)
  from features_outcome t left join features_order o on o.shop_id = t.shop_id and o.order_id = t.order_id
 where t.shop_id = %s and t.at >= %s and t.at < %s
   and not exists (select from features_exposure e where e.shop_id = t.shop_id and e.exposure_id = t.exposure_id
                                                     and e.excluded is not null)
 group by 1
"""
