"""Whether serving sees what training saw: the same vectors by the online way and by the offline way, at random moments.

Online, the tables reach just as far back as the windows, hold what was known at that moment, speak of that one moment, and
the numbers go through their packed form. Offline, one frame holds all moments at once. One function computes both; what may
differ is everything around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.db import connection

from mlops.feature_store import catalogue, loading, online, packed
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import Entity, View, vectors
from mlops.feature_store.packed import Floats
from mlops.feature_store.tables import as_known
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scoped

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Compared:
    """One view of a skew check.

    Args:
        way: `then` (what was known at the moment), `knowing` (as known now), or `stored` (what lies in Redis).
        filled: numbers among the compared that are not empty: a check of nothing but empty vectors says nothing.
        worst: largest difference, relative to numbers above 1.
    """

    view: str
    way: str
    pairs: int
    filled: int
    differing: int
    worst: float


@scoped
@reading(actor="system:features", purpose=Purpose.FEATURES)
def check(shop: Shop, *, pairs: int, moments: int, seed: int, now: datetime) -> tuple[Compared, ...]:
    """Compare so many random (entity, time) pairs, spread over so many moments, half of each of the two ways.

    And all that is stored online, of up to `pairs` entities, with what is computed offline for the moment it speaks of.
    """
    draw = np.random.default_rng(seed)
    views = catalogue.views(shop)
    found = list(_stored(shop, views, pairs, draw))
    began = _beginnings(shop, now)
    # A shop without visitors still has as many pairs compared.
    views = tuple(each for each in views if _asked(shop, each, [now], 1, draw).height)
    share = -(-pairs // (2 * max(1, len(views))))
    for way, first in zip(("then", "knowing"), began, strict=True):
        times = _times(draw, first, now, max(1, moments // 2))
        for view in views:
            asked = _asked(shop, view, times, share, draw)
            found.append(_compare(shop, view, asked, way, now))
    return tuple(found)


def _compare(shop: Shop, view: View, asked: pl.DataFrame, way: str, now: datetime) -> Compared:
    known_by = now if way == "knowing" else None
    whole = loading.frame(shop, (view,), asked, known_by=known_by)
    offline = whole.select(f"{view.name}.{each}" for each in view.names).fill_null(float("nan")).to_numpy()
    service = Service(view.entity, (view,))
    parts = []
    for at in asked["at"].unique(maintain_order=True).to_list():
        tables = loading.load(shop, (view,), first=at, last=known_by or at)
        if known_by is not None:
            tables = as_known(tables, known_by)
        one = asked.filter(pl.col("at") == at)
        values = vectors(view, tables, one).select(view.names).fill_null(float("nan")).to_numpy()
        clock = np.full((len(values), 1), packed.microseconds(at), dtype=np.int64)
        parts.append(packed.unpack(service, packed.pack(service, clock, values))[2])
    return _judged(view.name, way, offline, np.concatenate(parts))


def _stored(shop: Shop, views: Sequence[View], most: int, draw: np.random.Generator) -> Iterator[Compared]:
    for entity, service in catalogue.services(views if isinstance(views, tuple) else tuple(views)).items():
        ids = _known(shop, entity)
        ids = [ids[each] for each in draw.permutation(len(ids))[:most]]
        if not ids:
            continue
        there, moments, values = online.look(shop.pk, service, ids)
        at = 0
        for position, view in enumerate(service.views):
            some = there & (moments[:, position] > 0)
            mine = slice(at, at + len(view.features))
            at += len(view.features)
            if not some.any():
                continue
            asked = pl.DataFrame(
                {
                    entity.columns[0]: [each for each, fine in zip(ids, some.tolist(), strict=True) if fine],
                    "at": [packed.moment(each) for each in moments[some, position].tolist()],
                },
                schema={**entity.dtypes, "at": pl.Datetime("us", "UTC")},
            )
            whole = loading.frame(shop, (view,), asked)
            offline = whole.select(f"{view.name}.{each}" for each in view.names).fill_null(float("nan"))
            yield _judged(view.name, "stored", offline.to_numpy(), values[some, mine])


def _judged(view: str, way: str, offline: Floats, served: Floats) -> Compared:
    empty = np.isnan(offline)
    apart = np.abs(offline - served) / np.maximum(1.0, np.abs(offline))
    apart = np.where(empty & np.isnan(served), 0.0, np.where(empty ^ np.isnan(served), np.inf, apart))
    return Compared(
        view, way, len(offline), int((~empty).sum()), int((apart > TOLERANCE).any(axis=1).sum()),
        float(apart.max(initial=0.0)),
    )  # fmt: skip


def _times(draw: np.random.Generator, first: datetime, last: datetime, count: int) -> list[datetime]:
    span = max(1, (last - first) // timedelta(microseconds=1))
    return sorted(first + timedelta(microseconds=int(each)) for each in draw.integers(0, span + 1, count))


def _asked(
    shop: Shop, view: View, times: list[datetime], count: int, draw: np.random.Generator
) -> pl.DataFrame:
    ids: dict[str, list[Any]] = {}
    for column in view.entity.columns:
        entity = Entity.PRODUCT if column == "other_id" else Entity(column.removesuffix("_id"))
        known = _known(shop, entity)
        if not known:
            return pl.DataFrame()
        ids[column] = [known[each] for each in draw.integers(0, len(known), count)]
    at = sorted(times[each] for each in draw.integers(0, len(times), count))
    return pl.DataFrame({**ids, "at": at}, schema={**view.entity.dtypes, "at": pl.Datetime("us", "UTC")})


def _known(shop: Shop, entity: Entity) -> list[Any]:
    """Everything of a kind that the shop ever told of, also what is deleted."""
    if entity is Entity.SHOP:
        return [shop.pk]
    query = {
        Entity.PRODUCT: "select product_id from features_product where shop_id = %s order by 1",
        Entity.VARIANT: "select variant_id from features_variant where shop_id = %s order by 1",
        Entity.CUSTOMER: "select distinct customer_id from features_order where shop_id = %s and customer_id is not null order by 1",
        Entity.VISITOR: "select distinct visitor from features_storefront_event where shop_id = %s and visitor is not null order by 1",
    }.get(entity)  # fmt: skip
    if query is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(query, [shop.pk])
        return [row[0] for row in cursor.fetchall()]


def _beginnings(shop: Shop, now: datetime) -> tuple[datetime, datetime]:
    """The first moment at which we knew anything, and the first at which anything happened."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(known_at), min(occurred_at) from features_event where shop_id = %s and kind in ('order', 'product')",
            [shop.pk],
        )  # fmt: skip
        row = cursor.fetchone()
    known, happened = row or (None, None)
    return (known or now).astimezone(UTC), (happened or now).astimezone(UTC)
