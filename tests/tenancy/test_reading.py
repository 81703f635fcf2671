"""Who reads what is linked to people, and why: a read that does not say so raises, also in raw SQL; the rest is on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test import Client

from mlops.features import snapshots
from mlops.features.models import Customer, Order
from shopify_app.privacy import places
from tenancy import fence
from tenancy.models import AccessEntry, Role, Shop
from tenancy.reading import Purpose, UnattributedRead, handled, reading
from tenancy.scope import scope, unscoped
from tests.admin_api.members import hire, session_token
from tests.tenancy.rows import fill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def filled(shop: Shop, other_shop: Shop, now: datetime) -> Shop:
    for each in (shop, other_shop):
        with scope(each):
            fill(each, now)
            with reading(actor="system:test", purpose=Purpose.ERASURE):
                AccessEntry.objects.all().delete()
    return shop


@pytest.fixture
def raw(filled: Shop) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as found:
        found.execute("select set_config('shelfwise.shop', %s, false)", [str(filled.pk)])
        yield found
        found.rollback()


def _entries(shop: Shop) -> list[tuple[str, str, dict[str, int], int, int]]:
    with scope(shop):
        return list(
            AccessEntry.objects.order_by("id").values_list("actor", "purpose", "tables", "rows", "blocks")
        )


def test_every_personal_column_is_guarded(filled: Shop) -> None:
    """Each place of the register that is read with a purpose, column by column, by name and by star."""
    tables = {each.table for each in places.PLACES if each.table in places.READ_WITH_PURPOSE}
    assert tables == set(places.READ_WITH_PURPOSE)
    with scope(filled), connection.cursor() as cursor:
        for each in places.PLACES:
            if each.table not in places.READ_WITH_PURPOSE:
                continue
            for query in (
                f"select {each.column} from {each.table}",
                f"select * from {each.table}",
                f"select t.* from {each.table} t",
                f"with t as (select * from {each.table}) select 1 from t",
                f"delete from {each.table} where false returning {each.column}",
                f"select count(*) from features_product where exists (select from {each.table} where {each.column} is null)",
            ):
                with pytest.raises(UnattributedRead):
                    cursor.execute(query)
            with (
                pytest.raises(UnattributedRead),
                cursor.copy(f"copy (select {each.column} from {each.table}) to stdout"),
            ):
                pass


def test_the_orm_raises_without_a_purpose(filled: Shop) -> None:
    with scope(filled):
        for read in (Customer.objects.count, Order.objects.first, lambda: list(Order.objects.iterator())):
            with pytest.raises(UnattributedRead, match="open `with reading"):
                read()
        assert Order.objects.count() == 1, "how many orders there are tells of nobody"
        assert list(Order.objects.values_list("total")), "nor does what they came to"


def test_what_names_nobody_needs_no_purpose(filled: Shop) -> None:
    with scope(filled), connection.cursor() as cursor:
        for query in (
            "select count(*), sum(total * 2) from features_order",
            "update features_order set visitor = null where order_id = 1",
            "select count(*) from features_exposure",
        ):
            cursor.execute(query)


def test_a_block_is_one_entry_with_the_rows_that_came_out(filled: Shop) -> None:
    with scope(filled), reading(actor="staff:42", purpose=Purpose.DATA_REQUEST):
        list(Customer.objects.all())
        list(Order.objects.iterator(chunk_size=1))
        with connection.cursor() as cursor:
            cursor.execute("select visitor from features_exposure where false")
            with cursor.copy("copy (select customer_id from features_order) to stdout") as copy:
                assert len(list(copy.rows())) == 1
        handled("export", 3)
    told = {"features_customer": 1, "features_order": 2, "export": 3}
    assert _entries(filled) == [("staff:42", "data_request", told, 6, 1)]


def test_each_block_of_a_person_is_an_entry_and_a_minute_of_our_own_work_is_one(filled: Shop) -> None:
    for _ in range(3):
        for actor in ("staff:42", "system:events"):
            with scope(filled), reading(actor=actor, purpose=Purpose.KEEPING):
                list(Order.objects.all())
    found = _entries(filled)
    assert [each for each in found if each[0] == "staff:42"] == [
        ("staff:42", "keeping", {"features_order": 1}, 1, 1)
    ] * 3
    own = [each for each in found if each[0] == "system:events"]
    # Two when the minute turned meanwhile.
    assert len(own) <= 2
    assert sum(each[3] for each in own) == sum(each[4] for each in own) == 3


def test_a_block_that_read_nothing_leaves_no_entry(filled: Shop) -> None:
    with scope(filled), reading(actor="staff:42", purpose=Purpose.FIGURES):
        assert Customer.objects.count() == 1
        assert not Order.objects.filter(order_id=-1).exists()
    assert _entries(filled) == []


def test_inside_a_persons_request_our_work_is_theirs(filled: Shop) -> None:
    with scope(filled), reading(actor="staff:42", purpose=Purpose.QUALITY):
        with reading(actor="system:events", purpose=Purpose.KEEPING):
            list(Order.objects.all())
    assert _entries(filled) == [("staff:42", "keeping", {"features_order": 1}, 1, 1)]


def test_a_failing_read_is_told_in_the_log(filled: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="shelfwise.access")

    def fail() -> None:
        with scope(filled), transaction.atomic(), reading(actor="staff:42", purpose=Purpose.QUALITY):
            list(Order.objects.all())
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _entries(filled) == []
    told = [record for record in caplog.records if record.message == "access.read"]
    assert [(each.actor, each.tables) for each in told] == [("staff:42", {"features_order": 1})]  # type: ignore[attr-defined]


def test_the_purpose_ends_with_its_block(filled: Shop) -> None:
    with scope(filled):
        with reading(actor="staff:42", purpose=Purpose.QUALITY):
            list(Order.objects.all())
        with pytest.raises(UnattributedRead):
            list(Order.objects.all())
        with connection.cursor() as cursor:
            cursor.execute("select current_setting('shelfwise.purpose')")
            assert cursor.fetchone() == ("",)


def test_postgres_itself_shows_no_person_without_a_purpose(raw: psycopg.Connection[tuple[Any, ...]]) -> None:
    for table in places.PERSON_ROWS:
        query = psycopg.sql.SQL("select count(*) from {}").format(psycopg.sql.Identifier(table))
        assert raw.execute(query).fetchone() == (0,), table
        raw.execute("set shelfwise.purpose = 'quality'")
        assert raw.execute(query).fetchone() == (1,), table
        raw.execute("set shelfwise.purpose = ''")


def test_the_log_is_not_altered_or_shortened_by_hand(
    filled: Shop, raw: psycopg.Connection[tuple[Any, ...]]
) -> None:
    with scope(filled), reading(actor="staff:42", purpose=Purpose.QUALITY):
        list(Order.objects.all())
    for purpose in ("", "quality", "keeping"):
        raw.execute("select set_config('shelfwise.purpose', %s, false)", [purpose])
        assert raw.execute("delete from tenancy_accessentry").rowcount == 0
        assert raw.execute("update tenancy_accessentry set rows = 0 where actor like 'staff:%'").rowcount == 0
    assert _entries(filled)


def test_across_shops_a_read_is_only_in_the_log_of_the_process(
    filled: Shop, other_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="shelfwise.access")
    with unscoped(why="the test reads them all"), reading(actor="system:test", purpose=Purpose.OPERATION):
        assert len(list(Order.objects.all())) == 2
    assert _entries(filled) == _entries(other_shop) == []
    assert [record.message for record in caplog.records] == ["access.read"]


def test_a_frozen_frame_is_read_with_a_purpose_too(filled: Shop, now: datetime) -> None:
    with scope(filled):
        taken = snapshots.take(filled, until=now, now=now)
        with pytest.raises(UnattributedRead):
            snapshots.read(taken)


def test_owners_see_it_page_by_page_and_as_a_file(filled: Shop, other_shop: Shop) -> None:
    owner = hire(filled, 1001, Role.OWNER)
    for each in (filled, other_shop):
        for number in range(3):
            with scope(each), reading(actor=f"staff:{each.pk}{number}", purpose=Purpose.QUALITY):
                list(Order.objects.all())
    first = owner.ask("access-log?limit=2").body
    second = owner.ask(f"access-log?limit=2&before={first['next_before']}").body
    actors = [entry["actor"] for page in (first, second) for entry in page["entries"]]
    assert actors == [f"staff:{filled.pk}{number}" for number in (2, 1, 0)]
    assert second["next_before"] is None
    answer = _file(session_token(filled.domain, 1001))
    assert answer.count(b"\r\n") == 4
    assert b"quality" in answer
    assert f"staff:{other_shop.pk}".encode() not in answer


def _file(token: str) -> bytes:
    response = Client().get("/api/access-log/export", headers={"Authorization": f"Bearer {token}"})
    assert response["Content-Type"].startswith("text/csv")
    return response.content


def test_names_in_a_statement_are_what_counts() -> None:
    people = fence.people_in
    assert people("select 1 from features_orderline").tables == ()
    assert people("select customer_id from features_order").tables == ("features_order",)
    assert people("insert into features_order (customer_id) values (1)").asks is False
    assert people("insert into features_outcome (visitor) values ('x') returning visitor").asks is True
    assert people("select sum(a * b) from features_order o").asks is False
    assert people("select count( * ) from features_order").asks is False
    assert people("set local x = 1").asks is False
