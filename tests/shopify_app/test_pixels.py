"""The app switches its web pixel on in each shop, and keeps it told where events go."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from shopify_app import installs
from shopify_app.pixels import activate
from shopify_app.pixels.models import WebPixel
from shopify_app.pixels.tasks import settle_all
from storefront_proxy import visitors
from tenancy.errors import Transient
from tenancy.models import Shop
from tenancy.scope import scope, unscoped
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.shopify_app.conftest import OWNER


def at_shopify(devstore: RunningDevstore) -> dict[str, Any] | None:
    install = devstore.platform.installs.active(DOMAIN)
    assert install is not None
    row = devstore.pixels.pixel(DOMAIN, install.installed_at)
    return None if row is None else json.loads(row["settings"])


def test_an_installed_shop_gets_its_pixel_once(installed: Shop, devstore: RunningDevstore) -> None:
    now = timezone.now()
    assert activate.due(now) == [installed.pk]
    with scope(installed):
        assert activate.settle(installed, now=now)
        assert not activate.settle(installed, now=now)
    assert activate.due(now) == []
    told = at_shopify(devstore)
    assert told == {"endpoint": activate.endpoint(installed)}
    parts = urlsplit(told["endpoint"])
    assert parts.path == "/collect/events"
    assert visitors.shop_of_account(parse_qs(parts.query)["account"][0]) == DOMAIN
    with unscoped(why="the test looks at every shop"):
        assert installed.audit.filter(action="pixel.switched_on").count() == 1


def test_a_new_address_of_the_app_reaches_the_pixel(
    installed: Shop, devstore: RunningDevstore, settings: Any
) -> None:
    now = timezone.now()
    with scope(installed):
        activate.settle(installed, now=now)
        settings.APP_URL = "https://moved.example.com"
        later = now + timedelta(minutes=10)
        assert activate.due(later) == [installed.pk]
        assert activate.settle(installed, now=later)
    told = at_shopify(devstore)
    assert told is not None
    assert told["endpoint"].startswith("https://moved.example.com/")


def test_a_pixel_that_was_made_by_a_lost_call_is_taken_up(installed: Shop, devstore: RunningDevstore) -> None:
    install = devstore.platform.installs.active(DOMAIN)
    assert install is not None
    devstore.pixels.add_pixel(DOMAIN, install.installed_at, '{"endpoint":"https://old.example.com"}')
    with scope(installed):
        assert activate.settle(installed, now=timezone.now())
    assert at_shopify(devstore) == {"endpoint": activate.endpoint(installed)}


def test_what_fails_is_said_and_tried_again_later(installed: Shop, devstore: RunningDevstore) -> None:
    now = timezone.now()
    devstore.platform.set_faults({"api": {"error_rate": 1.0}})
    with scope(installed), pytest.raises(Transient):
        activate.settle(installed, now=now)
    with scope(installed):
        row = WebPixel.objects.get()
    assert row.problem
    assert (activate.due(now), activate.due(now + timedelta(minutes=6))) == ([], [installed.pk])
    devstore.platform.set_faults(None)
    with scope(installed):
        assert activate.settle(installed, now=now + timedelta(minutes=6))
        assert WebPixel.objects.get().problem == ""


def test_a_shop_installed_again_gets_another(installed: Shop, devstore: RunningDevstore) -> None:
    now = timezone.now()
    with scope(installed):
        activate.settle(installed, now=now)
    devstore.platform.uninstall(DOMAIN)
    installs.uninstall(installed, now)
    assert activate.due(now) == []
    devstore.platform.install(DOMAIN)
    shop = installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), now + timedelta(minutes=9))
    assert at_shopify(devstore) is None
    with scope(shop):
        assert activate.settle(shop, now=now + timedelta(minutes=9))
    assert at_shopify(devstore) == {"endpoint": activate.endpoint(shop)}


def test_a_shop_that_did_not_grant_the_scope_is_left_alone(installed: Shop) -> None:
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=installed.pk).update(scopes="read_orders")
    installed.refresh_from_db()
    assert activate.due(timezone.now()) == []
    with scope(installed):
        assert not activate.settle(installed, now=timezone.now())


def test_the_tick_names_each_shop_that_is_due(installed: Shop) -> None:
    assert settle_all() == 1
