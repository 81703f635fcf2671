"""What differs, how it is searched for by count, and when it is worth an incident. No database."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from shopify_app.sync.differences import (
    DAYS_ONE_BY_ONE,
    PAGING_LIMIT,
    Findings,
    Period,
    Place,
    State,
    Verdict,
    judge,
    onward,
    periods,
)

T = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = T + timedelta(seconds=1)
TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (None, Verdict.MISSING),
        (State(T, T, ("a", 1)), Verdict.AGREES),
        (State(T, T, ("a", None)), Verdict.AGREES),
        (State(T, T, ("b", 1)), Verdict.WRONG),
        (State(T - timedelta(days=1), T, ("a", 1)), Verdict.BEHIND),
        (State(T - timedelta(days=1), T, ("a", 2)), Verdict.WRONG),
        (State(LATER, T, ("b", 2)), Verdict.AGREES),
        (State(LATER, T, (None, None), deleted=True), Verdict.AGREES),
        (State(T - timedelta(days=1), T, (None, None), deleted=True), Verdict.MISSING),
    ],
)
def test_what_is_said_of_our_side(ours: State | None, verdict: Verdict) -> None:
    assert judge(State(T, T, ("a", 1)), ours) is verdict


@pytest.mark.parametrize("oldest", [None, TODAY - timedelta(days=59), TODAY])
def test_the_periods_hold_each_day_once(oldest: date | None) -> None:
    touched = {TODAY - timedelta(days=45), TODAY - timedelta(days=3000), date(2000, 1, 1)}
    found = sorted(periods(TODAY, oldest=oldest, touched=touched))
    assert found[-1] == Period(TODAY, TODAY)
    assert found[0].first == (oldest or date(2004, 1, 1))
    for before, after in pairwise(found):
        assert after.first == before.last + timedelta(days=1)
    wanted = touched | {TODAY - timedelta(days=each) for each in range(DAYS_ONE_BY_ONE)}
    singles = {each.first for each in found if each.single}
    assert {each for each in wanted if each >= found[0].first} <= singles
    assert len(found) < 70, "a shop in agreement costs a few dozen points"


def test_halving_ends_at_single_days() -> None:
    waiting, days = [Period(date(2026, 1, 1), date(2026, 3, 31))], []
    while waiting:
        each = waiting.pop()
        if each.single:
            days.append(each.first)
        else:
            waiting += each.halves()
    assert sorted(days) == [date(2026, 1, 1) + timedelta(days=each) for each in range(90)]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 1), 24)]
)
def test_a_day_is_as_long_as_the_shops_zone_has_it(day: date, hours: int) -> None:
    begin, end = Period(day, day).bounds(ZoneInfo("Europe/London"))
    assert end - begin == timedelta(hours=hours)


def test_one_in_two_hundred_is_no_incident_and_more_is() -> None:
    day = TODAY.isoformat()
    assert not Findings(missing={day: 1}, theirs={day: 200}).is_incident
    assert Findings(missing={day: 1}, theirs={day: 199}).is_incident
    assert Findings(gone={day: 3}, theirs={day: 0}).gaps() == {day: 1.0}
    assert Findings(left={day: -1}).is_incident
    assert not Findings(behind=50, in_time=9).is_incident


def test_findings_survive_their_row() -> None:
    findings = Findings(compared=7, wrong={"2026-11-20": 2})
    findings.note(Verdict.MISSING, TODAY, late=True)
    findings.note(Verdict.MISSING, TODAY, late=False)
    findings.note_gone(TODAY)
    again = Findings.read(findings.plain())
    assert again == findings
    assert (again.repaired, again.in_time) == (4, 1)
    assert again.told("orders") == (
        "Orders differed from Shopify: 1 missing, 2 not up to date, 1 deleted in Shopify, on 1 day."
        " All of it was repaired."
    )


class ShopifysPages:
    """Pages of objects sorted by a key, which end after 25,000 objects of one search, as Shopify's do."""

    def __init__(self, keys: list[int], size: int) -> None:
        self.keys, self.size, self.seen = sorted(keys), size, 0

    def page(self, place: Place[int]) -> tuple[list[int], str | None]:
        start = bisect_left(self.keys, place.begin) + int(place.after or 0)
        passed = int(place.after or 0) + self.size
        assert passed <= PAGING_LIMIT, "Shopify refuses"
        part = self.keys[start : start + self.size]
        return part, str(passed) if start + self.size < len(self.keys) else None


def walked(keys: list[int], size: int) -> tuple[set[int], int]:
    """Every key that a walk sees, and how often it may have passed something over."""
    pages, seen, passed_over = ShopifysPages(keys, size), set[int](), 0
    place: Place[int] | None = Place(0)
    while place is not None:
        part, after = pages.page(place)
        seen |= set(part)
        largest = max(part, default=None)
        place, doubt = onward(
            place, listed=len(part), largest=largest, size=size, after=after, step=place.begin + 1
        )
        passed_over += doubt
    return seen, passed_over


@pytest.mark.parametrize("size", [5, 100, 125, 250, 60])
@pytest.mark.parametrize("count", [0, 1, 24_999, 25_000, 25_001, 80_123])
def test_a_walk_goes_beyond_the_end_of_shopifys_pages(count: int, size: int) -> None:
    keys = [each // 3 for each in range(count)]  # three objects in each second
    assert walked(keys, size) == (set(keys), 0)


def test_more_than_a_whole_search_in_one_second_is_stepped_over_and_said() -> None:
    keys = [7] * 30_000 + [8, 9]
    assert walked(keys, 250) == ({7, 8, 9}, 1)
