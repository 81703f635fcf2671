"""The merchant's calendar of promotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from mlops.demand.models import Promotion
from mlops.features.models import Product
from tenancy import audit
from tenancy.errors import NotFound, Refused
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scoped

MOST = 500  # of a shop
LONGEST = timedelta(days=92)
MOST_PRODUCTS = 5000
LARGEST_PERCENT = 90
EARLIEST, LATEST = timedelta(days=1461), timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Planned:
    """Args:
    discount: share of the price, 0 to 1.
    product_ids: None means everything.
    """

    id: int
    name: str
    starts_on: date
    ends_on: date
    discount: float
    product_ids: tuple[int, ...] | None


@scoped
def between(shop: Shop, since: date, until: date) -> list[Planned]:
    """Promotions with a day from `since` to `until`, both included; the earliest first."""
    rows = Promotion.objects.filter(starts_on__lte=until, ends_on__gte=since).order_by("starts_on", "id")
    return [
        Planned(
            row.pk,
            row.name,
            row.starts_on,
            row.ends_on,
            row.percent / 100,
            None if row.product_ids is None else tuple(row.product_ids),
        )
        for row in rows
    ]


@scoped
def plan(
    shop: Shop,
    *,
    name: str,
    starts_on: date,
    ends_on: date,
    percent: int,
    product_ids: Sequence[int] | None,
    actor: str,
    today: date,
    now: datetime,
) -> Promotion:
    """Enter a promotion.

    Raises:
        Refused: it cannot be; nothing was entered.
    """
    _possible(starts_on, ends_on, percent, today)
    wanted = None if product_ids is None else sorted(set(product_ids))
    if wanted is not None and not 0 < len(wanted) <= MOST_PRODUCTS:
        raise Refused(f"name 1 to {MOST_PRODUCTS} products, or none for all", field="product_ids")
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        if wanted is not None:
            known = set(
                Product.objects.filter(product_id__in=wanted, deleted_at=None).values_list(
                    "product_id", flat=True
                )
            )
            missing = [each for each in wanted if each not in known]
            if missing:
                raise Refused(f"there is no product {missing[0]}", field="product_ids")
        if Promotion.objects.count() >= MOST:
            raise Refused(f"a shop has at most {MOST} promotions", next_step="Delete old ones.")
        row = Promotion.objects.create(
            shop=shop,
            name=name,
            starts_on=starts_on,
            ends_on=ends_on,
            percent=percent,
            product_ids=wanted,
            created_at=now,
            created_by=actor,
        )
        data = {
            "promotion": row.pk,
            "from": starts_on.isoformat(),
            "to": ends_on.isoformat(),
            "percent": percent,
        }
        audit.record(shop, actor=actor, action="promotion.planned", now=now, reason=name, data=data)
    return row


@scoped
def cancel(shop: Shop, promotion_id: int, *, actor: str, now: datetime) -> None:
    """Take a promotion out of the calendar.

    Raises:
        NotFound: there is none of this number.
    """
    with transaction.atomic():
        row = Promotion.objects.filter(pk=promotion_id).first()
        if row is None:
            raise NotFound(
                "there is no such promotion", code="promotion_not_found", next_step="Reload the page."
            )
        data = {"promotion": row.pk, "from": row.starts_on.isoformat(), "to": row.ends_on.isoformat()}
        audit.record(shop, actor=actor, action="promotion.cancelled", now=now, reason=row.name, data=data)
        row.delete()


def _possible(starts_on: date, ends_on: date, percent: int, today: date) -> None:
    if ends_on < starts_on:
        raise Refused("it ends before it starts", field="ends_on")
    if ends_on - starts_on >= LONGEST:
        raise Refused(
            f"it lasts longer than {LONGEST.days} days; that is a price, no promotion", field="ends_on"
        )
    if starts_on < today - EARLIEST or ends_on > today + LATEST:
        raise Refused("it lies more than four years back or more than a year ahead", field="starts_on")
    if not 1 <= percent <= LARGEST_PERCENT:
        raise Refused(f"the discount is between 1 and {LARGEST_PERCENT} %", field="percent")
