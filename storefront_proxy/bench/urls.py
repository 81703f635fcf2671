"""Every address of the product, and the two floors: a constant, and a constant behind the verification."""

from __future__ import annotations

from importlib import import_module

from django.http import HttpRequest, HttpResponse
from django.urls import path

from storefront_proxy.views import Asker, Params, signed

# As long as an answer with ten products of the measured shop.
CANNED = b'{"canned":"%b"}' % (b"x" * 3880)


def constant(request: HttpRequest) -> HttpResponse:
    return HttpResponse(CANNED, content_type="application/json")


@signed("GET")
def verified(request: HttpRequest, asker: Asker, params: Params) -> HttpResponse:
    return HttpResponse(CANNED, content_type="application/json")


# The product's addresses come first, so that they cost what they cost in production. Its last line takes any other.
_product = import_module("shopify_app.urls").urlpatterns
urlpatterns = [
    *_product[:-1],
    path("bench/constant", constant),
    path("bench/verified", verified),
    _product[-1],
]
