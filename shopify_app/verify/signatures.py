"""Shopify's three HMAC signatures, as pure functions: webhook bodies, app proxy queries, OAuth queries.

Every function takes a sequence of secrets: for up to an hour after a rotation Shopify may still sign with the old one.
Comparisons take constant time. Rules: shopify.dev, "Verify deliveries", "Authenticate app proxies" and "Authorization
code grant"; the 90 seconds are the tolerance of Shopify's own library (hmac-validator.ts).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import parse_qsl, quote

from shopify_app.verify.shop_domain import shop_domain

TOLERANCE_S = 90
LONGEST_QUERY = 8192
MOST_PARAMETERS = 200
_SINGLE = ("shop", "signature", "hmac", "timestamp", "logged_in_customer_id", "path_prefix")
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(r"[0-9]{1,18}")


class QueryCode(StrEnum):
    """Why a signed query was accepted or refused."""

    OK = "ok"
    MALFORMED = "malformed_query"
    DUPLICATED = "duplicated_parameter"
    NO_SIGNATURE = "missing_signature"
    BAD_SIGNATURE = "bad_signature"
    BAD_TIMESTAMP = "bad_timestamp"
    STALE = "stale_timestamp"
    BAD_SHOP = "bad_shop"
    BAD_CUSTOMER = "bad_customer"


@dataclass(frozen=True, slots=True)
class ProxyVerdict:
    """The answer of `verify_proxy`. Only `shop`, `customer_id` and `path_prefix` are vouched for, and only when `ok`.

    Args:
        customer_id: the signed-in customer; None for an anonymous visitor.
        path_prefix: where the merchant mounted the proxy, such as ``/apps/shelfwise``.
        params: every parameter except `signature`, decoded, in order. Buyers choose most of them.
    """

    ok: bool
    code: QueryCode
    shop: str = ""
    customer_id: int | None = None
    path_prefix: str = ""
    params: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OAuthVerdict:
    """The answer of `verify_oauth`; the fields hold only when `ok`."""

    ok: bool
    code: QueryCode
    shop: str = ""
    params: dict[str, str] = field(default_factory=dict)


def webhook_ok(raw_body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """True when `header` is the base64 HMAC-SHA256 of these exact bytes. An empty body is never accepted."""
    if not raw_body or not header or not header.isascii():
        return False
    try:
        given = base64.b64decode(header.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    # Every secret is tried, so that the time does not tell which one matched.
    matches = [hmac.compare_digest(hmac.digest(s.encode(), raw_body, "sha256"), given) for s in secrets if s]
    return any(matches)


def proxy_message(params: dict[str, list[str]]) -> str:
    """The text that Shopify signs for an app proxy request: ``key=value,value`` sorted, joined without separator."""
    return "".join(
        sorted(f"{key}={','.join(values)}" for key, values in params.items() if key != "signature")
    )


def verify_proxy(raw_query: str, secrets: Sequence[str], now: datetime) -> ProxyVerdict:
    """Check an app proxy request by its undecoded query string.

    A parameter that we trust must occur once: the rest of the query is the buyer's, and the signed text joins values
    without escaping them.
    """
    params = _parse(raw_query)
    if params is None:
        return ProxyVerdict(ok=False, code=QueryCode.MALFORMED)
    if any(len(params.get(key, ())) > 1 for key in _SINGLE):
        return ProxyVerdict(ok=False, code=QueryCode.DUPLICATED)
    signature = _one(params, "signature")
    if not signature:
        return ProxyVerdict(ok=False, code=QueryCode.NO_SIGNATURE)
    if not _hex_ok(proxy_message(params), signature, secrets):
        return ProxyVerdict(ok=False, code=QueryCode.BAD_SIGNATURE)
    if (refusal := _clock(_one(params, "timestamp"), now)) is not None:
        return ProxyVerdict(ok=False, code=refusal)
    shop = shop_domain(_one(params, "shop"))
    if shop is None:
        return ProxyVerdict(ok=False, code=QueryCode.BAD_SHOP)
    customer = _one(params, "logged_in_customer_id") or ""
    if customer and not _DIGITS.fullmatch(customer):
        return ProxyVerdict(ok=False, code=QueryCode.BAD_CUSTOMER)
    return ProxyVerdict(
        ok=True,
        code=QueryCode.OK,
        shop=shop,
        customer_id=int(customer) if customer else None,
        path_prefix=_one(params, "path_prefix") or "",
        params={key: values for key, values in params.items() if key != "signature"},
    )


def oauth_message(params: dict[str, str]) -> str:
    """The text that Shopify signs on the way back from the authorize page: sorted ``k=v`` joined with ``&``."""
    kept = sorted((key, value) for key, value in params.items() if key not in ("hmac", "signature"))
    return "&".join(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in kept)


def verify_oauth(raw_query: str, secrets: Sequence[str], now: datetime) -> OAuthVerdict:
    """Check the query of the authorization-code callback (and of a first visit that carries `hmac`)."""
    found = _parse(raw_query)
    if found is None:
        return OAuthVerdict(ok=False, code=QueryCode.MALFORMED)
    if any(len(values) > 1 for values in found.values()):
        return OAuthVerdict(ok=False, code=QueryCode.DUPLICATED)
    params = {key: values[0] for key, values in found.items()}
    if not params.get("hmac"):
        return OAuthVerdict(ok=False, code=QueryCode.NO_SIGNATURE)
    if not _hex_ok(oauth_message(params), params["hmac"], secrets):
        return OAuthVerdict(ok=False, code=QueryCode.BAD_SIGNATURE)
    if (refusal := _clock(params.get("timestamp"), now)) is not None:
        return OAuthVerdict(ok=False, code=refusal)
    shop = shop_domain(params.get("shop"))
    if shop is None:
        return OAuthVerdict(ok=False, code=QueryCode.BAD_SHOP)
    return OAuthVerdict(ok=True, code=QueryCode.OK, shop=shop, params=params)


def _parse(raw_query: str) -> dict[str, list[str]] | None:
    if len(raw_query) > LONGEST_QUERY:
        return None
    try:
        pairs = parse_qsl(raw_query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:  # includes UnicodeDecodeError: percent escapes that are not UTF-8
        return None
    params: dict[str, list[str]] = {}
    for key, value in pairs:
        params.setdefault(key, []).append(value)
    return params


def _one(params: dict[str, list[str]], key: str) -> str | None:
    values = params.get(key)
    return values[0] if values else None


def _hex_ok(message: str, given: str, secrets: Sequence[str]) -> bool:
    if not _HEX_SHA256.fullmatch(given):
        return False
    raw = message.encode("utf-8", "surrogatepass")
    expected = [hmac.digest(secret.encode(), raw, "sha256").hex() for secret in secrets if secret]
    matches = [hmac.compare_digest(each, given) for each in expected]
    return any(matches)


def _clock(text: str | None, now: datetime) -> QueryCode | None:
    if text is None or not _DIGITS.fullmatch(text):
        return QueryCode.BAD_TIMESTAMP
    if abs(now.timestamp() - int(text)) > TOLERANCE_S:
        return QueryCode.STALE
    return None
