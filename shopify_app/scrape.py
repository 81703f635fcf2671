"""GET /metrics: numbers for Prometheus. They count what shops do, so a caller proves itself with METRICS_TOKEN."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from shopify_app.home.problems import reading_only
from tenancy import measures, problems


@reading_only
def metrics(request: HttpRequest) -> HttpResponse:
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.META.get("HTTP_AUTHORIZATION", "").encode("utf-8", "replace")
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given, expected):
        response = problems.answer(
            request,
            401,
            code="not_authenticated",
            message="These numbers are only told to who holds the metrics token.",
            next_step="Send `Authorization: Bearer` with the value of METRICS_TOKEN; without that setting nobody is told.",
        )
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    response = HttpResponse(measures.exposition(), content_type=CONTENT_TYPE_LATEST)
    response.headers["Cache-Control"] = "no-store"
    return response
