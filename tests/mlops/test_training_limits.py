"""What a training may spend, and what it does when memory runs out, a feature leaks or a gate refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops.deployments import store as deployments
from mlops.features import sealed, store
from mlops.features.events import Source
from mlops.features.models import ExcludedVisitor
from mlops.features.read import ORDER_FRAME_SCHEMA
from mlops.registry import loader
from mlops.registry.models import Lifecycle, Transition, UseCase, Version
from mlops.training import policies, workfiles
from mlops.training import run as training
from mlops.training.gates import Comparator, Gate, Policy, Promotion
from mlops.training.models import RunState, TrainingRun
from mlops.training.sufficiency import Level, facts, sufficiency
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order
from tests.mlops.shops import sell, stock, train

ROOT = Path(__file__).parents[2]


def until(shop: Shop, state: str) -> TrainingRun:
    """The open run, taken to the step of this name; call it in the scope."""
    run = TrainingRun.objects.latest("pk")
    while TrainingRun.objects.get(pk=run.pk).state != state:
        training.advance(shop, now=NOON)
    return TrainingRun.objects.get(pk=run.pk)


def finish(shop: Shop) -> TrainingRun:
    while training.advance(shop, now=NOON):
        pass
    return TrainingRun.objects.latest("pk")


def test_a_short_budget_ends_in_time_with_a_version_that_answers(shop: Shop, settings: Any) -> None:
    settings.TRAINING_MAX_SECONDS = 5
    stock(shop)
    sell(shop, orders=600)
    run = train(shop)
    assert run.state == RunState.DONE
    assert sum(run.work["steps"].values()) <= 7.0
    with scope(shop):
        version = Version.objects.get()
    assert len(loader.load(shop.pk, version.artefact_digest).predictor.trending(5)) == 5


def test_no_model_is_tried_beyond_the_number_allowed(shop: Shop, settings: Any) -> None:
    settings.TRAINING_MAX_MODELS = 1
    stock(shop)
    sell(shop, orders=400)
    run = train(shop)
    assert run.state == RunState.DONE
    tried = [each for each in run.work["trials"] if each["trees"]]
    assert len(tried) == 1
    assert any(each.get("skipped") == "1 models are tried" for each in run.work["trials"])


def test_a_feature_that_has_seen_the_answer_fails_the_run_and_is_named(shop: Shop) -> None:
    """The examples that lie between two steps are given one feature more: what was bought."""
    stock(shop)
    sell(shop, orders=400)
    training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        run = until(shop, "try")
        for window in run.work["windows"]:
            told = window["slots"]["home"]
            for digest in [each for each in (told["held_out"], *told["sampled"]) if each]:
                seen = workfiles.read_examples(shop.pk, digest)
                leaking = replace(
                    seen,
                    x=np.column_stack([seen.x, seen.bought.astype(np.float16)]),
                    names=(*seen.names, "tomorrow"),
                )
                kept = workfiles.keep_examples(shop.pk, leaking)
                told["held_out"] = kept if told["held_out"] == digest else told["held_out"]
                told["sampled"] = [kept if each == digest else each for each in told["sampled"]]
        run.save()
        ended = finish(shop)
        assert (ended.state, ended.code) == (RunState.FAILED, "leak")
        assert "tomorrow (AUC 1.000)" in ended.message
        assert not Version.objects.exists()
        assert not deployments.slots(shop)
        assert not list((sealed.folder_of(shop.pk) / workfiles.KIND).glob("*")), "nothing is left behind"


def test_a_worker_that_dies_without_a_word_is_given_half_and_at_last_given_up(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=300)
    training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        until(shop, "windows")
        for halvings in (1, 2):
            TrainingRun.objects.update(attempts=training.DEATHS_OF_MEMORY, in_flight_since=NOON)
            assert training.advance(shop, now=NOON) is True
            run = TrainingRun.objects.latest("pk")
            assert (run.state, run.work["halvings"], run.attempts) == ("plan", halvings, 0)
        TrainingRun.objects.update(attempts=training.MOST_ATTEMPTS, in_flight_since=NOON)
        training.advance(shop, now=NOON)
        assert TrainingRun.objects.latest("pk").code == "gave_up"


def test_what_a_gate_refuses_is_registered_as_shelved_and_not_served(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=400)
    first = train(shop)
    wanted = Policy(gates=(Gate("cart.ndcg@10", Comparator.ABOVE, 0.99),))
    with scope(shop):
        policies.choose(shop, UseCase.RECOMMENDATIONS, wanted, actor="staff:1", reason="strict", now=NOON)
        assert policies.policy(shop, UseCase.RECOMMENDATIONS) == wanted
        assert AuditEntry.objects.filter(action="training.policy_changed").count() == 1
    second = train(shop)
    assert (second.state, second.code) == (RunState.DONE, "shelved")
    assert "cart.ndcg@10" in second.message
    with scope(shop):
        assert Version.objects.latest("number").lifecycle == Lifecycle.SHELVED
        assert "cart.ndcg@10" in Transition.objects.latest("pk").reason
        assert {each.version.pk for each in deployments.slots(shop).values()} == {first.version_id}


def test_a_person_who_asks_for_two_percent_gets_a_shelved_twin(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=400)
    train(shop)
    with scope(shop):
        training.request(shop, reason="ci", actor="system:shell", now=NOON, promotion=Promotion.IMPROVES)
        run = finish(shop)
    assert (run.state, run.code) == (RunState.DONE, "shelved")
    assert "at least 2.0% better" in run.message


def test_a_step_that_runs_three_times_has_one_effect(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=60)
    training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        for step in ("register", "deploy", "deploy"):
            until(shop, "deploy")
            TrainingRun.objects.update(state=step)
        finish(shop)
        assert Version.objects.count() == 1
        assert AuditEntry.objects.filter(action="slot.deployed").count() == 3
        for _ in range(3):
            assert training.advance(shop, now=NOON) is False


def test_what_does_not_count_is_not_learnt_from(shop: Shop) -> None:
    at = NOON - timedelta(days=1)
    told = [
        order(1, [line(11, 7)], ordered_at=at, visitor="visitor-counts"),
        order(2, [line(21, 7)], ordered_at=at, visitor="visitor-of-staff"),
        order(3, [line(31, 7)], ordered_at=at, cancelled_at=NOON),
        order(4, [line(41, 7)], ordered_at=at, test=True),
        order(5, [line(51, 7)], ordered_at=at - timedelta(days=9), visitor="visitor-of-staff"),
    ]
    store.append(shop, told, source=Source.BACKFILL, now=NOON)
    with scope(shop), looking():
        ExcludedVisitor.objects.create(
            shop=shop, visitor="visitor-of-staff", reason="staff", since=at - timedelta(days=1)
        )
        frame = store.order_frame(shop, until=NOON)
    assert sorted(frame["order_id"].to_list()) == [1, 5], "the fifth was bought before the mark"


@pytest.mark.parametrize(
    ("orders", "level"),
    [(0, Level.NONE), (1, Level.STARTING), (20, Level.LEARNING), (500, Level.PERSONAL)],
)
def test_the_level_says_what_the_history_can_teach(orders: int, level: Level) -> None:
    rows = [
        (n, n % 100, NOON + timedelta(days=n / 4), product, 1, 9.5)
        for n in range(orders)
        for product in {n % 17, n % 23 + 20, n % 7 + 50}
    ]
    found = sufficiency(facts(pl.DataFrame(rows, schema=ORDER_FRAME_SCHEMA, orient="row")))
    assert (found.level, found.facts.orders) == (level, orders)
    assert bool(found.unlocks) is (level is not Level.PERSONAL)


def test_the_number_of_threads_changes_no_byte() -> None:
    found = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        command = [sys.executable, "-m", "tests.mlops.trained_bytes"]
        told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        found.add(told.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64
