"""Arrays as text: Postgres must read back exactly what was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.features.arrays import array, id_list

pytestmark = pytest.mark.django_db
LINES = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=8)


def _read(kind: str, literal: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"select %s::{kind}[]", [literal])
        row = cursor.fetchone()
    return row[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES)
def test_any_text_comes_back_but_for_nul(values: list[str | None]) -> None:
    expected = [None if value is None else value.replace("\x00", "") for value in values]
    assert _read("text", array("text", values)) == expected


def test_texts_that_look_like_syntax_stay_texts() -> None:
    texts = ["", "NULL", "null", "{}", "a,b", '"', "\\", '\\"', " ", "a\nb", "'; drop table x; --", "é😀"]
    assert _read("text", array("text", texts)) == texts


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [1, None, -(2**63), 2**63 - 1]),
        ("integer", [0, 2**31 - 1, None]),
        ("numeric", [Decimal("0.10"), None, Decimal("-12345678901234.5678"), Decimal("1E+3")]),
        ("boolean", [True, None, False]),
        ("timestamptz", [datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC), None]),
        ("timestamptz", [datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))]),
        ("text", []),
    ],
)
def test_each_kind_comes_back(kind: str, values: list[Any]) -> None:
    assert _read(kind, array(kind, values)) == values


def test_ids_come_back() -> None:
    assert _read("bigint", id_list([3, 1, 2**62])) == [3, 1, 2**62]
    assert _read("bigint", id_list([])) == []
