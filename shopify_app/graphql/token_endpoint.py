"""Shopify's token endpoint: each grant as a function that returns a frozen value. Nothing here is stored or logged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.conf import settings

from shopify_app.graphql import shop_http
from tenancy.errors import Bug, Transient, UserFixable

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
_ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"


class StaleSession(UserFixable):
    """Shopify does not accept the session token (any more): the browser must bring a new one."""

    code = "stale_session"
    http_status = 401


class GrantRefused(UserFixable):
    """The refresh token or code is used up, lapsed or revoked."""

    code = "grant_refused"


class TokenEndpointDown(Transient):
    code = "shopify_unavailable"


@dataclass(frozen=True, slots=True)
class Grant:
    """An offline grant. The expiries are None when Shopify gave a token that does not expire."""

    access_token: str
    scopes: str
    expires_at: datetime | None
    refresh_token: str | None
    refresh_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """Who opened the app: all that we take from an online grant. The rest (name, e-mail) is dropped unread."""

    user_id: int
    account_owner: bool


def exchange_offline(domain: str, session_token: str, *, now: datetime) -> Grant:
    """Trade a session token for an expiring offline token.

    Raises:
        StaleSession, TokenEndpointDown, Bug
    """
    answer = _post(domain, {**_exchange(session_token, _OFFLINE), "expiring": "1"})
    return _grant(answer, now)


def exchange_online(domain: str, session_token: str) -> Person:
    """Trade a session token for an online one, to learn who it is. The token itself is thrown away."""
    answer = _post(domain, _exchange(session_token, _ONLINE))
    try:
        user = answer["associated_user"]
        return Person(user_id=int(user["id"]), account_owner=user.get("account_owner") is True)
    except (KeyError, TypeError, ValueError):
        raise TokenEndpointDown("Shopify's answer names no staff member") from None


def refresh(domain: str, refresh_token: str, *, now: datetime) -> Grant:
    """Trade a refresh token for a new pair; the old pair is dead from then on.

    Raises:
        GrantRefused, TokenEndpointDown, Bug
    """
    return _grant(_post(domain, {"grant_type": "refresh_token", "refresh_token": refresh_token}), now)


def exchange_code(domain: str, code: str, *, now: datetime) -> Grant:
    """The last step of the authorization-code grant."""
    return _grant(_post(domain, {"code": code, "expiring": "1"}), now)


def _exchange(session_token: str, wanted: str) -> dict[str, str]:
    return {
        "grant_type": _EXCHANGE,
        "subject_token": session_token,
        "subject_token_type": _ID_TOKEN,
        "requested_token_type": wanted,
    }


def _post(domain: str, fields: dict[str, str]) -> dict[str, Any]:
    body = {"client_id": settings.SHOPIFY_API_KEY, "client_secret": settings.SHOPIFY_API_SECRET, **fields}
    url = shop_http.shop_url(domain, "/admin/oauth/access_token")
    try:
        response = shop_http.client().post(url, json=body, headers=shop_http.shop_headers(domain))
    except httpx.HTTPError as error:
        raise TokenEndpointDown(f"Shopify could not be reached ({type(error).__name__})") from error
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if response.status_code == 200 and answer.get("access_token"):
        return answer
    reason = str(answer.get("error", ""))
    if reason == "invalid_subject_token":
        raise StaleSession("Shopify does not accept this session token", next_step="Reload the page.")
    if reason in ("invalid_grant", "invalid_request", "app_not_installed", "shop_not_permitted"):
        raise GrantRefused(
            f"Shopify refuses the grant ({reason})", next_step="Open the app from the Shopify admin."
        )
    if response.status_code >= 500 or response.status_code == 429 or response.status_code == 200:
        raise TokenEndpointDown(f"Shopify's token endpoint answered {response.status_code}")
    # The client id or secret is wrong: the operator must look at the settings, no merchant can mend it.
    raise Bug(
        f"Shopify refuses this app's credentials (HTTP {response.status_code}, {reason[:60] or 'no reason'})"
    )


def _grant(answer: dict[str, Any], now: datetime) -> Grant:
    def moment(name: str) -> datetime | None:
        seconds = answer.get(name)
        return (
            now + timedelta(seconds=int(seconds))
            if isinstance(seconds, int | float) and seconds > 0
            else None
        )

    return Grant(
        access_token=str(answer["access_token"]),
        scopes=str(answer.get("scope", "")),
        expires_at=moment("expires_in"),
        refresh_token=str(answer["refresh_token"]) if answer.get("refresh_token") else None,
        refresh_expires_at=moment("refresh_token_expires_in"),
    )
