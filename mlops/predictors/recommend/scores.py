"""Candidate generators: each gives every item a score for every query of a batch. Pure.

A score of 0 or less means that the generator does not name the item. Scores of generators that start from a customer are
computed for queries with a known customer only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.signals import UNKNOWN, Batch, Floats, Signals
from mlops.predictors.recommend.sparse_rows import Row, best, dense, product, take

NEIGHBOURS = 150
SESSIONS = {"sessions": (300, 250.0), "sessions_recent": (150, 40.0)}
# name: (profile, table), a customer's profile carried through a table.
CARRIED = {
    "customer_h60": ("h60", "customer"),
    "customer_h15": ("h15", "customer"),
    "order_h60": ("h60", "order"),
    "cosine_h60": ("h60", "cosine_customer"),
    "recent_h15": ("h15", "cosine_h60"),
    "next_r1.5": ("r1.5", "next"),
    "next_r0.5": ("r0.5", "next"),
    "cosine_r1.5": ("r1.5", "cosine_customer"),
    "customer_r5": ("r5", "customer"),
    "content_h60": ("h60", "content"),
}
# name: (profile that tells who is alike, profile that tells what they bought).
ALIKE = {
    "knn_h365": ("h180", "h365"),
    "knn_h60": ("h180", "h60"),
    "knn_h15": ("h180", "h15"),
    "knn60_h15": ("h60", "h15"),
}
IN_CONTEXT = (
    "order",
    "customer",
    "cosine_h60",
    "cosine_h365",
    "given_h60",
    "given_h365",
    "cosine_customer",
    "rp3",
    "next",
    "content",
)

CONTEXT = (
    *(f"x_{name}" for name in IN_CONTEXT),
    *(f"x_{name}" for name in SESSIONS),
    "x_own_sessions",
    "x_given_own",
)
# What is kept by item, so that a single query needs no transposed copy of a large matrix.
SPECIAL = (
    "sessions",
    "sessions:items",
    *(f"{name}:items" for name in sorted({alike for alike, _ in ALIKE.values()})),
)
CUSTOMER = ("own_h60", "own_h180", *ALIKE, *CARRIED, "fresh_h60")
CUSTOMER_IN_CONTEXT = ("own_h60", "own_h180", "knn_h60", "knn60_h15", "customer_h60", "recent_h15")


def customer_scores(
    signals: Signals, customer: npt.NDArray[np.int32], names: tuple[str, ...]
) -> dict[str, Floats]:
    """Scores float32 [n_queries, n_items] by name for known customers.

    Args:
        customer: int32 [n_queries], none `UNKNOWN`.
        names: which of `CUSTOMER`; those that the shop's data cannot feed are left out.
    """
    found: dict[str, Floats] = {}
    held: dict[str, Any] = {}

    def profile(name: str) -> Any:
        if name not in held:
            held[name] = take(signals.vectors[name], customer)
        return held[name]

    near: dict[str, Any] = {}
    for name in names:
        if name.startswith("own_"):
            found[name] = dense(profile(name.removeprefix("own_")))
        elif name in ALIKE:
            alike, votes = ALIKE[name]
            if alike not in near:
                near[alike] = _alike(signals.vectors[f"{alike}:items"], profile(alike), customer)
            found[name] = product(near[alike], signals.vectors[votes])
        elif name in CARRIED:
            owned, table = CARRIED[name]
            if table in signals.tables:
                found[name] = product(profile(owned), signals.tables[table])
    if "fresh_h60" in names and "customer_h60" in found:
        fresh = signals.popularity["h10"] / (signals.popularity["h365"] + np.float32(1e-6))
        found["fresh_h60"] = np.maximum(found["customer_h60"], 0) * fresh
    return found


def context_scores(signals: Signals, batch: Batch) -> dict[str, Floats]:
    """Scores float32 [n_queries, n_items] by name, each beginning with `x_`."""
    found: dict[str, Floats] = {}
    context = batch.context
    size = np.maximum(np.diff(context.indptr), 1).astype(np.float32)[:, None]
    for name in IN_CONTEXT:
        if name in signals.tables:
            found[f"x_{name}"] = product(context, signals.tables[name]) / size
    chances = _chances(signals, batch.customer)
    found["x_given_own"] = chances + found["x_given_h365"] if "x_given_h365" in found else chances
    sessions = signals.vectors["sessions"]
    if not sessions.shape[0]:
        return found
    overlap = product(context, signals.vectors["sessions:items"])
    # What no query of the batch overlaps with costs nothing: for one query these are nearly all.
    touched = np.flatnonzero(overlap.any(axis=0))
    overlap, age = overlap[:, touched], (signals.now - signals.session_day)[touched]
    for name, (count, half_life) in SESSIONS.items():
        near = best(overlap * np.exp2(-age / half_life).astype(np.float32)[None, :], count)
        found[f"x_{name}"] = product(_spread_out(near, touched, sessions.shape[0]), sessions)
    who = np.where(batch.customer == UNKNOWN, -2, batch.customer)
    own = np.where(who[:, None] == signals.session_customer[None, touched], overlap, np.float32(0))
    near = best(own, max(own.shape[1], 1))
    found["x_own_sessions"] = product(_spread_out(near, touched, sessions.shape[0]), sessions)
    return found


def _chances(signals: Signals, customer: npt.NDArray[np.int32]) -> Floats:
    """How likely each item is whatever is seen, float32 [n_queries, n_items]: the part of the customer's orders that held it.

    One order without the item is added, so that a single order is no certainty, and the item's share of all sales, so that
    a shop of a few orders names what sells among what it cannot tell apart.
    """
    found = np.repeat(signals.popularity["popular"][None, :], len(customer), axis=0)
    known = np.flatnonzero(customer != UNKNOWN)
    if len(known):
        orders = signals.customer_features[customer[known], signals.customer_names.index("c_orders")]
        rows = take(signals.own, customer[known])
        query = np.repeat(np.arange(len(known)), np.diff(rows.indptr))
        held = signals.own_features[rows.data - 1, signals.own_names.index("own_count")]
        found[known[query], rows.indices] += held / (orders[query] + np.float32(1))
    return found


def _spread_out(near: Any, touched: npt.NDArray[np.intp], width: int) -> Any:
    """The same rows over all columns, where those of `near` are `touched`."""
    if isinstance(near, Row):
        return Row(near.data, touched[near.indices], near.indptr, (1, width))
    return sparse.csr_matrix((near.data, touched[near.indices], near.indptr), shape=(near.shape[0], width))


def _alike(
    by_item: sparse.csr_matrix, asked: sparse.csr_matrix | Row, customer: npt.NDArray[np.int32]
) -> Any:
    """The customers with the nearest profiles (cosine), the asking one left out."""
    overlap = product(asked, by_item)
    overlap[np.arange(len(customer)), customer] = 0.0
    return best(overlap, NEIGHBOURS)
