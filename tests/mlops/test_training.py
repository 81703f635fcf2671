"""A run from request to deployed version: resumable, repeatable, honest about small shops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from mlops.deployments import store as deployments
from mlops.features import sealed, snapshots
from mlops.features.events import STOREFRONT_SLOTS
from mlops.features.sealed import FileUnusable
from mlops.predictors.protocols import Query
from mlops.registry import loader
from mlops.registry.models import Lifecycle, UseCase, Version
from mlops.training import run as training
from mlops.training.models import RunState, TrainingRun
from mlops.training.pipeline import Pipeline, Step
from mlops.training.progress import Progress, progress
from tenancy.errors import Bug
from tenancy.locks import LockKind, lock
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON
from tests.mlops.shops import sell, stock, train

MINUTE = timedelta(minutes=1)


def test_a_run_ends_in_a_version_that_serves_every_slot(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=400)
    run = train(shop, reason="history imported")
    assert (run.state, run.code) == (RunState.DONE, "")
    with scope(shop):
        version = Version.objects.get()
        assert {name: state.version.pk for name, state in deployments.slots(shop).items()} == dict.fromkeys(
            STOREFRONT_SLOTS, version.pk
        )
        snapshot = run.snapshot
        assert snapshot is not None
    assert (version.number, version.lifecycle, version.run_id) == (1, Lifecycle.PRODUCTION, run.pk)
    assert (snapshot.orders, snapshot.lines, snapshot.digest) == (400, 1600, version.snapshot_digest)
    measured = version.metrics["slots"]
    for slot in ("product_page", "cart"):
        ndcg = measured[slot]["ndcg@10"]
        assert ndcg["low"] <= ndcg["value"] <= ndcg["high"]
        # The planted board makes half of the catalogue impossible: popularity cannot know which half.
        assert ndcg["difference"]["low"] > 0
    assert measured["home"]["queries"] > 0
    with scope(shop):
        assert AuditEntry.objects.filter(shop=shop, action="slot.deployed").count() == 3


def test_two_runs_on_the_same_history_give_the_same_bytes_and_two_numbers(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=300)
    train(shop)
    train(shop)
    with scope(shop):
        first, second = Version.objects.order_by("number")
        assert (first.number, second.number, second.parent_id) == (1, 2, first.pk)
        assert first.artefact_digest == second.artefact_digest
        assert first.metrics["slots"]["cart"]["ndcg@10"] == second.metrics["slots"]["cart"]["ndcg@10"]
        # The second is measured beside the first one's recipe, which is its own.
        assert second.metrics["previous"] == {"number": 1, "why": ""}
        against = second.metrics["slots"]["cart"]["against"]["previous_version"]["ndcg@10"]
        assert against["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert first.lifecycle == Lifecycle.STAGING
        assert deployments.slots(shop)[STOREFRONT_SLOTS[0]].previous_good == first


def test_a_request_while_a_run_is_open_joins_it(shop: Shop) -> None:
    one = training.request(shop, reason="first", actor="system:test", now=NOON)
    two = training.request(shop, reason="second", actor="system:test", now=NOON)
    assert one.pk == two.pk


def test_runs_of_two_use_cases_are_open_side_by_side_and_take_turns(shop: Shop) -> None:
    with scope(shop):
        demand = TrainingRun.objects.create(
            shop=shop, use_case=UseCase.DEMAND, state="later", actor="a", requested_at=NOON, retry_at=NOON + MINUTE
        )  # fmt: skip
        run = training.request(shop, reason="first", actor="system:test", now=NOON)
        assert {each.pk for each in TrainingRun.objects.all()} == {run.pk, demand.pk}
        assert training.open_run(shop) == run
        assert training.open_run(shop, UseCase.DEMAND) == demand
        # The demand run was asked for first, and waits for its next try: the other's step is taken meanwhile.
        training.advance(shop, now=NOON)
        assert TrainingRun.objects.get(pk=run.pk).code == "no_orders"


def test_a_pipeline_needs_steps_of_different_names(shop: Shop) -> None:
    def nothing(shop: Shop, run: TrainingRun, now: datetime) -> None:
        return None

    one = Step("one", "doing one", nothing)
    for steps in ((), (one, one), (Step("done", "ending", nothing),)):
        with pytest.raises(Bug):
            Pipeline(UseCase.DEMAND, steps)
    both = Pipeline(UseCase.DEMAND, (one, Step("two", "doing two", nothing)))
    assert (both.after("one", None), both.after("two", "one"), both.after("one", "one")) == (
        "two",
        "one",
        "one",
    )
    with pytest.raises(Bug):
        both.after("two", None)
    with pytest.raises(Bug):
        both.after("one", "three")


def test_progress_tells_the_step_its_part_and_what_is_left() -> None:
    def nothing(shop: Shop, run: TrainingRun, now: datetime) -> None:
        return None

    def parts(work: Mapping[str, Any]) -> tuple[int, int]:
        return work.get("windows", 0), 4

    steps = Pipeline(
        UseCase.RECOMMENDATIONS,
        (Step("a", "collecting", nothing), Step("b", "learning", nothing, weight=4.0, parts=parts), Step("c", "ending", nothing)),
    )  # fmt: skip
    run = TrainingRun(state="a")
    assert progress(run, steps, None) == Progress(1, 3, "collecting", None), "nothing is known to guess from"
    run = TrainingRun(state="b", work={"windows": 2, "steps": {"a": 2.0, "b": 4.0}})
    # 3 of 6 shares took 6 seconds.
    assert progress(run, steps, None) == Progress(2, 3, "learning (3 of 4)", 6.0)
    earlier = TrainingRun(state="done", work={"steps": {"a": 1.0, "b": 20.0, "c": 4.0}})
    assert progress(TrainingRun(state="a"), steps, earlier) == Progress(1, 3, "collecting", 25.0)
    # It is twice as slow as the earlier one: 11 s of the earlier one took 22 s, 14 are left.
    run = TrainingRun(state="b", work={"windows": 2, "steps": {"a": 2.0, "b": 20.0}})
    assert progress(run, steps, earlier) == Progress(2, 3, "learning (3 of 4)", 28.0)
    assert progress(TrainingRun(state="failed"), steps, None) is None


def test_a_step_that_raises_waits_before_it_is_tried_again(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=20)
    run = training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        training.advance(shop, now=NOON)
        held = TrainingRun.objects.get(pk=run.pk)
        assert held.snapshot is not None
        path = sealed.path_of(shop.pk, held.snapshot.digest, kind="snapshot")
        content = path.read_bytes()
        path.write_bytes(b"damaged")
        with pytest.raises(FileUnusable):
            training.advance(shop, now=NOON)
        failed = TrainingRun.objects.get(pk=run.pk)
        assert (failed.state, failed.attempts, failed.retry_at) == (
            held.state,
            1,
            NOON + training.RETRY_AFTER,
        )
        assert "FileUnusable" in failed.message
        assert training.advance(shop, now=NOON + MINUTE) is False, "it waits"
        path.write_bytes(content)
        while training.advance(shop, now=NOON + training.RETRY_AFTER):
            pass
        ended = TrainingRun.objects.get(pk=run.pk)
        assert (ended.state, ended.message) == (RunState.DONE, "")


@pytest.mark.parametrize(("orders", "level"), [(1, "starting"), (20, "learning")])
def test_a_small_shop_gets_a_version_and_no_invented_measure(shop: Shop, orders: int, level: str) -> None:
    stock(shop)
    sell(shop, orders=orders)
    run = train(shop)
    assert run.state == RunState.DONE
    with scope(shop):
        version = Version.objects.get()
        assert (version.metrics["measured"], version.metrics["orders"]) == (False, orders)
        assert "slots" not in version.metrics
        assert version.metrics["sufficiency"]["level"] == level
        assert version.metrics["sufficiency"]["unlocks"]
        predictor = loader.load(shop.pk, version.artefact_digest).predictor
    found = predictor.recommend(Query(day=NOON.timestamp() / 86_400, context=(1,)), 8)
    assert len(found.ranked) >= 3
    assert 1 not in found.ranked.product_ids


def test_a_shop_without_orders_is_told_so(shop: Shop) -> None:
    run = train(shop)
    assert (run.state, run.code) == (RunState.DONE, "no_orders")
    assert run.work["sufficiency"]["level"] == "none"
    assert run.work["sufficiency"]["unlocks"] == ["a first order"]
    with scope(shop):
        assert not Version.objects.exists()


def test_a_run_that_lost_its_process_goes_on_with_the_step_it_was_in(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=300)
    run = training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        for _ in range(3):
            training.advance(shop, now=NOON)
        before = TrainingRun.objects.get(pk=run.pk)
        # A process died after it had begun the next step: its attempt is counted, its work is not there.
        TrainingRun.objects.filter(pk=run.pk).update(attempts=1, in_flight_since=NOON)
        training.advance(shop, now=NOON + timedelta(minutes=1))
        after = TrainingRun.objects.get(pk=run.pk)
    assert before.state == after.state == "windows"
    assert len(after.work["windows"]) == len(before.work["windows"]) + 1
    assert (after.attempts, after.in_flight_since) == (0, None)
    with scope(shop):
        while training.advance(shop, now=NOON):
            pass
        assert Version.objects.count() == 1


def test_a_repeated_step_registers_no_second_version(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=20)
    run = training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        while TrainingRun.objects.get(pk=run.pk).state != "deploy":
            training.advance(shop, now=NOON)
        TrainingRun.objects.filter(pk=run.pk).update(state="register")
        while training.advance(shop, now=NOON):
            pass
        assert Version.objects.count() == 1


def test_a_step_that_keeps_dying_is_given_up(shop: Shop) -> None:
    training.request(shop, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        TrainingRun.objects.update(attempts=training.MOST_ATTEMPTS)
        assert training.advance(shop, now=NOON) is False
        run = TrainingRun.objects.get()
    assert (run.state, run.code) == (RunState.FAILED, "gave_up")
    assert training.request(shop, reason="again", actor="system:test", now=NOON).pk != run.pk


@pytest.mark.django_db(transaction=True)
def test_two_processes_never_work_on_one_run(transactional_db: None, shop: Shop) -> None:
    training.request(shop, reason="test", actor="system:test", now=NOON)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [int(LockKind.TRAINING), shop.pk])
        with scope(shop):
            assert training.advance(shop, now=NOON) is False
            assert TrainingRun.objects.get().attempts == 0
        cursor.execute("rollback")
    other.close()
    with transaction.atomic():
        lock(shop, LockKind.TRAINING)


def test_a_snapshot_or_artefact_with_a_flipped_byte_is_refused(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=20)
    run = train(shop)
    with scope(shop):
        version = Version.objects.get()
        snapshot = run.snapshot
    assert snapshot is not None
    with looking():
        assert snapshots.read(snapshot).height == snapshot.lines
    for digest, kind in ((snapshot.digest, "snapshot"), (version.artefact_digest, "artefact")):
        path = sealed.path_of(shop.pk, digest, kind=kind)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
    loader.forget(shop.pk)
    with pytest.raises(FileUnusable):
        loader.load(shop.pk, version.artefact_digest)
    with looking(), pytest.raises(FileUnusable):
        snapshots.read(snapshot)


def test_a_sealed_file_does_not_open_for_another_shop(shop: Shop, other_shop: Shop) -> None:
    path = sealed.keep(shop.pk, "d" * 64, b"content", kind="artefact")
    assert b"content" not in path.read_bytes()
    theirs = sealed.path_of(other_shop.pk, "d" * 64, kind="artefact")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(path.read_bytes())
    assert sealed.read(shop.pk, "d" * 64, kind="artefact") == b"content"
    with pytest.raises(FileUnusable):
        sealed.read(other_shop.pk, "d" * 64, kind="artefact")
