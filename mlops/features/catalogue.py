"""Shell: looks at the catalogue every quarter of an hour and marks the day on which prices or stock jumped."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import connection, transaction

from mlops.features import markers
from mlops.features.days import day_of
from mlops.features.events import MarkerKind
from mlops.features.jumps import Catalogue, Jump, Offered, jumps
from mlops.features.models import CatalogueDay
from tenancy.locks import LockKind, try_lock
from tenancy.models import Shop
from tenancy.scope import scope

# Two days back is enough to compare with; a few more cost nothing and help when the app was off.
KEPT = timedelta(days=7)
# A day is compared with one at most this old: across a longer gap a jump would get the wrong date.
OLDEST = timedelta(days=3)


def watch(shop: Shop, *, now: datetime) -> tuple[Jump, ...]:
    """Compare the catalogue with the day before, mark what jumped, keep today's first picture. Safe to repeat.

    A kind is marked at most once a day. While events of the shop are being written nothing is done: the next look
    is soon.
    """
    with scope(shop), transaction.atomic():
        if not try_lock(shop, LockKind.EVENTS):
            return ()
        today = day_of(now, shop.timezone)
        current = _offered(shop)
        if not current:
            return ()
        earlier = CatalogueDay.objects.filter(day__lt=today, day__gte=today - OLDEST).order_by("-day").first()
        found = jumps(_picture(earlier), current) if earlier is not None else ()
        marked = _marked_on(shop, today, now)
        fresh = tuple(each for each in found if each.kind not in marked)
        CatalogueDay.objects.filter(day__lt=today - KEPT).delete()
        if not CatalogueDay.objects.filter(day=today).exists():
            ids = sorted(current)
            CatalogueDay.objects.bulk_create(
                [
                    CatalogueDay(
                        shop=shop,
                        day=today,
                        taken_at=now,
                        variant_ids=ids,
                        prices=[current[each].price for each in ids],
                        sellable=[current[each].sellable for each in ids],
                    )
                ],
                ignore_conflicts=True,
            )
        for each in fresh:
            markers.mark(shop, each.kind, at=now, now=now, detail=each.detail)
    return fresh


def _marked_on(shop: Shop, day: date, now: datetime) -> set[MarkerKind]:
    recent = markers.between(shop, now - timedelta(days=2), now + timedelta(seconds=1))
    return {each.kind for each in recent if day_of(each.at, shop.timezone) == day}


def _picture(row: CatalogueDay) -> Catalogue:
    return {
        variant_id: Offered(price, sellable)
        for variant_id, price, sellable in zip(row.variant_ids, row.prices, row.sellable, strict=True)
    }


def _offered(shop: Shop) -> dict[int, Offered]:
    with connection.cursor() as cursor:
        cursor.execute(_OFFERED_SQL, [shop.pk, shop.pk])
        return {variant_id: Offered(price, sellable) for variant_id, price, sellable in cursor.fetchall()}


# As the product cards count stock (see `mlops.features.online`).
_OFFERED_SQL = """
select v.variant_id, v.price,
       v.available is null or v.continue_selling
       or coalesce(case when s.at >= p.version_at then s.total end, v.available) > 0
  from features_product p
  join features_variant v using (shop_id, product_id)
  left join (select inventory_item_id, max(version_at) as at, sum(coalesce(available, 0)) as total
               from features_stocklevel where shop_id = %s group by 1) s using (inventory_item_id)
 where p.shop_id = %s and p.deleted_at is null and p.status = 'active' and p.published_at is not null
"""
