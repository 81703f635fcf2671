"""A demand run of a shop in the database: from its orders to a forecast that is served."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from mlops.demand import promotions
from mlops.deployments import store as deployments
from mlops.feature_store import registered
from mlops.features import store
from mlops.features.events import SlotName, Source
from mlops.predictors.demand.book import DemandBook
from mlops.registry import loader
from mlops.registry import store as registry
from mlops.registry.models import UseCase, Version
from mlops.training import run as training
from mlops.training.demand import collect
from mlops.training.models import RunState, TrainingRun
from tenancy.errors import Refused, UserFixable
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order, product, variant
from tests.mlops.shops import sell, stock, train

DAYS = 120
TODAY = date(2026, 11, 20)


def trade(
    shop: Shop, *, products: int = 8, days: int = DAYS, level: float = 3.0, sold_out: int = 0
) -> np.ndarray:
    """Orders of every day up to yesterday; the units sold by product and day. The last `sold_out` days product 1 is gone."""
    store.append(
        shop,
        [product(each, product_type="lamp" if each % 2 else "shade") for each in range(1, products + 1)],
        source=Source.BACKFILL,
        now=NOON,
    )
    units = np.random.default_rng(5).poisson(level, (products, days))
    if sold_out:
        units[0, -sold_out:] = 0
    events = []
    for day in range(days):
        at = NOON - timedelta(days=days - day)
        lines = [line(day * 100 + k, k + 1, int(units[k, day])) for k in range(products) if units[k, day]]
        if lines:
            events.append(order(day + 1, lines, ordered_at=at))
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    return units


def forecast(shop: Shop) -> TrainingRun:
    """A demand run from request to end, in this process."""
    run = training.request(shop, use_case=UseCase.DEMAND, reason="test", actor="system:test", now=NOON)
    with scope(shop):
        while training.advance(shop, now=NOON):
            pass
        return TrainingRun.objects.get(pk=run.pk)


def book_of(shop: Shop) -> DemandBook:
    with scope(shop):
        version = deployments.slots(shop)[SlotName.FORECAST].version
        return loader.load(shop.pk, version.artefact_digest).book


def test_a_run_ends_in_a_forecast_that_is_served(shop: Shop) -> None:
    units = trade(shop)
    run = forecast(shop)
    assert (run.state, run.code) == (RunState.DONE, "")
    book = book_of(shop)
    assert book.first_day == TODAY
    assert book.variant_ids.tolist() == [each * 10 for each in range(1, 9)]
    assert book.history[:, -DAYS:] == pytest.approx(units)
    assert book.base.mean() == pytest.approx(units.mean(), rel=0.15)
    with scope(shop):
        version = Version.objects.get(use_case=UseCase.DEMAND)
        assert version.metrics["knowledge"] == "measured"
        assert version.snapshot_id is None
        assert registry.features_of(version) == collect.features()
        with pytest.raises(UserFixable, match="cannot serve"):
            deployments.deploy(shop, SlotName.HOME, version, actor="staff:1", reason="", now=NOON)
    with scope(shop), pytest.raises(registered.StillPinned):
        registered.deprecate(
            shop, "shop_season", collect.features()["shop_season"], actor="staff:1", reason="", now=NOON
        )


def test_the_same_history_gives_the_same_bytes(shop: Shop) -> None:
    trade(shop)
    forecast(shop)
    forecast(shop)
    with scope(shop):
        one, two = Version.objects.filter(use_case=UseCase.DEMAND).order_by("number")
    assert one.artefact_digest == two.artefact_digest
    assert one.snapshot_digest == two.snapshot_digest


def test_both_use_cases_train_side_by_side_and_serve_their_own_slots(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=60)
    training.request(shop, use_case=UseCase.DEMAND, reason="test", actor="system:test", now=NOON)
    train(shop)
    with scope(shop):
        serving = {name: each.version.use_case for name, each in deployments.slots(shop).items()}
        recommender = Version.objects.get(use_case=UseCase.RECOMMENDATIONS)
        with pytest.raises(UserFixable, match="cannot serve"):
            deployments.deploy(shop, SlotName.FORECAST, recommender, actor="staff:1", reason="", now=NOON)
    assert serving[SlotName.FORECAST] == UseCase.DEMAND
    assert serving[SlotName.HOME] == UseCase.RECOMMENDATIONS


def test_a_shop_without_orders_or_products_is_told_so(shop: Shop, other_shop: Shop) -> None:
    run = forecast(shop)
    assert (run.state, run.code) == (RunState.DONE, "no_products")
    store.append(other_shop, [product(1)], source=Source.BACKFILL, now=NOON)
    run = forecast(other_shop)
    assert (run.state, run.code) == (RunState.DONE, "no_orders")
    assert "nothing was sold" in run.message


def test_days_are_the_shops_and_what_was_returned_is_no_demand(shop: Shop) -> None:
    with scope(shop):
        Shop.objects.filter(pk=shop.pk).update(timezone="America/New_York")
    shop.refresh_from_db()
    store.append(shop, [product(1), product(2)], source=Source.BACKFILL, now=NOON)
    # 03:00 UTC is the evening before in New York.
    late = NOON.replace(hour=3) - timedelta(days=2)
    lines = [line(1, 1, 5, current_quantity=2), line(2, 2, 4, current_quantity=4)]
    events = [order(1, lines, ordered_at=late), order(2, [line(3, 1, 9)], ordered_at=NOON, test=True)]
    store.append(
        shop, [*events, order(3, [line(4, 1, 7)], ordered_at=NOON)], source=Source.BACKFILL, now=NOON
    )
    with scope(shop), looking():
        frozen = collect.read(shop, until=NOON)
    assert frozen.first == date(2026, 11, 17)
    assert frozen.days == 3
    assert frozen.sales.sort("variant_id").select("day", "variant_id", "units").rows() == [
        (0, 10, 2.0),
        (0, 20, 4.0),
    ]


def test_days_without_stock_are_known_from_the_log_and_not_learnt_from(shop: Shop) -> None:
    units = trade(shop, sold_out=30)
    gone = product(1, version_at=NOON - timedelta(days=30, hours=12), variants=(variant(1, available=0),))
    store.append(shop, [gone], source=Source.WEBHOOK, now=NOON)
    forecast(shop)
    book = book_of(shop)
    assert (book.out[0, -29:] == 1).all()
    assert book.out[0, -30] > 0.95  # the clocks were turned back in between
    assert book.out[1:].max() == 0
    assert book.base[0].mean() == pytest.approx(units[0, :-30].mean(), rel=0.2)
    assert book.lost[0, 0] == pytest.approx(28 * units[0, :-30].mean(), rel=0.2)
    assert book.lost[1:].max() == 0


def test_planned_promotions_are_learnt_and_forecast(shop: Shop) -> None:
    store.append(shop, [product(each) for each in range(1, 6)], source=Source.BACKFILL, now=NOON)
    rng = np.random.default_rng(1)
    campaigns = {day for start in (20, 50, 80) for day in range(start, start + 7)}
    events = []
    for day in range(DAYS):
        level = 4.0 * (2.5 if day in campaigns else 1.0)
        lines = [line(day * 10 + k, k, int(rng.poisson(level))) for k in range(1, 6)]
        at = NOON - timedelta(days=DAYS - day)
        events.append(order(day + 1, [each for each in lines if each.quantity], ordered_at=at))
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    first = TODAY - timedelta(days=DAYS)
    for start in (20, 50, 80, DAYS + 7):
        promotions.plan(
            shop, name="Sale", starts_on=first + timedelta(days=start), ends_on=first + timedelta(days=start + 6),
            percent=25, product_ids=None if start > 20 else [1, 2, 3, 4, 5], actor="staff:1", today=TODAY, now=NOON,
        )  # fmt: skip
    forecast(shop)
    book = book_of(shop)
    assert book.deal[:, 7:14] == pytest.approx(np.full((5, 7), 0.25))
    assert book.deal[:, :7].max() == 0
    lift = book.lift(book.deal)[:, 7:14].mean()
    assert lift == pytest.approx(2.5, rel=0.2)
    assert book.base.mean() == pytest.approx(4.0, rel=0.15)
    assert book.about["lift"]["days"] == 21


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_on": TODAY - timedelta(days=1)}, "ends_on"),
        ({"ends_on": TODAY + timedelta(days=100)}, "ends_on"),
        ({"starts_on": TODAY + timedelta(days=400), "ends_on": TODAY + timedelta(days=401)}, "starts_on"),
        ({"percent": 0}, "percent"),
        ({"percent": 91}, "percent"),
        ({"product_ids": []}, "product_ids"),
        ({"product_ids": [999]}, "product_ids"),
    ],
)
def test_promotions_that_cannot_be_are_refused(shop: Shop, changes: dict[str, object], field: str) -> None:
    store.append(shop, [product(1)], source=Source.BACKFILL, now=NOON)
    given = {"name": "Sale", "starts_on": TODAY, "ends_on": TODAY, "percent": 20, "product_ids": [1]}
    with pytest.raises(Refused) as told:
        promotions.plan(shop, **{**given, **changes}, actor="staff:1", today=TODAY, now=NOON)  # type: ignore[arg-type]
    assert told.value.field == field
    assert promotions.between(shop, TODAY, TODAY + timedelta(days=500)) == []


def test_a_price_that_is_struck_out_is_a_discount(shop: Shop) -> None:
    trade(shop)
    reduced = variant(2, price=Decimal("10.00"), compare_at_price=Decimal("12.50"))
    changed = product(2, version_at=NOON - timedelta(days=20, hours=12), variants=(reduced,))
    store.append(shop, [changed], source=Source.WEBHOOK, now=NOON)
    forecast(shop)
    book = book_of(shop)
    assert book.past_deal[1, -20:] == pytest.approx(np.full(20, 0.2))
    assert book.past_deal[1, :-21].max() == 0
    assert book.deal[1] == pytest.approx(np.full(28, 0.2))
    assert book.past_deal[0].max() == 0


def test_the_terminal_asks_for_a_forecast_and_tells_what_came_of_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as nothing:
        call_command("forecast", shop.domain)
    assert nothing.value.code == 3
    assert "no products" in capsys.readouterr().out
    trade(shop)
    call_command("forecast", shop.domain)
    told = capsys.readouterr().out
    assert "1 of 3: collecting sales, stock and prices" in told
    assert "version 1: 8 variants" in told
    with pytest.raises(CommandError, match="has not installed"):
        call_command("forecast", "nobody.myshopify.com")
