"""Training and imports asked for by hand: begun once, on the record, never twice at a time."""

from __future__ import annotations

import pytest
from django.utils import timezone

from mlops.training.models import TrainingRun
from shopify_app.sync.models import ImportJob, JobState, Resource
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import Member, hire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(shop: Shop) -> Member:
    return hire(shop, 1002, Role.OPERATOR)


def jobs(shop: Shop, **states: JobState) -> None:
    with scope(shop):
        for resource in Resource:
            now = timezone.now()
            ImportJob.objects.create(
                shop=shop,
                resource=resource,
                state=states.get(resource.value, JobState.DONE),
                started_at=now,
                next_step_at=now,
            )


def test_a_training_begins_once(bob: Member, shop: Shop) -> None:
    first = bob.send("POST", "training", {"reason": "New lamps are in"})
    assert (first.status, first.body["state"], first.body["reason"]) == (202, "running", "New lamps are in")
    second = bob.send("POST", "training", {"reason": "Impatient"})
    assert (second.status, second.body["reason"]) == (202, "New lamps are in")
    with scope(shop):
        assert TrainingRun.objects.count() == 1
    with unscoped(why="the test looks at every shop"):
        entries = [(entry.actor, entry.action, entry.reason) for entry in AuditEntry.objects.all()]
    assert entries == [("staff:1002", "training.requested", "New lamps are in")]
    assert bob.ask("overview").body["training"]["step"] == "collecting orders"


def test_an_import_continues_where_it_stopped(bob: Member, shop: Shop) -> None:
    jobs(shop, orders=JobState.FAILED)
    answer = bob.send("POST", "import/restart", {"reason": "Shopify is back"})
    assert (answer.status, answer.body["state"]) == (202, "running")
    states = {each["resource"]: each["state"] for each in answer.body["resources"]}
    assert (states["orders"], states["products"]) == ("waiting", "done")
    with unscoped(why="the test looks at every shop"):
        assert [entry.action for entry in AuditEntry.objects.all()] == ["import.restarted"]


def test_a_whole_import_can_be_asked_for_again(bob: Member, shop: Shop) -> None:
    jobs(shop)
    answer = bob.send("POST", "import/restart", {"reason": "Check the counts"})
    assert {each["state"] for each in answer.body["resources"]} == {"waiting"}


def test_a_running_import_is_left_alone(bob: Member, shop: Shop) -> None:
    jobs(shop, orders=JobState.READING)
    answer = bob.send("POST", "import/restart", {"reason": "Impatient"})
    assert (answer.status, answer.code) == (409, "import_running")
    with unscoped(why="the test looks at every shop"):
        assert not AuditEntry.objects.exists()
    with scope(shop):
        assert ImportJob.objects.get(resource="orders").state == JobState.READING


def test_another_shops_work_is_not_seen(bob: Member, other_shop: Shop) -> None:
    jobs(other_shop, orders=JobState.FAILED)
    stranger = hire(other_shop, 7001, Role.OWNER)
    assert stranger.send("POST", "training", {"reason": "Our own lamps"}).status == 202
    assert bob.ask("overview").body["history_import"]["state"] == "not_started"
    assert bob.ask("overview").body["training"]["state"] == "never"
    assert bob.ask("audit").body["entries"] == []
