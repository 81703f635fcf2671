"""Candidates of a batch of queries, and what is told of each pair of query and candidate. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend import sequence
from mlops.predictors.recommend.scores import (
    CONTEXT,
    CUSTOMER,
    CUSTOMER_IN_CONTEXT,
    context_scores,
    customer_scores,
)
from mlops.predictors.recommend.signals import UNKNOWN, Batch, Floats, Signals
from mlops.predictors.recommend.sparse_rows import highest, places, take

PER_GENERATOR = 60
SEQUENCE = "sequence"
LARGEST = 60_000.0  # what half precision holds
# Tables whose single values, over the items of the context, are told beside their sum.
SPREAD = ("cosine_h365", "given_h60", "cosine_customer", "order")
OF_CONTEXT = ("log_price", "age", "pop_h365", "pop_h30", "basket", "log_orders")


class Slot(StrEnum):
    """What is asked, told by the fields of the query alone."""

    HOME = "home"  # a known customer, re-buys welcome
    NEW = "new"  # a known customer, nothing that was bought before
    PAGE = "page"  # one product is seen
    CART = "cart"  # several products are in the cart
    COLD = "cold"  # nothing is known


SOURCES: dict[Slot, tuple[str, ...]] = {
    Slot.HOME: (
        "popular",
        "own_h60",
        "own_h180",
        "knn_h60",
        "knn_h15",
        "customer_h60",
        "fresh_h60",
        "recent_h15",
        "next_r1.5",
    ),
    Slot.NEW: (
        "popular",
        "knn_h60",
        "knn_h15",
        "knn60_h15",
        "customer_h60",
        "customer_h15",
        "fresh_h60",
        "recent_h15",
        "next_r1.5",
        "cosine_r1.5",
        "cosine_h60",
    ),
    Slot.PAGE: (
        "popular",
        "x_order",
        "x_customer",
        "x_cosine_h60",
        "x_given_h60",
        "x_given_h365",
        "x_rp3",
        "x_sessions",
        "x_sessions_recent",
        "own_h180",
        "knn_h60",
    ),
    Slot.CART: (
        "popular",
        "x_order",
        "x_customer",
        "x_cosine_h60",
        "x_cosine_h365",
        "x_given_h365",
        "x_rp3",
        "x_sessions",
        "x_sessions_recent",
        "own_h180",
    ),
}


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries with their candidates, sorted by query and item.

    Args:
        query, item: int64 [n_pairs].
        x: float16 [n_pairs, n_features]; NaN where a thing is not known. What the sequence model says comes last.
        usual: bool [n_pairs], whether another generator than the sequence model names the item.
        names: of the features.
    """

    query: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    x: npt.NDArray[np.float16]
    usual: npt.NDArray[np.bool_]
    names: tuple[str, ...]


def slots_of(batch: Batch) -> list[Slot]:
    """The slot of each query."""
    seen = np.diff(batch.context.indptr)
    found = []
    for customer, count, exclude in zip(batch.customer, seen, batch.exclude_owned, strict=True):
        if count:
            found.append(Slot.PAGE if count == 1 else Slot.CART)
        elif customer == UNKNOWN:
            found.append(Slot.COLD)
        else:
            found.append(Slot.NEW if exclude else Slot.HOME)
    return found


def generators_of(slot: Slot) -> tuple[str, ...]:
    """Every generator that can speak in the slot, beside the sequence model; which do depends on the shop's data."""
    if slot in (Slot.PAGE, Slot.CART):
        return ("popular", *CUSTOMER_IN_CONTEXT, *CONTEXT)
    return ("popular", *CUSTOMER)


def generator_scores(signals: Signals, batch: Batch, slot: Slot) -> dict[str, Floats]:
    """Scores of the generators that the data can feed, float32 [n_queries, n_items]; NaN where the customer is missing."""
    n = len(batch)
    found = {"popular": np.broadcast_to(signals.popularity["popular"], (n, signals.n_items))}
    known = np.flatnonzero(batch.customer != UNKNOWN)
    names = CUSTOMER_IN_CONTEXT if slot in (Slot.PAGE, Slot.CART) else CUSTOMER
    if len(known):
        for name, scores in customer_scores(signals, batch.customer[known], names).items():
            if len(known) == n:
                found[name] = scores
            else:
                found[name] = np.full((n, signals.n_items), np.nan, np.float32)
                found[name][known] = scores
    if slot in (Slot.PAGE, Slot.CART):
        found |= context_scores(signals, batch)
    told = signals.sequence
    if told is not None and slot in told.slots:
        found[SEQUENCE] = sequence.scores(
            told, told.states[batch.customer], signals.popularity, signals.known
        )
    return found


def owned_places(signals: Signals, batch: Batch) -> npt.NDArray[np.int32]:
    """Place + 1 in `own_features` of each pair of query and item, 0 where the customer never bought it."""
    found = np.zeros((len(batch), signals.n_items), np.int32)
    known = np.flatnonzero(batch.customer != UNKNOWN)
    rows = take(signals.own, batch.customer[known])
    found[np.repeat(known, np.diff(rows.indptr)), rows.indices] = rows.data
    return found


def eligible_items(signals: Signals, batch: Batch, places: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """What may be answered: sold before, not in the context, and not owned where that is asked."""
    found = np.repeat(signals.known[None, :], len(batch), axis=0)
    query = np.repeat(np.arange(len(batch)), np.diff(batch.context.indptr))
    found[query, batch.context.indices] = False
    return found & ~((places > 0) & batch.exclude_owned[:, None])


def candidates(
    scores: dict[str, Floats],
    eligible: npt.NDArray[np.bool_],
    sources: tuple[str, ...],
    per_generator: int = PER_GENERATOR,
) -> npt.NDArray[np.bool_]:
    """The union of each source's best."""
    chosen = np.zeros(eligible.shape, bool)
    for name in sources:
        if name in scores:
            chosen |= highest(np.where(eligible, scores[name], np.float32(0)), per_generator)
    return chosen


def pairs(
    signals: Signals,
    batch: Batch,
    slot: Slot,
    *,
    scores: dict[str, Floats] | None = None,
    eligible: npt.NDArray[np.bool_] | None = None,
) -> Pairs:
    """The candidates of these queries, all of one slot, with their features.

    Args:
        scores, eligible: what `generator_scores` and `eligible_items` found, where they were asked already.
    """
    places = owned_places(signals, batch)
    if scores is None:
        scores = generator_scores(signals, batch, slot)
    if eligible is None:
        eligible = eligible_items(signals, batch, places)
    chosen = usual = candidates(scores, eligible, SOURCES[slot])
    if SEQUENCE in scores:
        chosen = usual | candidates(scores, eligible, (SEQUENCE,))
    query, item = np.nonzero(chosen)
    usual = usual[query, item]
    columns = _of_generators(generators_of(slot), scores, query, item, usual, len(batch))
    columns |= {name: signals.item_features[item, at] for at, name in enumerate(signals.item_names)}
    ahead = (batch.at - signals.now)[query]
    columns["ahead"] = ahead
    columns |= _of_customer(signals, batch, query, places[query, item], ahead)
    columns["price_to_customer"] = columns["log_price"] - columns["c_price"]
    columns["pop_to_customer"] = columns["pop_h365"] - columns["c_pop"]
    if slot in (Slot.PAGE, Slot.CART):
        columns |= _of_context(signals, batch, query, item, columns)
    if SEQUENCE in scores:
        columns |= _of_generators((SEQUENCE,), scores, query, item, np.ones(len(query), bool), len(batch))
    told = np.empty((len(columns), len(query)), np.float32)
    for at, column in enumerate(columns.values()):
        told[at] = column
    np.minimum(told, LARGEST, out=told)
    np.maximum(told, -LARGEST, out=told)
    # Half precision: training keeps millions of rows, and serving must see the same numbers.
    return Pairs(query, item, told.T.astype(np.float16, order="C"), usual, tuple(columns))


Columns = dict[str, npt.NDArray[Any]]


def _of_generators(
    names: tuple[str, ...],
    scores: dict[str, Floats],
    query: npt.NDArray[np.int64],
    item: npt.NDArray[np.int64],
    counted: npt.NDArray[np.bool_],
    n: int,
) -> Columns:
    """Each generator's score, the same over the query's best, and its rank: how many counted candidates come before.

    The columns are the same for every batch and window; those of a generator that does not speak hold NaN.
    """
    columns: Columns = {}
    lengths = np.bincount(query, minlength=n)
    width = int(lengths.max(initial=0))
    inside = np.arange(width)[None, :] < lengths[:, None]
    padded = np.full((n, width), -np.inf, np.float32)
    ranks = np.empty((n, width), np.float32)
    offset = np.arange(n)[:, None] * width
    silent = np.full(len(query), np.nan, np.float32)
    place: npt.NDArray[np.floating] = np.arange(width, dtype=np.float32)[None, :]
    some = None if bool(counted.all()) else np.zeros((n, width), bool)
    if some is not None:
        some[inside] = counted
    for name in names:
        found = scores[name][query, item] if name in scores else silent
        columns[name] = found
        if name == "popular":
            continue
        padded[inside] = np.where(np.isnan(found), -np.inf, found)
        order = np.argsort(-padded, axis=1, kind="stable")
        if some is not None:
            ahead = np.take_along_axis(some, order, axis=1)
            place = np.cumsum(ahead, axis=1, dtype=np.float32) - ahead
        ranks.reshape(-1)[order + offset] = place
        best = padded if some is None else np.where(some, padded, -np.inf)
        columns[f"{name}:ratio"] = found / best.max(axis=1, initial=1e-9)[query]
        columns[f"{name}:rank"] = np.where(found > 0, ranks[inside], np.nan)
    return columns


def _of_customer(
    signals: Signals,
    batch: Batch,
    query: npt.NDArray[np.int64],
    place: npt.NDArray[np.int32],
    ahead: npt.NDArray[np.float64],
) -> Columns:
    columns: Columns = {}
    bought = np.flatnonzero(place > 0)
    for at, name in enumerate(signals.own_names):
        columns[name] = np.full(len(query), np.nan, np.float32)
        columns[name][bought] = signals.own_features[place[bought] - 1, at]
    columns["own_since"] = columns["own_since"] + ahead
    customer = batch.customer[query]
    known = np.flatnonzero(customer != UNKNOWN)
    for at, name in enumerate(signals.customer_names):
        columns[name] = np.full(len(query), np.nan, np.float32)
        columns[name][known] = signals.customer_features[customer[known], at]
    columns["c_since"] = columns["c_since"] + ahead
    return columns


def _of_context(
    signals: Signals, batch: Batch, query: npt.NDArray[np.int64], item: npt.NDArray[np.int64], told: Columns
) -> Columns:
    size, seen = np.diff(batch.context.indptr), batch.context.indices
    owner = np.repeat(np.arange(len(size)), size)
    columns: Columns = {"x_size": size[query].astype(np.float32)}
    for name in OF_CONTEXT:
        values = np.nan_to_num(signals.item_features[seen, signals.item_names.index(name)])
        mean = np.bincount(owner, values, len(size)) / np.maximum(size, 1)
        columns[f"x_{name}"] = mean[query]
        columns[f"to_x_{name}"] = told[name] - mean[query]
    for name in SPREAD:
        columns |= _spread(signals.tables.get(name), batch.context, query, item, name)
    return columns


def _spread(
    table: sparse.csr_matrix | None,
    context: sparse.csr_matrix,
    query: npt.NDArray[np.int64],
    item: npt.NDArray[np.int64],
    name: str,
) -> Columns:
    """Highest value over the context's items, and the share of them that has any."""
    most = np.zeros((context.shape[0], context.shape[1]), np.float32)
    share = np.zeros_like(most)
    if table is not None:
        at, lengths = places(table, context.indices)
        # Rows of one query lie together: their columns are reduced without making them dense.
        owner = np.repeat(np.arange(context.shape[0]), np.diff(context.indptr))
        flat = np.repeat(owner, lengths) * context.shape[1] + table.indices[at]
        np.maximum.at(most.reshape(-1), flat, table.data[at])
        share += np.bincount(flat[table.data[at] > 0], minlength=share.size).reshape(share.shape)
    count = np.maximum(np.diff(context.indptr), 1)
    return {f"x_{name}:max": most[query, item], f"x_{name}:share": share[query, item] / count[query]}
