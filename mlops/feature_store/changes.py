"""Shell: pays the debts of `mlops.features.news`: what events have changed is computed anew."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from mlops.feature_store import refresh
from mlops.features import news
from mlops.features.news import Change
from tenancy.models import Shop, ShopState


def pay(*, before: float, now: datetime) -> int:
    """Compute anew what was told until then, of all shops, the longest ago first; returns how many were struck out.

    What belongs to a shop that is being refreshed as a whole waits for the next time; so does what is told again meanwhile.

    Args:
        before: seconds since 1970.
    """
    by_shop: dict[int, list[Change]] = defaultdict(list)
    for each in news.oldest(before=before):
        by_shop[each.shop_id].append(each)
    paid: list[Change] = []
    for shop in Shop.objects.filter(pk__in=by_shop):
        owed = by_shop.pop(shop.pk)
        done = shop.state != ShopState.INSTALLED or refresh.update(
            shop,
            products=[each.id for each in owed if each.entity == news.PRODUCT],
            customers=[each.id for each in owed if each.entity == news.CUSTOMER],
            now=now,
        )
        if done:
            paid += owed
            news.settled(owed)
    for gone in by_shop.values():
        paid += gone
        news.settled(gone)
    return len(paid)
