"""A recommender as named arrays and back, as an artefact keeps them: no pickles, LightGBM's models as their text. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import Signals
from mlops.predictors.recommend.two_stage import Choice, TwoStage

Arrays = dict[str, npt.NDArray[Any]]

_NAMES = ("item_names", "customer_names", "own_names")
_MATRICES = ("vectors", "tables")


def to_arrays(recommender: TwoStage) -> Arrays:
    """Every array by name; `about` is JSON as bytes: names of features, shapes, choices."""
    found: Arrays = {"newcomers": recommender.newcomers}
    about: dict[str, Any] = {"shapes": {}, "now": recommender.signals.now}
    about["choices"] = {slot.value: [each.known, each.unknown] for slot, each in recommender.choices.items()}
    for slot, ranker in recommender.rankers.items():
        found[f"ranker/{slot.value}"] = np.frombuffer(ranker.model_to_string().encode(), np.uint8)
    for field in fields(Signals):
        value = getattr(recommender.signals, field.name)
        if field.name in _NAMES:
            about[field.name] = list(value)
        elif field.name in _MATRICES:
            for name, matrix in value.items():
                _put(found, about, f"{field.name}/{name}", matrix)
        elif field.name == "popularity":
            found |= {f"popularity/{name}": share for name, share in value.items()}
        elif field.name == "own":
            _put(found, about, "own", value)
        elif field.name != "now":
            found[field.name] = value
    found["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    return found


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> TwoStage:
    """The inverse of `to_arrays`.

    Raises:
        ValueError: an array is missing, or does not fit the others.
    """
    try:
        about = json.loads(arrays["about"].tobytes())
        matrices = {name: _taken(arrays, name, shape) for name, shape in about["shapes"].items()}
        signals = Signals(
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
            popularity=_under(arrays, "popularity/"),
            **{name: tuple(about[name]) for name in _NAMES},
        )
        rankers = {
            Slot(name): lgb.Booster(model_str=text.tobytes().decode())
            for name, text in _under(arrays, "ranker/").items()
        }
        choices = {Slot(name): Choice(*who) for name, who in about["choices"].items()}
    except (KeyError, TypeError, json.JSONDecodeError, lgb.basic.LightGBMError) as error:
        raise ValueError(f"these arrays are no recommender: {error}") from error
    recommender = TwoStage(signals, arrays["newcomers"], rankers, choices)
    _check(recommender)
    return recommender


def _put(found: Arrays, about: dict[str, Any], name: str, matrix: sparse.csr_matrix) -> None:
    about["shapes"][name] = list(matrix.shape)
    for part in ("data", "indices", "indptr"):
        found[f"{name}/{part}"] = getattr(matrix, part)


def _taken(arrays: Mapping[str, npt.NDArray[Any]], name: str, shape: list[int]) -> sparse.csr_matrix:
    parts = tuple(arrays[f"{name}/{part}"] for part in ("data", "indices", "indptr"))
    matrix = sparse.csr_matrix(parts, shape=tuple(shape))
    matrix.check_format(full_check=True)
    return matrix


def _under(named: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): each for name, each in named.items() if name.startswith(prefix)}


def _check(recommender: TwoStage) -> None:
    signals = recommender.signals
    n = signals.n_items
    lengths = {len(recommender.newcomers), len(signals.item_features), signals.own.shape[1]}
    lengths |= {each.shape[0] for each in signals.tables.values()} | {
        len(each) for each in signals.popularity.values()
    }
    if lengths != {n}:
        raise ValueError(f"{n} items, but arrays of {sorted(lengths)}")
    if signals.own.nnz and int(signals.own.data.max()) > len(signals.own_features):
        raise ValueError("a pair of customer and item lies outside its features")
