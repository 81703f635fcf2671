"""Each view against values worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.feature_store import affinity, carts, metafields, offers, rfm, seasons
from mlops.feature_store.declared import View, vectors
from mlops.feature_store.metafields import Metafield
from mlops.feature_store.tables import MERGES, Tables, as_known
from mlops.features.events import AttributeKind
from tests.mlops import feature_rows as rows
from tests.mlops.builders import NOON
from tests.mlops.feature_rows import ago, asked, bought, counted, offered, visited


def one(view: View, tables: Tables, at: datetime = NOON, **entity: Any) -> dict[str, Any]:
    """The features of one entity."""
    found = vectors(view, tables, asked(at, **{name: [value] for name, value in entity.items()}))
    return found.select(view.names).to_dicts()[0]


def test_rfm_of_ten_customers_by_hand() -> None:
    """Customer c bought c times, 1 day apart, last (11 - c) days ago, for 10 c each time."""
    told = [
        bought(c * 100 + n, 11 - c + n, customer_id=c, spend=10.0 * c) for c in range(1, 11) for n in range(c)
    ]
    tables = Tables(orders=rows.orders(*told))
    found = vectors(rfm.CUSTOMER, tables, asked(customer_id=list(range(1, 11))))
    assert found["recency_days"].to_list() == [float(11 - c) for c in range(1, 11)]
    assert found["orders_365d"].to_list() == [float(c) for c in range(1, 11)]
    assert found["spend_365d"].to_list() == [10.0 * c * c for c in range(1, 11)]
    fifths = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]
    assert found["frequency_quintile"].to_list() == fifths
    assert found["money_quintile"].to_list() == fifths
    assert found["recency_quintile"].to_list() == fifths, (
        "who bought last week stands above who bought last month"
    )
    assert found["gap_mean_days"].to_list() == [None] + [1.0] * 9
    assert found["overdue_ratio"].to_list() == [None] + [float(11 - c) for c in range(2, 11)]


def test_recency_decays_and_what_is_not_bought_does_not_count() -> None:
    tables = Tables(
        orders=rows.orders(
            bought(1, 40),
            bought(2, 10, counts=False),
            bought(3, 20, event=3, spend=30.0),
            bought(3, 20, event=4, spend=5.0, version_at=ago(2), known_at=ago(2)),
        )
    )
    before = one(rfm.CUSTOMER, tables, ago(3), customer_id=1)
    assert (before["recency_days"], before["orders_365d"], before["spend_365d"]) == (17.0, 2.0, 40.0)
    after = one(rfm.CUSTOMER, tables, customer_id=1)
    assert (after["recency_days"], after["orders_365d"], after["spend_365d"]) == (20.0, 2.0, 15.0), (
        "a refund is known from when it is known"
    )


def test_accounts_that_were_joined_buy_as_one_from_then_on() -> None:
    merged = rows.frame(MERGES, [{"customer_id": 2, "kept_id": 1, "version_at": ago(5), "known_at": ago(5)}])
    tables = Tables(orders=rows.orders(bought(1, 30), bought(2, 10, customer_id=2)), merges=merged)
    assert one(rfm.CUSTOMER, tables, ago(6), customer_id=1)["orders_365d"] == 1.0
    assert one(rfm.CUSTOMER, tables, customer_id=1)["orders_365d"] == 2.0


def test_a_backfilled_order_is_in_no_earlier_row() -> None:
    tables = Tables(orders=rows.orders(bought(1, 100), bought(2, 90, known_at=ago(10))))
    assert one(rfm.CUSTOMER, tables, ago(11), customer_id=1)["orders_365d"] == 1.0
    assert one(rfm.CUSTOMER, tables, ago(9), customer_id=1)["orders_365d"] == 2.0
    knowing = as_known(tables, NOON)
    assert one(rfm.CUSTOMER, knowing, ago(11), customer_id=1)["orders_365d"] == 2.0, (
        "asked for as known today"
    )
    assert one(rfm.CUSTOMER, knowing, ago(95), customer_id=1)["orders_365d"] == 1.0, (
        "but never before it happened"
    )


def test_velocity_is_units_over_days_in_stock() -> None:
    tables = Tables(
        lines=rows.lines(bought(1, 20, units=6.0), bought(2, 3, units=3.0), bought(3, 40, units=50.0)),
        offers=rows.offers(offered(10, 100)),
        stock=rows.stock(counted(20, 15, 0.0), counted(21, 5, 8.0)),
    )
    found = one(offers.PRODUCT, tables, product_id=1)
    assert found["units_28d"] == 9.0
    assert found["in_stock_days"] == pytest.approx(18.0)
    assert found["in_stock_fraction_28d"] == pytest.approx(18 / 28)
    assert found["velocity_28d"] == pytest.approx(9 / 18)
    assert found["in_stock"] == 1.0
    assert one(offers.PRODUCT, tables, ago(10), product_id=1)["in_stock"] == 0.0


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ({"stock": None}, 1.0),  # not tracked
        ({"stock": 0.0, "oversell": True}, 1.0),
        ({"stock": 0.0}, 0.0),
        ({"listed": False}, 0.0),
        ({"variant_id": None, "item_id": None, "listed": False, "price": None}, 0.0),  # deleted
    ],
)
def test_when_an_offer_counts_as_in_stock(told: dict[str, Any], share: float) -> None:
    tables = Tables(offers=rows.offers(offered(10, 100, **told)))
    assert one(offers.PRODUCT, tables, product_id=1)["in_stock_fraction_28d"] == share


def test_stock_is_the_total_of_the_locations_unless_the_product_spoke_since() -> None:
    tables = Tables(
        offers=rows.offers(offered(10, 100, stock=0.0), offered(30, 4, stock=0.0)),
        stock=rows.stock(
            counted(20, 20, 0.0), counted(21, 14, 3.0, location_id=2), counted(22, 10, 2.0), counted(23, 8, 0.0, location_id=2)
        ),
    )  # fmt: skip
    found = one(offers.PRODUCT, tables, product_id=1)
    assert found["in_stock_days"] == pytest.approx(10.0), (
        "from the second location's delivery to the product's own word"
    )


def test_a_product_is_in_stock_while_any_variant_is() -> None:
    def both(event: int, days: float, first: float, second: float) -> list[dict[str, Any]]:
        return [
            offered(event, days, stock=first),
            offered(event, days, stock=second, variant_id=11, item_id=101, price=4.0),
        ]

    tables = Tables(
        offers=rows.offers(*both(10, 100, 1, 0), *both(11, 20, 0, 0), *both(12, 10, 0, 1)),
        lines=rows.lines(bought(1, 5, variant_id=11, units=2.0), bought(2, 25)),
    )
    whole = one(offers.PRODUCT, tables, product_id=1)
    assert (whole["in_stock_days"], whole["units_28d"], whole["price"]) == (pytest.approx(18.0), 3.0, 4.0)
    second = one(offers.VARIANT, tables, variant_id=11)
    assert (second["in_stock_days"], second["units_28d"], second["price"]) == (pytest.approx(10.0), 2.0, 4.0)
    first = one(offers.VARIANT, tables, variant_id=10)
    assert (first["in_stock_days"], first["units_28d"], first["price"]) == (pytest.approx(8.0), 1.0, 10.0)


def test_a_variant_that_a_later_version_leaves_out_is_gone() -> None:
    tables = Tables(offers=rows.offers(offered(10, 100), offered(11, 7, variant_id=11, item_id=101)))
    found = one(offers.VARIANT, tables, variant_id=10)
    assert (found["price"], found["in_stock"], found["in_stock_days"]) == (None, 0.0, pytest.approx(21.0))


def test_price_is_compared_with_its_median_over_time() -> None:
    tables = Tables(
        offers=rows.offers(
            offered(10, 100, price=10.0), offered(11, 12, price=20.0), offered(12, 2, price=8.0, compare_at=16.0)
        )
    )  # fmt: skip
    found = one(offers.PRODUCT, tables, product_id=1)
    assert found["price_ratio_28d"] == pytest.approx(0.8), (
        "10 for 16 days of 28, 20 for 10, 8 for 2: half of it at most 10"
    )
    assert found["discount_ratio"] == 0.5
    assert found["age_days"] == 400.0


def test_the_window_of_a_young_product_begins_with_it() -> None:
    tables = Tables(
        offers=rows.offers(offered(10, 4, created_at=ago(4)), offered(11, 1, created_at=ago(4), stock=0.0)),
        lines=rows.lines(bought(1, 2, units=6.0)),
    )
    found = one(offers.PRODUCT, tables, product_id=1)
    assert (found["in_stock_fraction_28d"], found["velocity_28d"]) == (
        pytest.approx(0.75),
        pytest.approx(2.0),
    )


def test_a_product_that_nobody_told_of_has_no_price() -> None:
    found = one(offers.PRODUCT, Tables(), product_id=1)
    assert found["price"] is None
    assert found["velocity_28d"] is None
    assert found["units_28d"] == 0.0


def test_carts_that_were_left() -> None:
    tables = Tables(
        visits=rows.visits(
            visited("view", 3), visited("cart", 3), visited("bought", 2.9),
            visited("cart", 5, visitor="bob"),
            visited("cart", 5, visitor="cleo"), visited("bought", 6, visitor="cleo"),  # the purchase before
            visited("cart", 0.01, visitor="dan"),  # still paying, perhaps
            visited("cart", 29, visitor="eve"),
            visited("cart", 3, product_id=2),
        )
    )  # fmt: skip
    found = one(carts.PRODUCT, tables, product_id=1)
    assert found == {"views_28d": 1.0, "carts_28d": 3.0, "abandon_rate_28d": pytest.approx(2 / 3)}
    assert one(carts.VISITOR, tables, visitor="ada") == {
        "views_28d": 1.0,
        "carts_28d": 2.0,
        "abandon_rate_28d": 0.5,
    }
    assert one(carts.VISITOR, tables, visitor="nobody") == {
        "views_28d": 0.0,
        "carts_28d": 0.0,
        "abandon_rate_28d": None,
    }


BASKETS = {1: (1, 2), 2: (1, 2), 3: (1, 2, 3), 4: (1,), 5: (3,), 6: (3, 4)}


def test_affinity_of_known_baskets() -> None:
    told = [bought(order, 10, product_id=each) for order, basket in BASKETS.items() for each in basket]
    tables = Tables(lines=rows.lines(*told))
    found = one(affinity.COPURCHASE, tables, product_id=1, other_id=2)
    shrunk = 3 / 13
    assert found["together"] == 3.0
    assert found["lift"] == pytest.approx(shrunk * 3 * 6 / (4 * 3))
    assert found["jaccard"] == pytest.approx(shrunk * 3 / 4)
    assert found["cosine"] == pytest.approx(shrunk * 3 / math.sqrt(12))
    assert set(one(affinity.COPURCHASE, tables, product_id=1, other_id=4).values()) == {0.0}
    assert one(affinity.COPURCHASE, tables, ago(11), product_id=1, other_id=2)["together"] == 0.0


def test_neighbours_are_the_same_numbers_best_first() -> None:
    told = [bought(order, 10, product_id=each) for order, basket in BASKETS.items() for each in basket]
    tables = Tables(lines=rows.lines(*told))
    (near,) = affinity.neighbours(tables, NOON, baskets=affinity.bought)
    assert near.filter(product_id=1)["other_id"].to_list() == [2, 3]
    again = vectors(affinity.COPURCHASE, tables, near.select("product_id", "other_id", "at"))
    assert again.select(affinity.MEASURES).equals(near.select(affinity.MEASURES))


def test_visits_end_with_half_an_hour_of_silence() -> None:
    minute = 1 / 1440
    tables = Tables(
        visits=rows.visits(
            visited("view", 1), visited("view", 1 - 29 * minute, product_id=2),
            visited("view", 1 - 59 * minute, product_id=3),
            visited("view", 1, visitor="bob", product_id=3),
        )
    )  # fmt: skip
    assert one(affinity.COVIEW, tables, product_id=1, other_id=2)["together"] == 1.0
    assert one(affinity.COVIEW, tables, product_id=2, other_id=3)["together"] == 0.0, (
        "exactly 30 minutes are silence"
    )
    assert one(affinity.COVIEW, tables, product_id=1, other_id=3)["together"] == 0.0


def test_the_week_and_the_holidays_are_the_shops_own() -> None:
    christmas = datetime(2026, 12, 25, 4, 30, tzinfo=UTC)
    london = one(seasons.SHOP, Tables(zone="Europe/London", markets=("GB",)), christmas, shop_id=1)
    assert (london["holiday"], london["days_to_holiday"]) == (1.0, 0.0)
    chicago = one(seasons.SHOP, Tables(zone="America/Chicago", markets=("US", "CN")), christmas, shop_id=1)
    assert (chicago["holiday"], chicago["days_to_holiday"]) == (0.0, 1.0), "there it is the evening before"
    assert one(seasons.SHOP, Tables(), christmas, shop_id=1)["holiday"] is None
    # A Monday at midnight is where the week begins: the 21st of December, in London's winter.
    monday = one(seasons.SHOP, Tables(zone="Europe/London"), datetime(2026, 12, 21, tzinfo=UTC), shop_id=1)
    assert (monday["week_sin1"], monday["week_cos1"]) == (pytest.approx(0.0, abs=1e-9), pytest.approx(1.0))


def test_metafields_are_as_they_were_known() -> None:
    chosen = [
        Metafield(7, "spec.weight", "Weight", AttributeKind.DECIMAL),
        Metafield(8, "spec.day", "Day", AttributeKind.DATE),
    ]
    view = metafields.view(chosen)
    assert view is not None
    assert view.names == ("spec.weight",), "a date is no number"
    told = [
        {"product_id": 1, "attribute_id": 7, "number": number, "event": event, "version_at": ago(days), "known_at": ago(days)}
        for event, days, number in ((1, 10, 2.5), (2, 5, 3.5), (3, 1, None))
    ]  # fmt: skip
    tables = Tables(metafields=rows.metafield_values(*told))
    weights = [one(view, tables, ago(days), product_id=1)["spec.weight"] for days in (11, 10, 4, 0)]
    assert weights == [None, 2.5, 3.5, None]
    assert metafields.number(AttributeKind.CATEGORY, None, "oak") == metafields.number(
        AttributeKind.CATEGORY, None, "oak"
    )
    assert metafields.view([]) is None


def test_what_is_asked_for_must_be_named() -> None:
    with pytest.raises(ValueError, match="without customer_id"):
        vectors(rfm.CUSTOMER, Tables(), asked(product_id=[1]))
    assert vectors(rfm.CUSTOMER, Tables(), asked(customer_id=[1])[:0]).is_empty()
    found = vectors(rfm.CUSTOMER, Tables(), asked(NOON + timedelta(days=1), customer_id=[1, 1]))
    assert found.height == 2, "asked twice, answered twice"
