"""A database of an earlier build, with customer numbers everywhere, and the migration that takes them out."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from mlops.features import snapshots, store
from mlops.features.events import CustomerChanged, CustomerMerged, Event, Source
from mlops.features.models import Customer, Order
from mlops.features.models import Snapshot as SnapshotRow
from shopify_app.sync import customers
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.mlops.builders import line, order
from tests.shopify_app.test_pseudonyms import dump
from tests.shopify_app.test_webhooks import deliver, order_payload, rows

ANN, BOB = 7_303_303_303_303, 7_404_404_404_404
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def migrate() -> None:
    migration = importlib.import_module("shopify_app.sync.migrations.0005_pseudonyms")
    with unscoped(why="as `migrate` runs it"), looking(), connection.schema_editor(atomic=False) as editor:
        migration.forwards(apps, editor)


@pytest.fixture
def old(shop: Shop, settings: object) -> Shop:
    settings.SHOPIFY_SECRETS = ("hush",)  # type: ignore[attr-defined]
    events: list[Event] = [
        CustomerChanged(ANN, NOW, NOW), CustomerChanged(BOB, NOW, NOW), CustomerMerged(ANN, BOB, NOW),
        order(1, [line(11, 7)], customer_id=ANN), order(2, [line(21, 8)], customer_id=BOB), order(3, [line(31, 9)]),
    ]  # fmt: skip
    store.append(shop, events, source=Source.BACKFILL, now=NOW)
    with scope(shop):
        snapshots.take(shop, until=NOW, now=NOW)
        snapshots.take(shop, until=NOW + timedelta(days=1), now=NOW)
    deliver(order_payload(), webhook_id="w-1")
    with scope(shop), connection.cursor() as cursor:
        waiting = json.dumps({**order_payload(), "customer": {"id": BOB}})
        cursor.execute("update webhooks_inboxdelivery set payload = %s::jsonb", [waiting])
        cursor.execute("update tenancy_shop set pseudonym_key_sealed = null")
    pseudonyms.forget(shop)
    return Shop.objects.get(pk=shop.pk)


def files(shop: Shop) -> list[Path]:
    return sorted((Path(settings.ARTEFACT_DIR) / str(shop.pk)).rglob("*.sealed"))


def test_no_number_is_left_and_all_that_belonged_together_still_does(old: Shop) -> None:
    assert str(ANN) in dump()
    before = files(old)
    migrate()
    found = dump()
    assert str(ANN) not in found
    assert str(BOB) not in found
    shop = Shop.objects.get(pk=old.pk)
    names = pseudonyms.of(shop)
    ann, bob = names.of_customer(ANN), names.of_customer(BOB)
    with looking():
        assert customers.numbers_of(shop, [ann, bob]) == {ann: ANN}
    with scope(shop), looking():
        assert dict(Order.objects.values_list("order_id", "customer_id")) == {1: ann, 2: ann, 3: None}
        assert Customer.objects.get(customer_id=bob).merged_into == ann
        empty, taken = SnapshotRow.objects.order_by("pk")
        with looking():
            frame = snapshots.read(taken)
        with looking():
            assert snapshots.read(empty).is_empty()
    assert sorted(frame["customer_id"].drop_nulls().to_list()) == sorted([ann, ann])
    assert rows()[0].payload["customer"]["id"] == bob
    assert len(files(old)) == len(before)
    kept = {each.parent.name for each in set(files(old)) & set(before)}
    assert kept == {"catalogue", "snapshot"}, "those in which nobody is stay"
    assert len(set(files(old)) & set(before)) == 2


def test_it_is_safe_to_repeat_and_the_same_events_are_repeats_afterwards(old: Shop) -> None:
    migrate()
    once = dump()
    migrate()
    assert dump() == once
    shop = Shop.objects.get(pk=old.pk)
    ann = pseudonyms.of(shop).of_customer(ANN)
    store.append(shop, [order(1, [line(11, 7)], customer_id=ann)], source=Source.WEBHOOK, now=NOW)
    assert store.counts(shop).orders == 3
