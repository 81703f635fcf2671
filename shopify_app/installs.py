"""The life of an installation: install, keep its token fresh, uninstall, install again. Each is safe to do twice.

"Installed" means that a token exchange succeeded: Shopify grants scopes by itself and tells nobody. Access tokens live
an hour and are sealed at rest; refreshing rotates both tokens, so one process at a time refreshes, under a lock, and
writes both in one transaction.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from mlops.features import attributes
from shopify_app.graphql import token_endpoint
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.client import AdminClient
from shopify_app.graphql.picks import Pick
from shopify_app.graphql.throttle import Priority
from shopify_app.graphql.token_endpoint import Grant, GrantRefused, TokenEndpointDown
from shopify_app.verify.session_token import verify_session_token
from tenancy import audit
from tenancy.errors import NeedsReauth, Refused, Transient, UserFixable
from tenancy.locks import LockKind, lock
from tenancy.models import Role, Shop, ShopState, StaffMember
from tenancy.scope import scoped

REFRESH_BEFORE = timedelta(minutes=5)
_CURRENCY = re.compile("[A-Z]{3}")

# Sent with `shop` and `now` inside the installing transaction, at the first install and at each reinstall.
shop_installed = Signal()
# Sent with `shop` after a commit that changed its state, name, currency, time zone or scopes.
shop_state_changed = Signal()


def ensure_installed(domain: str, session_token: str, now: datetime) -> Shop:
    """The installed shop, after exchanging the session token if we hold no usable grant yet.

    Args:
        domain, session_token: both from one verified session token.

    Raises:
        StaleSession: the browser must bring a new session token.
        TokenEndpointDown: Shopify is not reachable now.
    """
    shop = Shop.objects.filter(domain=domain).first()
    if shop is not None and _has_grant(shop, now):
        return shop
    with transaction.atomic(durable=True):
        shop = _locked_row(domain, now)
        if _has_grant(shop, now):
            return shop
        _install(shop, token_endpoint.exchange_offline(domain, session_token, now=now), now)
    _learn_quietly(shop, now)
    return shop


def install_by_code(domain: str, code: str, now: datetime) -> Shop:
    """The end of the authorization-code grant, for a page opened outside the admin.

    Raises:
        GrantRefused: the code was used or has lapsed.
        TokenEndpointDown: Shopify is not reachable now.
    """
    with transaction.atomic(durable=True):
        shop = _locked_row(domain, now)
        _install(shop, token_endpoint.exchange_code(domain, code, now=now), now)
    _learn_quietly(shop, now)
    return shop


def access_token(shop: Shop, now: datetime, *, rejected: str | None = None) -> str:
    """A token with at least five minutes left, refreshed by one process at a time. Call it outside transactions.

    Args:
        rejected: a token that Shopify has just refused, so that it is not returned again.

    Raises:
        NeedsReauth: only a merchant's visit can help; the shop is marked so.
        TokenEndpointDown: Shopify is not reachable and the old token has lapsed.
    """
    token = _usable_token(Shop.objects.get(pk=shop.pk), now, rejected)
    if token is not None:
        return token
    refusal = "the app is not installed"
    with transaction.atomic(durable=True):
        lock(shop, LockKind.TOKEN, wait_s=10.0)
        fresh = Shop.objects.get(pk=shop.pk)
        token = _usable_token(fresh, now, rejected)
        if token is not None:
            return token
        if fresh.state != ShopState.UNINSTALLED:
            try:
                return _refreshed(fresh, now)
            except GrantRefused as error:
                refusal = error.message
                _set_state(fresh, ShopState.NEEDS_REAUTH, now, reason=refusal)
            except TokenEndpointDown:
                # The old token is good for up to five more minutes: better than failing the caller.
                if rejected is None and fresh.access_token_expires_at and fresh.access_token_expires_at > now:
                    return fresh.unseal(fresh.access_token_sealed or b"")
                raise
    raise NeedsReauth(
        f"Shopify no longer accepts the access of {shop.domain} ({refusal})",
        next_step="Open the app once from the Shopify admin.",
    )


def admin_client(
    shop: Shop,
    *,
    phase: Phase = Phase.WEBHOOK,
    priority: Priority = Priority.FOLLOW_UP,
    patience_s: float = 5.0,
) -> AdminClient:
    """The Admin API of exactly this shop, with a token that is kept fresh.

    Args:
        phase: what the calls are for; they are counted under it.
    """

    def token(rejected: str | None) -> str:
        return access_token(shop, timezone.now(), rejected=rejected)

    def picks() -> list[Pick]:
        return [Pick(each.id, each.owner.value, each.namespace, each.key) for each in attributes.chosen(shop)]

    return AdminClient(
        shop=shop, token=token, priority=priority, patience_s=patience_s, picks=picks, phase=phase
    )


@scoped
def staff_role(shop: Shop, session_token: str, *, now: datetime | None = None) -> Role:
    """The role of the staff member whose session token this is; at the first visit Shopify tells who owns the account.

    Raises:
        Refused: the token is not a session token of this shop.
        StaleSession, TokenEndpointDown
    """
    moment = now or timezone.now()
    verdict = verify_session_token(
        session_token, client_id=settings.SHOPIFY_API_KEY, secrets=settings.SHOPIFY_SECRETS, now=moment
    )
    if not verdict.ok or verdict.shop != shop.domain:
        raise Refused("the session token is not one of this shop", code=str(verdict.code))
    known = StaffMember.objects.filter(shop=shop, user_id=verdict.user_id).first()
    if known is not None:
        return Role(known.role)
    person = token_endpoint.exchange_online(shop.domain, session_token)
    if person.user_id != verdict.user_id:
        raise Refused("Shopify names another staff member than the session token", code="wrong_user")
    role = Role.OWNER if person.account_owner else Role.VIEWER
    member, _ = StaffMember.objects.get_or_create(
        shop=shop, user_id=verdict.user_id, defaults={"role": role, "first_seen_at": moment}
    )
    return Role(member.role)


@scoped
def uninstall(shop: Shop, now: datetime, *, triggered_at: datetime | None = None) -> bool:
    """Forget the tokens and mark the shop uninstalled; True when this call did it.

    Args:
        triggered_at: when the uninstall happened. One that is older than the present installation is a late delivery
            about the one before, and is ignored.
    """
    with transaction.atomic():
        lock(shop, LockKind.TOKEN)
        fresh = Shop.objects.get(pk=shop.pk)
        late = triggered_at is not None and triggered_at < fresh.installed_at
        if fresh.state == ShopState.UNINSTALLED or late:
            return False
        fresh.uninstalled_at = now
        fresh.access_token_sealed = fresh.refresh_token_sealed = None
        fresh.access_token_expires_at = fresh.refresh_token_expires_at = None
        fresh.save(update_fields=["uninstalled_at", *_TOKEN_FIELDS, "updated_at"])
        _set_state(fresh, ShopState.UNINSTALLED, now, reason="uninstalled by the merchant")
    return True


def learn(shop: Shop) -> Shop:
    """Read the shop's name, currency, time zone and granted scopes from Shopify.

    Raises:
        as `AdminClient.run`.
    """
    data = admin_client(shop, phase=Phase.INSTALL).run("ShopInfo")
    scopes = ",".join(sorted(each["handle"] for each in data["currentAppInstallation"]["accessScopes"]))
    told = data["shop"]
    return _note_facts(
        shop, name=told["name"], currency=told["currencyCode"], zone=told["ianaTimezone"], scopes=scopes
    )


def note_shop(shop: Shop, *, name: str, currency: str, zone: str) -> Shop:
    """Keep what a shop/update webhook tells."""
    return _note_facts(shop, name=name, currency=currency, zone=zone, scopes=None)


def note_scopes(shop: Shop, scopes: list[str]) -> bool:
    """Keep the granted scopes that an app/scopes_update webhook tells; True when orders of all time became readable."""
    before = set(Shop.objects.get(pk=shop.pk).scopes.split(","))
    _note_facts(shop, name="", currency="", zone="", scopes=",".join(sorted(scopes)))
    return "read_all_orders" in scopes and "read_all_orders" not in before


_TOKEN_FIELDS = (
    "access_token_sealed", "access_token_expires_at", "refresh_token_sealed", "refresh_token_expires_at"
)  # fmt: skip


def _locked_row(domain: str, now: datetime) -> Shop:
    shop, _ = Shop.objects.get_or_create(
        domain=domain, defaults={"state": ShopState.UNINSTALLED, "installed_at": now}
    )
    lock(shop, LockKind.TOKEN, wait_s=10.0)
    return Shop.objects.get(pk=shop.pk)


def _has_grant(shop: Shop, now: datetime) -> bool:
    if shop.state != ShopState.INSTALLED or shop.access_token_sealed is None:
        return False
    if shop.refresh_token_expires_at is not None:
        return shop.refresh_token_expires_at > now
    return shop.access_token_expires_at is None or shop.access_token_expires_at > now + REFRESH_BEFORE


def _usable_token(shop: Shop, now: datetime, rejected: str | None) -> str | None:
    if shop.state != ShopState.INSTALLED or shop.access_token_sealed is None:
        return None
    if shop.access_token_expires_at is not None and shop.access_token_expires_at <= now + REFRESH_BEFORE:
        return None
    token = shop.unseal(shop.access_token_sealed)
    return None if token == rejected else token


@scoped
def _refreshed(shop: Shop, now: datetime) -> str:
    if shop.refresh_token_sealed is None:
        raise GrantRefused("no refresh token is held")
    grant = token_endpoint.refresh(shop.domain, shop.unseal(shop.refresh_token_sealed), now=now)
    _keep(shop, grant)
    shop.save(update_fields=[*_TOKEN_FIELDS, "scopes", "updated_at"])
    return grant.access_token


def _keep(shop: Shop, grant: Grant) -> None:
    shop.access_token_sealed = shop.seal(grant.access_token)
    shop.access_token_expires_at = grant.expires_at
    shop.refresh_token_sealed = shop.seal(grant.refresh_token) if grant.refresh_token else None
    shop.refresh_token_expires_at = grant.refresh_expires_at
    shop.scopes = grant.scopes or shop.scopes


@scoped
def _install(shop: Shop, grant: Grant, now: datetime) -> None:
    newly = shop.state == ShopState.UNINSTALLED
    _keep(shop, grant)
    if newly:
        shop.installed_at = now
    shop.uninstalled_at = None
    shop.save(update_fields=[*_TOKEN_FIELDS, "scopes", "installed_at", "uninstalled_at", "updated_at"])
    _set_state(shop, ShopState.INSTALLED, now, reason="opened by the merchant")
    if newly:
        shop_installed.send(sender=None, shop=shop, now=now)


@scoped
def _set_state(shop: Shop, state: ShopState, now: datetime, *, reason: str) -> None:
    if shop.state == state:
        return
    shop.state = state
    shop.save(update_fields=["state", "updated_at"])
    audit.record(shop, actor="system:installs", action=f"shop.{state.value}", now=now, reason=reason)
    transaction.on_commit(lambda: shop_state_changed.send(sender=None, shop=shop))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@scoped
def _note_facts(shop: Shop, *, name: str, currency: str, zone: str, scopes: str | None) -> Shop:
    with transaction.atomic():
        fresh = Shop.objects.select_for_update().get(pk=shop.pk)
        fresh.name = name[:255] or fresh.name
        fresh.currency = currency if _CURRENCY.fullmatch(currency) else fresh.currency
        # Days are cut by it on every page: a name that this machine does not know would break them all.
        fresh.timezone = zone if zone in _zones() else fresh.timezone
        fresh.scopes = fresh.scopes if scopes is None else scopes
        fresh.save(update_fields=["name", "currency", "timezone", "scopes", "updated_at"])
        transaction.on_commit(lambda: shop_state_changed.send(sender=None, shop=fresh))
    return fresh


def _learn_quietly(shop: Shop, now: datetime) -> None:
    """The page need not wait for Shopify's second answer: the import asks again when this fails."""
    try:
        learnt = learn(shop)
    except (Transient, UserFixable):
        return
    shop.name, shop.currency, shop.timezone, shop.scopes = (
        learnt.name,
        learnt.currency,
        learnt.timezone,
        learnt.scopes,
    )
