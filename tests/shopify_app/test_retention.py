"""What lapses, and when a version that learnt from an erased customer is replaced."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mlops.features import store
from mlops.features.events import Click, Exposure, ServedBy, SlotName, Source
from mlops.features.models import EventRecord, Order, Outcome, Snapshot
from mlops.features.models import Exposure as ShownRow
from mlops.registry.models import Version
from mlops.training import run as training
from mlops.training import unlearn
from mlops.training.models import TrainingRun
from mlops.training.unlearn import Unlearning
from shopify_app.privacy import exports, retention
from shopify_app.privacy.models import DataRequest
from shopify_app.sync import customers
from shopify_app.sync.models import CustomerReference
from shopify_app.webhooks.models import InboxDelivery
from tenancy import pseudonyms
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.mlops.builders import line, order
from tests.mlops.shops import sell, stock, train

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTEFACT_DIR, settings.LOG_DIRS = tmp_path / "artefacts", [tmp_path / "log"]
    (tmp_path / "log").mkdir()


def test_a_visitor_lapses_and_what_was_bought_stays(shop: Shop) -> None:
    for name, at in (("old-visitor", NOW - 181 * DAY), ("new-visitor", NOW - 179 * DAY)):
        shown = Exposure(
            f"exposure-{name}", shop.pk, at, SlotName.HOME, ServedBy.TRENDING, (7,), visitor=name
        )
        store.record_exposures([shown])
        store.record_clicks([Click(shown.exposure_id, shop.pk, at, 7, name)])
        number = 1 if name == "old-visitor" else 2
        bought = order(number, [line(number * 10, 7)], ordered_at=at, visitor=name)
        store.append(shop, [bought], source=Source.WEBHOOK, now=NOW)
    told = retention.enforce(shop, now=NOW)
    # The order's own outcome carries the visitor too.
    assert told["visitors"] >= 4
    with scope(shop), looking():
        assert set(ShownRow.objects.values_list("visitor", flat=True)) == {None, "new-visitor"}
        assert set(Outcome.objects.values_list("visitor", flat=True)) == {None, "new-visitor"}
        assert dict(Order.objects.values_list("order_id", "visitor")) == {1: None, 2: "new-visitor"}
        payloads = EventRecord.objects.filter(kind="order").values_list("payload", flat=True)
        assert sorted(each.get("visitor", "") for each in payloads) == ["", "new-visitor"]
    with unscoped(why="the test looks at every shop"):
        assert AuditEntry.objects.get(action="privacy.retention").data == told
    assert retention.enforce(shop, now=NOW) == {}, "a second run finds nothing, and writes nothing"


def test_a_reference_lapses_with_the_last_order(shop: Shop) -> None:
    names = pseudonyms.of(shop)
    ann, bob = names.of_customer(7_303_303_303_303), names.of_customer(7_404_404_404_404)
    orders = [
        order(1, [line(11, 7)], customer_id=ann, ordered_at=NOW - 800 * DAY),
        order(2, [line(21, 7)], customer_id=bob, ordered_at=NOW - 700 * DAY),
    ]
    store.append(shop, orders, source=Source.BACKFILL, now=NOW)
    sealed = customers.sealed_references(names, shop.pk, (7_303_303_303_303, 7_404_404_404_404))
    customers.remember(shop, sealed, NOW - 800 * DAY)
    assert retention.enforce(shop, now=NOW) == {"references": 1}
    with scope(shop), looking():
        assert CustomerReference.objects.get().customer_id == bob


def test_deliveries_exports_frames_and_logs_lapse(shop: Shop, tmp_path: Path) -> None:
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    with scope(shop):
        for name, state, age in (("a", "done", 8), ("b", "done", 6), ("c", "dead", 31), ("d", "dead", 29)):
            at = NOW - age * DAY
            InboxDelivery.objects.create(
                shop=shop, webhook_id=name, topic="orders/create", triggered_at=at, received_at=at, payload={"id": 1},
                state=state, next_try_at=at, done_at=at if state == "done" else None,
            )  # fmt: skip
    exports.data_request(shop, {"customer": {"id": 901}, "data_request": {"id": 5}}, now=NOW - 61 * DAY)
    exports.data_request(shop, {"customer": {"id": 902}, "data_request": {"id": 6}}, now=NOW - 59 * DAY)
    for path in tmp_path.rglob("snapshot/*.sealed"):
        os.utime(path, ((NOW - 100 * DAY).timestamp(),) * 2)
    with scope(shop):
        Snapshot.objects.update(taken_at=NOW - 100 * DAY)
    told = retention.enforce(shop, now=NOW)
    assert told == {"inbox": 1, "dead_letters": 1, "exports": 1, "snapshots": 1}
    with scope(shop):
        left = dict(InboxDelivery.objects.values_list("webhook_id", "payload"))
        assert left == {"b": {"id": 1}, "c": {}, "d": {"id": 1}}
        assert DataRequest.objects.get(request_id=5).deleted_at == NOW
        assert Snapshot.objects.count() == 1, "the row and its lineage stay"
    assert not list(tmp_path.rglob("5.sealed"))
    assert list(tmp_path.rglob("6.sealed"))
    old, new = tmp_path / "log" / "old.log", tmp_path / "log" / "new.log"
    for path, age in ((old, 31), (new, 29)):
        path.write_text("x")
        os.utime(path, ((NOW - age * DAY).timestamp(),) * 2)
    assert retention.logs(now=NOW) == 1
    assert not old.exists()
    assert new.exists()


def test_what_learnt_from_the_erased_is_replaced_in_time_and_then_settled(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=120)
    train(shop)
    assert unlearn.look(shop, now=NOW) is Unlearning.NOTHING
    with scope(shop):
        Version.objects.update(redacted_at=NOW)
    assert unlearn.look(shop, now=NOW + 6 * DAY) is Unlearning.WAITING
    assert unlearn.look(shop, now=NOW + 7 * DAY) is Unlearning.ASKED
    assert unlearn.look(shop, now=NOW + 7 * DAY) is Unlearning.ASKED, "one run, however often it is looked"
    with scope(shop):
        run = TrainingRun.objects.latest("pk")
        assert (run.actor, TrainingRun.objects.count()) == ("system:privacy", 2)
        while training.advance(shop, now=timezone.now()):
            pass
    assert unlearn.look(shop, now=NOW + 8 * DAY) is Unlearning.NOTHING
    with scope(shop):
        first, second = Version.objects.order_by("pk")
        assert (first.unlearned_at, second.redacted_at) == (NOW + 8 * DAY, None)
    with unscoped(why="the test looks at every shop"):
        assert AuditEntry.objects.filter(action="privacy.unlearned").count() == 1


def test_rolling_back_to_such_a_version_brings_the_flag_back(shop: Shop) -> None:
    from mlops.deployments import store as deployments

    stock(shop)
    sell(shop, orders=120)
    first, second = train(shop), train(shop)
    with scope(shop):
        assert first.version is not None
        assert second.version is not None
        Version.objects.filter(pk=first.version.pk).update(redacted_at=NOW)
        assert unlearn.look(shop, now=NOW + DAY) is Unlearning.NOTHING
        assert Version.objects.get(pk=first.version.pk).unlearned_at is not None
        deployments.deploy(shop, SlotName.HOME, first.version, actor="staff:1", reason="back", now=NOW + DAY)
        assert unlearn.look(shop, now=NOW + 2 * DAY) is Unlearning.WAITING
        assert Version.objects.get(pk=first.version.pk).unlearned_at is None
