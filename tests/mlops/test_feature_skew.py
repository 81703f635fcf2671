"""Online vectors equal offline vectors: over 10,000 random (entity, time) pairs, and as they were stored while a shop lived."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command

from mlops.feature_store import catalogue, loading, online, packed, refresh, skew
from mlops.feature_store.declared import Entity
from mlops.features import attributes, store
from mlops.features.events import AttributeKind, AttributeOwner, Source
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order
from tests.mlops.living_shop import FIRST_CUSTOMER, live

pytestmark = pytest.mark.django_db


def test_ten_thousand_random_pairs(shop: Shop) -> None:
    for evening in live(shop, seed=5):
        if evening == NOON - timedelta(days=1):
            refresh.refresh(shop, now=evening)
    found = skew.check(shop, pairs=10_000, moments=40, seed=3, now=NOON)
    drawn = [each for each in found if each.way != "stored"]
    assert sum(each.pairs for each in drawn) >= 9_900
    assert {each.view for each in drawn} == {each.name for each in catalogue.views(shop)}
    assert all(each.filled > each.pairs / 10 for each in found), found
    assert [each for each in found if each.differing] == []


def test_what_was_stored_is_what_training_sees_later(shop: Shop) -> None:
    """Refreshed on some evenings, brought up to date on the others: whatever was told late since changes nothing."""
    kept: list[tuple[Entity, Any, list[Any], Any, Any]] = []
    for number, evening in enumerate(live(shop, seed=8, days=20)):
        if number % 6 == 0:
            refresh.refresh(shop, now=evening)
        elif number % 2:
            refresh.update(
                shop, products=[1, 5, 20], customers=[FIRST_CUSTOMER + 1, FIRST_CUSTOMER + 3], now=evening
            )
        else:
            continue
        with looking():
            for entity, service in catalogue.services(catalogue.views(shop)).items():
                with scope(shop):
                    ids = skew._known(shop, entity)
                there, moments, values = online.look(shop.pk, service, ids)
                kept.append((entity, service, [each for each, fine in zip(ids, there, strict=True) if fine],
                             moments[there], values[there]))  # fmt: skip
    compared = 0
    with looking():
        for entity, service, ids, moments, values in kept:
            at = 0
            for position, view in enumerate(service.views):
                mine = values[:, at : at + len(view.features)]
                at += len(view.features)
                asked = pl.DataFrame(
                    {entity.columns[0]: ids, "at": [packed.moment(each) for each in moments[:, position].tolist()]},
                    schema={**entity.dtypes, "at": pl.Datetime("us", "UTC")},
                )  # fmt: skip
                asked = asked.filter(pl.lit(pl.Series(moments[:, position] > 0)))
                mine = mine[moments[:, position] > 0]
                found = loading.frame(shop, (view,), asked).select(
                    f"{view.name}.{each}" for each in view.names
                )
                np.testing.assert_allclose(
                    mine, found.fill_null(float("nan")).to_numpy(), rtol=1e-9, atol=1e-9
                )
                compared += mine.size
    assert compared > 5_000


def test_a_check_that_can_fail(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that is not what offline says is found, and the command's exit code tells."""
    for _ in live(shop, seed=2, days=5):
        pass
    refresh.refresh(shop, now=NOON)
    service = catalogue.services(catalogue.views(shop))[Entity.PRODUCT]
    _, moments, values = online.look(shop.pk, service, [3])
    values = values.copy()
    values[0, 0] += 1e-6
    online.write(shop.pk, service, [3], moments, values)
    found = skew.check(shop, pairs=200, moments=4, seed=3, now=NOON)
    assert [(each.view, each.way, each.differing) for each in found if each.differing] == [
        ("product_offer", "stored", 1)
    ]
    with pytest.raises(SystemExit, match="1"):
        call_command("skew_check", shop.domain, pairs=200, moments=4)
    assert "1 differ by more than 1e-09" in capsys.readouterr().out


def test_an_order_moves_its_customer_and_products_and_nobody_else(shop: Shop) -> None:
    for _ in live(shop, seed=4, days=5):
        pass
    refresh.refresh(shop, now=NOON)
    packs = catalogue.services(catalogue.views(shop))
    people = [FIRST_CUSTOMER + 3, FIRST_CUSTOMER + 4]
    before = online.look(shop.pk, packs[Entity.CUSTOMER], people)[2]
    later = NOON + timedelta(minutes=1)
    placed = order(777, [line(1, 5)], ordered_at=later, customer_id=people[0])
    store.append(shop, [placed], source=Source.WEBHOOK, now=later)
    refresh.update(shop, products=[5], customers=[people[0]], now=later)
    after = online.look(shop.pk, packs[Entity.CUSTOMER], people)[2]
    columns = packs[Entity.CUSTOMER].columns
    frequency = columns.index("customer_rfm.orders_365d")
    assert after[0, frequency] == before[0, frequency] + 1
    assert after[0, columns.index("customer_rfm.recency_days")] == 0.0
    np.testing.assert_array_equal(after[1], before[1])
    found = online.read(shop.pk, packs[Entity.PRODUCT], [5, 6], now=later)
    assert found.degraded_features == ()


def test_chosen_metafields_are_features(shop: Shop, now: datetime) -> None:
    attributes.choose(
        shop, owner=AttributeOwner.PRODUCT, namespace="spec", key="oak", name="Oak", type="boolean",
        kind=AttributeKind.BOOLEAN, many=False, now=now,
    )  # fmt: skip
    from mlops.features.events import AttributeTold
    from tests.mlops.builders import product

    (chosen,) = attributes.chosen(shop)
    told = product(1, version_at=NOON, attributes=(AttributeTold(chosen.id, 1, "boolean", "true"),))
    store.append(shop, [told], source=Source.RECONCILIATION, now=NOON)
    refresh.refresh(shop, now=NOON + timedelta(hours=1))
    service = catalogue.services(catalogue.views(shop))[Entity.PRODUCT]
    assert "product_metafields.spec.oak" in service.columns
    found = online.read(shop.pk, service, [1], now=NOON + timedelta(hours=1))
    assert found.values[0, service.columns.index("product_metafields.spec.oak")] == 1.0
