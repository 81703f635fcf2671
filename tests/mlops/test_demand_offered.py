"""How long a variant could not be bought on a day, worked out by hand."""

from __future__ import annotations

from datetime import timedelta

from mlops.training.demand.offered import offered
from tests.mlops.builders import NOON
from tests.mlops.feature_rows import counted, offers, stock
from tests.mlops.feature_rows import offered as told

# Four days, cut at noon: day 0 begins four days before NOON.
BOUNDS = [NOON - timedelta(days=4 - k) for k in range(5)]


def test_time_without_stock_and_discounts_are_measured_by_the_day() -> None:
    versions = offers(
        told(1, 3.75, stock=5.0),
        # Sold out half way through the first day, by what the product tells.
        told(2, 3.5, stock=0.0),
        told(4, 2.0, stock=5.0, price=7.5, compare_at=10.0),
    )
    # A location's word is newer: in stock again after a quarter of the second day.
    moves = stock(counted(3, 2.75, 3.0))
    found = {
        each["day"]: (round(each["out"], 4), round(each["discount"], 4))
        for each in offered(versions, moves, BOUNDS).to_dicts()
    }
    assert found == {0: (0.5, 0.0), 1: (0.25, 0.0), 2: (0.0, 0.25), 3: (0.0, 0.25)}


def test_a_variant_that_a_product_lost_cannot_be_bought() -> None:
    versions = offers(
        told(1, 4), told(1, 4, variant_id=11, item_id=110), told(2, 3.5, variant_id=11, item_id=110)
    )
    found = offered(versions, stock(), BOUNDS[:2])
    assert found.select("variant_id", "out").rows() == [(10, 0.5)]


def test_before_anything_was_told_nothing_was_out_of_stock() -> None:
    found = offered(offers(told(1, 2.5, stock=0.0)), stock(counted(2, 3.9, 0.0)), BOUNDS)
    assert found.select("day", "out").rows() == [(1, 0.5), (2, 1.0), (3, 1.0)]


def test_what_is_not_tracked_or_sold_on_never_runs_out() -> None:
    versions = offers(
        told(1, 4, stock=None), told(2, 4, product_id=2, variant_id=20, item_id=200, stock=0.0, oversell=True)
    )
    assert offered(versions, stock(), BOUNDS).is_empty()


def test_stock_is_the_sum_of_its_locations() -> None:
    versions = offers(told(1, 4, stock=5.0))
    moves = stock(
        counted(2, 3.0, 0.0), counted(3, 3.0, 4.0, location_id=2), counted(4, 2.0, 0.0, location_id=2)
    )
    assert offered(versions, moves, BOUNDS).select("day", "out").rows() == [(2, 1.0), (3, 1.0)]


def test_nothing_told_is_nothing_out() -> None:
    assert offered(offers(), stock(), BOUNDS).is_empty()
    assert offered(offers(), stock(), BOUNDS[:1]).is_empty()
