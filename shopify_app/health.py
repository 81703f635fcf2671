"""Liveness: this process answers. It asks no other service, so that a database pause does not restart the web server."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from shopify_app.home.problems import reading_only


@reading_only
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"alive": True})
