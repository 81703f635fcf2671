"""The import of a whole shop, with every kind of interruption: the counts must be the shop's, exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from mlops.features import store
from mlops.features.models import Product, Variant
from shopify_app import installs
from shopify_app.graphql import calls
from shopify_app.sync import backfill, leases
from shopify_app.sync.models import OPEN_STATES, ImportJob, JobState, Resource, StagedRow
from shopify_app.sync.progress import ORDERS_NOTE, import_progress
from shopify_app.sync.signals import history_imported
from tenancy.models import Shop
from tenancy.scope import scope
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.shopify_app.conftest import OWNER, ROOT


def open_jobs() -> list[ImportJob]:
    return list(ImportJob.objects.filter(state__in=OPEN_STATES))


def run_import(shop: Shop, *, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    with scope(shop):
        while open_jobs():
            assert time.monotonic() < until, [str(each) + each.problem for each in open_jobs()]
            for job in open_jobs():
                while backfill.step(shop, job.pk):
                    pass
            time.sleep(0.02)


def hurry(shop: Shop) -> None:
    """Make every wait that was set for the future be over."""
    with scope(shop):
        ImportJob.objects.update(next_step_at=timezone.now() - timedelta(seconds=1))


def shop_counts(devstore: RunningDevstore) -> dict[str, int]:
    counts: dict[str, int] = devstore.platform.store(DOMAIN).counts()
    return counts


def assert_exact(shop: Shop, devstore: RunningDevstore) -> None:
    found, wanted = store.counts(shop), shop_counts(devstore)
    for name in ("orders", "lines", "customers", "products", "variants", "collections", "refunds"):
        assert getattr(found, name) == wanted[name], name
    with scope(shop):
        assert not StagedRow.objects.exists(), "nothing is left in staging"


@pytest.fixture
def told() -> Any:
    heard: list[Shop] = []

    def listen(sender: Any, *, shop: Shop, **_: Any) -> None:
        heard.append(shop)

    history_imported.connect(listen)
    yield heard
    history_imported.disconnect(listen)


def test_an_import_has_exactly_what_the_shop_has(
    devstore: RunningDevstore, installed: Shop, told: list[Shop]
) -> None:
    run_import(installed)
    assert_exact(installed, devstore)
    assert told == [installed], "said once, when everything was in"
    progress = {each.resource: each for each in import_progress(installed)}
    assert {each.state for each in progress.values()} == {"done"}
    wanted = shop_counts(devstore)
    assert progress["orders"].rows_done == progress["orders"].rows_total == wanted["orders"] + wanted["lines"]
    assert progress["customers"].rows_done == wanted["customers"]
    assert all(each.rows_skipped == 0 and each.problem == "" for each in progress.values())
    assert calls.of(installed).throttled == 0
    with scope(installed):
        assert Product.objects.filter(published_at__isnull=False, status="active").exists()
        assert Variant.objects.filter(price__gt=0).count() == wanted["variants"]


def test_a_second_import_changes_nothing(
    devstore: RunningDevstore, installed: Shop, told: list[Shop]
) -> None:
    run_import(installed)
    with scope(installed), connection.cursor() as cursor:
        cursor.execute("select count(*) from features_event")
        before = cursor.fetchone()
        backfill.restart(installed, now=timezone.now())
        run_import(installed)
        cursor.execute("select count(*) from features_event")
        assert cursor.fetchone() == before
    assert_exact(installed, devstore)
    assert len(told) == 2


def test_no_personal_data_is_stored_anywhere(devstore: RunningDevstore, installed: Shop) -> None:
    run_import(installed)
    people = devstore.platform.store(DOMAIN).read("SELECT email, last_name FROM customers LIMIT 200")
    with scope(installed), connection.cursor() as cursor:
        cursor.execute("select string_agg(payload::text, ' ') from features_event")
        text = cursor.fetchone()[0]
    assert text.count('"order_id"') > 0
    for person in people:
        assert person["email"] not in text


def test_without_the_scope_for_all_orders_the_progress_says_so(installed: Shop) -> None:
    with scope(installed):
        Shop.objects.filter(pk=installed.pk).update(scopes="read_orders,read_products")
    shop = Shop.objects.get(pk=installed.pk)
    notes = {each.resource: each.note for each in import_progress(shop)}
    assert notes["orders"] == ORDERS_NOTE
    assert not any(note for resource, note in notes.items() if resource != "orders")
    with scope(installed):
        Shop.objects.filter(pk=installed.pk).update(scopes="read_all_orders,read_orders")
    assert import_progress(Shop.objects.get(pk=installed.pk))[3].note == ""


def test_an_export_that_fails_half_way_is_run_again(devstore: RunningDevstore, installed: Shop) -> None:
    devstore.control("POST", "/faults", {"bulk": {"fail_at_line": 100}})
    with scope(installed):
        for _ in range(200):
            for job in open_jobs():
                while backfill.step(installed, job.pk):
                    pass
            time.sleep(0.02)
            if ImportJob.objects.filter(resource=Resource.ORDERS, problem_code="export_again").exists():
                break
        waiting = ImportJob.objects.get(resource=Resource.ORDERS)
        assert (waiting.state, waiting.problem_code) == (JobState.WAITING, "export_again")
        assert not StagedRow.objects.filter(job=waiting).exists(), "a part of the orders is worse than none"
    devstore.control("POST", "/faults", {"bulk": {"fail_at_line": None}})
    hurry(installed)
    run_import(installed)
    assert_exact(installed, devstore)


def test_an_export_that_always_fails_ends_in_a_state_that_says_why(
    devstore: RunningDevstore, installed: Shop, told: list[Shop]
) -> None:
    devstore.control("POST", "/faults", {"bulk": {"fail_at_line": 1}})
    with scope(installed):
        until = time.monotonic() + 30
        while open_jobs() and time.monotonic() < until:
            hurry(installed)
            for job in open_jobs():
                while backfill.step(installed, job.pk):
                    pass
        states = set(ImportJob.objects.values_list("state", flat=True))
    assert states == {JobState.FAILED}
    for each in import_progress(installed):
        assert each.problem_code == "export_failed"
        assert "Restart import" in each.problem
    assert told == [], "nothing was imported, so nothing can be learnt"


def test_a_missing_scope_fails_its_resource_alone(
    devstore: RunningDevstore, installed: Shop, told: list[Shop]
) -> None:
    scopes = frozenset({"read_orders", "read_products", "read_customers"})
    devstore.platform.installs.grant(DOMAIN, scopes, time.time())
    installs.access_token(
        installed, timezone.now(), rejected=installs.access_token(installed, timezone.now())
    )
    run_import(installed)
    progress = {each.resource: each for each in import_progress(installed)}
    assert (progress["inventory"].state, progress["inventory"].problem_code) == ("failed", "access_denied")
    others = {
        each.resource: (each.state, each.problem)
        for each in progress.values()
        if each.resource != "inventory"
    }
    assert others == dict.fromkeys(("products", "collections", "customers", "orders"), ("done", ""))
    assert told == [installed], "orders and products are enough to learn from"


def test_a_worker_that_comes_back_from_the_dead_changes_nothing(
    devstore: RunningDevstore, installed: Shop
) -> None:
    with scope(installed):
        job = ImportJob.objects.get(resource=Resource.ORDERS)
        first = leases.claim(job.pk, timezone.now())
        assert first is not None
        assert leases.claim(job.pk, timezone.now()) is None, "one holder at a time"
        later = timezone.now() + timedelta(seconds=30)
        second = leases.claim(job.pk, later)
        assert second is not None
        assert second.troubles == 1, "a lapsed lease is counted"
        with pytest.raises(leases.LeaseLost):
            leases.save(first, later, lines_read=999)
        leases.save(second, later, lines_read=5)
        leases.release(first)
        assert ImportJob.objects.get(pk=job.pk).lease_token == second.lease_token
        leases.release(second)
        assert ImportJob.objects.get(pk=job.pk).lines_read == 5


def test_a_restart_in_the_middle_shuts_out_the_step_that_runs(
    devstore: RunningDevstore, installed: Shop
) -> None:
    with scope(installed):
        held = leases.claim(ImportJob.objects.get(resource=Resource.PRODUCTS).pk, timezone.now())
        assert held is not None
        backfill.restart(installed, now=timezone.now())
        with pytest.raises(leases.LeaseLost):
            leases.save(held, timezone.now(), lines_read=1)
    run_import(installed)
    assert_exact(installed, devstore)


WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "shopify_app.settings"
import django
django.setup()
import shopify_app.celery, time
from shopify_app.sync import backfill, staging
from shopify_app.sync.models import OPEN_STATES, ImportJob
from tenancy.models import Shop
from tenancy.scope import scope
shop = Shop.objects.get()
backfill.LINES_PER_PIECE = 40  # many small transactions: the kill falls between and inside them
staging.ROWS_PER_BATCH = 25
print("ready", flush=True)
with scope(shop):
    while jobs := list(ImportJob.objects.filter(state__in=OPEN_STATES)):
        for job in jobs:
            backfill.step(shop, job.pk)
        time.sleep(0.01)
"""


@pytest.mark.django_db(transaction=True)
def test_kill_9_at_any_moment_loses_and_doubles_nothing(devstore: RunningDevstore) -> None:
    shop = installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    if not database["HOST"].startswith("/"):
        url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    env = {
        **os.environ, "DATABASE_URL": url, "SHOPIFY_SHOP_ORIGIN": devstore.url, "BULK_POLL_S": "1",
        "SHOPIFY_API_KEY": django_settings.SHOPIFY_API_KEY, "SHOPIFY_API_SECRET": django_settings.SHOPIFY_API_SECRET,
    }  # fmt: skip
    kills = 0
    for delay in (0.9, 0.35, 0.6):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert worker.stdout is not None
        try:
            worker.stdout.readline()
            worker.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            kills += 1
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
        with scope(shop):  # the lease of the dead lapses: the test does not wait for it
            ImportJob.objects.exclude(lease_token="").update(
                lease_until=timezone.now() - timedelta(seconds=1)
            )
    assert kills >= 2
    hurry(shop)
    run_import(shop)
    assert_exact(shop, devstore)


def test_five_exports_run_side_by_side(devstore: RunningDevstore, installed: Shop) -> None:
    devstore.control("POST", "/faults", {"bulk": {"rows_per_s": 300}})
    with scope(installed):
        for job in open_jobs():
            backfill.step(installed, job.pk)
        assert {each.state for each in ImportJob.objects.all()} == {JobState.EXPORTING}
        operations = set(ImportJob.objects.values_list("operation_id", flat=True))
    assert len(operations) == 5
    devstore.control("POST", "/faults", {"bulk": {"rows_per_s": None}})
    run_import(installed)
    assert_exact(installed, devstore)


def polls(shop: Shop, resource: Resource, until: Callable[[ImportJob], bool]) -> ImportJob:
    for _ in range(200):
        job = ImportJob.objects.get(resource=resource)
        if until(job):
            return job
        backfill.step(shop, job.pk)
        time.sleep(0.02)
    raise AssertionError(f"{resource} never got there")


def test_the_finish_webhook_only_brings_the_next_look_forward(
    devstore: RunningDevstore, installed: Shop
) -> None:
    with scope(installed):
        job = polls(installed, Resource.ORDERS, lambda each: each.state == JobState.EXPORTING)
        far = timezone.now() + timedelta(hours=1)
        ImportJob.objects.filter(pk=job.pk).update(next_step_at=far)
        now = timezone.now()
        assert backfill.nudge(installed, "gid://shopify/BulkOperation/1", now=now) is False
        assert ImportJob.objects.get(pk=job.pk).next_step_at == far
        assert backfill.nudge(installed, job.operation_id, now=now) is True
        assert ImportJob.objects.get(pk=job.pk).next_step_at == now
