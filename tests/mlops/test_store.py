"""Events in, present state out: newest wins, whatever the order, how often and from how many processes."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from mlops.features import store
from mlops.features.events import (
    CollectionChanged,
    CollectionDeleted,
    CustomerChanged,
    CustomerMerged,
    Event,
    MarkerKind,
    OrderDeleted,
    ProductDeleted,
    ShopMarker,
    Source,
)
from mlops.features.models import Collection, Customer, EventRecord, Order, OrderLine, Product, Variant
from mlops.features.store import Appended
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, line, order, product, refund, variant

HOUR = timedelta(hours=1)


def append(shop: Shop, *events: Event) -> Appended:
    return store.append(shop, events, source=Source.WEBHOOK, now=NOON)


def rows(shop: Shop, model: Any, *fields: str) -> list[Any]:
    with scope(shop), looking():
        return list(model.objects.order_by(*fields).values_list(*fields))


def test_an_order_becomes_rows_and_counts_are_exact(shop: Shop) -> None:
    bought = order(1, [line(11, 7, 2), line(12, None, 1)], customer_id=5, visitor="visitor-one")
    done = append(
        shop, product(7), bought, CustomerChanged(5, NOON, NOON - HOUR), refund(9, 1, [(11, 1, "12.50")])
    )
    assert done == Appended(new=4, older=0, repeated=0)
    counts = store.counts(shop)
    assert (counts.orders, counts.lines, counts.customers, counts.products) == (1, 2, 1, 1)
    assert (counts.variants, counts.refunds, counts.collections) == (1, 1, 0)
    assert rows(shop, Order, "order_id", "customer_id", "visitor", "total") == [
        (1, 5, "visitor-one", Decimal("37.50"))
    ]
    with scope(shop):
        logged = EventRecord.objects.get(kind="order")
    assert (logged.known_at, logged.occurred_at, logged.source) == (NOON, NOON, "webhook")
    assert logged.payload["lines"][0]["quantity"] == 2


def test_the_same_events_again_change_nothing(shop: Shop) -> None:
    events: list[Event] = [product(7), order(1, [line(11, 7)]), ShopMarker(MarkerKind.THEME_PUBLISHED, NOON)]
    append(shop, *events)
    assert append(shop, *events, *events) == Appended(new=0, older=0, repeated=6)
    with scope(shop):
        assert EventRecord.objects.count() == 3


def test_two_versions_in_one_batch_leave_the_newest(shop: Shop) -> None:
    first = order(1, [line(11, 7, 2)])
    second = replace(first, version_at=NOON + HOUR, lines=(line(11, 7, 1), line(12, 8)))
    assert append(shop, second, first) == Appended(new=1, older=1, repeated=0)
    assert rows(shop, OrderLine, "line_id", "quantity") == [(11, 1), (12, 1)]


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))))
def test_the_newest_version_wins_in_any_order_of_arrival(shop: Shop, arrival: tuple[int, ...]) -> None:
    first = order(1, [line(11, 7, 3), line(12, 8)])
    versions: list[Event] = [
        first,
        replace(first, version_at=NOON + HOUR, lines=(line(11, 7, 2),)),
        OrderDeleted(2, NOON + HOUR),
        replace(order(2, [line(21, 7)]), version_at=NOON),
    ]
    for each in arrival:
        append(shop, versions[each])
    assert rows(shop, OrderLine, "order_id", "line_id", "quantity") == [(1, 11, 2)]
    assert store.counts(shop).orders == 1


def test_an_order_that_comes_back_after_its_deletion_lives(shop: Shop) -> None:
    append(shop, order(1, [line(11, 7)]), OrderDeleted(1, NOON + HOUR))
    append(shop, order(1, [line(11, 7)], version_at=NOON + 2 * HOUR))
    assert store.counts(shop).orders == 1
    assert store.counts(shop).lines == 1


def test_a_product_version_replaces_its_variants(shop: Shop) -> None:
    append(shop, product(7, variants=(variant(7), variant(7, variant_id=71, position=2))))
    append(
        shop, product(7, version_at=NOON + HOUR, variants=(variant(7, variant_id=72),), tags=("elm", "ash"))
    )
    assert rows(shop, Variant, "variant_id") == [(72,)]
    assert rows(shop, Product, "tags") == [(["elm", "ash"],)]
    append(shop, product(7, title="Older", version_at=NOON - HOUR))
    assert rows(shop, Product, "title") == [("Product 7",)]
    append(shop, ProductDeleted(7, NOON + 2 * HOUR))
    assert (store.counts(shop).products, store.counts(shop).variants) == (0, 0)


def test_a_webhook_without_members_keeps_the_members_of_a_collection(shop: Shop) -> None:
    append(shop, CollectionChanged(3, NOON, "oak", "Oak", (7, 8)))
    append(shop, CollectionChanged(3, NOON + HOUR, "oak", "Oak things", None))
    assert rows(shop, Collection, "title", "product_ids") == [("Oak things", [7, 8])]
    append(shop, CollectionDeleted(3, NOON + 2 * HOUR))
    assert store.counts(shop).collections == 0


def test_a_merged_customer_takes_the_orders_along_also_those_that_come_later(shop: Shop) -> None:
    append(shop, CustomerChanged(5, NOON, NOON), CustomerChanged(6, NOON, NOON))
    append(shop, order(1, [line(11, 7)], customer_id=5))
    append(shop, CustomerMerged(kept_id=6, deleted_id=5, version_at=NOON + HOUR))
    append(shop, order(2, [line(21, 7)], customer_id=5))
    assert rows(shop, Order, "order_id", "customer_id") == [(1, 6), (2, 6)]
    assert store.counts(shop).customers == 1
    append(shop, CustomerMerged(kept_id=9, deleted_id=6, version_at=NOON + 2 * HOUR))
    assert rows(shop, Customer, "customer_id", "merged_into") == [(5, 9), (6, 9)]
    assert rows(shop, Order, "order_id", "customer_id") == [(1, 9), (2, 9)]


def test_what_a_browser_forged_beyond_form_is_dropped(shop: Shop) -> None:
    wild = order(
        1, [line(11, 7, exposure="x" * 5000), line(12, 8, exposure="\x00" * 20)], visitor="' or 1=1 --"
    )
    append(shop, wild, product(7, title="nul\x00 inside", handle="h" * 300))
    assert rows(shop, OrderLine, "exposure") == [(None,), (None,)]
    assert rows(shop, Order, "visitor") == [(None,)]
    assert rows(shop, Product, "title") == [("nul inside",)]


def test_a_time_without_zone_is_refused_and_nothing_is_kept(shop: Shop) -> None:
    naive = datetime(2026, 11, 20, 12, 0)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        append(shop, product(7), replace(order(1, [line(11, 7)]), ordered_at=naive))
    assert store.counts(shop).products == 0


def test_shops_do_not_see_each_other(shop: Shop, other_shop: Shop) -> None:
    append(shop, product(7), order(1, [line(11, 7)]))
    append(other_shop, product(7, title="Theirs"), order(1, [line(11, 7, 9)]))
    assert rows(shop, Product, "title") == [("Product 7",)]
    assert rows(other_shop, OrderLine, "quantity") == [(9,)]
    append(other_shop, OrderDeleted(1, NOON + HOUR))
    assert store.counts(shop).lines == 1


def test_the_frame_holds_what_was_bought_and_kept(shop: Shop) -> None:
    append(
        shop,
        order(1, [line(11, 7, 2), line(12, 7, 1), line(13, None), line(14, 8, 1, current_quantity=0)]),
        order(2, [line(21, 7)], cancelled_at=NOON),
        order(3, [line(31, 7)], test=True),
        order(4, [line(41, 9)], ordered_at=NOON - HOUR, customer_id=5),
        order(5, [line(51, 9)], ordered_at=NOON + HOUR),
    )
    with looking():
        frame = store.order_frame(shop, until=NOON + timedelta(seconds=1))
    assert frame.select("order_id", "customer_id", "product_id", "quantity").rows() == [
        (4, 5, 9, 1),
        (1, None, 7, 3),
    ]
    assert frame["ordered_at"].to_list() == [NOON - HOUR, NOON]


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    shop: Shop, django_assert_max_num_queries: Any
) -> None:
    events = [order(each, [line(each * 10 + n, n) for n in range(1, 6)]) for each in range(1, 301)]
    with django_assert_max_num_queries(16):
        append(shop, *events)
    assert store.counts(shop).lines == 1500


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_leave_the_newest_version_once(transactional_db: None, shop: Shop) -> None:
    versions = [
        replace(order(1, [line(11, 7, 1 + each)]), version_at=NOON + each * HOUR) for each in range(12)
    ]
    failures: list[BaseException] = []

    def write(mine: list[Any]) -> None:
        try:
            for each in mine:
                append(shop, each)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(versions[each::3] + versions,)) for each in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert rows(shop, OrderLine, "line_id", "quantity") == [(11, 12)]
    with scope(shop):
        assert EventRecord.objects.count() == 12
