"""How the app gets its tokens: token exchange, refresh, client credentials, authorization code.

One address for all grants, `POST /admin/oauth/access_token` (JSON or form), refused with HTTP 400 and an `error` code.
"""

from __future__ import annotations

import html
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore.config import SCOPE
from devstore.platform import Platform
from devstore.store import Store
from devstore.tokens import (
    InvalidGrantError,
    InvalidSessionTokenError,
    OfflineGrant,
    TokenKind,
    constant_time_equal,
    hmac_hex,
    query_message,
    read_session_token,
)
from devstore.topics import expand_scopes

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
MAX_BODY = 64 * 1024
CODE_LIFE_S = 60.0


class OAuthError(Exception):
    """A refusal: the `error` code of the answer and a sentence for the developer."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class _Code:
    """An authorization code that was handed to the app; `staff_id` is set when an online token was asked for."""

    shop: str
    scopes: frozenset[str]
    staff_id: int | None
    expires_at: float


class OAuth:
    """The endpoints. Authorization codes live in memory: they last a minute."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._codes: dict[str, _Code] = {}

    async def access_token(self, request: Request) -> Response:
        """Every grant of Shopify's token endpoint."""
        store = self._platform.store_for(request)
        try:
            parameters = await _parameters(request)
            document = await anyio.to_thread.run_sync(self._grant, store, parameters)
        except OAuthError as error:
            refusal = {"error": error.code, "error_description": error.description}
            return JSONResponse(refusal, status_code=400, headers={"Cache-Control": "no-store"})
        return JSONResponse(document, headers={"Cache-Control": "no-store"})

    def _grant(self, store: Store, given: Mapping[str, str]) -> dict[str, Any]:
        app = self._platform.app
        if given.get("client_id") != app.client_id:
            raise OAuthError("application_cannot_be_found", "There is no app with this client_id.")
        if not constant_time_equal(given.get("client_secret", ""), app.client_secret):
            raise OAuthError("invalid_client", "The client_secret is wrong.")
        grant_type = given.get("grant_type", "authorization_code" if "code" in given else "")
        if grant_type == "authorization_code":
            return self._authorization_code(store, given)
        install = self._platform.installs.active(store.domain)
        if install is None:
            raise OAuthError("app_not_installed", f"The app is not installed on {store.domain}.")
        if grant_type == TOKEN_EXCHANGE:
            return self._token_exchange(store, install.scopes, given)
        if grant_type == "refresh_token":
            return self._refresh(store, install.scopes, given)
        if grant_type == "client_credentials":
            life_s = self._platform.faults.tokens.client_credentials_expires_in
            access = self._platform.tokens.issue(
                store.domain, TokenKind.CLIENT_CREDENTIALS, install.scopes, now=time.time(), life_s=life_s
            )
            return {
                "access_token": access.token,
                "scope": _scope_text(install.scopes),
                "expires_in": int(life_s),
            }
        raise OAuthError("unsupported_grant_type", f"grant_type {grant_type!r} is not offered.")

    def _token_exchange(
        self, store: Store, scopes: frozenset[str], given: Mapping[str, str]
    ) -> dict[str, Any]:
        subject, subject_type = given.get("subject_token", ""), given.get("subject_token_type")
        requested = given.get("requested_token_type", OFFLINE)
        if requested not in (OFFLINE, ONLINE):
            raise OAuthError("invalid_request", f"requested_token_type {requested!r} does not exist.")
        if subject_type == OFFLINE:
            return self._upgrade(store, scopes, subject, requested, expiring=_flag(given, "expiring"))
        if subject_type != ID_TOKEN:
            raise OAuthError("invalid_request", f"subject_token_type {subject_type!r} cannot be exchanged.")
        try:
            staff_id = read_session_token(
                subject,
                client_id=self._platform.app.client_id,
                client_secret=self._platform.app.client_secret,
                shop=store.domain,
                now=time.time(),
            )
        except InvalidSessionTokenError as error:
            raise OAuthError("invalid_subject_token", f"{str(error)[0].upper()}{str(error)[1:]}.") from None
        if requested == ONLINE:
            return self._online(store, scopes, staff_id)
        return self._offline(store, scopes, expiring=_flag(given, "expiring"))

    def _upgrade(
        self, store: Store, scopes: frozenset[str], token: str, requested: str, *, expiring: bool
    ) -> dict[str, Any]:
        now = time.time()
        old = self._platform.tokens.find(token, now)
        if old is None or old.shop != store.domain or old.kind is not TokenKind.OFFLINE:
            raise OAuthError("invalid_subject_token", "Not a live non-expiring offline token of this shop.")
        if requested != OFFLINE or not expiring:
            raise OAuthError("invalid_request", "An offline token can be exchanged only for an expiring one.")
        lifetimes = self._platform.faults.tokens
        return _offline_document(self._platform.tokens.upgrade(old, now=now, lifetimes=lifetimes), scopes)

    def _offline(self, store: Store, scopes: frozenset[str], *, expiring: bool) -> dict[str, Any]:
        grant = self._platform.tokens.issue_offline(
            store.domain, scopes, expiring=expiring, now=time.time(), lifetimes=self._platform.faults.tokens
        )
        return _offline_document(grant, scopes)

    def _online(self, store: Store, scopes: frozenset[str], staff_id: int) -> dict[str, Any]:
        life_s = self._platform.faults.tokens.online_expires_in
        try:
            member = self._platform.staff_member(store.domain, staff_id)
        except LookupError:
            raise OAuthError("invalid_subject_token", "The staff member is not of this shop.") from None
        access = self._platform.tokens.issue(
            store.domain, TokenKind.ONLINE, scopes, now=time.time(), life_s=life_s, staff_id=staff_id
        )
        return {
            "access_token": access.token,
            "scope": _scope_text(scopes),
            "expires_in": int(life_s),
            "associated_user_scope": _scope_text(scopes),
            "associated_user": {
                "id": member.id,
                "first_name": member.first_name,
                "last_name": member.last_name,
                "email": member.email,
                "email_verified": True,
                "account_owner": member.account_owner,
                "locale": member.locale,
                "collaborator": False,
            },
        }

    def _refresh(self, store: Store, scopes: frozenset[str], given: Mapping[str, str]) -> dict[str, Any]:
        try:
            grant = self._platform.tokens.refresh(
                store.domain,
                given.get("refresh_token", ""),
                scopes,
                now=time.time(),
                lifetimes=self._platform.faults.tokens,
            )
        except InvalidGrantError as error:
            raise OAuthError("invalid_grant", f"{str(error)[0].upper()}{str(error)[1:]}.") from None
        return _offline_document(grant, scopes)

    def _authorization_code(self, store: Store, given: Mapping[str, str]) -> dict[str, Any]:
        code = self._codes.pop(given.get("code", ""), None)
        if code is None or code.shop != store.domain or time.time() >= code.expires_at:
            raise OAuthError("invalid_request", "The authorization code was not found or was already used.")
        if code.staff_id is not None:
            return self._online(store, code.scopes, code.staff_id)
        return self._offline(store, code.scopes, expiring=_flag(given, "expiring"))

    async def authorize(self, request: Request) -> Response:
        """The consent page (GET) and its button (POST), then back to the app with a code.

        An installed app that asks for nothing new is sent back at once. `staff` (query or form) names the staff member
        who is looking; the owner without it.
        """
        store = self._platform.store_for(request)
        query = request.query_params
        try:
            form = await _parameters(request) if request.method == "POST" else {}
            scopes, redirect_uri = self._checked_request(query)
            staff_id = (
                await anyio.to_thread.run_sync(
                    self._staff_id, store, form.get("staff", query.get("staff", ""))
                )
                if "per-user" in query.getlist("grant_options[]")
                else None
            )
        except OAuthError as error:
            text = html.escape(f"OAuth error {error.code}: {error.description}")
            return HTMLResponse(
                f"<!doctype html><html lang=en><title>{text}</title><p>{text}</p></html>", 400
            )
        install = self._platform.installs.active(store.domain)
        if request.method == "GET" and not (
            install and expand_scopes(scopes) <= expand_scopes(install.scopes)
        ):
            return HTMLResponse(_consent_page(self._platform.app.name, store.domain, scopes))
        await anyio.to_thread.run_sync(self._platform.grant, store.domain, scopes)
        code = secrets.token_hex(16)
        now = time.time()
        self._codes = {key: value for key, value in self._codes.items() if value.expires_at > now}
        self._codes[code] = _Code(store.domain, scopes, staff_id, now + CODE_LIFE_S)
        parameters = {
            "code": code,
            "host": self._platform.host_parameter(store.domain),
            "shop": store.domain,
            "timestamp": str(int(now)),
        }
        if "state" in query:
            parameters["state"] = query["state"]
        message = query_message(parameters)
        signature = hmac_hex(self._platform.app.client_secret, message.encode())
        joint = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{joint}hmac={signature}&{message}", status_code=302)

    def _checked_request(self, query: Mapping[str, str]) -> tuple[frozenset[str], str]:
        app = self._platform.app
        if query.get("client_id") != app.client_id:
            raise OAuthError("application_cannot_be_found", "There is no app with this client_id.")
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in app.redirect_urls:
            raise OAuthError("invalid_request", "The redirect_uri is not whitelisted in auth.redirect_urls.")
        scopes = frozenset(scope.strip() for scope in query.get("scope", "").split(",") if scope.strip())
        for scope in sorted(scopes):
            if not SCOPE.fullmatch(scope):
                raise OAuthError("invalid_scope", f"{scope!r} is not a scope.")
        return scopes or app.scopes, redirect_uri

    def _staff_id(self, store: Store, text: str) -> int:
        try:
            return self._platform.staff_member(store.domain, int(text) if text else None).id
        except (LookupError, ValueError):
            raise OAuthError("invalid_request", f"There is no staff member {text!r}.") from None


def routes(platform: Platform) -> list[Route]:
    oauth = OAuth(platform)
    return [
        Route("/admin/oauth/access_token", oauth.access_token, methods=["POST"]),
        Route("/admin/oauth/authorize", oauth.authorize, methods=["GET", "POST"]),
    ]


async def _parameters(request: Request) -> dict[str, str]:
    """The text values of a JSON object or a form, as Shopify takes both; the last of a repeated key counts."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise OAuthError("invalid_request", f"The request is longer than {MAX_BODY} bytes.")
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise OAuthError("invalid_request", "The request is neither JSON nor a form.") from None
    if not isinstance(document, dict):
        raise OAuthError("invalid_request", "The request must be a JSON object.")
    return {key: str(value) for key, value in document.items() if isinstance(value, str | int)}


def _flag(given: Mapping[str, str], key: str) -> bool:
    value = given.get(key, "0")
    if value not in ("0", "1"):
        raise OAuthError("invalid_request", f"{key} must be 0 or 1.")
    return value == "1"


def _scope_text(scopes: frozenset[str]) -> str:
    return ",".join(sorted(scopes))


def _offline_document(grant: OfflineGrant, scopes: frozenset[str]) -> dict[str, Any]:
    document: dict[str, Any] = {"access_token": grant.access.token, "scope": _scope_text(scopes)}
    if grant.refresh_token is not None:
        document |= {
            "expires_in": grant.expires_in,
            "refresh_token": grant.refresh_token,
            "refresh_token_expires_in": grant.refresh_token_expires_in,
        }
    return document


def _consent_page(app_name: str, domain: str, scopes: frozenset[str]) -> str:
    items = "".join(f"<li><code>{html.escape(scope)}</code></li>" for scope in sorted(scopes))
    name, shop = html.escape(app_name), html.escape(domain)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Install {name}</title><style>body{{font:14px/1.5 system-ui;max-width:34rem;margin:3rem auto;padding:0 1rem}}"
        "button{font:inherit;padding:.5rem 1rem;border:0;border-radius:.5rem;background:#303030;color:#fff}</style>"
        f"<h1>Install {name}?</h1><p>On {shop} it will be able to use:</p><ul>{items}</ul>"
        "<form method=post><button>Install</button></form></html>"
    )
