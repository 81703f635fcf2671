"""Each view against values worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from mlops.feature_store import affinity, carts, metafields, offers, rfm, seasons
from mlops.feature_store.declared import Entity, View, vectors
from mlops.feature_store.metafields import Metafield
from mlops.feature_store.tables import MERGES, Tables, as_known
from mlops.features.events import AttributeKind, AttributeOwner
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


def test_a_robot_that_is_found_out_is_in_earlier_rows_and_in_no_later_one() -> None:
    """Two visitors looked and put into the cart; that one of them is a robot is known from five days ago on."""
    robot = {"visitor": "robot", "gone_at": ago(5)}
    acts = [
        visited("view", 10),
        visited("cart", 9.9),
        visited("view", 10, **robot),
        visited("cart", 9.9, **robot),
    ]
    tables = Tables(visits=rows.visits(*acts, visited("bought", 9.8, **robot)))
    before, after = (one(carts.PRODUCT, tables, ago(days), product_id=1) for days in (6, 4))
    assert (before["views_28d"], before["carts_28d"], before["abandon_rate_28d"]) == (2.0, 2.0, 0.5)
    assert (after["views_28d"], after["carts_28d"], after["abandon_rate_28d"]) == (1.0, 1.0, 1.0)
    assert one(carts.PRODUCT, as_known(tables, NOON), ago(6), product_id=1)["views_28d"] == 1.0, (
        "as known now"
    )
    assert one(carts.VISITOR, tables, ago(4), visitor="robot")["carts_28d"] == 0.0


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


def told_of(
    attribute: int, *values: tuple[float, float | None, list[float] | None], owner: int = 1
) -> list[dict[str, Any]]:
    """Values of a metafield, each as (days ago, number, items)."""
    return [
        {"owner_id": owner, "attribute_id": attribute, "number": number, "items": items, "event": attribute * 100 + at,
         "version_at": ago(days), "known_at": ago(days)}
        for at, (days, number, items) in enumerate(values)
    ]  # fmt: skip


def test_metafields_are_as_they_were_known() -> None:
    (view,) = metafields.views([Metafield(7, "spec.weight", "Weight", AttributeKind.DECIMAL)])
    tables = Tables(
        metafields=rows.metafield_values(*told_of(7, (10, 2.5, None), (5, 3.5, None), (1, None, None)))
    )
    weights = [one(view, tables, ago(days), product_id=1)["spec.weight"] for days in (11, 10, 4, 0)]
    assert weights == [None, 2.5, 3.5, None]
    assert metafields.number(AttributeKind.CATEGORY, None, "oak") == metafields.number(
        AttributeKind.CATEGORY, None, "oak"
    )
    assert metafields.views([]) == ()


def test_a_day_is_how_long_ago_it_is() -> None:
    (view,) = metafields.views([Metafield(8, "spec.since", "Since", AttributeKind.DATE)])
    midnight = (NOON - timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)
    number = metafields.number(AttributeKind.DATE, None, midnight.date().isoformat())
    tables = Tables(metafields=rows.metafield_values(*told_of(8, (10, number, None))))
    assert one(view, tables, product_id=1)["spec.since"] == 3.5
    assert one(view, tables, ago(5), product_id=1)["spec.since"] == -1.5, "a day ahead"
    assert metafields.number(AttributeKind.MOMENT, None, "2026-01-01T00:00:00+01:00") == pytest.approx(
        datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp() * 1e6
    )


def test_a_list_has_vectors_of_one_length() -> None:
    kinds = {1: AttributeKind.CATEGORY, 2: AttributeKind.DECIMAL, 3: AttributeKind.MOMENT}
    (view,) = metafields.views(
        [Metafield(at, f"l.{kind}", "L", kind, many=True) for at, kind in kinds.items()]
    )
    assert len(view.names) == 1 + metafields.BUCKETS + 4 + 2
    oak = metafields.number(AttributeKind.CATEGORY, None, "oak")
    assert oak is not None
    day_ago = metafields.number(AttributeKind.MOMENT, None, ago(1).isoformat())
    assert day_ago is not None
    tables = Tables(
        metafields=rows.metafield_values(
            *told_of(1, (9, None, [oak, oak]), (2, None, [])),
            *told_of(2, (9, None, [1.0, 4.0])),
            *told_of(3, (9, None, [day_ago, day_ago - metafields.DAY_US])),
        )
    )
    before = one(view, tables, ago(5), product_id=1)
    flags = [before[f"l.category.hash{at}"] for at in range(metafields.BUCKETS)]
    assert (before["l.category.count"], sum(flags), flags[int(oak) % 16]) == (2.0, 1.0, 1.0)
    numbers = [before[f"l.decimal.{end}"] for end in ("count", "mean", "low", "high")]
    assert numbers == [2.0, 2.5, 1.0, 4.0]
    assert one(view, tables, product_id=1)["l.moment.latest"] == pytest.approx(1.0)
    after = one(view, tables, product_id=1)
    assert (after["l.category.count"], after[f"l.category.hash{int(oak) % 16}"]) == (0.0, 0.0), (
        "an empty list is told"
    )
    nobody = one(view, tables, product_id=2)
    assert set(nobody.values()) >= {None}
    assert nobody["l.category.count"] is None


def test_variants_have_metafields_of_their_own() -> None:
    mine, theirs = metafields.views(
        [
            Metafield(1, "spec.oak", "Oak", AttributeKind.BOOLEAN),
            Metafield(2, "spec.size", "Size", AttributeKind.INTEGER, owner=AttributeOwner.VARIANT),
        ]
    )
    assert (mine.name, theirs.name, theirs.entity) == (
        "product_metafields", "variant_metafields", Entity.VARIANT,
    )  # fmt: skip
    told = [*told_of(1, (9, 1.0, None), owner=5), *told_of(2, (9, 42.0, None), owner=5)]
    tables = Tables(metafields=rows.metafield_values(*told))
    assert one(mine, tables, product_id=5)["spec.oak"] == 1.0
    assert one(theirs, tables, variant_id=5)["spec.size"] == 42.0


def test_a_day_of_23_or_25_hours_is_as_long_as_it_is() -> None:
    """London's clocks went back on the 25th of October 2026 and forward on the 29th of March."""
    for end, hours in ((datetime(2026, 10, 25, tzinfo=UTC), 25), (datetime(2026, 3, 29, 1, tzinfo=UTC), 23)):
        midnight = end.astimezone(ZoneInfo("Europe/London")).replace(hour=0).astimezone(UTC)
        at = midnight + timedelta(hours=hours)
        away = midnight - NOON
        tables = Tables(
            zone="Europe/London",
            lines=rows.lines(bought(1, -away / timedelta(days=1) - 0.25, units=5.0)),
            offers=rows.offers(offered(10, -away / timedelta(days=1), created_at=midnight)),
        )
        found = one(offers.PRODUCT, tables, at, product_id=1)
        assert found["in_stock_days"] == pytest.approx(hours / 24)
        assert found["velocity_28d"] == pytest.approx(5.0 / max(hours / 24, 1.0))
        begin, after = (one(seasons.SHOP, tables, each, shop_id=1) for each in (midnight, at))
        # A Sunday at midnight and the Monday after it: a seventh of the week further, whatever the clocks did.
        turned = np.arctan2(after["week_sin1"], after["week_cos1"]) - np.arctan2(
            begin["week_sin1"], begin["week_cos1"]
        )
        assert turned % (2 * np.pi) == pytest.approx(2 * np.pi / 7)


def test_of_many_neighbours_the_two_hundred_nearest_are_stored() -> None:
    """Product 0 is bought with each of 250 others, the lower the number the more often."""
    told = [
        bought(order, 10, product_id=each)
        for order, each in (
            (other * 10 + n, other) for other in range(1, 251) for n in range(1 + (other <= 200))
        )
    ]
    told += [{**each, "product_id": 1000} for each in told]
    (near,) = affinity.neighbours(Tables(lines=rows.lines(*told)), NOON, baskets=affinity.bought)
    mine = near.filter(pl.col("product_id") == 1000)
    assert mine.height == affinity.NEIGHBOURS == 200
    assert set(mine["other_id"].to_list()) == set(range(1, 201))


def test_what_is_asked_for_must_be_named() -> None:
    with pytest.raises(ValueError, match="without customer_id"):
        vectors(rfm.CUSTOMER, Tables(), asked(product_id=[1]))
    assert vectors(rfm.CUSTOMER, Tables(), asked(customer_id=[1])[:0]).is_empty()
    found = vectors(rfm.CUSTOMER, Tables(), asked(NOON + timedelta(days=1), customer_id=[1, 1]))
    assert found.height == 2, "asked twice, answered twice"
