"""Data quality over HTTP: what passes, what is held and why, a bound changed, a halt released."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from mlops.features import store
from mlops.features.events import Source
from mlops.training import run as training
from mlops.validation import gate
from mlops.validation.models import HeldRow
from tenancy import incidents
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import Member, hire
from tests.looks import looking
from tests.mlops.builders import line, order
from tests.mlops.shops import sell, stock, train

pytestmark = pytest.mark.django_db(transaction=True)
REASON = {"reason": "looked at it"}


@pytest.fixture
def bob(shop: Shop) -> Member:
    return hire(shop, 1002, Role.OPERATOR)


def admit(shop: Shop, *, good: int, bad: int, start: int = 1) -> gate.Admitted:
    now = timezone.now()
    rows = [
        order(
            each,
            [line(each * 10, 1, -3 if each < start + bad else 1, current_quantity=1)],
            ordered_at=now,
            total=Decimal(9),
        )
        for each in range(start, start + good + bad)
    ]
    return gate.admit(shop, rows, source=Source.WEBHOOK, now=now, origins={0: "webhook-1"})


def state(body: dict[str, Any], resource: str) -> dict[str, Any]:
    return next(dict(each) for each in body["suites"] if each["resource"] == resource)


def test_the_page_tells_the_pass_ratio_and_the_held_rows(bob: Member, shop: Shop) -> None:
    admit(shop, good=9, bad=1)
    body = bob.ask("validation?days=7").body
    orders = state(body, "orders")
    assert (orders["checked"], orders["quarantined"], orders["ratio"], orders["held"]) == (10, 1, 0.9, 1)
    assert [each["ratio"] for each in orders["days"]] == [0.9]
    assert state(body, "products")["ratio"] is None
    assert body["halts"] == []
    (row,) = bob.ask("validation/quarantine?resource=orders").body["rows"]
    assert row["reason"] == "quantity of line 1 is -3; allowed: 0 to 2,147,483,647"
    assert (row["subject_id"], row["delivery"], row["came_by"], row["replayable"]) == (
        1,
        "webhook-1",
        "webhook",
        True,
    )
    assert row["content"]["lines"][0]["quantity"] == -3


def test_a_bound_is_changed_with_a_diff_and_the_held_row_replayed(bob: Member, shop: Shop) -> None:
    admit(shop, good=3, bad=1)
    wanted = {"expectation": "lines.quantity:range", "bounds": {"min": -10}, "base": 1, **REASON}
    changed = bob.send("POST", "validation/suites/orders", wanted)
    assert (changed.status, changed.body["version"]["number"], changed.body["compared_with"]) == (200, 2, 1)
    (difference,) = changed.body["changes"]
    assert difference["name"] == "lines.quantity:range"
    assert (difference["before"]["bounds"]["min"], difference["after"]["bounds"]["min"]) == (0, -10)
    assert bob.send("POST", "validation/suites/orders", wanted).code == "suite_moved"
    (row,) = bob.ask("validation/quarantine").body["rows"]
    wanted_ids = {"ids": [int(row["id"])], **REASON}
    done = bob.send("POST", "validation/quarantine/replay", wanted_ids)
    assert done.body == {"arrived": 1, "held": 0, "unreadable": 0, "left": 0}
    assert (
        bob.send("POST", "validation/quarantine/replay", {"resource": "orders", **REASON}).code
        == "rows_not_found"
    )
    assert store.counts(shop).orders == 4
    first = bob.ask("validation/suites/orders?number=1").body
    assert (first["version"]["number"], first["newest"], first["changes"]) == (1, 2, [])
    back = bob.ask("validation/suites/orders?number=1&compare_with=2").body["changes"]
    assert (back[0]["before"], back[0]["after"]) == (difference["after"], difference["before"])


def test_a_halt_refuses_training_and_is_released_on_the_record(bob: Member, shop: Shop) -> None:
    assert admit(shop, good=3, bad=9).halted
    refused = bob.send("POST", "training", REASON)
    assert (refused.status, refused.code) == (409, "training_halted")
    assert "held back together" in refused.body["error"]["message"]
    (halt,) = bob.ask("validation").body["halts"]
    assert (halt["resource"], halt["held"], halt["clean_needed"]) == ("orders", 12, 12)
    done = bob.send("POST", "validation/halts/orders/release", {"accepted": True, **REASON})
    assert done.body == {"arrived": 3, "held": 9, "unreadable": 0, "left": 0}
    assert (
        bob.send("POST", "validation/halts/orders/release", {"accepted": True, **REASON}).code
        == "halt_not_found"
    )
    assert incidents.halted(shop) is None
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.get(action="validation.halt_ended")
    assert (entry.actor, entry.reason) == ("staff:1002", "looked at it")
    assert bob.send("POST", "training", REASON).status == 202


def test_a_training_that_was_due_follows_the_release(bob: Member, shop: Shop) -> None:
    from shopify_app.sync.signals import history_imported

    assert admit(shop, good=3, bad=9).halted
    history_imported.send(sender=None, shop=shop, now=timezone.now())
    with scope(shop):
        assert training.open_run(shop) is None
        assert AuditEntry.objects.filter(action="training.refused").count() == 1
    bob.send("POST", "validation/halts/orders/release", {"accepted": False, **REASON})
    with scope(shop):
        run = training.open_run(shop)
        assert run is not None
        assert run.reason == "history imported; the data is released"


def test_dismissed_rows_leave_the_list_and_stay_on_record(bob: Member, shop: Shop) -> None:
    admit(shop, good=9, bad=2)
    ids = [int(each["id"]) for each in bob.ask("validation/quarantine").body["rows"]]
    assert bob.send("POST", "validation/quarantine/dismiss", {"ids": ids, **REASON}).body == {"dismissed": 2}
    assert bob.ask("validation/quarantine").body == {"rows": [], "total": 0, "next_before": None}
    gone = bob.ask("validation/quarantine?state=dismissed&limit=1").body
    assert (gone["total"], gone["rows"][0]["decided_by"]) == (2, "staff:1002")
    assert gone["next_before"] == ids[0]


def test_the_version_page_names_the_suites_of_its_run(bob: Member, shop: Shop, now: datetime) -> None:
    stock(shop)
    sell(shop, orders=300)
    admit(shop, good=19, bad=1, start=5_000)
    with scope(shop):
        version = train(shop).version
    assert version is not None
    told = bob.ask(f"versions/{version.pk}").body["validation"]
    orders = next(each for each in told if each["suite"] == "orders")
    assert (orders["version"], orders["checked"], orders["pass_ratio"]) == (1, 20, 0.95)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["x"], **REASON},
        {"ids": [1]},
        {"ids": [2**70], **REASON},
        {"resource": "people", **REASON},
        {"ids": list(range(1, 300)), **REASON},
        [],
        None,
    ],
)
def test_odd_wishes_change_nothing(bob: Member, shop: Shop, body: Any) -> None:
    admit(shop, good=9, bad=1)
    for path in ("replay", "dismiss"):
        assert bob.send("POST", f"validation/quarantine/{path}", body).status == 400
    with scope(shop), looking():
        assert HeldRow.objects.get().state == "held"
