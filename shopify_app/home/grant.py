"""The authorization-code grant: for an app opened outside the admin. Embedded pages use token exchange instead.

ShopifyAPI builds the permission URL; the way back is checked by our own verifier, which is stricter, and the code is
exchanged for an expiring token, which the library cannot ask for.
"""

from __future__ import annotations

import hmac
import secrets
import tomllib
from functools import cache

import shopify
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from shopify_app import installs
from shopify_app.graphql.shop_http import shop_url
from shopify_app.graphql.token_endpoint import GrantRefused, StaleSession
from shopify_app.home.problems import reading_only, refusal
from shopify_app.verify.shop_domain import claimed_shop
from shopify_app.verify.signatures import verify_oauth
from tenancy.errors import Bug, Transient

STATE_COOKIE = "shelfwise_grant"
# Long enough to read the consent page.
STATE_LIFE_S = 600


@reading_only
def begin(request: HttpRequest) -> HttpResponse:
    """GET /auth/begin?shop=: send the browser to Shopify's consent page."""
    domain = claimed_shop(request.META.get("QUERY_STRING", ""))
    if domain is None:
        text = "A shop's address looks like name.myshopify.com."
        return refusal(request, 400, "bad_shop", "That is not a shop", text)
    state = secrets.token_hex(32)
    shopify.Session.setup(api_key=settings.SHOPIFY_API_KEY, secret=settings.SHOPIFY_API_SECRET)
    session = shopify.Session(domain, "unstable")
    address = session.create_permission_url(_scopes(), settings.APP_URL + "/auth/callback", state)
    response = HttpResponseRedirect(shop_url(domain, address.removeprefix(f"https://{domain}")))
    response.set_cookie(
        STATE_COOKIE,
        signing.dumps([domain, state], salt=STATE_COOKIE),
        max_age=STATE_LIFE_S,
        secure=not settings.LOCAL,
        httponly=True,
        samesite="Lax",
        path="/auth",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@reading_only
def callback(request: HttpRequest) -> HttpResponse:
    """GET /auth/callback: the browser comes back with a code, signed by Shopify, and with the state that we gave it."""
    now = timezone.now()
    verdict = verify_oauth(request.META.get("QUERY_STRING", ""), settings.SHOPIFY_SECRETS, now)
    if not verdict.ok:
        text = "Its signature does not hold."
        return refusal(request, 400, verdict.code.value, "That link is not from Shopify", text)
    if not _state_matches(request, verdict.shop, verdict.params.get("state", "")):
        again = "Begin again from the Shopify admin."
        title = "That link was not asked for here"
        return refusal(request, 400, "foreign_state", title, "It belongs to another browser.", again)
    try:
        installs.install_by_code(verdict.shop, verdict.params.get("code", ""), now)
    except (GrantRefused, StaleSession) as error:
        again = "Open the app from the Shopify admin."
        return refusal(request, 400, error.code, "Shopify refuses this link", error.message, again)
    except Transient as error:
        again = "Try again in a moment."
        return refusal(request, 503, "try_again", "Shopify does not answer just now", error.message, again)
    except Bug as error:
        return refusal(request, 502, "shopify_refuses", "Shopify does not accept this app", error.message)
    name = verdict.shop.removesuffix(".myshopify.com")
    response = HttpResponseRedirect(f"https://admin.shopify.com/store/{name}/apps/{settings.SHOPIFY_API_KEY}")
    response.delete_cookie(STATE_COOKIE, path="/auth", samesite="Lax")
    return response


def _state_matches(request: HttpRequest, domain: str, state: str) -> bool:
    try:
        kept = signing.loads(request.COOKIES.get(STATE_COOKIE, ""), salt=STATE_COOKIE, max_age=STATE_LIFE_S)
    except signing.BadSignature:
        return False
    expected = f"{kept[0]}:{kept[1]}".encode()
    return hmac.compare_digest(expected, f"{domain}:{state}".encode())


@cache
def _scopes() -> list[str]:
    declared = tomllib.loads(settings.APP_TOML.read_text(encoding="utf-8"))["access_scopes"]["scopes"]
    return [each.strip() for each in declared.split(",")]
