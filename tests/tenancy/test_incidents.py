"""Incidents: one open of each kind and subject, closed once, and those that stop training."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection

from tenancy.incidents import close_incident, halted, note_incident, open_incident
from tenancy.models import Incident, Severity, Shop
from tenancy.scope import scope

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_second_report_updates_the_open_one_and_a_closed_one_stays_closed(
    shop: Shop, now: datetime
) -> None:
    later = now + timedelta(hours=1)
    first = open_incident(
        shop, kind="feed", subject="orders", told="Late.", severity=Severity.WARNING, now=now, data={"n": 1}
    )
    again = open_incident(
        shop, kind="feed", subject="orders", told="Later.", severity=Severity.CRITICAL, now=later
    )
    assert (again.pk, again.opened_at, again.updated_at) == (first.pk, now, later)
    assert (again.told, again.severity, again.data) == ("Later.", Severity.CRITICAL, {})
    assert close_incident(shop, kind="feed", subject="orders", now=later, told="Well again.")
    assert not close_incident(shop, kind="feed", subject="orders", now=later)
    anew = open_incident(
        shop, kind="feed", subject="orders", told="Late.", severity=Severity.WARNING, now=later
    )
    assert anew.pk != first.pk
    with scope(shop):
        first.refresh_from_db()
    assert (first.closed_at, first.told) == (later, "Well again.")


def test_what_was_repaired_at_once_is_closed_from_the_start(shop: Shop, now: datetime) -> None:
    for _ in range(2):
        noted = note_incident(shop, kind="feed", told="Two were lost.", severity=Severity.WARNING, now=now)
        assert noted.closed_at == now
    with scope(shop):
        assert shop.incidents.count() == 2


def test_only_a_halting_incident_of_this_shop_stops_its_training(
    shop: Shop, other_shop: Shop, now: datetime
) -> None:
    open_incident(shop, kind="feed", told="Late.", severity=Severity.WARNING, now=now)
    open_incident(
        other_shop, kind="validation", told="Bad.", severity=Severity.CRITICAL, now=now, halts_training=True
    )
    assert halted(shop) is None
    stopper = open_incident(
        shop, kind="validation", told="Bad.", severity=Severity.CRITICAL, now=now, halts_training=True
    )
    assert halted(shop) == stopper
    close_incident(shop, kind="validation", now=now)
    assert halted(shop) is None


def test_two_processes_that_open_it_at_once_make_one(shop: Shop, now: datetime) -> None:
    def report() -> None:
        try:
            open_incident(shop, kind="feed", told="Late.", severity=Severity.WARNING, now=now)
        finally:
            connection.close()

    threads = [threading.Thread(target=report) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with scope(shop):
        assert Incident.objects.filter(shop=shop, closed_at__isnull=True).count() == 1
