"""Whatever an honest shop sells passes; whatever kind of corruption is put into it, and wherever, is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.features.events import (
    CollectionChanged,
    CustomerChanged,
    CustomerMerged,
    Event,
    OrderDeleted,
    OrderLine,
    OrderPlaced,
    ProductChanged,
    RefundLine,
    RefundMade,
    StockChanged,
    VariantState,
)
from mlops.validation import content
from mlops.validation.batches import Day, judge_batch
from mlops.validation.defaults import CURRENCIES, LARGEST_ID, RESOURCES, default
from mlops.validation.expectations import Severity, diff, read
from mlops.validation.rows import Finding, Known, compare, judge, suite_of
from tests.mlops.builders import NOON

SUITES = {each: default(each) for each in RESOURCES}
ids = st.integers(1, LARGEST_ID)
units = st.integers(0, 1_000_000)
money = st.decimals(0, 10**12, places=4, allow_nan=False)
moments = st.integers(0, 30 * 365 * 86_400).map(lambda ago: NOON - timedelta(seconds=ago))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
currencies = st.sampled_from(CURRENCIES)
lines = st.builds(
    OrderLine,
    line_id=ids,
    product_id=st.none() | ids,
    variant_id=st.none(),
    sku=texts,
    quantity=units,
    current_quantity=units,
    unit_price=money,
    exposure=st.none(),
)
orders = st.builds(
    OrderPlaced,
    order_id=ids,
    version_at=moments,
    ordered_at=moments,
    currency=currencies,
    total=money,
    refunded=money,
    lines=st.lists(lines, max_size=4, unique_by=lambda each: each.line_id).map(tuple),
    name=texts,
    customer_id=st.none() | ids,
    cancelled_at=st.none() | moments,
    test=st.booleans(),
    source_name=texts,
    presentment_currency=st.just("") | currencies,
    presentment_total=st.none() | money,
    visitor=st.none() | st.just("visitor-of-birch"),
)
variants = st.builds(
    VariantState,
    variant_id=ids,
    title=texts,
    sku=texts,
    price=money,
    compare_at_price=st.none() | money,
    position=st.integers(1, 100),
    inventory_item_id=st.none() | ids,
    available=st.none() | st.integers(-10_000, 10_000_000),
    continue_selling=st.booleans(),
)
products = st.builds(
    ProductChanged,
    product_id=ids,
    version_at=moments,
    handle=texts,
    title=texts,
    product_type=texts,
    vendor=texts,
    status=st.sampled_from(["active", "archived", "draft", "unlisted"]),
    tags=st.lists(texts, max_size=3).map(tuple),
    created_at=moments,
    published_at=st.none() | moments,
    image_url=st.none() | texts,
    gift_card=st.booleans(),
    variants=st.lists(variants, max_size=3, unique_by=lambda each: each.variant_id).map(tuple),
    attributes=st.none(),
)
refunds = st.builds(
    RefundMade,
    refund_id=ids,
    order_id=ids,
    version_at=moments,
    amount=money,
    currency=st.just("") | currencies,
    lines=st.lists(st.builds(RefundLine, line_id=ids, quantity=units, amount=money), max_size=3).map(tuple),
)
others: st.SearchStrategy[Event] = st.one_of(
    st.builds(OrderDeleted, order_id=ids, version_at=moments),
    st.builds(CustomerChanged, customer_id=ids, version_at=moments, created_at=moments),
    st.builds(CustomerMerged, kept_id=ids, deleted_id=ids, version_at=moments),
    st.builds(
        CollectionChanged,
        collection_id=ids,
        version_at=moments,
        handle=texts,
        title=texts,
        product_ids=st.none() | st.lists(ids, max_size=4).map(tuple),
    ),
    st.builds(
        StockChanged,
        inventory_item_id=ids,
        location_id=ids,
        available=st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
        version_at=moments,
    ),
)
honest: st.SearchStrategy[Event] = st.one_of(orders, products, refunds, others)


def findings(event: Event, known: Known | None = None) -> list[Finding]:
    known = known or Known({})
    rows = [(0, event)]
    return judge(SUITES[suite_of(event) or ""], rows, known, compare(rows, known), now=NOON)


@given(st.lists(honest, max_size=5))
@settings(max_examples=400, deadline=None)
def test_honest_rows_pass_without_a_word(events: list[Event]) -> None:
    for event in events:
        assert [each.reason for each in findings(event)] == []
    by_suite: dict[str, list[tuple[int, Event]]] = {}
    for index, event in enumerate(events):
        by_suite.setdefault(suite_of(event) or "", []).append((index, event))
    for resource, rows in by_suite.items():
        assert judge_batch(SUITES[resource], rows, [], [], today=Day(), now=NOON) == []


def _line(event: OrderPlaced, at: int, **changes: Any) -> OrderPlaced:
    told = list(event.lines)
    told[at] = replace(told[at], **changes)
    return replace(event, lines=tuple(told))


bad_ids = st.sampled_from([0, -1, LARGEST_ID + 1, 2**80, "7", 1.5, True])
bad_units = st.integers(-(10**12), -1) | st.just(2**31) | st.sampled_from(["2", 1.5, None])
bad_money = st.decimals(-(10**9), Decimal("-0.02"), allow_nan=False) | st.sampled_from(
    [Decimal("NaN"), Decimal("Infinity"), Decimal("1e20"), 5.0, "5", None]
)
bad_currency = st.sampled_from(["", "QQQ", "XXX", "gbp", "GBPP", "£", None, 826])
bad_moment = st.sampled_from([NOON + timedelta(days=2), NOON.replace(tzinfo=None), None, "2026-11-20"])
corruptions: list[tuple[str, st.SearchStrategy[Any], Callable[[OrderPlaced, int, Any], OrderPlaced]]] = [
    ("order_id", bad_ids, lambda o, at, bad: replace(o, order_id=bad)),
    ("version_at", bad_moment, lambda o, at, bad: replace(o, version_at=bad)),
    ("currency", bad_currency, lambda o, at, bad: replace(o, currency=bad)),
    ("total", bad_money, lambda o, at, bad: replace(o, total=bad)),
    ("refunded", bad_money, lambda o, at, bad: replace(o, refunded=bad)),
    ("customer_id", bad_ids, lambda o, at, bad: replace(o, customer_id=bad)),
    ("line_id", bad_ids, lambda o, at, bad: _line(o, at, line_id=bad)),
    ("product_id", bad_ids, lambda o, at, bad: _line(o, at, product_id=bad)),
    ("variant_id", bad_ids, lambda o, at, bad: _line(o, at, variant_id=bad)),
    ("quantity", bad_units, lambda o, at, bad: _line(o, at, quantity=bad)),
    ("current_quantity", bad_units, lambda o, at, bad: _line(o, at, current_quantity=bad)),
    ("unit_price", bad_money, lambda o, at, bad: _line(o, at, unit_price=bad)),
]


@given(orders.filter(lambda each: bool(each.lines)), st.sampled_from(range(len(corruptions))), st.data())
@settings(max_examples=600, deadline=None)
def test_every_kind_of_corruption_is_found_where_it_is(event: OrderPlaced, kind: int, data: Any) -> None:
    name, values, spoil = corruptions[kind]
    at = data.draw(st.integers(0, len(event.lines) - 1))
    bad = spoil(event, at, data.draw(values))
    found = findings(bad)
    assert found, "it is found"
    assert {each.where.rpartition(".")[2] for each in found} == {name}, "and nothing else is blamed"
    assert all(each.expectation.severity is Severity.QUARANTINE for each in found)
    if name == "customer_id":
        assert str(bad.customer_id) not in found[0].observed, "a person's number is not repeated"
    kept = content.cut(bad)
    assert len(kept.key) == 64
    assert "\x00" not in kept.content


@given(orders, st.integers(2, 60))
@settings(max_examples=100, deadline=None)
def test_prices_a_hundred_times_the_known_ones_stop_a_batch_of_any_size(
    event: OrderPlaced, count: int
) -> None:
    dear = OrderLine(1, 1, 7, "", 1, 1, Decimal(1250))
    rows: list[tuple[int, Event]] = [(at, replace(event, lines=(dear, dear))) for at in range(count)]
    known = Known({7: 12.5})
    verdicts = judge_batch(SUITES["orders"], rows, [], compare(rows, known), today=Day(), now=NOON)
    assert bool(verdicts) == (2 * count >= 5)
    fair = Known({7: 1500.0})
    assert judge_batch(SUITES["orders"], rows, [], compare(rows, fair), today=Day(), now=NOON) == []


@given(honest)
@settings(max_examples=300, deadline=None)
def test_what_is_kept_comes_back_as_it_was(event: Event) -> None:
    kept = content.cut(event)
    again = content.restore(
        kept.kind, json.loads(kept.content), customer_id=kept.customer_id, visitor=kept.visitor
    )
    assert again is not None
    assert content.cut(again) == kept
    assert again == event


def test_a_suite_survives_being_stored_and_knows_what_changed() -> None:
    for resource, suite in SUITES.items():
        again = read(resource, json.loads(json.dumps(suite.plain())), 4)
        assert again.digest == suite.digest
        assert diff(suite, again) == []
        names = [each.name for each in suite.expectations]
        assert len(set(names)) == len(names)
