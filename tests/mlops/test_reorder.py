"""Reorder points: a simulated year must reach the service that was asked for, and packs and minimums must hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops.predictors.demand.quantiles import TAUS
from mlops.predictors.demand.reorder import (
    LEVELS,
    Advice,
    Importance,
    Terms,
    advise,
    demand_over,
    demand_paths,
    importance,
    sums_of,
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


def terms(
    *, lead: int = 7, late: int = 7, review: int = 1, minimum: int = 1, pack: int = 1, fill: float = 0.95
) -> Terms:
    one = np.array([lead, late, minimum, pack], np.int64)
    return Terms(one[:1], one[1:2], review, one[2:3], one[3:], np.array([fill]))


def ask(
    quantiles: np.ndarray,
    mean: np.ndarray,
    how: Terms,
    *,
    stock: float,
    on_order: float = 0.0,
    tie: float = 0.1,
) -> Advice:
    sums = sums_of(quantiles, mean, tie=tie, seed=1)[None].astype(np.float32)
    one = np.ones(1)
    return advise(sums, how, stock=stock * one, on_order=on_order * one, scale=one, today=mean.mean() * one)


def lumpy(rng: np.random.Generator, *shape: int) -> np.ndarray:
    # By the dozen, so that rounding to whole units decides nothing.
    return 12 * np.where(rng.random(shape) < 0.35, rng.negative_binomial(2, 0.15, shape), 0)


def steady(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.poisson(400.0, shape)


@pytest.mark.parametrize("fill", [0.90, 0.95, 0.98])
@pytest.mark.parametrize("draw", [lumpy, steady], ids=["lumpy", "steady"])
@pytest.mark.parametrize(("review", "lead", "late"), [(1, 7, 7), (7, 10, 10), (7, 5, 15)])
def test_a_simulated_year_fills_what_was_promised(
    fill: float, draw: Callable[..., np.ndarray], review: int, lead: int, late: int
) -> None:
    """330 shops order for a year by the advice, look every `review` days, and what is not there is sold later."""
    rng = np.random.default_rng(4)
    many = draw(rng, 400_000)
    quantiles = np.repeat(np.quantile(many, TAUS)[:, None], 28, axis=1)
    how = terms(review=review, lead=lead, late=late, fill=fill)
    shops, days = 330, 365 + 60
    demand = draw(rng, shops, days)
    stock = np.full(shops, float(many.mean() * 20))
    arriving = np.zeros((shops, days + late + 1))
    takes = lead + np.arange(shops) % (late - lead + 1)  # each shop's supplier keeps to its own time
    asked, filled = 0.0, 0.0
    sums = sums_of(quantiles, np.full(28, many.mean()), tie=0.0, seed=3)[None].astype(np.float32)
    point = advise(
        sums, how, stock=np.zeros(1), on_order=np.zeros(1), scale=np.ones(1), today=np.ones(1)
    ).point[0]
    on_order = np.zeros(shops)
    for day in range(days):
        stock += arriving[:, day]
        on_order -= arriving[:, day]
        if day % review == 0:
            order = np.maximum(point - stock - on_order, 0)
            takes = rng.integers(lead, late + 1, shops)
            arriving[np.arange(shops), day + takes] += order
            on_order += order
        there = np.clip(stock, 0, demand[:, day])
        if day >= 60:
            asked += demand[:, day].sum()
            filled += there.sum()
        stock -= demand[:, day]
    assert abs(round(filled / asked, 3) - fill) < 0.0105  # one point, to a tenth


def test_orders_are_whole_cases_of_at_least_the_minimum_and_only_when_needed() -> None:
    quantiles, mean = flat([0, 1, 2, 3, 6]), np.full(28, 2.2)
    how = terms(review=7, minimum=30, pack=12)
    advice = ask(quantiles, mean, how, stock=5)
    assert advice.order[0] % 12 == 0
    assert advice.order[0] >= 30
    assert advice.covered[0] < 0.5
    assert 0 < advice.safety[0] < advice.point[0]
    enough = ask(quantiles, mean, how, stock=advice.point[0] + 1)
    assert enough.order[0] == 0
    assert enough.covered[0] >= 0.95
    assert ask(quantiles, mean, how, stock=5, on_order=advice.point[0]).order[0] == 0


def test_what_does_not_sell_is_not_ordered() -> None:
    advice = ask(flat([0, 0, 0, 0, 0]), np.zeros(28), terms(), stock=0)
    assert (advice.point[0], advice.order[0]) == (0, 0)


def test_a_lead_time_beyond_the_horizon_goes_on_as_it_went() -> None:
    sums = sums_of(flat([3, 3, 3, 3, 3], 4), np.full(4, 3.0), tie=0.0, seed=1)[None].astype(np.float32)
    assert demand_over(sums, np.array([10]), np.ones(1)) == pytest.approx(np.full((1, len(LEVELS)), 30.0))
    assert demand_over(sums, np.array([4]), np.full(1, 2.0)) == pytest.approx(np.full((1, len(LEVELS)), 24.0))
    assert demand_over(sums, np.array([0]), np.ones(1)).max() == 0


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
    advice = ask(
        flat(sorted(values), 7), np.full(7, np.mean(values)), terms(lead=lead, late=lead, pack=6), stock=stock, tie=tie
    )  # fmt: skip
    assert advice.point[0] >= 0
    assert advice.order[0] >= 0
    assert advice.order[0] % 6 == 0
    assert 0 <= advice.covered[0] <= 1


def test_terms_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="lead time"):
        terms(lead=0, late=0)
    with pytest.raises(ValueError, match="lead time"):
        terms(lead=9, late=3)
    with pytest.raises(ValueError, match="fill"):
        terms(fill=1.0)
    with pytest.raises(ValueError, match="pack"):
        terms(pack=0)
