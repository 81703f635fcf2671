"""Answers of any system against the truth of a task, as `measures.ranking` takes them. Reads files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from mlops.backtest.bench.sets import RankingSet
from mlops.backtest.commands import BadInput
from mlops.backtest.measures.intervals import Doubles
from mlops.backtest.measures.ranking import NOBODY, Items, hits, only, per_query

WIDTH = 20
NEW_DAYS, DAY_MS = 14, 86_400_000


@dataclass(frozen=True, slots=True)
class Truth:
    """A task's truth.

    Args:
        query: query_id with `row`, in the order of the rows.
        items: sku with `item`: the catalogue, then whatever else is right or named.
        truth: [n_queries, n_items], weights.
        unit: [n_queries], whose the query is.
        known: bool [n_queries], whether a customer is named.
        customer: the name of each, null for nobody.
        catalogue: items with a sale in the training file.
    fresh: bool [n_items], first sold within `NEW_DAYS` before the end of the training file; none where it has steps for dates.
    """

    query: pl.DataFrame
    items: pl.DataFrame
    truth: sparse.csr_matrix
    unit: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]
    customer: pl.Series
    catalogue: int
    fresh: npt.NDArray[np.bool_]

    def values(self, answers: Path) -> tuple[Doubles, float, Doubles]:
        """Measures of each query, coverage@10 of the catalogue, and hits@20 of each query among what is fresh.

        Raises:
            BadInput: an answer breaks the protocol.
        """
        found = self.read(answers)
        shown = np.unique(found[:, :10])
        covered = float((shown < self.catalogue)[shown != NOBODY].sum() / self.catalogue)
        new = hits(found, self.fresh_truth).sum(axis=1).astype(np.float64)
        return per_query(found, self.truth), covered, new

    @property
    def fresh_truth(self) -> sparse.csr_matrix:
        """The truth of what is fresh alone."""
        return only(self.truth, self.fresh[self.truth.indices])

    def read(self, answers: Path) -> Items:
        """int64 [n_queries, WIDTH], items best first; what is not in the catalogue is an item that is never right.

        Raises:
            BadInput: a rank or an item comes twice.
        """
        table = pl.read_parquet(answers, columns=["query_id", "rank", "sku"]).filter(pl.col("rank") <= WIDTH)
        placed = (
            table.with_columns(pl.col("query_id").cast(pl.String), pl.col("sku").cast(pl.String))
            .join(self.query, on="query_id")
            .join(self.items, on="sku", how="left", maintain_order="left")
            .with_columns(pl.col("item").fill_null(self.truth.shape[1] - 1))
        )
        for key in ("rank", "sku"):
            twice = placed.select("query_id", key).is_duplicated().arg_true()
            if len(twice):
                raise BadInput(f"{answers}: column {key}, row {twice[0] + 1}: comes twice in one answer")
        found = np.full((len(self.query), WIDTH), NOBODY, np.int64)
        found[placed["row"].to_numpy(), placed["rank"].to_numpy() - 1] = placed["item"].to_numpy()
        return found


def read_truth(ranking: RankingSet, task: str) -> Truth:
    """The task's queries that have a truth."""
    truth = pl.read_parquet(ranking.truth(task)).with_columns(
        pl.col("query_id").cast(pl.String), pl.col("sku").cast(pl.String)
    )
    queries = pl.read_parquet(ranking.queries(task), columns=["query_id", "customer_id"]).with_columns(
        pl.col("query_id").cast(pl.String), pl.col("customer_id").cast(pl.String)
    )
    queries = queries.join(
        truth.select("query_id").unique(), on="query_id", how="semi", maintain_order="left"
    )
    query = queries.select("query_id").with_row_index("row")
    columns = ["sku", "cancelled", "ordered_at"]
    train = pl.read_parquet(ranking.train, columns=columns).filter(~pl.col("cancelled"))
    sold = train["sku"].cast(pl.String).unique().sort()
    others = truth.filter(~pl.col("sku").is_in(sold.implode()))["sku"].unique().sort()
    items = pl.DataFrame({"sku": pl.concat([sold, others])}).with_row_index("item")
    placed = truth.join(query, on="query_id").join(items, on="sku")
    shape = (len(query), len(items) + 1)  # one more, which is never right
    weights = placed["weight"].cast(pl.Float64).to_numpy()
    matrix = sparse.csr_matrix((weights, (placed["row"].to_numpy(), placed["item"].to_numpy())), shape=shape)
    named = "unit" if "unit" in truth.columns else "query_id"
    first = truth.group_by("query_id").agg(pl.col(named).first().alias("unit"))
    unit = query.join(first, on="query_id", how="left", maintain_order="left")["unit"].to_numpy()
    return Truth(
        query.with_columns(pl.col("row").cast(pl.Int64)),
        items.with_columns(pl.col("item").cast(pl.Int64)),
        matrix,
        unit,
        queries["customer_id"].is_not_null().to_numpy(),
        queries["customer_id"],
        len(sold),
        _fresh(train, items),
    )


def _fresh(train: pl.DataFrame, items: pl.DataFrame) -> npt.NDArray[np.bool_]:
    at = train["ordered_at"]
    moments = at if at.dtype.is_temporal() else at.str.to_datetime(time_zone="UTC", strict=False)
    moments = moments.cast(pl.Datetime("ms")).dt.epoch("ms")
    found = np.zeros(len(items) + 1, bool)
    if not len(train) or not (moments % DAY_MS != 0).any():
        return found
    first = (
        train.with_columns(moments.alias("at"))
        .group_by(pl.col("sku").cast(pl.String))
        .agg(pl.col("at").min())
    )
    latest: Any = moments.max()
    new = first.filter(pl.col("at") > latest - NEW_DAYS * DAY_MS)
    found[items.join(new, on="sku", how="semi")["item"].to_numpy()] = True
    return found
