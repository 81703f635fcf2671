"""The base of every view here: authenticated first, then fenced to the actor's shop until the answer is made."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import NotFound, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from shopify_app.admin_api.authentication import Actor
from tenancy import limits
from tenancy.errors import Refused
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

# The largest honest body here is a reason of 500 characters.
LARGEST_BODY = 64 * 1024


class PerStaff(BaseThrottle):
    """How often one member of staff may ask (docs/limits.md), whatever they ask."""

    _wait_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        who = cast(Actor, request.user)
        subject = f"{who.shop.pk}:{who.user_id}"
        self._wait_s = limits.spend("staff", subject, limit=settings.STAFF_PER_MINUTE, now=timezone.now())
        return self._wait_s == 0

    def wait(self) -> float:
        return self._wait_s


class TooLarge(Refused):
    code = "too_large"
    http_status = 413


class ShopView(APIView):
    """A view of one shop. The shop comes from the verified session token and from nowhere else.

    One that shows what is linked to people names its `purpose`; what it reads is kept in the access log.
    """

    purpose: Purpose | None = None

    throttle_classes = [PerStaff]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as open_scope:
            self._open_scope = open_scope
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self._refuse_odd_bodies(request)
        super().initial(request, *args, **kwargs)
        self._open_scope.enter_context(scope(self.actor.shop))
        if self.purpose is not None:
            self._open_scope.enter_context(reading(actor=self.actor.name, purpose=self.purpose))

    def _refuse_odd_bodies(self, request: Request) -> None:
        # DRF reads a body of any size, and Python knows charsets (rot13, hex) that are no text encodings.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > LARGEST_BODY:
            raise TooLarge("The request is too large. Nothing was changed.", next_step="Send less.")
        if (request.encoding or "utf-8").lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(request.content_type or "")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        # What one member of staff may see is never kept for another.
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    @property
    def actor(self) -> Actor:
        return cast(Actor, self.request.user)

    @property
    def shop(self) -> Shop:
        return self.actor.shop


class NothingHere(ShopView):
    """Every other path below /api/: the one error shape instead of the embedded page."""

    schema = None

    def _refuse(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NotFound

    get = post = put = patch = delete = _refuse
