"""The embedded page. A verified session token in the query installs the app, if it is not yet, and gets the page."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from shopify_app import installs
from shopify_app.graphql.token_endpoint import GrantRefused, StaleSession
from shopify_app.home.build import build
from shopify_app.verify.session_token import verify_session_token
from shopify_app.verify.shop_domain import shop_domain
from tenancy.errors import Bug, Transient

BOUNCE = "/auth/bounce"
LONGEST_QUERY = 8192
# Our own pages only: a bounce never leaves the app.
_PAGE = re.compile(r"/(?:[a-z0-9_-]+(?:/[a-z0-9_-]+)*)?")


@require_safe
def page(request: HttpRequest, path: str = "") -> HttpResponse:
    """GET / and every client-side route."""
    if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
        return message(request, 414, "That address is too long", "Open the app again from the Shopify admin.")
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
        return message(
            request, 403, "Shelfwise is not installed on this shop", error.message, error.next_step
        )
    except Transient as error:
        again = "Nothing was lost. Reload the page in a moment."
        return message(request, 503, "Shopify does not answer just now", error.message, again)
    except Bug as error:
        again = "The app's operator finds the reason in the log, under this request."
        return message(request, 502, "Shopify does not accept this app", error.message, again)
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


@require_safe
def bounce(request: HttpRequest) -> HttpResponse:
    """A page with nothing but App Bridge, which reloads `shopify-reload` with a fresh session token."""
    target = request.GET.get("shopify-reload", "")
    inside = target.removeprefix(settings.APP_URL)
    if inside == target or not _PAGE.fullmatch(inside.partition("?")[0]) or "\\" in inside:
        return message(
            request, 400, "That address is not one of ours", "Open the app from the Shopify admin."
        )
    _name_frame(request)
    response = render(
        request, "bounce.html", {"client_id": settings.SHOPIFY_API_KEY, "cdn": settings.SHOPIFY_CDN_ORIGIN}
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def message(request: HttpRequest, status: int, title: str, text: str, next_step: str = "") -> HttpResponse:
    """A page for a person, when there is nothing else to show."""
    facts = {
        "title": title,
        "message": text,
        "next_step": next_step,
        "request_id": getattr(request, "request_id", ""),
    }
    response = render(request, "message.html", facts, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _without_token(request: HttpRequest) -> HttpResponse:
    embedded = request.GET.get("embedded") == "1" or "host" in request.GET or "id_token" in request.GET
    domain = shop_domain(request.GET.get("shop"))
    if embedded:
        return _bounce(request)
    if domain is not None:
        return HttpResponseRedirect("/auth/begin?" + urlencode({"shop": domain}))
    return message(
        request,
        400,
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
    domain = shop_domain(request.GET.get("shop"))
    if domain is not None:
        request.shop_domain = domain  # type: ignore[attr-defined]
