"""Installing, staying installed, and leaving, against a Shopify that rotates and revokes tokens as the real one."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from shopify_app import installs
from shopify_app.graphql.token_endpoint import GrantRefused, StaleSession, TokenEndpointDown
from shopify_app.sync.models import ImportJob, JobState, Resource
from tenancy.errors import NeedsReauth, Refused
from tenancy.models import AuditEntry, Role, Shop, ShopState, StaffMember
from tenancy.scope import scope, unscoped
from tests.devstore.running import DOMAIN, RunningDevstore
from tests.shopify_app.conftest import OPERATOR, OWNER


def states(shop: Shop) -> dict[str, str]:
    with scope(shop):
        return dict(ImportJob.objects.values_list("resource", "state"))


def test_the_first_visit_installs_and_starts_the_import(devstore: RunningDevstore, installed: Shop) -> None:
    shop = Shop.objects.get(pk=installed.pk)
    assert (shop.state, shop.currency, shop.timezone) == (ShopState.INSTALLED, "GBP", "Europe/London")
    assert shop.name
    assert "read_orders" in shop.scopes.split(",")
    assert states(shop) == dict.fromkeys(Resource.values, JobState.WAITING)
    assert shop.access_token_expires_at is not None
    assert shop.access_token_expires_at - timezone.now() <= timedelta(hours=1), "the token is an expiring one"


def test_tokens_are_sealed_at_rest(installed: Shop) -> None:
    token = installs.access_token(installed, timezone.now())
    assert token.startswith("shpat_")
    with connection.cursor() as cursor:
        cursor.execute("select * from tenancy_shop")
        row = cursor.fetchone()
    assert token not in str(row)
    assert token.encode() not in b"".join(bytes(each) for each in row if isinstance(each, memoryview | bytes))


def test_a_second_visit_exchanges_nothing(devstore: RunningDevstore, installed: Shop) -> None:
    before = bytes(Shop.objects.get(pk=installed.pk).access_token_sealed or b"")
    again = installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    assert again.pk == installed.pk
    assert bytes(Shop.objects.get(pk=installed.pk).access_token_sealed or b"") == before


@pytest.mark.usefixtures("db", "devstore")
def test_a_forged_session_token_leaves_nothing_behind() -> None:
    with pytest.raises(StaleSession):
        installs.ensure_installed(DOMAIN, "app-security.invalid.token", timezone.now())
    assert not Shop.objects.exists()


@pytest.mark.usefixtures("db")
def test_an_unreachable_shopify_leaves_nothing_behind(devstore: RunningDevstore, settings: Settings) -> None:
    settings.SHOPIFY_SHOP_ORIGIN = "http://127.0.0.1:9"
    with pytest.raises(TokenEndpointDown):
        installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    assert not Shop.objects.exists()


def test_the_account_owner_becomes_owner_and_others_viewers(
    devstore: RunningDevstore, installed: Shop
) -> None:
    assert installs.staff_role(installed, devstore.session_token(OWNER)) is Role.OWNER
    assert installs.staff_role(installed, devstore.session_token(OPERATOR)) is Role.VIEWER
    with scope(installed):
        StaffMember.objects.filter(user_id=OPERATOR).update(role=Role.OPERATOR)
    assert installs.staff_role(installed, devstore.session_token(OPERATOR)) is Role.OPERATOR


def test_a_session_token_of_another_shop_gets_no_role(devstore: RunningDevstore, other_shop: Shop) -> None:
    with pytest.raises(Refused):
        installs.staff_role(other_shop, devstore.session_token(OWNER))
    with scope(other_shop):
        assert not StaffMember.objects.filter(shop=other_shop).exists()


def test_a_token_is_refreshed_before_it_lapses_and_both_halves_rotate(installed: Shop) -> None:
    now = timezone.now()
    first = installs.access_token(installed, now)
    before = Shop.objects.get(pk=installed.pk)
    soon = now + timedelta(minutes=56)
    second = installs.access_token(installed, soon)
    after = Shop.objects.get(pk=installed.pk)
    assert first != second
    assert after.access_token_expires_at is not None
    assert after.access_token_expires_at > soon
    assert before.unseal(before.refresh_token_sealed or b"") != after.unseal(
        after.refresh_token_sealed or b""
    )
    assert installs.admin_client(installed).run("ShopInfo")["shop"]["myshopifyDomain"] == DOMAIN


@pytest.mark.django_db(transaction=True)
def test_many_callers_refresh_once(devstore: RunningDevstore) -> None:
    shop = installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    soon = timezone.now() + timedelta(minutes=56)
    tokens: list[str] = []

    def ask(moment: datetime) -> None:
        try:
            tokens.append(installs.access_token(shop, moment))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(soon,)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(tokens) == 6
    assert len(set(tokens)) == 1, "a second refresh would have killed the first one's token"


def test_a_revoked_token_asks_for_the_merchant_and_a_visit_mends_it(
    devstore: RunningDevstore, installed: Shop
) -> None:
    devstore.platform.tokens.revoke_all(DOMAIN, 0)
    with pytest.raises(NeedsReauth):
        installs.admin_client(installed).run("ShopInfo")
    assert Shop.objects.get(pk=installed.pk).state == ShopState.NEEDS_REAUTH
    installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    assert Shop.objects.get(pk=installed.pk).state == ShopState.INSTALLED
    assert installs.admin_client(installed).run("ShopInfo")["shop"]["myshopifyDomain"] == DOMAIN


def test_uninstalling_twice_is_harmless_and_a_reinstall_imports_anew(
    devstore: RunningDevstore, installed: Shop
) -> None:
    now = timezone.now()
    with unscoped(why="the test finishes the jobs by hand"):
        ImportJob.objects.update(state=JobState.DONE)
    assert installs.uninstall(installed, now) is True
    assert installs.uninstall(installed, now) is False
    gone = Shop.objects.get(pk=installed.pk)
    assert (gone.state, gone.access_token_sealed, gone.refresh_token_sealed) == (
        ShopState.UNINSTALLED,
        None,
        None,
    )
    with pytest.raises(NeedsReauth):
        installs.access_token(gone, now)
    back = installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), now + timedelta(seconds=1))
    assert back.pk == installed.pk
    assert Shop.objects.get(pk=back.pk).state == ShopState.INSTALLED
    assert set(states(back).values()) == {JobState.WAITING}
    with scope(installed):
        actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["shop.installed", "shop.uninstalled", "shop.installed"]


def test_a_late_uninstall_of_the_installation_before_is_ignored(installed: Shop) -> None:
    long_ago = installed.installed_at - timedelta(minutes=1)
    assert installs.uninstall(installed, timezone.now(), triggered_at=long_ago) is False
    assert Shop.objects.get(pk=installed.pk).state == ShopState.INSTALLED


@pytest.mark.usefixtures("db")
def test_an_app_that_the_merchant_removed_cannot_be_opened(devstore: RunningDevstore) -> None:
    devstore.control("POST", f"/shops/{DOMAIN}/uninstall")
    with pytest.raises(GrantRefused):
        installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
    assert not Shop.objects.exists()
