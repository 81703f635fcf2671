"""The pure rule: which outcomes an order owes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.features.attribution import (
    ClickFacts,
    LineFacts,
    OrderFacts,
    Owed,
    RefundFacts,
    ShownFacts,
    attribute,
)
from mlops.features.events import OutcomeKind
from tests.mlops.builders import EXPOSURE, NOON, VISITOR

DAY = timedelta(hours=24)
SHOWN = {EXPOSURE: ShownFacts(NOON - timedelta(hours=1), frozenset({7, 8}))}
LINE = LineFacts(1, 7, 2, 2, Decimal("12.50"), EXPOSURE)
ORDER = OrderFacts(
    order_id=100,
    version_at=NOON,
    ordered_at=NOON,
    cancelled_at=None,
    test=False,
    deleted=False,
    visitor=None,
    lines=(LINE,),
)
CLICK = ClickFacts(EXPOSURE, VISITOR, 7, NOON - timedelta(hours=23))


def owed(order: OrderFacts, clicks: tuple[ClickFacts, ...] = ()) -> tuple[Owed, ...]:
    return attribute(order, shown=SHOWN, clicks=clicks, window=DAY)


def net(rows: tuple[Owed, ...]) -> tuple[int, Decimal]:
    return sum(row.quantity for row in rows), sum((row.amount for row in rows), Decimal(0))


def test_a_line_that_names_its_exposure_counts_once() -> None:
    (row,) = owed(ORDER)
    assert (row.kind, row.exposure_id, row.quantity, row.amount) == (
        OutcomeKind.ORDER,
        EXPOSURE,
        2,
        Decimal("25.00"),
    )


def test_a_forged_exposure_owes_nothing() -> None:
    assert owed(replace(ORDER, lines=(replace(LINE, exposure="forged-0123456789abcdef"),))) == ()


def test_an_exposure_that_did_not_show_the_product_owes_nothing() -> None:
    assert owed(replace(ORDER, lines=(replace(LINE, product_id=9),))) == ()


def test_an_exposure_after_the_order_owes_nothing() -> None:
    assert owed(replace(ORDER, ordered_at=NOON - timedelta(hours=2))) == ()


def test_a_click_within_the_window_counts_and_one_before_it_does_not() -> None:
    order = replace(ORDER, visitor=VISITOR, lines=(replace(LINE, exposure=None),))
    assert [row.exposure_id for row in owed(order, (CLICK,))] == [EXPOSURE]
    assert owed(order, (replace(CLICK, at=NOON - timedelta(hours=25)),)) == ()
    assert owed(order, (replace(CLICK, at=NOON + timedelta(seconds=1)),)) == ()
    assert owed(order, (replace(CLICK, visitor="somebody-else"),)) == ()
    assert owed(order, (replace(CLICK, product_id=8),)) == ()


def test_of_two_clicks_the_later_one_is_credited() -> None:
    order = replace(ORDER, visitor=VISITOR, lines=(replace(LINE, exposure=None),))
    later = replace(CLICK, exposure_id="exposure-later-0123456789", at=NOON - timedelta(hours=1))
    assert [row.exposure_id for row in owed(order, (later, CLICK))] == [later.exposure_id]


def test_the_named_exposure_goes_before_a_click() -> None:
    other = replace(CLICK, exposure_id="exposure-other-0123456789")
    assert [row.exposure_id for row in owed(replace(ORDER, visitor=VISITOR), (other,))] == [EXPOSURE]


def test_test_orders_and_deleted_orders_owe_nothing() -> None:
    assert owed(replace(ORDER, test=True)) == ()
    assert owed(replace(ORDER, deleted=True)) == ()


def test_a_refund_subtracts_and_never_more_than_was_counted() -> None:
    part = RefundFacts(5, 1, NOON + DAY, 1, Decimal("12.50"))
    assert net(owed(replace(ORDER, refunds=(part,)))) == (1, Decimal("12.50"))
    generous = RefundFacts(6, 1, NOON + DAY, 5, Decimal("999"))
    assert net(owed(replace(ORDER, refunds=(part, generous)))) == (0, Decimal(0))


def test_a_cancellation_takes_back_what_refunds_left() -> None:
    part = RefundFacts(5, 1, NOON + DAY, 1, Decimal("12.50"))
    rows = owed(replace(ORDER, refunds=(part,), cancelled_at=NOON + DAY))
    assert net(rows) == (0, Decimal(0))
    assert len({row.key for row in rows}) == 3


def test_units_edited_out_of_the_order_are_taken_back() -> None:
    assert net(owed(replace(ORDER, lines=(replace(LINE, current_quantity=1),)))) == (1, Decimal("12.50"))


def test_units_refunded_and_removed_are_taken_back_once() -> None:
    refunded = RefundFacts(5, 1, NOON + DAY, 1, Decimal("12.50"))
    order = replace(ORDER, lines=(replace(LINE, current_quantity=1),), refunds=(refunded,))
    assert net(owed(order)) == (1, Decimal("12.50"))


money = st.decimals(min_value=0, max_value=1000, places=2)
products = st.integers(1, 4)
lines = st.builds(
    LineFacts,
    line_id=st.integers(1, 6),
    product_id=st.none() | products,
    quantity=st.integers(0, 5),
    current_quantity=st.integers(0, 5),
    unit_price=money,
    exposure=st.none() | st.sampled_from(["a" * 16, "b" * 16, "c" * 16]),
)
refunds = st.builds(
    RefundFacts,
    refund_id=st.integers(1, 5),
    line_id=st.integers(1, 6),
    at=st.just(NOON),
    quantity=st.integers(0, 9),
    amount=money,
)
clicks_given = st.builds(
    ClickFacts,
    exposure_id=st.sampled_from(["a" * 16, "b" * 16]),
    visitor=st.sampled_from(["visitor-one", "visitor-two"]),
    product_id=products,
    at=st.integers(-50, 5).map(lambda hours: NOON + timedelta(hours=hours)),
)


@given(
    order_lines=st.lists(lines, max_size=6, unique_by=lambda each: each.line_id),
    order_refunds=st.lists(refunds, max_size=5, unique_by=lambda each: (each.refund_id, each.line_id)),
    clicked=st.lists(clicks_given, max_size=6),
    shown=st.dictionaries(
        st.sampled_from(["a" * 16, "b" * 16]),
        st.builds(ShownFacts, at=st.just(NOON - DAY), product_ids=st.frozensets(products)),
    ),
    visitor=st.none() | st.sampled_from(["visitor-one", "visitor-three"]),
    cancelled=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_purchase_is_invented_and_no_line_counts_twice(
    order_lines: list[LineFacts],
    order_refunds: list[RefundFacts],
    clicked: list[ClickFacts],
    shown: dict[str, ShownFacts],
    visitor: str | None,
    cancelled: bool,
) -> None:
    order = replace(
        ORDER,
        lines=tuple(order_lines),
        refunds=tuple(order_refunds),
        visitor=visitor,
        cancelled_at=NOON if cancelled else None,
    )
    rows = attribute(order, shown=shown, clicks=clicked, window=DAY)
    assert len({row.key for row in rows}) == len(rows)
    by_line = {each.line_id: each for each in order_lines}
    for line_id in {row.line_id for row in rows}:
        mine = [row for row in rows if row.line_id == line_id]
        bought = by_line[line_id]
        assert sum(row.kind == OutcomeKind.ORDER for row in mine) == 1
        assert len({row.exposure_id for row in mine}) == 1
        quantity, amount = net(tuple(mine))
        assert 0 <= quantity <= bought.quantity
        assert 0 <= amount <= bought.quantity * bought.unit_price
        named = bought.exposure in shown and bought.product_id in shown[bought.exposure].product_ids
        assert named or any(
            click.visitor == visitor and click.product_id == bought.product_id for click in clicked
        )
        if cancelled:
            assert quantity == amount == 0
    # The order in which facts arrived changes nothing.
    turned = replace(order, lines=order.lines[::-1], refunds=order.refunds[::-1])
    again = attribute(turned, shown=shown, clicks=clicked[::-1], window=DAY)
    assert sorted(again, key=lambda row: row.key) == sorted(rows, key=lambda row: row.key)
