"""Change markers: seen once, notes by people, and jumps of prices and stock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.features import catalogue, markers, store
from mlops.features.events import MarkerKind, Source
from mlops.features.jumps import Offered, jumps
from mlops.features.models import CatalogueDay
from tenancy.errors import NotFound
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope, unscoped
from tests.mlops.builders import NOON, product, variant

HOUR = timedelta(hours=1)
OFFERS = st.dictionaries(
    st.integers(1, 40),
    st.builds(Offered, st.decimals(0, 1000, places=2, allow_nan=False), st.booleans()),
    max_size=40,
)


def told(shop: Shop) -> list[tuple[MarkerKind, str]]:
    return [
        (each.kind, each.detail)
        for each in markers.between(shop, NOON - 90 * 24 * HOUR, NOON + 90 * 24 * HOUR)
    ]


@given(OFFERS)
def test_a_catalogue_does_not_jump_against_itself(offers: Mapping[int, Offered]) -> None:
    assert jumps(offers, offers) == ()


@given(OFFERS, OFFERS)
def test_what_is_only_in_one_picture_is_no_jump(
    before: Mapping[int, Offered], extra: Mapping[int, Offered]
) -> None:
    more = {**{100 + each: offered for each, offered in extra.items()}, **before}
    assert jumps(before, more) == ()
    assert jumps(more, before) == ()


def test_a_tenth_of_the_catalogue_and_five_variants_are_a_jump() -> None:
    before = {each: Offered(Decimal("10"), True) for each in range(100)}
    sale = {each: Offered(Decimal("8") if each < 10 else Decimal("10"), True) for each in range(100)}
    assert [(each.kind, each.detail) for each in jumps(before, sale)] == [
        (MarkerKind.PRICES_JUMPED, "10 of 100 variants, the middle one by −20%")
    ]
    assert jumps(before, {**sale, 0: before[0]}) == (), "nine are daily business"
    small = {each: Offered(Decimal("10"), True) for each in range(20)}
    assert jumps(small, {each: Offered(Decimal("10"), each >= 4) for each in small}) == ()
    assert [
        each.detail for each in jumps(small, {each: Offered(Decimal("10"), each >= 5) for each in small})
    ] == ["5 sold out, of 20 variants"]


def test_as_many_sold_out_as_came_back_is_no_jump() -> None:
    before = {each: Offered(Decimal("10"), each % 2 == 0) for each in range(40)}
    after = {each: Offered(Decimal("10"), each % 2 == 1) for each in range(40)}
    assert jumps(before, after) == ()


@pytest.mark.django_db(transaction=True)
def test_a_sale_that_starts_is_marked_once_on_its_day(shop: Shop) -> None:
    def price(amount: str, at: datetime, available: int = 5) -> None:
        made = [
            product(
                each, version_at=at, variants=(variant(each, price=Decimal(amount), available=available),)
            )
            for each in range(1, 21)
        ]
        store.append(shop, made, source=Source.WEBHOOK, now=at)

    price("10.00", NOON)
    assert catalogue.watch(shop, now=NOON) == (), "nothing to compare with yet"
    assert catalogue.watch(shop, now=NOON + HOUR) == ()
    price("7.00", NOON + 20 * HOUR)
    assert [each.kind for each in catalogue.watch(shop, now=NOON + 21 * HOUR)] == [MarkerKind.PRICES_JUMPED]
    assert catalogue.watch(shop, now=NOON + 22 * HOUR) == (), "once a day"
    price("7.00", NOON + 40 * HOUR, available=0)
    assert [each.kind for each in catalogue.watch(shop, now=NOON + 44 * HOUR)] == [MarkerKind.STOCK_JUMPED]
    assert told(shop) == [
        (MarkerKind.PRICES_JUMPED, "20 of 20 variants, the middle one by −30%"),
        (MarkerKind.STOCK_JUMPED, "20 sold out, of 20 variants"),
    ]
    catalogue.watch(shop, now=NOON + 20 * 24 * HOUR)
    with scope(shop):
        assert CatalogueDay.objects.count() == 1, "old pictures are not kept"


@pytest.mark.django_db(transaction=True)
def test_the_same_fact_is_one_mark_and_a_note_can_be_taken_away(shop: Shop, other_shop: Shop) -> None:
    for _ in range(2):
        markers.mark(shop, MarkerKind.THEME_PUBLISHED, at=NOON, now=NOON, detail="theme 7")
        noted = markers.note(shop, "new supplier", at=NOON + HOUR, by="staff:1", now=NOON)
    assert told(shop) == [(MarkerKind.THEME_PUBLISHED, "theme 7"), (MarkerKind.NOTE, "new supplier")]
    assert told(other_shop) == []
    with pytest.raises(NotFound):
        markers.withdraw(other_shop, noted.marker_id, by="staff:2", now=NOON)
    for _ in range(2):
        markers.withdraw(shop, noted.marker_id, by="staff:2", now=NOON + HOUR)
    assert told(shop) == [(MarkerKind.THEME_PUBLISHED, "theme 7")]
    with unscoped(why="the test looks at every shop"):
        assert AuditEntry.objects.get(shop=shop, action="note.withdrawn").data["text"] == "new supplier"
    seen = markers.between(shop, NOON, NOON + HOUR)[0]
    with pytest.raises(NotFound):
        markers.withdraw(shop, seen.marker_id, by="staff:2", now=NOON)
