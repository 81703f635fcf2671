"""Measures against brute force, intervals against what they promise, splits without leaks."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from math import log2

import numpy as np
import polars as pl
import pytest

from mlops.features.events import SlotName
from mlops.features.read import ORDER_FRAME_SCHEMA
from mlops.training import measures, splits
from mlops.training.purchases import from_frame
from mlops.training.queries import queries
from tests.mlops.builders import NOON


def test_measures_equal_brute_force_over_the_full_catalogue() -> None:
    generator = np.random.default_rng(5)
    n_queries, n_products = 500, 300
    scores = generator.random((n_queries, n_products))
    relevant = generator.random((n_queries, n_products)) < 0.03
    got_ndcg, got_recall, want_ndcg, want_recall = [], [], [], []
    for row in range(n_queries):
        ranking = np.argsort(-scores[row]).tolist()
        right = set(np.flatnonzero(relevant[row]).tolist())
        got_ndcg.append(measures.ndcg(ranking, right, 10))
        got_recall.append(measures.recall(ranking, right, 20))
        # The rank of each relevant product, counted by comparing its score with every other one.
        ranks = [1 + int((scores[row] > scores[row, each]).sum()) for each in right]
        gained = sum(1 / log2(rank + 1) for rank in ranks if rank <= 10)
        best = sum(1 / log2(rank + 1) for rank in range(1, min(10, len(right)) + 1))
        want_ndcg.append(gained / best if right else 0.0)
        want_recall.append(sum(rank <= 20 for rank in ranks) / min(20, len(right)) if right else 0.0)
    assert np.allclose(got_ndcg, want_ndcg, atol=1e-12, rtol=0)
    assert np.allclose(got_recall, want_recall, atol=1e-12, rtol=0)


def test_known_values() -> None:
    assert measures.ndcg([1, 2, 3], {1}, 10) == 1.0
    assert measures.ndcg([2, 1], {1}, 10) == pytest.approx(1 / log2(3))
    assert measures.ndcg([], {1}, 10) == 0.0
    assert measures.recall([1, 2], {1, 3}, 20) == 0.5
    assert measures.coverage([[1, 2], [2, 3]], 6, 1) == pytest.approx(2 / 6)
    assert measures.coverage([], 0, 10) == 0.0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(120):
        generator = np.random.default_rng(seed)
        values, units = generator.normal(0.0, 1.0, 200), np.arange(200)
        interval = measures.bootstrap(values, units, np.random.default_rng(seed))
        covered += interval.low <= 0.0 <= interval.high
    assert covered / 120 >= 0.88  # 95 % promised; 120 draws have a standard error of 2 %


def test_the_bootstrap_knows_that_one_customers_queries_are_alike() -> None:
    values = np.repeat(np.random.default_rng(1).random(20), 50)
    alone = measures.bootstrap(values, np.arange(1000), np.random.default_rng(2))
    together = measures.bootstrap(values, np.repeat(np.arange(20), 50), np.random.default_rng(2))
    assert together.high - together.low > 4 * (alone.high - alone.low)
    assert alone.value == together.value == pytest.approx(values.mean())


def test_a_model_equal_to_its_baseline_differs_by_nothing() -> None:
    rankings = [[1, 2], [2, 1], [3]]
    found = measures.report(
        rankings=rankings,
        baseline=rankings,
        relevant=[{1}, {1}, {2}],
        units=[1, 2, 3],
        catalogue_size=3,
        seed=1,
    )
    assert found["ndcg@10"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["coverage@10"] == {"value": 1.0, "baseline": 1.0}


def test_windows_follow_each_other_and_end_with_the_last_order() -> None:
    found = splits.windows(first=NOON - timedelta(days=500), last=NOON, orders=1000)
    assert found is not None
    assert found.until > NOON
    assert found.until - found.test_from == found.test_from - found.validation_from == timedelta(days=28)
    assert splits.windows(first=NOON - timedelta(days=500), last=NOON, orders=20) is None
    assert splits.windows(first=NOON - timedelta(days=20), last=NOON, orders=1000) is None


def test_a_split_never_sees_the_future() -> None:
    rows = [(n, n % 9, NOON + timedelta(hours=n), p, 1) for n in range(100) for p in (n % 7, n, n + 1)]
    bought = from_frame(pl.DataFrame(rows, schema=ORDER_FRAME_SCHEMA, orient="row"))
    cut = NOON + timedelta(hours=60)
    before, after = bought.before(cut), bought.between(cut, NOON + timedelta(days=90))
    assert (before.n_orders, after.n_orders) == (60, 40)
    assert max(before.product_ids) == 60
    assert before.ordered_at_us.max() < after.ordered_at_us.min()
    assert len(before.product) + len(after.product) == len(bought.product)
    for each in (bought, before, after):
        assert all(earlier <= later for earlier, later in pairwise(each.order.tolist()))
        assert each.baskets().sum() == len(each.product)


def test_queries_ask_what_their_slot_asks() -> None:
    rows = [
        (n, None if n % 2 else n, NOON + timedelta(hours=n), p, 1)
        for n in range(30)
        for p in range(n % 5 + 1)
    ]
    bought = from_frame(pl.DataFrame(rows, schema=ORDER_FRAME_SCHEMA, orient="row"))
    known = np.array([0, 1, 2, 3])
    page = queries(SlotName.PRODUCT_PAGE, bought, known, np.random.default_rng(1))
    cart = queries(SlotName.CART, bought, known, np.random.default_rng(1))
    home = queries(SlotName.HOME, bought, known, np.random.default_rng(1))
    assert {len(each.context) for each in page} == {1}
    assert {len(each.relevant) for each in cart} == {1}
    assert {len(each.context) for each in home} == {0}
    assert (len(page), len(cart), len(home)) == (24, 18, 30)
    for each in (*page, *cart, *home):
        assert each.relevant <= {0, 1, 2, 3}
        assert not set(each.context) & each.relevant
    assert len({each.unit for each in home}) == 30  # guests are units of their own
    assert queries(SlotName.CART, bought, known, np.random.default_rng(1)) == cart
