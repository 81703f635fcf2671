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
from mlops.backtest.measures.ranking import NOBODY, Items, per_query

WIDTH = 20


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
    """

    query: pl.DataFrame
    items: pl.DataFrame
    truth: sparse.csr_matrix
    unit: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]
    customer: pl.Series
    catalogue: int

    def values(self, answers: Path) -> tuple[Doubles, float]:
        """Measures of each query, and coverage@10 of the catalogue.

        Raises:
            BadInput: an answer breaks the protocol.
        """
        found = self.read(answers)
        shown = np.unique(found[:, :10])
        return per_query(found, self.truth), float(
            (shown < self.catalogue)[shown != NOBODY].sum() / self.catalogue
        )

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
    train = pl.read_parquet(ranking.train, columns=["sku", "cancelled"]).filter(~pl.col("cancelled"))
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
    )
