"""Metafield texts as typed values: what Shopify documents, and whatever else may come."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.features.attribute_values import _KINDS, _REFUSED, LONGEST_TEXT, MOST_ITEMS, Value, meaning, read
from mlops.features.events import AttributeKind

TYPES = [*_KINDS, *(f"list.{each}" for each in _KINDS)]


def value(raw: str | None, type: str) -> Value:
    means = meaning(type)
    assert means.kind is not None
    return read(raw, type, (means.kind, means.many), currency="GBP")


@pytest.mark.parametrize(
    ("type", "raw", "expected"),
    [
        ("number_integer", "-12", Decimal(-12)),
        ("number_decimal", "10.4", Decimal("10.4")),
        ("boolean", "true", Decimal(1)),
        ("boolean", "false", Decimal(0)),
        ("weight", '{"value": 2.5, "unit": "kg"}', Decimal(2500)),
        ("weight", '{"value": 1, "unit": "POUNDS"}', Decimal("453.59237")),
        ("dimension", '{"value": "25.0", "unit": "cm"}', Decimal("0.25")),
        ("dimension", '{"value": 12, "unit": "in"}', Decimal("0.3048")),
        ("volume", '{"value": 330, "unit": "ml"}', Decimal("0.33")),
        ("volume", '{"value": 1, "unit": "imp_pt"}', Decimal("0.56826125")),
        ("money", '{"amount": "5.99", "currency_code": "GBP"}', Decimal("5.99")),
        ("rating", '{"value": "3.5", "scale_min": "1.0", "scale_max": "5.0"}', Decimal("0.625")),
    ],
)
def test_numbers_are_in_the_base_unit(type: str, raw: str, expected: Decimal) -> None:
    found = value(raw, type)
    assert (found.number, found.text, found.items, found.problem) == (expected, "", None, "")


@pytest.mark.parametrize(
    ("type", "raw", "expected"),
    [
        ("single_line_text_field", "  beech ", "beech"),
        ("color", "#fff", "#fff"),
        ("date", "2026-02-28", "2026-02-28"),
        ("date_time", "2026-02-28T12:00:00", "2026-02-28T12:00:00+00:00"),
        ("date_time", "2026-02-28T12:00:00-05:00", "2026-02-28T17:00:00+00:00"),
        ("product_reference", "gid://shopify/Product/123", "Product/123"),
        ("metaobject_reference", "gid://shopify/Metaobject/7", "Metaobject/7"),
    ],
)
def test_texts(type: str, raw: str, expected: str) -> None:
    assert value(raw, type) == Value(text=expected)


@pytest.mark.parametrize(
    ("type", "raw", "expected"),
    [
        ("list.number_integer", "[1, 2, 3]", ("1", "2", "3")),
        ("list.number_decimal", '["1.50", 2]', ("1.5", "2")),
        ("list.weight", '[{"value": 1, "unit": "kg"}]', ("1000",)),
        ("list.single_line_text_field", '["a", "b"]', ("a", "b")),
        ("list.product_reference", '["gid://shopify/Product/1"]', ("Product/1",)),
        ("list.date", "[]", ()),
    ],
)
def test_lists(type: str, raw: str, expected: tuple[str, ...]) -> None:
    assert value(raw, type) == Value(items=expected)


@pytest.mark.parametrize(
    ("type", "raw", "why"),
    [
        ("number_integer", "12.5", "not a whole number"),
        ("number_integer", "١٢", "not a whole number"),
        ("number_decimal", "NaN", "usable size"),
        ("number_decimal", "1e400", "usable size"),
        ("number_decimal", "", "not a number"),
        ("boolean", "True", "neither true nor false"),
        ("weight", '{"value": 2, "unit": "stone"}', "unit"),
        ("weight", "2 kg", "readable"),
        ("weight", "[]", "not a weight"),
        ("money", '{"amount": "5", "currency_code": "USD"}', "currency"),
        ("rating", '{"value": "9", "scale_min": "1", "scale_max": "5"}', "scale"),
        ("rating", '{"value": "1", "scale_min": "1", "scale_max": "1"}', "scale"),
        ("date", "2026-02-30", "not a date"),
        ("product_reference", "javascript:alert(1)", "not a reference"),
        ("single_line_text_field", "x" * (LONGEST_TEXT + 1), "longer"),
        ("single_line_text_field", " \x00 ", "empty"),
        ("list.number_integer", "7", "not a list"),
        ("list.number_integer", json.dumps([1] * (MOST_ITEMS + 1)), "more than"),
        ("list.number_integer", "[[[1]]]", "whole number"),
        ("list.number_integer", "[" * 5_000, "readable"),
        ("number_integer", "9" * 20_000, "longer"),
    ],
)
def test_what_cannot_be_used_says_why_and_not_what(type: str, raw: str, why: str) -> None:
    found = value(raw, type)
    assert why in found.problem
    assert (found.number, found.text, found.items) == (None, "", None)


@pytest.mark.parametrize(
    "type", [*_REFUSED, *(f"list.{each}" for each in _REFUSED), "antenna_gain", "", "list."]
)
def test_types_of_no_use_say_why(type: str) -> None:
    means = meaning(type)
    assert means.kind is None
    assert means.refused
    assert read("1", type, (AttributeKind.INTEGER, False), currency="GBP").problem


def test_a_type_that_was_changed_since_is_kept_aside() -> None:
    found = read("3", "number_integer", (AttributeKind.CATEGORY, False), currency="GBP")
    assert "choose it again" in found.problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "unit", "amount", "currency_code", "scale_min", "scale_max", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=1500, deadline=None)
@given(type=st.sampled_from(TYPES), raw=st.text(max_size=60) | JSON.map(json.dumps))
def test_whatever_comes_is_one_value_or_one_reason(type: str, raw: str) -> None:
    found = value(raw, type)
    told = [found.number is not None, bool(found.text), found.items is not None, bool(found.problem)]
    assert sum(told) == 1, found
    if found.number is not None:
        exponent = found.number.as_tuple().exponent
        assert found.number.is_finite()
        assert isinstance(exponent, int)
        assert exponent >= -9
        assert abs(found.number) < Decimal(10) ** 21
    assert "\x00" not in found.text + "".join(found.items or ())


@settings(max_examples=300, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_decimals_come_back_as_they_were(number: Decimal) -> None:
    assert value(str(number), "number_decimal").number == number
