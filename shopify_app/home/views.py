"""The embedded page. A verified session token in the query installs the app, if it is not yet, and gets the page."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from shopify_app import installs
from shopify_app.graphql.token_endpoint import GrantRefused, StaleSession
from shopify_app.home.build import build
from shopify_app.home.problems import reading_only, refusal
from shopify_app.verify.session_token import verify_session_token
from shopify_app.verify.shop_domain import claimed_shop
from tenancy.errors import Bug, Transient

BOUNCE = "/auth/bounce"
# Our own pages only: a bounce never leaves the app.
_PAGE = re.compile(r"/(?:[a-z0-9_-]+(?:/[a-z0-9_-]+)*)?")


@reading_only
def page(request: HttpRequest, path: str = "") -> HttpResponse:
    """GET / and every client-side route."""
    token = request.GET.get("id_token")
    now = timezone.now()
    verdict = verify_session_token(
        token, client_id=settings.SHOPIFY_API_KEY, secrets=settings.SHOPIFY_SECRETS, now=now
    )
    if not verdict.ok or token is None:
        return _without_token(request)
    request.shop_domain = verdict.shop  # type: ignore[attr-defined]
    try:
        installs.ensure_installed(verdict.shop, token, now)
    except StaleSession:
        return _bounce(request)
    except GrantRefused as error:
        title = "Shelfwise is not installed on this shop"
        return refusal(request, 403, error.code, title, error.message, error.next_step)
    except Transient as error:
        again = "Nothing was lost. Reload the page in a moment."
        return refusal(request, 503, "try_again", "Shopify does not answer just now", error.message, again)
    except Bug as error:
        again = "The app's operator finds the reason in the log, under this request."
        return refusal(
            request, 502, "shopify_refuses", "Shopify does not accept this app", error.message, again
        )
    response = render(
        request,
        "home.html",
        {"client_id": settings.SHOPIFY_API_KEY, "cdn": settings.SHOPIFY_CDN_ORIGIN, "build": build()},
    )
    cdn = settings.SHOPIFY_CDN_ORIGIN
    response.headers["Link"] = (
        f'<{cdn}>; rel="preconnect", <{cdn}/app-bridge.js>; rel="preload"; as="script",'
        f' <{cdn}/polaris.js>; rel="preload"; as="script"'
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@reading_only
def bounce(request: HttpRequest) -> HttpResponse:
    """A page with nothing but App Bridge, which reloads `shopify-reload` with a fresh session token."""
    target = request.GET.get("shopify-reload", "")
    inside = target.removeprefix(settings.APP_URL)
    if inside == target or not _PAGE.fullmatch(inside.partition("?")[0]) or "\\" in inside:
        title = "That address is not one of ours"
        text = "The page to go back to is not a page of this app."
        return refusal(request, 400, "foreign_address", title, text, "Open the app from the Shopify admin.")
    _name_frame(request)
    response = render(
        request, "bounce.html", {"client_id": settings.SHOPIFY_API_KEY, "cdn": settings.SHOPIFY_CDN_ORIGIN}
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _without_token(request: HttpRequest) -> HttpResponse:
    embedded = request.GET.get("embedded") == "1" or "host" in request.GET or "id_token" in request.GET
    domain = claimed_shop(request.META.get("QUERY_STRING", ""))
    if embedded:
        return _bounce(request)
    if domain is not None:
        return HttpResponseRedirect("/auth/begin?" + urlencode({"shop": domain}))
    return refusal(
        request,
        400,
        "open_from_admin",
        "Open Shelfwise from the Shopify admin",
        "This page belongs to a shop, and this address does not say which.",
        "In your Shopify admin, choose Apps and then Shelfwise.",
    )


def _bounce(request: HttpRequest) -> HttpResponse:
    kept = [(key, value) for key, values in request.GET.lists() if key != "id_token" for value in values]
    inside = request.path if _PAGE.fullmatch(request.path) else "/"
    reload = settings.APP_URL + inside + ("?" + urlencode(kept) if kept else "")
    carried = [(key, value) for key, value in kept if key in ("shop", "host", "embedded", "locale")]
    _name_frame(request)
    response = HttpResponseRedirect(f"{BOUNCE}?" + urlencode([*carried, ("shopify-reload", reload)]))
    response.headers["Cache-Control"] = "no-store"
    return response


def _name_frame(request: HttpRequest) -> None:
    """Let the shop that is named frame a page without content; a page with content wants a verified token."""
    domain = claimed_shop(request.META.get("QUERY_STRING", ""))
    if domain is not None:
        request.shop_domain = domain  # type: ignore[attr-defined]
