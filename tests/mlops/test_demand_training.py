"""The parts of the demand ensemble against brute force, made-up laws and the one rule: no look at the future."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.predictors.demand.covariates import Covariates, Kind
from mlops.predictors.demand.describe import Describer
from mlops.predictors.demand.panel import Grid, Panel
from mlops.predictors.demand.past import Past
from mlops.predictors.demand.pools import pools
from mlops.predictors.demand.quantiles import TAUS
from mlops.training.forecast.blend import Case, blended, prior, weigh
from mlops.training.forecast.calibrate import Spread, calibrate
from mlops.training.forecast.correct import factor, last_year, opinions, season_power, share
from mlops.training.forecast.launch import launched
from mlops.training.forecast.members import View, ask, fit
from mlops.training.forecast.response import responses
from mlops.training.forecast.rows import origins, training_rows
from mlops.training.forecast.run import capped, uncensored
from mlops.training.forecast.trials import inner_origins

MONDAY = date(2023, 1, 2)


def panel(y: np.ndarray, *, step: int = 1, horizon: int = 7, **more: object) -> Panel:
    grid = Grid(MONDAY, step, y.shape[1], horizon)
    ids = tuple(f"s{k:03}" for k in range(len(y)))
    return Panel(ids=ids, grid=grid, y=y.astype(np.float32), **more)  # type: ignore[arg-type]


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=30, max_size=60), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_windows_of_running_sums_are_those_of_the_records(sold: list[int | None], length: int) -> None:
    y = np.array([[np.nan if each is None else each for each in sold]], np.float32)
    past = Past(y, room=0, season=7, step=1)
    for end in range(len(sold) + 1):
        told = [each for each in sold[max(0, end - length) : end] if each is not None]
        total, records = past.window(end, length)
        assert (total[0], records[0]) == (sum(told), len(told))
    for newest in range(7, len(sold)):
        told = [each for each in sold[newest % 7 : newest + 1 : 7][-3:] if each is not None]
        total, records = past.same_phase(np.array([newest]), 3, np.array([0]))
        assert (total[0], records[0]) == (sum(told), len(told))


def noisy(series: int = 12, steps: int = 420, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(4, (series, steps)).astype(np.float32)


def test_features_never_look_at_or_behind_the_origin() -> None:
    y = noisy()
    changed = y.copy()
    changed[:, 300:] = 999
    levels = {"kind": np.arange(12, dtype=np.int32) % 3}
    words = tuple(("red", "toy") if k % 2 else ("blue", "toy") for k in range(12))
    rows, ahead = np.repeat(np.arange(12), 7), np.tile(np.arange(1, 8), 12)
    told: list[list[np.ndarray]] = []
    for each in (y, changed):
        told.append([])
        whole = panel(each, levels=levels, words=words)
        for known in (whole, whole.until(300, 7)):
            describer = Describer(known, [], Covariates([]))
            told[-1].append(describer.at(300, rows, ahead))
            assert np.array_equal(told[-1][0], told[-1][-1], equal_nan=True)
    assert np.array_equal(told[0][0], told[1][0], equal_nan=True)


def test_rows_of_recent_origins_hold_only_targets_that_are_known() -> None:
    shop = panel(noisy(), horizon=14)
    describer = Describer(shop, pools(shop), Covariates([]))
    at = origins(420, gap=7, span=200, shortest=91)
    rows = training_rows(describer, at, last=420, horizon=14, draws=4, seed=1)
    assert rows is not None
    assert (rows.origin + rows.ahead <= 420).all()
    assert (rows.y == shop.y[rows.series, rows.origin + rows.ahead - 1]).all()
    assert rows.features.shape == (len(rows), len(describer.names))


def test_a_shop_taken_in_parts_is_forecast_like_one_taken_whole() -> None:
    week = np.array([1.0, 1, 1, 2, 3, 0, 1])
    y = np.random.default_rng(1).poisson(4 * np.tile(week, 40), (12, 280))
    shop = panel(y, levels={"kind": np.arange(12, dtype=np.int32) % 2}, labels={"kind": ("a", "b")})
    told = []
    for cells, parts in ((10**9, 1), (300 * 5, 3)):
        view = View.of(shop, cells=cells)
        assert len(view.slices()) == parts
        told.append(ask(fit(view, last=280, quantiles=True, seed=1), view))
    whole, pieces = told
    assert whole.means.keys() == pieces.means.keys()
    assert pieces.quantiles is not None
    assert pieces.quantiles.shape == (5, 12, 7)
    assert (whole.means["recent"] == pieces.means["recent"]).all()
    assert whole.total == pytest.approx(pieces.total)
    for name in ("direct", "recursive"):
        day = pieces.means[name].mean(axis=0)  # other rows are drawn, so single series differ
        assert day == pytest.approx(whole.means[name].mean(axis=0), rel=0.15, abs=1.2)


def test_inner_origins_leave_the_last_horizon_to_be_judged() -> None:
    assert inner_origins(panel(noisy(1, 400), horizon=28)) == [316, 330, 344, 358, 372]
    assert inner_origins(panel(noisy(1, 30), horizon=28)) == []
    assert inner_origins(panel(noisy(1, 60), step=7, horizon=8)) == [36, 40, 44, 48, 52]


def test_the_law_of_prices_is_found_and_holds_beyond_the_prices_seen() -> None:
    rng = np.random.default_rng(2)
    series, steps, horizon = 40, 120, 8
    price = np.exp(rng.normal(0, 0.15, (series, steps + horizon)))
    price[:, steps:] = 0.55  # lower than any before
    wanted = 50 * price**-2.0
    y = rng.poisson(wanted)[:, :steps]
    shop = panel(y, step=7, horizon=horizon, known={"price": price.astype(np.float32)})
    law = responses(shop, Covariates.of(shop.known, shop.grid))
    assert law is not None
    # The true slope says 1.2; a third of the evidence is the prior's "no effect".
    assert 0.8 < law[:, steps:].mean() < 1.25
    assert law[:, :steps].max() < law[:, steps:].mean()


def test_columns_are_told_apart_by_what_they_hold() -> None:
    y = noisy(6, 60)
    holiday = np.tile((np.arange(67) % 20 == 3).astype(np.float32), (6, 1))
    price = np.random.default_rng(1).random((6, 67)).astype(np.float32)
    size = np.repeat(np.arange(6, dtype=np.float32)[:, None], 67, axis=1)
    shop = panel(y, known={"holiday": holiday, "price": price, "size": size})
    covariates = Covariates.of(shop.known, shop.grid)
    assert {each.name: each.kind for each in covariates.columns} == {
        "holiday": Kind.SHOP,
        "price": Kind.OWN,
    }
    assert (
        responses(replace(shop, known={"holiday": holiday}), Covariates.of({"holiday": holiday}, shop.grid))
        is None
    )


def test_weights_sum_to_one_follow_evidence() -> None:
    rng = np.random.default_rng(3)
    truth = rng.poisson(10, (60, 7)).astype(np.float64)
    means = {
        "direct": truth + rng.normal(0, 1, truth.shape),
        "recursive": truth + rng.normal(0, 8, truth.shape),
        "ses": truth + rng.normal(0, 8, truth.shape),
        "tsb": truth + rng.normal(0, 8, truth.shape),
    }
    codes = np.repeat(np.array([0, 3], np.int8), 30)
    case = Case(means, truth, codes, np.ones(60))
    members = tuple(means)
    weights = weigh([case] * 5, members)
    assert weights.table.sum(axis=1) == pytest.approx(np.ones(len(weights.table)))
    assert (weights.table[0] >= 0).all()
    assert weights.table[0][0] > prior(members)[0]
    assert (
        blended(means, weights, codes)[0]
        == sum(weights.table[0][k] * means[name][0] for k, name in enumerate(members))
    ).all()
    assert weigh([], members).table[0] == pytest.approx(prior(members))


def test_weights_move_as_far_as_the_noise_lets_them() -> None:
    rng = np.random.default_rng(3)
    moved = []
    for noise in (0.02, 3.0):
        level = np.exp(rng.normal(3, 1, (80, 1)))
        truth = level * (1 + noise * rng.standard_normal((80, 28)))
        means = {"direct": np.repeat(level * 1.2, 28, 1), "ses": np.repeat(level * 1.2, 28, 1)}
        means["theta"] = np.repeat(level, 28, 1)
        codes, scale = np.zeros(80, np.int8), (level[:, 0] * max(noise, 0.1)) ** 2
        moved.append(weigh([Case(means, truth, codes, scale)] * 5, tuple(means)).table[0][2])
    assert moved[0] > 0.4  # no weight in the prior, all of the evidence
    assert moved[1] < 0.1


def test_the_totals_season_is_trusted_as_far_as_it_held() -> None:
    grid = Grid(MONDAY, 1, 1100, 28)
    t = np.arange(1100)
    seasonal = 1000 * np.exp(0.8 * np.sin(2 * np.pi * t / 364))
    assert season_power(seasonal, grid) > 0.8
    rng = np.random.default_rng(1)
    steady = 1000 * np.exp(0.3 * rng.standard_normal(40).repeat(28))[:1100]
    assert season_power(steady, grid) < 0.35
    assert season_power(seasonal[:200], grid) == 0.5
    assert last_year(seasonal[:200], grid) == 0.0


def test_forecasts_move_to_the_total_only_as_far_as_it_was_better() -> None:
    summed, sold = np.full(5, 80.0), np.full(5, 100.0)
    better = share(summed, sold, sold, start=2 / 3)
    worse = share(summed, np.full(5, 60.0), sold, start=2 / 3)
    assert better == pytest.approx((20 * 2 / 3 + 5) / 25)
    assert worse == pytest.approx(20 * 2 / 3 / 25)
    assert share(summed, np.zeros(5), sold, start=0.5) == 0.5
    assert opinions(50.0, 200.0) == pytest.approx(100.0)
    assert (opinions(0.0, 200.0), opinions(50.0, 0.0), opinions(0.0, 0.0)) == (200.0, 50.0, 0.0)
    assert factor(80.0, 100.0, 1.0) == pytest.approx(1.25)
    assert factor(0.0, 100.0, 1.0) == 1.0
    assert factor(1.0, 1e9, 1.0) == pytest.approx(np.exp(0.4))


def test_calibration_widens_what_was_too_narrow_and_moves_no_median() -> None:
    rng = np.random.default_rng(5)
    spreads = []
    for bias in (0.7, 0.9, 1.0, 1.1, 1.4):
        mean = np.exp(rng.normal(2, 0.5, (300, 8)))
        truth = bias * mean * np.exp(rng.normal(0, 0.5, mean.shape) - 0.125)
        narrow = mean * np.array([0.9, 0.95, 0.98, 1.03, 1.1])[:, None, None]
        codes = np.zeros(300, np.int8)
        spreads.append(Spread(narrow, narrow, mean, mean, mean, truth, codes, np.full(300, 10.0)))
    told = calibrate(spreads, (5.0, 10.0))
    assert told.ratios is not None
    # exp(N(-0.125, 0.5²)): what the ratios are, whatever each origin's bias was
    expected = np.exp(0.5 * np.array([-1.645, -0.674, 0, 0.674, 1.645]) - 0.125)
    assert told.ratios.table[0, 1] == pytest.approx(expected, rel=0.12)
    assert told.factors[0, 2] == 1.0
    assert told.factors[0, 0] == told.factors[0, 4] >= 1.0
    assert calibrate([], (1.0,)).ratios is None


def test_a_past_that_tells_better_is_mixed_in_and_a_worse_one_is_not() -> None:
    rng = np.random.default_rng(5)
    level = np.exp(rng.normal(2, 0.8, (300, 1)))
    exact = np.quantile(rng.gamma(2.0, 0.5, 5000), TAUS)
    told = []
    for good in (True, False):
        spreads = []
        for _ in range(5):
            truth = level * rng.gamma(2.0, 0.5, (300, 8))
            right = exact[:, None, None] * np.repeat(level, 8, axis=1)
            wrong = right[:, rng.permutation(300)]
            past, learnt = (right, wrong) if good else (wrong, right)
            one = learnt[2]
            codes, scale = np.zeros(300, np.int8), level[:, 0]
            spreads.append(Spread(learnt, past, one, one, one, truth, codes, scale))
        told.append(calibrate(spreads, (5.0, 10.0)).past[0])
    assert told[0] > 0.6
    assert told[1] < 0.1
    assert (calibrate([], (1.0,)).past == 0.5).all()  # nothing was measured: neither is trusted alone


def test_trees_are_not_low_where_sales_are_rare() -> None:
    y = np.random.default_rng(0).poisson(0.03, (80, 400)).astype(np.float32)
    shop = panel(y, horizon=28)
    view = View.of(shop)
    told = ask(fit(view, last=400, quantiles=False, seed=1), view)
    expected = 80 * 28 * 0.03
    assert 0.6 * expected < told.means["direct"].sum() < 1.6 * expected
    assert 0.35 * expected < told.means["recursive"].sum() < 1.6 * expected


def test_what_could_not_be_sold_and_what_cannot_be_true_is_not_learnt() -> None:
    y = noisy(3, 100)
    stock = np.ones(y.shape, np.bool_)
    stock[0, 50:] = False
    stock[1] = False
    y[0, 50:] = 0
    freed = uncensored(panel(y, in_stock=stock))
    assert np.isnan(freed.y[0, 50:]).all()
    assert (freed.y[1] == y[1]).all()  # never in stock: there is nothing else to learn from
    y[2, 10] = 1e7
    assert capped(panel(y)).y[2, 10] < 1000
    assert (capped(panel(y)).y[0] == y[0]).all()


def test_a_series_without_a_past_has_its_relatives_first_steps() -> None:
    y = np.full((13, 200), np.nan, np.float32)
    kind = np.array([0] * 6 + [1] * 7, np.int32)
    for row in range(6):
        y[row, 100:] = 2
    for row in range(6, 12):
        y[row, 100:] = 20
    mean, quantiles = launched(
        panel(y, levels={"kind": kind}), np.ones((13, 7)), np.ones((5, 13, 7))
    )  # fmt: skip
    assert mean[12] == pytest.approx(np.full(7, 20.0))
    assert quantiles[:, 12] == pytest.approx(np.full((5, 7), 20.0))
    assert (mean[:12] == 1).all()
