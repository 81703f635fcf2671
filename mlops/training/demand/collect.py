"""Shell: reads what a demand run learns from, and freezes it as a sealed file that is named by its content."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from django.db import connection

from mlops.demand import promotions
from mlops.feature_store import event_log, loading, registered, versions
from mlops.feature_store.offers import VARIANT
from mlops.feature_store.seasons import SHOP
from mlops.features import sealed
from mlops.features.days import day_of, days
from mlops.features.series import daily_demand
from mlops.training.demand import frozen as files
from mlops.training.demand.assemble import LONGEST_DAYS
from mlops.training.demand.frozen import CATALOGUE, PROMOTIONS, SALES, SEASON, Frozen
from mlops.training.demand.learn import HORIZON
from mlops.training.demand.offered import offered
from tenancy.models import Shop
from tenancy.scope import scoped

KIND = "panel"
VIEWS = (SHOP, VARIANT)


@scoped
def freeze(shop: Shop, *, until: datetime, now: datetime) -> str:
    """Freeze everything known of the whole days before `until`; the digest of the file. The same content is the same file.

    Raises:
        UnattributedRead: outside a `reading`.
    """
    content = files.pack(read(shop, until=until))
    digest = hashlib.sha256(content).hexdigest()
    sealed.keep(shop.pk, digest, content, kind=KIND)
    registered.ensure(shop, VIEWS, now=now)
    return digest


def thaw(shop: Shop, digest: str) -> Frozen:
    """The frozen tables.

    Raises:
        FileUnusable: the file is missing or does not open.
        NotFrozen: its content is not what `freeze` wrote.
    """
    content = sealed.read(shop.pk, digest, kind=KIND)
    if hashlib.sha256(content).hexdigest() != digest:
        raise files.NotFrozen(f"the frozen demand {digest} was altered")
    return files.unpack(content)


def features() -> dict[str, str]:
    """The versions of the feature views that are frozen, by view."""
    return {each.name: versions.digest(each) for each in VIEWS}


@scoped
def read(shop: Shop, *, until: datetime, horizon: int = HORIZON) -> Frozen:
    """What is known of the whole days before `until`, at most `LONGEST_DAYS` of them."""
    last = day_of(until, shop.timezone) - timedelta(days=1)
    earliest = last - timedelta(days=LONGEST_DAYS - 1)
    with connection.cursor() as cursor:
        # Right after an import the planner still believes the tables empty.
        cursor.execute("analyze features_order, features_orderline")
    sold = daily_demand(shop, since=earliest, until=last)
    begin: date = sold["day"].min() or last  # type: ignore[assignment]
    count = (last - begin).days + 1
    cut = days(shop.timezone, since=begin, until=last)
    of_variant = pl.col("variant_id").is_not_null()
    sales = (
        sold.filter(of_variant)
        .with_columns(day=(pl.col("day") - pl.lit(begin)).dt.total_days(), units=pl.col("units").clip(0))
        .group_by("day", "variant_id")
        .agg(pl.col("units").sum(), pl.col("revenue").cast(pl.Float64).sum())
        .select(pl.col(name).cast(kind) for name, kind in SALES.items())
    )
    offers = event_log.offers(shop, since=cut.begin, until=until)
    stock = event_log.stock(shop, since=cut.begin, until=until)
    # What is told of the days of the panel alone: a state of today says nothing of yesterday.
    told = offered(
        offers.filter(pl.col("version_at") < cut.end),
        stock.filter(pl.col("version_at") < cut.end),
        cut.bounds,
    )
    return Frozen(
        first=begin,
        days=count,
        horizon=horizon,
        sales=sales,
        offered=told,
        catalogue=_catalogue(shop, begin, until),
        season=_season(shop, begin, count + horizon),
        promotions=_promotions(shop, begin, count + horizon),
    )


def _catalogue(shop: Shop, begin: date, until: datetime) -> pl.DataFrame:
    with connection.cursor() as cursor:
        cursor.execute(_CATALOGUE_SQL, {"shop": shop.pk})
        rows = cursor.fetchall()
    names = ["variant_id", "product_id", "title", "product_type", "vendor", "collection", "began", "price"]
    kinds = {"began": pl.Datetime("us", "UTC")}
    frame = pl.DataFrame(
        rows, orient="row", schema={name: kinds.get(name, CATALOGUE.get(name, pl.String)) for name in names}
    )
    there = pl.col("began").dt.convert_time_zone(shop.timezone).dt.date()
    asked = frame.select("variant_id", at=pl.lit(until).cast(pl.Datetime("us", "UTC")))
    offer = loading.frame(shop, [VARIANT], asked)
    return frame.with_columns(
        since=(there - pl.lit(begin)).dt.total_days(),
        price=pl.coalesce(offer[f"{VARIANT.name}.price"], pl.col("price")),
    ).select(pl.col(name).cast(kind) for name, kind in CATALOGUE.items())


# A product's collection is the smallest with at least five products: the one that tells most of it.
_CATALOGUE_SQL = """
with sizes as (select c.collection_id, c.title, unnest(c.product_ids) as product_id, cardinality(c.product_ids) as size
                 from features_collection c where c.shop_id = %(shop)s and c.deleted_at is null),
     smallest as (select distinct on (product_id) product_id, title from sizes where size >= 5
                   order by product_id, size, collection_id)
select v.variant_id, v.product_id,
       case when v.title = 'Default Title' then p.title else p.title || ' ' || v.title end,
       p.product_type, p.vendor, coalesce(s.title, ''), coalesce(p.published_at, p.created_at), v.price::float8
  from features_product p join features_variant v using (shop_id, product_id) left join smallest s using (product_id)
 where p.shop_id = %(shop)s and p.deleted_at is null and p.status <> 'archived' and not p.gift_card
"""


def _season(shop: Shop, begin: date, count: int) -> pl.DataFrame:
    zone = ZoneInfo(shop.timezone)
    noons = [
        datetime.combine(begin + timedelta(days=each), time(12), tzinfo=zone).astimezone(UTC) for each in range(count)
    ]  # fmt: skip
    asked = pl.DataFrame(
        {"shop_id": [shop.pk] * count, "at": noons},
        schema={"shop_id": pl.Int64, "at": pl.Datetime("us", "UTC")},
    )
    found = loading.frame(shop, [SHOP], asked)
    return pl.DataFrame(
        {"day": range(count), "holiday": found[f"{SHOP.name}.holiday"]}, schema_overrides=SEASON, strict=False
    ).select(pl.col(name).cast(kind) for name, kind in SEASON.items())


def _promotions(shop: Shop, begin: date, count: int) -> pl.DataFrame:
    """A row for each day and product of the planned promotions; of two on one day the larger discount counts."""
    planned = promotions.between(shop, begin, begin + timedelta(days=count - 1))
    every = _products(shop) if any(each.product_ids is None for each in planned) else []
    rows = [
        ((each.starts_on - begin).days + k, product, float(each.discount))
        for each in planned
        for k in range((each.ends_on - each.starts_on).days + 1)
        for product in (every if each.product_ids is None else each.product_ids)
        if 0 <= (each.starts_on - begin).days + k < count
    ]
    frame = pl.DataFrame(rows, schema=PROMOTIONS, orient="row")
    return frame.group_by("day", "product_id").agg(pl.col("discount").max())


def _products(shop: Shop) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select product_id from features_product where shop_id = %s and deleted_at is null", [shop.pk]
        )
        return [row[0] for row in cursor.fetchall()]
