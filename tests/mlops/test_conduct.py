"""Who counts: the rate rule as a pure function, and its reach over what is kept of a visitor."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.features import erase, store
from mlops.features.events import Source
from mlops.features.models import Exposure, StorefrontEventRecord
from mlops.features.storefront import (
    MOST_VIEWS,
    SILENCE,
    Consent,
    Exclusion,
    StorefrontEvent,
    StorefrontKind,
    too_fast,
    visit_around,
)
from tenancy.models import Shop
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, exposure, line, order

_numbers = count(1)
CRAWLER, PERSON = "crawler-0123456789", "person-0123456789"


def viewed(
    visitor: str | None, *, seconds: float = 0.0, kind: StorefrontKind = StorefrontKind.PAGE_VIEWED
) -> StorefrontEvent:
    at = NOON + timedelta(seconds=seconds)
    consent = Consent.PERSONAL if visitor else Consent.ANALYTICS
    return StorefrontEvent(f"event-{next(_numbers):08d}", kind, at, at, at, consent, visitor)


def told(shop: Shop) -> list[tuple[str | None, str | None]]:
    with scope(shop), looking():
        return list(StorefrontEventRecord.objects.order_by("at").values_list("visitor", "excluded"))


# Pure


@given(st.lists(st.floats(0, 300), max_size=200))
def test_too_fast_is_what_counting_each_minute_says(seconds: list[float]) -> None:
    times = [NOON + timedelta(seconds=each) for each in seconds]
    minutes = [sum(start <= each < start + timedelta(seconds=60) for each in times) for start in times]
    assert too_fast(times) == any(found > MOST_VIEWS for found in minutes)


def test_a_view_a_second_is_still_a_person() -> None:
    assert not too_fast([NOON + timedelta(seconds=each) for each in range(600)])
    assert too_fast([NOON + timedelta(seconds=each * 0.98) for each in range(62)])
    assert not too_fast([NOON] * 60)
    assert too_fast([NOON] * 61)


def test_a_visit_ends_with_half_an_hour_of_silence() -> None:
    minute = timedelta(minutes=1)
    moments = [
        NOON - 100 * minute,
        NOON - 40 * minute,
        NOON - 11 * minute,
        NOON,
        NOON + 29 * minute,
        NOON + 59 * minute,
    ]
    assert visit_around(moments, NOON) == (NOON - 40 * minute, NOON + 29 * minute)
    assert visit_around([], NOON) == (NOON, NOON)


# In Postgres


@pytest.mark.django_db
def test_the_rate_rule_reaches_back_over_the_visit_and_forward(shop: Shop, other_shop: Shop) -> None:
    early = viewed(CRAWLER, seconds=-2 * SILENCE.total_seconds())
    slow = [viewed(CRAWLER, seconds=each * 10) for each in range(6)]
    people = [viewed(PERSON, seconds=each) for each in range(60)]
    store.record_visits(shop, [early, *slow, *people, viewed(None)])
    store.record_visits(other_shop, [viewed(CRAWLER)])
    store.record_exposures(
        [
            exposure(shop.pk, [1], visitor=CRAWLER, at=NOON),
            exposure(shop.pk, [2], exposure_id="shown-to-a-person-1", visitor=PERSON),
        ]
    )
    assert {reason for _, reason in told(shop)} == {None}
    store.record_visits(shop, [viewed(CRAWLER, seconds=100 + each * 0.5) for each in range(61)])
    flagged = [reason for visitor, reason in told(shop) if visitor == CRAWLER]
    assert flagged == [None] + [Exclusion.RATE] * (len(slow) + 61), "an earlier visit counts"
    assert {reason for visitor, reason in told(shop) if visitor != CRAWLER} == {None}
    assert told(other_shop) == [(CRAWLER, None)]
    with scope(shop), looking():
        assert dict(Exposure.objects.values_list("visitor", "excluded")) == {CRAWLER: "rate", PERSON: None}
    # Slow again, but the visit has not ended.
    store.record_visits(shop, [viewed(CRAWLER, seconds=600)])
    assert told(shop)[-1] == (CRAWLER, "rate")
    # The next day it may be a person.
    store.record_visits(shop, [viewed(CRAWLER, seconds=86_400)])
    assert told(shop)[-1] == (CRAWLER, None)


@pytest.mark.django_db
def test_a_fast_asker_without_a_pixel_is_excluded_too(shop: Shop) -> None:
    asked = [
        exposure(
            shop.pk,
            [1],
            exposure_id=f"asked-for-products-{each}",
            visitor=CRAWLER,
            at=NOON + timedelta(seconds=each / 2),
        )
        for each in range(70)
    ]
    store.record_exposures(asked[:50])
    store.record_exposures(asked[50:])
    with scope(shop):
        assert set(Exposure.objects.values_list("excluded", flat=True)) == {"rate"}
    summary = store.traffic(shop, since=date(2026, 11, 20), until=date(2026, 11, 20))
    assert (summary.total.exposures, sum(summary.total.requests.values())) == (0, 0)


@pytest.mark.django_db
def test_a_mark_taken_off_counts_from_then_on(shop: Shop) -> None:
    assert store.exclude(shop, PERSON, Exclusion.TEST, now=NOON)
    assert not store.exclude(shop, PERSON, Exclusion.TEST, now=NOON)
    store.record_visits(shop, [viewed(PERSON)])
    assert store.include(shop, PERSON, Exclusion.TEST)
    assert not store.include(shop, PERSON, Exclusion.TEST)
    store.record_visits(shop, [viewed(PERSON, seconds=5)])
    assert told(shop) == [(PERSON, "test"), (PERSON, None)]


@pytest.mark.django_db
def test_forgetting_a_visitor_leaves_what_happened_and_no_link(shop: Shop) -> None:
    store.record_visits(shop, [viewed(PERSON), viewed(CRAWLER)])
    store.record_exposures([exposure(shop.pk, [1], visitor=PERSON)])
    store.exclude(shop, PERSON, Exclusion.STAFF, now=NOON)
    assert erase.forget_visitor(shop, PERSON, now=NOON) == 3
    assert erase.forget_visitor(shop, PERSON, now=NOON) == 0
    assert {visitor for visitor, _ in told(shop)} == {None, CRAWLER}
    store.record_visits(shop, [viewed(PERSON, seconds=60)])
    assert told(shop)[-1] == (None, None), "what comes late is nobody's too"


@pytest.mark.django_db
def test_a_customer_is_erased_from_the_browser_that_the_pixel_saw_them_buy_in(shop: Shop) -> None:
    ended = replace(viewed(PERSON, seconds=9, kind=StorefrontKind.CHECKOUT_COMPLETED), order_id=5001)
    store.append(
        shop, [order(5001, [line(1, 7)], ordered_at=NOON, customer_id=901)], source=Source.WEBHOOK, now=NOON
    )
    store.record_visits(shop, [viewed(PERSON), ended, viewed(CRAWLER, seconds=10)])
    erased, person = erase.erase_customer(shop, 901, now=NOON)
    assert person.visitors == (PERSON,)
    assert told(shop) == [(None, None), (None, None), (CRAWLER, None)]
    with scope(shop):
        assert not StorefrontEventRecord.objects.exclude(order_id=None).exists()
    assert erased.exposures == 2
