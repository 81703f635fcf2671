"""A fitted recommender of a small shop of themes, with three products that never sold."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender, neighbours_of
from mlops.training.recommend.content import content_table
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.ledger import Ledger, ledger
from tests.mlops.backtest.shops import themed_shop

UNSOLD = 3
CUSTOMERS = 150
SLOTS = {Slot.HOME, Slot.NEW, Slot.PAGE, Slot.CART}


def book(*, customers: int = CUSTOMERS, days: int = 140) -> Ledger:
    lines = themed_shop(customers=customers, days=days).rename({"ordered_at": "at"})
    return ledger(lines.with_columns(lines["at"].dt.epoch("ms")))


def pseudonym(at: int) -> int:
    """Of the customer at this position."""
    return 7 * at + 1


def likes(at: int) -> int:
    """The theme of the customer at this position; positions are in the order of the names c0, c1, c10, ..."""
    return int(sorted(f"c{number}" for number in range(CUSTOMERS))[at][1:]) % 6


@cache
def recommender(*, customers: int = CUSTOMERS, days: int = 140) -> ShopRecommender:
    """Product number n (from 0) has the id 1000 + n and theme n % 6."""
    found = book(customers=customers, days=days)
    n = len(found.skus) + UNSOLD
    texts = {f"p{at:02d}": {"title": f"theme {'abcdef'[at % 6] * 3}"} for at in range(n)}
    content = content_table([f"p{at:02d}" for at in range(n)], texts, codes=False)
    sales = replace(found.sales, n_items=n)
    fitted = fit_recommender(sales, found.now, SLOTS, 1, lambda _: None, content=content)
    return ShopRecommender(
        product_ids_=np.arange(1000, 1000 + n),
        customers_=np.array([pseudonym(at) for at in range(sales.n_customers)], np.int64),
        model_=fitted.recommender,
        content_=neighbours_of(content, n),
    )
