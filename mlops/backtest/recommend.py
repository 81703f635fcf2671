"""`backtest recommend`: learn from order lines, answer queries, write the answers."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.backtest.commands import BadInput, Tell
from mlops.backtest.recommend_files import read_lines, read_products, read_queries, refuse_name, write_answers
from mlops.predictors.recommend.features import slots_of
from mlops.predictors.recommend.signals import Batch
from mlops.training.recommend.content import content_table
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.ledger import Ledger, ledger
from mlops.training.recommend.windows import context_matrix

HELP = "recommend products to the queries of a file, having learnt from order lines"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="order lines (Parquet or CSV)")
    parser.add_argument("--products", type=Path, help="products: sku, and what else is known of them")
    parser.add_argument("--queries", type=Path, required=True, help="what is asked (Parquet or CSV)")
    parser.add_argument("--out", type=Path, required=True, help="answers to write (.parquet or .csv)")
    parser.add_argument("--seed", type=int, default=1, help="of every random draw (default: %(default)s)")
    parser.add_argument(
        "--sequence",
        choices=("auto", "off"),
        default="auto",
        help="a transformer over customers' orders (needs the extra `sequence`); auto keeps it where it earns its place",
    )
    parser.add_argument("--report", type=Path, help="what was measured on held-out windows, as JSON")


def run(options: Mapping[str, Any], tell: Tell) -> None:
    refuse_name(options["out"])
    lines = read_lines(options["train"], now=datetime.now(UTC) + timedelta(days=1))
    queries = read_queries(options["queries"])
    products = {} if options["products"] is None else read_products(options["products"])
    book = ledger(lines)
    if not len(book.sales):
        raise BadInput(
            f"{options['train']}: column quantity: no line is a sale (a quantity above 0 that is not cancelled), "
            "so there is nothing to recommend"
        )
    tell(f"{len(book.sales)} order lines, {len(book.skus)} products, {len(book.customers)} customers")
    batch = asked(book, queries)
    content = content_table(book.skus, products, codes=book.sales.dated)
    fitted = fit_recommender(
        book.sales,
        book.now,
        set(slots_of(batch)),
        options["seed"],
        tell,
        content=content,
        sequence=options["sequence"] == "auto",
    )
    tell(f"{len(batch)} queries")
    answers = fitted.recommender.recommend(batch, queries["k"].to_numpy())
    write_answers(
        options["out"],
        queries["query_id"].to_list(),
        [each.item for each in answers],
        [each.score for each in answers],
        book.skus,
    )
    if options["report"] is not None:
        options["report"].write_text(json.dumps(fitted.report, indent=1) + "\n", encoding="utf-8")


def asked(book: Ledger, queries: pl.DataFrame) -> Batch:
    """The queries in the numbers of the ledger; SKUs that never sold are passed over."""
    number = {sku: at for at, sku in enumerate(book.skus)}
    contexts = [_numbers(context, number) for context in queries["context_skus"].to_list()]
    return Batch(
        book.customer(queries["customer_id"].to_list()),
        book.day(queries["at"].to_numpy()),
        context_matrix(contexts, len(book.skus)),
        queries["exclude_owned"].to_numpy(),
    )


def _numbers(skus: Sequence[str], number: Mapping[str, int]) -> npt.NDArray[np.int32]:
    return np.array([number[sku] for sku in skus if sku in number], np.int32)
