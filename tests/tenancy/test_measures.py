"""Counters shared by processes, values read at the scrape, and a source that is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import Metric
from redis.exceptions import ConnectionError as RedisConnectionError

from tenancy import measures
from tenancy.redis import client, key

# Other rooms read Postgres at a scrape.
pytestmark = pytest.mark.django_db

CALLS = measures.counter("measures_test_calls_total", "calls of this test", ["phase"])


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    client().delete(key("counters"))
    yield
    client().delete(key("counters"))


def test_a_counter_adds_up_whoever_adds() -> None:
    CALLS.add(phase="serving")
    with client().pipeline(transaction=False) as way:
        CALLS.add(2, to=way, phase="serving")
        CALLS.add(phase='odd "name"\n', to=way)
        way.execute()
    told = measures.exposition().decode()
    assert 'shelfwise_measures_test_calls_total{phase="serving"} 3.0' in told
    assert 'shelfwise_measures_test_calls_total{phase="odd \\"name\\"\\n"} 1.0' in told


def test_a_counter_is_declared_once_and_alike() -> None:
    assert measures.counter("measures_test_calls_total", "calls of this test", ["phase"]) == CALLS
    with pytest.raises(ValueError):
        measures.counter("measures_test_calls_total", "something else", ["phase"])


def test_a_source_that_is_away_is_named_and_the_others_are_told() -> None:
    def away() -> list[Metric]:
        raise RedisConnectionError("refused")

    measures.register("measures_test_away", away)
    measures.register(
        "measures_test", lambda: [measures.gauge("measures_test_lag", "lag", {("a",): 7}, ["topic"])]
    )
    told = measures.exposition().decode()
    assert 'shelfwise_measures_test_lag{topic="a"} 7.0' in told
    assert 'shelfwise_scrape_failed{source="measures_test_away"} 1.0' in told
    assert 'shelfwise_scrape_failed{source="measures_test"} 0.0' in told
