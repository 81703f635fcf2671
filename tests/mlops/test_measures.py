"""Measures against brute force, intervals against what they promise."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from scipy import sparse

from mlops.training import measures
from mlops.training.measures import KS, NAMES, NOBODY, Catalogue
from mlops.training.recommend.measured import relative


def test_measures_equal_brute_force_over_the_full_catalogue() -> None:
    generator = np.random.default_rng(5)
    n_queries, n_products = 500, 300
    scores = generator.random((n_queries, n_products))
    truth = generator.random((n_queries, n_products)) < 0.03
    answers = np.argsort(-scores, axis=1)[:, : measures.DEPTH].astype(np.int64)
    relevant = [np.flatnonzero(row) for row in truth]
    found = measures.per_query(answers, relevant)
    want = np.zeros_like(found)
    for row in range(n_queries):
        right = set(relevant[row].tolist())
        # The rank of each relevant product, counted by comparing its score with every other one.
        ranks = sorted(1 + int((scores[row] > scores[row, each]).sum()) for each in right)
        for place, k in enumerate(KS):
            inside = [rank for rank in ranks if rank <= k]
            most = min(k, len(right))
            if not right:
                continue
            best = sum(1 / log2(rank + 1) for rank in range(1, most + 1))
            want[row, 4 * place] = sum(1 / log2(rank + 1) for rank in inside) / best
            want[row, 4 * place + 1] = len(inside) / most
            want[row, 4 * place + 2] = 1 / inside[0] if inside else 0.0
            want[row, 4 * place + 3] = sum((n + 1) / rank for n, rank in enumerate(inside)) / most
    assert NAMES[:4] == ("ndcg@5", "recall@5", "mrr@5", "map@5")
    assert np.allclose(found, want, atol=1e-12, rtol=0)


def test_known_values() -> None:
    def ndcg(answer: list[int], right: list[int]) -> float:
        row = np.array([answer + [NOBODY] * (measures.DEPTH - len(answer))], np.int64)
        return float(measures.per_query(row, [np.array(right)])[0, NAMES.index("ndcg@10")])

    assert ndcg([1, 2, 3], [1]) == 1.0
    assert ndcg([2, 1], [1]) == pytest.approx(1 / log2(3))
    assert ndcg([], [1]) == 0.0
    assert measures.gini(np.array([3, 3, 3])) == 0.0
    assert measures.gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert measures.gini(np.array([])) == 0.0


def test_what_lists_are_like() -> None:
    answers = np.full((2, measures.DEPTH), NOBODY, np.int64)
    answers[0, :2], answers[1, :2] = (0, 1), (0, 2)
    alike = sparse.csr_matrix(np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]], np.float32))
    catalogue = Catalogue(
        np.ones(3, bool), np.array([0.5, 0.25, 0.125]), alike, np.array([True, True, False])
    )
    found = measures.of_lists(answers, catalogue)
    assert found["coverage@10"] == 1.0
    assert found["novelty@10"] == pytest.approx((1 + 2 + 1 + 3) / 4)
    assert found["diversity@10"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["in_stock@10"] == pytest.approx(3 / 4)
    told = measures.of_lists(answers, Catalogue(np.ones(3, bool), np.ones(3)))
    assert set(told) == {"coverage@10", "gini@10", "novelty@10"}, "what is not known is not told"


def test_the_interval_of_two_equal_models_holds_zero_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(500):
        values = np.random.default_rng(seed).normal(0.0, 1.0, (400, 1))
        (interval,) = measures.intervals(values, np.arange(400), seed)
        covered += interval.low <= 0.0 <= interval.high
    assert covered / 500 >= 0.93  # 95 % promised; 500 runs have a standard error of 1 %


def test_the_bootstrap_knows_that_one_customers_queries_are_alike() -> None:
    values = np.repeat(np.random.default_rng(1).random(20), 50)[:, None]
    (alone,) = measures.intervals(values, np.arange(1000), 2)
    (together,) = measures.intervals(values, np.repeat(np.arange(20), 50), 2)
    assert together.high - together.low > 4 * (alone.high - alone.low)
    assert alone.value == together.value == pytest.approx(values.mean())


def test_a_model_equal_to_its_rival_differs_by_nothing() -> None:
    answers = np.full((3, measures.DEPTH), NOBODY, np.int64)
    answers[:, 0] = (1, 2, 0)
    found = measures.report(
        {"model": answers, "popularity": answers},
        [np.array([1]), np.array([1]), np.array([2])],
        np.array([1, 2, 3]),
        Catalogue(np.ones(3, bool), np.ones(3) / 3),
        baseline="popularity",
        seed=1,
    )
    assert found["ndcg@10"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["coverage@10"] == {"value": 1.0, "baseline": 1.0}
    assert found["against"]["popularity"]["recall@20"]["difference"]["high"] == 0.0
    one = np.array([0.2, 0.4, 0.0])
    beside = relative(one, one, np.array([1, 2, 3]), "itself", 1)
    assert (beside.gain, beside.low, beside.high) == (0.0, 0.0, 0.0)
    assert relative(one * 1.1, one, np.arange(3), "itself", 1).gain == pytest.approx(0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(3).random((50, 2))
    assert measures.intervals(values, np.arange(50), 7) == measures.intervals(values, np.arange(50), 7)
    empty = measures.intervals(np.empty((0, 2)), np.empty(0), 7)
    assert [each.value for each in empty] == [0.0, 0.0]
