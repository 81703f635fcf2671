"""Shell: computes all vectors of a shop every four hours, and those of what changed within a minute."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.db import connection, transaction

from mlops.feature_store import (
    affinity,
    catalogue,
    loading,
    online,
    packed,
    registered,
    rfm,
    statistics,
    versions,
)
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import FRESH, Entity, View, vectors
from mlops.feature_store.models import ViewVersion
from mlops.feature_store.tables import LIMITS, Tables
from mlops.features import tombstones
from tenancy.locks import LockKind, lock, try_lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.redis import client, key
from tenancy.scope import scoped

LOCK_WAIT_S = 60.0
# Vectors are computed for so many entities at once: some 30 MB of numbers.
BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Args:
    entities: vectors written, by entity; of pairs, products with neighbours.
    """

    entities: dict[str, int]
    seconds: float


@scoped
def due(shop: Shop, *, now: datetime) -> bool:
    """Whether the last refresh of everything is four hours old, or there was none with the code of today."""
    current = [versions.digest(each) for each in catalogue.views(shop)]
    rows = dict(ViewVersion.objects.filter(digest__in=current).values_list("digest", "refreshed_at"))
    moments = [rows.get(each) for each in current]
    return any(each is None or now - each >= FRESH for each in moments)


@scoped
@reading(actor="system:features", purpose=Purpose.FEATURES)
def refresh(shop: Shop, *, now: datetime) -> Refreshed:
    """Compute every vector of the shop as of `now` and store it; write down versions and the day's statistics.

    Raises:
        Transient: another refresh of this shop held on for `LOCK_WAIT_S` seconds.
    """
    began = time.monotonic()
    views = catalogue.views(shop)
    written: dict[str, int] = {}
    found: dict[str, pl.DataFrame] = {}
    rows = registered.ensure(shop, views, now=now)
    # Vectors are written as they are computed, each as a whole. A process that dies on the way leaves some of now beside some
    # of before, each saying of which moment it speaks; rows are written last, so the next tick does all of it again.
    with transaction.atomic():
        lock(shop, LockKind.FEATURES, wait_s=LOCK_WAIT_S)
        tables = loading.load(shop, views, first=now, last=now)
        limits = rfm.limits(tables, now)
        _keep_limits(shop, limits)
        tables = replace(tables, limits=limits)
        for entity, service in catalogue.services(views).items():
            ids = _everybody(shop, entity, tables)
            found |= _store(shop, service, ids, tables, now)
            written[entity.value] = len(ids)
        for view in catalogue.NEIGHBOURS:
            near = affinity.neighbours(tables, now, baskets=affinity.BASKETS[view.name])
            counts = [online.write_neighbours(shop.pk, view, part) for part in near]
            written[view.name] = sum(counts)
        seconds = time.monotonic() - began
        for view in views:
            if view.name in found:
                statistics.keep(shop, view, rows[view.name], found[view.name], now=now)
            ViewVersion.objects.filter(pk=rows[view.name].pk).update(
                refreshed_at=now,
                entities=written.get(view.name, written.get(view.entity.value, 0)),
                took_ms=round(seconds * 1000),
            )
    return Refreshed(written, seconds)


@scoped
@reading(actor="system:features", purpose=Purpose.FEATURES)
def update(
    shop: Shop, *, products: Sequence[int] = (), customers: Sequence[int] = (), now: datetime
) -> Refreshed | None:
    """Compute anew what events can change of these products, their variants and these customers; the rest stays.

    None, and nothing done, while everything is being refreshed: what changed is asked for again then.
    """
    began = time.monotonic()
    written: dict[str, int] = {}
    views = catalogue.views(shop)
    packs = catalogue.services(views)
    with transaction.atomic():
        if not try_lock(shop, LockKind.FEATURES):
            return None
        if products:
            told = [
                each
                for each in views
                if each.entity in (Entity.PRODUCT, Entity.VARIANT) and "visits" not in each.reads
            ]
            tables = loading.load(shop, told, first=now, last=now, products=products)
            variants = tables.offers["variant_id"].drop_nulls().unique().sort().to_list()
            for entity, ids in ((Entity.PRODUCT, sorted(set(products))), (Entity.VARIANT, variants)):
                written[entity.value] = _renew(shop, packs[entity], ids, tables, now)
        if customers:
            everyone, tables = _with_joined(shop, customers, packs[Entity.CUSTOMER].views, now)
            written[Entity.CUSTOMER.value] = _renew(shop, packs[Entity.CUSTOMER], everyone, tables, now)
    return Refreshed(written, time.monotonic() - began)


def _with_joined(
    shop: Shop, customers: Sequence[int], views: Sequence[View], now: datetime
) -> tuple[list[int], Tables]:
    """The tables that decide the vectors of these customers, of those whose accounts went into theirs, or theirs into."""
    merges = loading.load(shop, views, first=now, last=now, customers=[]).merges
    wanted = set(customers)
    pairs = list(zip(merges["customer_id"].to_list(), merges["kept_id"].to_list(), strict=True))
    while more := {each for pair in pairs if wanted.intersection(pair) for each in pair} - wanted:
        wanted |= more
    everyone = sorted(wanted)
    limits = _kept_limits(shop, now)
    if limits is None:
        whole = loading.load(shop, views, first=now, last=now)
        limits = rfm.limits(whole, now)
        _keep_limits(shop, limits)
    return everyone, replace(
        loading.load(shop, views, first=now, last=now, customers=everyone), limits=limits
    )


def _store(
    shop: Shop, service: Service, ids: list[Any], tables: Tables, now: datetime
) -> dict[str, pl.DataFrame]:
    """Compute and write whole vectors; returns the values of each view, a row per entity."""
    moments = np.full((1, len(service.views)), packed.microseconds(now), dtype=np.int64)
    kept: list[pl.DataFrame] = []
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        found = _computed(service.views, service.entity, some, tables, now)
        online.write(shop.pk, service, some, np.repeat(moments, len(some), axis=0), found.to_numpy())
        kept.append(found)
    _forget_the_erased(shop, service.entity, ids)
    if not kept:
        return {}
    whole = pl.concat(kept)
    return {
        view.name: whole.select(pl.col(f"{view.name}.{name}").alias(name) for name in view.names)
        for view in service.views
    }


def _renew(shop: Shop, service: Service, ids: list[Any], tables: Tables, now: datetime) -> int:
    """Compute the views that events can change, and put them into the stored vectors beside the others."""
    if not ids:
        return 0
    _, moments, values = online.look(shop.pk, service, ids)
    moments, values = moments.copy(), values.copy()
    at = column = 0
    for view in service.views:
        width = len(view.features)
        if "visits" not in view.reads:
            computed = _computed((view,), service.entity, ids, tables, now)
            values[:, column : column + width] = computed.to_numpy()
            moments[:, at] = packed.microseconds(now)
        at, column = at + 1, column + width
    online.write(shop.pk, service, ids, moments, values)
    _forget_the_erased(shop, service.entity, ids)
    return len(ids)


def _computed(
    views: Sequence[View], entity: Entity, ids: Sequence[Any], tables: Tables, now: datetime
) -> pl.DataFrame:
    """The vectors as the offline frame has them: a column `view.feature` each; a value that is none is NaN."""
    asked = pl.DataFrame({entity.columns[0]: list(ids)}, schema=entity.dtypes).with_columns(
        at=pl.lit(now.astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
    )
    parts = [
        vectors(view, tables, asked).select(pl.col(name).alias(f"{view.name}.{name}") for name in view.names)
        for view in views
    ]
    return pl.concat(parts, how="horizontal").fill_null(float("nan"))


def _everybody(shop: Shop, entity: Entity, tables: Tables) -> list[Any]:
    """Whom vectors are kept for: what is for sale or was lately, and who came or bought within the windows."""
    if entity is Entity.SHOP:
        return [shop.pk]
    if entity is Entity.CUSTOMER:
        return tables.orders["customer_id"].drop_nulls().unique().sort().to_list()
    if entity is Entity.VISITOR:
        return tables.visits["visitor"].drop_nulls().unique().sort().to_list()
    column = entity.columns[0]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select x.{column} from features_{entity.value} x join features_product p using (shop_id, product_id)"  # noqa: S608
            f" where x.shop_id = %s and p.deleted_at is null order by x.{column}",
            [shop.pk],
        )
        return [row[0] for row in cursor.fetchall()]


def _forget_the_erased(shop: Shop, entity: Entity, ids: Iterable[Any]) -> None:
    """Who was erased while this was computed leaves no vector: erasing looks before we wrote, and we look after it."""
    if entity is Entity.CUSTOMER:
        online.forget_entities(shop.pk, entity, tombstones.among(shop, customers=ids).customers)
    elif entity is Entity.VISITOR:
        online.forget_entities(shop.pk, entity, tombstones.among(shop, visitors=ids).visitors)


def _limits_key(shop: Shop) -> str:
    return key("features", shop.pk, "limits", versions.digest(rfm.CUSTOMER))


def _keep_limits(shop: Shop, limits: pl.DataFrame) -> None:
    rows = limits.with_columns(pl.col("period").dt.epoch("us")).rows()
    client().set(_limits_key(shop), json.dumps(rows), ex=online.KEPT_S)


def _kept_limits(shop: Shop, now: datetime) -> pl.DataFrame | None:
    """The limits of the period of `now`, when they were computed already."""
    found: Any = client().get(_limits_key(shop))
    if found is None:
        return None
    rows = [[packed.moment(row[0]), *row[1:]] for row in json.loads(found)]
    frame = pl.DataFrame(rows, schema=dict(LIMITS), orient="row")
    period = pl.lit(now.astimezone(UTC)).dt.cast_time_unit("us").dt.truncate(rfm.LIMITS_EVERY)
    return None if frame.filter(pl.col("period") == period).is_empty() else frame


def age(shop: Shop, *, now: datetime) -> timedelta | None:
    """How old the oldest of the shop's current views is; None when one was never computed."""
    current = {versions.digest(each) for each in catalogue.views(shop)}
    rows = dict(ViewVersion.objects.filter(digest__in=current).values_list("digest", "refreshed_at"))
    moments = [rows.get(each) for each in current]
    known = [each for each in moments if each is not None]
    return now - min(known) if len(known) == len(current) else None
