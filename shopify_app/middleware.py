"""Two small wrappers round every request: an id to quote, and who may frame the page."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
_GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestId:
    """Gives each request an id, in `request.request_id` and the answer's X-Request-Id."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response


class FrameAncestors:
    """Content-Security-Policy on every answer: only this shop's admin may frame its page, nobody any other.

    A view that has verified the shop puts its domain in `request.shop_domain`.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        domain: str | None = getattr(request, "shop_domain", None)
        allowed = settings.SHOPIFY_FRAME_ANCESTORS.format(shop=domain) if domain else "'none'"
        response.headers.setdefault("Content-Security-Policy", f"frame-ancestors {allowed};")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response
