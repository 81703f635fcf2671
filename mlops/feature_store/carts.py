"""Carts that were left, by product and by visitor, and what was looked at. Only visitors who agreed can be followed. Pure."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from mlops.feature_store.as_of import answers, counts, in_parts, numbered, seen, within
from mlops.feature_store.declared import Dtype, Entity, Feature, View
from mlops.feature_store.tables import Tables

WINDOW = timedelta(days=28)
# Whoever put something into the cart an hour ago may still be paying.
PATIENCE = timedelta(hours=1)


def of_products(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: product_id, at.
    """
    return _compute(tables, asked, "product_id", "visitor")


def of_visitors(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: visitor, at.
    """
    return _compute(tables, asked, "visitor", "product_id")


def _compute(tables: Tables, asked: pl.DataFrame, entity: str, other: str) -> pl.DataFrame:
    visits = tables.visits.filter(
        pl.col("visitor").is_not_null() & pl.col("product_id").is_not_null()
    ).with_columns(since=seen())
    done = visits.filter(pl.col("kind") != "bought")
    bought = visits.filter(pl.col("kind") == "bought").select(
        "visitor", "product_id", bought_at="version_at", bought_since="since", bought_gone="gone_at"
    )
    found = in_parts(numbered(asked), done, entity, lambda part: _measured(part, done, bought, entity, other))
    seldom = ("views_28d", "carts_28d")
    return (
        answers(asked, found)
        .with_columns(pl.col(seldom).fill_null(0.0))
        .with_columns(
            abandon_rate_28d=pl.when(pl.col("carts_28d") > 0).then(pl.col("left") / pl.col("carts_28d"))
        )
    )


def _measured(
    asked: pl.DataFrame, done: pl.DataFrame, bought: pl.DataFrame, entity: str, other: str
) -> pl.DataFrame:
    acts = asked.join(done, on=entity, how="inner").filter(
        (pl.col("since") <= pl.col("at")) & counts("gone_at") & within("version_at", WINDOW)
    )
    views = acts.filter(pl.col("kind") == "view").group_by("ask").agg(views_28d=pl.col(other).n_unique())
    carts = (
        acts.filter((pl.col("kind") == "cart") & (pl.col("version_at") <= pl.col("at") - PATIENCE))
        .group_by("ask", "visitor", "product_id")
        .agg(pl.col("at").first(), put_at=pl.col("version_at").min())
    )
    paid = (
        carts.join(bought, on=["visitor", "product_id"], how="inner")
        .filter(
            (pl.col("bought_since") <= pl.col("at"))
            & (pl.col("bought_at") >= pl.col("put_at"))
            & counts("bought_gone")
        )
        .select("ask", "visitor", "product_id", paid=True)
        .unique()
    )
    kept = carts.join(paid, on=["ask", "visitor", "product_id"], how="left").group_by("ask")
    left = kept.agg(carts_28d=pl.len(), left=pl.col("paid").is_null().sum())
    return (
        asked.select("ask")
        .join(views, on="ask", how="left")
        .join(left, on="ask", how="left")
        .select("ask", pl.col("views_28d", "carts_28d", "left").cast(pl.Float64))
    )


PRODUCT = View(
    name="product_carts",
    entity=Entity.PRODUCT,
    told="How often a product is looked at, put into a cart, and left there.",
    owner="recommendations",
    compute=of_products,
    module=__name__,
    looks_back=WINDOW,
    reads=("visits",),
    features=(
        Feature("views_28d", Dtype.COUNT, "visitors who looked at it", WINDOW),
        Feature("carts_28d", Dtype.COUNT, "visitors who put it into a cart, an hour ago or earlier", WINDOW),
        Feature("abandon_rate_28d", Dtype.RATIO, "share of them who did not buy it afterwards", WINDOW),
    ),
)
VISITOR = View(
    name="visitor_carts",
    entity=Entity.VISITOR,
    told="What a visitor looked at, put into a cart, and left there.",
    owner="recommendations",
    compute=of_visitors,
    module=__name__,
    looks_back=WINDOW,
    reads=("visits",),
    features=(
        Feature("views_28d", Dtype.COUNT, "products looked at", WINDOW),
        Feature("carts_28d", Dtype.COUNT, "products put into a cart, an hour ago or earlier", WINDOW),
        Feature("abandon_rate_28d", Dtype.RATIO, "share of them not bought afterwards", WINDOW),
    ),
)
