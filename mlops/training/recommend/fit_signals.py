"""From the sales before a moment to `Signals`. Pure and deterministic."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mlops.predictors.recommend.scores import ALIKE
from mlops.predictors.recommend.signals import Signals
from mlops.training.recommend import tables
from mlops.training.recommend.customer_signals import customer_features, orders_back, own_features
from mlops.training.recommend.item_signals import decay, item_features, popularity
from mlops.training.recommend.sales import GUEST, Sales

PROFILE_DAYS = (15.0, 60.0, 180.0, 365.0)
PROFILE_ORDERS = (0.5, 1.5, 5.0)
# Baskets of one product say nothing of what goes together.
LEAST_BASKET = 1.02
MOST_SESSIONS = 50_000


def fit_signals(
    sales: Sales,
    now: float,
    window: float,
    *,
    half_life: str = "h30",
    content: sparse.csr_matrix | None = None,
    tables_needed: bool = True,
) -> Signals:
    """What is known at `now`.

    Args:
        sales: rows before `now`.
        window: days that queries look ahead.
        half_life: name of the share that is served as `popular`.
        content: items by items, how alike they are by what they are.
        tables_needed: False when only newcomers will ask.
    """
    back = orders_back(sales)
    shares = popularity(sales, now)
    shares["popular"] = shares[half_life]
    items, item_names = item_features(sales, now, window, shares)
    own, pairs, own_names = own_features(sales, now, back)
    customers, customer_names = customer_features(sales, now, items, item_names, back)
    vectors = _profiles(sales, now, back)
    sessions, session_day, session_customer = _sessions(sales)
    vectors["sessions"], vectors["sessions:items"] = sessions, _sessions_by_item(sessions)
    for name in sorted({alike for alike, _ in ALIKE.values()}):
        vectors[f"{name}:items"] = _customers_by_item(vectors[name])
    made = _tables(sales, now, back, vectors) if tables_needed else {}
    if content is not None:
        made["content"] = content
    return Signals(
        now=now,
        known=np.bincount(sales.item, minlength=sales.n_items) > 0,
        item_features=items,
        item_names=item_names,
        customer_features=customers,
        customer_names=customer_names,
        own=own,
        own_features=pairs,
        own_names=own_names,
        vectors=vectors,
        tables=made,
        popularity=shares,
        session_day=session_day,
        session_customer=session_customer,
    )


def _profiles(sales: Sales, now: float, back: np.ndarray) -> dict[str, sparse.csr_matrix]:
    """Customers by items: log(1 + decayed number of orders), by half-life in days (h) and in orders (r)."""
    found = {}
    for days in PROFILE_DAYS:
        found[f"h{days:g}"] = sales.customers_matrix(decay(now - sales.day, days))
    for orders in PROFILE_ORDERS:
        found[f"r{orders:g}"] = sales.customers_matrix(np.exp2(-back / orders).astype(np.float32))
    for each in found.values():
        each.data = np.log1p(each.data)
    return found


def _sessions(sales: Sales) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """The newest orders of at least two items, their days and customers."""
    orders, first, counts = np.unique(sales.order, return_index=True, return_counts=True)
    chosen = np.flatnonzero(counts > 1)[-MOST_SESSIONS:]
    place = np.full(sales.n_orders, -1, np.int64)
    place[orders[chosen]] = np.arange(len(chosen))
    rows = place[sales.order] >= 0
    matrix = sparse.csr_matrix(
        (np.ones(int(rows.sum()), np.float32), (place[sales.order[rows]], sales.item[rows])),
        shape=(len(chosen), sales.n_items),
    )
    return matrix, sales.day[first[chosen]], sales.customer[first[chosen]]


def _sessions_by_item(sessions: sparse.csr_matrix) -> sparse.csr_matrix:
    """Items by orders: how rare the item is, over the root of the order's length (session-kNN with idf)."""
    held = np.asarray(sessions.sum(axis=0)).ravel()
    rarity = np.log1p(sessions.shape[0] / np.maximum(held, 1))
    shortened = tables.scaled_rows(sessions, tables.sizes(sessions) ** -0.5)
    return tables.scaled_rows(shortened.T.tocsr(), rarity)


def _customers_by_item(profiles: sparse.csr_matrix) -> sparse.csr_matrix:
    """Items by customers, each customer's profile of length 1."""
    length = np.sqrt(np.asarray(profiles.multiply(profiles).sum(axis=1)).ravel())
    return tables.scaled_rows(profiles, 1 / np.maximum(length, 1e-9)).T.tocsr()


def _tables(
    sales: Sales, now: float, back: np.ndarray, vectors: dict[str, sparse.csr_matrix]
) -> dict[str, sparse.csr_matrix]:
    age = now - sales.day
    found = {}
    named = sales.customer != GUEST
    if named.any():
        found["customer"] = tables.regressions(vectors["h365"], tables.RIDGE_CUSTOMERS)
        bought = sales.customers_matrix()
        bought.data[:] = 1.0
        found["cosine_customer"] = tables.cosine(bought, toward=0.3)
        found["next"] = tables.transitions(
            sales.customer[named], back[named], sales.item[named], sales.n_items
        )
    orders = sales.orders_matrix()
    if orders.shape[0] and len(sales) / orders.shape[0] >= LEAST_BASKET:
        size = tables.sizes(orders)
        mean = size.mean()
        decayed = {h: sales.orders_matrix(np.sqrt(decay(age, h))) for h in (60.0, 365.0)}
        weighted = tables.scaled_rows(decayed[365.0], (size / mean) ** -0.25)
        found["order"] = tables.regressions(weighted, tables.RIDGE_ORDERS)
        for half_life, rows in decayed.items():
            found[f"given_h{half_life:g}"] = tables.given(rows)
            found[f"cosine_h{half_life:g}"] = tables.cosine(rows)
        found["rp3"] = tables.rp3(orders)
    return found
