"""Fixtures of every room: named shops, a fixed time, clean keys."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.management import call_command
from hypothesis.statistics import collector, describe_statistics
from playwright.sync_api import Browser

from shopify_app.local.journey import Journey
from shopify_app.local.terminal import Terminal
from shopify_app.webhooks import shops as delivering_shops
from tenancy import addresses, limits
from tenancy import redis as shared_redis
from tenancy.models import Shop, ShopState
from tenancy.scope import unscoped
from tests.chromium import open_browser
from tests.live_product import LiveProduct, live_product

# `make fuzz` asks every property for as many cases as it is told; the tests keep to hypothesis's own number.
if examples := os.environ.get("FUZZ_EXAMPLES"):
    hypothesis.settings.register_profile("fuzz", max_examples=int(examples), deadline=None, print_blob=True)
    hypothesis.settings.load_profile("fuzz")

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture(autouse=True)
def _clean_keys() -> Iterator[None]:
    """Each test begins and ends without keys of the test prefix, and knows no shop of another."""
    _forget_keys()
    delivering_shops.forget()
    limits.forget()
    addresses.forget()
    yield
    _forget_keys()


def _forget_keys() -> None:
    client = shared_redis.client()
    for key in client.scan_iter(match=f"{settings.REDIS_PREFIX}:*", count=1000):
        client.delete(key)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The kept test database begins empty, also after a session that was killed in the middle of a test."""
    with django_db_blocker.unblock(), unscoped(why="the tests begin without rows"):
        if Shop.objects.exists():
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="session", autouse=True)
def _clean_artefacts() -> Iterator[None]:
    folder = Path(settings.ARTEFACT_DIR)
    shutil.rmtree(folder, ignore_errors=True)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shop(db: None) -> Shop:
    """Birch and Co: installed, in pounds, London time."""
    return _shop("birch-and-co.myshopify.com", "Birch and Co")


@pytest.fixture
def other_shop(db: None) -> Shop:
    """Stranger: another installed shop, whose rows must never be seen by the first."""
    return _shop("stranger.myshopify.com", "Stranger")


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProduct]:
    """The whole product, installed on a store of 600 orders, trained twice, visited by shoppers for some seconds."""
    with live_product(tmp_path_factory.mktemp("product"), orders=600) as found:
        Journey(found.merchant(), Terminal()).walk(shoppers_seconds=8)
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real headless Chromium."""
    with open_browser() as found:
        yield found


def _shop(domain: str, name: str) -> Shop:
    return Shop.objects.create(
        domain=domain,
        name=name,
        state=ShopState.INSTALLED,
        currency="GBP",
        timezone="Europe/London",
        scopes="read_customer_events,read_customers,read_inventory,read_orders,read_products,read_themes,"
        "write_app_proxy,write_pixels",
        installed_at=NOON,
    )


_tried: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note how many made-up cases a test tried, whether it is a property itself or asks one inside."""
    note: Any = lambda stats: _tried.append(describe_statistics(stats))  # noqa: E731 - typed as None there
    with collector.with_value(note):
        try:
            return (yield)
        finally:
            if told := getattr(item, "hypothesis_statistics", None):
                _tried.append(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "FUZZ_EXAMPLES" not in os.environ:
        return
    held, failed = (
        sum(int(n) for told in _tried for n in re.findall(rf"(\d+) {word}", told))
        for word in ("passing", "failing")
    )
    terminalreporter.write_line(
        f"{held:,} made-up cases held, {failed:,} did not, in {len(_tried)} properties"
    )
