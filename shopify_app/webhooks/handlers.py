"""Topics about the installation itself and about privacy: one function each. Topics about data belong to `sync`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from django.db import transaction

from shopify_app import installs
from shopify_app.privacy import exports, redact
from shopify_app.sync import backfill, receive
from shopify_app.sync.models import Resource
from shopify_app.sync.receive import MarkerKind
from shopify_app.webhooks import inbox
from shopify_app.webhooks.models import InboxDelivery
from tenancy.models import Shop

Handler = Callable[[Shop, InboxDelivery, datetime], None]


def _uninstalled(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    installs.uninstall(shop, now, triggered_at=delivery.triggered_at)


def _scopes(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    scopes = [str(each) for each in delivery.payload.get("current") or ()]
    if not scopes:
        return
    before = {each for each in Shop.objects.get(pk=shop.pk).scopes.split(",") if each}
    at = delivery.triggered_at or now
    with transaction.atomic():
        all_orders = installs.note_scopes(shop, scopes)
        if before and before != set(scopes):
            gained, lost = sorted(set(scopes) - before), sorted(before - set(scopes))
            parts = [f"granted {', '.join(gained)}"] if gained else []
            parts += [f"withdrawn {', '.join(lost)}"] if lost else []
            detail = "; ".join(parts)
            receive.note_change(shop, MarkerKind.SCOPES_CHANGED, at=at, now=now, detail=detail)
    if all_orders:
        backfill.restart(shop, now=now, resources=(Resource.ORDERS,))


def _shop(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    told = delivery.payload
    before = Shop.objects.get(pk=shop.pk)
    at = delivery.triggered_at or now
    with transaction.atomic():
        after = installs.note_shop(
            shop,
            name=str(told.get("name") or ""),
            currency=str(told.get("currency") or ""),
            zone=str(told.get("iana_timezone") or ""),
        )
        for kind, old, new in (
            (MarkerKind.CURRENCY_CHANGED, before.currency, after.currency),
            (MarkerKind.TIME_ZONE_CHANGED, before.timezone, after.timezone),
        ):
            if old and old != new:
                receive.note_change(shop, kind, at=at, now=now, detail=f"from {old} to {new}")


def _bulk_finished(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    backfill.nudge(shop, str(delivery.payload.get("admin_graphql_api_id") or ""), now=now)


def _data_request(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    exports.data_request(shop, delivery.payload, now=now)


def _customer_redact(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    with transaction.atomic():
        redact.redact_customer(shop, delivery.payload, now=now)
        inbox.forget_customer(shop)


def _shop_redact(shop: Shop, delivery: InboxDelivery, now: datetime) -> None:
    redact.redact_shop(shop, now=now, triggered_at=delivery.triggered_at)


HANDLERS: Mapping[str, Handler] = {
    "app/uninstalled": _uninstalled,
    "app/scopes_update": _scopes,
    "shop/update": _shop,
    "bulk_operations/finish": _bulk_finished,
    "customers/data_request": _data_request,
    "customers/redact": _customer_redact,
    "shop/redact": _shop_redact,
}
