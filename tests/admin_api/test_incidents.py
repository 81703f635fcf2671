"""GET /api/incidents: open ones first, older closed ones by pages, another shop's never."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tenancy.incidents import note_incident, open_incident
from tenancy.models import Role, Severity, Shop
from tests.admin_api.members import hire

pytestmark = pytest.mark.django_db(transaction=True)


def test_open_first_then_pages_of_closed_ones(shop: Shop, other_shop: Shop, now: datetime) -> None:
    reader = hire(shop, 1003, Role.VIEWER)
    open_incident(shop, kind="old_but_open", told="Still so.", severity=Severity.CRITICAL, now=now)
    for hour in range(3):
        note_incident(
            shop,
            kind=f"repaired_{hour}",
            told="Lost, and repaired.",
            severity=Severity.WARNING,
            now=now + timedelta(hours=hour),
        )
    open_incident(other_shop, kind="theirs", told="Not ours.", severity=Severity.CRITICAL, now=now)
    first = reader.ask("incidents?limit=2").body
    assert [each["kind"] for each in first["incidents"]] == ["old_but_open", "repaired_2", "repaired_1"]
    assert first["open"] == 1
    second = reader.ask(f"incidents?limit=2&before={first['next_before']}").body
    assert [each["kind"] for each in second["incidents"]] == ["repaired_0"]
    assert second["next_before"] is None
