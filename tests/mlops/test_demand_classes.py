"""Series classes on labelled fixtures, rules against numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from mlops.predictors.demand import baselines
from mlops.predictors.demand.classes import PATTERNS, dead_series, intermittency, new_series, patterns
from mlops.predictors.demand.panel import Grid
from mlops.predictors.demand.quantiles import bounded, empirical, stretched

NAN = float("nan")


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        ([5, 6, 5, 4, 5, 6, 5, 5], "smooth"),
        ([1, 20, 1, 1, 30, 1, 2, 1], "erratic"),
        ([5, 0, 0, 5, 0, 0, 5, 0], "intermittent"),
        ([1, 0, 0, 40, 0, 0, 2, 0], "lumpy"),
        ([0, 0, 0, 0, 0, 0, 0, 0], "silent"),
        ([NAN, NAN, 5, 6, 5, NAN, 6, 5], "smooth"),
    ],
)
def test_patterns_of_labelled_series(sold: list[float], expected: str) -> None:
    assert PATTERNS[patterns(np.array([sold]))[0]] == expected


def test_intermittency_counts_from_the_first_sale() -> None:
    adi, cv2 = intermittency(np.array([[0, 0, 0, 4.0, 0, 0, 8.0, 0]]))
    assert adi[0] == pytest.approx(5 / 2)
    assert cv2[0] == pytest.approx(8 / 36)


def test_new_and_dead_series() -> None:
    y = np.zeros((3, 300))
    y[0, 290:] = 3
    y[1, :100] = 3
    y[2] = 3
    assert new_series(y, 1).tolist() == [True, False, False]
    assert dead_series(y, 1).tolist() == [False, True, False]


def test_seasonal_naive_repeats_the_last_week_and_falls_back_to_the_last_record() -> None:
    y = np.array([[1.0, 2, 3, 4, 5, 6, 7], [NAN, NAN, NAN, NAN, NAN, 9, NAN]])
    told = baselines.seasonal_naive(y, 9, 7)
    assert told[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 1, 2]
    assert told[1].tolist() == [9.0] * 9


def test_tsb_fades_after_the_last_sale_and_croston_does_not() -> None:
    y = np.zeros((1, 200))
    y[0, :100:4] = 8
    told = baselines.smoothed(y, Grid(date(2025, 1, 1), 7, 200, 4))
    assert told["croston"][0, 0] == pytest.approx(2 * (1 - 0.05 / 2), rel=0.05)
    assert told["tsb"][0, 0] < 0.1


def test_the_profile_keeps_a_closed_day_closed() -> None:
    week = np.array([4.0, 4, 4, 4, 4, 0, 8])
    y = np.tile(week, (5, 26))
    told = baselines.smoothed(y, Grid(date(2025, 1, 6), 1, 182, 14))
    for name, each in told.items():
        assert each[:, 5] == pytest.approx(np.zeros(5)), name
        assert each[0, 6] == pytest.approx(2 * each[0, 0], rel=0.01), name


def test_empirical_quantiles_are_those_of_the_records() -> None:
    y = np.array([[NAN, 1.0, 2, 3, 4, 5]])
    told = empirical(y, 2, 1, 6)
    assert told[:, 0, 0] == pytest.approx([1.2, 2, 3, 4, 4.8])
    assert (told[:, :, 0] == told[:, :, 1]).all()


def test_quantiles_are_stretched_about_the_median_and_bounded_by_the_years_largest_sale() -> None:
    quantiles = np.array([1.0, 2, 4, 8, 16])[:, None, None]
    wide = stretched(quantiles, np.full(1, 2.0))
    assert wide[:, 0, 0].tolist() == [0, 0, 4, 12, 28]
    y = np.zeros((1, 800))
    y[0, 10] = 100  # longer ago than a year
    y[0, 700] = 3
    assert bounded(wide, y, Grid(date(2023, 1, 1), 1, 800, 1))[-1, 0, 0] == 15
