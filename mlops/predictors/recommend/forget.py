"""A shop's recommender without some of its customers: their numbers, histories and orders' names. Pure.

What was learnt from many stays: sales of nobody, tables of what goes together, rankers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from mlops.predictors.recommend.shop import ShopRecommender
from mlops.predictors.recommend.signals import UNKNOWN, Signals

# Rows or columns of these are orders, not customers.
OF_ORDERS = ("sessions", "sessions:items")


def without(recommender: ShopRecommender, customers: Sequence[int]) -> ShopRecommender | None:
    """The recommender to which these pseudonyms are strangers; None when they are already."""
    kept = ~np.isin(recommender.customers_, np.asarray(customers, np.int64))
    if kept.all():
        return None
    signals = _signals(recommender.model_.signals, kept)
    return replace(
        recommender,
        customers_=recommender.customers_[kept],
        model_=replace(recommender.model_, signals=signals),
    )


def _signals(signals: Signals, kept: np.ndarray) -> Signals:
    number = np.where(kept, np.cumsum(kept) - 1, UNKNOWN).astype(np.int32)
    own = signals.own[kept].tocsr()
    own.sort_indices()
    features = signals.own_features[own.data - 1]
    numbered = sparse.csr_matrix(
        (np.arange(1, own.nnz + 1, dtype=np.int32), own.indices, own.indptr), shape=own.shape
    )
    orders = signals.session_customer
    owner = np.where(orders == UNKNOWN, UNKNOWN, number[np.maximum(orders, 0)]) if len(number) else orders
    return replace(
        signals,
        customer_features=signals.customer_features[kept],
        own=numbered,
        own_features=features,
        session_customer=owner.astype(np.int32),
        vectors={name: _vector(name, each, kept) for name, each in signals.vectors.items()},
    )


def _vector(name: str, vector: sparse.csr_matrix, kept: np.ndarray) -> sparse.csr_matrix:
    if name in OF_ORDERS:
        return vector
    return vector[:, np.flatnonzero(kept)].tocsr() if name.endswith(":items") else vector[kept].tocsr()
