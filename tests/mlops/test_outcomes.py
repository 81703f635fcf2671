"""From exposures, clicks and orders to outcomes in the tables, in whatever order they arrive."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from mlops.features import store
from mlops.features.events import OrderDeleted, ServedBy, Source
from mlops.features.models import Outcome
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import EXPOSURE, NOON, VISITOR, click, exposure, line, order, refund

DAY = timedelta(days=1)


def take(shop: Shop, *events: object) -> None:
    store.append(shop, events, source=Source.WEBHOOK, now=NOON)  # type: ignore[arg-type]


def outcomes(shop: Shop) -> list[tuple[str, int, Decimal]]:
    with scope(shop), looking():
        found = Outcome.objects.exclude(kind="click").order_by("key")
        return [(each.kind, each.quantity, each.amount) for each in found]


BOUGHT = order(1, [line(11, 7, 2, exposure=EXPOSURE), line(12, 8)])
REFUNDED = refund(5, 1, [(11, 1, "12.50")])


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(3))))
def test_the_outcome_is_the_same_in_any_order_of_arrival(shop: Shop, arrival: tuple[int, ...]) -> None:
    steps: list[Callable[[], object]] = [
        lambda: store.record_exposures([exposure(shop.pk, [7, 9])]),
        lambda: take(shop, BOUGHT),
        lambda: take(shop, REFUNDED),
    ]
    for each in (*arrival, *arrival):  # everything is delivered twice
        steps[each]()
    assert outcomes(shop) == [("order", 2, Decimal(25)), ("refund", -1, Decimal("-12.50"))]


def test_an_exposure_of_another_shop_is_forged(shop: Shop, other_shop: Shop) -> None:
    store.record_exposures([exposure(other_shop.pk, [7])])
    take(shop, BOUGHT)
    assert outcomes(shop) == []
    assert outcomes(other_shop) == []


def test_a_cancelled_order_nets_to_nothing_and_a_deleted_one_leaves_no_trace(shop: Shop) -> None:
    store.record_exposures([exposure(shop.pk, [7])])
    take(shop, BOUGHT)
    take(shop, order(1, BOUGHT.lines, cancelled_at=NOON + DAY, version_at=NOON + DAY))
    assert sum(amount for _, _, amount in outcomes(shop)) == 0
    take(shop, OrderDeleted(1, NOON + 2 * DAY))
    assert outcomes(shop) == []


def test_a_click_before_the_order_counts_also_when_it_arrives_later(shop: Shop) -> None:
    take(shop, order(1, [line(11, 7)], visitor=VISITOR))
    store.record_exposures([exposure(shop.pk, [7])])
    assert outcomes(shop) == []
    store.record_clicks([click(shop.pk, 7), click(shop.pk, 7)])
    assert outcomes(shop) == [("order", 1, Decimal("12.50"))]


def test_a_click_on_what_was_not_shown_or_on_a_foreign_exposure_is_not_kept(
    shop: Shop, other_shop: Shop
) -> None:
    store.record_exposures([exposure(shop.pk, [7])])
    recorded = store.record_clicks([click(shop.pk, 99), click(other_shop.pk, 7), click(shop.pk, 7)])
    assert recorded.new == 1
    assert {(each.shop_id, each.product_id) for each in recorded.unknown} == {
        (shop.pk, 99),
        (other_shop.pk, 7),
    }


def test_exposures_are_kept_once_and_those_of_a_shop_that_is_gone_are_dropped(shop: Shop) -> None:
    shown = exposure(shop.pk, [7])
    assert store.record_exposures([shown, shown, exposure(999_999, [7])]).new == 1
    assert store.record_exposures([shown]).new == 0


def test_the_summary_adds_up_by_shop_day(shop: Shop) -> None:
    late = NOON.replace(hour=0, minute=30)
    store.record_exposures(
        [
            exposure(shop.pk, [7, 8]),
            exposure(shop.pk, [9], exposure_id="trending-0123456789", served_by=ServedBy.TRENDING, at=late),
            exposure(shop.pk, [], exposure_id="nothing-01234567890", served_by=ServedBy.NONE, at=NOON - DAY),
        ]
    )
    store.record_clicks([click(shop.pk, 7)])
    take(shop, BOUGHT, REFUNDED)
    take(shop, order(2, [line(21, 8, exposure=EXPOSURE)], cancelled_at=NOON + DAY))
    since, until = date(2026, 11, 18), date(2026, 11, 21)
    found = store.traffic(shop, since=since, until=until)
    assert [each.day.day for each in found.days] == [18, 19, 20, 21]
    total = found.total
    assert (total.exposures, total.clicks, total.orders) == (2, 1, 1)
    assert total.requests == {
        ServedBy.ITEM_TO_ITEM: 1,
        ServedBy.TRENDING: 1,
        ServedBy.NEWEST: 0,
        ServedBy.NONE: 1,
    }
    # The cancelled order was bought for 12.50 and taken back for as much.
    assert (total.gross, total.taken_back, total.net) == (Decimal("37.50"), Decimal(25), Decimal("12.50"))
    by_day = {each.day.day: each.traffic for each in found.days}
    assert by_day[20].orders == 1
    assert by_day[21].net == Decimal(-25)
    assert sum(each.traffic.net for each in found.days) == total.net
    assert store.traffic(shop, since=date(2026, 1, 1), until=date(2026, 1, 1)).total.exposures == 0


def test_days_are_cut_in_the_shops_zone(shop: Shop) -> None:
    shop.timezone = "Australia/Sydney"
    with scope(shop):
        shop.save(update_fields=["timezone"])
    store.record_exposures([exposure(shop.pk, [7], at=NOON.replace(hour=14))])
    found = store.traffic(shop, since=date(2026, 11, 20), until=date(2026, 11, 21))
    assert [each.traffic.exposures for each in found.days] == [0, 1]
