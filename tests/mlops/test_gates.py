"""The gates as tables: what is promoted, staged, shelved; and a feature that knows too much."""

from __future__ import annotations

import numpy as np
import pytest

from mlops.training.gates import Action, Beside, Comparator, Gate, Policy, Promotion, Verdict, judge
from mlops.training.leaks import auc, leaks

ABOVE, AT_LEAST, BELOW = Comparator.ABOVE, Comparator.AT_LEAST, Comparator.BELOW


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.019, Verdict.SHELVE), (0.021, Verdict.PROMOTE), (0.02, Verdict.PROMOTE), (-0.1, Verdict.SHELVE)],
)
def test_a_person_asks_for_two_percent(gain: float, verdict: Verdict) -> None:
    policy = Policy(promotion=Promotion.IMPROVES)
    found = judge(policy, {}, previous=Beside("version 1", gain, gain - 0.01, gain + 0.01))
    assert found.verdict is verdict
    assert bool(found.reasons) is (verdict is Verdict.SHELVE)


@pytest.mark.parametrize(
    ("gain", "low", "verdict"),
    [
        (0.0, 0.0, Verdict.PROMOTE),
        (0.0, -0.005, Verdict.PROMOTE),
        (0.001, -0.0051, Verdict.SHELVE),
        (-0.0001, -0.0002, Verdict.SHELVE),
        (0.05, 0.01, Verdict.PROMOTE),
    ],
)
def test_the_clock_asks_for_no_loss(gain: float, low: float, verdict: Verdict) -> None:
    assert judge(Policy(), {}, previous=Beside("version 1", gain, low, 0.1)).verdict is verdict


def test_what_must_go_out_of_traffic_goes_whatever_follows() -> None:
    policy = Policy(promotion=Promotion.ALWAYS, gates=(Gate("cart.ndcg@10", AT_LEAST, 0.9),))
    assert judge(policy, {}, previous=Beside("version 1", -0.5, -0.6, -0.4)).verdict is Verdict.PROMOTE


@pytest.mark.parametrize(
    ("gates", "values", "verdict", "retrain"),
    [
        # The numbers that were asked for: accuracy > 0.85; F1 > 0.92 to staging; F1 < 0.85 trains anew.
        ((Gate("accuracy", ABOVE, 0.85),), {"accuracy": 0.86}, Verdict.PROMOTE, False),
        ((Gate("accuracy", ABOVE, 0.85),), {"accuracy": 0.85}, Verdict.SHELVE, False),
        ((Gate("accuracy", ABOVE, 0.85),), {}, Verdict.SHELVE, False),
        ((Gate("f1", ABOVE, 0.92, Action.STAGE),), {"f1": 0.93}, Verdict.PROMOTE, False),
        (
            (Gate("f1", ABOVE, 0.92, Action.STAGE), Gate("accuracy", ABOVE, 0.85)),
            {"f1": 0.93, "accuracy": 0.8},
            Verdict.STAGE,
            False,
        ),
        (
            (Gate("f1", ABOVE, 0.92, Action.STAGE), Gate("accuracy", ABOVE, 0.85)),
            {"f1": 0.92, "accuracy": 0.8},
            Verdict.SHELVE,
            False,
        ),
        ((Gate("f1", BELOW, 0.85, Action.RETRAIN),), {"f1": 0.84}, Verdict.SHELVE, True),
        ((Gate("f1", BELOW, 0.85, Action.RETRAIN),), {"f1": 0.85}, Verdict.PROMOTE, False),
        ((Gate("f1", Comparator.AT_MOST, 0.5),), {"f1": 0.5}, Verdict.PROMOTE, False),
    ],
)
def test_absolute_gates(
    gates: tuple[Gate, ...], values: dict[str, float], verdict: Verdict, *, retrain: bool
) -> None:
    found = judge(Policy(gates=gates), values)
    assert (found.verdict, found.retrain) == (verdict, retrain)
    assert len(found.checked) == len(gates)


def test_a_free_baseline_that_is_clearly_better_shelves() -> None:
    worse, unsure = (
        Beside("popularity on cart", -0.2, -0.3, -0.1),
        Beside("popularity on home", -0.2, -0.4, 0.01),
    )
    assert judge(Policy(), {}, baselines=[unsure]).verdict is Verdict.PROMOTE
    found = judge(Policy(), {}, baselines=[unsure, worse])
    assert found.verdict is Verdict.SHELVE
    assert found.reasons == ("it is 20.0% worse than popularity on cart",)


def test_a_feature_that_has_seen_the_answer_is_named() -> None:
    draw = np.random.default_rng(1)
    bought = draw.random(5_000) < 0.05
    honest = draw.random(5_000) + bought * 0.5
    future = bought + draw.random(5_000) * 0.1
    turned = -future
    x = np.stack([honest, future, turned, np.full(5_000, np.nan)], axis=1).astype(np.float16)
    found = leaks(x, bought, ("honest", "future", "turned", "silent"))
    assert {each.feature for each in found} == {"future", "turned"}
    assert all(max(each.auc, 1 - each.auc) > 0.98 for each in found)
    easy = np.stack([future, turned, future * 2], axis=1).astype(np.float16)
    assert leaks(easy, bought, ("knn", "knn:ratio", "order")) != [], "two generators"
    assert leaks(easy, bought, ("knn", "order", "next")) == [], (
        "three that know nothing of each other: an easy shop"
    )
    nearly = [bought + draw.random(5_000) * 1.16 for _ in range(3)]  # AUC about 0.99
    seen = leaks(
        np.stack([*nearly, future], axis=1).astype(np.float16), bought, ("knn", "order", "next", "future")
    )
    assert [each.feature for each in seen] == ["future"], "in an easy shop too"
    assert leaks(x[:500], bought[:500] & (np.arange(500) < 100), ("a", "b", "c", "d")) == [], (
        "too few say nothing"
    )


def test_auc_equals_the_share_of_ordered_pairs() -> None:
    draw = np.random.default_rng(2)
    values, bought = draw.integers(0, 9, 200).astype(float), draw.random(200) < 0.3
    ones, zeros = values[bought], values[~bought]
    pairs = (ones[:, None] > zeros[None, :]).mean() + 0.5 * (ones[:, None] == zeros[None, :]).mean()
    assert auc(values, bought) == pytest.approx(pairs, abs=1e-12)
    assert auc(values, np.zeros(200, bool)) == 0.5
