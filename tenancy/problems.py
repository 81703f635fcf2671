"""The one error shape of every answer that a machine reads.

{"error": {"code", "message", "next_step", "field", "request_id"}}
"""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse


def shape(
    request: HttpRequest, *, code: str, message: str, next_step: str = "", field: str | None = None
) -> dict[str, dict[str, str | None]]:
    """The shape, filled.

    Args:
        code: stable machine name, kept for good.
        message: what happened, in the reader's words.
        next_step: what the reader can do now.
        field: the parameter, header or body field at fault, if one is.
    """
    return {
        "error": {
            "code": code,
            "message": message,
            "next_step": next_step,
            "field": field,
            "request_id": str(getattr(request, "request_id", "") or ""),
        }
    }


def answer(
    request: HttpRequest,
    status: int,
    *,
    code: str,
    message: str,
    next_step: str = "",
    field: str | None = None,
    allow: str = "",
    wait_s: int = 0,
) -> HttpResponse:
    """The shape as an answer that no cache keeps.

    Args:
        allow: the methods that would do, for a 405.
        wait_s: how long until it may be tried again, for a 429 or a 503.
    """
    body = shape(request, code=code, message=message, next_step=next_step, field=field)
    response = HttpResponse(json.dumps(body), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    if allow:
        response.headers["Allow"] = allow
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response
