"""Any error of the admin API as the one JSON shape.

    {"error": {"code", "message", "next_step", "field", "request_id"}}

Every 401 carries the header that makes App Bridge ask again, once, with a fresh session token.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from django.http.request import UnreadablePostError
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from tenancy.errors import Bug, ShelfwiseError, Transient
from tenancy.outages import AWAY
from tenancy.problems import shape

log = logging.getLogger("shelfwise.admin_api")

RETRY_SESSION_HEADER = "X-Shopify-Retry-Invalid-Session-Request"
_ASK_SUPPORT = "Try again. If it happens again, send the request id to whoever runs this app."


class ProblemDetail(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="stable machine name")
    message = serializers.CharField(help_text="what happened, and what was kept safe")
    next_step = serializers.CharField(help_text="what the reader can do now")
    field = serializers.CharField(allow_null=True, help_text="the request field at fault, if one is")
    request_id = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    error = ProblemDetail()


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: always an answer, never a trace to the reader."""
    request = context.get("request")
    request_id = str(getattr(request, "request_id", "") or "")
    status, code, message, next_step, field = _explain(error)
    if status >= 500 and not isinstance(error, (Transient, *AWAY)):
        log.error("request.failed", exc_info=error, extra={"request_id": request_id, "code": code})
    body = shape(context["request"], code=code, message=message, next_step=next_step, field=field)
    response = Response(body, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
        response[RETRY_SESSION_HEADER] = "1"
    wait_s = getattr(error, "wait_s", None) or getattr(error, "wait", None)
    if wait_s:
        response["Retry-After"] = str(max(1, round(wait_s)))
    return response


def _explain(error: Exception) -> tuple[int, str, str, str, str | None]:
    """Status, code, message, next step and field of one error."""
    if isinstance(error, Bug):
        return (
            500,
            "internal_error",
            "Something went wrong on our side. Nothing was changed.",
            _ASK_SUPPORT,
            None,
        )
    if isinstance(error, AWAY):
        return (
            503,
            "try_again",
            "Something that Shelfwise needs is being started again. Nothing was changed.",
            "Try again in a few seconds.",
            None,
        )
    if isinstance(error, ShelfwiseError):
        return error.http_status, error.code, error.message, error.next_step, error.field
    if isinstance(error, exceptions.ValidationError):
        field, text = _first(error.detail)
        return 400, "invalid_request", text, "Correct the value and send it again.", field
    if isinstance(error, (Http404, exceptions.NotFound)):
        return (
            404,
            "not_found",
            "There is nothing at this address in your shop.",
            "Go back to the overview.",
            None,
        )
    if isinstance(error, (PermissionDenied, exceptions.PermissionDenied)):
        detail = str(getattr(error, "detail", "") or "Your role does not allow this.")
        return 403, "not_allowed", detail, "Ask an owner to change your role on the Team page.", None
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        code = getattr(error.detail, "code", "") or "invalid_session_token"
        if code in ("not_authenticated", "authentication_failed"):
            code = "invalid_session_token"
        return (
            401,
            code,
            "Your Shopify session could not be confirmed.",
            "Reload the page in the Shopify admin.",
            None,
        )
    if isinstance(error, (RequestDataTooBig, TooManyFieldsSent)):
        return 413, "too_large", "The request is too large.", "Send less.", None
    if isinstance(error, exceptions.Throttled):
        wait_s = round(getattr(error, "wait", None) or 1)
        text = "You have asked too often in this minute. Nothing was changed."
        return 429, "too_many_requests", text, f"Try again in {wait_s} seconds.", None
    if isinstance(error, exceptions.MethodNotAllowed):
        return 405, "method_not_allowed", str(error.detail), "Use a method named in the Allow header.", None
    if isinstance(error, exceptions.UnsupportedMediaType):
        return (
            415,
            "unsupported_media_type",
            "The body must be JSON.",
            "Send Content-Type: application/json.",
            None,
        )
    if isinstance(error, exceptions.NotAcceptable):
        return 406, "not_acceptable", "Only JSON is served here.", "Accept application/json.", None
    if isinstance(error, (exceptions.ParseError, RecursionError, UnreadablePostError)):
        # RecursionError: brackets nested deeper than any body of ours; the parser gave up.
        return 400, "malformed_json", "The body is not valid JSON.", "Send valid JSON.", None
    if isinstance(error, exceptions.APIException):
        return error.status_code, "invalid_request", str(error.detail), "", None
    return 500, "internal_error", "Something went wrong on our side. Nothing was changed.", _ASK_SUPPORT, None


def _first(detail: Any, path: str = "") -> tuple[str | None, str]:
    """The first field at fault in DRF's nested detail, with its text."""
    if isinstance(detail, dict) and detail:
        key, inner = next(iter(detail.items()))
        step = "" if key == "non_field_errors" else str(key)
        return _first(inner, ".".join(part for part in (path, step) if part))
    if isinstance(detail, list) and detail:
        for position, inner in enumerate(detail):
            if inner:
                nested = isinstance(inner, (dict, list))
                return _first(inner, f"{path}[{position}]" if nested else path)
    return path or None, str(detail)
