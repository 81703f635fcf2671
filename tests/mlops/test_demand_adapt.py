"""Intervals that adapt: they hold on a series that changes, leave alone what holds, and never draw a tail to a nominal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mlops.predictors.demand.adapt import (
    GROUPS,
    HORIZON_EDGES,
    KEPT,
    Adaptation,
    adapted,
    factors,
    fresh,
    groups,
    observed,
)
from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.quantiles import TAUS

SMOOTH = np.zeros(1, np.int8)
NEXT = np.ones(1, np.int64)


def normal(mean: float, spread: float) -> np.ndarray:
    """[5, 1]"""
    told: np.ndarray = np.maximum(mean + spread * norm.ppf(TAUS), 0.0)[:, None]
    return told


def walked(sales: np.ndarray, quantiles: np.ndarray) -> tuple[np.ndarray, Adaptation]:
    """Whether the adapted 90 % interval of the day before held each day's sale, and the last state."""
    state, held = fresh(), []
    for sold in sales:
        served = adapted(state, quantiles[:, :, None], codes=SMOOTH, step=1)[:, 0, 0]
        held.append(served[0] <= sold <= served[4])
        state = observed(state, sold=np.array([sold]), quantiles=quantiles, codes=SMOOTH, ahead=NEXT)
    return np.array(held), state


@pytest.mark.parametrize(("rise", "times"), [(1.0, 2.5), (1.4, 1.0), (0.7, 1.5), (1.3, 2.0), (1.0, 0.5)])
def test_the_90_percent_interval_holds_87_to_93_percent_of_a_series_that_shifted(
    rise: float, times: float
) -> None:
    told = normal(60, 8)
    plain, held = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        before, after = rng.normal(60, 8, 200), rng.normal(60 * rise, 8 * times, 500)
        sales = np.maximum(np.concatenate([before, after]), 0.0)
        held.append(walked(sales, told)[0])
        plain.append((sales >= told[0, 0]) & (sales <= told[4, 0]))
    assert not 0.87 <= np.mean(plain, axis=0)[200:].mean() <= 0.93  # else there is nothing to adapt to
    assert 0.87 <= np.mean(held) <= 0.93
    assert 0.87 <= np.mean(held, axis=0)[200:].mean() <= 0.93
    assert 0.87 <= np.mean(held, axis=0)[:200].mean() <= 0.93


def test_a_tail_is_not_drawn_in_where_the_interval_begins_at_nothing() -> None:
    rng = np.random.default_rng(1)
    sales = rng.negative_binomial(0.3, 0.05, 1500).astype(np.float64)
    told = np.quantile(sales, TAUS)[:, None]
    assert told[0, 0] == told[1, 0] == 0
    held, state = walked(sales, told)
    # 5 % lie above; an interval that had to miss 10 % would be far narrower.
    assert 0.93 <= held.mean() <= 0.97
    assert factors(state)[0, 0, 0] == pytest.approx(1.0, abs=0.35)


def test_a_forecast_of_nothing_widens_when_things_sell() -> None:
    state, none = fresh(), np.zeros((5, 1))
    for _ in range(60):
        state = observed(state, sold=np.array([2.0]), quantiles=none, codes=SMOOTH, ahead=NEXT)
    assert adapted(state, none[:, :, None], codes=SMOOTH, step=1)[4, 0, 0] > 1


def test_classes_and_horizons_learn_for_themselves() -> None:
    assert groups(np.array([1, 7, 8, 14, 15, 28, 29, 400])).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(HORIZON_EDGES) + 1 == GROUPS
    quantiles = np.repeat(normal(50, 5), 400, axis=1)
    codes, ahead = np.repeat([0, 3], 200), np.tile(np.repeat([3, 20], 100), 2)
    wild = (codes == 3) & (ahead == 20)
    state = fresh()
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 1, 400)
        sold = 50 + noise * np.where(wild, 15.0, 5.0)
        state = observed(state, sold=sold, quantiles=quantiles, codes=codes, ahead=ahead)
    told = factors(state)
    assert told[3, 2] == pytest.approx([3.0, 3.0], rel=0.15)
    assert told[[0, 0, 3], [0, 2, 0]] == pytest.approx(np.ones((3, 2)), abs=0.15)
    assert (told[1] == 1).all()
    plain = np.broadcast_to(normal(50, 5)[:, :, None], (5, 2, 28)).copy()
    served = adapted(state, plain, codes=np.array([3, 1], np.int8), step=1)
    assert (served[:, 1] == plain[:, 1]).all()  # a class of which nothing was seen
    assert served[4, 0, 20] > served[4, 0, 2] + 5


@given(
    st.lists(st.floats(0, 1e7), min_size=5, max_size=5),
    st.lists(st.one_of(st.none(), st.floats(0, 1e7)), max_size=30),
    st.integers(0, len(PATTERNS) - 1),
)
@settings(max_examples=60, deadline=None)
def test_whatever_was_sold_quantiles_stay_ordered_and_not_negative(
    levels: list[float], sales: list[float | None], code: int
) -> None:
    quantiles = np.sort(np.array(levels))[:, None]
    codes = np.array([code], np.int8)
    state = fresh()
    assert (adapted(state, quantiles[:, :, None], codes=codes, step=7)[:, :, 0] == quantiles).all()
    for sold in sales:
        value = np.array([np.nan if sold is None else sold])
        state = observed(state, sold=value, quantiles=quantiles, codes=codes, ahead=NEXT)
    served = adapted(state, np.repeat(quantiles[:, :, None], 9, axis=2), codes=codes, step=7)
    assert np.isfinite(served).all()
    assert (served >= 0).all()
    assert (np.diff(served, axis=0) >= 0).all()
    assert (served[2] == quantiles[2]).all()


def test_a_state_is_kept_as_json_and_what_is_none_is_refused() -> None:
    rng = np.random.default_rng(1)
    state = fresh()
    for _ in range(30):
        state = observed(
            state, sold=rng.poisson(9, 50).astype(float), quantiles=np.repeat(normal(9, 3), 50, axis=1),
            codes=rng.integers(0, 5, 50), ahead=rng.integers(1, 40, 50),
        )  # fmt: skip
    again = Adaptation.of(json.loads(json.dumps(state.record())))
    assert factors(again) == pytest.approx(factors(state), abs=1e-3)
    assert again.scores.shape[-1] == KEPT
    assert (factors(Adaptation.of(fresh().record())) == 1).all()
    for wrong in (
        {"groups": [{"at": [9, 9, 9], "moved": 0, "scores": [1]}]},
        {"groups": [{"at": [0], "moved": 0, "scores": [1]}]},
        {"groups": [{"at": [0, 0, 0], "moved": 0, "scores": ["x"]}]},
        {},
    ):
        with pytest.raises((ValueError, KeyError, IndexError)):
            Adaptation.of(wrong)
