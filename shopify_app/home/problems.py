"""What goes wrong outside the rooms that answer for themselves: a page for a person, the one error shape for a machine.

The page says the same facts as the shape. `shopify_app.urls` names the four handlers below for whatever no view caught.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tenancy import problems

log = logging.getLogger("shelfwise.requests")
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

# Nobody reads these addresses in a browser's window.
_MACHINES = ("/api/", "/proxy/", "/webhooks/", "/static/", "/healthz", "/metrics")
_ADMIN = "Open the app again from the Shopify admin."


def refusal(
    request: HttpRequest,
    status: int,
    code: str,
    title: str,
    text: str,
    next_step: str = "",
    *,
    allow: str = "",
    wait_s: int = 0,
) -> HttpResponse:
    """An error answer in the form that its reader understands.

    Args:
        title: the page's heading; a machine is told `text` alone.
        allow: the methods that would do, for a 405.
        wait_s: how long until it may be tried again, for a 429 or a 503.
    """
    if not _reads_pages(request):
        return problems.answer(
            request, status, code=code, message=text, next_step=next_step, allow=allow, wait_s=wait_s
        )
    facts = {
        "title": title,
        "message": text,
        "next_step": next_step,
        "code": code,
        "request_id": getattr(request, "request_id", ""),
    }
    response = render(request, "message.html", facts, status=status)
    response.headers["Cache-Control"] = "no-store"
    if allow:
        response.headers["Allow"] = allow
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def reading_only(view: View[P]) -> View[P]:
    """Let GET and HEAD through to the view; any other method is a 405 that says so."""

    @functools.wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return view(request, *args, **kwargs)
        text = "This address is only read, with GET or HEAD. Nothing was changed."
        return refusal(
            request, 405, "method_not_allowed", "That cannot be sent here", text, allow="GET, HEAD"
        )

    return answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request itself could not be read."""
    text = "The request is malformed. Nothing was changed."
    return refusal(request, 400, "malformed_request", "That request cannot be read", text, _ADMIN)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    return refusal(
        request, 403, "not_allowed", "That is not allowed", "This is not allowed. Nothing was changed."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return refusal(
        request, 404, "not_found", "There is nothing here", "There is nothing at this address.", _ADMIN
    )


def failed(request: HttpRequest) -> HttpResponse:
    """500: our fault. It asks no service, since one of them may be the reason."""
    log.exception("request.failed", extra={"request_id": getattr(request, "request_id", "")})
    text = "Something went wrong on our side. Nothing was changed."
    again = "Try again. If it happens again, send the request id to whoever runs this app."
    return refusal(request, 500, "internal_error", "Something went wrong", text, again)


def _reads_pages(request: HttpRequest) -> bool:
    if request.path_info.startswith(_MACHINES):
        return False
    accepted = request.headers.get("Accept", "*/*")
    return "text/html" in accepted or "*/*" in accepted
