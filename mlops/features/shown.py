"""Shell: exposures and clicks into Postgres, and from there to the outcomes of orders that came before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from django.db import connection, transaction

from mlops.features import conduct, owed, tombstones
from mlops.features.arrays import id_list
from mlops.features.events import Click, Exposure
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """Args:
    unknown: clicks whose exposure is not here (yet), or did not show that product: nothing was written for them.
    reasons: why the products of the other clicks had been shown, in the order of `known`.
    """

    new: int
    unknown: tuple[Click, ...] = ()
    known: tuple[Click, ...] = ()
    reasons: tuple[str, ...] = ()


def record_exposures(exposures: Sequence[Exposure]) -> Recorded:
    """Keep exposures, each once by its id; orders that already name one of them are attributed anew.

    Those of a shop that is gone are dropped.
    """
    new = 0
    by_shop: dict[int, list[Exposure]] = defaultdict(list)
    for each in exposures:
        by_shop[each.shop_id].append(each)
    for shop in Shop.objects.filter(pk__in=by_shop).order_by("pk"):
        rows = list({each.exposure_id: each for each in by_shop[shop.pk]}.values())
        with scope(shop), reading(actor="system:events", purpose=Purpose.ATTRIBUTION), transaction.atomic():
            lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
            rows = tombstones.without(shop, rows)
            with connection.cursor() as cursor:
                cursor.execute(
                    "insert into features_exposure (shop_id, exposure_id, at, slot, served_by, version_id,"
                    " visitor, context_product_id, product_ids, latency_us, excluded, reasons)"
                    " select %s, u.exposure_id, u.at, u.slot, u.served_by, u.version_id, u.visitor, u.context,"
                    " u.products::bigint[], u.latency, u.excluded, string_to_array(u.reasons, ',')"
                    " from unnest(%s::text[], %s::timestamptz[],"
                    " %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::integer[],"
                    " %s::text[], %s::text[]) as u(exposure_id, at, slot, served_by, version_id, visitor, context,"
                    " products, latency, excluded, reasons)"
                    " on conflict (shop_id, exposure_id) do nothing returning exposure_id",
                    [
                        shop.pk,
                        [each.exposure_id for each in rows],
                        [each.at for each in rows],
                        [each.slot.value for each in rows],
                        [each.served_by.value for each in rows],
                        [each.version_id for each in rows],
                        [each.visitor for each in rows],
                        [each.context_product_id for each in rows],
                        [id_list(each.product_ids) for each in rows],
                        [each.latency_us for each in rows],
                        [each.excluded for each in rows],
                        [",".join(each.reasons) for each in rows],
                    ],
                )
                added = [row[0] for row in cursor.fetchall()]
                late = owed.orders_naming(cursor, shop.pk, added)
                if rows:
                    now = max(each.at for each in rows)
                    conduct.judge(cursor, shop.pk, {each.visitor for each in rows if each.visitor}, now=now)
            owed.renew(shop.pk, late)
        new += len(added)
    return Recorded(new=new)


def record_clicks(clicks: Sequence[Click]) -> Recorded:
    """Keep clicks, each once per exposure and product; orders of their visitors are attributed anew.

    A click counts only for an exposure of its own shop that showed its product.
    """
    new = 0
    unknown: list[Click] = []
    known: list[Click] = []
    reasons: list[str] = []
    by_shop: dict[int, list[Click]] = defaultdict(list)
    for each in clicks:
        by_shop[each.shop_id].append(each)
    for shop in Shop.objects.filter(pk__in=by_shop).order_by("pk"):
        mine = by_shop.pop(shop.pk)
        with scope(shop), reading(actor="system:events", purpose=Purpose.ATTRIBUTION), transaction.atomic():
            lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
            mine = tombstones.without(shop, mine)
            with connection.cursor() as cursor:
                cursor.execute(
                    "select exposure_id, product_ids, reasons from features_exposure"
                    " where shop_id = %s and exposure_id = any(%s)",
                    [shop.pk, list({each.exposure_id for each in mine})],
                )
                shown = {row[0]: dict(zip_longest(row[1], row[2])) for row in cursor.fetchall()}
                good = [each for each in mine if each.product_id in shown.get(each.exposure_id, ())]
                unknown += [each for each in mine if each.product_id not in shown.get(each.exposure_id, ())]
                known += good
                reasons += [shown[each.exposure_id][each.product_id] or "" for each in good]
                cursor.execute(
                    "insert into features_outcome (shop_id, kind, key, exposure_id, at, product_id, visitor,"
                    " quantity, amount)"
                    " select %s, 'click', u.key, u.exposure_id, u.at, u.product_id, u.visitor, 1, 0"
                    " from unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::text[])"
                    " as u(key, exposure_id, at, product_id, visitor)"
                    " on conflict (shop_id, key) do nothing returning visitor",
                    [
                        shop.pk,
                        [f"click:{each.exposure_id}:{each.product_id}" for each in good],
                        [each.exposure_id for each in good],
                        [each.at for each in good],
                        [each.product_id for each in good],
                        [each.visitor for each in good],
                    ],
                )
                added = [row[0] for row in cursor.fetchall()]
                late = owed.orders_of(cursor, shop.pk, [each for each in added if each])
            owed.renew(shop.pk, late)
        new += len(added)
    unknown += [each for left in by_shop.values() for each in left]
    return Recorded(new=new, unknown=tuple(unknown), known=tuple(known), reasons=tuple(reasons))
