"""What a product or variant costs, how long it could be bought, and how fast it sells while it can. Pure.

The state of an offer holds from its version until the next; the first that is known stands for all time since the product was
created. Time in stock is measured, not counted in days: ten days without stock of 28 are ten days, whenever they began.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from mlops.feature_store.as_of import answers, in_parts, numbered, seen, standing, stands, within
from mlops.feature_store.declared import Dtype, Entity, Feature, Missing, View
from mlops.feature_store.tables import Tables

WINDOW = timedelta(days=28)
WEEK = timedelta(days=7)
DAY_US = 86_400_000_000
# Less time in stock than this says nothing about a rate: units are divided by at least so much.
LEAST_DAYS = 1.0


def of_products(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: product_id, at.
    """
    return _compute(tables, asked.with_columns(variant_id=pl.lit(None, pl.Int64)), "product_id")


def of_variants(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: variant_id, at.
    """
    belongs = (
        tables.offers.filter(pl.col("variant_id").is_not_null())
        .sort("version_at", "event")
        .select("variant_id", "product_id")
        .unique("variant_id", keep="last")
    )
    named = asked.join(belongs, on="variant_id", how="left", maintain_order="left")
    return _compute(tables, named, "variant_id")


def _compute(tables: Tables, asked: pl.DataFrame, entity: str) -> pl.DataFrame:
    rows = numbered(asked)
    offers = tables.offers.with_columns(since=seen())
    offered = in_parts(rows, offers, "product_id", lambda part: _offered(part, offers, tables.stock))
    # Other views may look further back; whoever was placed within a window has all versions after its begin.
    first: Any = asked["at"].min()
    recent = tables.lines if first is None else tables.lines.filter(pl.col("order_at") > first - WINDOW)
    lines = standing(recent, "order_id").filter(
        pl.col("counts") & (pl.col("units") > 0) & pl.col(entity).is_not_null()
    )
    sold = in_parts(rows, lines, entity, lambda part: _sold(part, lines, entity))
    found = answers(asked, offered).hstack(answers(asked, sold))
    units = ("units_7d", "units_28d", "orders_28d")
    rate = pl.col("units_28d") / pl.max_horizontal(pl.col("in_stock_days"), pl.lit(LEAST_DAYS))
    return found.with_columns(pl.col(units).fill_null(0.0)).with_columns(
        velocity_28d=pl.when(pl.col("in_stock_days") > 0).then(rate),
        trend_7d=pl.when(pl.col("units_28d") > 0).then(pl.col("units_7d") * 4 / pl.col("units_28d")),
    )


def _sold(asked: pl.DataFrame, lines: pl.DataFrame, entity: str) -> pl.DataFrame:
    bought = (
        asked.select("ask", "at", entity)
        .join(lines, on=entity, how="inner")
        .filter(stands() & within("order_at", WINDOW))
    )
    return bought.group_by("ask").agg(
        units_7d=pl.col("units").filter(within("order_at", WEEK)).sum(),
        units_28d=pl.col("units").sum(),
        orders_28d=pl.col("order_id").n_unique().cast(pl.Float64),
    )


def _offered(asked: pl.DataFrame, offers: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    """Per `ask`: price, discount_ratio, price_ratio_28d, in_stock_fraction_28d, in_stock_days, in_stock, age_days."""
    told = (
        asked.rename({"variant_id": "wanted"})
        .join(offers, on="product_id", how="inner")
        .filter(pl.col("since") <= pl.col("at"))
        .with_columns(
            # A version in which the variant is missing is one in which it cannot be bought.
            mine=pl.col("variant_id").is_not_null()
            & (pl.col("wanted").is_null() | (pl.col("variant_id") == pl.col("wanted")))
        )
    )
    versions = (
        told.group_by("ask", "version_at", "event")
        .agg(
            pl.col("at", "created_at").first(),
            mine=pl.col("mine").any() | pl.col("wanted").is_null().any(),
            price=pl.col("price").filter("mine").min(),
            compare_at=pl.col("compare_at").filter("mine").max(),
        )
        .sort("ask", "version_at", "event")
        .with_columns(first=pl.int_range(pl.len()).over("ask") == 0)
        .with_columns(
            begin=pl.when("first").then(pl.min_horizontal("created_at", "version_at")).otherwise("version_at")
        )
        .with_columns(
            end=pl.col("begin").shift(-1).over("ask"),
            # The window of a product that is younger than it begins with the product.
            window=pl.max_horizontal(pl.col("at") - WINDOW, pl.col("begin").first().over("ask")),
        )
    )
    # Of a variant that no version of the window knows, nothing is told: an older one is not looked for.
    there = versions.filter(pl.col("mine") & (pl.col("end").is_null() | (pl.col("end") > pl.col("window"))))
    versions = versions.join(there.select("ask").unique(), on="ask", how="semi", maintain_order="left")
    now = versions.group_by("ask", maintain_order=True).agg(
        pl.col("price", "compare_at").last(),
        age_days=((pl.col("at") - pl.col("created_at")).last().dt.total_microseconds() / DAY_US).clip(0),
        days=((pl.col("at") - pl.col("window")).last().dt.total_microseconds() / DAY_US),
    )
    in_stock = _in_stock(told, versions, stock)
    return (
        now.join(_median(versions), on="ask", how="left")
        .join(in_stock, on="ask", how="left")
        .with_columns(pl.col("in_stock_days", "in_stock").fill_null(0.0))
        .select(
            "ask",
            "price",
            "in_stock_days",
            "in_stock",
            "age_days",
            price_ratio_28d=pl.when(pl.col("median") > 0).then(pl.col("price") / pl.col("median")),
            discount_ratio=pl.when(pl.col("compare_at") > pl.col("price"))
            .then(1 - pl.col("price") / pl.col("compare_at"))
            .when(pl.col("price").is_not_null())
            .then(0.0),
            in_stock_fraction_28d=pl.when(pl.col("days") > 0)
            .then(pl.col("in_stock_days") / pl.col("days"))
            .otherwise(pl.col("in_stock")),
        )
    )


def _lasted(begin: str, end: str) -> pl.Expr:
    """Days from one moment to another, as far as they lie between `window` and `at`."""
    last = pl.min_horizontal(pl.coalesce(end, "at"), "at")
    return ((last - pl.max_horizontal(begin, "window")).dt.total_microseconds() / DAY_US).clip(0)


def _median(versions: pl.DataFrame) -> pl.DataFrame:
    """The price that, over the window, was not above the price for half of the time: ask, median.

    The lower median, weighted by time, https://en.wikipedia.org/wiki/Weighted_median; of an empty window the price itself.
    """
    held = (
        versions.filter(pl.col("price").is_not_null())
        .with_columns(days=_lasted("begin", "end"))
        .sort("ask", "price", "begin")
        .with_columns(
            until=pl.col("days").cum_sum().over("ask"),
            half=pl.col("days").sum().over("ask") / 2,
            some=pl.col("days").sum().over("ask") > 0,
        )
    )
    # A rounding of the sums must not decide between two prices.
    reached = held.filter(
        (pl.col("until") >= pl.col("half") - 1e-9) & (~pl.col("some") | (pl.col("days") > 0))
    )
    return reached.group_by("ask", maintain_order=True).agg(median=pl.col("price").first())


def _in_stock(told: pl.DataFrame, versions: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    """Time in the window in which any of the variants could be bought: ask, in_stock_days, in_stock.

    The stock of a tracked variant is the total over its locations when one of them changed after the product did, and the
    total in the product itself otherwise, as on the product cards.
    """
    variants = told.filter("mine")
    frame = versions.select("ask", "version_at", "event", "begin", "window", "at")
    # What stands in for the time before it was told is told itself later on, and newer then than the locations.
    told_again = frame.filter(pl.col("begin") < pl.col("version_at")).with_columns(begin="version_at")
    # Each of the variants at each version of the product; where it is missing the columns of the offer are null.
    points = (
        variants.select("ask", pl.col("variant_id").alias("variant")).unique()
        .join(pl.concat([frame, told_again]), on="ask", how="inner")
        .join(
            variants.select("ask", "event", "listed", "stock", "oversell", pl.col("variant_id").alias("variant")),
            on=["ask", "event", "variant"],
            how="left",
        )
        .select("ask", "variant", "window", "at", "begin", "listed", "stock", "oversell", offer=True, total=pl.lit(None, pl.Float64))
    )  # fmt: skip
    items = (
        variants.sort("ask", "version_at", "event")
        .group_by("ask", "variant_id")
        .agg(pl.col("item_id").last())
        .join(versions.group_by("ask").agg(pl.col("at", "window").last()), on="ask", how="inner")
    )
    moves = (
        items.join(stock.with_columns(since=seen()).rename({"stock": "units"}), on="item_id", how="inner")
        .filter(pl.col("since") <= pl.col("at"))
        .sort("ask", "variant_id", "version_at", "event")
        .with_columns(pl.col("units").fill_null(0.0))
        .with_columns(moved=pl.col("units") - pl.col("units").shift(1).over("ask", "variant_id", "location_id").fill_null(0.0))
        .select(
            "ask", pl.col("variant_id").alias("variant"), "window", "at", pl.col("version_at").alias("begin"),
            listed=pl.lit(None, pl.Boolean), stock=pl.lit(None, pl.Float64), oversell=pl.lit(None, pl.Boolean), offer=False,
            total=pl.col("moved").cum_sum().over("ask", "variant_id"),
        )
    )  # fmt: skip
    one = ("ask", "variant")
    offer = pl.col("offer")
    steps = (
        pl.concat([points, moves])
        # At the same moment the product speaks first: a location's word is the newer one.
        .sort("ask", "variant", "begin", "offer", descending=[False, False, False, True], maintain_order=True)
        .with_columns(turn=offer.cast(pl.Int64).cum_sum().over(one))
        .filter(pl.col("turn") > 0)  # before the first version nothing is offered
        .with_columns(pl.col("listed", "stock", "oversell").first().over("ask", "variant", "turn"))
        .with_columns(on_hand=pl.when(offer).then("stock").otherwise("total"))
        .with_columns(
            sells=(
                pl.col("listed") & (pl.col("stock").is_null() | pl.col("oversell") | (pl.col("on_hand") > 0))
            ).fill_null(False),
        )
    )
    return _any_of(steps)


def _any_of(steps: pl.DataFrame) -> pl.DataFrame:
    """The union over variants of the times in which `sells` holds, each step until the next of its variant."""
    changes = (
        steps.with_columns(was=pl.col("sells").shift(1).over("ask", "variant").fill_null(False))
        .with_columns(change=pl.col("sells").cast(pl.Int64) - pl.col("was").cast(pl.Int64))
        .group_by("ask", "begin")
        .agg(pl.col("at", "window").first(), pl.col("change").sum())
        .sort("ask", "begin")
        .with_columns(
            selling=pl.col("change").cum_sum().over("ask"), end=pl.col("begin").shift(-1).over("ask")
        )
    )
    return changes.group_by("ask", maintain_order=True).agg(
        in_stock_days=_lasted("begin", "end").filter(pl.col("selling") > 0).sum(),
        in_stock=(pl.col("selling").last() > 0).cast(pl.Float64),
    )


_FEATURES = (
    Feature("price", Dtype.NUMBER, "in the shop's currency; of a product that of its cheapest variant",
            missing=Missing.LAST_VALUE),
    Feature("price_ratio_28d", Dtype.NUMBER, "price over its median of 28 days, weighted by time", WINDOW),
    Feature("discount_ratio", Dtype.RATIO, "how far the price is below the struck-out one", missing=Missing.LAST_VALUE),
    Feature("in_stock", Dtype.FLAG, "could be bought", missing=Missing.REJECT),
    Feature("in_stock_fraction_28d", Dtype.RATIO, "share of the time in which it could be bought", WINDOW),
    Feature("in_stock_days", Dtype.NUMBER, "days of the last 28 in which it could be bought", WINDOW),
    Feature("units_7d", Dtype.COUNT, "units sold and kept", WEEK),
    Feature("units_28d", Dtype.COUNT, "units sold and kept", WINDOW),
    Feature("orders_28d", Dtype.COUNT, "orders with it", WINDOW),
    Feature("velocity_28d", Dtype.NUMBER, "units a day in which it could be bought", WINDOW),
    Feature("trend_7d", Dtype.NUMBER, "units of the last week over those of a mean week of four", WINDOW),
    Feature("age_days", Dtype.NUMBER, "days since it was created", missing=Missing.LAST_VALUE),
)  # fmt: skip
PRODUCT = View(
    name="product_offer",
    entity=Entity.PRODUCT,
    told="What a product costs, how long it could be bought and how fast it sold meanwhile.",
    owner="recommendations",
    compute=of_products,
    module=__name__,
    looks_back=WINDOW,
    reads=("lines", "offers", "stock"),
    features=_FEATURES,
)
VARIANT = View(
    name="variant_offer",
    entity=Entity.VARIANT,
    told="What a variant costs, how long it could be bought and how fast it sold meanwhile.",
    owner="demand",
    compute=of_variants,
    module=__name__,
    looks_back=WINDOW,
    reads=("lines", "offers", "stock"),
    features=_FEATURES,
)
