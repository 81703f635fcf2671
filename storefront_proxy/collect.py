"""The collector: takes what the web pixel sends, from any browser in the world, and queues what is good of it.

The pixel runs in a sandbox without an origin and cannot keep a secret, so nothing here is proven but which shop's pixel
it claims to be. What a forger can do: add storefront events to a shop whose account they read from its pages, within the
caps, under visitor ids that this app handed to them. They cannot touch orders, revenue, exposures or another shop, and
cannot use a visitor id that they were not given.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from mlops.features.online import OnlineShop
from mlops.features.storefront import Consent, Exclusion
from storefront_proxy import arrivals, batches, callers, caps, problems, shops, visitors
from storefront_proxy.batches import BadBatch, Batch
from storefront_proxy.problems import Problem
from tenancy.addresses import address as caller
from tenancy.bodies import BodyTooLarge, BodyUnfinished, read_body
from tenancy.errors import Transient

log = logging.getLogger("shelfwise.storefront")

# 32 kB over the slowest mobile network.
LONGEST_READ_S = 2.0
# The sandbox has the origin "null", the shop any number of domains; no cookie is read, so any page may send.
_CORS = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}


def events(request: HttpRequest) -> HttpResponse:
    """POST /collect/events?account=...: a batch from the pixel. 202 with what was taken, 400, 413, 429, or 503 to try again."""
    try:
        response = _answer(request)
    except Problem as problem:
        response = problems.answer(request, problem)
        if problem.status == 405:
            response.headers["Allow"] = "POST, OPTIONS"
    except (RedisError, Transient):
        log.exception("storefront.collector_waits")
        response = problems.answer(request, Problem(503, "try_again", "events cannot be taken at the moment"))
        response.headers["Retry-After"] = "5"
    for name, value in _CORS.items():
        response.headers[name] = value
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=_PREFLIGHT)
    if request.method != "POST":
        raise Problem(405, "method_not_allowed", "use POST here")
    now = datetime.now(UTC)
    shop = _shop(request.GET.get("account", ""))
    address = caller(request)
    cap = caps.knock(address, now=now)
    if cap.over:
        return _slow_down(request, cap)
    try:
        batch = batches.read(_body(request), now=now)
    except BadBatch as bad:
        raise Problem(400, bad.code, bad.message, field=bad.field) from None
    visitor = batch.visitor if batch.visitor and visitors.issued(shop.domain, batch.visitor) else None
    cap = caps.spend(
        shop_id=shop.id,
        visitor=visitor,
        address=address,
        amount=len(batch.events) + batch.dropped.total(),
        now=now,
    )
    if cap.over:
        return _slow_down(request, cap)
    return _take(request, shop, batch, visitor, now)


def _take(
    request: HttpRequest, shop: OnlineShop, batch: Batch, visitor: str | None, now: datetime
) -> HttpResponse:
    made = None
    if batch.consent is Consent.PERSONAL and visitor is None and batch.events:
        made = visitor = visitors.issue(shop.domain)
    excluded = _exclusion(request, shop, batch, now)
    taken = [replace(each, visitor=visitor, excluded=excluded) for each in batch.events]
    if taken:
        arrivals.send(shop.id, visitor, taken)
    if batch.forget and visitors.issued(shop.domain, batch.forget):
        arrivals.send_withdrawal(shop.id, batch.forget)
    if excluded is Exclusion.STAFF and visitor is not None:
        arrivals.send_staff(shop.id, visitor)
    arrivals.count_dropped(shop.id, Counter({each.value: n for each, n in batch.dropped.items()}), now)
    told: dict[str, Any] = {"accepted": len(taken), "dropped": batch.dropped.total()}
    if made is not None:
        told["visitor"] = made
    response = HttpResponse(json.dumps(told), status=202, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _exclusion(request: HttpRequest, shop: OnlineShop, batch: Batch, now: datetime) -> Exclusion | None:
    if batch.staff and visitors.is_staff(shop.domain, batch.staff, now=now):
        return Exclusion.STAFF
    if batch.lacks_language:
        return Exclusion.HEADLESS
    return callers.exclusion(request, by_script=True)


def _shop(account: str) -> OnlineShop:
    # In the address, not in the batch: who names no shop of ours has no body read.
    domain = visitors.shop_of_account(account)
    shop = shops.installed_shop(domain) if domain else None
    if shop is None:
        # One answer for both: who has this app is not told to strangers.
        raise Problem(400, "unknown_account", "no shop with this app has this account", field="account")
    return shop


def _slow_down(request: HttpRequest, cap: caps.Cap) -> HttpResponse:
    told = f"this {cap.over} has sent more events than it may in a minute"
    return problems.answer(request, Problem(429, "too_many_events", told, wait_s=cap.wait_s))


def _body(request: HttpRequest) -> bytes:
    try:
        return read_body(request, most=batches.LARGEST_BODY, within_s=LONGEST_READ_S)
    except BodyTooLarge:
        message = f"the body must not exceed {batches.LARGEST_BODY} bytes"
        raise Problem(413, "body_too_large", message) from None
    except BodyUnfinished:
        raise Problem(408, "body_unfinished", "the body did not arrive in time") from None
