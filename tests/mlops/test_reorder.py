"""Reorder points: a simulated year must reach the service that was asked for, and packs and minimums must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops.predictors.demand.quantiles import TAUS
from mlops.predictors.demand.reorder import (
    Importance,
    Terms,
    advise,
    demand_paths,
    importance,
    lead_time_demand,
    tie_of,
)


def flat(values: list[float], horizon: int = 28) -> np.ndarray:
    return np.repeat(np.array(values)[:, None], horizon, axis=1)


def test_paths_keep_the_forecasts_quantiles() -> None:
    paths = demand_paths(flat([0, 2, 5, 9, 20]), np.full(28, 7.0), tie=0.3, seed=1, paths=20_000)
    assert np.quantile(paths, TAUS) == pytest.approx([0, 2, 5, 9, 20], abs=0.35)
    assert paths.mean() == pytest.approx(7.0, abs=0.2)
    assert paths.min() >= 0


def test_tied_steps_make_sums_wider_than_independent_ones() -> None:
    loose = demand_paths(flat([0, 2, 5, 9, 20]), np.full(28, 7.0), tie=0.0, seed=1).sum(axis=1)
    tied = demand_paths(flat([0, 2, 5, 9, 20]), np.full(28, 7.0), tie=0.5, seed=1).sum(axis=1)
    assert tied.std() > 2 * loose.std()


@pytest.mark.parametrize("tie", [0.0, 0.2, 0.6])
def test_the_tie_is_found_again_in_ranks(tie: float) -> None:
    rng = np.random.default_rng(2)
    scores = np.sqrt(tie) * rng.standard_normal((3000, 1)) + np.sqrt(1 - tie) * rng.standard_normal(
        (3000, 14)
    )
    assert tie_of(stats.norm.cdf(scores)) == pytest.approx(tie, abs=0.05)


def test_a_simulated_year_reaches_the_service_asked_for() -> None:
    """Lumpy demand, uncertain lead time: each lead time starts at the reorder point; how many end without a shortage?"""
    rng = np.random.default_rng(4)

    def draw(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.35, rng.negative_binomial(2, 0.15, shape), 0)

    many = draw(400_000)
    quantiles = np.repeat(np.quantile(many, TAUS)[:, None], 28, axis=1)
    mean = np.full(28, many.mean())
    lead_times = np.array([5, 6, 7, 7, 8, 12])
    for service in (0.90, 0.95, 0.98):
        terms = Terms(lead_times, service=service)
        point = advise(quantiles, mean, terms, stock=1e9, on_order=0, tie=0.0, seed=3).reorder_point
        lead = rng.choice(lead_times, 20_000)
        sold = draw(20_000, 12) * (np.arange(12) < lead[:, None])
        assert (sold.sum(axis=1) <= point).mean() == pytest.approx(service, abs=0.02)


def test_orders_are_whole_cases_of_at_least_the_minimum_and_only_when_needed() -> None:
    quantiles, mean = flat([0, 1, 2, 3, 6]), np.full(28, 2.2)
    terms = Terms(np.array([7]), review=7, minimum=30, pack=12, service=0.95)
    advice = advise(quantiles, mean, terms, stock=5, on_order=0, tie=0.1, seed=1)
    assert advice.order % 12 == 0
    assert advice.order >= 30
    assert advice.covered < 0.5
    enough = advise(quantiles, mean, terms, stock=advice.reorder_point + 1, on_order=0, tie=0.1, seed=1)
    assert enough.order == 0
    assert enough.covered >= 0.95
    coming = advise(quantiles, mean, terms, stock=5, on_order=advice.reorder_point, tie=0.1, seed=1)
    assert coming.order == 0


def test_what_does_not_sell_is_not_ordered() -> None:
    advice = advise(
        flat([0, 0, 0, 0, 0]), np.zeros(28), Terms(np.array([7])), stock=0, on_order=0, tie=0.0, seed=1
    )
    assert (advice.reorder_point, advice.order) == (0, 0)


def test_a_lead_time_beyond_the_horizon_goes_on_with_the_mean() -> None:
    paths = np.full((10, 4), 3.0)
    until, after = lead_time_demand(paths, np.array([10]), review=2, seed=1)
    assert until == pytest.approx(np.full(10, 30.0))
    assert after == pytest.approx(np.full(10, 36.0))


def test_importance_follows_revenue() -> None:
    assert importance(np.array([70.0, 15.0, 10.0, 3.0, 2.0])) == [
        Importance.A, Importance.A, Importance.B, Importance.C, Importance.C,
    ]  # fmt: skip
    assert importance(np.zeros(2)) == [Importance.C, Importance.C]


@given(
    st.lists(st.floats(0, 1e4), min_size=5, max_size=5),
    st.integers(1, 40),
    st.floats(0, 1),
    st.floats(-100, 1e5),
)
@settings(max_examples=60, deadline=None)
def test_advice_is_sound_for_any_forecast(values: list[float], lead: int, tie: float, stock: float) -> None:
    advice = advise(
        flat(sorted(values), 7),
        np.full(7, np.mean(values)),
        Terms(np.array([lead]), pack=6),
        stock=stock,
        on_order=0,
        tie=tie,
        seed=1,
    )
    assert advice.reorder_point >= 0
    assert advice.order >= 0
    assert advice.order % 6 == 0
    assert 0 <= advice.covered <= 1


def test_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="lead time"):
        Terms(np.array([0]))
    with pytest.raises(ValueError, match="service"):
        Terms(np.array([3]), service=1.0)
