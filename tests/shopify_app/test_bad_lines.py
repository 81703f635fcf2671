"""Bulk results with spoilt lines, over HTTP: each is refused with its number and reason, and the others arrive."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mlops.features import store
from mlops.features.models import Order, OrderLine
from shopify_app import installs
from shopify_app.graphql import bulk
from shopify_app.graphql.throttle import Priority
from shopify_app.sync import backfill, refused
from shopify_app.sync.models import OPEN_STATES, ImportJob, JobState, Resource, StagedRow
from shopify_app.sync.progress import import_progress
from shopify_app.sync.translate import lines
from shopify_app.sync.translate.values import Untranslatable
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import DOMAIN, RunningDevstore

KIN = lines.Kin("Order", "LineItem")


def orders_file(shop: Shop) -> list[dict[str, Any]]:
    """The lines of the shop's orders, unspoilt."""
    client = installs.admin_client(shop, priority=Priority.BACKFILL)
    operation = bulk.start(client, "OrdersBulk")
    for _ in range(400):
        found = bulk.status(client, operation)
        assert found is not None
        if found.url:
            return [json.loads(line) for line in httpx.get(found.url, trust_env=False).text.splitlines()]
        time.sleep(0.02)
    raise AssertionError("the export never ended")


def import_orders(shop: Shop, *, within_s: float = 60.0) -> ImportJob:
    """Run the import of orders to its end, without the waits."""
    until = time.monotonic() + within_s
    with scope(shop):
        ImportJob.objects.exclude(resource=Resource.ORDERS).update(state=JobState.DONE)
        while True:
            job = ImportJob.objects.get(resource=Resource.ORDERS)
            if job.state not in OPEN_STATES:
                assert not StagedRow.objects.exists(), "nothing is left in staging"
                return job
            assert time.monotonic() < until, f"{job}: {job.problem}"
            if not backfill.step(shop, job.pk):
                time.sleep(0.02)
                ImportJob.objects.filter(pk=job.pk).update(next_step_at=timezone.now() - timedelta(seconds=1))


def spoil(devstore: RunningDevstore, **switches: Any) -> None:
    answer = devstore.control("POST", "/faults", {"bulk": {"only": "orders", **switches}})
    assert answer.status_code == 200, answer.text


def is_child(row: dict[str, Any]) -> bool:
    return "__parentId" in row


REFUSED_ROOTS = {
    "cut": "cut off", "not_utf8": "not UTF-8", "nul": "not JSON", "half_a_character": "not JSON", "nan": "not JSON",
    "deep": "not JSON", "key_twice": "a key is told twice", "not_an_object": "not an object", "words": "not JSON",
    "null_id": "id is not an id", "no_id": "id is not an id", "word_as_id": "id is not an id", "huge_id": "id is not an id",
    "bad_time": "updatedAt is not a time", "huge_price": "amount that no shop has", "wild_price": "not an amount",
    "first_day": "updatedAt is not a time", "infinity": "not JSON", "null_parent": "a root has a parent",
}  # fmt: skip
REFUSED_CHILDREN = {
    "cut": "cut off", "orphan": "parent is not in the file", "other_parent": "parent is of another kind",
    "no_parent": "the line has no parent", "null_parent": "parent is not an id", "null_quantity": "not a whole number",
    "huge_quantity": "not a whole number", "large_quantity": "number that no shop has", "null_id": "id is not an id",
    "huge_price": "amount that no shop has", "key_twice": "a key is told twice",
}  # fmt: skip
HARMLESS = ("blank_before", "carriage_return", "nul_escaped", "byte_order_mark")


def test_each_spoilt_line_is_refused_with_number_and_reason_and_the_others_arrive(
    devstore: RunningDevstore, installed: Shop
) -> None:
    clean = orders_file(installed)
    roots = [number for number, row in enumerate(clean, 1) if not is_child(row)]
    children = [number for number, row in enumerate(clean, 1) if is_child(row)]
    spoilt = dict(zip(roots[1::3], REFUSED_ROOTS, strict=False))
    lost = {clean[number - 1]["id"] for number in spoilt}
    free = [each for each in children if clean[each - 1]["__parentId"] not in lost]
    spoilt |= dict(zip(free[3::7], REFUSED_CHILDREN, strict=False))
    spoilt |= {1: "byte_order_mark", free[0]: "carriage_return", free[1]: "nul_escaped"}
    assert Counter(spoilt.values()) >= Counter([*REFUSED_ROOTS, *REFUSED_CHILDREN]), "each way is tried"
    spoil(devstore, corrupt={str(number): word for number, word in spoilt.items()})

    job = import_orders(installed)

    by_line = {each["line"]: each for each in job.refused}
    orphans = 0
    for number, row in enumerate(clean, 1):
        word = spoilt.get(number, "")
        reasons = REFUSED_CHILDREN if is_child(row) else REFUSED_ROOTS
        if word in reasons:
            if word in ("bad_time", "first_day", "huge_price", "wild_price") and not is_child(row):
                mine = sum(1 for each in clean if each.get("__parentId") == row["id"])
                assert by_line[number]["left_out"] == 1 + mine
            assert reasons[word] in by_line[number]["reason"], (number, word)
        elif is_child(row) and row["__parentId"] in lost:
            orphans += 1
        else:
            assert number not in by_line
    gone = {number for number, word in spoilt.items() if word in (*REFUSED_ROOTS, *REFUSED_CHILDREN)}
    assert job.lines_skipped == len(gone) + orphans
    with scope(installed):
        assert Order.objects.count() == len(roots) - len(lost)
        assert OrderLine.objects.count() == len(children) - orphans - len(gone) + len(lost)
    assert (job.state, job.problem_code) == (JobState.FAILED, "not_understood"), "so many are no accident"
    assert f"{job.lines_skipped} of " in job.problem


def test_a_few_spoilt_lines_are_told_and_the_import_is_done(
    devstore: RunningDevstore, installed: Shop
) -> None:
    clean = orders_file(installed)
    lines_of = [number for number, row in enumerate(clean, 1) if is_child(row)]
    spoil(devstore, corrupt={str(lines_of[5]): "giant", str(lines_of[9]): "carriage_return", str(lines_of[20]): "blank_before"})  # fmt: skip
    job = import_orders(installed)
    assert (job.state, job.lines_skipped) == (JobState.DONE, 1)
    (told,) = job.refused
    assert told["line"] == lines_of[5]
    assert "too long: 41,9" in told["reason"]
    assert len(told["row"]) <= refused.SHOWN_CHARACTERS
    assert store.counts(installed).lines == len(lines_of) - 1
    assert store.counts(installed).orders == len(clean) - len(lines_of)
    progress = {each.resource: each for each in import_progress(installed)}["orders"]
    assert (progress.rows_done, progress.rows_skipped) == (len(clean), 1)


def test_a_line_that_comes_twice_counts_once(devstore: RunningDevstore, installed: Shop) -> None:
    clean = orders_file(installed)
    root = next(number for number, row in enumerate(clean, 1) if not is_child(row))
    child = next(number for number, row in enumerate(clean, 1) if is_child(row))
    spoil(devstore, corrupt={str(root): "twice", str(child): "twice"})
    job = import_orders(installed)
    assert sorted(each["line"] for each in job.refused) == [root, child + 1]
    assert all("told again in line" in each["reason"] for each in job.refused)
    counts = store.counts(installed)
    assert (counts.orders + counts.lines, job.state) == (len(clean), JobState.DONE)


@pytest.mark.parametrize("fault", [{"cut_at_line": 400}, {"fail_at_line": 400}])
def test_what_a_broken_off_file_holds_is_kept_and_only_the_rest_is_asked_for(
    devstore: RunningDevstore, installed: Shop, fault: dict[str, int]
) -> None:
    clean = orders_file(installed)
    spoil(devstore, **fault)
    with scope(installed):
        while not (job := ImportJob.objects.get(resource=Resource.ORDERS)).lines_before:
            if not backfill.step(installed, job.pk):
                time.sleep(0.01)
                ImportJob.objects.filter(pk=job.pk).update(next_step_at=timezone.now() - timedelta(seconds=1))
        kept = Order.objects.count()
        assert kept > 20
        known = {
            each: sum(1 for row in clean if row.get("__parentId") == f"gid://shopify/Order/{each}")
            for each in Order.objects.values_list("order_id", flat=True)
        }
        assert all(OrderLine.objects.filter(order_id=each).count() == count for each, count in known.items())
        assert job.resume_from > max(known)
    devstore.control("POST", "/faults", {"bulk": dict.fromkeys(fault)})
    job = import_orders(installed)
    assert job.state == JobState.DONE
    counts = store.counts(installed)
    assert counts.orders + counts.lines == job.lines_before + job.lines_read == len(clean)
    operations = devstore.platform.store(DOMAIN)
    assert operations.counts()["orders"] == counts.orders
    assert job.lines_read < len(clean) - kept, "the second export held the rest alone"


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"file": "page"}, "web page"),
        ({"file": "packed"}, "packed file"),
        ({"file": "empty"}, "cut off"),
        ({"file": "rubbish"}, "cut off"),
    ],
)
def test_something_else_than_a_result_ends_in_words_and_writes_nothing(
    devstore: RunningDevstore, installed: Shop, switches: dict[str, str], told: str
) -> None:
    spoil(devstore, **switches)
    job = import_orders(installed)
    assert job.state == JobState.FAILED
    assert told in job.problem
    assert store.counts(installed).orders == 0


def test_a_result_that_lapses_amid_the_reading_is_gone_on_with(
    devstore: RunningDevstore, installed: Shop
) -> None:
    clean = orders_file(installed)
    with scope(installed):
        while True:
            job = ImportJob.objects.get(resource=Resource.ORDERS)
            if job.state == JobState.READING:
                break
            backfill.step(installed, job.pk)
            time.sleep(0.01)
    devstore.control("POST", "/faults", {"bulk": {"expire": True}})
    with scope(installed):
        backfill.step(installed, job.pk)
        while ImportJob.objects.get(pk=job.pk).problem_code != "export_again":
            backfill.step(installed, job.pk)
    devstore.control("POST", "/faults", {"bulk": {"expire": False}})
    job = import_orders(installed)
    counts = store.counts(installed)
    assert (job.state, counts.orders + counts.lines) == (JobState.DONE, len(clean))


def test_what_is_kept_of_a_line_names_nobody() -> None:
    words = b'{"id":"gid://shopify/Order/12","name":"Ann Example","email":"ann@example.com","phone":"+447700900123",'
    words += (
        b'"customer":{"id":"gid://shopify/Customer/4711"},"quantity":3,"updatedAt":"2026-01-02T03:04:05Z"'
    )
    told = refused.shown(words, document_name="OrdersBulk")
    for secret in ("Ann", "Example", "ann", "example", "7700900123", "4711"):
        assert secret not in told
    for useful in ("gid://shopify/Order/12", '"quantity":3', "2026-01-02T03:04:05Z", "customer"):
        assert useful in told


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reading_of_a_line(line: bytes) -> None:
    try:
        row, _ = lines.read(line)
        lines.kinship(row, KIN)
    except Untranslatable:
        pass
    assert len(refused.shown(line, document_name="OrdersBulk")) <= refused.SHOWN_CHARACTERS


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=12))  # fmt: skip
def test_no_object_breaks_the_reading_of_a_line(value: Any) -> None:
    row = {"id": "gid://shopify/LineItem/1", "__parentId": "gid://shopify/Order/2", "sku": value}
    try:
        read, compact = lines.read(json.dumps(row, separators=(",", ":")).encode())
    except Untranslatable:
        return
    assert lines.kinship(read, KIN) == (1, 2)
    assert b"\n" not in compact
