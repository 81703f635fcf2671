"""Days of a shop: 23, 24 and 25 hours, skipped and doubled midnights, and demand that is counted on them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.features import store
from mlops.features.days import day_of, days
from mlops.features.events import Source
from mlops.features.series import DEMAND_SCHEMA, daily_demand
from tenancy.models import Shop
from tests.mlops.builders import NOON, line, order

ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "America/Santiago", "Australia/Lord_Howe",
         "Asia/Beirut", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Atlantic/Azores", "Asia/Gaza")  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("Europe/London", date(2026, 6, 1), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23),  # midnight is skipped: the day begins at one o'clock
        ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
        ("Asia/Kathmandu", date(2026, 6, 1), 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, day: date, hours: float) -> None:
    cut = days(zone, since=day, until=day)
    assert cut.end - cut.begin == timedelta(hours=hours)
    assert day_of(cut.begin, zone) == day
    assert day_of(cut.begin - timedelta(seconds=1), zone) == day - timedelta(days=1)
    assert day_of(cut.end - timedelta(seconds=1), zone) == day


@given(
    zone=st.sampled_from(ZONES),
    at=st.integers(946_684_800, 2_082_758_400).map(lambda each: datetime.fromtimestamp(each, UTC)),
)
def test_a_moment_lies_in_the_day_that_its_clock_shows(zone: str, at: datetime) -> None:
    day = at.astimezone(ZoneInfo(zone)).date()
    cut = days(zone, since=day - timedelta(days=1), until=day + timedelta(days=1))
    found = [cut.day(each) for each in range(len(cut)) if cut.bounds[each] <= at < cut.bounds[each + 1]]
    assert found == [day]
    assert list(cut.bounds) == sorted(cut.bounds)


def test_days_that_run_backwards_or_an_unknown_zone_are_refused() -> None:
    with pytest.raises(ValueError):
        days("UTC", since=date(2026, 1, 2), until=date(2026, 1, 1))
    with pytest.raises(ZoneInfoNotFoundError):
        days("Mars/Olympus", since=date(2026, 1, 1), until=date(2026, 1, 1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("change", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_an_order_an_hour_is_as_many_units_as_the_day_has_hours(shop: Shop, change: date, hours: int) -> None:
    shop.timezone = "Europe/London"
    shop.save()
    begin = datetime(change.year, change.month, change.day, tzinfo=UTC) - timedelta(days=2)
    events = [
        order(n + 1, [line(n + 1, 7)], ordered_at=begin + timedelta(hours=n, minutes=30)) for n in range(120)
    ]
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    frame = daily_demand(shop, since=change - timedelta(days=1), until=change + timedelta(days=1))
    assert frame["day"].to_list() == [change - timedelta(days=1), change, change + timedelta(days=1)]
    assert frame["units"].to_list() == [24, hours, 24]
    assert {name: frame.schema[name] for name in frame.columns} == DEMAND_SCHEMA


@pytest.mark.django_db(transaction=True)
def test_demand_is_net_of_refunds_edits_cancellations_and_tests(shop: Shop) -> None:
    day = NOON.date()
    events = [
        order(1, [line(1, 7, quantity=5, current_quantity=3), line(2, 8, quantity=1, current_quantity=0)]),
        order(2, [line(3, 7, quantity=2, unit_price=Decimal("0.3333"))]),
        order(3, [line(4, 7, quantity=9)], test=True),
        order(4, [line(5, 7, quantity=9)], cancelled_at=NOON),
        order(5, [line(6, None, quantity=9)]),
        order(6, [line(7, 7, quantity=9)], ordered_at=NOON - timedelta(days=1)),
    ]
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    frame = daily_demand(shop, since=day, until=day)
    assert frame.select("product_id", "variant_id", "units", "ordered_units", "orders").rows() == [
        (7, 70, 5, 7, 2),
        (8, 80, 0, 1, 1),
    ]
    assert frame["revenue"].to_list() == [Decimal("38.1666"), Decimal("0")]
    nothing = daily_demand(shop, since=day + timedelta(days=5), until=day + timedelta(days=9))
    assert nothing.is_empty()
    assert nothing.schema == pl.Schema(DEMAND_SCHEMA)
