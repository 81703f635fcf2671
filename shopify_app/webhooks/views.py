"""Shopify's webhooks come in here: verify, cut, store, answer. No work inside."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from shopify_app.sync import receive
from shopify_app.verify.deliveries import read_headers, signature_header
from shopify_app.verify.signatures import webhook_ok
from shopify_app.webhooks import inbox, senders, shops, tasks
from shopify_app.webhooks.body import BodyTooLarge, BodyUnfinished, read_body
from tenancy import problems
from tenancy.models import ShopState

log = logging.getLogger("shelfwise.webhooks")
COMPLIANCE = ("customers/data_request", "customers/redact", "shop/redact")


def shopify(request: HttpRequest) -> HttpResponse:
    """POST /webhooks/shopify.

    401 without a good signature, 429 for too many, 404 for a shop that has not installed the app, 200 else: also for a repeat, and for a
    topic that we do not use, since anything but 2xx makes Shopify send it again.
    """
    return _receive(request, compliance=False)


def compliance(request: HttpRequest) -> HttpResponse:
    """POST /webhooks/compliance: the three privacy topics, accepted for uninstalled shops too."""
    return _receive(request, compliance=True)


def _receive(request: HttpRequest, *, compliance: bool) -> HttpResponse:
    if request.method != "POST":
        return _refuse(request, 405, "method_not_allowed", "Webhooks are sent with POST.", allow="POST")
    now = timezone.now()
    signature = signature_header(request.headers)
    if not signature:
        # Told before the body is waited for: who signs nothing gets no thread.
        return _refuse(request, 401, "bad_signature", "The signature is missing.")
    sender = senders.Sender(request, now)
    if wait_s := sender.wait_s():
        return _too_often(request, "This address has sent too much that is not Shopify's.", wait_s)
    try:
        body = read_body(request)
    except BodyTooLarge:
        return _refuse(request, 413, "body_too_large", "The body is larger than any webhook.")
    except BodyUnfinished:
        sender.left_unfinished()
        return _refuse(request, 408, "body_unfinished", "The body did not come to its end in time.")
    if not webhook_ok(body, signature, settings.SHOPIFY_SECRETS):
        sender.forged()
        return _refuse(request, 401, "bad_signature", "The signature is not Shopify's.")
    delivery = read_headers(request.headers)
    if isinstance(delivery, str):
        return _refuse(request, 400, "bad_header", "A header is missing or malformed.", field=delivery)
    shop = shops.named(delivery.shop, as_held=not compliance)
    if compliance and (shop is None or delivery.topic not in COMPLIANCE):
        return HttpResponse(status=200)  # nothing of this shop is here
    if shop is None or (
        not compliance and shop.state == ShopState.UNINSTALLED and delivery.topic != "app/uninstalled"
    ):
        return _refuse(request, 404, "unknown_shop", "This shop has not installed the app.")
    if wait_s := senders.shop_wait_s(shop.pk, compliance=compliance, now=now):
        return _too_often(request, "This shop has sent too many webhooks in this minute.", wait_s)
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return _refuse(request, 400, "bad_body", "The body is not JSON.")
    payload = receive.cut(delivery.topic, given)
    if payload is None:
        return HttpResponse(status=200)
    payload = receive.without_numbers(shop, delivery.topic, payload)
    triggered_at = _time(delivery.triggered_at, now)
    try:
        fresh = inbox.take_in(shop.pk, delivery, payload, triggered_at=triggered_at, now=now)
    except IntegrityError:  # the shop was erased since its row was read
        shops.forget()
        return _refuse(request, 404, "unknown_shop", "This shop has not installed the app.")
    if fresh:
        tasks.hint(shop.pk)
    return HttpResponse(status=200)


def _time(text: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return now
    # The header is not signed: a time to come would shut out every later version.
    return min(found, now) if found.tzinfo is not None else now


def _refuse(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    allow: str = "",
    wait_s: int = 0,
) -> HttpResponse:
    log.info("webhooks.refused", extra={"code": code, "status": status})
    return problems.answer(
        request, status, code=code, message=message, field=field, allow=allow, wait_s=wait_s
    )


def _too_often(request: HttpRequest, message: str, wait_s: int) -> HttpResponse:
    return _refuse(request, 429, "too_many_deliveries", message, wait_s=wait_s)


def missing(request: HttpRequest) -> HttpResponse:
    """Any other address below /webhooks/."""
    return _refuse(request, 404, "not_found", "There is nothing at this address.")
