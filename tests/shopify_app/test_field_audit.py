"""The data audit of an imported shop: exact where it says so, without a word about a person, safe as a CSV file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mlops.features import profile
from shopify_app.exports import safe_csv
from shopify_app.sync import field_audit
from shopify_app.sync.tasks import audit_all
from shopify_app.sync.translate.register import REGISTER
from tenancy.models import Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import hire
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.shopify_app.test_backfill import run_import
from tests.shopify_app.test_metafields import choose


@pytest.fixture
def imported(devstore: RunningDevstore, installed: Shop) -> Shop:
    devstore.platform.set_faults({"api": {"restore_rate": 1e6}})
    shop = Shop.objects.get(pk=installed.pk)
    choose(shop, "weight", "height")
    run_import(shop)
    return Shop.objects.get(pk=shop.pk)


def by_name(shop: Shop) -> dict[tuple[str, str], Any]:
    found = hire(shop, 7_100, Role.VIEWER).ask("fields")
    assert found.status == 200
    return {(each["resource"], each["name"]): each for each in found.body["fields_taken"]}


def test_all_fields_are_listed_and_counted_exactly(devstore: RunningDevstore, imported: Shop) -> None:
    field_audit.refresh(imported, now=timezone.now())
    found = by_name(imported)
    assert len(found) == len(REGISTER) + 2, "every registered field, and every chosen metafield"
    store = devstore.platform.store(DOMAIN)
    (orders,) = store.read(
        "SELECT count(*) n, count(customer_id) c, count(distinct customer_id) d FROM orders"
    )
    customer = found["order", "customer"]
    assert (customer["rows"], customer["filled"], customer["distinct"]) == (
        orders["n"],
        orders["c"],
        orders["d"],
    )
    assert customer["whole"] is True
    assert (customer["about"], customer["example"]) == ("pseudonym", "")
    (prices,) = store.read("SELECT min(cast(price as real)) a, max(cast(price as real)) b FROM variants")
    low, _, high = found["product", "price"]["example"].partition(" to ")
    assert (float(low), float(high)) == (prices["a"], prices["b"])
    assert found["order", "currency"]["example"] == "GBP"
    assert "recommendations learn from it" in found["order", "ordered at"]["used_by"]
    assert "recommendations learn from it" in found["product", "vendor"]["used_by"]
    assert found["order", "channel"]["used_by"] == []
    assert found["metafield", "product custom.weight"]["type"] == "decimal"
    assert 0 < found["metafield", "product custom.weight"]["filled"] <= store.counts()["products"]


def test_a_bounded_look_says_that_it_is_one(imported: Shop) -> None:
    profile.measure(imported, field_audit.wanted(), now=timezone.now(), most_rows=50)
    found = by_name(imported)
    assert found["order", "number"]["whole"] is False
    assert found["order", "number"]["rows"] == 51
    assert found["collection", "number"]["whole"] is True


def test_the_clock_measures_after_an_import_and_once_a_day(imported: Shop) -> None:
    now = timezone.now()
    with unscoped(why="as the clock does"):
        assert field_audit.due(now) == [imported.pk]
    field_audit.refresh(imported, now=now)
    with unscoped(why="as the clock does"):
        assert field_audit.due(now) == []
        assert field_audit.due(now + field_audit.EACH) == []
        assert field_audit.due(now + field_audit.EACH * 1.01) == [imported.pk]
    assert audit_all() == 0


def test_no_page_view_looks_at_the_rows(imported: Shop, django_assert_max_num_queries: Any) -> None:
    field_audit.refresh(imported, now=timezone.now())
    with django_assert_max_num_queries(6) as told:
        field_audit.audit(imported)
    assert not [each for each in told.captured_queries if "features_order" in each["sql"]]


def test_the_csv_has_the_same_fields_and_no_formula(imported: Shop) -> None:
    with connection.cursor() as cursor, scope(imported):
        cursor.execute(
            "update features_product set vendor = '=HYPERLINK(\"http://evil.tld\")' where shop_id = %s",
            [imported.pk],
        )
    field_audit.refresh(imported, now=timezone.now())
    answer = hire(imported, 7_101, Role.VIEWER).ask("fields/export")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Cache-Control"] == "no-store"
    header, *rows = csv.reader(io.StringIO(answer.body))
    assert len(rows) == len(REGISTER) + 2
    (vendor,) = [row for row in rows if row[:2] == ["product", "vendor"]]
    assert vendor[header.index("Example")].startswith("'=HYPERLINK")


def test_before_the_first_import_the_fields_are_listed_unmeasured(shop: Shop) -> None:
    answer = hire(shop, 7_102, Role.VIEWER).ask("fields")
    assert answer.body["measured_at"] is None
    assert len(answer.body["fields_taken"]) == len(REGISTER)
    assert {each["rows"] for each in answer.body["fields_taken"]} == {None}


@given(
    st.lists(
        st.lists(
            st.text(max_size=12) | st.sampled_from(["=1+1", "+1", "-2.5", "@x", "\t=1", " =1"]),
            min_size=2,
            max_size=2,
        ),
        max_size=5,
    )
)
def test_whatever_is_written_is_read_back_and_is_no_formula(cells: list[list[str]]) -> None:
    text = safe_csv.table(("a", "b"), cells)
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(rows) == len(cells)
    for row, given_row in zip(rows, cells, strict=True):
        for cell, told in zip(row, given_row, strict=True):
            assert not safe_csv.is_formula(cell)
            assert cell.removeprefix("'") == told.replace("\x00", "").removeprefix("'")
