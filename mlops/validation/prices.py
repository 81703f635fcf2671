"""What the catalogue says variants cost: what a price is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db import connection

from mlops.features.arrays import id_list
from tenancy.models import Shop
from tenancy.scope import scoped

# An import asks for the same variants thousands of times, and a price of a minute ago is as good for telling twenty-fold.
TRUSTED_S = 60.0
MOST_KEPT = 200_000
_kept: dict[int, tuple[float, dict[int, float]]] = {}


@scoped
def known(shop: Shop, variant_ids: Iterable[int]) -> dict[int, float]:
    """The higher of price and compare-at price of those variants that exist; up to a minute old."""
    expires, prices = _kept.get(shop.pk, (0.0, {}))
    if time.monotonic() > expires:
        expires, prices = time.monotonic() + TRUSTED_S, {}
    wanted = set(variant_ids)
    missing = [each for each in wanted if each not in prices and _is_id(each)]
    if missing:
        if len(prices) + len(missing) > MOST_KEPT:
            prices = {}
            missing = [each for each in wanted if _is_id(each)]
        with connection.cursor() as cursor:
            cursor.execute(
                "select variant_id, greatest(price, compare_at_price)::float8 from features_variant"
                " where shop_id = %s and variant_id = any(%s::bigint[])",
                [shop.pk, id_list(missing)],
            )
            prices.update(cursor.fetchall())
    _kept[shop.pk] = (expires, prices)
    return {each: prices[each] for each in wanted if each in prices}


def _is_id(value: object) -> bool:
    return isinstance(value, int) and 0 < value < 2**63


def forget(shop: Shop) -> None:
    """Ask the database anew: its products have just changed."""
    _kept.pop(shop.pk, None)
