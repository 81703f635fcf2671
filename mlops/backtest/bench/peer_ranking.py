"""Published methods of other libraries on the same files, in a process of their own: `python -m ... --peer als`.

Needs the group `peers` (`uv pip install --group peers`). Parameters are those that did best on validation windows of public sets;
nothing is searched here.

- als: implicit's ALS (Hu, Koren and Volinsky 2008) on decayed log counts of the customers; a context is folded in as a customer.
- bm25: implicit's item-item BM25 on orders; the context's (or the customer's) items sum up.
- cosine: the same with the cosine.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.backtest.measures.ranking import NOBODY, Items
from mlops.backtest.recommend import asked
from mlops.backtest.recommend_files import read_lines, read_queries, write_answers
from mlops.backtest.rolling.rivals import Rival, Rivals
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.training.recommend.item_signals import decay
from mlops.training.recommend.ledger import ledger
from mlops.training.recommend.sales import Sales

LIBRARY = ("als", "bm25", "cosine")
RULES = {
    "bestsellers": Rival.POPULAR,
    "bestsellers_lately": Rival.LATELY,
    "own_repeats": Rival.REPEAT,
    "bought_together": Rival.TOGETHER,
}
FACTORS, REGULARISATION, ITERATIONS, NEIGHBOURS, HALF_LIFE = 128, 1.0, 15, 500, 60.0
AT_ONCE = 512
Scorer = Callable[[Batch], npt.NDArray[Any]]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=(*LIBRARY, *RULES), required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    book = ledger(read_lines(options.train, now=datetime.now(UTC) + timedelta(days=1)))
    queries = read_queries(options.queries)
    batch = asked(book, queries)
    count = int(queries["k"].to_numpy().max())
    rivals = Rivals.of(book.sales, book.now)
    if options.peer in RULES:
        found = rivals.answers(RULES[options.peer], batch, count)
    else:
        found = _ranked(_scorer(options.peer, book.sales, book.now), rivals, batch, count)
    lengths = np.minimum((found != NOBODY).sum(axis=1), queries["k"].to_numpy())
    write_answers(
        options.out,
        queries["query_id"].to_list(),
        [row[:n] for row, n in zip(found, lengths, strict=True)],
        [1.0 / np.arange(1, n + 1) for n in lengths],
        book.skus,
    )


def _ranked(scorer: Scorer, rivals: Rivals, batch: Batch, count: int) -> Items:
    found = np.full((len(batch), count), NOBODY, np.int64)
    for start in range(0, len(batch), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        part = batch.take(rows)
        best = rivals.best(scorer(part), part, count)
        found[rows, : best.shape[1]] = best
    return found


def _scorer(peer: str, sales: Sales, now: float) -> Scorer:
    profiles = sales.customers_matrix(decay(now - sales.day, HALF_LIFE))
    profiles.data = np.log1p(profiles.data)

    def vectors(batch: Batch) -> sparse.csr_matrix:
        """What is in the context; where nothing is, what the customer bought."""
        out = batch.context.tolil(copy=True)
        for row in np.flatnonzero((np.diff(batch.context.indptr) == 0) & (batch.customer != UNKNOWN)):
            out[row] = profiles[batch.customer[row]]
        return sparse.csr_matrix(out, dtype=np.float32)

    if peer == "als":
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=REGULARISATION,
            iterations=ITERATIONS,
            random_state=1,
            num_threads=1,
        )
        model.fit(profiles, show_progress=False)

        def factors(batch: Batch) -> npt.NDArray[Any]:
            users = model.recalculate_user(np.arange(len(batch)), vectors(batch))
            return np.asarray(users @ model.item_factors.T, np.float64)

        return factors
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    neighbours = BM25Recommender(K=NEIGHBOURS) if peer == "bm25" else CosineRecommender(K=NEIGHBOURS)
    neighbours.fit(sales.orders_matrix(), show_progress=False)
    return lambda batch: np.asarray((vectors(batch) @ neighbours.similarity).toarray(), np.float64)


if __name__ == "__main__":
    main()
