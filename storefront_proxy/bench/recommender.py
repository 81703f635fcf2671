"""A made-up two-stage recommender of full size: every table as full as a trained one can be, rankers of usual depth.

What it recommends means nothing. It needs no history and no training, and is the upper bound of what a version costs.
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend import features, scores
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender, neighbours_of
from mlops.predictors.recommend.signals import Batch, Signals
from mlops.predictors.recommend.two_stage import RANKER, Choice, TwoStage

NOW = 20_000.0
CUSTOMERS_PER_PRODUCT = 4
ORDERS_PER_CUSTOMER = 3
TREES, LEAVES = 100, 15
REGRESSED = ("customer", "order")
KEPT_OF_REGRESSION = 150


def made(*, products: int, kept: int, seed: int = 1) -> ShopRecommender:
    """Products and customers are numbered from 1.

    Args:
        kept: stored neighbours of each product in each table.
    """
    draw = np.random.default_rng(seed)
    signals = _signals(products, products * CUSTOMERS_PER_PRODUCT, min(kept, products - 1), draw)
    rankers: dict[Slot, lgb.Booster] = {
        slot: _ranker(signals, slot, draw) for slot in Slot if slot != Slot.COLD
    }
    choices: dict[Slot, Choice] = {slot: Choice(RANKER, RANKER) for slot in rankers}
    return ShopRecommender(
        product_ids_=np.arange(1, products + 1, dtype=np.int64),
        customers_=np.arange(1, signals.own.shape[0] + 1, dtype=np.int64),
        model_=TwoStage(signals, signals.popularity["popular"], rankers, choices),
        content_=neighbours_of(signals.tables["content"], products),
    )


def _signals(n: int, customers: int, kept: int, draw: np.random.Generator) -> Signals:
    own = _random(customers, n, 2.5 * ORDERS_PER_CUSTOMER, draw)
    vectors = {
        name: sparse.csr_matrix((_values(own.nnz, draw), own.indices, own.indptr), shape=own.shape)
        for name in _profiles()
    }
    for name in sorted({alike for alike, _ in scores.ALIKE.values()}):
        vectors[f"{name}:items"] = vectors[name].T.tocsr()
    sessions = _random(min(customers * ORDERS_PER_CUSTOMER, 50_000), n, 3.0, draw)
    vectors["sessions"], vectors["sessions:items"] = sessions, sessions.T.tocsr()
    names = {*scores.IN_CONTEXT, *(table for _, table in scores.CARRIED.values()), *features.SPREAD}
    tables = {
        name: _table(n, min(kept, KEPT_OF_REGRESSION) if name in REGRESSED else kept, draw)
        for name in sorted(names)
    }
    popularity = {name: _values(n, draw) / np.float32(n) for name in ("popular", "h10", "h365")}
    own.data = np.arange(1, own.nnz + 1, dtype=np.int32)
    item_names = (*features.OF_CONTEXT, *(f"item_{at}" for at in range(24)))
    customer_names = ("c_orders", "c_since", "c_price", "c_pop", *(f"c_{at}" for at in range(6)))
    own_names = ("own_since", "own_count", *(f"own_{at}" for at in range(11)))
    return Signals(
        now=NOW,
        known=np.ones(n, bool),
        item_features=draw.random((n, len(item_names)), np.float32),
        item_names=item_names,
        customer_features=draw.random((customers, len(customer_names)), np.float32),
        customer_names=customer_names,
        own=own,
        own_features=draw.random((own.nnz, len(own_names)), np.float32),
        own_names=own_names,
        vectors=vectors,
        tables=tables,
        popularity=popularity,
        session_day=np.sort(NOW - 540 * draw.random(sessions.shape[0])),
        session_customer=draw.integers(customers, size=sessions.shape[0], dtype=np.int32),
    )


def _profiles() -> list[str]:
    used = {each for pair in scores.ALIKE.values() for each in pair} | {
        profile for profile, _ in scores.CARRIED.values()
    }
    return sorted(used | {name.removeprefix("own_") for name in scores.CUSTOMER if name.startswith("own_")})


def _random(rows: int, n: int, mean: float, draw: np.random.Generator) -> sparse.csr_matrix:
    """Rows of about so many items, popular ones more often."""
    row = np.repeat(np.arange(rows), draw.poisson(mean, rows) + 1)
    found = sparse.csr_matrix(
        (np.ones(len(row), np.float32), (row, (n * draw.random(len(row)) ** 2).astype(np.int32))),
        shape=(rows, n),
    )
    found.data[:] = 1.0
    return found


def _table(n: int, kept: int, draw: np.random.Generator) -> sparse.csr_matrix:
    """As many different columns in each row, none of them the row itself."""
    stride = max(1, (n - 1) // max(kept, 1))
    steps = 1 + np.arange(kept) * stride + draw.integers(stride, size=(n, kept))
    columns = np.sort((np.arange(n)[:, None] + steps) % n, axis=1).astype(np.int32)
    return sparse.csr_matrix(
        (_values(n * kept, draw), columns.ravel(), np.arange(0, n * kept + 1, max(kept, 1))), shape=(n, n)
    )


def _values(count: int, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    return draw.random(count, np.float32) + np.float32(1e-3)


def _ranker(signals: Signals, slot: Slot, draw: np.random.Generator) -> lgb.Booster:
    one = Batch(
        np.zeros(1, np.int32),
        np.array([NOW]),
        sparse.csr_matrix(([np.float32(1)], [0], [0, 1]), shape=(1, signals.n_items)),
        np.zeros(1, bool),
    )
    names = features.pairs(signals, one, slot).names
    x = draw.random((3_000, len(names)))
    bought = (draw.random(len(x)) < 0.1 + 0.2 * (x[:, 0] > 0.5)).astype(np.float32)
    data = lgb.Dataset(x, bought, group=[30] * 100, feature_name=[name.replace(":", "__") for name in names])
    parameters = {
        "objective": "lambdarank", "num_leaves": LEAVES, "min_data_in_leaf": 5, "num_threads": 1,
        "deterministic": True, "force_row_wise": True, "seed": 1, "verbosity": -1,
    }  # fmt: skip
    return lgb.train(parameters, data, TREES)
