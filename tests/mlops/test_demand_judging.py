"""What is told of each series' accuracy, and that seasonal naive is served, and said, where it was better."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from mlops.predictors.demand.baselines import seasonal_naive
from mlops.predictors.demand.panel import Grid, Panel
from mlops.predictors.demand.quantiles import bounded
from mlops.training.forecast.judge import Judged, judge
from mlops.training.forecast.run import forecast

WEEK = np.array([0.0, 50, 0, 3, 0, 90, 1])


def origin(mean: np.ndarray, naive: np.ndarray, truth: np.ndarray, scale: float = 2.0) -> Judged:
    step = np.full(len(mean), scale)
    quantiles = mean * np.array([0.5, 0.8, 1, 1.2, 1.5])[:, None, None]
    return Judged(mean, quantiles, naive, truth, step)


def test_measures_are_those_of_their_formulas() -> None:
    truth = np.array([[4.0, np.nan, 8], [0, 0, 0], [5, 5, 5], [np.nan, np.nan, np.nan]])
    mean = np.array([[5.0, 9, 5], [0, 0, 0], [6, 6, 6], [1, 1, 1]])
    naive = np.array([[4.0, 9, 4], [0, 0, 0], [5, 5, 5], [1, 1, 1]])
    told = judge([origin(mean, naive, truth)] * 2, 4)
    assert told.mase[0] == pytest.approx((1 + 3) / 2 / 2)
    assert told.naive_mase[0] == pytest.approx((0 + 4) / 2 / 2)
    assert told.bias[0] == pytest.approx((10 - 12) / 12)
    assert told.coverage[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert told.fva[:3] == pytest.approx([0.0, 0.0, -1.0])
    assert np.isnan([told.mase[3], told.bias[3], told.coverage[3], told.fva[3], told.bias[1]]).all()
    assert told.naive.tolist() == [False, False, True, False]


def test_a_series_is_not_left_to_naive_by_one_measure_alone() -> None:
    truth = np.array([[0.0, 0, 0, 9]])
    told = judge([origin(np.full((1, 4), 2.25), np.zeros((1, 4)), truth)], 1)
    assert told.fva[0] == pytest.approx(-0.5)  # by absolute errors; by squared ones it is better
    assert not told.naive[0]


def test_nothing_is_claimed_where_nothing_could_be_measured() -> None:
    told = judge([], 3)
    assert np.isnan(told.mase).all()
    assert np.isnan(told.fva).all()
    assert not told.naive.any()


def test_naive_is_served_and_said_for_the_series_it_forecasts_better() -> None:
    rng = np.random.default_rng(1)
    lumpy = rng.poisson(9, (10, 210)) * (rng.random((10, 210)) < 0.3) * rng.integers(1, 5, (10, 210))
    y = np.vstack([rng.poisson(4, (30, 210)), lumpy, np.tile(WEEK, 30)[None]]).astype(np.float32)
    shop = Panel(tuple(f"s{k:02}" for k in range(41)), Grid(date(2025, 1, 6), 1, 210, 14), y)
    told = forecast(shop, seed=1, tell=lambda _: None)
    assert told.accuracy.naive[40]
    assert told.accuracy.naive.sum() <= 3
    assert told.mean[40] == pytest.approx(seasonal_naive(y, 14, 7)[40])
    assert told.accuracy.naive_mase[40] == 0
    assert told.accuracy.fva[40] == -1
    assert (told.accuracy.fva[:30] > 0).mean() > 0.9
    assert any(
        line.endswith("series of these by seasonal naive, which was better at inner origins")
        for line in told.served
    )


def test_less_than_half_a_unit_is_nothing_where_sales_are_whole() -> None:
    grid = Grid(date(2025, 1, 6), 1, 4, 1)
    y = np.array([[0, 3, 1, 9], [0, 0.25, 1, 9]], np.float32)
    told = np.array([0.002, 0.4, 0.8, 2.97, 60.0])[:, None, None] * np.ones((5, 2, 1))
    assert bounded(told, y, grid)[:, :, 0].T.tolist() == [[0, 0, 0.8, 3, 45], [0.002, 0.4, 0.8, 2.97, 45]]
