"""The client's view of Shopify's leaky bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shopify_app.graphql.throttle import Bucket, Priority, kept_back, spent, unknown, wait_s

FULL = Bucket(maximum=2000, available=2000, restore_rate=100, at=1000.0)
EMPTY = Bucket(maximum=2000, available=0, restore_rate=100, at=1000.0)


def wait(bucket: Bucket, cost: float, priority: Priority, now: float = 1000.0) -> float:
    return wait_s(bucket, cost, priority, headroom_percent=50, now=now)


def test_a_full_bucket_makes_nobody_wait() -> None:
    assert [wait(FULL, 500, each) for each in Priority] == [0, 0, 0]


def test_a_backfill_leaves_half_of_the_bucket_and_waits_for_it() -> None:
    half = Bucket(2000, 1000, 100, 1000.0)
    assert wait(half, 10, Priority.BACKFILL) == 0.1
    assert wait(half, 10, Priority.FOLLOW_UP) == 0
    assert wait(half, 1000, Priority.SERVING) == 0


def test_the_bucket_fills_with_time_and_never_over_its_brim() -> None:
    assert EMPTY.level(1010.0) == 1000
    assert EMPTY.level(9999.0) == 2000
    assert EMPTY.level(900.0) == 0, "a clock that went back restores nothing"


def test_a_call_too_dear_for_its_share_waits_for_a_full_bucket_not_for_ever() -> None:
    assert wait(EMPTY, 1500, Priority.BACKFILL) == 20
    assert wait(FULL, 1500, Priority.BACKFILL) == 0


@given(
    available=st.floats(0, 2000),
    cost=st.floats(0, 1000),
    priority=st.sampled_from(list(Priority)),
    percent=st.integers(0, 95),
)
def test_after_the_wait_the_call_may_start_and_the_headroom_is_there(
    available: float, cost: float, priority: Priority, percent: int
) -> None:
    bucket = Bucket(2000, available, 100, 0.0)
    seconds = wait_s(bucket, cost, priority, headroom_percent=percent, now=0.0)
    later = spent(bucket, cost, seconds)
    wanted_left = min(kept_back(bucket, priority, percent), bucket.maximum - cost)
    assert later.available >= wanted_left - 1e-6
    assert wait_s(bucket, cost, priority, headroom_percent=percent, now=seconds + 1e-6) < 1e-6


def test_the_first_guess_is_the_smallest_bucket_ever_seen() -> None:
    assert unknown(5.0) == Bucket(1000.0, 1000.0, 50.0, 5.0)
