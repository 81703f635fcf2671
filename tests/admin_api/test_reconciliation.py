"""Comparing with Shopify by hand: begun once, on the record, and readable by everybody of the shop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from shopify_app.sync.models import ImportJob, JobState, Resource, Sweep, SweepState
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import Member, hire

pytestmark = pytest.mark.django_db(transaction=True)
WISH = {"reason": "The counts look odd"}


@pytest.fixture
def bob(shop: Shop) -> Member:
    return hire(shop, 1002, Role.OPERATOR)


@pytest.fixture
def imported(shop: Shop) -> None:
    now = timezone.now()
    with scope(shop):
        for resource in (Resource.ORDERS, Resource.PRODUCTS):
            ImportJob.objects.create(
                shop=shop, resource=resource, state=JobState.DONE, started_at=now, next_step_at=now, finished_at=now
            )  # fmt: skip


def of(answer: dict[str, object], resource: str) -> dict[str, object]:
    rows = answer["resources"]
    assert isinstance(rows, list)
    (found,) = [each for each in rows if each["resource"] == resource]
    return dict(found)


def test_before_the_history_is_in_there_is_nothing_to_compare(bob: Member) -> None:
    assert of(bob.ask("reconcile").body, "orders")["state"] == "no_history"
    answer = bob.send("POST", "reconcile", WISH)
    assert (answer.status, answer.code) == (409, "nothing_to_compare")
    with unscoped(why="the test looks at every shop"):
        assert not AuditEntry.objects.exists()


@pytest.mark.usefixtures("imported")
def test_a_comparison_begins_once_and_is_on_the_record(bob: Member, shop: Shop) -> None:
    before = bob.ask("reconcile").body
    assert (before["state"], of(before, "orders")["state"]) == ("resting", "never")
    assert of(before, "orders")["next_at"], "the next one begins by itself"
    first = bob.send("POST", "reconcile", WISH)
    assert (first.status, first.body["state"]) == (202, "running")
    assert of(first.body, "orders")["step"] == "walking"
    assert of(first.body, "customers")["state"] == "no_history", "an import tells more than a sweep could"
    second = bob.send("POST", "reconcile", {"reason": "Impatient"})
    assert second.status == 202
    assert of(second.body, "orders")["began_at"] == of(first.body, "orders")["began_at"]
    with unscoped(why="the test looks at every shop"):
        entries = [(each.actor, each.action, each.reason) for each in AuditEntry.objects.all()]
    assert entries == [("staff:1002", "reconciliation.requested", "The counts look odd")]


@pytest.mark.usefixtures("imported")
def test_a_comparison_can_look_further_back(bob: Member, shop: Shop) -> None:
    since = timezone.now() - timedelta(days=30)
    assert bob.send("POST", "reconcile", {**WISH, "since": since.isoformat()}).status == 202
    with scope(shop):
        assert {each.watermark for each in Sweep.objects.all()} == {since}
    for wrong in (
        "tomorrow",
        (timezone.now() + timedelta(days=1)).isoformat(),
        7,
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ):
        answer = bob.send("POST", "reconcile", {**WISH, "since": wrong})
        assert (answer.status, answer.body["error"]["field"]) == (400, "since"), wrong


@pytest.mark.usefixtures("imported")
def test_the_last_result_is_told(bob: Member, shop: Shop) -> None:
    now = timezone.now()
    found = {
        "compared": 40,
        "missing": {"2026-11-01": 2},
        "gone": {"2026-11-02": 1},
        "behind": 3,
        "left": {"2026-11-03": 1},
    }
    with scope(shop):
        Sweep.objects.create(
            shop=shop, resource=Resource.ORDERS, watermark=now, began_at=now, finished_at=now, next_step_at=now, found=found
        )  # fmt: skip
        Sweep.objects.create(
            shop=shop, resource=Resource.PRODUCTS, watermark=now, began_at=now, finished_at=now, next_step_at=now,
            problem="Shopify denies a field.", state=SweepState.RESTING,
        )  # fmt: skip
    answer = bob.ask("reconcile").body
    orders = of(answer, "orders")
    assert {name: orders[name] for name in ("state", "compared", "missing", "wrong", "gone", "refreshed", "differing")} == {
        "state": "done", "compared": 40, "missing": 2, "wrong": 0, "gone": 1, "refreshed": 3, "differing": 1,
    }  # fmt: skip
    assert of(answer, "products")["problem"] == "Shopify denies a field."
    assert answer["state"] == "failed"
