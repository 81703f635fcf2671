"""How strongly two products go together: in orders, and apart from that in visits. Pure.

Of n baskets, a hold the one product, b the other, c both. lift = c n / (a b); Jaccard = c / (a + b - c);
cosine = c / sqrt(a b). Each is multiplied by c / (c + 10), so that a pair seen once does not stand above one seen a hundred
times (the significance weighting of Herlocker et al. 1999 in the smooth form of Bell and Koren 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import polars as pl

from mlops.feature_store import as_of
from mlops.feature_store.as_of import seen, standing
from mlops.feature_store.declared import Dtype, Entity, Feature, View
from mlops.feature_store.tables import MOMENT, Tables
from mlops.features.storefront import SILENCE

ORDERS = timedelta(days=365)
VISITS = timedelta(days=90)
SHRINKAGE = 10.0
# An order of a reseller, or a visit of somebody who looked at everything, says of no two products that they go together.
MOST_IN_BASKET = 60
NEIGHBOURS = 200
MEASURES = ("lift", "jaccard", "cosine", "together")
# (tables, at) -> basket, product_id; each once.
Baskets = Callable[[Tables, datetime], pl.DataFrame]


def bought(tables: Tables, at: datetime) -> pl.DataFrame:
    """The products of each order as it stands at this moment."""
    lines = standing(
        tables.lines.filter(pl.col("version_at") <= at, pl.col("known_at") <= at, pl.col("order_at") > at - ORDERS),
        "order_id",
    ).filter(
        pl.col("until").is_null(), "counts", pl.col("units") > 0, pl.col("product_id").is_not_null(),
        pl.col("order_at") <= at,
    )  # fmt: skip
    return _whole(lines.select(basket="order_id", product_id="product_id"))


def viewed(tables: Tables, at: datetime) -> pl.DataFrame:
    """The products looked at in one visit, which ends with half an hour of silence."""
    views = (
        tables.visits.filter(
            pl.col("kind") == "view", pl.col("visitor").is_not_null(), pl.col("product_id").is_not_null(),
            seen() <= at, pl.col("version_at") > at - VISITS, as_of.counts("gone_at", pl.lit(at)),
        )
        .sort("visitor", "version_at", "product_id")
        .with_columns(
            fresh=(pl.col("version_at").diff() >= SILENCE).fill_null(True) | (pl.col("visitor") != pl.col("visitor").shift(1))
        )
    )  # fmt: skip
    return _whole(views.select(basket=pl.col("fresh").cum_sum().cast(pl.Int64), product_id="product_id"))


def _whole(pairs: pl.DataFrame) -> pl.DataFrame:
    once = pairs.unique()
    return once.filter(pl.len().over("basket") <= MOST_IN_BASKET).sort("basket", "product_id")


def together(tables: Tables, asked: pl.DataFrame, *, baskets: Baskets) -> pl.DataFrame:
    """Args:
    asked: product_id, other_id, at. Each different moment costs one pass over the baskets: ask at few.
    """
    found = []
    numbered = as_of.numbered(asked)
    for at in asked["at"].unique().sort().to_list():
        part = numbered.filter(pl.col("at") == at)
        held = baskets(tables, at)
        for pairs in _counted(held, part.select("product_id").unique()):
            known = part.join(pairs, on=["product_id", "other_id"], how="inner")
            found.append(known.select("ask", *MEASURES))
    nothing = pl.DataFrame(schema={"ask": pl.UInt32, **dict.fromkeys(MEASURES, pl.Float64)})
    every = pl.concat([nothing, *found], how="vertical_relaxed")
    return as_of.answers(asked, every.cast({"ask": numbered.schema["ask"]})).with_columns(
        pl.col(MEASURES).fill_null(0.0)
    )


def neighbours(tables: Tables, at: datetime, *, baskets: Baskets) -> Iterator[pl.DataFrame]:
    """The `NEIGHBOURS` products with the highest cosine for each product, some products at a time.

    Columns: product_id, other_id, at, and the measures; sorted by product, then best first, ties by number.
    """
    held = baskets(tables, at)
    for pairs in _counted(held, held.select("product_id").unique()):
        best = pairs.sort(["product_id", "cosine", "other_id"], descending=[False, True, False])
        yield (
            best.group_by("product_id", maintain_order=True)
            .head(NEIGHBOURS)
            .select("product_id", "other_id", pl.lit(at).cast(MOMENT).alias("at"), *MEASURES)
        )


def _counted(held: pl.DataFrame, products: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Every pair that is together somewhere, with its measures, of some of the products at a time."""
    sizes = held.group_by("product_id").len("alone")
    total = held["basket"].n_unique()
    # How many rows the self-join of each product gives: the sizes of its baskets together.
    weights = (
        held.with_columns(size=pl.len().over("basket"))
        .group_by("product_id")
        .agg(pl.col("size").sum())
        .join(products, on="product_id", how="inner")
        .sort("product_id")
    )
    parts = weights.with_columns(part=pl.col("size").cum_sum() // as_of.MOST_ROWS)
    for some in parts.partition_by("part", maintain_order=True):
        pairs = (
            held.join(some.select("product_id"), on="product_id", how="semi")
            .join(held.rename({"product_id": "other_id"}), on="basket", how="inner")
            .filter(pl.col("product_id") != pl.col("other_id"))
            .group_by("product_id", "other_id")
            .agg(together=pl.len().cast(pl.Float64))
            .join(sizes.rename({"alone": "a"}), on="product_id")
            .join(sizes.rename({"alone": "b", "product_id": "other_id"}), on="other_id")
            .with_columns(pl.col("a", "b").cast(pl.Float64))
        )
        both, a, b = pl.col("together"), pl.col("a"), pl.col("b")
        shrunk = both / (both + SHRINKAGE)
        yield pairs.with_columns(
            lift=shrunk * both * total / (a * b),
            jaccard=shrunk * both / (a + b - both),
            cosine=shrunk * both / (a * b).sqrt(),
        )


def _view(name: str, told: str, unit: str, window: timedelta, reads: str, baskets: Baskets) -> View:
    return View(
        name=name,
        entity=Entity.PAIR,
        told=told,
        owner="recommendations",
        compute=lambda tables, asked: together(tables, asked, baskets=baskets),
        module=__name__,
        looks_back=window,
        reads=(reads,),
        parameters={"shrinkage": SHRINKAGE, "most_in_basket": MOST_IN_BASKET, "neighbours": NEIGHBOURS},
        features=(
            Feature("lift", Dtype.NUMBER, "times as often together as by chance, shrunk", window),
            Feature("jaccard", Dtype.RATIO, f"{unit} with both over those with either, shrunk", window),
            Feature("cosine", Dtype.RATIO, f"{unit} with both over the geometric mean of those with each, shrunk", window),
            Feature("together", Dtype.COUNT, f"{unit} with both", window),
        ),
    )  # fmt: skip


COPURCHASE = _view(
    "copurchase", "How strongly two products are bought together.", "orders", ORDERS, "lines", bought
)
COVIEW = _view(
    "coview", "How strongly two products are looked at in one visit.", "visits", VISITS, "visits", viewed
)
BASKETS: dict[str, Baskets] = {COPURCHASE.name: bought, COVIEW.name: viewed}
