"""Two states that share a version time, which is a whole second: the one sent last is shown, whenever it arrives."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from mlops.features import store
from mlops.features.events import CollectionChanged, Event, OrderPlaced, Source, StockChanged
from mlops.features.models import Collection, EventRecord, OrderLine, Product, StockLevel, Variant
from tenancy.models import Shop
from tenancy.scope import scope
from tests.mlops.builders import NOON, line, order, product, variant

BOUGHT = order(1, [line(11, 7, 2)])
EDITED = replace(BOUGHT, lines=(line(11, 7, 1), line(12, 8)))
FULL, EMPTY = StockChanged(5, 1, 1, NOON), StockChanged(5, 1, 0, NOON)


def tell(shop: Shop, *events: Event, source: Source = Source.WEBHOOK) -> store.Appended:
    return store.append(shop, events, source=source, now=NOON)


def lines(shop: Shop) -> list[tuple[int, int]]:
    with scope(shop):
        return list(OrderLine.objects.order_by("line_id").values_list("line_id", "quantity"))


def units(shop: Shop) -> int | None:
    with scope(shop):
        return StockLevel.objects.get().available


@pytest.mark.parametrize("told", list(itertools.product([BOUGHT, EDITED], repeat=3)))
@pytest.mark.parametrize("together", [True, False])
def test_the_order_told_last_is_shown(shop: Shop, told: tuple[OrderPlaced, ...], together: bool) -> None:
    for batch in [told] if together else [(each,) for each in told]:
        tell(shop, *batch)
    assert lines(shop) == [(each.line_id, each.quantity) for each in told[-1].lines]
    with scope(shop):
        assert EventRecord.objects.count() == len(set(told)), "each state is logged once"


def test_stock_that_returns_within_a_second_is_back(shop: Shop) -> None:
    assert [tell(shop, each) for each in (FULL, EMPTY, FULL)] == [
        store.Appended(new=1, older=0, repeated=0),
        store.Appended(new=1, older=0, repeated=0),
        store.Appended(new=0, older=0, repeated=1),
    ]
    assert units(shop) == 1


def test_a_product_goes_back_with_its_variants(shop: Shop) -> None:
    one = product(7)
    two = product(7, title="Two", variants=(variant(7), variant(7, variant_id=71, position=2)))
    for each in (one, two, one):
        tell(shop, each)
    with scope(shop):
        assert Product.objects.get().title == "Product 7"
        assert Variant.objects.count() == 1


def test_told_again_is_never_newer_than_it_was(shop: Shop) -> None:
    later = replace(EDITED, version_at=NOON.replace(second=1))
    tell(shop, BOUGHT)
    tell(shop, later)
    tell(shop, BOUGHT)
    assert lines(shop) == [(11, 1), (12, 1)]


def test_an_import_repeated_does_not_undo_what_webhooks_told_since(shop: Shop) -> None:
    tell(shop, FULL, source=Source.BACKFILL)
    tell(shop, EMPTY)
    assert tell(shop, FULL, source=Source.BACKFILL).repeated == 1
    assert units(shop) == 0


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_states_of_one_second_are_shown_as_they_were_sent(
    shop: Shop, arrival: tuple[int, ...], together: bool
) -> None:
    """Late deliveries come in any order; the moment each was sent decides, for every kind of state that is kept."""
    sent: list[tuple[Event, ...]] = []
    for number in range(3):
        at = NOON + timedelta(milliseconds=100 * number)
        sent.append(
            (
                replace(FULL, available=number, told_at=at),
                replace(BOUGHT, lines=(line(11, 7, 1 + number),), told_at=at),
                replace(product(7, title=f"State {number}"), told_at=at),
                CollectionChanged(9, NOON, "c", f"State {number}", None, told_at=at),
            )
        )
    told = [sent[each] for each in arrival]
    for batch in [tuple(itertools.chain(*told))] if together else told:
        tell(shop, *batch)
    assert units(shop) == 2
    assert lines(shop) == [(11, 3)]
    with scope(shop):
        assert Product.objects.get().title == Collection.objects.get().title == "State 2"


def test_what_was_read_stands_against_what_was_sent_before(shop: Shop) -> None:
    sent = replace(FULL, told_at=NOON - timedelta(seconds=5))
    tell(shop, EMPTY, source=Source.RECONCILIATION)  # read at noon
    tell(shop, sent)
    assert units(shop) == 0
    tell(shop, replace(FULL, told_at=NOON + timedelta(milliseconds=1)))
    assert units(shop) == 1


def test_what_was_read_is_believed_whatever_the_clocks_say(shop: Shop) -> None:
    tell(shop, replace(FULL, told_at=NOON + timedelta(seconds=30)))  # Shopify's clock is ahead of ours
    tell(shop, EMPTY, source=Source.RECONCILIATION)
    assert units(shop) == 0
