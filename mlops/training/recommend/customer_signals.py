"""What is known of each customer, and of each item that a customer has bought. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.signals import Floats
from mlops.training.recommend.item_signals import Doubles, decay
from mlops.training.recommend.sales import GUEST, Sales

Columns = dict[str, npt.NDArray[Any]]


def orders_back(sales: Sales) -> npt.NDArray[np.int64]:
    """For each row of a named customer, how many orders of that customer are newer; 0 for guests."""
    named = sales.customer != GUEST
    # Orders are numbered by time.
    key = sales.customer[named].astype(np.int64) * (sales.n_orders + 1) + sales.order[named]
    orders, inverse = np.unique(key, return_inverse=True)
    owner = orders // (sales.n_orders + 1)
    newer = np.searchsorted(owner, owner, side="right") - 1 - np.arange(len(owner))
    found = np.zeros(len(sales), np.int64)
    found[named] = newer[inverse]
    return found


def own_features(
    sales: Sales, now: float, back: npt.NDArray[np.int64]
) -> tuple[sparse.csr_matrix, Floats, tuple[str, ...]]:
    """Pairs of customer and item that was bought: their place + 1 as a matrix, their features, and the names.

    `own_due` is the time since the last purchase over the mean gap between purchases: 1 when the next one is due.
    """
    named = sales.customer != GUEST
    item, customer, day = sales.item[named], sales.customer[named], sales.day[named]
    age, back = now - day, back[named]
    pair = customer.astype(np.int64) * sales.n_items + item
    pairs, first, at, counts = np.unique(pair, return_index=True, return_inverse=True, return_counts=True)
    size = len(pairs)
    owner = (pairs // sales.n_items).astype(np.int64)
    latest = np.full(size, -np.inf)
    np.maximum.at(latest, at, day)
    newest = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(newest, at, back)
    earliest, oldest = day[first], back[first]
    orders = np.zeros(sales.n_customers)
    np.maximum.at(orders, customer, back + 1.0)
    gap = np.where(counts > 1, (latest - earliest) / np.maximum(counts - 1, 1), np.nan)
    columns: Columns = {
        "own_count": counts.astype(np.float64),
        "own_share": counts / np.maximum(orders[owner], 1),
        "own_since": now - latest,
        "own_gap": gap,
        "own_due": (now - latest) / np.maximum(gap, 1.0),
        "own_ranked": np.bincount(at, 0.85**back, size),
        "own_back": newest.astype(np.float64),
        "own_rate": counts / (oldest + 1.0),
        "own_units": np.log1p(np.bincount(at, sales.units[named], size)),
    }
    for half_life in (20.0, 60.0, 180.0):
        columns[f"own_h{half_life:g}"] = np.bincount(at, decay(age, half_life), size)
    places = sparse.csr_matrix(
        (np.arange(1, size + 1, dtype=np.int32), (owner, pairs % sales.n_items)),
        shape=(sales.n_customers, sales.n_items),
    )
    return places, _stacked(columns, size), tuple(columns)


def customer_features(
    sales: Sales, now: float, items: Floats, item_names: tuple[str, ...], back: npt.NDArray[np.int64]
) -> tuple[Floats, tuple[str, ...]]:
    """Features [n_customers, n_features] and their names; NaN for customers without an order.

    Args:
        items, item_names: what `item_features` found.
    """
    named = sales.customer != GUEST
    customer, item, size = sales.customer[named], sales.item[named], sales.n_customers
    lines = np.bincount(customer, minlength=size).astype(np.float64)
    orders = np.zeros(size)
    np.maximum.at(orders, customer, back[named] + 1.0)
    distinct = np.bincount(
        np.unique(customer.astype(np.int64) * sales.n_items + item) // sales.n_items, minlength=size
    )
    latest, earliest = np.full(size, -np.inf), np.full(size, np.inf)
    np.maximum.at(latest, customer, sales.day[named])
    np.minimum.at(earliest, customer, sales.day[named])

    def mean_of(name: str) -> Doubles:
        values = np.nan_to_num(items[item, item_names.index(name)])
        return np.bincount(customer, values, size) / lines

    with np.errstate(invalid="ignore", divide="ignore"):
        columns: Columns = {
            "c_orders": orders,
            "c_distinct": distinct.astype(np.float64),
            "c_basket": lines / orders,
            "c_repeat": 1 - distinct / lines,
            "c_since": np.where(orders > 0, now - latest, np.nan),
            "c_gap": np.where(orders > 1, (latest - earliest) / np.maximum(orders - 1, 1), np.nan),
            "c_price": mean_of("log_price"),
            "c_pop": mean_of("pop_h365"),
            "c_age": mean_of("age"),
            "c_units": np.bincount(customer, np.log1p(sales.units[named]), size) / lines,
        }
    return _stacked(columns, size), tuple(columns)


def _stacked(columns: Columns, size: int) -> Floats:
    if not size:
        return np.empty((0, len(columns)), np.float32)
    return np.stack([np.asarray(each, np.float32) for each in columns.values()], axis=1)
