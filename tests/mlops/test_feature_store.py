"""The store around the views: policies, versions and pins, statistics, clocks, and forgetting."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from mlops.feature_store import (
    affinity,
    catalogue,
    changes,
    erase,
    freshness,
    loading,
    offers,
    online,
    packed,
    refresh,
    registered,
    rfm,
    statistics,
    tasks,
    versions,
)
from mlops.feature_store.basis import Basis
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import Entity
from mlops.feature_store.models import ViewVersion
from mlops.features import erase as room
from mlops.features import news, store
from mlops.features.events import Event, Source
from mlops.features.models import EventRecord
from tenancy import measures
from tenancy.errors import NotFound, Refused
from tenancy.models import AuditEntry, Incident, Shop
from tenancy.reading import UnattributedRead
from tenancy.redis import client, key
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order, product
from tests.mlops.living_shop import FIRST_CUSTOMER
from tests.mlops.shops import stock

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=1)


def service_of(shop: Shop, entity: Entity) -> Service:
    return catalogue.services(catalogue.views(shop))[entity]


def counted(shop: Shop, feature: str) -> float:
    name = f'shelfwise_degraded_features_total{{feature="{feature}",shop="{shop.pk}"}} '
    for each in measures.exposition().decode().splitlines():
        if each.startswith(name):
            return float(each.removeprefix(name))
    return 0.0


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    stock(shop, products=5)
    store.append(
        shop,
        [order(1, [line(1, 1), line(2, 2)], customer_id=FIRST_CUSTOMER)],
        source=Source.BACKFILL,
        now=NOON,
    )
    refresh.refresh(shop, now=LATER)
    return shop


def test_what_is_missing_is_stood_in_for_and_said(stocked: Shop) -> None:
    service = service_of(stocked, Entity.PRODUCT)
    whole = online.read(stocked.pk, service, [1, 2], now=LATER)
    assert whole.degraded_features == ()
    assert whole.usable.all()
    client().delete(*online.keys(stocked.pk, service, [2]))
    medians = np.arange(len(service.features), dtype=np.float64)
    basis = Basis(medians=dict(zip(service.columns, medians.tolist(), strict=True)))
    found = online.read(stocked.pk, service, [1, 2], now=LATER, basis=basis)
    assert found.found.tolist() == [True, False]
    np.testing.assert_array_equal(found.values[1], medians)
    np.testing.assert_array_equal(found.values[0], whole.values[0])
    assert set(found.degraded_features) == set(service.columns)
    assert found.usable.tolist() == [True, False], "whether it is in stock is not guessed"
    assert counted(stocked, "product_offer.price") == 1.0


def test_what_is_late_follows_its_policy(stocked: Shop) -> None:
    service = service_of(stocked, Entity.PRODUCT)
    price, ratio = (service.columns.index(f"product_offer.{name}") for name in ("price", "price_ratio_28d"))
    basis = Basis(medians=dict.fromkeys(service.columns, 7.0))
    late = online.read(stocked.pk, service, [1], now=LATER + timedelta(hours=5), basis=basis)
    assert late.values[0, price] == 12.5, "an old price is better than a median"
    assert late.values[0, ratio] == 7.0
    assert late.usable.tolist() == [False]
    in_time = online.read(stocked.pk, service, [1], now=LATER + timedelta(hours=4), basis=basis)
    assert in_time.degraded_features == ()


def test_a_view_that_the_model_learnt_otherwise_is_missing_and_said(stocked: Shop) -> None:
    """A new release computes a view anew while yesterday's model still serves: its medians stand in, never its successor."""
    service = service_of(stocked, Entity.PRODUCT)
    carts = service.views[1]
    learnt = Basis(
        versions={**service.digests, "product_offer": "0" * 16}, medians=dict.fromkeys(service.columns, 7.0)
    )
    found = online.read(stocked.pk, service, [1], now=LATER, basis=learnt)
    offer = len(service.views[0].features)
    assert found.values[0, :offer].tolist() == [7.0] * offer
    assert not found.usable.any(), "nobody knows whether it is in stock"
    assert set(found.degraded_features) == {
        each for each in service.columns if each.startswith("product_offer.")
    }
    same = online.read(
        stocked.pk, service, [1], now=LATER, basis=Basis({carts.name: service.digests[carts.name]})
    )
    assert same.degraded_features == ()


def test_vectors_of_other_code_are_not_read(stocked: Shop) -> None:
    service = service_of(stocked, Entity.PRODUCT)
    changed = Service(service.entity, tuple(replace(each, parameters={"x": 1}) for each in service.views))
    assert changed.fingerprint != service.fingerprint
    assert not online.read(stocked.pk, changed, [1], now=LATER).found.any()
    (there,) = online.stored(stocked.pk, service, [1])
    client().set(online.keys(stocked.pk, changed, [1])[0], there or b"")
    assert not online.read(stocked.pk, changed, [1], now=LATER).found.any(), (
        "the mark inside is looked at too"
    )
    for broken in (b"", b"x", (there or b"")[:-1], b"\x00" * 200):
        client().set(online.keys(stocked.pk, service, [1])[0], broken)
        assert not online.read(stocked.pk, service, [1], now=LATER).found.any()
    assert online.read(stocked.pk, service, [], now=LATER).values.shape == (0, len(service.features))


def test_packing_keeps_every_bit() -> None:
    service = catalogue.services(catalogue.EVERYWHERE)[Entity.PRODUCT]
    values = np.random.default_rng(1).normal(size=(50, len(service.features))) * 1e12
    values[::7] = np.nan
    moments = np.arange(100, dtype=np.int64).reshape(50, 2) + 1
    there, when, again = packed.unpack(service, packed.pack(service, moments, values))
    assert there.all()
    np.testing.assert_array_equal(when, moments)
    np.testing.assert_array_equal(again, values)


def test_neighbours_are_stored_best_first(stocked: Shop) -> None:
    near, none = online.neighbours(stocked.pk, affinity.COPURCHASE, [1, 3])
    assert near["product_id"].tolist() == [2]
    assert near["together"].tolist() == [1.0]
    assert len(none) == 0


def test_nobody_reads_customers_without_saying_why(stocked: Shop) -> None:
    asked = pl.DataFrame({"customer_id": [FIRST_CUSTOMER], "at": [LATER]})
    with pytest.raises(UnattributedRead):
        loading.frame(stocked, (rfm.CUSTOMER,), asked)
    with looking():
        found = loading.frame(stocked, (rfm.CUSTOMER,), asked)
        assert found["customer_rfm.orders_365d"].to_list() == [1.0]
        with pytest.raises(ValueError, match="which is after"):
            loading.frame(stocked, (rfm.CUSTOMER,), asked, known_by=NOON)


def test_a_version_is_its_code_and_parameters() -> None:
    base = versions.digest(offers.PRODUCT)
    assert versions.digest(offers.PRODUCT) == base
    assert versions.digest(replace(offers.PRODUCT, told="in other words", owner="somebody")) == base
    assert versions.digest(replace(offers.PRODUCT, parameters={"days": 29})) != base
    assert versions.digest(replace(offers.PRODUCT, features=offers.PRODUCT.features[1:])) != base
    assert versions.digest(replace(offers.PRODUCT, module=rfm.__name__)) != base
    assert len({versions.digest(each) for each in catalogue.EVERYWHERE}) == len(catalogue.EVERYWHERE)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ('"""Doc."""\n\n\ndef f(a: int) -> int:\n    """Says."""\n    # why\n    return a + 1\n', True),
        ("def f(\n    a: int,\n) -> int:\n    return a + 1\n", True),
        ("def f(a: int) -> int:\n    return a + 2\n", False),
        ("def f(a: int) -> int:\n    if a:\n        a = 1\n    return a + 1\n", False),
    ],
)
def test_words_and_layout_are_no_code(other: str, same: bool) -> None:
    assert (versions._bare("def f(a: int) -> int:\n    return a + 1\n") == versions._bare(other)) is same
    nested = "def f(a):\n    if a:\n        g()\n    h()\n"
    assert versions._bare(nested) != versions._bare(nested.replace("    h()", "        h()"))


def test_a_version_that_models_stand_on_stays(stocked: Shop) -> None:
    old = replace(offers.PRODUCT, parameters={"days": 7})
    registered.ensure(stocked, [old], now=NOON)
    digest = versions.digest(old)
    for number in (1, 2):
        registered.pin(stocked, {old.name: digest}, model=f"recommendations version {number}", now=NOON)
    for end in (registered.deprecate, registered.delete):
        with pytest.raises(
            registered.StillPinned, match="recommendations version 1, recommendations version 2 stand on it"
        ):
            end(stocked, old.name, digest, actor="system:test", reason="", now=NOON)
    assert registered.unpin(stocked, model="recommendations version 1") == 1
    with pytest.raises(registered.StillPinned, match="recommendations version 2 stands on it"):
        registered.delete(stocked, old.name, digest, actor="system:test", reason="", now=NOON)
    registered.unpin(stocked, model="recommendations version 2")
    registered.deprecate(stocked, old.name, digest, actor="system:test", reason="too short", now=NOON)
    with pytest.raises(Refused, match="is deprecated"):
        registered.pin(stocked, {old.name: digest}, model="recommendations version 3", now=NOON)
    registered.delete(stocked, old.name, digest, actor="system:test", reason="too short", now=NOON)
    with pytest.raises(NotFound):
        registered.pin(stocked, {old.name: digest}, model="recommendations version 3", now=NOON)
    with scope(stocked):
        done = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"features.deprecated", "features.deleted"} <= done
    with pytest.raises(Refused, match="what the running code computes"):
        registered.delete(
            stocked,
            offers.PRODUCT.name,
            versions.digest(offers.PRODUCT),
            actor="system:test",
            reason="",
            now=NOON,
        )


def test_a_days_statistics_are_kept_in_the_bins_of_the_first(shop: Shop) -> None:
    """Ninety days later the histogram of a day is what was counted then, in the bins of the first frame."""
    view = offers.PRODUCT
    with scope(shop):
        version = registered.ensure(shop, [view], now=NOON)[view.name]
        draw = np.random.default_rng(4)
        frames = {}
        for day in range(3):
            values = draw.normal(loc=day, size=(200, len(view.features)))
            values[: day * 10] = np.nan
            frames[day] = pl.DataFrame(values, schema=list(view.names)).fill_nan(None)
            assert statistics.keep(shop, view, version, frames[day], now=NOON + timedelta(days=day))
        assert not statistics.keep(shop, view, version, frames[0], now=NOON), "a day is counted once"
    edges = np.quantile(frames[0]["price"].to_numpy(), np.arange(1, 10) / 10, method="inverted_cdf")
    (kept,) = [
        each
        for each in statistics.of(shop, view.name, (NOON + timedelta(days=2)).date())
        if each.feature == "price"
    ]
    known = frames[2]["price"].drop_nulls().to_numpy()
    by_hand = [
        int(((known > low) & (known <= high)).sum())
        for low, high in zip([-np.inf, *edges], [*edges, np.inf], strict=True)
    ]
    assert kept.counts == by_hand
    assert (kept.rows, kept.nulls, kept.distinct) == (200, 20, 180)
    first = next(each for each in statistics.of(shop, view.name, NOON.date()) if each.feature == "price")
    assert first.counts == [20] * 10, "deciles of the frame that fixed them"
    assert kept.edges == first.edges


def test_a_constant_and_an_empty_feature_have_statistics_too(shop: Shop) -> None:
    view = rfm.CUSTOMER
    values = pl.DataFrame({name: [1.0] * 4 for name in view.names}).with_columns(
        gap_mean_days=pl.lit(None, pl.Float64)
    )
    with scope(shop):
        version = registered.ensure(shop, [view], now=NOON)[view.name]
        statistics.keep(shop, view, version, values, now=NOON)
    kept = {each.feature: each for each in statistics.of(shop, view.name, NOON.date())}
    assert kept["recency_days"].counts == [4, 0]
    assert (kept["gap_mean_days"].nulls, kept["gap_mean_days"].counts, kept["gap_mean_days"].mean) == (
        4,
        [0],
        None,
    )


def test_six_refreshes_a_day_and_never_late(shop: Shop) -> None:
    stock(shop, products=2)
    done = []
    ages = []
    for minute in range(0, 24 * 60, 10):
        now = NOON + timedelta(minutes=minute)
        if refresh.due(shop, now=now):
            refresh.refresh(shop, now=now)
            done.append(now)
        with scope(shop):
            ages.append(refresh.age(shop, now=now))
        assert not freshness.look(shop, now=now)
    assert len(done) == 6
    assert all(each is not None and each < timedelta(hours=4, minutes=15) for each in ages)


def test_late_features_are_an_incident_until_they_are_computed(shop: Shop) -> None:
    stock(shop, products=2)
    refresh.refresh(shop, now=NOON)
    assert not freshness.look(shop, now=NOON + timedelta(hours=4, minutes=15))
    assert freshness.look(shop, now=NOON + timedelta(hours=5))
    with scope(shop):
        incident = Incident.objects.get(kind=freshness.KIND, closed_at=None)
    assert "5.0 hours old" in incident.told
    refresh.refresh(shop, now=NOON + timedelta(hours=5))
    assert not freshness.look(shop, now=NOON + timedelta(hours=5))
    with scope(shop):
        assert not Incident.objects.filter(kind=freshness.KIND, closed_at=None).exists()
    assert (
        f'shelfwise_feature_age_seconds{{shop="{shop.pk}",view="product_offer"}}'
        in measures.exposition().decode()
    )


def test_what_changed_is_owed_and_computed_within_the_minute(
    stocked: Shop,
) -> None:
    told: list[Event] = [
        order(2, [line(3, 3)], customer_id=FIRST_CUSTOMER + 1, ordered_at=LATER),
        product(4, version_at=LATER),
    ]
    store.append(stocked, told, source=Source.WEBHOOK, now=LATER)
    owed = {(each.entity, each.id) for each in news.oldest()}
    assert {("product", 3), ("customer", FIRST_CUSTOMER + 1)} <= owed
    told_first = news.oldest()
    time.sleep(0.01)
    news.tell(stocked.pk, products=[3])
    news.settled(told_first)
    assert [(each.entity, each.id) for each in news.oldest()] == [("product", 3)], (
        "told again meanwhile: still owed"
    )
    assert changes.pay(before=0.0, now=LATER) == 0, "not before it was gathered"
    assert changes.pay(before=time.time(), now=LATER + timedelta(seconds=5)) == 1
    assert news.oldest() == []
    service = service_of(stocked, Entity.PRODUCT)
    moments = online.look(stocked.pk, service, [3])[1]
    assert packed.moment(int(moments[0, 0])) == LATER + timedelta(seconds=5)
    assert packed.moment(int(moments[0, 1])) == LATER, "what browsers told is not read for an order"


def test_an_import_owes_nothing(shop: Shop) -> None:
    stock(shop, products=5)
    assert news.oldest() == []


def test_an_erased_customer_has_no_vector_and_gets_none(stocked: Shop) -> None:
    service = service_of(stocked, Entity.CUSTOMER)
    assert online.read(stocked.pk, service, [FIRST_CUSTOMER], now=LATER).found.all()
    news.tell(stocked.pk, customers=[FIRST_CUSTOMER])
    room.erase_customer(stocked, FIRST_CUSTOMER, now=LATER)
    assert erase.forget(stocked, customers=[FIRST_CUSTOMER]) == 1
    assert not online.read(stocked.pk, service, [FIRST_CUSTOMER], now=LATER).found.any()
    refresh.update(stocked, customers=[FIRST_CUSTOMER], now=LATER)
    assert not online.read(stocked.pk, service, [FIRST_CUSTOMER], now=LATER).found.any(), (
        "not even when it is owed"
    )
    refresh.refresh(stocked, now=LATER + timedelta(hours=4))
    names = [
        each
        for each in client().scan_iter(match=key("*"), count=1000)
        if str(FIRST_CUSTOMER).encode() in each
    ]
    assert names == []


def test_a_forgotten_shop_leaves_no_key(stocked: Shop) -> None:
    assert erase.forget_shop(stocked.pk) > 5
    assert list(client().scan_iter(match=key("features", stocked.pk, "*"))) == []


def test_one_shop_never_reads_another(stocked: Shop, other_shop: Shop) -> None:
    service = service_of(stocked, Entity.PRODUCT)
    assert not online.read(other_shop.pk, service, [1], now=LATER).found.any()
    with looking():
        asked = pl.DataFrame({"product_id": [1], "at": [LATER]})
        found = loading.frame(other_shop, (offers.PRODUCT,), asked)
    assert found["product_offer.price"].to_list() == [None]


def test_the_commands_tell_and_refuse(stocked: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    registered.pin(
        stocked,
        {offers.PRODUCT.name: versions.digest(offers.PRODUCT)},
        model="recommendations version 9",
        now=NOON,
    )
    call_command("features", "list", stocked.domain)
    call_command("features", "show", stocked.domain, "customer_rfm")
    call_command("features", "statistics", stocked.domain, "product_offer", "--day", LATER.date().isoformat())
    told = capsys.readouterr().out
    assert "recommendations version 9" in told
    assert "gap_mean_days" in told
    assert "price" in told
    with pytest.raises(CommandError, match="recommendations version 9 stands on it") as refused:
        call_command(
            "features", "deprecate", stocked.domain, offers.PRODUCT.name, versions.digest(offers.PRODUCT)
        )
    assert refused.value.returncode == 1
    for wrong in (("list", "nobody.myshopify.com"), ("show", stocked.domain, "nothing")):
        with pytest.raises(CommandError):
            call_command("features", *wrong)


def test_a_day_without_orders_is_no_failure(shop: Shop) -> None:
    done = refresh.refresh(shop, now=NOON)
    assert done.entities["shop"] == 1
    assert done.entities["product"] == 0


def test_reading_is_quick_beside_a_bare_mget(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("bench_features", requests=50, catalogue=500, most_ms=10_000.0)
    told = capsys.readouterr().out
    assert "bare MGET" in told
    assert "ratio" in told
    assert list(client().scan_iter(match=key("features", 0, "*"))) == []


def test_versions_are_kept_by_the_models_of_the_registry(stocked: Shop, now: datetime) -> None:
    from mlops.registry import store as registry
    from mlops.registry.models import Lifecycle
    from tests.admin_api.versions_of import registered as a_version

    digests = {offers.PRODUCT.name: versions.digest(offers.PRODUCT)}
    version = a_version(stocked, 1, now, features=digests)
    with scope(stocked):
        assert registry.features_of(version) == digests
        assert EventRecord.objects.exists()
    with pytest.raises(registered.StillPinned, match="recommendations version 1"):
        registered.deprecate(
            stocked, offers.PRODUCT.name, digests[offers.PRODUCT.name], actor="x", reason="", now=now
        )
    with scope(stocked):
        registry.move(version, Lifecycle.ARCHIVED, actor="system:test", reason="old", now=now)
        assert registry.features_of(version) == {}


def test_the_workers_door_refreshes_what_is_due_and_after_an_import(shop: Shop) -> None:
    tasks.refresh_when_due(shop.pk)
    with scope(shop):
        assert ViewVersion.objects.exclude(refreshed_at=None).count() == len(catalogue.EVERYWHERE)
    stock(shop, products=2)
    tasks.refresh_when_due(shop.pk)
    service = service_of(shop, Entity.PRODUCT)
    assert not online.look(shop.pk, service, [1])[0].any(), "not due for four hours"
    tasks.refresh_now(shop.pk)
    assert online.look(shop.pk, service, [1])[0].all()
    tasks.catch_up()
