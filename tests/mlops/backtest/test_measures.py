"""Measures against their definitions, worked out slowly, query by query and day by day."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from mlops.backtest.measures.demand import Scales, paired, per_series, pit_gap, summary, wrmsse
from mlops.backtest.measures.intervals import drawn_means, wilson
from mlops.backtest.measures.ranking import (
    METRICS,
    NOBODY,
    compared,
    coverage,
    hits,
    only,
    per_query,
    share_found,
)
from mlops.backtest.measures.ranking import summary as ranked
from mlops.predictors.demand.quantiles import TAUS


def by_hand(answer: list[int], weights: dict[int, float]) -> list[float]:
    gains = [weights.get(item, 0.0) for item in answer]
    dcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:10]))
    ideal = sorted(weights.values(), reverse=True)
    best = sum(gain / math.log2(place + 2) for place, gain in enumerate(ideal[:10]))
    hits = [gain > 0 for gain in gains]
    first = next((place for place, hit in enumerate(hits[:10]) if hit), None)
    return [
        dcg / best,
        sum(hits[:10]) / min(10, len(weights)),
        sum(hits[:20]) / min(20, len(weights)),
        float(any(hits[:10])),
        0.0 if first is None else 1 / (first + 1),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_measures_of_a_ranking_are_their_definitions(seed: int) -> None:
    draw = np.random.default_rng(seed)
    items, queries = 40, 30
    answers = np.full((queries, 20), NOBODY)
    truth = np.zeros((queries, items))
    for row in range(queries):
        length = int(draw.integers(0, 21))
        answers[row, :length] = draw.permutation(items)[:length]
        right = draw.permutation(items)[: int(draw.integers(1, 26))]
        truth[row, right] = draw.choice([1.0, 1.0, 2.5], len(right))
    found = per_query(answers, sparse.csr_matrix(truth))
    for row in range(queries):
        weights = {int(item): truth[row, item] for item in np.flatnonzero(truth[row])}
        assert found[row] == pytest.approx(by_hand([k for k in answers[row] if k != NOBODY], weights))


def test_coverage_counts_distinct_items_of_the_first_ten() -> None:
    answers = np.array([[*range(20)], [*range(5), *[NOBODY] * 15]])
    assert coverage(answers, 40) == 0.25


def test_hits_are_of_what_is_named_and_right() -> None:
    truth = sparse.csr_matrix(np.array([[1.0, 0, 2, 0], [0, 1, 0, 0]]))
    answers = np.array([[3, 2, 0], [1, NOBODY, NOBODY]])
    assert hits(answers, truth).tolist() == [[False, True, True], [True, False, False]]
    part = only(truth, np.isin(truth.indices, [0, 1]))
    assert hits(answers, part).tolist() == [[False, False, True], [True, False, False]]
    assert truth.nnz == 3


def test_units_are_drawn_whole() -> None:
    values = np.array([[1.0], [1.0], [0.0]])
    one_unit = drawn_means(values, np.array([7, 7, 7]))
    assert one_unit == pytest.approx(np.full((1000, 1), 2 / 3))
    assert set(np.round(np.unique(drawn_means(values, np.array([7, 7, 9]))), 3)) == {0.0, 0.667, 1.0}


def test_a_better_system_is_told_from_a_worse_one_and_not_from_itself() -> None:
    draw = np.random.default_rng(1)
    worse = np.repeat(draw.random((400, 1)) * 0.5, len(METRICS), axis=1)
    better = worse + 0.05
    units = np.arange(400)
    found = compared(better, worse, units)
    assert found.difference.value == pytest.approx(0.05)
    assert found.difference.low == pytest.approx(0.05)
    assert found.relative is not None
    assert found.relative.low > 0.1
    same = compared(worse, worse, units).difference
    assert (same.low, same.high) == (0.0, 0.0)
    assert compared(better, np.zeros_like(worse), units).relative is None
    assert set(ranked(worse, units)) == set(METRICS)


def test_a_share_is_hits_by_what_could_be_hit() -> None:
    found = share_found(np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 2.0]), np.arange(3))
    assert found.value == 0.75
    assert math.isnan(share_found(np.zeros(2), np.zeros(2), np.arange(2)).value)


def test_wilson_is_wilsons() -> None:
    # Brown, Cai and DasGupta 2001: 95 % interval of 0 of 10 is 0 to 0.2775.
    none = wilson(0, 10)
    assert none.low == pytest.approx(0.0, abs=1e-12)
    assert none.high == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_measures_of_forecasts_are_their_definitions(seed: int) -> None:
    draw = np.random.default_rng(seed)
    series, steps, horizon, block = 6, 60, 10, 7
    past = draw.poisson(1.5, (series, steps)).astype(float)
    past[0, :20] = 0.0
    past[1, :30] = np.nan
    y = draw.poisson(1.5, (series, horizon)).astype(float)
    y[2, 4:] = np.nan
    mean = draw.random((series, horizon)) * 3
    quantiles = np.sort(draw.random((5, series, horizon)) * 4, axis=0)
    scales = Scales.of(past, season=7, horizon=horizon, price=None)
    found = per_series(y, mean, quantiles, scales, block=block)
    for row in range(series):
        told = [value for value in past[row] if not math.isnan(value)]
        begun = next(k for k, value in enumerate(told) if value)
        told = told[begun:]
        steps_ = [b - a for a, b in pairwise(told)]
        weeks = [b - a for a, b in zip(told, told[7:], strict=False)]
        days = [k for k in range(horizon) if not math.isnan(y[row, k])]
        gaps = [y[row, k] - mean[row, k] for k in days]
        squared = sum(each**2 for each in steps_) / len(steps_)
        absolute = sum(abs(each) for each in steps_) / len(steps_)
        assert found["rmsse"][row] == pytest.approx(math.sqrt(sum(g**2 for g in gaps) / len(gaps) / squared))
        seasonal = sum(abs(each) for each in weeks) / len(weeks)
        assert found["mase"][row] == pytest.approx(sum(abs(g) for g in gaps) / len(gaps) / seasonal)
        assert found["ae_total"][row] == pytest.approx(abs(sum(gaps)))
        parts = [[g for k, g in zip(days, gaps, strict=True) if k // block == turn] for turn in (0, 1)]
        assert found["ae_block"][row] == pytest.approx(sum(abs(sum(part)) for part in parts))
        loss = 0.0
        for k in days:
            for tau, each in zip(TAUS, quantiles[:, row, k], strict=True):
                off = y[row, k] - each
                loss += max(tau * off, (tau - 1) * off) / 5
        assert found["spl"][row] == pytest.approx(loss / len(days) / absolute)
        inside = sum(quantiles[0, row, k] <= y[row, k] <= quantiles[4, row, k] for k in days)
        assert found["in90"][row] == inside
    known = np.isfinite(y)
    whole = summary(found)
    assert whole["wape"] == pytest.approx(np.abs(y - mean)[known].sum() / y[known].sum())
    assert whole["bias"] == pytest.approx((mean - y)[known].sum() / y[known].sum())
    gaps_ = [
        max(0.0, (y[known] < each[known]).mean() - tau, tau - (y[known] <= each[known]).mean())
        for tau, each in zip(TAUS, quantiles, strict=True)
    ]
    assert pit_gap(y, quantiles) == pytest.approx(np.mean(gaps_))


def test_wrmsse_sums_before_it_measures() -> None:
    past = np.array([[1.0, 3.0, 1.0, 3.0], [3.0, 1.0, 3.0, 2.0]])
    y, mean = np.array([[2.0, 2.0], [2.0, 2.0]]), np.array([[3.0, 3.0], [1.0, 1.0]])
    found = wrmsse(past, y, mean, np.array([1.0, 3.0]), {"band": np.array([0, 0])})
    assert found["total"] == found["band"] == 0.0  # what one is too high the other is too low
    assert found["item"] == pytest.approx((1 / 2 + 3 * 1 / math.sqrt(3)) / 4)
    assert found["wrmsse"] == pytest.approx(found["item"] / 3)


def test_a_paired_comparison_of_forecasts_is_of_series() -> None:
    draw = np.random.default_rng(2)
    y = draw.poisson(3, (50, 7)).astype(float)
    scales = Scales.of(draw.poisson(3, (50, 40)).astype(float), season=7, horizon=7, price=None)
    good = per_series(y, y + 0.1, None, scales, block=7)
    bad = per_series(y, y + 1.0, None, scales, block=7)
    found = paired(good, bad)
    assert found["wape"].high < 0
    assert found["rmsse"].value < 0
    assert "wspl" not in found
    twice = {name: np.concatenate([each, each]) for name, each in good.items()}
    other = {name: np.concatenate([each, each]) for name, each in bad.items()}
    units = np.concatenate([np.arange(50), np.arange(50)])
    assert paired(twice, other, units)["wape"].low == pytest.approx(found["wape"].low)
