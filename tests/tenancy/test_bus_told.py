"""What operators see of the bus: Prometheus and `manage.py replay_bus`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tenancy import measures
from tenancy.bus.interface import BusFull
from tenancy.bus.opened import open_bus
from tests.tenancy.bus_battery import numbered, taken

# Other rooms read Postgres at a scrape.
pytestmark = pytest.mark.django_db

AWAY = "unix:///nowhere/valkey.sock"


def replay_bus(*arguments: str) -> str:
    said = StringIO()
    call_command("replay_bus", *arguments, stdout=said, stderr=StringIO())
    return said.getvalue()


def two_dead() -> None:
    bus = open_bus()
    bus.publish("test-two", numbered(3, shop=7))
    for each in taken(bus, "test-two", "writers", 3)[:2]:
        bus.dead("test-two", "writers", each, "no such product")


def test_prometheus_is_told_how_far_each_group_is_behind() -> None:
    two_dead()
    with pytest.raises(BusFull):
        open_bus().publish("test-small", numbered(6))
    told = measures.exposition().decode().splitlines()
    for line in (
        'shelfwise_bus_lag_messages{group="writers",topic="test-two"} 1.0',
        'shelfwise_bus_pending{group="writers",topic="test-two"} 1.0',
        'shelfwise_bus_lag_messages{group="readers",topic="test-two"} 3.0',
        'shelfwise_bus_dead{group="writers",topic="test-two"} 2.0',
        'shelfwise_bus_messages_total{outcome="refused",topic="test-small"} 6.0',
        'shelfwise_bus_messages_total{outcome="lost",topic="exposures"} 0.0',
        'shelfwise_bus_oldest_seconds{group="postgres",topic="exposures"} 0.0',
        'shelfwise_scrape_failed{source="bus"} 0.0',
    ):
        assert line in {_sorted_labels(each) for each in told}


def _sorted_labels(line: str) -> str:
    name, brace, rest = line.partition("{")
    labels, _, value = rest.partition("}")
    return f"{name}{{{','.join(sorted(labels.split(',')))}}}{value}" if brace else line


def test_a_bus_that_is_away_does_not_break_the_scrape() -> None:
    with override_settings(REDIS_URL=AWAY):
        assert 'shelfwise_scrape_failed{source="bus"} 1.0' in measures.exposition().decode()


def test_dead_letters_are_listed_and_replayed() -> None:
    two_dead()
    assert "test-two → writers: 0 waiting, 1 in hand, 2 dead" in replay_bus()
    listed = replay_bus("test-two", "--list")
    assert listed.count("no such product") == 2
    assert "shop 7" in listed
    assert open_bus().lag("test-two", "writers").dead == 2
    assert "test-two → writers: 2 dead letters replayed" in replay_bus("test-two")
    assert "test-two → readers: 0 dead letters replayed" in replay_bus("test-two", "--group", "readers")
    assert open_bus().lag("test-two", "writers").dead == 0
    assert len(taken(open_bus(), "test-two", "writers", 2)) == 2


@pytest.mark.parametrize(
    "arguments, said",
    [(["nothing"], "no topic is called 'nothing'"), (["test-two", "--group", "x"], "no consumer group")],
)
def test_a_wrong_name_is_told_with_the_right_ones(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        replay_bus(*arguments)


def test_a_bus_that_is_away_is_told_plainly() -> None:
    with override_settings(REDIS_URL=AWAY), pytest.raises(CommandError, match="Nothing was lost"):
        replay_bus()
