"""Reads the headers of a webhook delivery, in either of Shopify's two spellings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shopify_app.verify.shop_domain import shop_domain

_TOPIC = re.compile(r"[a-z0-9_]{1,60}/[a-z0-9_]{1,60}")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the headers claim. Only the body is signed, so none of this is proof."""

    topic: str
    shop: str
    webhook_id: str
    event_id: str
    api_version: str
    triggered_at: str


def signature_header(headers: Mapping[str, str]) -> str | None:
    """The HMAC header. Next-generation events drop the `X-` prefix from every name.

    Args:
        headers: case-insensitive mapping.
    """
    return headers.get("shopify-hmac-sha256") or headers.get("x-shopify-hmac-sha256")


def read_headers(headers: Mapping[str, str]) -> Delivery | str:
    """The delivery, or the name of the first header that is missing or malformed."""
    prefix = "shopify-" if headers.get("shopify-hmac-sha256") else "x-shopify-"

    def get(name: str) -> str:
        return (headers.get(prefix + name) or "").strip()

    shop = shop_domain(get("shop-domain"))
    if not _TOPIC.fullmatch(get("topic")):
        return prefix + "topic"
    if shop is None:
        return prefix + "shop-domain"
    if not _ID.fullmatch(get("webhook-id")):
        return prefix + "webhook-id"
    return Delivery(
        topic=get("topic"),
        shop=shop,
        webhook_id=get("webhook-id"),
        event_id=get("event-id")[:100],
        api_version=get("api-version")[:20],
        triggered_at=get("triggered-at")[:40],
    )
