"""/api/markers: what changed, in the shop's days; notes are added and withdrawn by operators, on the record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mlops.features import markers
from mlops.features.events import MarkerKind
from tenancy.models import Role, Shop
from tests.admin_api.members import hire

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_note_is_shown_with_its_day_and_taken_away(shop: Shop) -> None:
    shop.timezone = "Pacific/Auckland"
    shop.save()
    operator, viewer = hire(shop, 1002, Role.OPERATOR), hire(shop, 1003, Role.VIEWER)
    at = (timezone.now() - timedelta(days=3)).replace(hour=13, minute=0, second=0, microsecond=0)
    made = operator.send("POST", "markers", {"text": "  new supplier ", "at": at.isoformat()})
    assert made.status == 201
    assert (made.body["detail"], made.body["by"]) == ("new supplier", "staff:1002")
    assert made.body["day"] == (at.date() + timedelta(days=1)).isoformat(), "it is the next day over there"
    markers.mark(shop, MarkerKind.PRICES_JUMPED, at=timezone.now(), now=timezone.now(), detail="9 of 9")
    listed = viewer.ask("markers?days=28").body["markers"]
    assert [each["kind"] for each in listed] == ["note", "prices_jumped"]
    assert viewer.ask("markers?days=1").body["markers"][0]["kind"] == "prices_jumped"
    after = operator.send("DELETE", f"markers/{listed[0]['id']}")
    assert [each["kind"] for each in after.body["markers"]] == ["prices_jumped"]
    assert operator.send("DELETE", f"markers/{listed[1]['id']}").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "ab"},
        {"text": "x" * 201},
        {"text": ["x"]},
        {"text": "in time to come", "at": "2999-01-01T00:00:00Z"},
        {"text": "before any shop", "at": "0001-01-01T00:00:00Z"},
        {"text": "not a time", "at": "yesterday"},
        {"text": "a\x00b c"},
    ],
)
def test_a_note_that_says_nothing_or_about_no_time_is_refused(shop: Shop, body: dict[str, object]) -> None:
    operator = hire(shop, 1002, Role.OPERATOR)
    answer = operator.send("POST", "markers", body)
    assert answer.status == 400, answer
    assert operator.ask("markers").body["markers"] == []
