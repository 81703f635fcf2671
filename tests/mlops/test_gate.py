"""The gate: what can be true arrives, what cannot is held with the reason, and a bad batch is held as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from mlops.features import store
from mlops.features.events import CustomerChanged, CustomerMerged, Event, OrderPlaced, Source, StockChanged
from mlops.training import run as training
from mlops.validation import decisions, erase, gate, tallies
from mlops.validation.gate import Admitted
from mlops.validation.models import DailyCount, Halt, HeldRow, HeldState, SuiteVersion
from tenancy import incidents, measures
from tenancy.models import AuditEntry, Incident, Severity, Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.mlops.builders import NOON, line, order, product, refund, variant


def admit(shop: Shop, *events: Event, source: Source = Source.WEBHOOK, **more: Any) -> Admitted:
    return gate.admit(shop, events, source=source, now=NOON, **more)


def held(shop: Shop) -> list[HeldRow]:
    with scope(shop), looking():
        return list(HeldRow.objects.order_by("id"))


def orders(count: int, *, start: int = 1, **changes: Any) -> list[OrderPlaced]:
    return [order(each, [line(each * 10, each % 5 + 1)], **changes) for each in range(start, start + count)]


def logged(shop: Shop) -> int:
    with scope(shop), connection.cursor() as cursor:
        cursor.execute("select count(*) from features_event where shop_id = %s", [shop.pk])
        return int(cursor.fetchone()[0])


def spoil(event: OrderPlaced, **changes: Any) -> OrderPlaced:
    """The order with its first line changed."""
    return replace(event, lines=(replace(event.lines[0], **changes), *event.lines[1:]))


def test_good_rows_arrive_and_the_impossible_one_is_held_with_its_reason(shop: Shop) -> None:
    good = orders(9)
    bad = spoil(order(10, [line(100, 1)], customer_id=77, visitor="visitor-of-birch"), quantity=-2)
    came = admit(shop, *good, bad, origins={9: "webhook-10"})
    assert (came.appended.new, came.held, came.halted) == (9, 1, False)
    assert store.counts(shop).orders == 9
    (row,) = held(shop)
    assert (row.resource, row.subject_id, row.delivery, row.suite_number) == ("orders", 10, "webhook-10", 1)
    assert row.expectation == "lines.quantity:range"
    assert row.reason == "quantity of line 1 is -2; allowed: 0 to 2,147,483,647"
    assert (row.customer_id, row.visitor) == (77, "visitor-of-birch")
    assert "77" not in str(row.content), "the customer stands apart, where it can be erased"
    with unscoped(why="the test looks at every shop"):
        incident = Incident.objects.get(kind="validation_quarantine")
    assert (incident.severity, incident.halts_training) == (Severity.WARNING, False)
    assert row.reason in incident.told


CORRUPTIONS: dict[str, Any] = {
    "negative quantity": lambda each: spoil(each, quantity=-1),
    "negative units left": lambda each: spoil(each, current_quantity=-1),
    "unknown currency": lambda each: replace(each, currency="QQQ"),
    "no currency": lambda each: replace(each, currency=""),
    "negative price": lambda each: spoil(each, unit_price=Decimal("-5")),
    "price beyond any column": lambda each: spoil(each, unit_price=Decimal("1e17")),
    "null product id of a living variant": lambda each: spoil(each, product_id=None),
    "product id 0": lambda each: spoil(each, product_id=0),
    "id beyond 63 bits": lambda each: replace(each, order_id=2**63),
    "text for a quantity": lambda each: spoil(each, quantity="2"),
    "a version of next week": lambda each: replace(each, version_at=NOON + timedelta(days=7)),
    "one line told in two ways": lambda each: replace(
        each, lines=(*each.lines, replace(each.lines[0], quantity=9, current_quantity=9))
    ),
    "not a number": lambda each: spoil(each, unit_price=Decimal("NaN")),
    "a time without zone": lambda each: replace(each, version_at=NOON.replace(tzinfo=None)),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_is_caught_alone_and_stops_a_batch(shop: Shop, name: str) -> None:
    admit(shop, *(product(each) for each in range(1, 6)), source=Source.BACKFILL)
    before, good = logged(shop), orders(30)
    one = admit(shop, *good[:9], CORRUPTIONS[name](good[9]))
    assert (one.appended.new, one.held, one.halted) == (9, 1, False)
    many = admit(shop, *good[10:20], *(CORRUPTIONS[name](each) for each in good[20:30]))
    assert (many.appended.new, many.held, many.halted) == (0, 20, True)
    assert logged(shop) == before + 9, "nothing of the batch was written"


def test_prices_a_hundred_times_too_high_stop_a_batch_though_each_could_be_true(shop: Shop) -> None:
    admit(shop, *(product(each) for each in range(1, 6)))
    single = admit(shop, spoil(order(1, [line(10, 1)]), unit_price=Decimal("1250")))
    assert (single.appended.new, single.warned, single.held) == (1, 1, 0), "one alone is only counted"
    batch = orders(10, start=2)
    dear = [
        replace(spoil(each, unit_price=Decimal("1250")), total=Decimal("1250")) if each.order_id % 2 else each
        for each in batch
    ]
    came = admit(shop, *dear)
    assert came.halted
    assert "5 of 10 prices are about 100 times the known ones" in came.reasons[0]
    assert store.counts(shop).orders == 1


def test_a_corrupted_batch_halts_training_until_it_is_decided(shop: Shop) -> None:
    """Negative quantity, unknown currency, null product id and price x 100 in one batch."""
    admit(shop, *(product(each) for each in range(1, 6)), source=Source.BACKFILL)
    before = logged(shop)
    spoils = ["negative quantity", "unknown currency", "null product id of a living variant"]
    bad = [CORRUPTIONS[spoils[at % 3]](each) for at, each in enumerate(orders(15))]
    bad += [spoil(each, unit_price=Decimal("1250")) for each in orders(15, start=16)]
    came = admit(shop, *bad, source=Source.BACKFILL)
    assert came.halted
    assert logged(shop) == before
    assert len(held(shop)) == 30, "nothing is lost"
    incident = incidents.halted(shop)
    assert incident is not None
    assert (incident.kind, incident.severity, incident.subject) == (
        "validation_halt",
        Severity.CRITICAL,
        "orders",
    )
    with pytest.raises(training.TrainingHalted, match="held back together"):
        training.request(shop, reason="try", actor="staff:1", now=NOON)
    done = decisions.release(
        shop, "orders", accepted=False, actor="staff:1", reason="a broken export", now=NOON
    )
    assert done.arrived == 0
    assert incidents.halted(shop) is None
    assert {each.state for each in held(shop)} == {HeldState.DISMISSED}
    with unscoped(why="the test looks at every shop"):
        actions = list(AuditEntry.objects.values_list("action", "actor"))
    assert ("validation.halt_ended", "staff:1") in actions
    assert training.request(shop, reason="try", actor="staff:1", now=NOON).pk


def test_a_release_brings_in_what_is_right_and_keeps_what_is_impossible(shop: Shop) -> None:
    bad = [spoil(each, quantity=-1) for each in orders(6, start=5)]
    admit(shop, *orders(4), *bad)
    done = decisions.release(shop, "orders", accepted=True, actor="staff:1", reason="looked at it", now=NOON)
    assert (done.arrived, done.held) == (4, 6)
    assert store.counts(shop).orders == 4
    assert [each.state for each in held(shop)] == [HeldState.REPLAYED] * 4 + [HeldState.HELD] * 6


def test_enough_clean_rows_end_a_halt(shop: Shop) -> None:
    admit(shop, *orders(4), *(spoil(each, quantity=-1) for each in orders(6, start=5)))
    admit(shop, *orders(9, start=100))
    assert incidents.halted(shop) is not None, "fewer than were held"
    admit(shop, *(spoil(each, quantity=-1) for each in orders(6, start=5)))
    assert incidents.halted(shop) is not None, "rows met again are no news, good or bad"
    admit(shop, *orders(9, start=200), spoil(order(999, [line(9990, 1)]), quantity=-1))
    assert incidents.halted(shop) is not None, "a row that fails begins the count anew"
    admit(shop, *orders(10, start=300))
    assert incidents.halted(shop) is None
    with scope(shop):
        assert Halt.objects.get().closed_by == "system:validation"


def test_a_halt_of_orders_lets_stock_through(shop: Shop) -> None:
    admit(shop, *(spoil(each, quantity=-1) for each in orders(6)))
    assert incidents.halted(shop) is not None
    assert admit(shop, StockChanged(5, 1, -3, NOON)).appended.new == 1


def test_the_same_bad_row_met_again_is_one_row_and_counts_once(shop: Shop) -> None:
    bad = [spoil(each, quantity=-1) for each in orders(2)]
    for _ in range(5):
        assert not admit(shop, *bad).halted
    assert [(each.seen, each.state) for each in held(shop)] == [(5, HeldState.HELD)] * 2
    with scope(shop):
        assert DailyCount.objects.get().checked == 2


def test_a_sweep_that_meets_what_was_held_over_weeks_does_not_halt(shop: Shop) -> None:
    for each in orders(8):
        admit(shop, *orders(20, start=each.order_id * 100), spoil(each, quantity=-1))
    came = admit(shop, *(spoil(each, quantity=-1) for each in orders(8)), source=Source.RECONCILIATION)
    assert (came.held, came.halted) == (8, False)


def test_a_dismissed_row_stays_out_without_a_word(shop: Shop) -> None:
    bad = spoil(order(1, [line(10, 1)]), quantity=-1)
    admit(shop, bad)
    assert decisions.dismiss(shop, actor="staff:1", reason="a test of ours", now=NOON) == 1
    assert admit(shop, bad).held == 0
    with unscoped(why="the test looks at every shop"):
        assert not Incident.objects.filter(closed_at__isnull=True).exists()
    assert [each.state for each in held(shop)] == [HeldState.DISMISSED]


def test_a_good_version_of_the_same_order_settles_the_bad_one(shop: Shop) -> None:
    bad = spoil(order(1, [line(10, 1)]), quantity=-1)
    admit(shop, bad)
    admit(shop, replace(order(1, [line(10, 1)]), version_at=NOON + timedelta(minutes=1)))
    (row,) = held(shop)
    assert (row.state, row.decided_by) == (HeldState.DISMISSED, "system:newer version")
    with unscoped(why="the test looks at every shop"):
        assert not Incident.objects.filter(closed_at__isnull=True).exists()


def test_replaying_is_idempotent_and_brings_the_very_same_event(shop: Shop) -> None:
    bad = spoil(
        order(1, [line(10, 1), line(11, None)], customer_id=5, visitor="visitor-of-birch"), quantity=-2
    )
    admit(shop, bad)
    again = decisions.replay(shop, actor="staff:1", reason="try", now=NOON)
    assert (again.arrived, again.held) == (0, 1)
    assert held(shop)[0].state == HeldState.HELD
    with scope(shop):
        suite = SuiteVersion.objects.get(resource="orders")
        for each in suite.content["expectations"]:
            if each["check"] == "range" and each["field"] == "lines.quantity":
                each["bounds"] = {"min": -5, "max": None}
        SuiteVersion.objects.create(
            shop=shop, resource="orders", number=2, digest="x", content=suite.content, author="staff:1", created_at=NOON
        )  # fmt: skip
    assert decisions.replay(shop, actor="staff:1", reason="try", now=NOON).arrived == 1
    assert decisions.replay(shop, actor="staff:1", reason="try", now=NOON).arrived == 0
    store.append(shop, [bad], source=Source.WEBHOOK, now=NOON)
    assert logged(shop) == 1, "the replayed event is the one that came, to the last field"


def test_the_command_says_what_arrived_and_what_did_not(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("replay_quarantine", shop.domain)
    admit(shop, spoil(order(1, [line(10, 1)]), quantity=-1))
    call_command("replay_quarantine", shop.domain, "--list")
    with pytest.raises(SystemExit) as stopped:
        call_command("replay_quarantine", shop.domain)
    assert stopped.value.code == 3
    told = capsys.readouterr().out
    assert "orders 1: quantity of line 1 is -1" in told
    assert "0 arrived, 1 still held" in told


def test_a_line_that_became_no_event_is_held_with_its_number(shop: Shop) -> None:
    given = {
        "id": "gid://shopify/Order/9",
        "customer": {"id": "gid://shopify/Customer/4"},
        "name": "a\x00\ud800",
    }
    for _ in range(2):
        gate.hold(
            shop, "orders", line=17, reason="field updatedAt is missing", content=given,
            source=Source.BACKFILL, now=NOON,
        )  # fmt: skip
    gate.hold(shop, "orders", line=18, reason="no JSON", content=b"{\xff", source=Source.BACKFILL, now=NOON)
    first, second = held(shop)
    assert (first.line_number, first.subject_id, first.customer_id, first.seen) == (17, 9, 4, 2)
    assert first.content == {"id": "gid://shopify/Order/9", "name": "a?"}
    assert (second.line_number, second.content) == (18, {"bytes": 2})
    done = decisions.replay(shop, actor="staff:1", reason="try", now=NOON)
    assert (done.arrived, done.unreadable) == (0, 2)
    admit(shop, order(9, [line(90, 1)]))
    assert [each.state for each in held(shop)] == [HeldState.DISMISSED, HeldState.HELD]


HONEST: dict[str, Sequence[Event]] = {
    "free items": [order(1, [line(10, 1, unit_price=Decimal(0))])],
    "ten thousand pieces": [order(1, [line(10, 1, 10_000)])],
    "all returned": [order(1, [line(10, 1, 3, current_quantity=0)], refunded=Decimal("37.5"))],
    "products deleted since": [order(each, [line(each, None)]) for each in range(1, 31)],
    "variants deleted since, told by webhook": [
        order(each, [line(each, None, variant_id=999_000 + each)], ordered_at=NOON - timedelta(days=90))
        for each in range(1, 31)
    ],
    "stock below zero": [StockChanged(each, 1, -40, NOON) for each in range(1, 10)],
    "a refund of nothing": [refund(1, 1, [], currency="")],
    "tests": [order(each, [line(each, 1)], test=True) for each in range(1, 10)],
    "years at once": [
        order(each, [line(each, 1)], ordered_at=NOON - timedelta(days=each)) for each in range(1, 4000)
    ],
    "yen": [
        order(each, [line(each, 1, unit_price=Decimal(190_000))], currency="JPY") for each in range(1, 9)
    ],
    "clearance at a twentieth": [
        order(each, [line(each, each % 5 + 1, unit_price=Decimal("0.60"))]) for each in range(1, 31)
    ],
    "gratis orders": [order(each, [line(each, 1)], total=Decimal(0)) for each in range(1, 30)],
    "an unknown presentment currency": [order(1, [line(10, 1)], presentment_currency="NEW")],
    "a product without variants": [product(9, variants=(variant(9, price=Decimal(0)),))],
    "an edited order": [order(1, [line(10, 1, 1, current_quantity=4)])],
    "the same line twice": [order(1, [line(10, 1), line(10, 1)])],
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_data_is_never_held(shop: Shop, name: str) -> None:
    admit(shop, *(product(each) for each in range(1, 6)), source=Source.BACKFILL)
    came = admit(shop, *HONEST[name])
    assert (came.held, came.halted) == (0, False), came.reasons
    assert held(shop) == []


def test_a_shop_in_clearance_imports_its_dear_old_orders(shop: Shop) -> None:
    """Everything costs a pound now; the orders of the years before were at 4 to 240."""
    cheap = [product(each, variants=(variant(each, price=Decimal(1)),)) for each in range(1, 60)]
    admit(shop, *cheap, source=Source.BACKFILL)
    dear = [order(each, [line(each, each, unit_price=Decimal(4 * each))]) for each in range(1, 60)]
    came = admit(shop, *dear, source=Source.BACKFILL)
    assert (came.held, came.halted) == (0, False)


def test_the_pass_ratio_is_scraped_after_a_bad_batch(shop: Shop) -> None:
    admit(shop, *orders(9), spoil(order(10, [line(100, 1)]), quantity=-1))
    text = measures.exposition().decode()
    assert f'validation_pass_ratio{{suite="orders",tenant="{shop.domain}"}} 0.9' in text
    assert f'validation_held_rows{{suite="orders",tenant="{shop.domain}"}} 1.0' in text
    with scope(shop):
        assert tallies.ratios(shop)["orders"].ratio == 0.9
        assert DailyCount.objects.get().failures == {"lines.quantity:range": 1}


def test_another_shop_sees_nothing_of_it(shop: Shop, other_shop: Shop) -> None:
    admit(shop, *(spoil(each, quantity=-1) for each in orders(6)))
    assert incidents.halted(other_shop) is None
    assert held(other_shop) == []
    assert not admit(other_shop, *(spoil(each, quantity=-1) for each in orders(2))).halted


def test_nothing_of_an_erased_customer_is_left_in_quarantine(shop: Shop) -> None:
    mine = spoil(order(1, [line(10, 1)], customer_id=77, visitor="visitor-of-birch"), quantity=-1)
    theirs = spoil(order(2, [line(20, 1)], customer_id=78, visitor="visitor-of-oaks"), quantity=-1)
    late = NOON + timedelta(days=30)
    people: list[Event] = [
        CustomerChanged(77, late, NOON),
        CustomerMerged(78, 77, late),
        CustomerChanged(79, late, NOON),
    ]
    admit(shop, mine, theirs)
    for each in people:
        admit(shop, each)
    assert len(held(shop)) == 5
    with scope(shop):
        assert erase.erase_customer(shop, 77, (), ("visitor-of-birch",)) == 3
    left = held(shop)
    assert [(each.kind, each.customer_id, each.visitor) for each in left] == [
        ("OrderPlaced", None, None),
        ("OrderPlaced", 78, "visitor-of-oaks"),
        ("CustomerChanged", 79, None),
    ]
    assert all("77" not in str(each.content) for each in left)
