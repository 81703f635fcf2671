"""Small wrappers round every request: an id to quote, a door, who may frame the page, what to say in an outage."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from shopify_app.home.problems import refusal
from tenancy import limits
from tenancy.addresses import address, hidden
from tenancy.errors import Transient
from tenancy.outages import AWAY

log = logging.getLogger("shelfwise.requests")
Handler = Callable[[HttpRequest], HttpResponseBase]
_GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
# Shopify's own queries stay below 2,000 characters.
LONGEST_QUERY = 8192
LONGEST_PATH = 8192
# Asked by address, not by name, and telling nothing.
LIVENESS = "/healthz"
LIMITED_ELSEWHERE = ("/static/", "/proxy/", "/webhooks/", "/collect/")


class RequestId:
    """Gives each request an id, in `request.request_id` and the answer's X-Request-Id, and each answer its length.

    Without Content-Length the web server sends even the smallest answer in chunks.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        if isinstance(response, HttpResponse) and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
        return response


class FrameAncestors:
    """Content-Security-Policy on every answer: only this shop's admin may frame its page, nobody any other.

    A view that has verified the shop puts its domain in `request.shop_domain`.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        domain: str | None = getattr(request, "shop_domain", None)
        allowed = settings.SHOPIFY_FRAME_ANCESTORS.format(shop=domain) if domain else "'none'"
        response.headers.setdefault("Content-Security-Policy", f"frame-ancestors {allowed};")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response


class Door:
    """Turns away, before any view, a request that is for another host or whose address is longer than any of ours.

    And an address that asks too often, where people and their machines ask by themselves. What Shopify passes on, and
    what every shopper's browser sends, has limits of its own (docs/limits.md).
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        for code, length, most in (
            ("query_too_long", len(request.META.get("QUERY_STRING", "")), LONGEST_QUERY),
            ("path_too_long", len(request.path_info), LONGEST_PATH),
        ):
            if length > most:
                again = "Open the app again from the Shopify admin."
                text = f"The address is longer than any of ours: {length} characters, of {most} at most."
                return refusal(request, 414, code, "That address is too long", text, again)
        try:
            if request.path_info != LIVENESS:
                request.get_host()
        except DisallowedHost:
            text = "The Host header does not name this app."
            return refusal(request, 400, "unknown_host", "That is not our address", text)
        if wait_s := self._too_often(request):
            text = "This address has asked too often in this minute."
            again = f"Try again in {wait_s} seconds."
            return refusal(request, 429, "too_many_requests", "One moment", text, again, wait_s=wait_s)
        return self.get_response(request)

    @staticmethod
    def _too_often(request: HttpRequest) -> int:
        if request.path_info == LIVENESS or request.path_info.startswith(LIMITED_ELSEWHERE):
            return 0
        now = timezone.now()
        who = hidden(address(request), now)
        return limits.spend("address", who, limit=settings.ADDRESS_PER_MINUTE, now=now)


class ServicesAway:
    """503 when Postgres or Redis does not answer a view: that passes by itself, and Shopify sends its webhooks again."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, (Transient, *AWAY)):
            return None
        told = {"request_id": getattr(request, "request_id", ""), "reason": type(error).__name__}
        log.warning("request.service_away", extra=told)
        text = "Something that Shelfwise needs is being started again. Nothing was lost."
        again = "Try again in a few seconds."
        return refusal(request, 503, "try_again", "One moment", text, again, wait_s=2)
