"""A recommender as named arrays and back, as an artefact keeps them: no pickles, LightGBM's models as their text. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend import sequence
from mlops.predictors.recommend.features import SEQUENCE, Slot, generators_of, pairs
from mlops.predictors.recommend.signals import UNKNOWN, Batch, Signals
from mlops.predictors.recommend.two_stage import RANKER, Choice, TwoStage

Arrays = dict[str, npt.NDArray[Any]]

_NAMES = ("item_names", "customer_names", "own_names")
_MATRICES = ("vectors", "tables")
_PARTS = ("data", "indices", "indptr")
# What is no matrix in parts: type and number of dimensions.
_PLAIN: dict[str, tuple[type[np.generic], int]] = {
    "about": (np.uint8, 1),
    "newcomers": (np.float32, 1),
    "known": (np.bool_, 1),
    "item_features": (np.float32, 2),
    "customer_features": (np.float32, 2),
    "own_features": (np.float32, 2),
    "session_day": (np.float64, 1),
    "session_customer": (np.int32, 1),
}


def to_arrays(recommender: TwoStage) -> Arrays:
    """Every array by name; `about` is JSON as bytes: names of features, shapes, choices, hashes of the rankers."""
    signals = recommender.signals
    found: Arrays = {"newcomers": recommender.newcomers}
    about: dict[str, Any] = {"shapes": {}, "popularity": sorted(signals.popularity), "now": signals.now}
    about["choices"] = {slot.value: [each.known, each.unknown] for slot, each in recommender.choices.items()}
    about["rankers"] = {}
    for slot, ranker in recommender.rankers.items():
        text = ranker.model_to_string().encode()
        found[f"ranker/{slot.value}"] = np.frombuffer(text, np.uint8)
        about["rankers"][slot.value] = hashlib.sha256(text).hexdigest()
    for field in fields(Signals):
        value = getattr(signals, field.name)
        if field.name in _NAMES:
            about[field.name] = list(value)
        elif field.name in _MATRICES:
            for name, matrix in value.items():
                _put(found, about, f"{field.name}/{name}", matrix)
        elif field.name == "popularity":
            found |= {f"popularity/{name}": share for name, share in value.items()}
        elif field.name == "own":
            _put(found, about, "own", value)
        elif field.name == SEQUENCE:
            if value is not None:
                found |= {f"sequence/{name}": each for name, each in sequence.to_arrays(value).items()}
                about[SEQUENCE] = {"shares": list(value.shares), "slots": list(value.slots)}
        elif field.name != "now":
            found[field.name] = value
    found["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    return found


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> TwoStage:
    """The inverse of `to_arrays`.

    Raises:
        ValueError: an array is missing, too much, of another type or shape than promised, or does not fit the others.
    """
    try:
        for name, (kind, dimensions) in _PLAIN.items():
            _expect(arrays, name, kind, dimensions)
        about = json.loads(arrays["about"].tobytes())
        matrices = {name: _taken(arrays, name, shape) for name, shape in about["shapes"].items()}
        for name in about["popularity"]:
            _expect(arrays, f"popularity/{name}", np.float32, 1)
        told = about.get(SEQUENCE)
        signals = Signals(
            sequence=None
            if told is None
            else sequence.from_arrays(_under(arrays, "sequence/"), told["shares"], told["slots"]),
            now=float(about["now"]),
            known=arrays["known"],
            item_features=arrays["item_features"],
            customer_features=arrays["customer_features"],
            own_features=arrays["own_features"],
            session_day=arrays["session_day"],
            session_customer=arrays["session_customer"],
            own=matrices["own"],
            vectors=_under(matrices, "vectors/"),
            tables=_under(matrices, "tables/"),
            popularity={name: arrays[f"popularity/{name}"] for name in about["popularity"]},
            **{name: tuple(about[name]) for name in _NAMES},
        )
        rankers = {
            Slot(name): _ranker(arrays[f"ranker/{name}"], digest) for name, digest in about["rankers"].items()
        }
        choices = {Slot(name): Choice(*who) for name, who in about["choices"].items()}
        expected = {*_PLAIN, *(f"{name}/{part}" for name in matrices for part in _PARTS)}
        expected |= {f"popularity/{name}" for name in signals.popularity} | {
            f"ranker/{slot.value}" for slot in rankers
        }
        if told is not None:
            expected |= {name for name in arrays if name.startswith("sequence/")}
        if set(arrays) != expected:
            raise ValueError(f"too many arrays: {sorted(set(arrays) - expected)}")
        recommender = TwoStage(signals, arrays["newcomers"], rankers, choices)
        _check(recommender)
    except (
        KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError, lgb.basic.LightGBMError
    ) as error:  # fmt: skip
        raise ValueError(f"these arrays are no recommender: {type(error).__name__} {error}") from error
    return recommender


def _put(found: Arrays, about: dict[str, Any], name: str, matrix: sparse.csr_matrix) -> None:
    about["shapes"][name] = list(matrix.shape)
    sorted_ = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    # Rows are looked up by one query at a time: the smaller numbers are read faster, and cost half of the file.
    found[f"{name}/data"] = sorted_.data
    found[f"{name}/indices"] = sorted_.indices.astype(np.int32, copy=False)
    found[f"{name}/indptr"] = sorted_.indptr.astype(np.int32 if matrix.nnz < 2**31 else np.int64, copy=False)


def _taken(arrays: Mapping[str, npt.NDArray[Any]], name: str, shape: list[int]) -> sparse.csr_matrix:
    data = _expect(arrays, f"{name}/data", np.int32 if name == "own" else np.float32, 1)
    indices = _expect(arrays, f"{name}/indices", np.int32, 1)
    indptr = arrays[f"{name}/indptr"]
    if indptr.dtype not in (np.int32, np.int64) or indptr.shape != (shape[0] + 1,):
        raise ValueError(f"{name}/indptr does not fit {shape}")
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise ValueError(f"rows of {name} begin or end where they cannot")
    if len(data) != len(indices) or not np.isfinite(data).all():
        raise ValueError(f"{name} has {len(indices)} places and {len(data)} values, or one that is no number")
    inner = np.ones(len(indices), bool)
    inner[indptr[:-1][indptr[:-1] < len(indices)]] = False
    if len(indices) and (
        indices.min() < 0 or indices.max() >= shape[1] or np.any((np.diff(indices, prepend=-1) <= 0) & inner)
    ):
        raise ValueError(f"columns of {name} lie outside of it, or do not ascend")
    matrix = sparse.csr_matrix((data, indices, indptr), shape=tuple(shape))
    matrix.has_canonical_format = True
    return matrix


def _expect(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, kind: type[np.generic], dimensions: int
) -> npt.NDArray[Any]:
    found = arrays[name]
    if found.dtype != kind or found.ndim != dimensions:
        raise ValueError(
            f"{name} must be {np.dtype(kind)} of {dimensions} dimensions, not {found.dtype} {found.shape}"
        )
    return found


def _ranker(text: npt.NDArray[Any], digest: str) -> lgb.Booster:
    # LightGBM trusts a model's text: a tree that points outside of itself is followed there.
    content = text.tobytes()
    if text.dtype != np.uint8 or text.ndim != 1 or hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("the text of a ranker is not the one that was saved")
    return lgb.Booster(model_str=content.decode())


def _under(named: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): each for name, each in named.items() if name.startswith(prefix)}


def _check(recommender: TwoStage) -> None:
    """Whether everything fits together.

    Raises:
        ValueError: with what does not.
    """
    signals = recommender.signals
    n, (customers, _) = signals.n_items, signals.own.shape
    sessions = len(signals.session_day)
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "own": (signals.own.shape, (customers, n)),
        "newcomers": (recommender.newcomers.shape, (n,)),
        "item_features": (signals.item_features.shape, (n, len(signals.item_names))),
        "customer_features": (signals.customer_features.shape, (customers, len(signals.customer_names))),
        "own_features": (signals.own_features.shape, (signals.own.nnz, len(signals.own_names))),
        "session_customer": (signals.session_customer.shape, (sessions,)),
    }
    speaking: tuple[str, ...] = ()
    if signals.sequence is not None:
        speaking = signals.sequence.slots
        if not set(speaking) <= {Slot.HOME, Slot.NEW}:
            raise ValueError(f"a sequence model speaks to known customers, not in {list(speaking)}")
        shapes["sequence/states"] = (signals.sequence.states.shape[:1], (customers,))
        shapes["sequence/items"] = (signals.sequence.weights["items"].shape[:1], (n,))
    shapes |= {name: (each.shape, (n, n)) for name, each in signals.tables.items()}
    shapes |= {name: (each.shape, (n,)) for name, each in signals.popularity.items()}
    for name, each in signals.vectors.items():
        rows = sessions if name.startswith("sessions") else customers
        shapes[f"vectors/{name}"] = (each.shape, (n, rows) if name.endswith(":items") else (rows, n))
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"{name} is {found}, where {expected} fits the others")
    if signals.own.nnz and not 1 <= signals.own.data.min() <= signals.own.data.max() <= signals.own.nnz:
        raise ValueError("a pair of customer and item lies outside its features")
    if sessions and not -1 <= signals.session_customer.min() <= signals.session_customer.max() < customers:
        raise ValueError("an order's customer lies outside the customers")
    numbers: tuple[npt.NDArray[np.floating], ...] = (
        recommender.newcomers,
        signals.session_day,
        np.array([signals.now]),
        *signals.popularity.values(),
    )
    if not all(np.isfinite(each).all() for each in numbers):
        raise ValueError("a number is missing where there must be one")
    if sessions and signals.session_day.max() > signals.now:
        raise ValueError("an order lies after the moment up to which is known")
    for slot, choice in recommender.choices.items():
        for who in (choice.known, choice.unknown):
            there = (*generators_of(slot), *((SEQUENCE,) if slot in speaking else ()))
            if who not in there and (who != RANKER or slot not in recommender.rankers):
                raise ValueError(f"{slot} is answered by {who!r}, which is not there")
    if n:
        _try(recommender)


def _try(recommender: TwoStage) -> None:
    """Ask it once in every slot: a name that its generators need and that is not there is found now, not by a visitor."""
    signals = recommender.signals
    somebody = Batch(
        np.array([0 if signals.own.shape[0] else UNKNOWN], np.int32),
        np.array([signals.now]),
        sparse.csr_matrix(([np.float32(1)], [0], [0, 1]), shape=(1, signals.n_items)),
        np.array([False]),
    )
    for slot in Slot:
        if slot == Slot.COLD:
            continue
        names = [name.replace(":", "__") for name in pairs(signals, somebody, slot).names]
        if slot in recommender.rankers and recommender.rankers[slot].feature_name() != names:
            raise ValueError(f"the ranker of {slot} was taught other features than this build tells")
