"""Suites: profiled on the shop's own data, versioned, changed by hand, and named by each training run."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from mlops.features import store
from mlops.features.events import Event, Source
from mlops.training.models import TrainingRun
from mlops.validation import daily, gate, profile, suites
from mlops.validation.expectations import Check, Severity
from mlops.validation.models import SuiteVersion
from tenancy.errors import NotFound, Refused
from tenancy.models import AuditEntry, Incident, Shop
from tenancy.scope import scope, unscoped
from tests.mlops.builders import NOON, line, order, product
from tests.mlops.shops import sell, stock, train


def change(
    shop: Shop, name: str, *, base: int = 1, severity: str | None = None, **bounds: Any
) -> SuiteVersion:
    return suites.change(
        shop, "orders", name, severity=severity, bounds=bounds, base=base, actor="staff:7", reason="we know better", now=NOON
    )  # fmt: skip


@pytest.fixture
def begun(shop: Shop) -> Shop:
    with scope(shop):
        suites.current(shop, now=NOON)
    return shop


def test_changing_one_bound_makes_a_version_that_the_next_run_names(shop: Shop) -> None:
    stock(shop)
    sell(shop, orders=300)
    with scope(shop):
        gate.admit(shop, [order(1, [line(10, 1, -1)])], source=Source.WEBHOOK, now=NOON)
        first = train(shop)
        saved = change(shop, "lines.quantity:range", max=500)
        (difference,) = suites.differences(shop, "orders", 1, 2)
        second = train(shop)
    assert saved.number == 2
    assert difference.name == "lines.quantity:range"
    assert difference.before is not None
    assert difference.after is not None
    assert (difference.before["bounds"]["max"], difference.after["bounds"]["max"]) == (2**31 - 1, 500)
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.get(action="validation.suite_changed")
    assert (entry.actor, entry.data["from"], entry.data["to"]) == ("staff:7", 1, 2)

    def orders_of(run: TrainingRun) -> dict[str, object]:
        return next(dict(each) for each in run.validation if each["suite"] == "orders")

    assert orders_of(first)["version"] == 1
    assert orders_of(first)["pass_ratio"] == 0.0
    assert orders_of(second)["version"] == 2
    assert orders_of(second)["digest"] == saved.digest


def test_versions_are_never_overwritten_and_the_same_content_is_no_new_one(begun: Shop) -> None:
    with scope(begun):
        change(begun, "lines.quantity:range", max=500)
        assert change(begun, "lines.quantity:range", base=2, max=500).number == 2
        back = change(begun, "lines.quantity:range", base=2, max=2**31 - 1)
        assert back.number == 3
        assert [each.number for each in suites.versions(begun, "orders")] == [3, 2, 1]
        kept = suites.suite(suites.version(begun, "orders", 1)).find("lines.quantity:range")
        assert kept is not None
        assert not kept.by_hand


def test_a_change_of_what_somebody_else_changed_is_refused(begun: Shop) -> None:
    with scope(begun):
        change(begun, "lines.quantity:range", max=500)
        with pytest.raises(suites.SuiteMoved):
            change(begun, "lines.quantity:range", max=600)
        with pytest.raises(NotFound):
            change(begun, "lines.colour:range", base=2, max=600)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("lines.quantity:range", {"min": 5, "max": 1}),
        ("lines.quantity:range", {"max": "many"}),
        ("lines.quantity:range", {"max": float("nan")}),
        ("lines.quantity:range", {"max": True}),
        ("lines.quantity:range", {"times": 2}),
        ("currency:set", {"values": []}),
        ("currency:set", {"values": "GBP"}),
        ("currency:set", {"values": [1]}),
        ("pass_share", {"min": 80}),
        ("row_band", {"weekdays": {"0": [1, 2]}}),
        ("lines.unit_price:near_known", {"times": 0}),
        ("lines.unit_price:near_known", {"times": 10**400}),
        ("currency:set", {"values": ["a\x00"]}),
        ("currency:set", {"values": ["\ud800"]}),
        ("order_id:range", {"max": 5}),
        ("total:range", {"max": None}),
        ("total:range", {"max": 1e15}),
    ],
)
def test_bounds_that_cannot_be_are_refused(begun: Shop, name: str, bounds: dict[str, Any]) -> None:
    with scope(begun), pytest.raises(Refused):
        change(begun, name, **bounds)
    with scope(begun):
        assert [each.number for each in suites.versions(begun, "orders")] == [1]


def test_an_edited_bound_and_severity_judge_the_next_row(begun: Shop) -> None:
    with scope(begun):
        change(begun, "lines.quantity:range", severity="warn", min=0, max=10)
        came = gate.admit(begun, [order(1, [line(10, 1, 11)])], source=Source.WEBHOOK, now=NOON)
        assert (came.held, came.warned) == (0, 1)
        change(begun, "lines.quantity:range", base=2, severity="halt", max=10)
        came = gate.admit(begun, [order(2, [line(20, 1, 11)])], source=Source.WEBHOOK, now=NOON)
        assert came.halted


def history(shop: Shop, *, days: int, per_day: int = 4) -> None:
    events: list[Event] = [product(each) for each in range(1, 121)]
    number = 0
    for ago in range(1, days + 1):
        for _ in range(per_day * (2 if (NOON - timedelta(days=ago)).weekday() == 5 else 1)):
            number += 1
            at = NOON - timedelta(days=ago)
            events.append(order(number, [line(number * 10, number % 30 + 1, 1 + number % 3)], ordered_at=at))
    store.append(shop, events, source=Source.BACKFILL, now=NOON)


def test_thirty_days_of_data_are_profiled_once(shop: Shop) -> None:
    history(shop, days=29)
    with scope(shop):
        assert not profile.due(shop, now=NOON)
        assert profile.due(shop, now=NOON + timedelta(days=1))
        made = profile.profile(shop, now=NOON, reason="30 days of data")
        assert [(each.resource, each.number, each.author) for each in made] == [
            ("orders", 2, "system:profile"),
            ("products", 2, "system:profile"),
        ]
        assert not profile.due(shop, now=NOON + timedelta(days=1))
        assert profile.profile(shop, now=NOON, reason="again") == [], "the same data says nothing new"
        suite = suites.current(shop, now=NOON)["orders"]
    quantity = suite.find("lines.quantity:usual")
    assert quantity is not None
    assert (quantity.severity, quantity.bounds["max"]) == (Severity.WARN, 6)
    band = suite.of(Check.ROW_BAND)
    assert band is not None
    assert band.bounds["weekdays"]["5"][0] == 8.0
    assert band.bounds["weekdays"]["0"][0] == 4.0


def test_a_history_that_ended_years_ago_is_profiled_to_its_end(shop: Shop) -> None:
    history(shop, days=60)
    with scope(shop):
        made = profile.profile(shop, now=NOON + timedelta(days=4_000), reason="history imported")
    assert [each.resource for each in made] == ["orders", "products"]


def test_a_profile_warns_and_never_holds(shop: Shop) -> None:
    history(shop, days=40)
    with scope(shop):
        profile.profile(shop, now=NOON, reason="30 days of data")
    wholesale = order(9_000, [line(1, 1, 10_000, unit_price=Decimal("12.50"))])
    came = gate.admit(shop, [wholesale], source=Source.WEBHOOK, now=NOON)
    assert (came.appended.new, came.warned, came.held) == (1, 1, 0)


def test_a_profile_leaves_alone_what_a_person_set(shop: Shop) -> None:
    history(shop, days=40)
    with scope(shop):
        profile.profile(shop, now=NOON, reason="30 days of data")
        change(shop, "lines.quantity:usual", base=2, max=99)
        history(shop, days=41, per_day=9)
        profile.profile(shop, now=NOON, reason="again")
        found = suites.current(shop, now=NOON)["orders"].find("lines.quantity:usual")
        assert found is not None
        assert (found.bounds["max"], found.by_hand) == (99, True)


def test_recent_orders_without_products_stop_a_profiled_shop_and_old_ones_do_not(shop: Shop) -> None:
    history(shop, days=60)
    with scope(shop):
        profile.profile(shop, now=NOON, reason="30 days of data")
    old = [
        order(each, [line(each, None)], ordered_at=NOON - timedelta(days=200)) for each in range(7000, 7040)
    ]
    assert not gate.admit(shop, old, source=Source.WEBHOOK, now=NOON).halted
    new = [order(each, [line(each, None)]) for each in range(8000, 8040)]
    came = gate.admit(shop, new, source=Source.WEBHOOK, now=NOON)
    assert came.halted
    assert came.reasons == ("40 of 40 lines of recent orders name no product; allowed: at most 50% without",)


def test_a_day_far_from_its_weekdays_opens_an_incident_once(shop: Shop) -> None:
    history(shop, days=60, per_day=40)
    with scope(shop):
        profile.profile(shop, now=NOON, reason="30 days of data")
    assert daily.check(shop, now=NOON)
    with unscoped(why="the test looks at every shop"):
        assert not Incident.objects.exists(), "yesterday was usual"
    assert not daily.check(shop, now=NOON), "looked at already"
    assert daily.check(shop, now=NOON + timedelta(days=1)), "no order at all"
    with unscoped(why="the test looks at every shop"):
        incident = Incident.objects.get()
    assert (incident.kind, incident.severity, incident.halts_training) == (
        "validation_rows",
        "warning",
        False,
    )
    assert incident.told == (
        "Yesterday brought 0 orders; on this weekday 15 to 65 are usual. All of them arrived."
    )


def test_a_weekday_band_is_median_and_four_deviations() -> None:
    days = [(0, rows) for rows in (100, 110, 90, 104, 96, 300)]
    middle, width = profile.band(days)["0"]
    assert middle == 102.0
    assert width == pytest.approx(4 * max(8.0, 102**0.5), abs=0.01)
    assert profile.band([(1, 5)] * 3) == {}, "three days are too few"
