"""What a customer's orders, read in their order, say of the next one: a causal transformer's forward pass in numpy. Pure.

Kang and McAuley 2018, "Self-attentive sequential recommendation" (SASRec), with an order instead of an item as the unit,
because the items of one order have no order among themselves. It is learnt by `mlops.training.recommend.sequence`, which
needs torch; answering needs these arrays alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.signals import Floats

# Added to an item's share, counted per item of the catalogue, before the logarithm.
FLOOR = 0.1
# Days between an order and the one before: under 1, 2, 4, ... days; the last is for all that is longer.
GAPS = 10
NORM_EPSILON = 1e-5
FORBIDDEN = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """Args:
    weights: float32 by name: `items` [n_items, d], `bias` [n_items], `shares` [n_shares], `gaps` [GAPS, d], `lags`
        [heads, longest], `end.gain`, `end.shift` [d], and for each block `I.`: `first.gain`, `first.shift`,
        `second.gain`, `second.shift` [d], `mixed` [d, 3 d], `joined` [d, d], `wide` [d, w], `wide.shift` [w],
        `narrow` [w, d], `narrow.shift` [d].
    shares: names of the popularities whose logarithms are added to the scores; none for sequences without dates.
    states: float32 [n_customers, d], what `last_states` made of each customer's orders.
    slots: the slots in which it speaks.
    """

    weights: Mapping[str, Floats]
    shares: tuple[str, ...]
    states: Floats
    slots: tuple[str, ...]

    @property
    def longest(self) -> int:
        """Orders that are looked back at."""
        return int(self.weights["lags"].shape[1])


def to_arrays(model: SequenceModel) -> dict[str, Floats]:
    """Its arrays by name; `shares` and `slots` are kept elsewhere."""
    return {**model.weights, "states": model.states}


def from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], shares: Sequence[str], slots: Sequence[str]
) -> SequenceModel:
    """The inverse of `to_arrays`.

    Raises:
        ValueError: an array is missing, too much, of another type or shape than promised, or holds what is no number.
    """
    given = dict(arrays)
    if "states" not in given or given.get("items", np.empty(0)).ndim != 2 or given["states"].ndim != 2:
        raise ValueError("a sequence model has items and states of two dimensions")
    (n, d), customers = given["items"].shape, given["states"].shape[0]
    lags, width = given.get("lags", np.empty(0)), given.get("0.wide.shift", np.empty(0)).shape
    if lags.ndim != 2 or not lags.size or d % lags.shape[0] or len(width) != 1:
        raise ValueError("a sequence model's heads must share its dimensions")
    expected = {
        "items": (n, d),
        "states": (customers, d),
        "bias": (n,),
        "shares": (len(shares),),
        "gaps": (GAPS, d),
        "lags": lags.shape,
        "end.gain": (d,),
        "end.shift": (d,),
    }
    for block in range(blocks(given)):
        shapes = ((d,), (d,), (d, 3 * d), (d, d), (d,), (d,), (d, *width), width, (*width, d), (d,))
        expected |= {f"{block}.{name}": shape for name, shape in zip(BLOCK, shapes, strict=True)}
    if set(given) != set(expected):
        raise ValueError(f"arrays of a sequence model are {sorted(expected)}, not {sorted(given)}")
    for name, shape in expected.items():
        each = given[name]
        if each.dtype != np.float32 or each.shape != shape or not np.isfinite(each).all():
            raise ValueError(f"sequence/{name} must be finite float32 {shape}, not {each.dtype} {each.shape}")
    states = given.pop("states")
    return SequenceModel(given, tuple(shares), states, tuple(slots))


def gap_rows(days: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each order the row of `gaps` for the time since the order before; 0 for a customer's first.

    Args:
        days: float64 [n_orders], ascending within a customer.
        starts: int64 [n_customers + 1], where each customer's orders begin.
    """
    gap = np.diff(days, prepend=0.0)
    gap[starts[:-1][starts[:-1] < len(days)]] = 0.0
    doubled = np.floor(np.log2(np.maximum(gap, 0.5))) + 1
    return np.asarray(np.clip(doubled, 0, GAPS - 1), np.int64)


def scores(
    model: SequenceModel, states: Floats, popularity: Mapping[str, Floats], known: npt.NDArray[np.bool_]
) -> Floats:
    """log(1 + chance of an item over the mean chance), float32 [n_states, n_items]: above 0, whatever the catalogue's size.

    Args:
        popularity: shares of sales by name.
        known: bool [n_items], what was sold before; others score 0.
    """
    # One by one: a product of matrices rounds otherwise than one of a row, and one query must tell what a batch tells.
    found = np.empty((len(states), len(known)), np.float32)
    for row, state in zip(found, states, strict=True):
        np.dot(model.weights["items"], state, out=row)
    found += prior(model, popularity)
    found -= found[:, known].max(axis=1, keepdims=True)
    np.exp(found, out=found)
    found[:, ~known] = 0.0
    found *= np.float32(known.sum()) / found.sum(axis=1, keepdims=True)
    np.log1p(found, out=found)
    return found


def prior(model: SequenceModel, popularity: Mapping[str, Floats]) -> Floats:
    """What is added to every score: float32 [n_items]."""
    found = model.weights["bias"].copy()
    for name, weight in zip(model.shares, model.weights["shares"], strict=True):
        found += weight * np.log(popularity[name] * np.float32(len(found)) + np.float32(FLOOR))
    return found


def next_states(
    model: SequenceModel, orders: Sequence[npt.NDArray[np.int32]], days: npt.NDArray[np.float64]
) -> Floats:
    """The state [1, d] after these orders, oldest first.

    Args:
        orders: item numbers of each.
        days: float64 [n_orders], ascending.
    """
    sizes = [len(each) for each in orders]
    items = np.concatenate(orders)
    held = sparse.csr_matrix(
        (np.ones(len(items), np.float32), items, np.concatenate([[0], np.cumsum(sizes)])),
        shape=(len(orders), len(model.weights["items"])),
    )
    starts = np.array([0, len(orders)])
    return last_states(model.weights, held, gap_rows(days, starts), starts, np.array([0]))


def last_states(
    weights: Mapping[str, Floats],
    orders: sparse.csr_matrix,
    gaps: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    customers: npt.NDArray[np.int64],
) -> Floats:
    """The state after the last order of each of these customers, float32 [n, d]; zeros for one without orders.

    Args:
        orders: orders by items, 1 for each item; those of one customer lie together, oldest first.
        gaps: int64 [n_orders], what `gap_rows` found.
        starts: int64 [all customers + 1], where each customer's orders begin.
    """
    longest = weights["lags"].shape[1]
    last = starts[customers + 1]
    lengths = np.minimum(last - starts[customers], longest)
    width = int(lengths.max(initial=0))
    found = np.zeros((len(customers), weights["items"].shape[1]), np.float32)
    asked = np.flatnonzero(lengths)
    if not len(asked):
        return found
    # Aligned right: the last order of everybody is in the last column.
    column = np.arange(width)[None, :]
    there = column >= width - lengths[asked, None]
    row = np.where(there, last[asked, None] - width + column, 0)
    x = np.zeros((*row.shape, found.shape[1]), np.float32)
    x[there] = _tokens(weights["items"], orders, row[there]) + weights["gaps"][gaps[row[there]]]
    found[asked] = forward(weights, x, there)[:, -1]
    return found


def forward(weights: Mapping[str, Floats], x: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """States [n, length, d] of sequences of orders [n, length, d]; where `there` is False nothing is looked at."""
    n, length, d = x.shape
    heads = weights["lags"].shape[0]
    lag = np.arange(length)[:, None] - np.arange(length)[None, :]
    bias = np.where(lag >= 0, weights["lags"][:, np.maximum(lag, 0)], FORBIDDEN)
    bias = bias[None] + np.where(there, np.float32(0), FORBIDDEN)[:, None, None, :]
    for block in range(blocks(weights)):
        of = {name: weights[f"{block}.{name}"] for name in BLOCK}
        mixed = _normed(x, of["first.gain"], of["first.shift"]) @ of["mixed"]
        q, k, v = np.moveaxis(mixed.reshape(n, length, 3, heads, d // heads), 2, 0).swapaxes(2, 3)
        looked = q @ k.swapaxes(2, 3) * np.float32((d // heads) ** -0.5) + bias
        looked = np.exp(looked - looked.max(axis=-1, keepdims=True))
        looked /= looked.sum(axis=-1, keepdims=True)
        x = x + (looked @ v).swapaxes(1, 2).reshape(n, length, d) @ of["joined"]
        wide = _normed(x, of["second.gain"], of["second.shift"]) @ of["wide"] + of["wide.shift"]
        x = x + np.maximum(wide, 0) @ of["narrow"] + of["narrow.shift"]
    return _normed(x, weights["end.gain"], weights["end.shift"])


BLOCK = (
    "first.gain",
    "first.shift",
    "mixed",
    "joined",
    "second.gain",
    "second.shift",
    "wide",
    "wide.shift",
    "narrow",
    "narrow.shift",
)


def blocks(weights: Mapping[str, Any]) -> int:
    """How many blocks these weights have."""
    count = 0
    while f"{count}.mixed" in weights:
        count += 1
    return count


def _tokens(items: Floats, orders: sparse.csr_matrix, rows: npt.NDArray[np.int64]) -> Floats:
    """Sum of each order's items over the root of their number."""
    held = orders[rows]
    size = np.maximum(np.diff(held.indptr), 1)
    found: Floats = (held @ items) / np.sqrt(size, dtype=np.float32)[:, None]
    return found


def _normed(x: Floats, gain: Floats, shift: Floats) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(NORM_EPSILON))
    found: Floats = centred / spread * gain + shift
    return found
