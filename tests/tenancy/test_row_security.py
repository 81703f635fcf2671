"""Row-level security: what a session may see is decided by Postgres, also for SQL that never met our code."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from psycopg import sql

from mlops.features.models import Customer, Product
from tenancy import fence, row_security
from tenancy.audit import record
from tenancy.models import AuditEntry, Shop
from tenancy.postgres.base import RoleBypassesRows, refuse_bypass
from tenancy.scope import ScopeMissing, scope, scoped, unscoped
from tests.looks import looking
from tests.tenancy.rows import fill

pytestmark = pytest.mark.django_db(transaction=True)
Raw = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def raw(shop: Shop, other_shop: Shop, now: datetime) -> Iterator[Raw]:
    """A connection beside Django, in the app's own role, with one row of each shop in every table that has a shop."""
    for each in (shop, other_shop):
        with scope(each):
            fill(each, now)
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as found:
        found.execute("set shelfwise.purpose = 'operation'")
        yield found
        found.rollback()


def _tables() -> list[str]:
    return sorted(row_security.shop_tables())


def _be(raw: Raw, shop: Shop | str) -> None:
    value = shop if isinstance(shop, str) else str(shop.pk)
    raw.execute("select set_config('shelfwise.shop', %s, false)", [value])


def _shops_in(raw: Raw, table: str) -> set[int]:
    query = sql.SQL("select distinct shop_id from {}").format(sql.Identifier(table))
    return {row[0] for row in raw.execute(query)}


def test_every_table_with_a_shop_is_held(raw: Raw) -> None:
    with_column = raw.execute(
        "select table_name from information_schema.columns c where table_schema = 'public' and column_name = 'shop_id'"
    )
    assert {row[0] for row in with_column} == set(_tables())
    held = raw.execute(
        "select relname from pg_class where relrowsecurity and relforcerowsecurity and exists"
        " (select from pg_policy where polrelid = pg_class.oid)"
    )
    assert {row[0] for row in held} == {*_tables(), "tenancy_shop"}
    assert row_security.put_on() == [], "a second time changes nothing"


def test_a_table_that_lost_its_policy_gets_it_back(shop: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("alter table features_product no force row level security")
    assert row_security.put_on() == ["features_product"]


def test_the_app_is_a_role_that_is_held(raw: Raw) -> None:
    found = raw.execute("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
    assert found.fetchone() == (False, False)


def test_unset_shows_nothing_and_writes_nothing(raw: Raw, shop: Shop) -> None:
    for value in ("", None):
        if value is not None:
            _be(raw, value)
        for table in _tables():
            name = sql.Identifier(table)
            assert _shops_in(raw, table) == set(), table
            assert raw.execute(sql.SQL("delete from {}").format(name)).rowcount == 0, table
            assert raw.execute(sql.SQL("update {} set shop_id = shop_id").format(name)).rowcount == 0, table
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        raw.execute(
            "insert into tenancy_auditentry (shop_id, at, actor, action, reason, data)"
            " values (%s, now(), 'a', 'b', '', '{}')",
            [shop.pk],
        )


def test_a_shop_sees_and_touches_its_own_rows_alone(raw: Raw, shop: Shop, other_shop: Shop) -> None:
    for table in _tables():
        name = sql.Identifier(table)
        for mine, theirs in ((shop, other_shop), (other_shop, shop)):
            _be(raw, mine)
            assert _shops_in(raw, table) == {mine.pk}, table
            for query in ("select 1 from {} where shop_id = %s", "delete from {} where shop_id = %s"):
                assert raw.execute(sql.SQL(query).format(name), [theirs.pk]).rowcount == 0, table
            given_away = sql.SQL("update {} set shop_id = %s").format(name)
            copied = sql.SQL("insert into {0} ({1}) select {2} from {0}").format(name, *_columns(table))
            for write in (given_away, copied):
                with (
                    pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"),
                    raw.transaction(),
                ):
                    raw.execute(write, [theirs.pk])
        _be(raw, "all")
        assert _shops_in(raw, table) == {shop.pk, other_shop.pk}, "nothing was lost on the way"


def _columns(table: str) -> tuple[sql.Composed, sql.Composed]:
    """The columns of a table, and the same with a parameter for the shop."""
    names = [str(field.column) for field in row_security.shop_tables()[table]._meta.local_concrete_fields]
    taken = [sql.SQL("%s") if name == "shop_id" else sql.Identifier(name) for name in names]
    return sql.SQL(", ").join(map(sql.Identifier, names)), sql.Composed(
        [taken[0], *(sql.Composed([sql.SQL(", "), each]) for each in taken[1:])]
    )


def test_the_directory_is_read_before_a_scope_and_fenced_inside(
    raw: Raw, shop: Shop, other_shop: Shop
) -> None:
    listed = "select id from tenancy_shop order by id"
    change = "update tenancy_shop set name = 'taken over'"
    assert {row[0] for row in raw.execute(listed)} == {shop.pk, other_shop.pk}
    assert raw.execute(change).rowcount == 0
    _be(raw, shop)
    assert [row[0] for row in raw.execute(listed)] == [shop.pk]
    assert raw.execute(change).rowcount == 1
    assert raw.execute("delete from tenancy_shop where id = %s", [other_shop.pk]).rowcount == 0


def test_a_join_or_a_subquery_is_no_way_round(raw: Raw, shop: Shop, other_shop: Shop) -> None:
    _be(raw, shop)
    query = (
        "select o.shop_id from features_order o full join features_orderline l on true"
        " union all select (select max(shop_id) from features_customer)"
        " union all select shop_id from (table features_product) t"
    )
    assert {row[0] for row in raw.execute(query)} == {shop.pk}


def test_raw_sql_outside_a_scope_raises_instead_of_finding_nothing(shop: Shop) -> None:
    with connection.cursor() as cursor:
        for query in (
            "select count(*) from features_order",
            'delete from "features_order"',
            "with t as (select 1) insert into webhooks_inboxdelivery select * from t",
            "update tenancy_shop set name = ''",
            "select * from tenancy_shop for update",
        ):
            with pytest.raises(ScopeMissing):
                cursor.execute(query)
        with pytest.raises(ScopeMissing), cursor.copy("copy (select * from features_order) to stdout"):
            pass
        with pytest.raises(ScopeMissing):
            cursor.executemany("delete from features_order where order_id = %s", [(1,), (2,)])
    with pytest.raises(ScopeMissing):
        AuditEntry.objects.count()
    with pytest.raises(ScopeMissing):
        Shop.objects.filter(pk=shop.pk).update(name="x")
    shop.save()


def _told() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('shelfwise.shop', true)")
        return cursor.fetchone()[0] or ""


class _Undo(Exception):
    """Rolls a transaction of the walk back."""


STEPS = st.lists(
    st.sampled_from(
        ["scope", "all", "leave", "begin", "save", "commit", "fail", "error", "query", "reconnect"]
    ),
    max_size=25,
)


@effort(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_the_session_follows_the_scope_whatever_happens(steps: list[str]) -> None:
    """Any nesting of scopes and transactions, with errors and roll backs: the next query has the scope of its block."""
    names = iter(steps)

    def walk(depth: int) -> None:
        for step in names:
            if step == "leave" or depth > 12:
                return
            if step == "scope" and fence.shop.get() in (None, fence.ANY_SHOP, 7):
                with scope(7):
                    walk(depth + 1)
            elif step == "all":
                with unscoped(why="the test spans all shops"):
                    walk(depth + 1)
            elif step in ("begin", "save"):
                with contextlib.suppress(_Undo), transaction.atomic():
                    walk(depth + 1)
            elif step == "fail" and connection.in_atomic_block:
                raise _Undo
            elif step == "error" and not connection.in_atomic_block:
                with pytest.raises(Exception, match="division by zero"), connection.cursor() as cursor:
                    cursor.execute("select 1 / 0")
            elif step == "reconnect" and not connection.in_atomic_block:
                connection.close()
            assert _told() == fence.told(fence.shop.get())

    with contextlib.suppress(_Undo):
        walk(0)
    assert _told() == ""


def test_a_setting_costs_no_round_trip(shop: Shop, other_shop: Shop, tmp_path: Path) -> None:
    """Messages to Postgres, as libpq writes them down: one a statement, also when the scope changed before it."""
    with connection.cursor() as cursor, (tmp_path / "trace").open("w+b") as trace:
        cursor.execute("select 1")
        cursor.connection.pgconn.trace(trace.fileno())
        for each in (shop, shop, other_shop):
            with scope(each):
                cursor.execute("select count(*) from features_product")
                cursor.execute("select count(*) from features_order")
        cursor.connection.pgconn.untrace()
    sent = [line for line in (tmp_path / "trace").read_text().splitlines() if "\tF\t" in line]
    assert len([line for line in sent if "Query" in line]) == len(sent) == 6


def test_threads_do_not_share_a_scope(shop: Shop, other_shop: Shop, now: datetime) -> None:
    for each in (shop, other_shop):
        with scope(each):
            fill(each, now)
    wrong: list[set[int]] = []

    def look(mine: Shop) -> None:
        try:
            for _ in range(50):
                with scope(mine), connection.cursor() as cursor:
                    cursor.execute("select shop_id from features_product")
                    found = {row[0] for row in cursor.fetchall()}
                    if found != {mine.pk}:
                        wrong.append(found)
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=(each,)) for each in (shop, other_shop) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_streamed_answer_has_the_scope_too(shop: Shop, other_shop: Shop, now: datetime) -> None:
    for each in (shop, other_shop):
        with scope(each):
            fill(each, now)
    with scope(shop):
        assert {each.shop_id for each in Product.objects.iterator(chunk_size=1)} == {shop.pk}
        with (
            connection.cursor() as cursor,
            cursor.copy("copy (select shop_id from features_order) to stdout") as copy,
        ):
            assert {int(row[0]) for row in copy.rows()} == {shop.pk}


def test_a_pooled_connection_forgets_the_scope_before_it(shop: Shop, now: datetime) -> None:
    """A connection that another scope used before is told anew, as a pool would hand it on."""
    with scope(shop):
        fill(shop, now)
    with connection.cursor() as cursor:
        cursor.execute("set shelfwise.shop = 'all'")  # behind our back
        cursor.connection.fence.told = None  # as `get_new_connection` marks it
        cursor.execute("select current_setting('shelfwise.shop')")
        assert cursor.fetchone() == ("",)


def test_a_superuser_is_refused_with_the_way_out(raw: Raw) -> None:
    refuse_bypass("shelfwise", False)
    with pytest.raises(RoleBypassesRows, match="nosuperuser nobypassrls"):
        refuse_bypass("postgres", True)


@scoped
def _seen(shop: Shop) -> int:
    with looking():
        return Customer.objects.count()


def test_a_scoped_function_is_fenced_to_its_first_argument(
    shop: Shop, other_shop: Shop, now: datetime
) -> None:
    with scope(shop):
        fill(shop, now)
    assert (_seen(shop), _seen(other_shop)) == (1, 0)
    with scope(other_shop), pytest.raises(ScopeMissing, match="inside the scope of"):
        _seen(shop)
    record(shop, actor="system:test", action="fits", now=now)


def test_every_table_of_ours_that_is_not_held_is_known() -> None:
    """A new table without a shop is a decision, not an oversight."""
    ours = {
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, models.Model) and not model.__module__.startswith("django.")
    }
    # The directory, and what is left of an erased shop: a number, a keyed hash, a certificate.
    assert ours - set(_tables()) == {"tenancy_shop", "privacy_shoperasure"}
    assert settings.DATABASES["default"]["ENGINE"] == "tenancy.postgres"
