"""`manage.py backfill`: brings a history in, shows how far it is, and ends with a code that says how it went."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mlops.features import store
from shopify_app.sync.models import ImportJob, JobState, Resource
from shopify_app.sync.progress import ORDERS_NOTE
from tenancy.models import AuditEntry, Shop
from tenancy.scope import scope, unscoped
from tests.devstore.running import DOMAIN, RunningDevstore


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("backfill", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_it_brings_the_history_in_without_any_worker(devstore: RunningDevstore, installed: Shop) -> None:
    code, told = run(DOMAIN)
    assert code == 0, told
    wanted = devstore.platform.store(DOMAIN).counts()
    assert store.counts(installed).lines == wanted["lines"]
    assert f"orders: in {wanted['orders'] + wanted['lines']:,}" in told
    assert run(DOMAIN, "--status") == (0, told)
    code, _ = run(DOMAIN, "--restart", "--only", "products,customers")
    assert code == 0
    with scope(installed):
        assert dict(ImportJob.objects.values_list("resource", "run")) == {
            each.value: 2 if each in (Resource.PRODUCTS, Resource.CUSTOMERS) else 1 for each in Resource
        }
        assert AuditEntry.objects.filter(action="import.restarted", actor="system:shell").count() == 1


def test_refused_lines_and_a_missing_grant_are_said(devstore: RunningDevstore, installed: Shop) -> None:
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=installed.pk).update(scopes="read_orders,read_products")
    devstore.control("POST", "/faults", {"bulk": {"only": "orders", "corrupt": {"60": "cut"}}})
    code, told = run(DOMAIN)
    assert code == 3, told
    assert "1 refused" in told
    assert "orders line 60: the line is cut off" in told
    assert ORDERS_NOTE in told


def test_what_fails_or_is_not_done_has_a_code_of_its_own(devstore: RunningDevstore, installed: Shop) -> None:
    with scope(installed):
        ImportJob.objects.update(next_step_at=timezone.now() + timedelta(hours=1))
        assert run(DOMAIN, "--status")[0] == 4
        code, told = run(DOMAIN, "--patience", "0")
        assert code == 4
        assert "not done after 0 s" in told
        ImportJob.objects.update(state=JobState.FAILED, problem="It broke.")
    code, told = run(DOMAIN, "--status")
    assert code == 1
    assert "It broke." in told


@pytest.mark.django_db
def test_wrong_usage_is_refused() -> None:
    assert run("nobody.myshopify.com")[0] == 1
