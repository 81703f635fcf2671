"""Prints the SHA-256 of a recommender that is trained on a made-up history: `python -m tests.mlops.trained_bytes`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mlops.predictors import artefact
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender, neighbours_of
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.shop_history import open_history


def main() -> None:
    draw = np.random.default_rng(5)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [
        (number, number % 60, start + timedelta(hours=18 * number), int(product), 1, float(product % 9 + 1))
        for number in range(400)
        for product in draw.choice(np.arange(number % 2, 80, 2), 4, replace=False)
    ]
    names = ("order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price")
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("ordered_at").cast(pl.Datetime("us", "UTC"))
    )
    catalogue = pl.DataFrame(
        {
            "product_id": range(80),
            "words": [f"word{'abcdefgh'[at % 8]} thing" for at in range(80)],
            "code": [""] * 80,
        }
    )
    history = open_history(frame, catalogue)
    fitted = fit_recommender(
        history.sales, history.now, set(Slot), 42, lambda told: None, content=history.content
    )
    content = neighbours_of(history.content, len(history.product_ids))
    found = ShopRecommender(history.product_ids, history.customers, fitted.recommender, content)
    print(artefact.digest_of(artefact.pack(found, {"seed": 42})))


if __name__ == "__main__":
    main()
