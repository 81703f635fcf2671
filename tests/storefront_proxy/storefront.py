"""A storefront that signs its requests as Shopify's app proxy does, computed here from the published rule."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from storefront_proxy import outbox

PATH = "/proxy/recommendations"


def signed(
    domain: str,
    params: Sequence[tuple[str, str]],
    *,
    secret: str | None = None,
    at: float | None = None,
    customer: int | None = None,
) -> str:
    """A query string with Shopify's parameters and signature added."""
    pairs = [
        *params,
        ("shop", domain),
        ("logged_in_customer_id", "" if customer is None else str(customer)),
        ("path_prefix", "/apps/shelfwise"),
        ("timestamp", str(int(time.time() if at is None else at))),
    ]
    query = urlencode(pairs)
    return f"{query}&signature={signature(query, secret)}"


def signature(query: str, secret: str | None = None) -> str:
    """Hex HMAC-SHA256 of the sorted ``key=value,value`` parts without separator."""
    grouped: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        grouped.setdefault(name, []).append(value)
    message = "".join(sorted(f"{name}={','.join(values)}" for name, values in grouped.items()))
    return hmac.new(
        (secret or settings.SHOPIFY_API_SECRET).encode(), message.encode(), hashlib.sha256
    ).hexdigest()


class Storefront:
    """One shop's storefront."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.client = Client(raise_request_exception=True)

    def ask(self, *, customer: int | None = None, **params: object) -> Any:
        """GET recommendations, as a signed-in customer or nobody; a list as value repeats the parameter."""
        pairs = [
            (name, str(each))
            for name, value in params.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        response = self.client.get(f"{PATH}?{signed(self.domain, pairs, customer=customer)}")
        outbox.drain()  # as its thread does some milliseconds later
        return response

    def click(self, body: object, *, content_type: str = "application/json") -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            f"/proxy/clicks?{signed(self.domain, [])}", data=content, content_type=content_type
        )


def problem(response: HttpResponse) -> dict[str, Any]:
    """The body of a refusal, checked to have the one error shape."""
    found: dict[str, Any] = json.loads(response.content)
    assert set(found) == {"error"}
    assert set(found["error"]) == {"code", "message", "next_step", "field", "request_id"}
    assert found["error"]["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["Content-Type"] == "application/json"
    assert found["error"]["code"]
    assert found["error"]["message"]
    return dict(found["error"])
